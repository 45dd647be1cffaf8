import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../cluster/support/random.js';
import { keyValueModel } from './kv-model.js';
import { checkLinearizability } from './linearizability.js';
import { goodHistory, type HistoryShape, type KeyValueOperation, spoil } from './random-history.js';
import { type Serial, SerialOracle, type SerialRule } from './serial-oracle.js';

/** Takes evidence in short form. */
class Case {
  readonly oracle = new SerialOracle();

  write(client: number, calledAt: number, key = 'a'): Serial {
    return this.oracle.write(key, client, calledAt);
  }

  done(client: number, calledAt: number, returnedAt: number, previous?: Serial | null): Serial {
    const serial = this.write(client, calledAt);
    this.oracle.acknowledge(serial, previous, returnedAt);
    return serial;
  }

  read(client: number, calledAt: number, returnedAt: number, serial: Serial | null): this {
    this.oracle.read('a', client, serial, calledAt, returnedAt);
    return this;
  }

  get rules(): SerialRule[] {
    return [...new Set(this.oracle.check().map(({ rule }) => rule))];
  }
}

describe('the serial oracle finds nothing wrong with', () => {
  it('writes and reads one after the other', () => {
    const run = new Case();
    const first = run.done(1, 0, 1, null);
    run.read(2, 2, 3, first);
    const second = run.done(1, 4, 5, first);
    run.read(2, 6, 7, second).oracle.scan('a', second, 10);
    expect(run.rules).toEqual([]);
  });

  it('a read of either value while a write is under way', () => {
    const run = new Case();
    const first = run.done(1, 0, 1);
    const second = run.write(1, 2);
    run.read(2, 3, 4, first).read(2, 5, 6, second);
    run.oracle.acknowledge(second, first, 9);
    expect(run.rules).toEqual([]);
  });

  it('a write of unknown outcome that is seen late, even behind later ones', () => {
    const run = new Case();
    const lost = run.write(1, 0);
    const second = run.done(2, 5, 6);
    run.read(2, 7, 8, second).read(2, 9, 10, lost).oracle.scan('a', lost, 20);
    expect(run.rules).toEqual([]);
  });

  it('a write of unknown outcome that is never seen', () => {
    const run = new Case();
    const first = run.done(1, 0, 1, null);
    run.write(1, 2);
    run.read(1, 50, 51, first).oracle.scan('a', first, 60);
    expect(run.rules).toEqual([]);
  });

  it('a refused write that nobody saw', () => {
    const run = new Case();
    run.oracle.refuse(run.write(1, 0));
    run.read(1, 2, 3, null);
    expect(run.rules).toEqual([]);
  });
});

