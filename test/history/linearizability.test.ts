import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../cluster/support/random.js';
import { isLinearizable } from './brute-force.js';
import { type KeyValueInput, type KeyValueOutput, keyValueModel } from './kv-model.js';
import { checkLinearizability } from './linearizability.js';
import type { Operation } from './operation.js';
import { goodHistory, type HistoryShape, type KeyValueOperation, spoil } from './random-history.js';

/** `3 5..9 GET a -> 1`: client 3, called at 5, returned at 9. `?` for a return or an output: unknown. */
function history(...lines: readonly string[]): KeyValueOperation[] {
  return lines.map((line) => {
    const [, client, calledAt, returnedAt, request, reply] = /^(\d+) (\d+)\.\.(\d+|\?) (.*) -> (.*)$/.exec(
      line,
    )!;
    return {
      client: Number(client),
      input: request!.split(' '),
      output: outputOf(reply!),
      calledAt: Number(calledAt),
      returnedAt: returnedAt === '?' ? Number.POSITIVE_INFINITY : Number(returnedAt),
    };
  });
}

function outputOf(reply: string): KeyValueOutput | undefined {
  if (reply === '?') return undefined;
  if (reply === 'nil') return null;
  if (reply.startsWith('['))
    return reply
      .slice(1, -1)
      .split(' ')
      .map((word) => outputOf(word)!);
  if (reply.startsWith('ERR')) return { error: reply };
  return reply.startsWith(':') ? Number(reply.slice(1)) : reply;
}

const good: Readonly<Record<string, readonly string[]>> = {
  nothing: [],
  'one client, one after the other': [
    '1 0..1 SET a 1 -> OK',
    '1 2..3 GET a -> 1',
    '1 4..5 INCR a -> :2',
    '1 6..7 DEL a -> :1',
    '1 8..9 GET a -> nil',
  ],
  'a read concurrent with a write sees the old value': [
    '1 0..1 SET a 1 -> OK',
    '1 2..9 SET a 2 -> OK',
    '2 3..4 GET a -> 1',
  ],
  'a read concurrent with a write sees the new value': ['1 0..9 SET a 1 -> OK', '2 3..4 GET a -> 1'],
  'two reads during a write, old then new': [
    '1 0..9 SET a 1 -> OK',
    '2 1..2 GET a -> nil',
    '2 3..4 GET a -> 1',
  ],
  'calls and returns at the same time are concurrent': ['1 0..5 SET a 1 -> OK', '2 5..6 GET a -> nil'],
  'an unknown write is seen later': [
    '1 0..1 SET a 1 -> OK',
    '1 2..? SET a 2 -> ?',
    '2 3..4 GET a -> 1',
    '2 50..51 GET a -> 2',
  ],
  'an unknown write is never seen': ['1 0..1 SET a 1 -> OK', '1 2..? SET a 2 -> ?', '2 3..9 GET a -> 1'],
  'an unknown write happens after a later one': [
    '1 0..? SET a 1 -> ?',
    '2 5..6 SET a 2 -> OK',
    '2 7..8 GET a -> 2',
    '2 9..10 GET a -> 1',
  ],
  'two of three unknown increments happened': [
    '1 0..? INCR a -> ?',
    '2 0..? INCR a -> ?',
    '3 0..? INCR a -> ?',
    '4 1..2 GET a -> nil',
    '4 3..4 GET a -> 2',
  ],
  'an unknown conditional write decides which one won': [
    '1 0..? SET a 1 NX -> ?',
    '2 1..2 SET a 2 NX -> nil',
    '2 3..4 GET a -> 1',
  ],
  'keys are independent': [
    '1 0..1 SET a 1 -> OK',
    '2 0..1 SET b 2 -> OK',
    '3 2..3 GET a -> 1',
    '3 2..3 GET b -> 2',
  ],
  'a write to two keys seen whole': [
    '1 0..9 MSET a 1 b 1 -> OK',
    '2 1..2 MGET a b -> [nil nil]',
    '2 3..4 MGET b a -> [1 1]',
  ],
  'an error is an answer': [
    '1 0..1 SET a x -> OK',
    '1 2..3 INCR a -> ERR value is not an integer or out of range',
  ],
  'three writers, whose order only the end tells': [
    '1 0..9 SET a 1 -> OK',
    '2 0..9 SET a 2 -> OK',
    '3 0..9 SET a 3 -> OK',
    '4 10..11 GET a -> 2',
  ],
};

