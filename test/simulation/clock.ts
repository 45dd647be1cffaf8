/** The clocks of one machine: one that only goes forward, at a rate of its own, and one that people may set. */

import type { EventQueue } from './event-queue.js';

/** Some day in 2026. */
const WALL_ORIGIN_MS = 1_772_000_000_000;

export class MachineClock {
  readonly #events: EventQueue;
  /** The steady clock at `#since`. */
  #steady = 0;
  #since: number;
  #rate = 1;
  #wallOffset = 0;

  constructor(events: EventQueue) {
    this.#events = events;
    this.#since = events.now;
  }

  /** Never goes back. */
  get steady(): number {
    return this.#steady + (this.#events.now - this.#since) * this.#rate;
  }

  /** Milliseconds since 1970, as far as this machine knows. */
  get wall(): number {
    return Math.max(0, Math.floor(WALL_ORIGIN_MS + this.steady + this.#wallOffset));
  }

  /** From now on a second of the world is `rate` seconds here. */
  setRate(rate: number): void {
    this.#steady = this.steady;
    this.#since = this.#events.now;
    this.#rate = rate;
  }

  /** Somebody sets the wall clock. */
  stepWall(byMs: number): void {
    this.#wallOffset += byMs;
  }

  /** The steady clock goes on by `byMs` at once, as after a suspension that it counts. */
  jump(byMs: number): void {
    this.#steady += byMs;
  }

  /** How long `ms` on this clock last in the world, at the present rate. */
  worldMs(ms: number): number {
    return ms / this.#rate;
  }
}
