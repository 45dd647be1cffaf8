import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StateSet } from './state-set.js';

describe('StateSet', () => {
  it('holds what a set of texts holds, in the order of the first additions', () => {
    const state = fc.tuple(fc.nat({ max: 3 }), fc.nat({ max: 3 }), fc.constantFrom(0, 0xffff_ffff));
    fc.assert(
      fc.property(fc.array(state, { maxLength: 100 }), (added) => {
        const states = new StateSet(3, 4);
        const reference: Map<string, number> = new Map();
        for (const [index, words] of added.entries()) {
          const isNew = !reference.has(words.join());
          if (isNew) reference.set(words.join(), index);
          expect(states.add(Uint32Array.from(words), index)).toBe(isNew);
        }
        expect(states.size).toBe(reference.size);
        const words = new Uint32Array(3);
        for (const [number, [text, index]] of [...reference].entries()) {
          states.read(number, words);
          expect(words.join()).toBe(text);
          expect(states.parent(number)).toBe(index);
        }
      }),
      { seed: 1 },
    );
  });

  it('tells states apart that meet in one place of a full table, across blocks and growth', () => {
    const states = new StateSet(2, 2);
    const count = 200_000;
    for (let number = 0; number < count; number += 1) {
      if (!states.add(Uint32Array.of(number % 500, Math.floor(number / 500)), number >>> 1))
        throw new Error(`${number} was taken for another`);
    }
    expect(states.size).toBe(count);
    for (let number = 0; number < count; number += 1) {
      if (states.add(Uint32Array.of(number % 500, Math.floor(number / 500)), 0))
        throw new Error(`${number} was not found again`);
    }
    expect(states.size).toBe(count);
    expect(states.parent(count - 1)).toBe((count - 1) >>> 1);
  });
});
