/** Histories of builds that do what they do not speak, and of upgrades as they should be. */

import { raiseVersion } from '../../../src/protocol/configuration.js';
import { b, decree, firstConfiguration, Story } from './story.js';

type Stories = readonly (readonly [string, () => Story])[];

const raised = raiseVersion(firstConfiguration, 2);
const raise = decree('raise', raised);

/** All are of a build that speaks up to `versionMax`. */
const begun = (versionMax: number): Story => {
  const story = new Story();
  story.versionMax = versionMax;
  return story.begin().prepare('a', b(1, 1), 'b');
};

/** Version 2 is in force on a and b; c is started with an older build. */
function upgraded(): Story {
  const story = begun(2).choose(1, raise).apply('a', 1, raise).apply('b', 1, raise).end('c');
  story.versionMax = 1;
  return story.open('c');
}

export const badVersions: Stories = [
  ['an old build that accepts the raise', () => begun(1).propose('a', b(1, 1), 1, raise)],
  [
    'an old build that says something under it',
    () => {
      const story = upgraded();
      story.configuration = 2;
      return story.send('c', 'a', { kind: 'status-query', round: 1 });
    },
  ],
  [
    'a version that is lowered',
    () => {
      const lower = decree('lower', { ...firstConfiguration, number: 3 });
      const story = begun(2).choose(1, raise).apply('a', 1, raise);
      return story
        .prepare('a', b(2, 1), 'b')
        .propose('a', b(2, 1), 2, lower)
        .accept('b', 'a', b(2, 1), 2, lower)
        .apply('a', 2, lower);
    },
  ],
];

export const rightVersions: Readonly<Record<string, () => Story>> = {
  'an upgrade, and an old build that knows nothing of it': () =>
    upgraded().send('c', 'a', { kind: 'status-query', round: 1 }),
};
