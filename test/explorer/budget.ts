/** What may still happen, and how often: all counters of a state in one word. Of the proposals and changes it says how many were made. */

import type { Scope } from './scope.js';

const BITS = 2;
const REPLICAS_MAX = 4;

/** The most that a counter holds. */
export const BUDGET_MAX: number = 2 ** BITS - 1;

export const PROPOSED = 0;
const TIMEOUTS = PROPOSED + BITS;
const SILENCES: number = TIMEOUTS + BITS * REPLICAS_MAX;
export const BREAKS: number = SILENCES + BITS * REPLICAS_MAX;
export const CRASHES: number = BREAKS + BITS;
export const WIPES: number = CRASHES + BITS;
export const CHANGED: number = WIPES + BITS;
export const PROMOTIONS: number = CHANGED + BITS;
export const RELINQUISHES: number = PROMOTIONS + BITS;
export const READS: number = RELINQUISHES + BITS;

export const timeoutsOf = (node: number): number => TIMEOUTS + BITS * node;
export const silencesOf = (node: number): number => SILENCES + BITS * node;

/** The counter at `at` of the word. */
export const budgetOf = (word: number, at: number): number => (word >>> at) & BUDGET_MAX;
/** One less, or one more, of the counter at `at`, as a summand of the word. */
export const oneLess = (at: number): number => -(2 ** at);
export const oneMore = (at: number): number => 2 ** at;

/** What the scope begins with. */
export function budgetOfScope(scope: Scope): number {
  let word = 0;
  const put = (at: number, count: number): void => {
    if (count > BUDGET_MAX) throw new RangeError(`scope ${scope.name}: more than ${BUDGET_MAX} of a kind`);
    word += count * 2 ** at;
  };
  for (const [node, count] of scope.timeouts.entries()) put(timeoutsOf(node), count);
  for (const [node, count] of (scope.silences ?? []).entries()) put(silencesOf(node), count);
  put(BREAKS, scope.breaks);
  put(CRASHES, scope.crashes);
  put(WIPES, scope.wipes ?? 0);
  put(PROMOTIONS, scope.promotions ?? 0);
  put(RELINQUISHES, scope.relinquishes ?? 0);
  put(READS, scope.reads ?? 0);
  return word;
}
