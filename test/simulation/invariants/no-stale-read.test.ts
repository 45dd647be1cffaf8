/** Reads that see what they must, and no more, are none that the invariant minds; the wrong ones are in invariants.test.ts. */

import { expect, test } from 'vitest';
import { decree } from '../../protocol/harness.js';
import { b, Story } from './story.js';

test('reads of every consistency that see what they must, and no more', () => {
  const x = decree('x');
  const story = new Story().begin().prepare('a', b(1, 1), 'b').call(1).read('c', 'linearizable', 0);
  story.choose(1, x).execute('b', 1, 1).read('c', 'after', 0).execute('a', 1, 1).settle(1, 'committed');
  story.read('c', 'maxAgeMs', 0, { ageMs: 10 }).read('c', 'after', 0, { writer: 'c' });
  expect(story.read('c', 'linearizable', 1).observed.length).toBeGreaterThan(0);
});
