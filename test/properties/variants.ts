/**
 * Deliberately broken surroundings of the protocol: a disk that forgets, a log that tells too much. Each must be found out
 * by the runs of `world.ts`: what does not find these finds nothing. Bugs in the protocol itself are in `test/mutants`.
 */

import type { Faults } from './node.js';

export interface Variant {
  readonly name: string;
  readonly faults: Faults;
}

export const variants: readonly Variant[] = [
  {
    name: 'replies leave before what they tell of is durable',
    faults: { acknowledgeEarly: true },
  },
  {
    name: 'a disk forgets the last record that it said was durable',
    faults: { loseDurable: true },
  },
  {
    name: 'what was accepted is taken for chosen at a restart',
    faults: {
      recover: (found) => {
        const last = Math.max(found.state.chosen, ...found.state.accepted.keys());
        return { ...found, state: { ...found.state, chosen: last, accepted: new Map() } };
      },
    },
  },
  {
    name: 'a replica that lost its disk goes on under its old number',
    faults: { keepIncarnation: true },
  },
];
