/** Aim: the checks find what is wrong in what clients were told. Method: histories that are right, and the same with one lie. */

import { describe, expect, it } from 'vitest';
import type { Status } from '../cluster/support/cluster.js';
import type { KeyValueOutput } from '../history/kv-model.js';
import { checkDigests, judge, Ledger } from './checks.js';
import type { Recorded } from './history.js';
import { distribution } from './recovery.js';

let clock = 0;
function told(words: readonly string[], output: KeyValueOutput | undefined): Recorded {
  clock += 2;
  const returnedAt = output === undefined ? Number.POSITIVE_INFINITY : clock + 1;
  return { client: 0, input: words, output, calledAt: clock, returnedAt };
}

const history = (): Recorded[] => [
  told(['SET', 'k', '1'], 'OK'),
  told(['INCR', 'n'], 1),
  told(['INCR', 'n'], undefined),
  told(['SET', 'k', '2'], 'OK'),
  told(['INCR', 'n'], 3),
  told(['MSET', 'p', '7', 'q', '7'], 'OK'),
  told(['MGET', 'p', 'q'], ['7', '7']),
  told(['GET', 'k'], '2'),
];

describe('the judge of histories', () => {
  it('takes what has an explanation', () => {
    expect(judge(history())).toEqual([]);
  });

  it.each([
    ['an older value', ['GET', 'k'], '1'],
    ['an acknowledged write that is gone', ['GET', 'k'], null],
    ['a value that nobody wrote', ['GET', 'k'], '3'],
    ['an increment twice', ['INCR', 'n'], 3],
    ['two that were written together, apart', ['MGET', 'p', 'q'], ['7', null]],
  ] as const)('finds %s', (_, words, output) => {
    const found = judge([...history(), told(words, output as KeyValueOutput)]);
    expect(found).toMatchObject([{ check: 'linearizability' }]);
  });
});

describe('the ledger', () => {
  it('finds what changed since an earlier quiet point, but not where the outcome was unknown', () => {
    const ledger = new Ledger();
    const values = new Map([
      ['k', '2'],
      ['n', '3'],
      ['gone', null],
    ]);
    ledger.keep(values, history());
    expect(ledger.size).toBe(3);
    expect(ledger.compare(values)).toEqual([]);
    expect(ledger.compare(new Map([...values, ['k', '1']]))).toMatchObject([{ check: 'durability' }]);
    expect(ledger.compare(new Map([...values, ['n', '4']]))).toEqual([]);
    expect(ledger.compare(new Map([...values, ['gone', 'x']]))).toHaveLength(1);
  });
});

describe('states', () => {
  it('differ where the digest or the slot does', () => {
    const status = (replica: string, applied: number, stateDigest: string): Status =>
      ({ replica, applied, stateDigest }) as Status;
    expect(checkDigests([status('a', 9, 'x'), status('b', 9, 'x')])).toEqual([]);
    expect(checkDigests([status('a', 9, 'x'), status('b', 9, 'y')])).toMatchObject([
      { check: 'state-digest' },
    ]);
    expect(checkDigests([status('a', 9, 'x'), status('b', 8, 'x')])).toHaveLength(1);
  });
});

describe('a distribution', () => {
  it('has percentiles', () => {
    const values = Array.from({ length: 200 }, (_, index) => 200 - index);
    expect(distribution(values)).toEqual({ count: 200, p50: 100, p99: 198, max: 200 });
    expect(distribution([])).toEqual({ count: 0, p50: 0, p99: 0, max: 0 });
    expect(distribution([7])).toEqual({ count: 1, p50: 7, p99: 7, max: 7 });
  });
});