const bad: Readonly<Record<string, readonly string[]>> = {
  'stale read': ['1 0..1 SET a 1 -> OK', '1 2..3 SET a 2 -> OK', '2 4..5 GET a -> 1'],
  'lost update': ['1 0..5 INCR a -> :1', '2 0..5 INCR a -> :1', '3 6..7 GET a -> 1'],
  'lost write': ['1 0..1 SET a 1 -> OK', '2 4..5 GET a -> nil'],
  'split brain: two sides that see only their own': [
    '1 0..1 SET a 1 -> OK',
    '2 0..1 SET a 2 -> OK',
    '1 2..3 GET a -> 1',
    '2 2..3 GET a -> 2',
    '1 4..5 GET a -> 1',
    '2 4..5 GET a -> 2',
  ],
  'read before it is written': ['2 0..1 GET a -> 1', '1 2..3 SET a 1 -> OK'],
  'read of what nobody wrote': ['1 0..1 SET a 1 -> OK', '2 0..1 GET a -> 7'],
  'resurrected by nobody': ['1 0..1 SET a 1 -> OK', '1 2..3 DEL a -> :1', '2 4..5 GET a -> 1'],
  'deleted twice': ['1 0..1 SET a 1 -> OK', '1 2..5 DEL a -> :1', '2 2..5 DEL a -> :1'],
  'executed twice': ['1 0..1 SET a 0 -> OK', '1 2..3 INCR a -> :1', '2 4..5 GET a -> 2'],
  'new then old during one write': ['1 0..9 SET a 1 -> OK', '2 1..2 GET a -> 1', '2 3..4 GET a -> nil'],
  'an unknown write seen, then gone': [
    '1 0..1 SET a 1 -> OK',
    '1 2..? SET a 2 -> ?',
    '2 3..4 GET a -> 2',
    '2 5..6 GET a -> 1',
  ],
  'an unknown increment happened twice': ['1 0..? INCR a -> ?', '4 1..2 GET a -> 1', '4 3..4 GET a -> 2'],
  'both conditional writes won': ['1 0..5 SETNX a 1 -> :1', '2 0..5 SETNX a 2 -> :1'],
  'no conditional write won': ['1 0..5 SETNX a 1 -> :0', '2 0..5 SETNX a 2 -> :0'],
  'a write to two keys seen by halves': ['1 0..9 MSET a 1 b 1 -> OK', '2 1..2 MGET a b -> [1 nil]'],
  'two keys that were never so together': [
    '1 0..1 SET a 1 -> OK',
    '1 2..3 SET b 1 -> OK',
    '2 0..9 MGET a b -> [nil 1]',
  ],
  'an append is missing from the middle': [
    '1 0..1 APPEND a x -> :1',
    '1 2..3 APPEND a y -> :2',
    '2 4..5 APPEND a z -> :3',
    '2 6..7 GET a -> xz',
  ],
  'the previous value is skipped': [
    '1 0..1 SET a 1 GET -> nil',
    '1 2..3 SET a 2 GET -> 1',
    '2 4..5 SET a 3 GET -> 1',
  ],
};

describe('a history with an explanation', () => {
  it.each(Object.entries(good))('%s', (_, lines) => {
    const operations = history(...lines);
    expect(checkLinearizability(keyValueModel, operations).kind).toBe('linearizable');
    expect(isLinearizable(keyValueModel, operations)).toBe(true);
  });
});

describe('a history without one', () => {
  it.each(Object.entries(bad))('%s', (_, lines) => {
    const operations = history(...lines);
    expect(checkLinearizability(keyValueModel, operations).kind).toBe('violation');
    expect(isLinearizable(keyValueModel, operations)).toBe(false);
  });
});

/** Every operation of the window is needed, and the window together with what is unknown contradicts itself. */
function expectSmallest(
  operations: readonly KeyValueOperation[],
  unknown: readonly KeyValueOperation[],
): void {
  const forget = (operation: KeyValueOperation): KeyValueOperation => ({
    ...operation,
    output: undefined,
    returnedAt: Number.POSITIVE_INFINITY,
  });
  expect(isLinearizable(keyValueModel, [...operations, ...unknown])).toBe(false);
  for (const operation of operations) {
    const weaker = operations.map((other) => (other === operation ? forget(other) : other));
    expect(isLinearizable(keyValueModel, [...weaker, ...unknown])).toBe(true);
  }
}

const tiny: HistoryShape = { clients: 3, operations: 6, keys: 2, values: 3, multiKey: 0.15, unknown: 0.2 };

