/**
 * Aim: what the log has of slots that it does not say are chosen is dropped only behind a record that says so. Method: a real log that a checkpoint of a
 * peer is installed over, and a power cut between the removal of a segment and the durability of the jump.
 */

import { expect, it } from 'vitest';
import { BlockWriter } from '../../src/checkpoint/blocks.js';
import { writeCheckpointHeader } from '../../src/checkpoint/header.js';
import { crc32c } from '../../src/checksum.js';
import { Checkpoints, type CheckpointsOptions } from '../../src/engine/checkpoints.js';
import type { Link } from '../../src/engine/links.js';
import { type RecoveredLog, recoverLog } from '../../src/engine/recover.js';
import type { SynodError } from '../../src/errors.js';
import type { CheckpointFile } from '../../src/storage/checkpoint-store.js';
import { createMemoryMedium } from '../../src/storage/memory/memory-medium.js';
import { FrameWriter } from '../../src/wire/codec.js';
import { encodeConfiguration } from '../../src/wire/configuration-codec.js';
import { FrameReader } from '../../src/wire/frame-reader.js';
import { silentLogger } from '../application/support.js';
import { CallQueue, LogRig } from './log-rig.js';

const members = [
  { number: 1, id: 'a', incarnation: 'a'.repeat(32), address: '127.0.0.1:1' },
  { number: 2, id: 'b', incarnation: 'b'.repeat(32), address: '127.0.0.1:2' },
  { number: 3, id: 'c', incarnation: 'c'.repeat(32), address: '127.0.0.1:3' },
];
const configuration = { number: 1, members, nextMember: 4 };
const list = encodeConfiguration(configuration);
const NAME = { slot: 30, nonceLow: 1, nonceHigh: 2 };

const image = ((): Uint8Array => {
  const { bytes, chain } = writeCheckpointHeader(
    {
      ...{ ...NAME, ballot: 1, createdAtMs: 0, cluster: 'test', replica: 'b' },
      ...{ configuration: list, firstConfiguration: list },
    },
    crc32c,
  );
  const writer = new BlockWriter(chain, crc32c);
  return Buffer.concat([bytes, ...writer.state(new Uint8Array(1000)), ...writer.end()]);
})();

it('a segment with acceptances that may have been chosen outlives a power cut that takes the jump', () => {
  const rig = new LogRig({ segmentBytes: 32 * 1024 });
  rig.begin();
  // Executed here up to slot 5, with a checkpoint of it. The rest is accepted: votes that may have made a majority.
  for (let slot = 1; slot <= 5; slot += 1) rig.accept(slot, 1000);
  rig.log.chosen = 5;
  for (let slot = 6; slot <= 60; slot += 1) rig.accept(slot, 1000);
  rig.forgetSealed();
  expect(rig.log.segment).toBeGreaterThanOrEqual(3);

  const link = { connection: { send() {} }, peer: { id: 'b' }, sending: [] } as unknown as Link;
  let bytes = 0;
  const file: CheckpointFile = {
    get bytes() {
      return bytes;
    },
    append: (piece, done) => {
      bytes += piece.length;
      rig.queue.defer(() => done(null));
    },
    commit: (done) => rig.queue.defer(() => done(null)),
    abandon: (done) => rig.queue.defer(() => done(null)),
  };
  const removed: number[] = [];
  const checkpoints = new Checkpoints({
    parts: {
      crc32c,
      logger: silentLogger,
      schedule: () => {},
      now: () => 0,
      emit: () => {},
      medium: {
        remove: (segment: number, done: (error: SynodError | null) => void) => {
          // At once, and durable.
          removed.push(segment);
          rig.durable.delete(segment);
          rig.queue.defer(() => done(null));
        },
      },
      recovered: rig.recovered,
      options: { cluster: 'test', limits: { fetchBytesMax: 1 << 20, checkpointBytesPerSecondMax: 1 << 26 } },
    },
    log: rig.log,
    store: {
      clear: () => {},
      create: (_slot: number, _writer: string, done: (error: null, made: CheckpointFile) => void) =>
        rig.queue.defer(() => done(null, file)),
    },
    notice: { newest: { slot: 5, nonceLow: 9, nonceHigh: 9, bytes: 1 }, keptFrom: 5 },
    reader: { find: () => ({}), isReading: () => false },
    writer: new FrameWriter(crc32c),
    chosen: () => rig.log.chosen,
    isUp: () => true,
    links: () => new Map([['b', link]]),
    primary: () => null,
    onProgress: () => {},
    onLost: () => {},
    // As the protocol has it done: Progress.install.
    onInstalled: ({ slot }: { slot: number }) => {
      rig.log.appendJump(1000, slot);
      rig.log.chosen = slot;
    },
  } as unknown as CheckpointsOptions);

  const writer = new FrameWriter(crc32c);
  const headerBytes = writer.checkpointChunk(
    { ...NAME, offset: 0, bytes: image.length },
    image.length,
    crc32c(image, 0, image.length, 0),
  );
  const reader = new FrameReader(crc32c, 1 << 20, () => {});
  const frame = Buffer.concat([writer.bytes.slice(0, headerBytes), image]);
  reader.push(frame, 0, frame.length, 1);
  checkpoints.onFrame(link, reader.next()!);
  rig.queue.run();

  // The tick comes before the turn's flush: `Engine.tick`.
  checkpoints.tick();
  rig.queue.run();

  // Power is cut. The checkpoint of slot 30 turns out damaged: the one of slot 5, which is deleted only when that of slot 30 was restored, is
  // gone on from (`ApplicationCheckpoints.restoreNewest`).
  const queue = new CallQueue();
  const medium = createMemoryMedium({ segmentBytes: 32 * 1024, contents: rig.crash(), defer: queue.defer });
  let found: readonly { segment: number; bytes: number }[] = [];
  medium.start({ onPersisted: () => {}, onFailure: () => {} }, (_error, segments) => {
    found = segments!;
  });
  queue.run();
  let outcome: { error: SynodError | null; recovered: RecoveredLog | undefined } | null = null;
  const checkpoint = { slot: 5, configuration, firstConfiguration: configuration, promised: 1 };
  recoverLog(medium, found, { cluster: 'test', replica: 'a', checkpoint }, crc32c, (error, recovered) => {
    outcome = { error, recovered };
  });
  queue.run();
  const { error, recovered } = outcome!;
  // Either it is refused, or nothing that was accepted is missing.
  const accepted = [...(recovered?.protocol.accepted.keys() ?? [])];
  expect({ refused: error !== null, first: accepted[0] ?? null, removed }).toEqual(
    error !== null ? { refused: true, first: null, removed } : { refused: false, first: 6, removed },
  );
});
