/** State machines that applied the same slots, or restored them from a checkpoint, are in the same state. */

import type { Slot } from '../../../src/protocol/decree.js';
import type { Invariant, Observation } from '../observation.js';
import { Violation } from '../observation.js';
import { SLOTS_KEPT } from './ledger.js';

export class EqualDigests implements Invariant {
  readonly name = 'equal-digests';
  readonly kinds = ['applied', 'restored'] as const;
  readonly #slotsKept: number;
  /** Of who applied the slot first. */
  readonly #digests: Map<Slot, { readonly digest: string; readonly replica: string }> = new Map();
  #highest: Slot = 0;

  constructor(slotsKept: number = SLOTS_KEPT) {
    this.#slotsKept = slotsKept;
  }

  observe(observation: Observation): void {
    if (observation.kind !== 'applied' && observation.kind !== 'restored') return;
    const { replica, slot, digest } = observation;
    const first = this.#digests.get(slot);
    if (first === undefined) {
      if (slot <= this.#highest - this.#slotsKept) return;
      this.#digests.set(slot, { digest, replica });
      if (slot > this.#highest) this.#highest = slot;
      this.#digests.delete(slot - this.#slotsKept);
    } else if (first.digest !== digest) {
      throw new Violation(
        this.name,
        `slot ${slot}: ${first.digest} on ${first.replica}, ${digest} on ${replica}`,
      );
    }
  }
}
