/**
 * A thread of a simulated process: does one piece of work after the other, and may stand still for a while. What comes
 * meanwhile waits.
 */

import type { Call, EventQueue } from './event-queue.js';

/** The process died in the middle of a call. Thrown through the code that made it, which must not go on. */
export class ProcessDied extends Error {
  override readonly name = 'ProcessDied';
}

export class Thread {
  readonly #events: EventQueue;
  #standsUntil = 0;
  #waiting: Call[] = [];
  /** Due when the present piece of work is done, as microtasks are. */
  #afterwards: Call[] = [];
  #isWorking = false;
  #isDead = false;

  constructor(events: EventQueue) {
    this.#events = events;
  }

  get stands(): boolean {
    return this.#events.now < this.#standsUntil;
  }

  /** Does `work` now, or when the thread goes on. Never in the middle of other work of this thread. */
  run(work: Call): void {
    if (this.#isDead) return;
    if (this.stands || this.#isWorking || this.#waiting.length > 0) {
      if (!this.stands && this.#waiting.length === 0) this.#events.after(0, () => this.#goOn());
      this.#waiting.push(work);
    } else this.#work(work);
  }

  afterwards(call: Call): void {
    this.#afterwards.push(call);
  }

  /** Stands still until then. */
  stand(until: number): void {
    if (until <= this.#standsUntil) return;
    this.#standsUntil = until;
    this.#events.at(until, () => this.#goOn());
  }

  /** Goes on, if it stands. */
  wake(): void {
    this.#standsUntil = 0;
    this.#goOn();
  }

  /** Nothing happens here any more. */
  die(): void {
    this.#isDead = true;
    this.#waiting = [];
    this.#afterwards = [];
  }

  #goOn(): void {
    while (!this.#isDead && !this.stands && this.#waiting.length > 0) this.#work(this.#waiting.shift()!);
  }

  #work(work: Call): void {
    this.#isWorking = true;
    try {
      work();
      while (this.#afterwards.length > 0 && !this.#isDead) this.#afterwards.shift()!();
    } catch (error) {
      if (!(error instanceof ProcessDied)) throw error;
    } finally {
      this.#isWorking = false;
    }
  }
}
