/** Which peers get a checkpoint in the place of decrees. */

import { expect, test } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import { Checkpoints, type CheckpointsOptions } from '../../src/engine/checkpoints.js';
import type { Link } from '../../src/engine/links.js';
import type { CheckpointStore } from '../../src/storage/checkpoint-store.js';

/** Checkpoint number 4 over a log that has these slots. */
function checkpointsOver(slots: readonly number[]): {
  offer(from: number): boolean;
  readonly opened: number[];
} {
  const opened: number[] = [];
  const store = {
    clear: () => {},
    open: (slot: number) => void opened.push(slot),
  } as unknown as CheckpointStore;
  const has = new Set(slots);
  const options = {
    parts: {
      crc32c,
      logger: console,
      schedule: () => {},
      now: () => 0,
      options: { cluster: 'test', limits: { fetchBytesMax: 4096, checkpointBytesPerSecondMax: 65_536 } },
    },
    store,
    notice: { newest: { slot: 4, nonceLow: 1, nonceHigh: 1, bytes: 8192 }, keptFrom: 4 },
    reader: { find: (slot: number) => (has.has(slot) ? {} : null) },
  } as unknown as CheckpointsOptions;
  const checkpoints = new Checkpoints(options);
  const link = { sending: [] } as unknown as Link;
  return { offer: (from) => checkpoints.offer(link, from), opened };
}

test('a slot that the log has comes from the log', () => {
  const { offer, opened } = checkpointsOver([1, 2, 3, 4, 5]);
  expect([1, 3, 4, 5].map(offer)).toEqual([false, false, false, false]);
  expect(opened).toEqual([]);
});

test('a slot that was dropped comes as a checkpoint', () => {
  const { offer, opened } = checkpointsOver([4, 5]);
  expect(offer(1)).toBe(true);
  expect(opened).toEqual([4]);
});

test('a slot between the log of old and a checkpoint that was copied comes as that', () => {
  const { offer, opened } = checkpointsOver([1, 2, 5, 6]);
  expect(offer(2)).toBe(false);
  expect(offer(3)).toBe(true);
  expect(opened).toEqual([4]);
});

test('a checkpoint is no answer for what lies behind it', () => {
  const { offer, opened } = checkpointsOver([1, 2, 3]);
  expect(offer(5)).toBe(false);
  expect(opened).toEqual([]);
});
