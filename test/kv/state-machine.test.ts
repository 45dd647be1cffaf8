/** The state machine on decrees: who gets replies, what garbage does, and that it keeps nothing of the log's memory. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyValueStateMachine } from '../../src/kv/state-machine.js';
import { FakeDecree } from './fake-replica.js';
import { OK, readReplies } from './reply-reader.js';
import { encode } from './store-driver.js';

const apply = (
  machine: KeyValueStateMachine,
  commands: readonly Uint8Array[],
  awaited = true,
  shared = false,
) => {
  const decree = new FakeDecree<Uint8Array>(1, commands, awaited, shared);
  machine.apply(decree);
  return decree;
};

describe('the state machine', () => {
  it('replies to each command of a decree, in the version that it asks for', () => {
    const machine = new KeyValueStateMachine();
    const { results } = apply(machine, [
      encode(
        [
          ['set', 'a', '1'],
          ['incr', 'a'],
        ],
        5,
      ),
      encode([['get', 'none']], 5, 3),
      encode([['get', 'none']], 5, 2),
    ]);
    expect(readReplies(results[0] as Uint8Array)).toEqual([OK, 2]);
    expect(Buffer.from(results[1] as Uint8Array).toString()).toBe('_\r\n');
    expect(Buffer.from(results[2] as Uint8Array).toString()).toBe('$-1\r\n');
  });

  it('makes no reply where none is awaited, and comes to the same state', () => {
    const heard = new KeyValueStateMachine();
    const mute = new KeyValueStateMachine();
    const commands = [
      encode(
        [
          ['mset', 'a', '1', 'b', '2'],
          ['getdel', 'a'],
        ],
        5,
      ),
      encode([['incr', 'b']], 6),
    ];
    apply(heard, commands);
    expect(apply(mute, commands, false, true).results).toEqual([]);
    expect(mute.digest()).toBe(heard.digest());
    expect(mute.statistics()).toEqual(heard.statistics());
    expect(mute.statistics()).toMatchObject({ keyCount: 1, commandCount: 2, operationCount: 3, clockMs: 6 });
  });

  it('keeps no view of the log: what it stored outlives the memory', () => {
    const machine = new KeyValueStateMachine();
    const decree = apply(
      machine,
      [encode([['set', 'key', 'x'.repeat(100)]], 5), encode([['append', 'key', 'y']], 5)],
      true,
      true,
    );
    decree.bytes.fill(0);
    const { results } = apply(machine, [encode([['get', 'key']], 5)]);
    expect(readReplies(results[0] as Uint8Array)).toEqual([`${'x'.repeat(100)}y`]);
  });

  it('refuses garbage with an error, executes nothing of it, and is none the worse', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 5 }),
        (garbage) => {
          const machine = new KeyValueStateMachine();
          const good = encode([['set', 'a', '1']], 5);
          const cut = good.subarray(0, good.length - 1);
          const before = apply(machine, [good]) && machine.digest();
          const unversioned = garbage.map((bytes) => Uint8Array.from([0, ...bytes]));
          const { results } = apply(machine, [...unversioned, cut]);
          expect(machine.digest()).toBe(before);
          expect(machine.statistics().malformedCount).toBe(garbage.length + 1);
          for (const result of results) {
            expect(Buffer.from(result as Uint8Array).toString()).toMatch(
              /^-ERR malformed command [^\r\n]*\r\n$/,
            );
          }
        },
      ),
    );
  });

  it('takes any bytes whatever behind a good header without throwing', () => {
    const machine = new KeyValueStateMachine({ replyBytesMax: 100_000 });
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 60 }), (bytes) => {
        apply(machine, [
          Uint8Array.from([
            1,
            0,
            5,
            0,
            0,
            0,
            0,
            0,
            ...bytes.map((byte, at) => (at % 2 ? byte % 4 : byte % 64)),
          ]),
        ]);
      }),
      { numRuns: 5000 },
    );
  });
});
