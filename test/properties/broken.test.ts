/**
 * The runs of `cluster.test.ts` bite: every deliberately broken variant is found out within some seeds, by what is
 * checked on the way, and, where it breaks agreement, also by who only compares what replicas hold for chosen.
 */

import { afterAll, describe, expect, it } from 'vitest';
import { ContractViolation } from '../../src/contracts.js';
import { Violation } from './checker.js';
import type { Variant } from './variants.js';
import { variants } from './variants.js';
import { runSeed } from './world.js';

const SEEDS_MAX = 1000;
const found: string[] = [];

/** The first seed that finds the variant out, and what it broke. */
function findOut({ name, faults, patch }: Variant, agreementOnly: boolean): string | null {
  const undo = patch?.();
  try {
    for (let seed = 1; seed <= SEEDS_MAX; seed += 1) {
      try {
        runSeed(seed, { agreementOnly, ...(faults === undefined ? {} : { faults }) });
      } catch (error) {
        const isContract = error instanceof ContractViolation;
        if (!(error instanceof Violation) && !isContract) throw error;
        // A contract that breaks fences the replica: that alone is no disagreement.
        if (agreementOnly && !(error instanceof Violation && error.property === 'one-value-per-slot'))
          continue;
        found.push(`${name}${agreementOnly ? ' (agreement only)' : ''}: seed ${seed}: ${error.message}`);
        return isContract ? error.contract : error.property;
      }
    }
    return null;
  } finally {
    undo?.();
  }
}

afterAll(() => {
  if (process.env.TRACE !== undefined) process.stderr.write(`${found.join('\n')}\n`);
});

describe('found out', () => {
  for (const variant of variants) {
    it(variant.name, { timeout: 120_000 }, () => {
      const property = findOut(variant, false);
      expect(property).not.toBeNull();
      if (variant.rule === null) expect(property).toMatch(/peace|progress/);
    });
  }
});

describe('found out by disagreement alone', () => {
  for (const variant of variants.filter(({ breaksAgreement }) => breaksAgreement)) {
    it(variant.name, { timeout: 120_000 }, () => {
      expect(findOut(variant, true)).not.toBeNull();
    });
  }
});

it('the code as it is passes the seeds that find out most of them', () => {
  for (let seed = 1; seed <= 20; seed += 1) runSeed(seed);
});