describe('the serial oracle finds', () => {
  it('a phantom value', () => {
    expect(new Case().read(1, 0, 1, 77).rules).toEqual(['phantom']);
    const early = new Case();
    const late = early.write(1, 10);
    expect(early.read(2, 0, 1, late).rules).toContain('phantom');
  });

  it('a refused write that is seen', () => {
    const run = new Case();
    const refused = run.write(1, 0);
    run.oracle.refuse(refused);
    expect(run.read(2, 5, 6, refused).rules).toEqual(['refused-yet-seen']);
    const other = new Case();
    const seen = other.write(1, 0);
    other.read(2, 5, 6, seen).oracle.refuse(seen);
    expect(other.rules).toEqual(['refused-yet-seen']);
  });

  it('one serial under two keys, and in two places', () => {
    const run = new Case();
    const first = run.done(1, 0, 1);
    run.oracle.read('b', 1, first, 2, 3);
    expect(run.rules).toEqual(['one-serial-one-place']);
    const placed = new Case();
    const twice = placed.done(1, 0, 1);
    placed.oracle.place(twice, 5);
    placed.oracle.place(twice, 5);
    expect(placed.rules).toEqual([]);
    placed.oracle.place(twice, 6);
    expect(placed.rules).toEqual(['one-serial-one-place']);
    const shared = new Case();
    shared.oracle.place(shared.done(1, 0, 1), 5);
    shared.oracle.place(shared.done(1, 2, 3), 5);
    expect(shared.rules).toEqual(['one-serial-one-place']);
  });

  it('a client that does not read its own write', () => {
    const run = new Case();
    const first = run.done(1, 0, 1);
    run.done(2, 2, 3);
    expect(run.read(2, 4, 5, first).rules).toEqual(['read-your-writes']);
  });

  it('reads of one client that go back', () => {
    const run = new Case();
    const first = run.done(1, 0, 1);
    const second = run.write(1, 2);
    expect(run.read(2, 3, 4, second).read(2, 5, 6, first).rules).toEqual(['monotonic-reads']);
  });

  it('a read that is older than what others know', () => {
    const run = new Case();
    const first = run.done(1, 0, 1);
    run.done(1, 2, 3);
    expect(run.read(2, 4, 5, first).rules).toEqual(['stale-read']);
  });

  it('an unknown write that is seen and then gone', () => {
    const run = new Case();
    const first = run.done(1, 0, 1);
    const second = run.write(1, 2);
    expect(run.read(2, 3, 4, second).read(3, 5, 6, first).rules).toEqual(['stale-read']);
  });

  it('values that take turns', () => {
    const run = new Case();
    const [first, second] = [run.write(1, 0), run.write(2, 0)];
    run.read(3, 1, 2, first).read(4, 3, 4, second).read(3, 5, 6, first);
    expect(run.rules).toEqual(['stale-read']);
  });

  it('two writes that replaced the same one', () => {
    const run = new Case();
    const first = run.done(1, 0, 1, null);
    run.done(1, 2, 5, first);
    run.done(2, 2, 5, first);
    expect(run.rules).toEqual(['predecessor-chain']);
  });

  it('writes that replaced one another', () => {
    const run = new Case();
    const [first, second] = [run.write(1, 0), run.write(2, 0)];
    run.oracle.acknowledge(first, second, 9);
    run.oracle.acknowledge(second, first, 9);
    expect(run.rules).toEqual(['predecessor-chain']);
  });

  it('a write that replaced what had been replaced before it was called', () => {
    const run = new Case();
    const first = run.done(1, 0, 1, null);
    run.done(1, 2, 3);
    run.done(2, 4, 5, first);
    expect(run.rules).toEqual(['predecessor-chain']);
  });

  it('a line of writes against the order of time', () => {
    // The third followed the second, and the second the first; yet the third had returned before the first was called.
    const run = new Case();
    const second = run.write(2, 0);
    run.done(3, 0, 1, second);
    const first = run.write(1, 5);
    run.oracle.acknowledge(second, first, 9);
    expect(run.rules).toContain('predecessor-chain');
  });

  it('nothing where something had been written', () => {
    const run = new Case();
    run.done(1, 0, 1);
    expect(run.read(2, 4, 5, null).rules).toEqual(['absence-floor']);
  });

  it('an acknowledged write that the last scan does not find', () => {
    const run = new Case();
    const first = run.done(1, 0, 1);
    run.done(1, 2, 3);
    run.oracle.scan('a', first, 99);
    expect(run.rules).toEqual(['durability']);
    const empty = new Case();
    empty.done(1, 0, 1);
    empty.oracle.scan('a', null, 99);
    expect(empty.rules).toEqual(['durability']);
  });
});

describe('after a settlement', () => {
  it('what was replaced is known to be gone, and what is under way may still come', () => {
    const run = new Case();
    const first = run.done(1, 0, 1, null);
    const second = run.done(1, 2, 3, first);
    const lost = run.write(2, 4);
    expect(run.oracle.settle(new Map([['a', second]]), 10)).toEqual([]);
    run.read(1, 11, 12, second).read(1, 13, 14, lost).done(1, 15, 16, lost);
    expect(run.rules).toEqual([]);
    expect(run.read(1, 20, 21, first).rules).toEqual(['stale-read']);
  });

  it('finds that absence has come back', () => {
    const run = new Case();
    const first = run.done(1, 0, 1, null);
    run.oracle.settle(new Map([['a', first]]), 10);
    expect(run.read(1, 11, 12, null).rules).toEqual(['absence-floor']);
  });
});

