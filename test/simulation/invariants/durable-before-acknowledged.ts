/** No message tells of a promise or an acceptance that the sender's disk could still lose (rule 1). */

import type { Ballot } from '../../../src/protocol/ballot.js';
import { formatBallot } from '../../../src/protocol/ballot.js';
import type { Slot } from '../../../src/protocol/decree.js';
import type { Invariant, Observation } from '../observation.js';
import { Violation } from '../observation.js';
import type { Ledger } from './ledger.js';

export class DurableBeforeAcknowledged implements Invariant {
  readonly name = 'durable-before-acknowledged';
  readonly kinds = ['set-back', 'sent'] as const;
  readonly #ledger: Ledger;
  /** What of its last run each disk was found right to acknowledge: later messages repeat it. */
  readonly #verified: Map<string, { ballot: Ballot; from: Slot; through: Slot }> = new Map();

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  observe(observation: Observation): void {
    if (observation.kind === 'set-back') this.#verified.delete(observation.disk);
    if (observation.kind !== 'sent') return;
    const { replica, disk, message } = observation;
    switch (message.kind) {
      case 'prepare':
      case 'promise-entry':
      case 'promised':
        this.#checkPromise(disk, message.kind, message.ballot);
        break;
      case 'accepted':
      case 'heartbeat-reply':
        this.#checkAcceptances(replica, disk, message.ballot, message.from, message.through);
        break;
      default:
        break;
    }
  }

  #checkPromise(name: string, kind: string, ballot: Ballot): void {
    const { promised, hasForgotten } = this.#ledger.disk(name);
    if (ballot <= promised || hasForgotten) return;
    throw new Violation(
      this.name,
      `${name} sends ${kind} under ${formatBallot(ballot)}, durable is ${formatBallot(promised)}`,
    );
  }

  #checkAcceptances(replica: string, name: string, ballot: Ballot, from: Slot, through: Slot): void {
    if (through < from) return;
    const disk = this.#ledger.disk(name);
    if (disk.hasForgotten) return;
    let verified = this.#verified.get(name);
    if (
      verified === undefined ||
      verified.ballot !== ballot ||
      from < verified.from ||
      from > verified.through + 1
    ) {
      verified = { ballot, from, through: from - 1 };
      this.#verified.set(name, verified);
    }
    for (; verified.through < through; verified.through += 1) {
      const slot = verified.through + 1;
      if ((disk.accepted.get(slot) ?? 0) >= ballot || this.#isKnownChosen(replica, slot)) continue;
      throw new Violation(
        this.name,
        `${name} acknowledges slots ${from} to ${through} under ${formatBallot(ballot)}, slot ${slot} is not durable`,
      );
    }
  }

  /** Then it needs no record (rule 5). */
  #isKnownChosen(replica: string, slot: Slot): boolean {
    if (this.#ledger.isForgotten(slot)) return true;
    return slot <= this.#ledger.mayKnowChosen(replica) && this.#ledger.chosen(slot) !== null;
  }
}
