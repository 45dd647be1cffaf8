/**
 * What must hold at any time, whatever happens, judged from outside: by what is durable on the disks and what is said on
 * the links, not by what replicas believe.
 */

import type { Ballot } from '../../src/protocol/ballot.js';
import { formatBallot, ownerOf } from '../../src/protocol/ballot.js';
import type { Configuration } from '../../src/protocol/configuration.js';
import { quorumSize } from '../../src/protocol/configuration.js';
import type { DecreeReference, Slot } from '../../src/protocol/decree.js';
import type { LogRecord } from '../../src/protocol/effects.js';
import type { Message } from '../../src/protocol/messages.js';
import type { Disk, StoredRecord } from './disk.js';

/** A property that does not hold. `property` is its stable name. */
export class Violation extends Error {
  readonly property: string;

  constructor(property: string, detail: string) {
    super(`${property}: ${detail}`);
    this.name = 'Violation';
    this.property = property;
  }
}

export function check(condition: boolean, property: string, detail: () => string): asserts condition {
  if (!condition) throw new Violation(property, detail());
}

/** Decrees with the same value are the same decree. */
export type Value = string;

export function contentOf(decree: DecreeReference): Value {
  return `${decree.kind}.${decree.bytes}.${decree.checksum}`;
}

interface Proposal {
  readonly value: Value;
  /** Disks that have durably accepted it. */
  readonly disks: Set<string>;
}

export interface CheckerOptions {
  /**
   * Only what a user would notice: decrees that replicas hold for chosen are the same everywhere and for ever. Without
   * it, every step on the way is checked too.
   */
  readonly agreementOnly: boolean;
}

export class Checker {
  /** Value of each chosen slot; index 0 is slot 1. */
  readonly chosen: Value[] = [];
  /** Configurations in force behind a slot, oldest first. */
  readonly configurations: { readonly after: Slot; readonly configuration: Configuration }[] = [];

  readonly #options: CheckerOptions;
  readonly #proposals: Map<Slot, Map<Ballot, Proposal>> = new Map();
  /** The disk that each member number stands for. */
  readonly #disks: Map<number, string> = new Map();

  constructor(options: CheckerOptions) {
    this.#options = options;
  }

  get latest(): Configuration | null {
    return this.configurations.at(-1)?.configuration ?? null;
  }

  /** `isHeld` tells whether the first configuration before this one is on any disk that is still there. */
  onGenesis(configuration: Configuration, isHeld: (before: Configuration) => boolean): void {
    const first = this.configurations[0]?.configuration;
    if (first !== undefined) {
      if (JSON.stringify(first) === JSON.stringify(configuration)) return;
      // Its author lost its disk before anyone else knew: then it is as if it had never been.
      check(!isHeld(first) && this.chosen.length === 0, 'one-genesis', () => 'a second one');
      this.configurations.length = 0;
      this.#disks.clear();
      this.#proposals.clear();
    }
    this.configurations.push({ after: 0, configuration });
    this.#learnNumbers(configuration);
  }

