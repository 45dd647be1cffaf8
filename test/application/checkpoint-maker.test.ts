/**
 * Aim: a state machine that gives no state, now or later, ends its checkpoint and nothing else. Method: a store of the test's own, which opens
 * its file when the test says so.
 */

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CheckpointMaker } from '../../src/application/checkpoint-maker.js';
import { crc32c } from '../../src/checksum.js';
import { SynodError } from '../../src/errors.js';
import type { StateMachine } from '../../src/index.js';
import type { CheckpointFile } from '../../src/storage/checkpoint-store.js';

let opening: ((error: SynodError | null, file?: CheckpointFile) => void) | null;
let abandoned: number;
let outcomes: (SynodError | null)[];
let unheard: unknown[];
let maker: CheckpointMaker;

const onUnheard = (reason: unknown): void => void unheard.push(reason);

const file: CheckpointFile = {
  bytes: 0,
  append: (_bytes, callback) => setImmediate(callback, null),
  commit: (callback) => setImmediate(callback, null),
  abandon: (callback) => {
    abandoned += 1;
    setImmediate(callback, null);
  },
};

beforeEach(() => {
  [opening, abandoned, outcomes, unheard] = [null, 0, [], []];
  process.on('unhandledRejection', onUnheard);
  maker = new CheckpointMaker({
    store: {
      create: (_slot: number, _writer: string, callback: typeof opening) => (opening = callback),
    } as never,
    ...{ crc32c, cluster: 'here', replica: 'a', drawNonce: () => [1, 2] as const, wallNow: () => 0 },
    later: setImmediate,
  });
});
afterEach(() => void process.off('unhandledRejection', onUnheard));

function begin(takeCheckpoint: () => AsyncIterable<Uint8Array>): void {
  const list = Buffer.from('{}');
  const stateMachine = { apply() {}, takeCheckpoint } as unknown as StateMachine<never>;
  const basis = { slot: 5, ballot: 1, sessions: [], configuration: list, firstConfiguration: list };
  expect(maker.begin(stateMachine, basis, (error) => void outcomes.push(error))).toBe(true);
}

/** Rejections that nobody hears of are told of behind the microtasks of a turn. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe('a first piece that is refused later', () => {
  // biome-ignore lint/correctness/useYield: it has nothing to give.
  const refuse = async function* (): AsyncIterable<Uint8Array> {
    throw new Error('not today');
  };

  it('ends the checkpoint, also where the disk takes longer', async () => {
    begin(refuse);
    await turns(3);
    expect(unheard).toEqual([]);
    opening!(null, file);
    await turns(3);
    expect(outcomes).toEqual([expect.objectContaining({ code: 'ERR_SYNOD_STATE_MACHINE' })]);
    expect([unheard, abandoned, maker.isAtWork]).toEqual([[], 1, false]);
  });

  it('is of no account where there is no file for it', async () => {
    begin(refuse);
    opening!(new SynodError('ERR_SYNOD_STORAGE_FULL', 'no room'));
    await turns(3);
    expect(outcomes).toEqual([expect.objectContaining({ code: 'ERR_SYNOD_STORAGE_FULL' })]);
    expect([unheard, maker.isAtWork]).toEqual([[], false]);
  });
});

it('a state machine whose file cannot be begun frees what it holds', async () => {
  let isFreed = false;
  begin(async function* () {
    try {
      yield Buffer.from('x');
    } finally {
      isFreed = true;
    }
  });
  opening!(new SynodError('ERR_SYNOD_STORAGE_FULL', 'no room'));
  await turns(3);
  expect(isFreed).toBe(true);
});