describe('against every order tried out', () => {
  it('explains what has an explanation', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 7 }), (seed, operations) => {
        const made = goodHistory(new Random(seed), { ...tiny, operations });
        expect(checkLinearizability(keyValueModel, made).kind).toBe('linearizable');
      }),
      { numRuns: 3000 },
    );
  });

  it('says the same of spoilt histories', () => {
    const seen = { linearizable: 0, violation: 0, undecided: 0 };
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 7 }), (seed, operations) => {
        const random = new Random(seed);
        const made = spoil(random, goodHistory(random, { ...tiny, operations }));
        const verdict = checkLinearizability(keyValueModel, made);
        seen[verdict.kind] += 1;
        expect(verdict.kind).toBe(isLinearizable(keyValueModel, made) ? 'linearizable' : 'violation');
        if (verdict.kind === 'violation') expectSmallest(verdict.window.operations, verdict.window.unknown);
      }),
      { numRuns: 4000 },
    );
    expect(seen.violation).toBeGreaterThan(400);
    expect(seen.linearizable).toBeGreaterThan(400);
  });

  it('says the same where keys, values and times are few', () => {
    const dense: HistoryShape = { clients: 5, operations: 6, keys: 1, values: 2, multiKey: 0, unknown: 0.4 };
    const seen = { linearizable: 0, violation: 0, undecided: 0 };
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const random = new Random(seed);
        const made = spoil(random, spoil(random, goodHistory(random, dense)));
        const verdict = checkLinearizability(keyValueModel, made);
        seen[verdict.kind] += 1;
        expect(verdict.kind).toBe(isLinearizable(keyValueModel, made) ? 'linearizable' : 'violation');
      }),
      { numRuns: 4000 },
    );
    expect(seen.violation).toBeGreaterThan(400);
    expect(seen.linearizable).toBeGreaterThan(400);
  });
});

describe('long histories', () => {
  const long: HistoryShape = {
    clients: 10,
    operations: 10_000,
    keys: 20,
    values: 100,
    multiKey: 0,
    unknown: 0.01,
  };

  it('of ten clients on twenty keys take a moment', () => {
    const made = goodHistory(new Random(7), long);
    const begun = performance.now();
    const verdict = checkLinearizability(keyValueModel, made);
    const tookMs = performance.now() - begun;
    expect(verdict.kind).toBe('linearizable');
    // Some 50 ms on the machine this was written on; the bound is for slow ones.
    expect(tookMs).toBeLessThan(3000);
  });

  it('show the few operations that contradict one another', () => {
    const made = goodHistory(new Random(8), { ...long, register: true, unknown: 0 });
    const reads = made.filter(
      ({ input, output }) => input[0] === 'GET' && input[1] === 'k3' && output !== null,
    );
    const stale = reads[20]!;
    const last = reads[120]!;
    const spoilt = made.map((operation) =>
      operation === last ? { ...operation, output: stale.output } : operation,
    );
    const verdict = checkLinearizability(keyValueModel, spoilt);
    if (verdict.kind !== 'violation') throw new Error(verdict.kind);
    expect(verdict.keys).toEqual(['k3']);
    expect(verdict.window.operations.length).toBeLessThanOrEqual(4);
    expect(verdict.window.operations.map(({ calledAt }) => calledAt)).toContain(last.calledAt);
    expect(verdict.text).toMatch(/no order of these explains them \(k3\):\n {2}client \d+ +\d+ to +\d+ {2}/);
  });

  it('with a bound of one step are undecided', () => {
    const verdict = checkLinearizability(keyValueModel, goodHistory(new Random(9), long), { visitedMax: 1 });
    expect(verdict.kind).toBe('undecided');
  });
});

it('gives each set of joined keys a part of its own', () => {
  const operations: Operation<KeyValueInput, KeyValueOutput>[] = history(
    '1 0..1 SET a 1 -> OK',
    '1 0..1 SET b 1 -> OK',
    '1 0..1 SET c 1 -> OK',
    '2 2..3 MGET a c -> [1 nil]',
  );
  const verdict = checkLinearizability(keyValueModel, operations);
  expect(verdict).toMatchObject({ kind: 'violation', keys: ['a', 'c'] });
  const cleared = history('1 0..1 SET a 1 -> OK', '1 2..3 FLUSHALL -> OK', '2 4..5 GET a -> 1');
  expect(checkLinearizability(keyValueModel, cleared).kind).toBe('violation');
});
