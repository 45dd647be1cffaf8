/**
 * The step that the protocol wants after a while. While a load goes on it wants one for each decree, and nearly always what it was for
 * is done by the time: one timer stands for all of them, and is set again for what is left when the last one is not due yet.
 */

/** A timer may come a little early. What is left then is less than a clock's step, and waiting for that would never end. */
const LEFT_MS_MIN = 0.1;

export interface LaterStepOptions {
  readonly now: () => number;
  readonly later: (afterMs: number, call: () => void) => void;
  /** The step that was wanted last is due. */
  readonly onDue: () => void;
}

export class LaterStep {
  readonly #options: LaterStepOptions;
  #dueAt = 0;
  #isTimed = false;
  readonly #onTimer = (): void => {
    this.#isTimed = false;
    const leftMs = this.#dueAt - this.#options.now();
    if (leftMs > 0) this.#time(Math.max(leftMs, LEFT_MS_MIN));
    else this.#options.onDue();
  };

  constructor(options: LaterStepOptions) {
    this.#options = options;
  }

  /** Instead of the one that was wanted before. */
  want(afterMs: number): void {
    this.#dueAt = this.#options.now() + afterMs;
    if (!this.#isTimed) this.#time(afterMs);
  }

  #time(afterMs: number): void {
    this.#isTimed = true;
    this.#options.later(afterMs, this.#onTimer);
  }
}
