/** A member that was linked after the election, and got no accept since, can be handed over to: it follows, and has everything. */

import { describe, expect, it } from 'vitest';
import { decree } from './harness.js';
import { Stage } from './stage.js';

function elected(priority = 100): Stage {
  const stage = new Stage();
  for (const id of ['a', 'b', 'c']) stage.enter(id);
  stage.feed('c', { kind: 'standing', standing: { isStalled: false, isLagging: false, priority } });
  stage.link('a', 'b');
  stage.feed('a', { kind: 'promote', request: 1, evenIfBehind: true });
  stage.wait(100);
  expect(stage.primaries).toEqual(['a']);
  // c comes back into a cluster in which nothing is proposed.
  stage.link('a', 'b', 'c');
  stage.wait(200);
  return stage;
}

describe('the primaryship in an idle cluster', () => {
  it('goes to whom it is to go', () => {
    const stage = elected();
    stage.feed('a', { kind: 'relinquish', request: 2, to: 3 });
    stage.wait(2000);
    expect(stage.primaries).toEqual(['c']);
  });

  it('goes to a member of a higher priority that comes back', () => {
    const stage = elected(200);
    stage.wait(20_000);
    expect(stage.primaries).toEqual(['c']);
  });

  it('goes there once something was proposed', () => {
    const stage = elected();
    stage.propose('a', decree('any'));
    stage.feed('a', { kind: 'relinquish', request: 2, to: 3 });
    stage.wait(2000);
    expect(stage.primaries).toEqual(['c']);
  });
});
