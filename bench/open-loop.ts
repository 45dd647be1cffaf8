/**
 * Open loop: calls are made at a rate, whether or not those before them are done, and each is timed from when it was due. So a service that
 * stands still for a while is told of by all calls that were due meanwhile, and not by one.
 */

export interface OpenLoop {
  /** Calls. */
  readonly perSecond: number;
  /** Calls that are open at a time; those above wait, and their time runs. */
  readonly lanes: number;
  readonly isOver: () => boolean;
  /** Makes a call that was due at `since` (`performance.now()`). It does not reject. */
  readonly give: (since: number, serial: number) => Promise<unknown>;
}

/** Timers come once in a millisecond, and up to another one late: that is the load's own doing, and no latency of the service. */
const TIMER_MS = 2;

/** Resolves when it is over and all calls are settled. */
export function atRate({ perSecond, lanes, isOver, give }: OpenLoop): Promise<void> {
  const started = performance.now();
  let given = 0;
  let open = 0;
  return new Promise((resolve) => {
    const settled = (): void => {
      open -= 1;
      if (isOver()) {
        if (open === 0) resolve();
      } else if (dueAt() + TIMER_MS < performance.now()) next(performance.now());
    };
    const dueAt = (): number => started + (given * 1000) / perSecond;
    const next = (now: number): void => {
      const due = dueAt();
      open += 1;
      void give(Math.max(due, Math.min(now, due + TIMER_MS)), given).then(settled);
      given += 1;
    };
    const timer = setInterval(() => {
      if (isOver()) {
        clearInterval(timer);
        if (open === 0) resolve();
        return;
      }
      const now = performance.now();
      while (open < lanes && dueAt() <= now) next(now);
    }, 1);
  });
}
