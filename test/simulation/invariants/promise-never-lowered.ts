/** No disk takes a promise or an acceptance below what it has promised, not after a restart either (rule 2). */

import { formatBallot } from '../../../src/protocol/ballot.js';
import type { Invariant, Observation } from '../observation.js';
import { Violation } from '../observation.js';
import type { Ledger } from './ledger.js';

export class PromiseNeverLowered implements Invariant {
  readonly name = 'promise-never-lowered';
  readonly kinds = ['written'] as const;
  readonly #ledger: Ledger;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  observe(observation: Observation): void {
    if (observation.kind !== 'written') return;
    const { kind, ballot } = observation.record;
    const disk = this.#ledger.disk(observation.disk);
    // What it has promised is not known to it any more; `set-back-does-not-vote` sees to it.
    if (disk.hasForgotten) return;
    if ((kind === 'promise' || kind === 'accept') && ballot < disk.promisedBefore)
      throw new Violation(
        this.name,
        `${disk.name}: ${kind} of ${formatBallot(ballot)} after a promise of ${formatBallot(disk.promisedBefore)}`,
      );
  }
}
