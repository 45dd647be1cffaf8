/**
 * The explorer bites: each deliberately broken variant is found out within its scope, and the scope holds nothing against the
 * code as it is, as far as it takes to find the variant.
 */

import { afterAll, describe, expect, it } from 'vitest';
import type { Exploration } from './explorer.js';
import { explore } from './explorer.js';
import type { Scope } from './scope.js';
import type { Variant } from './variants.js';
import { variants } from './variants.js';

const STATES_MAX = 1_000_000;
const RIGHT_STATES_MAX = 20_000;
const STEPS_MAX = 20;
const found: string[] = [];

function findOut({ faults, patch, name }: Variant, scope: Scope, agreementOnly: boolean): Exploration {
  const undo = patch?.();
  try {
    const exploration = explore(
      scope,
      { agreementOnly, ...(faults === undefined ? {} : { faults }) },
      { statesMax: STATES_MAX, deadline: Number.POSITIVE_INFINITY },
    );
    found.push(
      `${name}${agreementOnly ? ' (agreement only)' : ''}`,
      ...(exploration.violation?.trace ?? ['no']),
    );
    return exploration;
  } finally {
    undo?.();
  }
}

afterAll(() => {
  if (process.env.TRACE !== undefined) process.stderr.write(`${found.join('\n')}\n`);
});

for (const variant of variants) {
  describe(variant.name, () => {
    it('is found out, by a short way', { timeout: 60_000 }, () => {
      const { violation, depth, states } = findOut(variant, variant.scope, false);
      expect(violation?.property).toBe(variant.finds);
      expect(violation!.trace[0]).toMatch(/^1\. /);
      expect(violation!.trace.at(-1)).toMatch(/^=> /);
      expect(violation!.trace.filter((line) => /^\d/.test(line)).length).toBe(depth + 1);
      expect(depth).toBeLessThan(STEPS_MAX);
      const limits = { statesMax: Math.min(states, RIGHT_STATES_MAX), deadline: Number.POSITIVE_INFINITY };
      expect(explore(variant.scope, {}, limits).violation).toBeNull();
    });

    const { disagreement } = variant;
    if (disagreement !== undefined) {
      it('is found out by disagreement alone', { timeout: 60_000 }, () => {
        const { violation, depth } = findOut(variant, disagreement, true);
        expect(violation?.property).toBe('one-value-per-slot');
        expect(depth).toBeLessThan(STEPS_MAX);
      });
    }
  });
}
