/** How long a caller waits: what every call takes, and what is wrong with it. */

import { type Outcome, SynodError, textOf } from '../errors.js';
import { onAbort } from './abort.js';
import { badArgument, optionsRefusal } from './bad-argument.js';

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
}

export const TIMEOUT_MS_MAX = 0x7fff_ffff;

export const waitOptions = ['signal', 'timeoutMs'] as const;

/** Why a call with these options is refused before it begins, or null. It takes those of `keys`, `waitOptions` among them. */
export function refusalOf(options: CallOptions | undefined, keys: readonly string[]): SynodError | null {
  if (options === undefined) return null;
  const refusal = optionsRefusal(options, keys);
  if (refusal !== null) return refusal;
  const { timeoutMs, signal } = options;
  if (signal !== undefined && typeof signal?.addEventListener !== 'function')
    return badArgument(`signal: expected an AbortSignal, got ${typeof signal}`);
  if (timeoutMs !== undefined && !isTimeout(timeoutMs))
    return badArgument(`timeoutMs: ${textOf(timeoutMs)}, expected 1 to ${TIMEOUT_MS_MAX}`);
  if (signal?.aborted)
    return new SynodError('ERR_SYNOD_ABORTED', 'aborted', { cause: signal.reason, outcome: 'not-applied' });
  return null;
}

export interface GivingUp {
  readonly startTimer: (timeoutMs: number, call: () => void) => () => void;
  /** What the caller waits for in vain: "no result". */
  readonly missing: string;
  /** What became of what was asked for. */
  readonly about?: { readonly outcome: Outcome };
  /** Called when the signal is aborted, and when the time is over, as long as the wait was not stopped. */
  readonly giveUp: (error: SynodError) => void;
}

/** Has the caller wait no longer than its options say. Yields how to stop that, when it has its answer. */
export function limitWait(
  { signal, timeoutMs }: CallOptions,
  { startTimer, missing, about, giveUp }: GivingUp,
): () => void {
  const stopTimer =
    timeoutMs === undefined
      ? null
      : startTimer(timeoutMs, () =>
          giveUp(new SynodError('ERR_SYNOD_TIMEOUT', `${missing} within ${timeoutMs} ms`, about)),
        );
  const stopListening =
    signal === undefined
      ? null
      : onAbort(signal, () =>
          giveUp(new SynodError('ERR_SYNOD_ABORTED', 'aborted', { cause: signal.reason, ...about })),
        );
  return () => {
    stopTimer?.();
    stopListening?.();
  };
}

function isTimeout(value: unknown): boolean {
  return typeof value === 'number' && value >= 1 && value <= TIMEOUT_MS_MAX;
}
