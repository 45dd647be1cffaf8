/** The tools that may change what a replica has stored. */

import type { Mutant } from '../mutant.js';

export const tools: readonly Mutant[] = [
  {
    name: 'replay-promises-less-than-its-checkpoint',
    fault: 'tools',
    mimics: 'a snapshot that a tool wrote says less than the one that it came from was promised',
    edits: [{ file: 'tools/replay.ts', find: 'promised = Math.max(promised, header.ballot);', put: '' }],
    killedBy: [{ check: 'unit', file: 'test/tools/replay-ballot.test.ts' }],
  },
  {
    name: 'recovers-without-being-told-to',
    fault: 'tools',
    mimics: 'tools for a disaster that act where they were only asked what they would do',
    edits: [
      {
        file: 'cli/tools.ts',
        find: 'if (!acceptsDataLoss) {',
        put: 'if (!acceptsDataLoss && json) {',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/tools/recover.test.ts' }],
  },
  {
    name: 'recovery-forgets-what-was-not-known-chosen',
    fault: 'tools',
    mimics:
      'recoveries that begin behind what is known to be committed, and drop what the survivor has accepted',
    edits: [
      {
        file: 'tools/recover.ts',
        find: 'for (const slot of accepted.keys()) if (slot > last) last = slot;',
        put: 'for (const slot of accepted.keys()) if (slot < last) last = slot;',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/tools/recover.test.ts' }],
  },
  {
    name: 'recovery-leaves-the-lost-members-in',
    fault: 'tools',
    mimics: 'members that are gone stay in the configuration that was to go on without them',
    edits: [
      {
        file: 'tools/recover.ts',
        find: 'members: [there ?? self],',
        put: 'members: configuration.members,',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/tools/recover.test.ts' }],
  },
];
