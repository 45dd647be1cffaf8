/**
 * What one replica must keep, whatever the others do: judged by its disk and by what it says. What takes all replicas to see
 * is in `agreement.ts`.
 */

import type { Ballot } from '../../src/protocol/ballot.js';
import { formatBallot, ownerOf } from '../../src/protocol/ballot.js';
import type { DecreeReference, Slot } from '../../src/protocol/decree.js';
import type { LogRecord } from '../../src/protocol/effects.js';
import type { Accept, Message } from '../../src/protocol/messages.js';
import { check, contentOf, type Value } from '../properties/checker.js';
import type { Node, NodeInput } from './node.js';

export interface Proposal {
  readonly ballot: Ballot;
  readonly slot: Slot;
  readonly value: Value;
}

export class NodeChecks {
  /** The last accept that was delivered: where an acceptance under another's ballot comes from. */
  #heard: Accept | null = null;

  onInput(input: NodeInput): void {
    const isMessage = input.kind === 'deliver' && input.item.kind === 'message';
    this.#heard = isMessage && input.item.message.kind === 'accept' ? input.item.message : null;
  }

  /** A promise that was durable is kept: no crash takes it back. */
  onBoot({ core, disk }: Node): void {
    check(core.promised >= disk.promisedDurable, 'promise-survives-restart', () =>
      formatBallot(core.promised),
    );
  }

  onAppend(node: Node, record: LogRecord): void {
    const { core, disk } = node;
    if (record.kind === 'promise')
      check(record.ballot > disk.promised, 'promise-never-lowered', () => formatBallot(record.ballot));
    if (record.kind !== 'accept') return;
    const { ballot, slot, decree } = record;
    check(ballot >= disk.promised, 'no-acceptance-below-the-promise', () => formatBallot(ballot));
    if (ownerOf(ballot) === core.self) {
      this.#propose(node, ballot, slot, decree);
      return;
    }
    const heard = this.#heard;
    check(
      heard?.ballot === ballot && heard.slot === slot && contentOf(heard.decree) === contentOf(decree),
      'accepted-implies-proposed',
      () => `${formatBallot(ballot)} slot ${slot}`,
    );
  }

  onSend(node: Node, message: Message): void {
    const { core, disk } = node;
    switch (message.kind) {
      case 'prepare':
        check(ownerOf(message.ballot) === core.self, 'ballot-has-one-proposer', () =>
          formatBallot(message.ballot),
        );
        check(disk.promisedDurable >= message.ballot, 'prepare-after-own-promise', () =>
          formatBallot(message.ballot),
        );
        break;
      case 'promise-entry':
      case 'promised':
        check(disk.promisedDurable >= message.ballot, 'promise-durable-before-reply', () =>
          formatBallot(message.ballot),
        );
        break;
      case 'accept':
        check(ownerOf(message.ballot) === core.self, 'ballot-has-one-proposer', () =>
          formatBallot(message.ballot),
        );
        this.#propose(node, message.ballot, message.slot, message.decree);
        break;
      case 'accepted':
      case 'heartbeat-reply':
        for (let slot = message.from; slot <= message.through; slot += 1) {
          check(
            slot <= core.chosen || (disk.acceptedDurable.get(slot) ?? -1) >= message.ballot,
            'acceptance-durable-before-reply',
            () => `slot ${slot} of ${message.from} to ${message.through}`,
          );
        }
        break;
      default:
        break;
    }
  }

  /** Under one ballot, one decree for a slot: also across a crash that forgot what was proposed. */
  #propose({ proposals }: Node, ballot: Ballot, slot: Slot, decree: DecreeReference): void {
    const value = contentOf(decree);
    const before = proposals.find((one) => one.ballot === ballot && one.slot === slot);
    if (before === undefined) proposals.push({ ballot, slot, value });
    else
      check(
        before.value === value,
        'one-value-per-ballot-and-slot',
        () => `${formatBallot(ballot)} slot ${slot}: ${before.value} and ${value}`,
      );
  }
}
