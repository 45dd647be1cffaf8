/**
 * What the disks decide: a decree is chosen once a quorum of them has accepted it under one ballot, whether or not anybody ever hears of it.
 * So a rule that is broken is seen when it is, and not only where two replicas come to execute different decrees. Judged by records that
 * are durable and by what is sent, not by what replicas believe (docs/protocol.md, rules 1, 4, 5 and 7).
 */

import { type Ballot, formatBallot } from '../../src/protocol/ballot.js';
import { type Configuration, quorumSize } from '../../src/protocol/configuration.js';
import type { DecreeReference, Slot } from '../../src/protocol/decree.js';
import type { LogRecord } from '../../src/protocol/effects.js';
import type { Message } from '../../src/protocol/messages.js';
import { check, contentOf, type Value } from '../properties/checker.js';
import type { Disk } from './disk.js';

interface Proposal {
  readonly value: Value;
  readonly decree: DecreeReference;
  /** Number of the configuration under which it was accepted. */
  readonly configuration: number;
  /** By incarnation: those that have accepted it durably. */
  readonly disks: Set<string>;
}

interface Chosen {
  readonly value: Value;
  /** The lowest one under which it was. */
  readonly ballot: Ballot;
  /** By a quorum of these. */
  readonly under: Configuration;
}

export class Votes {
  /** In force behind all that is chosen. */
  configuration: Configuration;
  /** Of slot 1 first. Only a prefix: what a quorum accepted behind a slot that is open still may be under a configuration that is over then. */
  readonly #chosen: Chosen[] = [];
  readonly #proposals: Map<Slot, Map<Ballot, Proposal>> = new Map();
  /** By the number of a configuration: the ballot that decided it. */
  readonly #decidedUnder: Map<number, Ballot> = new Map();
  /** By incarnation: the highest ballot that anybody was told to be promised. */
  readonly #told: Map<string, Ballot> = new Map();
  /** By ballot: up to where its primary has said that all is chosen. */
  readonly #claims: Map<Ballot, Slot> = new Map();

  constructor(genesis: Configuration) {
    this.configuration = genesis;
    this.#decidedUnder.set(genesis.number, 0);
  }

  /** An acceptance is written, under the configuration of that number. */
  onAccept(configuration: number, ballot: Ballot, slot: Slot, decree: DecreeReference): void {
    const value = contentOf(decree);
    const proposals = this.#proposals.get(slot) ?? new Map<Ballot, Proposal>();
    this.#proposals.set(slot, proposals);
    const told = () => `${formatBallot(ballot)} slot ${slot}: ${value}`;
    const before = proposals.get(ballot);
    if (before === undefined) proposals.set(ballot, { value, decree, configuration, disks: new Set() });
    else {
      check(before.value === value, 'one-value-per-ballot-and-slot', () => `${told()}, and ${before.value}`);
      check(before.configuration === configuration, 'ballot-under-one-configuration', told);
    }
    const chosen = this.#chosen[slot - 1];
    if (chosen !== undefined && ballot > chosen.ballot) this.#checkProposedAgain(slot, chosen, ballot, value);
  }

