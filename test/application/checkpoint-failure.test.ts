/**
 * Aim: a checkpoint that cannot be made or stored is tried again, and never as fast as it fails, whoever wants it. Method: a clock and a loop of the
 * test's own; where a checkpoint is over, the application executes on, as the replica does.
 */

import { beforeEach, describe, expect, it } from 'vitest';
import { ApplicationCheckpoints } from '../../src/application/checkpoints.js';
import { crc32c } from '../../src/checksum.js';
import { SynodError } from '../../src/errors.js';
import type { CheckpointFile } from '../../src/storage/checkpoint-store.js';
import { silentLogger } from './support.js';

const EVERY_BYTES = 16_000;

let now: number;
let slot: number;
let loop: (() => void)[];
let asked: number;
let made: number[];
let fault: 'none' | 'disk' | 'machine';
let wants: boolean;
let executor: {
  bytesExecuted: number;
  isPaused: boolean;
  slotAtWork: number;
  readonly sessions: readonly [];
};
let checkpoints: ApplicationCheckpoints;

const file: CheckpointFile = {
  bytes: 500,
  append: (_bytes, callback) =>
    void loop.push(() =>
      callback(fault === 'disk' ? new SynodError('ERR_SYNOD_STORAGE_FULL', 'no room') : null),
    ),
  commit: (callback) => void loop.push(() => callback(null)),
  abandon: (callback) => void loop.push(() => callback(null)),
};

/** The loop turns until nothing is left to do, or for so long that it never ends. */
function work(): void {
  for (let turn = 0; turn < 1000 && loop.length > 0; turn += 1) loop.shift()!();
}

function execute(bytes: number): void {
  slot += 1;
  executor.bytesExecuted += bytes;
  checkpoints.afterDecrees(slot);
  work();
}

beforeEach(() => {
  [now, slot, loop, asked, made, fault, wants] = [0, 1, [], 0, [], 'none', true];
  executor = { bytesExecuted: 0, isPaused: false, slotAtWork: 0, sessions: [] };
  checkpoints = make();
  checkpoints.onFirstConfiguration(Buffer.from('{}'));
});

function make(): ApplicationCheckpoints {
  return new ApplicationCheckpoints({
    store: {
      create: (_slot: number, _writer: string, callback: (error: null, file: CheckpointFile) => void) =>
        void loop.push(() => callback(null, file)),
      remove: () => {},
    } as never,
    policy: { everyBytes: EVERY_BYTES, everyMs: null, retain: 2 },
    ...{ cluster: 'here', replica: 'a', index: 0, count: 1, crc32c, logger: silentLogger },
    drawNonce: () => [1, 2],
    now: () => now,
    wallNow: () => 0,
    later: (call) => void loop.push(call),
    stateMachine: {
      apply() {},
      get wantsCheckpoint() {
        return wants;
      },
      takeCheckpoint: () => {
        asked += 1;
        if (fault === 'machine') throw new Error('not today');
        return [Buffer.from('state')];
      },
    } as never,
    executor: executor as never,
    promised: () => 1,
    onNotice: () => {},
    onDurable: (one) => void made.push(one.slot),
    onMembers: () => {},
    resume: () => void loop.push(() => checkpoints.afterDecrees(slot)),
    onBroken: (error) => {
      throw error;
    },
  });
}

it('one that was asked for before the first configuration was told begins when it is', () => {
  checkpoints = make();
  let done = 0;
  checkpoints.request(slot, () => {
    done += 1;
  });
  checkpoints.afterDecrees(slot);
  work();
  expect([asked, done]).toEqual([0, 0]);
  checkpoints.onFirstConfiguration(Buffer.from('{}'));
  work();
  expect([asked, done]).toEqual([1, 1]);
});

describe.each(['disk', 'machine'] as const)('where the %s fails, a checkpoint', (which) => {
  beforeEach(() => {
    fault = which;
  });

  it('that the state machine wants is tried again after a while, longer each time, and no more often', () => {
    execute(1);
    expect(asked).toBe(1);
    for (let ms = 0; ms < 3_600_000; ms += 500) {
      now += 500;
      execute(0);
    }
    // After 1, 2, 4 ... 64 seconds, and then once in 64.
    expect(asked).toBeGreaterThan(50);
    expect(asked).toBeLessThan(65);
    expect(made).toEqual([]);
  });

  it('that is wanted is made as soon as it can be, and the next one without a pause', () => {
    execute(1);
    execute(1);
    fault = 'none';
    now += 1000;
    execute(1);
    expect(made).toEqual([slot]);
    execute(1);
    expect(made).toEqual([slot - 1, slot]);
    fault = which;
    execute(1);
    fault = 'none';
    // The pause is as short again as it was the first time.
    now += 1000;
    execute(1);
    expect(made.at(-1)).toBe(slot);
  });

  it('that is due is due again when a part of what is between two was executed', () => {
    wants = false;
    execute(EVERY_BYTES);
    expect(asked).toBe(1);
    execute(EVERY_BYTES / 16 - 1);
    expect(asked).toBe(1);
    fault = 'none';
    execute(1);
    expect(made).toEqual([slot]);
  });

  it('that somebody asks for is tried at once', () => {
    execute(1);
    const told: (string | null)[] = [];
    checkpoints.request(slot, (error) => void told.push(error?.code ?? null));
    work();
    fault = 'none';
    checkpoints.request(slot, (error) => void told.push(error?.code ?? null));
    work();
    const failure = which === 'disk' ? 'ERR_SYNOD_STORAGE_FULL' : 'ERR_SYNOD_STATE_MACHINE';
    expect(told).toEqual([failure, null]);
  });
});
