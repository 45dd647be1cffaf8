/** SIGINT and SIGTERM: the first one asks for a clean close, the second one does not wait for it. */

/**
 * npm forwards a signal to its script although the terminal has sent it there already, so under npm one
 * Ctrl-C arrives twice, milliseconds apart. Two from a person are further apart.
 */
const ECHO_MS = 400;

const numbers = { SIGINT: 2, SIGTERM: 15 } as const;

export interface SignalHandler {
  /** The first signal. */
  readonly onStop: (signal: 'SIGINT' | 'SIGTERM') => void;
  /** The second one. The process exits with this function's return, 128 and the signal's number by convention. */
  readonly onForce?: () => void;
}

/** Starts to listen; the function returned stops that. */
export function handleSignals(handler: SignalHandler): () => void {
  const echoMs = process.env.npm_lifecycle_event === undefined ? 0 : ECHO_MS;
  let firstAt = -1;
  const listener = (signal: 'SIGINT' | 'SIGTERM'): void => {
    const now = performance.now();
    if (firstAt < 0) {
      firstAt = now;
      handler.onStop(signal);
      return;
    }
    if (now - firstAt < echoMs) return;
    handler.onForce?.();
    process.exit(128 + numbers[signal]);
  };
  process.on('SIGINT', listener);
  process.on('SIGTERM', listener);
  return () => {
    process.off('SIGINT', listener);
    process.off('SIGTERM', listener);
  };
}
