/**
 * Replicas apply slot 1, 2, 3 and so on, each what is chosen there, after a restart again from the first or from behind a
 * checkpoint, which is of chosen slots and never leads back (rule 6).
 */

import type { Slot } from '../../../src/protocol/decree.js';
import type { Invariant, Observation, Restored } from '../observation.js';
import { Violation } from '../observation.js';
import type { Ledger } from './ledger.js';

export class AppliedIsChosenAndGapless implements Invariant {
  readonly name = 'applied-is-chosen-and-gapless';
  readonly kinds = ['opened', 'restored', 'applied'] as const;
  readonly #ledger: Ledger;
  readonly #applied: Map<string, Slot> = new Map();

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  observe(observation: Observation): void {
    if (observation.kind === 'opened') this.#applied.set(observation.replica, 0);
    if (observation.kind === 'restored') this.#onRestored(observation);
    if (observation.kind !== 'applied') return;
    const { replica, slot, value } = observation;
    const before = this.#applied.get(replica) ?? 0;
    if (slot !== before + 1)
      throw new Violation(this.name, `${replica} applies slot ${slot} behind ${before}`);
    this.#applied.set(replica, slot);
    if (this.#ledger.isForgotten(slot)) return;
    const chosen = this.#ledger.chosen(slot);
    if (chosen?.value !== value) {
      throw new Violation(
        this.name,
        `${replica} applies ${value} in slot ${slot}, chosen is ${chosen?.value ?? 'nothing'}`,
      );
    }
  }

  #onRestored({ replica, slot }: Restored): void {
    const before = this.#applied.get(replica) ?? 0;
    if (slot <= before) throw new Violation(this.name, `${replica} goes back from slot ${before} to ${slot}`);
    if (slot > this.#ledger.chosenThrough)
      throw new Violation(
        this.name,
        `${replica} restores slot ${slot}, chosen is up to ${this.#ledger.chosenThrough}`,
      );
    this.#applied.set(replica, slot);
  }
}
