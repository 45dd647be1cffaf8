import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Interner, PairMemo, Sequences } from './interner.js';

describe('Interner', () => {
  it('gives equal texts one number, and makes each value once', () => {
    const interner = new Interner<{ readonly text: string }>();
    let made = 0;
    const intern = (text: string): number =>
      interner.intern(text, () => {
        made += 1;
        return { text };
      });
    expect(['x', 'y', 'x', '', 'y', ''].map(intern)).toEqual([0, 1, 0, 2, 1, 2]);
    expect(made).toBe(3);
    expect(interner.size).toBe(3);
    expect(interner.value(1)).toEqual({ text: 'y' });
    expect(() => interner.value(3)).toThrow(RangeError);
  });
});

describe('PairMemo', () => {
  it('calls once for each ordered pair', () => {
    const memo = new PairMemo();
    const calls: string[] = [];
    const get = (first: number, second: number): number =>
      memo.get(first, second, (a, b) => {
        calls.push(`${a} ${b}`);
        return a * 10 + b;
      });
    expect([get(1, 2), get(2, 1), get(1, 2), get(0, 0)]).toEqual([12, 21, 12, 0]);
    expect(calls).toEqual(['1 2', '2 1', '0 0']);
  });
});

describe('Sequences', () => {
  const list = fc.array(fc.nat({ max: 4 }), { maxLength: 5 });

  it('does with numbers what arrays do', () => {
    const sequences = new Sequences();
    fc.assert(
      fc.property(list, list, fc.nat({ max: 5 }), (a, b, count) => {
        const [first, second] = [sequences.of(a), sequences.of(b)];
        expect(sequences.items(first)).toEqual(a);
        expect(first === second).toBe(a.join() === b.join());
        expect(sequences.items(sequences.join(first, second))).toEqual([...a, ...b]);
        expect(sequences.items(sequences.drop(first, count))).toEqual(a.slice(count));
        const united = [...new Set([...a, ...b])].sort((x, y) => x - y);
        expect(sequences.items(sequences.unite(sequences.of([...new Set(a)].sort()), second))).toEqual(
          united,
        );
      }),
      { seed: 1 },
    );
  });

  it('calls the empty one 0', () => {
    const sequences = new Sequences();
    expect(sequences.of([])).toBe(0);
    expect(sequences.drop(sequences.of([7]), 1)).toBe(0);
  });
});
