/** How long a caller waits: what every call takes, and what is wrong with it. */

import { SynodError } from '../errors.js';
import { badArgument } from './bad-argument.js';

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
}

export const TIMEOUT_MS_MAX = 0x7fff_ffff;

/** Why a call with these options is refused before it begins, or null. */
export function refusalOf(options: CallOptions | undefined): SynodError | null {
  if (options === undefined) return null;
  const { timeoutMs, signal } = options;
  if (signal !== undefined && typeof signal?.addEventListener !== 'function')
    return badArgument(`signal: expected an AbortSignal, got ${typeof signal}`);
  if (timeoutMs !== undefined && !isTimeout(timeoutMs))
    return badArgument(`timeoutMs: ${timeoutMs}, expected 1 to ${TIMEOUT_MS_MAX}`);
  if (signal?.aborted)
    return new SynodError('ERR_SYNOD_ABORTED', 'aborted', { cause: signal.reason, outcome: 'not-applied' });
  return null;
}

function isTimeout(value: unknown): boolean {
  return typeof value === 'number' && value >= 1 && value <= TIMEOUT_MS_MAX;
}
