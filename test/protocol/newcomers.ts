/** The end of each story in which c, d and e have taken the place of the members before, and only d and e know. */

import { expect } from 'vitest';
import { decree } from './harness.js';
import type { Stage } from './stage.js';

/** What is chosen in slot 3 by d and e alone stays chosen when its primary dies, and c, which accepted something else there, votes. */
export function expectChosenForGood(stage: Stage): void {
  const [primary] = stage.primaries as [string];
  const other = primary === 'd' ? 'e' : 'd';
  // The other newcomer has accepted it, and does not hear that it is chosen.
  stage.isLost = (from, _to, { kind }) => from === primary && kind === 'heartbeat';
  stage.propose(primary, decree('answered'));
  expect(stage.chosen.get(3)).toEqual({ [primary]: 'answered' });
  stage.kill(primary);
  stage.isLost = () => false;
  stage.link('c', other);
  stage.wait(3000);
  expect(stage.chosen.get(3)).toEqual({ [primary]: 'answered', [other]: 'answered', c: 'answered' });
}
