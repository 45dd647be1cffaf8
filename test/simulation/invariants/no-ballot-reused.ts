/** A ballot stands for one decree in each slot, and for one session of one disk (rule 3). */

import type { Ballot } from '../../../src/protocol/ballot.js';
import { formatBallot } from '../../../src/protocol/ballot.js';
import type { Slot } from '../../../src/protocol/decree.js';
import type { Invariant, Observation, Value } from '../observation.js';
import { Violation } from '../observation.js';
import type { Ledger } from './ledger.js';

export class NoBallotReused implements Invariant {
  readonly name = 'no-ballot-reused';
  readonly kinds = ['written', 'sent'] as const;
  readonly #ledger: Ledger;
  /** Of each disk: the highest ballot that it used, its session, and the highest one of the sessions before. */
  readonly #newest: Map<string, { ballot: Ballot; session: number; before: Ballot }> = new Map();

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  observe(observation: Observation): void {
    if (observation.kind === 'written') {
      const { kind, slot, ballot } = observation.record;
      if (kind === 'accept') this.#checkSlot(slot, ballot);
    } else if (observation.kind === 'sent') {
      const { message } = observation;
      if (message.kind === 'accept') this.#checkSlot(message.slot, message.ballot);
      if (message.kind === 'prepare' || message.kind === 'accept' || message.kind === 'heartbeat')
        this.#checkSession(observation.disk, message.ballot);
    }
  }

  #checkSlot(slot: Slot, ballot: Ballot): void {
    let value: Value | null = null;
    for (const proposal of this.#ledger.slot(slot)?.proposals ?? []) {
      if (proposal.ballot !== ballot) continue;
      if (value !== null) {
        throw new Violation(
          this.name,
          `slot ${slot}: ${value} and ${proposal.value} under ${formatBallot(ballot)}`,
        );
      }
      value = proposal.value;
    }
  }

  #checkSession(name: string, ballot: Ballot): void {
    const { session } = this.#ledger.disk(name);
    const newest = this.#newest.get(name);
    if (newest === undefined) {
      this.#newest.set(name, { ballot, session, before: 0 });
      return;
    }
    if (session !== newest.session) {
      newest.before = newest.ballot;
      newest.session = session;
    }
    if (ballot > newest.ballot) newest.ballot = ballot;
    if (ballot <= newest.before) {
      throw new Violation(
        this.name,
        `${name} uses ${formatBallot(ballot)} in session ${session}, after ${formatBallot(newest.before)} in an earlier one`,
      );
    }
  }
}
