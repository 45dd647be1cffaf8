/**
 * Calls that may be aborted, one listener for each signal however many calls share it: Node takes many listeners on one signal for a leak,
 * and warns of it. The listener goes with the last call, so that a signal that lives as long as the process holds nothing.
 */

type Calls = Set<() => void>;

const callsOf: WeakMap<AbortSignal, { readonly calls: Calls; readonly listener: () => void }> = new WeakMap();

/** Calls `call` once, when the signal is aborted. Yields how to give that up. The signal is not aborted yet. */
export function onAbort(signal: AbortSignal, call: () => void): () => void {
  let shared = callsOf.get(signal);
  if (shared === undefined) {
    const calls: Calls = new Set();
    const listener = (): void => {
      callsOf.delete(signal);
      for (const each of calls) each();
    };
    shared = { calls, listener };
    callsOf.set(signal, shared);
    signal.addEventListener('abort', listener, { once: true });
  }
  const { calls, listener } = shared;
  // The same function may be given twice.
  const own = (): void => call();
  calls.add(own);
  return () => {
    if (!calls.delete(own) || calls.size > 0 || callsOf.get(signal)?.calls !== calls) return;
    callsOf.delete(signal);
    signal.removeEventListener('abort', listener);
  };
}
