import { describe, expect, it } from 'vitest';
import { CANARY, mutants } from './corpus/index.js';
import { schedule } from './schedule.js';

const all = { only: null, check: null, part: { index: 1, of: 1 }, minutes: null };
const namesOf = (options: Parameters<typeof schedule>[0], seed = 1): string[] => [
  ...new Set(schedule(options, seed).map(({ mutant }) => mutant.name)),
];

describe('the schedule of the mutants', () => {
  it('has each, in the order of the corpus, with each of its checks', () => {
    expect(namesOf(all)).toEqual(mutants.map(({ name }) => name));
    expect(schedule(all, 1)).toHaveLength(mutants.reduce((sum, { killedBy }) => sum + killedBy.length, 0));
  });

  it('begins with the canary and mixes the others where time is short, by the seed', () => {
    const short = { ...all, minutes: 5 };
    const names = namesOf(short, 7);
    expect(names[0]).toBe(CANARY);
    expect(names).toEqual(namesOf(short, 7));
    expect(names).not.toEqual(namesOf(short, 8));
    expect(names.toSorted()).toEqual(namesOf(all).toSorted());
  });

  it('has each mutant in one of the parts, and the canary in all of them', () => {
    const parts = [1, 2, 3].map((index) => namesOf({ ...all, part: { index, of: 3 } }));
    for (const names of parts) expect(names).toContain(CANARY);
    expect(
      parts
        .flat()
        .filter((name) => name !== CANARY)
        .toSorted(),
    ).toEqual(
      namesOf(all)
        .filter((name) => name !== CANARY)
        .toSorted(),
    );
  });

  it('has none but those that are named, or that the check finds', () => {
    const { name } = mutants.at(-1)!;
    expect(namesOf({ ...all, only: new Set([name]) })).toEqual([name]);
    const found = schedule({ ...all, check: 'explorer' }, 1);
    expect(found.length).toBeGreaterThan(0);
    for (const { check } of found) expect(check.check).toBe('explorer');
  });
});
