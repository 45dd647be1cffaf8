/** All invariants of a run, each in a file of its own. */

import type { Invariant, Observation } from '../observation.js';
import { AcceptedImpliesProposed } from './accepted-implies-proposed.js';
import { AcknowledgedSurvives } from './acknowledged-survives.js';
import { AppliedIsChosenAndGapless } from './applied-is-chosen-and-gapless.js';
import { ChosenNeverChanges } from './chosen-never-changes.js';
import { ConfigurationsInOrder } from './configurations-in-order.js';
import { DurableBeforeAcknowledged } from './durable-before-acknowledged.js';
import { EqualDigests } from './equal-digests.js';
import { ExclusiveDecrees } from './exclusive-decrees.js';
import { ExecutedOnce } from './executed-once.js';
import { Ledger, SLOTS_KEPT } from './ledger.js';
import { NoBallotReused } from './no-ballot-reused.js';
import { NoStaleRead } from './no-stale-read.js';
import { NothingBehindAConfiguration } from './nothing-behind-a-configuration.js';
import { NothingBehindTheLast } from './nothing-behind-the-last.js';
import { OneOutcomePerCall } from './one-outcome-per-call.js';
import { OneValuePerSlot } from './one-value-per-slot.js';
import { OnlyMembersVote } from './only-members-vote.js';
import { PromiseNeverLowered } from './promise-never-lowered.js';
import { SetBackDoesNotVote } from './set-back-does-not-vote.js';
import { SpeaksTheVersion } from './speaks-the-version.js';

export { checkHistory } from './linearizable-history.js';

/**
 * New ones, for one run. Where several break at once, the first in this order tells. Of slots further
 * behind than `slotsKept` nothing is remembered.
 */
export function makeInvariants(slotsKept: number = SLOTS_KEPT): readonly Invariant[] {
  const ledger = new Ledger(slotsKept);
  return [
    ledger,
    new OneValuePerSlot(ledger),
    new SetBackDoesNotVote(ledger),
    new OnlyMembersVote(ledger),
    new PromiseNeverLowered(ledger),
    new NoBallotReused(ledger),
    new AcceptedImpliesProposed(ledger),
    new DurableBeforeAcknowledged(ledger),
    new ChosenNeverChanges(ledger),
    new ConfigurationsInOrder(ledger),
    new NothingBehindAConfiguration(),
    new AppliedIsChosenAndGapless(ledger),
    new EqualDigests(slotsKept),
    new OneOutcomePerCall(),
    new AcknowledgedSurvives(ledger),
    new ExecutedOnce(slotsKept),
    new NoStaleRead(),
    new ExclusiveDecrees(),
    new NothingBehindTheLast(slotsKept),
    new SpeaksTheVersion(),
  ];
}

type Observe = (observation: Observation) => void;

/** Shows each observation to the invariants that look at its kind, and to no others. */
export class Invariants {
  /** Bound beforehand: this is called for everything that happens in a run. */
  readonly #byKind: Map<Observation['kind'], Observe[]> = new Map();

  constructor(invariants: readonly Invariant[] = makeInvariants()) {
    for (const invariant of invariants) {
      const observe: Observe = invariant.observe.bind(invariant);
      for (const kind of invariant.kinds) {
        const others = this.#byKind.get(kind);
        if (others === undefined) this.#byKind.set(kind, [observe]);
        else others.push(observe);
      }
    }
  }

  /** Throws `Violation`. */
  observe(observation: Observation): void {
    const all = this.#byKind.get(observation.kind);
    if (all === undefined) return;
    for (let index = 0; index < all.length; index += 1) all[index]!(observation);
  }
}
