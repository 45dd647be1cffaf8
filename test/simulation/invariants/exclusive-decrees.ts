/** A command that was given as exclusive is executed alone in its decree, by every replica. */

import type { Slot } from '../../../src/protocol/decree.js';
import type { Invariant, Observation } from '../observation.js';
import { Violation } from '../observation.js';

export class ExclusiveDecrees implements Invariant {
  readonly name = 'exclusive-decrees';
  readonly kinds = ['called', 'executed'] as const;
  readonly #exclusive: Set<number> = new Set();
  /** What each replica executed last. */
  readonly #last: Map<string, { readonly slot: Slot; readonly call: number }> = new Map();

  observe(observation: Observation): void {
    if (observation.kind === 'called') {
      if (observation.isExclusive) this.#exclusive.add(observation.call);
      return;
    }
    if (observation.kind !== 'executed') return;
    const { replica, slot, call } = observation;
    const before = this.#last.get(replica);
    this.#last.set(replica, { slot, call });
    if (before?.slot !== slot || before.call === call) return;
    if (this.#exclusive.has(call) || this.#exclusive.has(before.call))
      throw new Violation(this.name, `slot ${slot}: ${replica} executes calls ${before.call} and ${call}`);
  }
}
