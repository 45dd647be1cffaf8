/** What is counted, timed and told of the members. */

import type { Mutant } from '../mutant.js';

export const statistics: readonly Mutant[] = [
  {
    name: 'merge-loses-the-slowest',
    fault: 'statistics',
    mimics: 'sums of histograms that leave out the greatest values: the tail that somebody looked for',
    edits: [
      {
        file: 'histogram.ts',
        find: 'for (let at = 0; at < MAX_AT; at += 1) words[at]! += other.#words[at]!;',
        put: 'for (let at = 0; at < MAX_AT >> 1; at += 1) words[at]! += other.#words[at]!;',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/statistics/histogram.test.ts' }],
  },
  {
    name: 'clocks-of-two-threads-are-one',
    fault: 'statistics',
    mimics: 'clocks with different origins: performance.now begins anew in each worker',
    edits: [
      {
        file: 'replica.ts',
        find: 'return performance.now() + this.#clockOffsetMs - this.#bridge.statistics.engineOriginMs;',
        put: 'return performance.now() + this.#clockOffsetMs;',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/statistics/replica.test.ts', name: 'engine inline' }],
  },
  {
    name: 'digest-of-a-state-of-no-slot',
    fault: 'statistics',
    mimics:
      'replicas are compared by a state in the middle of a change: one that is sound is taken for another',
    edits: [
      {
        file: 'replica.ts',
        find: 'stateDigest: this.#side.isStateWhole ?',
        put: 'stateDigest: this.#side ?',
      },
    ],
    killedBy: [
      { check: 'unit', file: 'test/application/fenced.test.ts', name: 'engine inline.*has no digest' },
    ],
  },
];
