/** Everything that a run is judged by beside what the world itself notices. */

import { keyValueModel } from '../history/kv-model.js';
import { checkLinearizability } from '../history/linearizability.js';
import type { CallRecord } from './client.js';
import { type Invariant, Violation } from './observation.js';

export function invariants(): readonly Invariant[] {
  return [];
}

/** Steps of the search after which a history counts as neither; few histories are that hard. */
const VISITED_MAX = 200_000;

/** Throws `Violation` where the clients' history is not linearizable. */
export function checkHistory(calls: readonly CallRecord[]): void {
  const operations = calls.filter(({ outcome }) => outcome !== 'not-applied');
  const verdict = checkLinearizability(keyValueModel, operations, { visitedMax: VISITED_MAX });
  if (verdict.kind === 'violation') throw new Violation('history-is-linearizable', verdict.text);
}
