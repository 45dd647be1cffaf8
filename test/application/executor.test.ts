/**
 * Aim: delivered decrees reach the state machine in order, each command once; own commands get their results, others none;
 * what does not belong breaks a named contract. Method: groups laid out by hand, delivered over a real bridge.
 */

import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { Executor } from '../../src/application/executor.js';
import { memoryOf } from '../../src/application/memory-map.js';
import { Bridge, GROUP_HEADER_BYTES } from '../../src/engine/bridge.js';
import { writeGroupHeader } from '../../src/engine/group.js';
import { DecreeKind } from '../../src/protocol/decree.js';
import type { CommandView, StateMachine } from '../../src/state-machine.js';
import { Recorder } from './support.js';

const SELF = 2;
const SESSION = 7;
const memory = new Uint8Array(256 * 1024);

interface GroupPlan {
  readonly origin: number;
  readonly session: number;
  readonly first: number;
  readonly texts: readonly string[];
}

let bridge: Bridge;
let stateMachine: Recorder;
let executor: Executor<string>;
let replies: [number, string][];
let settled: number[];
let wakes: number;
let at: number;
let slot: number;

beforeEach(() => {
  bridge = new Bridge();
  bridge.self = SELF;
  bridge.session = SESSION;
  stateMachine = new Recorder();
  replies = [];
  settled = [];
  wakes = 0;
  at = 0;
  slot = 0;
  executor = new Executor<string>({
    bridge,
    stateMachine,
    memory: () => memoryOf(memory),
    reply: (sequence, result) => void replies.push([sequence, result]),
    settle: (sequence) => void settled.push(sequence),
    wakeEngine: () => {
      wakes += 1;
    },
  });
});

function deliver(groups: readonly GroupPlan[], change: { bytes?: number; slot?: number } = {}): void {
  const start = at;
  for (const { origin, session, first, texts } of groups) {
    let end = at + GROUP_HEADER_BYTES;
    for (const text of texts) {
      new DataView(memory.buffer).setUint32(end, text.length, true);
      memory.set(Buffer.from(text, 'latin1'), end + 4);
      end += 4 + text.length;
    }
    writeGroupHeader(memory, at, origin, texts.length, session, first, end - at - GROUP_HEADER_BYTES);
    at = end;
  }
  slot += 1;
  const commands = groups.reduce((sum, { texts }) => sum + texts.length, 0);
  bridge.deliver(change.slot ?? slot, 5, start, change.bytes ?? at - start, commands, DecreeKind.commands);
}

const own = (first: number, ...texts: string[]): GroupPlan => ({
  origin: SELF,
  session: SESSION,
  first,
  texts,
});
const other = (first: number, ...texts: string[]): GroupPlan => ({ origin: 1, session: 1, first, texts });

