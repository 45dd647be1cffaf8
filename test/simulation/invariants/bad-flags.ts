/** Histories of commands with flags that are not as they should be. */

import { b, decree, Story } from './story.js';

type Stories = readonly (readonly [string, () => Story])[];

const [x, y, z] = [decree('x'), decree('yy'), decree('zzz')];
const begun = (): Story => new Story().begin().prepare('a', b(1, 1), 'b');

export const notAlone: Stories = [
  [
    'an exclusive command behind another one',
    () =>
      begun().call(1).call(2, 'a', { isExclusive: true }).choose(1, x).execute('b', 1, 1).execute('b', 1, 2),
  ],
  [
    'a last one before another one',
    () => begun().call(1, 'a', { isLast: true }).call(2).choose(1, x).execute('b', 1, 1).execute('b', 1, 2),
  ],
];

export const behindTheLast: Stories = [
  [
    'another one is proposed before it is executed',
    () => begun().call(1, 'a', { isLast: true }).choose(1, x).choose(2, y).execute('a', 1, 1),
  ],
];

export const rightFlags: Readonly<Record<string, () => Story>> = {
  'an exclusive command, alone': () =>
    begun()
      .call(1, 'a', { isExclusive: true })
      .call(2)
      .choose(1, x)
      .choose(2, y)
      .execute('a', 1, 1)
      .execute('a', 2, 2),
  'a last command, and nobody who takes over': () =>
    begun().call(1, 'a', { isLast: true }).choose(1, x).execute('a', 1, 1).choose(2, y).execute('b', 1, 1),
  'a last command, and another primary': () =>
    begun()
      .call(1, 'a', { isLast: true })
      .propose('a', b(1, 1), 1, x)
      .prepare('b', b(2, 2), 'c')
      .propose('b', b(2, 2), 1, x)
      .propose('b', b(2, 2), 2, y)
      .execute('b', 1, 1),
  'a last command in a slot for which an earlier primary had something else': () =>
    begun()
      .propose('a', b(1, 1), 1, x)
      .propose('a', b(1, 1), 2, y)
      .call(1, 'c', { isLast: true })
      .prepare('c', b(2, 3), 'b')
      .propose('c', b(2, 3), 1, z)
      .execute('c', 1, 1)
      .execute('a', 1, 1),
};
