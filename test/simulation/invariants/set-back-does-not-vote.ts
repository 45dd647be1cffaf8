/** A disk that was set back behind what it had told others may forget it, and may not vote any more (rule 8). */

import type { Message } from '../../../src/protocol/messages.js';
import type { Invariant, Observation } from '../observation.js';
import { Violation } from '../observation.js';
import type { Ledger } from './ledger.js';

export class SetBackDoesNotVote implements Invariant {
  readonly name = 'set-back-does-not-vote';
  readonly kinds = ['sent'] as const;
  readonly #ledger: Ledger;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  observe(observation: Observation): void {
    if (observation.kind !== 'sent' || !isVote(observation.message)) return;
    if (!this.#ledger.disk(observation.disk).hasForgotten) return;
    throw new Violation(this.name, `${observation.disk} sends ${observation.message.kind}`);
  }
}

/** Others could count on it. */
function isVote(message: Message): boolean {
  switch (message.kind) {
    case 'promise-entry':
    case 'promised':
    case 'prepare':
    case 'accept':
      return true;
    case 'accepted':
    case 'heartbeat-reply':
      return message.through >= message.from;
    default:
      return false;
  }
}
