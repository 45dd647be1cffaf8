/** Callers that wait for the results of their commands, by sequence number: a ring that grows, without a map. */

import type { SynodError } from '../errors.js';

/** Of one command, or of a run of them that stand together: then it is told of each, by its sequence number. */
export interface Waiter<Result> {
  resolve(result: Result | undefined, sequence: number): void;
  reject(error: SynodError, sequence: number): void;
  /** Bytes that are outstanding no more with the next call. */
  readonly bytes: number;
  /** What the caller gave along, for the state machine of this replica only. */
  readonly context?: unknown;
}

export class Waiters<Result> {
  #slots: (Waiter<Result> | undefined)[] = new Array(1024);
  #mask = 1023;
  /** The oldest sequence number that may be waited for, and the one behind the newest. */
  #first = 1;
  #next = 1;

  add(sequence: number, waiter: Waiter<Result>): void {
    while (sequence - this.#first > this.#mask) this.#grow();
    this.#slots[sequence & this.#mask] = waiter;
    this.#next = sequence + 1;
  }

  /** `waiter` waits for `count` commands, of which `first` is the first. */
  addRun(first: number, count: number, waiter: Waiter<Result>): void {
    const next = first + count;
    while (next - 1 - this.#first > this.#mask) this.#grow();
    for (let sequence = first; sequence < next; sequence += 1) this.#slots[sequence & this.#mask] = waiter;
    this.#next = next;
  }

  /** What the caller of the command gave along, as long as it has no result. */
  contextOf(sequence: number): unknown {
    if (sequence < this.#first || sequence >= this.#next) return undefined;
    return this.#slots[sequence & this.#mask]?.context;
  }

  /** Takes the waiter out. */
  take(sequence: number): Waiter<Result> | undefined {
    if (sequence < this.#first || sequence >= this.#next) return undefined;
    const at = sequence & this.#mask;
    const waiter = this.#slots[at];
    this.#slots[at] = undefined;
    return waiter;
  }

  /** Everything up to `sequence` was executed: whoever has no result yet gets none. */
  settle(sequence: number, visit: (waiter: Waiter<Result>, sequence: number) => void): void {
    for (; this.#first <= sequence && this.#first < this.#next; this.#first += 1) {
      const at = this.#first & this.#mask;
      const waiter = this.#slots[at];
      if (waiter === undefined) continue;
      this.#slots[at] = undefined;
      visit(waiter, this.#first);
    }
  }

  /** Takes all out, oldest first. */
  drain(visit: (waiter: Waiter<Result>, sequence: number) => void): void {
    this.settle(this.#next - 1, visit);
  }

  #grow(): void {
    const mask = this.#mask * 2 + 1;
    const slots: (Waiter<Result> | undefined)[] = new Array(mask + 1);
    for (let sequence = this.#first; sequence < this.#next; sequence += 1) {
      slots[sequence & mask] = this.#slots[sequence & this.#mask];
    }
    this.#slots = slots;
    this.#mask = mask;
  }
}
