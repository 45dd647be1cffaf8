/**
 * Aim: a checkpoint that a replay writes promises as much as the one that the replay began with (protocol.md, rule 7). Method: a stored replica whose newest
 * checkpoint came from a peer that had promised more, as a replica leaves it that is killed between giving the copy its name and recording the jump.
 */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { BlockWriter } from '../../src/checkpoint/blocks.js';
import { CHECKPOINT_HEADER_BYTES } from '../../src/checkpoint/format.js';
import { readCheckpointHeader, writeCheckpointHeader } from '../../src/checkpoint/header.js';
import { crc32c } from '../../src/checksum.js';
import { readCheckpoint } from '../../src/tools/checkpoint-survey.js';
import { replay } from '../../src/tools/replay.js';
import { bytesOf } from '../application/support.js';
import { Counter } from './counter.mjs';
import { cleanUp, makeRoot, openStored } from './support.js';

afterEach(cleanUp);

const ballotOf = (file: string): number => {
  const reading = readCheckpointHeader(readFileSync(file).subarray(0, CHECKPOINT_HEADER_BYTES), crc32c);
  return reading.kind === 'valid' ? reading.header.ballot : -1;
};

it('a checkpoint that a replay writes promises as much as the one that it began with', async () => {
  const [stored] = await openStored(makeRoot(), ['a']);
  const { replica, dir } = stored!;
  for (let index = 1; index <= 5; index += 1) await replica.replicate(bytesOf(`command ${index}`));
  await replica.checkpoint();
  await replica.close();

  const folder = path.join(dir, 'checkpoints');
  const file = path.join(folder, readdirSync(folder)[0]!);
  const own = ballotOf(file);
  const parts: Uint8Array[] = [];
  let writer: BlockWriter | null = null;
  readCheckpoint(file, {
    onHeader: (header) => {
      const { bytes, chain } = writeCheckpointHeader({ ...header, ballot: own + 2 ** 40 }, crc32c);
      writer = new BlockWriter(chain, crc32c);
      parts.push(bytes);
    },
    onSessions: (entries) => void parts.push(...writer!.sessions(entries)),
    onState: (state) => void parts.push(...writer!.state(state)),
  });
  parts.push(...writer!.end());
  writeFileSync(file, Buffer.concat(parts));
  expect(readCheckpoint(file).verdict).toBe('sound');

  const out = path.join(makeRoot(), 'checkpoints');
  const report = await replay(new Counter(), { dataDir: dir, writeCheckpoint: out });
  expect(report.from).toBeGreaterThan(0);
  expect(ballotOf(path.join(out, readdirSync(out)[0]!))).toBe(own + 2 ** 40);
});
