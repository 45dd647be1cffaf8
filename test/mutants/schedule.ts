/** Which mutants are run, and in which order. */

import { Random } from '../properties/random.js';
import type { Arguments } from './arguments.js';
import { CANARY, mutants } from './corpus/index.js';
import type { Check, Mutant } from './mutant.js';

export interface Task {
  readonly mutant: Mutant;
  readonly check: Check;
}

/**
 * In the order of the corpus; where time is short, in one that `seed` gives, so that many short runs come to all of them.
 * The canary is first in both.
 */
export function schedule(
  { only, check, part, minutes }: Pick<Arguments, 'only' | 'check' | 'part' | 'minutes'>,
  seed: number,
): Task[] {
  const wanted = mutants.filter(({ name }, index) =>
    only === null ? name === CANARY || (index + 1) % part.of === part.index - 1 : only.has(name),
  );
  const order =
    minutes === null
      ? wanted
      : new Random(seed)
          .shuffled(wanted)
          .sort((a, b) => Number(b.name === CANARY) - Number(a.name === CANARY));
  return order.flatMap((mutant) =>
    mutant.killedBy
      .filter((one) => check === null || one.check === check)
      .map((one) => ({ mutant, check: one })),
  );
}
