/** The model against the real store: one request after the other, all of them. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { commands } from '../../src/kv/command-table.js';
import { Random } from '../cluster/support/random.js';
import { type KeyValueState, keyValueModel, outcomeOfError } from './kv-model.js';
import { goodHistory } from './random-history.js';

const { initial, step, stateKey, isRead } = keyValueModel;

describe('the model of the key-value service', () => {
  it('takes what the store replies, and nothing else', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const shape = { clients: 1, operations: 60, keys: 3, values: 4, multiKey: 0.2, unknown: 0 };
        let state: KeyValueState = initial;
        for (const { input, output } of goodHistory(new Random(seed), shape)) {
          const after = step(state, input, output);
          if (after === null) throw new Error(keyValueModel.describe(input, output));
          for (const other of [null, 'OK', '0', '1', '', 0, 1, 3, 7n, [], [null, null], { error: 'ERR' }]) {
            if (JSON.stringify(other, text) === JSON.stringify(output, text)) continue;
            expect(step(state, input, other)).toBeNull();
          }
          if (isRead(input, output)) expect(stateKey(after)).toBe(stateKey(state));
          state = after;
        }
      }),
      { numRuns: 200 },
    );
  });

  it('takes any outcome for one that is unknown', () => {
    expect(stateKey(step(initial, ['SET', 'a', '1'], undefined)!)).not.toBe(stateKey(initial));
    expect(stateKey(step(initial, ['SET', 'a', '1', 'XX'], undefined)!)).toBe(stateKey(initial));
  });

  it('tells a read from a write by its reply, whatever the state', () => {
    const states = ['', '0', '7', 'x'].map((value) => step(initial, ['SET', 'a', value], 'OK')!);
    const requests = [
      ['SET', 'a', '7'],
      ['SET', 'a', '7', 'NX'],
      ['SET', 'a', '7', 'XX', 'GET'],
      ['SET', 'a', '7', 'NX', 'GET'],
      ['SET', 'a', '7', 'GET'],
      ['SET', 'a', '7', 'NX', 'XX'],
      ['SETNX', 'a', '7'],
      ['DEL', 'a'],
      ['GETDEL', 'a'],
      ['GETSET', 'a', '7'],
      ['INCR', 'a'],
      ['APPEND', 'a', ''],
    ];
    const outputs = [null, 0, 1, 2, 8, 'OK', '7', 'x', { error: 'ERR syntax error' }];
    for (const request of requests) {
      for (const output of outputs) {
        if (!isRead(request, output)) continue;
        for (const state of [initial, ...states]) {
          const after = step(state, request, output);
          if (after !== null) expect(stateKey(after)).toBe(stateKey(state));
        }
      }
    }
  });

  it('has a text of its own for each state and each input', () => {
    const set = (...words: string[]): KeyValueState => step(initial, ['MSET', ...words], 'OK')!;
    const keys = [
      set('a', '1'),
      set('a1', ''),
      set('', 'a1'),
      set('a', '1', 'b', '2'),
      set('a', '12', 'b', ''),
      set('a1', '', 'b', '2'),
    ].map(stateKey);
    expect(new Set(keys).size).toBe(keys.length);
    expect(stateKey(set('a', '1', 'b', '2'))).toBe(stateKey(set('b', '2', 'a', '1')));
    expect(keyValueModel.inputKey(['SET', 'a', 'b c'])).not.toBe(keyValueModel.inputKey(['SET', 'a b', 'c']));
  });

  it('adds integers of 64 bits, and takes the nearest number for one', () => {
    const most = step(initial, ['SET', 'a', '9223372036854775806'], 'OK')!;
    expect(step(most, ['INCR', 'a'], 9223372036854775807n)).not.toBeNull();
    expect(step(most, ['INCR', 'a'], 9223372036854775806n)).toBeNull();
    expect(step(most, ['INCR', 'a'], Number(9223372036854775807n))).not.toBeNull();
    const full = step(most, ['INCR', 'a'], undefined)!;
    expect(step(full, ['INCR', 'a'], { error: 'ERR increment or decrement would overflow' })).toBe(full);
  });

  it('knows the names of all commands that are about values', () => {
    const unknown = commands
      .filter(({ operation, name }) => operation !== null && !isKnown(name))
      .map(({ name }) => name);
    // What is about time, and what yields keys in no order.
    expect(unknown).toEqual(
      'setex psetex keys scan ttl pttl expire pexpire expireat pexpireat persist'.split(' '),
    );
    expect(() => step(initial, ['SET', 'a', '1', 'EX', '5'], 'OK')).toThrow('deadlines');
  });

  it('tells what became of a request that got an error', () => {
    expect(outcomeOfError('TRYAGAIN overloaded')).toBe('not-executed');
    expect(outcomeOfError('CLUSTERDOWN')).toBe('not-executed');
    expect(outcomeOfError('UNKNOWN [ERR_SYNOD_TIMEOUT]')).toBe('unknown');
    expect(outcomeOfError('RESULTLOST executed (ERR_SYNOD_RESULT_LOST)')).toBe('unknown');
    expect(outcomeOfError('ERR syntax error')).toBe('answer');
  });
});

function text(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value;
}

function isKnown(name: string): boolean {
  try {
    keyValueModel.keysOf([name, 'a', 'b']);
    return true;
  } catch {
    return false;
  }
}