  /** Before the record is written. */
  onAppend(disk: Disk, self: number, record: LogRecord): void {
    if (this.#options.agreementOnly) return;
    if (record.kind === 'promise') {
      check(record.ballot > disk.promised, 'promise-never-lowered', () => formatBallot(record.ballot));
    }
    if (record.kind !== 'accept') return;
    const { ballot, slot, decree } = record;
    check(ballot >= disk.promised, 'no-acceptance-below-the-promise', () => formatBallot(ballot));
    if (ownerOf(ballot) === self) this.#propose(disk, ballot, slot, decree);
    const proposal = this.#proposals.get(slot)?.get(ballot);
    check(
      proposal !== undefined && proposal.value === contentOf(decree),
      'accepted-implies-proposed',
      () => `${formatBallot(ballot)} slot ${slot}`,
    );
  }

  onDurable(disk: Disk, { record }: StoredRecord): void {
    if (record.kind === 'accept')
      this.#proposals.get(record.slot)?.get(record.ballot)?.disks.add(disk.incarnation);
  }

  /** Before the message leaves. `chosen` is what the sender holds for chosen. */
  onSend(disk: Disk, self: number, chosen: Slot, message: Message): void {
    if (this.#options.agreementOnly) return;
    switch (message.kind) {
      case 'prepare':
        check(ownerOf(message.ballot) === self, 'ballot-has-one-proposer', () =>
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
        if (message.ballot > disk.promisedTold) disk.promisedTold = message.ballot;
        break;
      case 'accept':
        check(ownerOf(message.ballot) === self, 'ballot-has-one-proposer', () =>
          formatBallot(message.ballot),
        );
        this.#propose(disk, message.ballot, message.slot, message.decree);
        break;
      case 'accepted':
      case 'heartbeat-reply':
        for (let slot = message.from; slot <= message.through; slot += 1) {
          check(
            slot <= chosen || (disk.acceptedDurable.get(slot) ?? -1) >= message.ballot,
            'acceptance-durable-before-reply',
            () => `slot ${slot} of ${message.from} to ${message.through}`,
          );
          if (slot > chosen && message.ballot > disk.promisedTold) disk.promisedTold = message.ballot;
        }
        break;
      default:
        break;
    }
  }

  onRecovered(disk: Disk, promised: Ballot): void {
    if (this.#options.agreementOnly) return;
    check(promised >= disk.promisedTold, 'promise-survives-restart', () => formatBallot(promised));
  }

  /** A replica holds `decree` for chosen in `slot`. */
  onChosen(slot: Slot, decree: DecreeReference): void {
    const value = contentOf(decree);
    const before = this.chosen[slot - 1];
    if (before !== undefined) {
      check(before === value, 'one-value-per-slot', () => `slot ${slot}: ${before} and ${value}`);
      return;
    }
    check(slot === this.chosen.length + 1, 'chosen-without-gap', () => `slot ${slot}`);
    if (!this.#options.agreementOnly) {
      check(this.#hasQuorum(slot, value), 'chosen-implies-a-quorum', () => `slot ${slot}: ${value}`);
    }
    this.chosen.push(value);
    if (decree.configuration === null) return;
    const { configuration } = decree;
    check(
      configuration.number === (this.latest?.number ?? 0) + 1,
      'configurations-one-by-one',
      () => `slot ${slot}: ${configuration.number}`,
    );
    this.configurations.push({ after: slot, configuration });
    this.#learnNumbers(configuration);
  }

  configurationAt(slot: Slot): Configuration | null {
    for (let index = this.configurations.length - 1; index >= 0; index -= 1) {
      const { after, configuration } = this.configurations[index]!;
      if (after < slot) return configuration;
    }
    return null;
  }

  #hasQuorum(slot: Slot, value: Value): boolean {
    const configuration = this.configurationAt(slot);
    if (configuration === null) return false;
    for (const proposal of this.#proposals.get(slot)?.values() ?? []) {
      if (proposal.value !== value) continue;
      const votes = configuration.members.filter((member) => proposal.disks.has(member.incarnation));
      if (votes.length >= quorumSize(configuration)) return true;
    }
    return false;
  }

  #propose(disk: Disk, ballot: Ballot, slot: Slot, decree: DecreeReference): void {
    const owner = this.#disks.get(ownerOf(ballot));
    check(owner === disk.incarnation, 'ballot-has-one-proposer', () => formatBallot(ballot));
    const proposals: Map<Ballot, Proposal> = this.#proposals.get(slot) ?? new Map();
    this.#proposals.set(slot, proposals);
    const before = proposals.get(ballot);
    const value = contentOf(decree);
    if (before === undefined) proposals.set(ballot, { value, disks: new Set() });
    else {
      check(
        before.value === value,
        'one-value-per-ballot-and-slot',
        () => `${formatBallot(ballot)} slot ${slot}: ${before.value} and ${value}`,
      );
    }
  }

  #learnNumbers(configuration: Configuration): void {
    for (const { number, incarnation } of configuration.members) {
      const before = this.#disks.get(number);
      check(
        before === undefined || before === incarnation,
        'member-number-stands-for-one-disk',
        () => `${number}`,
      );
      this.#disks.set(number, incarnation);
    }
  }
}
