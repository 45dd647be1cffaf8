/** Histories in which the members change as they must not, for the test of the invariant that notices. */

import { genesisConfiguration } from '../../../src/protocol/configuration.js';
import {
  b,
  configurationRecord,
  decree,
  firstConfiguration,
  incarnationOf,
  Story,
  secondConfiguration,
} from './story.js';

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

/** Of a cluster with a primary. */
const led = (): Story => begun().prepare('a', b(1, 1), 'b');

export const outOfOrder: readonly (readonly [string, () => Story])[] = [
  [
    'a first configuration when there is one already',
    () => {
      const other = genesisConfiguration([{ id: 'c', incarnation: incarnationOf('c1') }]);
      return led().choose(1, x).record('c', configurationRecord(other));
    },
  ],
  [
    'a configuration that skips a number',
    () => led().choose(1, decree('change', { ...secondConfiguration, number: 3 })),
  ],
  [
    'a number that was used',
    () => {
      const change = decree('change', secondConfiguration);
      const again = decree('again', secondConfiguration);
      return led()
        .choose(1, change)
        .prepare('a', b(2, 1), 'b')
        .propose('a', b(2, 1), 2, again)
        .accept('b', 'a', b(2, 1), 2, again);
    },
  ],
];
