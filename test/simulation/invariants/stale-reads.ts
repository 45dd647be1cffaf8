/** Histories in which a read sees less than it says. */

import { decree } from '../../protocol/harness.js';
import { b, Story } from './story.js';

/** Call 1, chosen in slot 1 and executed by "a", and nobody was told. */
const executed = (): Story =>
  new Story().begin().prepare('a', b(1, 1), 'b').call(1).choose(1, decree('x')).execute('a', 1, 1);
const answered = (): Story => executed().settle(1, 'committed');

export const staleReads: readonly (readonly [string, () => Story])[] = [
  ['one that misses what was answered', () => answered().read('c', 'linearizable', 0)],
  [
    'one that misses what another read saw',
    () => executed().read('b', 'after', 1).read('c', 'linearizable', 0),
  ],
  ['one that misses what its token stands for', () => executed().read('c', 'after', 0)],
  ['one that is older than it may be', () => answered().read('c', 'maxAgeMs', 0)],
];
