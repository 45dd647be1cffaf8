/**
 * The runs of `cluster.test.ts` bite: surroundings that are broken on purpose are found out within some seeds, by what is
 * checked on the way, and also by who only compares what replicas hold for chosen.
 */

import { describe, expect, it } from 'vitest';
import { ContractViolation } from '../../src/contracts.js';
import { Violation } from './checker.js';
import { variants } from './variants.js';
import type { RunOptions } from './world.js';
import { runSeed } from './world.js';

const SEEDS_MAX = 1000;

/** What the first seed that finds something finds. */
function findOut(run: RunOptions): string | null {
  for (let seed = 1; seed <= SEEDS_MAX; seed += 1) {
    try {
      runSeed(seed, run);
    } catch (error) {
      if (error instanceof Violation) {
        if (!run.agreementOnly || error.property === 'one-value-per-slot') return error.property;
      } else if (!(error instanceof ContractViolation)) throw error;
      // A contract that breaks fences the replica: that alone is no disagreement.
      else if (!run.agreementOnly) return error.contract;
    }
  }
  return null;
}

describe.each(variants)('$name', ({ faults }) => {
  it('is found out', { timeout: 120_000 }, () => {
    expect(findOut({ faults })).not.toBeNull();
  });

  it('is found out by disagreement alone', { timeout: 120_000 }, () => {
    expect(findOut({ faults, agreementOnly: true })).not.toBeNull();
  });
});

it('the code as it is passes the seeds that find out most of them', () => {
  for (let seed = 1; seed <= 20; seed += 1) runSeed(seed);
});
