/** Who votes or proposes is, with its disk, a member of the configuration that it names. So an emptied disk does not, until it was let in. */

import type { MessageKind } from '../../../src/protocol/messages.js';
import type { Invariant, Observation } from '../observation.js';
import { Violation } from '../observation.js';
import type { Ledger } from './ledger.js';

const votes: ReadonlySet<MessageKind> = new Set([
  'prepare',
  'promise-entry',
  'promised',
  'accept',
  'accepted',
  'heartbeat',
  'heartbeat-reply',
] satisfies MessageKind[]);

export class OnlyMembersVote implements Invariant {
  readonly name = 'only-members-vote';
  readonly kinds = ['sent'] as const;
  readonly #ledger: Ledger;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  observe(observation: Observation): void {
    if (observation.kind !== 'sent') return;
    const { disk, configuration, message } = observation;
    if (!votes.has(message.kind) || this.#ledger.isMember(disk, configuration)) return;
    throw new Violation(
      this.name,
      `${disk} sends ${message.kind} under configuration ${configuration}, which does not name it`,
    );
  }
}
