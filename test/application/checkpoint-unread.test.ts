/**
 * Aim: a replica whose newest checkpoint the disk does not give, and whose log does not go on from the one before it, is not called damaged: the
 * disk may give it again, and what is called damaged is given up. Method: replicas on files; what is asked of the disk is looked at.
 */

import fs from 'node:fs';
import path from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import type { LogVerdict } from '../../src/log/recovery.js';
import { segmentName } from '../../src/storage/directory.js';
import { nodeFileSystem } from '../../src/storage/file-system.js';
import { surveyLog } from '../../src/tools/log-survey.js';
import { cleanUp, makeRoot, openStored } from '../tools/support.js';
import { bytesOf } from './support.js';

afterEach(async () => {
  vi.restoreAllMocks();
  await cleanUp();
});

/** A closed replica with two checkpoints, of whose log only what is behind the newest is left. */
async function twoCheckpoints(root: string): Promise<string> {
  let dir = '';
  for (const text of ['one', 'two', 'three']) {
    const [stored] = await openStored(root, ['a']);
    dir = stored!.dir;
    await stored!.replica.replicate(bytesOf(text));
    if (text !== 'three') await stored!.replica.checkpoint();
    await stored!.replica.close();
  }
  // Each opening began a segment of its own.
  const { line } = surveyLog(dir).verdict as Extract<LogVerdict, { line: unknown }>;
  expect(line.length).toBeGreaterThan(1);
  for (const { segment } of line.slice(0, -1)) fs.rmSync(path.join(dir, 'log', segmentName(segment)));
  return dir;
}

it('the start fails by what could not be read, and the next one goes well', async () => {
  const root = makeRoot();
  const dir = await twoCheckpoints(root);
  const newest = fs.readdirSync(path.join(dir, 'checkpoints')).sort().at(-1)!;
  const open = nodeFileSystem.open;
  vi.spyOn(nodeFileSystem, 'open').mockImplementation(((
    file: string,
    flags: string,
    callback: (error: Error | null, fd: number) => void,
  ) => {
    if (file.endsWith(newest)) setImmediate(callback, Object.assign(new Error('EIO'), { code: 'EIO' }), -1);
    else open(file, flags, callback);
  }) as never);
  await expect(openStored(root, ['a'])).rejects.toMatchObject({ code: 'ERR_SYNOD_STORAGE_FAILED' });
  vi.restoreAllMocks();
  const [again] = await openStored(root, ['a']);
  expect(await again!.replica.replicate(bytesOf('four'))).toBe(4);
});
