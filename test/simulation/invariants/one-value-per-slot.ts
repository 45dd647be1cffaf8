/** At most one decree is ever chosen in a slot, whatever happens to disks and configurations. */

import { formatBallot } from '../../../src/protocol/ballot.js';
import type { Invariant, Observation } from '../observation.js';
import { Violation } from '../observation.js';
import type { Ledger } from './ledger.js';

export class OneValuePerSlot implements Invariant {
  readonly name = 'one-value-per-slot';
  readonly kinds = ['durable'] as const;
  readonly #ledger: Ledger;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  observe(observation: Observation): void {
    const { newlyChosen } = this.#ledger;
    if (observation.kind !== 'durable' || newlyChosen === null) return;
    const { slot, ballot, value } = newlyChosen;
    const before = this.#ledger.chosen(slot)!;
    if (before.value !== value) {
      throw new Violation(
        this.name,
        `slot ${slot}: ${before.value} under ${formatBallot(before.ballot)}, ${value} under ${formatBallot(ballot)}`,
      );
    }
  }
}
