/** What is chosen is all that anyone proposes above its ballot, learns, or claims to be chosen. */

import type { Ballot } from '../../../src/protocol/ballot.js';
import { formatBallot } from '../../../src/protocol/ballot.js';
import type { Slot } from '../../../src/protocol/decree.js';
import type { Message } from '../../../src/protocol/messages.js';
import type { Invariant, Observation, SeenRecord, Value } from '../observation.js';
import { Violation, valueOfDecree } from '../observation.js';
import type { Ledger } from './ledger.js';

export class ChosenNeverChanges implements Invariant {
  readonly name = 'chosen-never-changes';
  readonly kinds = ['written', 'durable', 'sent'] as const;
  readonly #ledger: Ledger;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  observe(observation: Observation): void {
    if (observation.kind === 'durable') this.#checkOthers();
    else if (observation.kind === 'written') this.#onRecord(observation.record);
    else if (observation.kind === 'sent') this.#onMessage(observation.replica, observation.message);
  }

  /** Whatever was proposed above the ballot that has just got a quorum had to be the same (rule 4). */
  #checkOthers(): void {
    const { newlyChosen } = this.#ledger;
    if (newlyChosen === null) return;
    const { slot, ballot, value } = newlyChosen;
    for (const other of this.#ledger.slot(slot)?.proposals ?? []) {
      if (other.ballot <= ballot || other.value === value) continue;
      throw new Violation(
        this.name,
        `slot ${slot}: ${value} is chosen under ${formatBallot(ballot)}, yet ${other.value} was proposed under ${formatBallot(other.ballot)}`,
      );
    }
  }

  #onRecord({ kind, slot, ballot, value }: SeenRecord): void {
    if (kind === 'accept') this.#checkProposal(slot, ballot, value);
    else if (kind === 'learn') this.#checkLearned(slot, value);
  }

  #onMessage(replica: string, message: Message): void {
    switch (message.kind) {
      case 'accept':
        this.#checkProposal(message.slot, message.ballot, valueOfDecree(message.decree));
        break;
      case 'learn':
        this.#checkLearned(message.slot, valueOfDecree(message.decree));
        return;
      default:
        break;
    }
    if ('chosen' in message && message.chosen > this.#ledger.chosenThrough) {
      throw new Violation(
        this.name,
        `${replica} says by ${message.kind} that ${message.chosen} is chosen, which is so up to ${this.#ledger.chosenThrough}`,
      );
    }
  }

  #checkProposal(slot: Slot, ballot: Ballot, value: Value): void {
    const chosen = this.#ledger.chosen(slot);
    if (chosen === null || ballot <= chosen.ballot || value === chosen.value) return;
    throw new Violation(
      this.name,
      `slot ${slot}: ${value} under ${formatBallot(ballot)}, where ${chosen.value} is chosen under ${formatBallot(chosen.ballot)}`,
    );
  }

  #checkLearned(slot: Slot, value: Value): void {
    if (this.#ledger.isForgotten(slot)) return;
    const chosen = this.#ledger.chosen(slot);
    if (chosen?.value === value) return;
    throw new Violation(this.name, `slot ${slot}: learned ${value}, chosen is ${chosen?.value ?? 'nothing'}`);
  }
}
