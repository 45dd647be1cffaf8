/** Aim: the judge sees each thing that it is there for. Method: tell it of a small story that is wrong, and of the same one as it should be. */

import { describe, expect, it } from 'vitest';
import { genesisConfiguration } from '../../src/protocol/configuration.js';
import type { DecreeReference } from '../../src/protocol/decree.js';
import { noopDecree } from '../../src/protocol/decree.js';
import { Disk } from './disk.js';
import { Judge, Life } from './judge.js';

const decree = (checksum: number): DecreeReference => ({ ...noopDecree, checksum });

describe('the judge', () => {
  it('sees another value in a slot', () => {
    const judge = new Judge();
    judge.onExecuted('a', 1, decree(7));
    judge.onExecuted('b', 1, decree(7));
    expect(() => judge.onExecuted('c', 1, decree(8))).toThrow(/^one-value-per-slot: /);
    expect(judge.sums).toMatchObject({ slots: 1, configurations: 0 });
  });

  it.each(['read', 'lease-read'] as const)('sees a stale %s', (kind) => {
    const judge = new Judge();
    const life = new Life('a', judge);
    judge.onExecuted('b', 1, decree(7));
    const first = life.onRead(kind);
    judge.onExecuted('b', 2, decree(8));
    const second = life.onRead(kind);
    life.onAnswer(kind, first, 1);
    expect(() => life.onAnswer(kind, second, 1)).toThrow(/^no-stale-read: /);
    expect(judge.reads + judge.leaseReads).toBe(1);
  });

  it('sees a process with two numbers, and none in one that was out meanwhile', () => {
    const life = new Life('a', new Judge());
    for (const self of [2, 0, 2]) life.onNumber(self);
    expect(() => life.onNumber(5)).toThrow(/^one-number-per-process: /);
  });
});

describe('recovery', () => {
  const configuration = genesisConfiguration([{ id: 'a', incarnation: '1'.padStart(32, '0') }]);
  const diskWith = (...slots: number[]): Disk => {
    const disk = new Disk('1');
    disk.append({ kind: 'genesis', configuration }, 0);
    for (const slot of slots) disk.append({ kind: 'accept', slot, ballot: 65_537, decree: decree(slot) }, 0);
    return disk;
  };

  it('sees a hole below what is chosen', () => {
    const disk = diskWith(1, 3);
    disk.append({ kind: 'promise', ballot: 65_537 }, 3);
    expect(() => disk.recover('a')).toThrow(/^no-hole: slot 2/);
  });

  it('takes a checkpoint, or a jump, for the slots that it holds', () => {
    const disk = diskWith(1, 3);
    disk.append({ kind: 'jump', slot: 2 }, 0);
    disk.checkpoint = { slot: 2, configuration, promised: 131_073 };
    const { state, chosenByLog } = disk.recover('a');
    expect(chosenByLog).toBe(2);
    expect(state).toMatchObject({ promised: 131_073, chosen: 2 });
    expect([...state.accepted.keys()]).toEqual([3]);
  });

  it('sees an acceptance below another', () => {
    const disk = diskWith(1);
    disk.append({ kind: 'accept', slot: 1, ballot: 65_536, decree: decree(1) }, 0);
    expect(() => disk.recover('a')).toThrow(/^no-acceptance-below-another: /);
  });
});
