/** An acceptance is of what the owner of its ballot proposed, and only owners propose (rules 3 and 4). */

import { formatBallot } from '../../../src/protocol/ballot.js';
import type { Message } from '../../../src/protocol/messages.js';
import type { Invariant, Observation, SeenRecord } from '../observation.js';
import { Violation } from '../observation.js';
import type { Ledger } from './ledger.js';

export class AcceptedImpliesProposed implements Invariant {
  readonly name = 'accepted-implies-proposed';
  readonly kinds = ['written', 'sent'] as const;
  readonly #ledger: Ledger;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  observe(observation: Observation): void {
    if (observation.kind === 'written') this.#onRecord(observation.disk, observation.record);
    else if (observation.kind === 'sent') this.#onMessage(observation.disk, observation.message);
  }

  #onRecord(disk: string, { kind, slot, ballot, value }: SeenRecord): void {
    if (kind !== 'accept' || this.#ledger.isForgotten(slot)) return;
    const proposals = this.#ledger.slot(slot)?.proposals ?? [];
    if (proposals.some((one) => one.isProposed && one.ballot === ballot && one.value === value)) return;
    throw new Violation(
      this.name,
      `${disk} accepts ${value} in slot ${slot}, which nobody proposed under ${formatBallot(ballot)}`,
    );
  }

  #onMessage(disk: string, message: Message): void {
    if (message.kind !== 'prepare' && message.kind !== 'accept' && message.kind !== 'heartbeat') return;
    if (this.#ledger.owns(disk, message.ballot)) return;
    throw new Violation(
      this.name,
      `${disk} sends ${message.kind} under ${formatBallot(message.ballot)}, which belongs to another`,
    );
  }
}
