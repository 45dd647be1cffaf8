/** Histories in which the members change as they must not, for the test of the invariant that notices. */

import { b, decree, firstConfiguration, incarnationOf, Story, secondConfiguration } from './story.js';

const begun = (): Story => new Story().begin();
const x = decree('x');

export const badChanges: readonly (readonly [string, () => Story])[] = [
  [
    'a command behind a configuration under its ballot',
    () => begun().propose('a', b(1, 1), 1, decree('change', secondConfiguration)).propose('a', b(1, 1), 2, x),
  ],
  [
    'a second configuration under its ballot',
    () => {
      const change = decree('change', secondConfiguration);
      return begun()
        .propose('a', b(1, 1), 1, change)
        .propose('a', b(1, 1), 2, decree('again', secondConfiguration));
    },
  ],
  [
    'a member number that was given to another disk',
    () => {
      const members = firstConfiguration.members.map((member) =>
        member.id === 'c' ? { ...member, incarnation: incarnationOf('c2') } : member,
      );
      const first = decree('first', { ...secondConfiguration, members: firstConfiguration.members });
      const change = decree('change', { ...secondConfiguration, number: 3, members });
      return begun()
        .choose(1, first)
        .apply('a', 1, first)
        .prepare('a', b(2, 1), 'b')
        .propose('a', b(2, 1), 2, change)
        .accept('b', 'a', b(2, 1), 2, change)
        .apply('a', 2, change);
    },
  ],
];