/** Feeds a history of SET and GET, each value written once, as its evidence. */
function judge(history: readonly KeyValueOperation[]): SerialOracle {
  const oracle = new SerialOracle();
  const serials = new Map<string, Serial>();
  for (const { client, input, calledAt } of history)
    if (input[0] === 'SET') serials.set(input[2]!, oracle.write(input[1]!, client, calledAt));
  for (const { client, input, output, calledAt, returnedAt } of history) {
    if (output === undefined) continue;
    if (input[0] === 'SET') {
      const previous = output === null ? null : (serials.get(`${output}`) ?? -1);
      oracle.acknowledge(serials.get(input[2]!)!, input.length === 4 ? previous : undefined, returnedAt);
    } else {
      const serial = output === null ? null : (serials.get(`${output}`) ?? -1);
      oracle.read(input[1]!, client, serial, calledAt, returnedAt);
    }
  }
  return oracle;
}

/** Replies that a register can give at all: the oracle is asked about serials, not about the form of replies. */
function isOfRegister({ input, output }: KeyValueOperation): boolean {
  if (output === undefined) return true;
  if (input[0] === 'SET' && input.length === 3) return output === 'OK';
  return output === null || (typeof output === 'string' && output !== 'OK');
}

const shape: HistoryShape = {
  clients: 4,
  operations: 14,
  keys: 2,
  values: 2,
  multiKey: 0,
  unknown: 0.15,
  register: true,
};

describe('against the search', () => {
  it('says the same of registers', () => {
    const seen = { good: 0, bad: 0 };
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 0, max: 3 }), (seed, spoils) => {
        const random = new Random(seed);
        let history = goodHistory(random, shape);
        for (let count = 0; count < spoils; count += 1) {
          const worse = spoil(random, history);
          if (worse.every(isOfRegister)) history = worse;
        }
        const isGood = checkLinearizability(keyValueModel, history).kind === 'linearizable';
        seen[isGood ? 'good' : 'bad'] += 1;
        expect(judge(history).check().length === 0).toBe(isGood);
      }),
      { numRuns: 4000 },
    );
    expect(seen.good).toBeGreaterThan(500);
    expect(seen.bad).toBeGreaterThan(500);
  });

  it('never blames a history that has an explanation, predecessors included', () => {
    const withPrevious: HistoryShape = { ...shape, registerPrevious: true };
    const seen = { good: 0, missed: 0, found: 0 };
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 0, max: 2 }), (seed, spoils) => {
        const random = new Random(seed);
        let history = goodHistory(random, withPrevious);
        for (let count = 0; count < spoils; count += 1) history = spoil(random, history);
        if (!history.every(isOfRegister)) return;
        const isGood = checkLinearizability(keyValueModel, history).kind === 'linearizable';
        const findings = judge(history).check();
        if (isGood) expect(findings).toEqual([]);
        seen[isGood ? 'good' : findings.length === 0 ? 'missed' : 'found'] += 1;
      }),
      { numRuns: 3000 },
    );
    expect(seen.good).toBeGreaterThan(500);
    expect(seen.found).toBeGreaterThan(200);
    // It judges by necessary conditions: together they miss little.
    expect(seen.missed).toBeLessThan(seen.found / 20);
  });
});

it('judges a hundred thousand operations in a moment', () => {
  const history = goodHistory(new Random(3), {
    ...shape,
    clients: 20,
    keys: 10,
    operations: 100_000,
    unknown: 0.01,
  });
  const begun = performance.now();
  expect(judge(history).check()).toEqual([]);
  expect(performance.now() - begun).toBeLessThan(5000);
});