describe('Executor', () => {
  it('executes groups in order; own ones reply', () => {
    deliver([other(1, 'x', 'y'), own(1, 'a', '', 'c'), other(3, 'z')]);
    deliver([own(4, 'd')]);
    expect(executor.run()).toBe(false);
    expect(stateMachine.commands).toEqual(['x', 'y', 'a', '', 'c', 'z', 'd']);
    expect(replies).toEqual([
      [1, '3:a'],
      [2, '4:'],
      [3, '5:c'],
      [4, '7:d'],
    ]);
    expect(stateMachine.slots).toEqual([1, 2]);
    expect(settled).toEqual([4]);
    expect(bridge.applied).toBe(2);
    expect(bridge.resolved).toBe(4);
    expect(bridge.deliveriesOpen).toBe(0);
  });

  it('executes nothing twice, nothing before what came before it, and nothing of a former life', () => {
    deliver([own(1, 'a')]);
    deliver([own(1, 'a')]);
    deliver([own(3, 'c')]);
    deliver([own(2, 'b'), own(3, 'c')]);
    deliver([{ ...own(1, 'old'), session: SESSION - 1 }]);
    executor.run();
    expect(stateMachine.commands).toEqual(['a', 'b', 'c']);
    expect(stateMachine.slots, 'an empty decree is not shown').toEqual([1, 4]);
    expect(replies.map(([sequence]) => sequence)).toEqual([1, 2, 3]);
    expect(bridge.applied).toBe(5);
  });

  it('takes commands of a former life of this replica for those of another one', () => {
    deliver([{ ...own(1, 'old'), session: SESSION - 1 }]);
    deliver([own(1, 'new')]);
    executor.run();
    expect(stateMachine.commands).toEqual(['old', 'new']);
    expect(replies).toEqual([[1, '2:new']]);
  });

  it('gives the loop a turn in a long backlog', () => {
    for (let index = 0; index < 600; index += 1) deliver([other(index + 1, 'x')]);
    expect(executor.run()).toBe(true);
    expect(stateMachine.commands.length).toBe(256);
    expect(executor.run()).toBe(true);
    expect(executor.run()).toBe(false);
    expect(stateMachine.commands.length).toBe(600);
  });

  it('wakes an engine that waits for it, once', () => {
    bridge.setDeliveryBlocked();
    bridge.setEngineAsleep(true);
    executor.run();
    expect(wakes, 'nothing was executed').toBe(0);
    deliver([other(1, 'x')]);
    executor.run();
    deliver([other(2, 'x')]);
    executor.run();
    expect(wakes).toBe(1);
  });

  it('passes over decrees without commands', () => {
    bridge.deliver(1, 0, 0, 0, 0, DecreeKind.noop);
    slot = 1;
    deliver([own(1, 'a')]);
    executor.run();
    expect(bridge.applied).toBe(2);
    expect(stateMachine.slots).toEqual([2]);
  });

  it.each([
    ['a slot left out', () => deliver([own(1, 'a')], { slot: 2 }), /applied-is-a-gapless-prefix/],
    [
      'a group longer than its decree',
      () => deliver([own(1, 'abc')], { bytes: GROUP_HEADER_BYTES + 5 }),
      /no list of groups/,
    ],
    [
      'a group whose header goes on behind its decree',
      () => deliver([own(1, 'abc')], { bytes: GROUP_HEADER_BYTES - 1 }),
      /no list of groups/,
    ],
    [
      'a group header at the end of the memory',
      () => {
        at = memory.length - 4;
        bridge.deliver(1, 5, at, 4, 1, DecreeKind.commands);
      },
      /no list of groups/,
    ],
    [
      'more commands than bytes, before room is made for them',
      () => {
        deliver([own(1, 'abc')]);
        new DataView(memory.buffer).setUint32(4, 0xffff_ffff, true);
      },
      /no list of groups/,
    ],
    [
      'a command longer than its group',
      () => {
        deliver([own(1, 'abc')]);
        new DataView(memory.buffer).setUint32(GROUP_HEADER_BYTES, 4, true);
      },
      /no list of groups/,
    ],
    [
      'a command shorter than its group',
      () => {
        deliver([own(1, 'abc')]);
        new DataView(memory.buffer).setUint32(GROUP_HEADER_BYTES, 2, true);
      },
      /no list of groups/,
    ],
  ])('executes nothing of %s', (_, prepare, reason) => {
    prepare();
    expect(() => executor.run()).toThrow(reason);
    expect(stateMachine.commands).toEqual([]);
    expect(bridge.applied).toBe(0);
  });

  it('shows the state machine what was given, whatever the sizes', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.array(fc.string({ unit: 'binary-ascii', maxLength: 60 }), { minLength: 1, maxLength: 40 }),
          {
            minLength: 1,
            maxLength: 30,
          },
        ),
        (decrees) => {
          const before = stateMachine.commands.length;
          at = 0;
          let first = before + 1;
          for (const texts of decrees) {
            deliver([own(first, ...texts)]);
            first += texts.length;
          }
          while (executor.run());
          expect(stateMachine.commands.slice(before)).toEqual(decrees.flat());
          expect(replies.at(-1)?.[0]).toBe(first - 1);
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe('what a caller gave along', () => {
  it('is seen by the state machine of its own replica, with its own command, until it has replied', () => {
    const seen: unknown[] = [];
    const waiting = new Map<number, unknown>([[2, 'mine']]);
    const side = new Executor<string>({
      bridge,
      stateMachine: {
        apply(decree) {
          for (let index = 0; index < decree.count; index += 1) {
            seen.push(decree.context(index));
            decree.reply(index, 'done');
            seen.push(decree.context(index));
          }
        },
      },
      memory: () => memoryOf(memory),
      reply: (sequence) => void waiting.delete(sequence),
      settle: () => {},
      wakeEngine: () => {},
      contextOf: (sequence) => waiting.get(sequence),
    });
    // The other replica's command has the same sequence number.
    deliver([{ origin: 3, session: SESSION, first: 1, texts: ['x', 'y'] }, own(1, 'a', 'b')]);
    side.run();
    expect(seen).toEqual([
      ...[undefined, undefined, undefined, undefined],
      ...[undefined, undefined, 'mine', undefined],
    ]);
  });
});

describe('the brackets of a decree', () => {
  const told: string[] = [];
  const machine = (poison: string) => ({
    beforeDecree: ({ slot: at, count }: { slot: number; count: number }) =>
      void told.push(`before ${at}: ${count}`),
    apply: ({ slot: at }: { slot: number }) => {
      told.push(`apply ${at}`);
      if (poison === 'apply') throw new Error('poisoned');
    },
    afterDecree: ({ slot: at }: { slot: number }) => void told.push(`after ${at}`),
  });
  const run = (poison: string): void => {
    told.length = 0;
    new Executor<string>({
      bridge,
      stateMachine: machine(poison),
      memory: () => memoryOf(memory),
      reply: () => {},
      settle: () => {},
      wakeEngine: () => {},
    }).run();
  };

  it('stand around each decree that has commands to execute', () => {
    deliver([own(1, 'a', 'b')]);
    // Once more, by another primary: nothing is left to execute.
    deliver([own(1, 'a', 'b')]);
    deliver([own(3, 'c')]);
    run('nothing');
    expect(told).toEqual(['before 1: 2', 'apply 1', 'after 1', 'before 3: 1', 'apply 3', 'after 3']);
  });

  it('are not closed where the state machine throws', () => {
    deliver([own(1, 'a')]);
    expect(() => run('apply')).toThrow('poisoned');
    expect(told).toEqual(['before 1: 1', 'apply 1']);
  });
});

describe('a method that leaves a promise', () => {
  it.each(['beforeDecree', 'apply', 'afterDecree'] as const)('is a fault: %s', async (method) => {
    (stateMachine as StateMachine<string>)[method] = (() =>
      Promise.reject(new Error('unheard'))) as unknown as () => void;
    deliver([own(1, 'a')]);
    // What the promise comes to is nobody's any more: as an unhandled rejection it would end the process, and fail this test.
    expect(() => executor.run()).toThrow(`${method} returned a promise`);
    expect(bridge.applied).toBe(0);
    await new Promise((resolve) => setImmediate(resolve));
  });
});

describe('a command that was kept', () => {
  it('replies to nobody once its decree is over, whoever stands in its place by then', () => {
    const kept: CommandView<string>[] = [];
    stateMachine.apply = (decree) => {
      for (const command of kept) command.reply('too late');
      kept.push(...decree);
    };
    deliver([own(1, 'a', 'b')]);
    deliver([own(3, 'c', 'd')]);
    executor.run();
    expect(replies).toEqual([]);
    for (const command of kept.slice(2)) command.reply('in time');
    expect(replies).toEqual([
      [3, 'in time'],
      [4, 'in time'],
    ]);
  });
});
