/** Replicas apply slot 1, 2, 3 and so on, each what is chosen there, again from the first after a restart (rule 6). */

import type { Slot } from '../../../src/protocol/decree.js';
import type { Invariant, Observation } from '../observation.js';
import { Violation } from '../observation.js';
import type { Ledger } from './ledger.js';

export class AppliedIsChosenAndGapless implements Invariant {
  readonly name = 'applied-is-chosen-and-gapless';
  readonly kinds = ['opened', 'applied'] as const;
  readonly #ledger: Ledger;
  readonly #applied: Map<string, Slot> = new Map();

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  observe(observation: Observation): void {
    if (observation.kind === 'opened') this.#applied.set(observation.replica, 0);
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
}
