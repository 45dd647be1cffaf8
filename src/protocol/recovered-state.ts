/** What a replica goes on from when it is opened. */

import type { Ballot } from './ballot.js';
import { noBallot } from './ballot.js';
import type { Configuration } from './configuration.js';
import type { Acceptance, Slot } from './decree.js';

/** What was recovered from the log. */
export interface RecoveredState {
  readonly promised: Ballot;
  readonly chosen: Slot;
  /** Every acceptance above `chosen`. */
  readonly accepted: ReadonlyMap<Slot, Acceptance>;
  /** The configuration in force after slot `chosen`; null where there was no genesis. */
  readonly configuration: Configuration | null;
}

export const emptyState: RecoveredState = {
  promised: noBallot,
  chosen: 0,
  accepted: new Map(),
  configuration: null,
};
