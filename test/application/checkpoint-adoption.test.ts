/**
 * Aim: a copied checkpoint is kept once its slot is executed here, and not before; whatever was made meanwhile, the newest stays and no file
 * is lost or left over. Method: a store of the test's own, which remembers names.
 */

import { beforeEach, describe, expect, it } from 'vitest';
import { CheckpointCopies, type CheckpointCopy } from '../../src/application/checkpoint-copies.js';
import { ApplicationCheckpoints, type DurableCheckpoint } from '../../src/application/checkpoints.js';
import { crc32c } from '../../src/checksum.js';
import type { CopyOrder } from '../../src/engine/checkpoint-demand.js';
import type { CheckpointNotice } from '../../src/engine/checkpoints.js';
import type { CheckpointFile } from '../../src/storage/checkpoint-store.js';
import { silentLogger } from './support.js';

let files: Set<number>;
let notices: CheckpointNotice[];
let kept: DurableCheckpoint[];
let durable: DurableCheckpoint[];
let commits: (() => void)[];
let checkpoints: ApplicationCheckpoints;

const copyOf = (slot: number) => ({ slot, nonceLow: slot, nonceHigh: 1, bytes: 1000 + slot });

/** The engine has copied it; everything up to `applied` is executed. */
function adopt(slot: number, applied: number): void {
  files.add(slot);
  checkpoints.adopt(copyOf(slot), applied, (one) => void kept.push(one));
}

beforeEach(() => {
  files = new Set();
  [notices, kept, durable, commits] = [[], [], [], []];
  const create = (slot: number): CheckpointFile => ({
    bytes: 500,
    append: (_bytes, callback) => callback(null),
    commit: (callback) =>
      void commits.push(() => {
        files.add(slot);
        callback(null);
      }),
    abandon: (callback) => callback(null),
  });
  checkpoints = new ApplicationCheckpoints({
    store: {
      create: (slot: number, _name: string, callback: (error: null, file: CheckpointFile) => void) =>
        callback(null, create(slot)),
      remove: (slot: number) => void files.delete(slot),
    } as never,
    policy: { everyBytes: 1e9, everyMs: null, retain: 2 },
    ...{ cluster: 'here', replica: 'a', index: 0, count: 1, crc32c, logger: silentLogger },
    drawNonce: () => [1, 2],
    now: () => 0,
    wallNow: () => 0,
    later: () => {},
    stateMachine: { apply() {}, appliesDuringCheckpoint: true, takeCheckpoint: () => [] } as never,
    executor: { bytesExecuted: 0, sessions: [], isPaused: false, slotAtWork: 0 } as never,
    promised: () => 1,
    onNotice: (notice) => void notices.push(notice),
    onDurable: (one) => void durable.push(one),
    onMembers: () => {},
    resume: () => {},
    onBroken: (error) => {
      throw error;
    },
  });
  checkpoints.onFirstConfiguration(Buffer.from('{}'));
});

describe('a checkpoint that was copied on demand', () => {
  it('waits until its slot is executed: the log before it is needed until then', () => {
    adopt(5, 3);
    checkpoints.afterDecrees(4);
    expect([notices, kept, durable]).toEqual([[], [], []]);
    checkpoints.afterDecrees(5);
    expect(notices).toEqual([{ newest: copyOf(5), keptFrom: 5 }]);
    expect(kept).toEqual([{ slot: 5, bytes: 1005, source: 'copied' }]);
    expect(durable).toEqual(kept);
    checkpoints.afterDecrees(6);
    expect(kept.length).toBe(1);
  });

  it('takes the place of the oldest that is kept', () => {
    for (const slot of [3, 5, 8]) adopt(slot, slot);
    expect([...files]).toEqual([5, 8]);
    expect(notices.at(-1)).toEqual({ newest: copyOf(8), keptFrom: 5 });
  });

  it('is deleted where a newer one was made while it waited', () => {
    checkpoints.request(9, () => {});
    adopt(7, 6);
    commits.shift()!();
    checkpoints.afterDecrees(10);
    expect(kept).toEqual([{ slot: 9, bytes: 500, source: 'made' }]);
    expect([...files]).toEqual([9]);
  });

  it('stands for one that is being made of an earlier slot, whose caller is told so', () => {
    const made: (number | undefined)[] = [];
    checkpoints.request(4, (_error, slot) => void made.push(slot));
    adopt(6, 6);
    commits.shift()!();
    expect(made).toEqual([6]);
    expect([...files]).toEqual([6]);
  });

  it('gives way to one that is made of the same slot, which takes its name', () => {
    const made: (number | undefined)[] = [];
    checkpoints.request(6, (_error, slot) => void made.push(slot));
    adopt(6, 6);
    commits.shift()!();
    expect(made).toEqual([6]);
    expect([...files]).toEqual([6]);
    expect(notices.at(-1)).toEqual({
      newest: { slot: 6, nonceLow: 1, nonceHigh: 2, bytes: 500 },
      keptFrom: 6,
    });
  });

  it('is not deleted for one that is made of the same slot and ends when a newer one was copied too', () => {
    const made: (number | undefined)[] = [];
    checkpoints.request(7, (_error, slot) => void made.push(slot));
    for (const slot of [7, 9]) adopt(slot, slot);
    commits.shift()!();
    expect(made).toEqual([9]);
    // Where the newest is damaged this is what there is: the log before it is dropped.
    expect(notices.at(-1)!.keptFrom).toBe(7);
    expect([...files]).toEqual([7, 9]);
  });

  it('is waited for where the engine knows of a newer one than is kept: until then nothing is told', () => {
    const told: number[] = [];
    checkpoints.expect(6, ({ slot }) => void told.push(slot));
    adopt(5, 5);
    expect(told).toEqual([]);
    adopt(7, 6);
    expect(told).toEqual([]);
    checkpoints.afterDecrees(7);
    expect(told).toEqual([7]);
    checkpoints.expect(6, ({ slot }) => void told.push(slot));
    expect(told).toEqual([7, 7]);
  });

  it('is not told of to who asked for it, where the engine has one as new, before the state is restored from that', () => {
    const told: CheckpointCopy[] = [];
    const orders: CopyOrder[] = [];
    const copies = new CheckpointCopies({
      replica: 'a',
      checkpoints: () => checkpoints,
      applied: () => 5,
      send: (order) => void orders.push(order),
      startTimer: () => () => {},
    });
    copies.copy(
      {},
      { resolve: (copy) => void told.push(copy), reject: (error) => expect.fail(error.message) },
    );
    expect(orders).toEqual([{ kind: 'copy', request: 1, from: null }]);
    copies.onSettled({
      kind: 'copy-settled',
      request: 1,
      outcome: { kind: 'not-newer', newest: copyOf(6) },
    });
    expect(told).toEqual([]);
    adopt(6, 6);
    expect(told).toEqual([{ slot: 6, bytes: 1006, from: null }]);
  });

  it('is left to the next start where the replica is closed', () => {
    adopt(6, 5);
    checkpoints.close();
    checkpoints.afterDecrees(6);
    expect(kept).toEqual([]);
    expect([...files]).toEqual([6]);
  });
});
