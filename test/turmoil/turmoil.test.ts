/** Aim: the protocol keeps its word in the first seeds, which do what they are for, and can be repeated. `npm run turmoil` runs more. */

import { describe, expect, it } from 'vitest';
import { runTurmoil, type TurmoilResult } from './run.js';

const SEEDS = 40;

const results: TurmoilResult[] = [];

const sum = (key: keyof TurmoilResult['sums']): number =>
  results.reduce((total, { sums }) => total + sums[key], 0);

describe('the protocol alone, in turmoil', () => {
  it(`keeps its word: seeds 1 to ${SEEDS}`, () => {
    for (let seed = 1; seed <= SEEDS; seed += 1) results.push(runTurmoil(seed));
    const violations = results.filter(({ violation }) => violation !== null);
    expect(violations.map(({ seed, violation }) => ({ seed, ...violation }))).toEqual([]);
  });

  it.each([
    'slots',
    'configurations',
    'reads',
    'leaseReads',
    'restarts',
    'wipes',
    'checkpoints',
    'installs',
    'installsAtPrimaries',
    'rivals',
    'newcomers',
    'unrecorded',
    'returns',
    'successions',
    'answers',
    'borrowed',
    'expiry',
  ] as const)('does what it is for: %s', (key) => {
    expect(sum(key)).toBeGreaterThan(0);
  });

  it('is the same run for the same seed', () => {
    expect(runTurmoil(7)).toEqual(results[6]);
    expect(runTurmoil(8)).not.toEqual(results[6]);
  });
});
