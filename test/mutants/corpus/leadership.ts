/** Who leads by intent, and what the primaryship is given up for (docs/protocol.md, "Handing over"). */

import type { Mutant } from '../mutant.js';

export const leadership: readonly Mutant[] = [
  {
    name: 'exclusive-command-shares-its-decree',
    fault: 'execution',
    mimics: 'requests that were to stand alone are batched where they wait for the next leader',
    edits: [
      {
        file: 'engine/submitter.ts',
        find: 'if (groups.flags !== 0 || flags !== 0) return false;',
        put: '',
      },
    ],
    killedBy: [
      { check: 'unit', file: 'test/engine/submitter.test.ts' },
      { check: 'simulation', seeds: 400 },
    ],
  },
  {
    name: 'proposes-behind-its-last-decree',
    fault: 'election',
    mimics: 'a leader that is handing over goes on taking proposals, and the hand-over never ends',
    edits: [
      {
        file: 'engine/engine-leadership.ts',
        find: 'this.#options.core.canPropose && !this.#last.isOpen',
        put: 'this.#options.core.canPropose',
      },
    ],
    killedBy: [{ check: 'simulation', seeds: 400 }],
  },
  {
    name: 'last-decree-that-came-twice-ends-a-second-primary',
    fault: 'election',
    mimics: 'a request that is sent again has its effect on leadership again',
    edits: [
      {
        file: 'engine/last-decree.ts',
        find: 'return isExecuted || !isApplied;',
        put: 'return true;',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/last-decree.test.ts' }],
  },
];
