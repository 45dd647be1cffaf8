/**
 * The last decree of a primary: behind a command that was given with `last` it proposes nothing, and once that is executed here, it
 * hands over. What waits behind it goes to the next primary.
 */

import type { Slot } from '../protocol/decree.js';
import type { Bridge } from './bridge.js';

export class LastDecree {
  #slot: Slot = 0;
  #chosenAt = 0;

  /** Nothing is to be proposed. */
  get isOpen(): boolean {
    return this.#slot !== 0;
  }

  begin(slot: Slot): void {
    this.#slot = slot;
    this.#chosenAt = Number.POSITIVE_INFINITY;
  }

  /** This replica leads no more: whoever does has its own. */
  forget(): void {
    this.#slot = 0;
  }

  /**
   * True once, when the primary is to hand over: the command is executed here, or it is chosen and the application has not come to
   * it for `patienceMs`: an application that stands still must not hold up the others.
   *
   * A command that was sent again, and had been executed in an earlier slot, was the last of an earlier primary: this one goes on.
   */
  isOver(
    chosen: Slot,
    bridge: Pick<Bridge, 'applied' | 'lastDecree'>,
    now: number,
    patienceMs: number,
  ): boolean {
    if (this.#slot === 0 || chosen < this.#slot) return false;
    this.#chosenAt = Math.min(this.#chosenAt, now);
    // In this order: the application sets the first before the second.
    const isApplied = bridge.applied >= this.#slot;
    const isExecuted = bridge.lastDecree >= this.#slot;
    const isOverdue = now - this.#chosenAt >= patienceMs;
    if (!isApplied && !isExecuted && !isOverdue) return false;
    this.#slot = 0;
    return isExecuted || !isApplied;
  }
}