  onDurable(incarnation: string, record: LogRecord): void {
    if (record.kind !== 'accept') return;
    const { slot, ballot } = record;
    const proposal = this.#proposals.get(slot)?.get(ballot);
    if (proposal === undefined) return;
    proposal.disks.add(incarnation);
    const chosen = this.#chosen[slot - 1];
    if (chosen === undefined) while (this.#chooseNext());
    // The disks do not become durable in the order in which they accepted.
    else if (ballot < chosen.ballot && hasQuorum(proposal, chosen.under))
      this.#choose(slot, ballot, proposal, chosen.under);
  }

  /** Before the message leaves. `chosen`: by the sender's own belief. */
  onSend(disk: Disk, chosen: Slot, configuration: number, message: Message): void {
    if ('chosen' in message)
      check(message.chosen <= this.#chosen.length, 'said-chosen-when-it-is', () => `slot ${message.chosen}`);
    switch (message.kind) {
      case 'prepare':
        this.#checkTold(disk, message.ballot);
        disk.promisedTold = Math.max(disk.promisedTold, message.ballot);
        this.#told.set(disk.incarnation, disk.promisedTold);
        this.#checkAbove(configuration, message.ballot);
        break;
      case 'promised':
        this.#checkTold(disk, message.ballot);
        disk.promisedTold = Math.max(disk.promisedTold, message.ballot);
        this.#told.set(disk.incarnation, disk.promisedTold);
        break;
      case 'accept':
      case 'heartbeat':
        this.#checkClaim(message.ballot, message.chosen);
        break;
      case 'accepted':
      case 'heartbeat-reply':
        for (let slot = message.from; slot <= message.through; slot += 1)
          check(
            slot <= chosen || (disk.acceptedDurable.get(slot) ?? 0) >= message.ballot,
            'acceptance-durable-before-reply',
            () => `${formatBallot(message.ballot)} slot ${slot} of ${message.from} to ${message.through}`,
          );
        break;
      default:
        break;
    }
  }

  /** A primary answers a read at once, as it may by a lease alone, or where it is alone. So nobody else can have been elected. */
  onAnsweredAtOnce(ballot: Ballot, { members }: Configuration): void {
    const gone = members.filter(({ incarnation }) => (this.#told.get(incarnation) ?? 0) > ballot);
    const told = () => `${formatBallot(ballot)}, and ${gone.length} of ${members.length} have promised more`;
    check(gone.length < quorumSize({ members }), 'lease-held-by-one', told);
  }

  /** A replica goes on from its disk. Whoever knows a configuration has promised the ballot that decided it, on disk (rule 7). */
  onRecovered(disk: Disk, promised: Ballot, configuration: Configuration | null): void {
    check(promised >= disk.promisedTold, 'promise-survives-restart', () => formatBallot(promised));
    if (configuration === null) return;
    const decided = this.#decidedUnder.get(configuration.number) ?? 0;
    const told = () =>
      `${formatBallot(promised)}, and ${configuration.number} was decided under ${formatBallot(decided)}`;
    check(promised >= decided, 'configuration-known-with-its-ballot', told);
  }

  /** Somebody holds `decree` for chosen, and executes it or gives it to others. */
  onChosen(id: string, slot: Slot, decree: DecreeReference): void {
    const value = contentOf(decree);
    const chosen = this.#chosen[slot - 1];
    check(
      chosen?.value === value,
      chosen === undefined ? 'chosen-implies-a-quorum' : 'one-value-per-slot',
      () => `slot ${slot}: ${value} at ${id}, and ${chosen?.value ?? 'nothing'} by the disks`,
    );
  }

  #chooseNext(): boolean {
    const slot = this.#chosen.length + 1;
    const proposals = this.#proposals.get(slot);
    if (proposals === undefined) return false;
    let ballot = Number.POSITIVE_INFINITY;
    for (const [one, proposal] of proposals)
      if (one < ballot && hasQuorum(proposal, this.configuration)) ballot = one;
    const proposal = proposals.get(ballot);
    if (proposal === undefined) return false;
    this.#choose(slot, ballot, proposal, this.configuration);
    const { configuration } = proposal.decree;
    if (configuration === null) return true;
    const { number } = this.configuration;
    check(configuration.number === number + 1, 'configurations-one-by-one', () => `slot ${slot}`);
    this.configuration = configuration;
    return true;
  }

  #choose(slot: Slot, ballot: Ballot, { value, decree }: Proposal, under: Configuration): void {
    const chosen: Chosen = { value, ballot, under };
    this.#chosen[slot - 1] = chosen;
    for (const [other, proposal] of this.#proposals.get(slot)!)
      if (other > ballot) this.#checkProposedAgain(slot, chosen, other, proposal.value);
    if (decree.configuration !== null) this.#decidedUnder.set(decree.configuration.number, ballot);
  }

  /** Under each higher ballot the value that was chosen is proposed, or nothing is. */
  #checkProposedAgain(slot: Slot, chosen: Chosen, ballot: Ballot, value: Value): void {
    const told = () =>
      `slot ${slot}: ${chosen.value} under ${formatBallot(chosen.ballot)}, and ${value} under ${formatBallot(ballot)}`;
    check(chosen.value === value, 'chosen-is-proposed-again', told);
  }

  /** Whoever accepted a slot under this ballot takes what it accepted for chosen (rule 5). */
  #checkClaim(ballot: Ballot, through: Slot): void {
    const before = this.#claims.get(ballot) ?? 0;
    if (through <= before) return;
    this.#claims.set(ballot, through);
    for (let slot = before + 1; slot <= through; slot += 1) {
      const value = this.#proposals.get(slot)?.get(ballot)?.value;
      const chosen = this.#chosen[slot - 1]!;
      const told = () => `${formatBallot(ballot)} slot ${slot}: ${value}, and ${chosen.value} is chosen`;
      check(value === undefined || value === chosen.value, 'claimed-as-it-was-chosen', told);
    }
  }

  #checkTold(disk: Disk, ballot: Ballot): void {
    check(disk.promisedDurable >= ballot, 'promise-durable-before-reply', () => formatBallot(ballot));
  }

  #checkAbove(configuration: number, ballot: Ballot): void {
    const decided = this.#decidedUnder.get(configuration);
    check(decided !== undefined, 'configuration-in-force-is-chosen', () => `${configuration}`);
    const told = () =>
      `${formatBallot(ballot)} under ${configuration}, which was decided under ${formatBallot(decided)}`;
    check(ballot > decided, 'ballots-above-the-configuration', told);
  }
}

function hasQuorum({ configuration, disks }: Proposal, { number, members }: Configuration): boolean {
  if (configuration !== number) return false;
  return members.filter(({ incarnation }) => disks.has(incarnation)).length >= quorumSize({ members });
}
