/** What the clients were told has an explanation: one machine that executes one command after the other. */

import { type KeyValueInput, type KeyValueOutput, keyValueModel } from '../../history/kv-model.js';
import { type CheckOptions, checkLinearizability } from '../../history/linearizability.js';
import { Violation } from '../observation.js';

/** A call to the key-value service. */
export interface HistoryCall {
  readonly client: number;
  readonly input: KeyValueInput;
  readonly calledAt: number;
  /** Null where the caller was never told; then as if unknown. */
  readonly outcome: 'committed' | 'not-applied' | 'unknown' | null;
  /** Of a committed call. */
  readonly output: KeyValueOutput | undefined;
  readonly returnedAt: number;
}

export const linearizableHistory = 'linearizable-history';

/**
 * Throws `Violation`. False where the bound was reached with nothing decided. Calls that were not applied are left out, and
 * those whose outcome is unknown may have happened or not.
 */
export function checkHistory(calls: readonly HistoryCall[], options: CheckOptions = {}): boolean {
  const operations = calls
    .filter(({ outcome }) => outcome !== 'not-applied')
    .map(({ client, input, calledAt, outcome, output, returnedAt }) =>
      outcome === 'committed'
        ? { client, input, calledAt, output, returnedAt }
        : { client, input, calledAt, output: undefined, returnedAt: Number.POSITIVE_INFINITY },
    );
  const verdict = checkLinearizability(keyValueModel, operations, options);
  if (verdict.kind === 'violation') throw new Violation(linearizableHistory, verdict.text);
  return verdict.kind === 'linearizable';
}
