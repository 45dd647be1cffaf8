/**
 * What follows from the observations so far, for all invariants together: what each disk holds durably, what was proposed,
 * what is chosen, and who the members are. It judges nothing, and is an invariant only in that it is shown what happens.
 *
 * A slot is chosen once a quorum of the configuration in force there has durably accepted one decree under one ballot.
 * Acceptors acknowledge some slots without another record, because they know them chosen (docs/protocol.md, rule 5):
 * such slots were chosen by records before, so records alone tell.
 */

import type { Ballot } from '../../../src/protocol/ballot.js';
import { ownerOf } from '../../../src/protocol/ballot.js';
import type { Configuration } from '../../../src/protocol/configuration.js';
import { quorumSize } from '../../../src/protocol/configuration.js';
import type { Slot } from '../../../src/protocol/decree.js';
import type { Message } from '../../../src/protocol/messages.js';
import type { Durable, Invariant, Observation, SeenRecord, SetBack, Value, Written } from '../observation.js';
import { valueOfDecree } from '../observation.js';

/** Slots that are remembered behind the last chosen one. What lies before them is not judged any more. */
export const SLOTS_KEPT = 65_536;

/** A set-back further than this counts as one that others would notice. */
const UNTOLD_MAX = 4096;

/** What happened to one slot under one ballot. */
export interface Proposal {
  readonly ballot: Ballot;
  readonly value: Value;
  /** Its owner said or wrote so. */
  isProposed: boolean;
  /** Disks that have durably accepted it. */
  readonly disks: string[];
}

export interface Chosen {
  readonly slot: Slot;
  readonly ballot: Ballot;
  readonly value: Value;
}

export interface SlotFacts {
  readonly proposals: Proposal[];
  chosen: Chosen | null;
}

/** One durable record, with what it changed. */
interface Change {
  readonly record: SeenRecord;
  readonly promisedBefore: Ballot;
  readonly acceptedBefore: Ballot | undefined;
  /** The disk's vote is new. */
  readonly isVote: boolean;
}

export class DiskFacts {
  readonly name: string;
  incarnation = '';
  session = 0;
  /** Durable records. */
  records = 0;
  /** The highest ballot in durable promises and acceptances. */
  promised: Ballot = 0;
  /** The same in all records that the running process wrote or found. */
  promisedWritten: Ballot = 0;
  /** The same before the last record that was written. */
  promisedBefore: Ballot = 0;
  /** Ballot of the newest durable acceptance of each slot. */
  readonly accepted: Map<Slot, Ballot> = new Map();
  /** It was set back behind something that it had told others: the protocol must keep it out. */
  hasForgotten = false;
  /** Durable records that others may count on. */
  told = 0;
  /** Durable records behind those, which a set-back may take away without anyone having known. */
  untold: Change[] = [];

  constructor(name: string) {
    this.name = name;
  }
}

export interface InForce {
  /** The last slot before those it is for. */
  readonly after: Slot;
  readonly configuration: Configuration;
  readonly incarnations: ReadonlySet<string>;
  readonly quorum: number;
}

/** Messages that make others count on the sender's disk. */
const telling: ReadonlySet<Message['kind']> = new Set([
  'prepare',
  'promise-entry',
  'promised',
  'accept',
  'accepted',
  'heartbeat',
  'heartbeat-reply',
] satisfies Message['kind'][]);

export class Ledger implements Invariant {
  readonly name = 'ledger';
  readonly kinds = ['opened', 'written', 'durable', 'set-back', 'sent', 'restored'] as const;
  /** Every slot up to it is chosen. */
  chosenThrough: Slot = 0;
  /** Slots up to it are forgotten. */
  forgottenThrough: Slot = 0;
  /** What the last observation made chosen; the second time, with another value, too. */
  newlyChosen: Chosen | null = null;

  readonly #disks: Map<string, DiskFacts> = new Map();
  readonly #slots: Map<Slot, SlotFacts> = new Map();
  /** Incarnations by member number, in all configurations that anyone ever wrote. */
  readonly #members: Map<number, Set<string>> = new Map();
  /** Incarnations of members by configuration number. */
  readonly #memberships: Map<number, Set<string>> = new Map();
  /** Newest last. */
  readonly #inForce: InForce[] = [];
  /** Configuration decrees, by value, until they are chosen. */
  readonly #configurations: Map<Value, Configuration> = new Map();
  /** The highest slot that anyone told the replica to be chosen. */
  readonly #claims: Map<string, Slot> = new Map();
  readonly #slotsKept: number;

  constructor(slotsKept: number = SLOTS_KEPT) {
    this.#slotsKept = slotsKept;
  }

  /** Before the invariants that ask it. */
  observe(observation: Observation): void {
    this.newlyChosen = null;
    switch (observation.kind) {
      case 'opened': {
        const disk = this.disk(observation.disk);
        disk.incarnation = observation.incarnation;
        disk.session = observation.session;
        disk.promisedWritten = disk.promised;
        break;
      }
      case 'written':
        this.#onWritten(observation);
        break;
      case 'durable':
        this.#onDurable(observation);
        break;
      case 'set-back':
        this.#onSetBack(observation);
        break;
      case 'restored':
        this.#claim(observation.replica, observation.slot);
        break;
      case 'sent':
        this.#onSent(observation.replica, observation.disk, observation.to, observation.message);
        break;
      default:
        break;
    }
  }

  disk(name: string): DiskFacts {
    let disk = this.#disks.get(name);
    if (disk === undefined) {
      disk = new DiskFacts(name);
      this.#disks.set(name, disk);
    }
    return disk;
  }

  slot(slot: Slot): SlotFacts | undefined {
    return this.#slots.get(slot);
  }

  isForgotten(slot: Slot): boolean {
    return slot <= this.forgottenThrough;
  }

  chosen(slot: Slot): Chosen | null {
    return this.#slots.get(slot)?.chosen ?? null;
  }

  proposal(slot: Slot, ballot: Ballot): Proposal | undefined {
    return this.#slots.get(slot)?.proposals.find((proposal) => proposal.ballot === ballot);
  }

  /** The configuration that decides about `slot`, as far as is known. */
  inForceAt(slot: Slot): InForce | null {
    for (let index = this.#inForce.length - 1; index >= 0; index -= 1)
      if (this.#inForce[index]!.after < slot) return this.#inForce[index]!;
    return null;
  }

  /** The configuration decree with this value. */
  configuration(value: Value): Configuration | undefined {
    return this.#configurations.get(value);
  }

  /** The ballot belongs to this disk: some configuration gave its member number to it. */
  owns(disk: string, ballot: Ballot): boolean {
    return this.#members.get(ownerOf(ballot))?.has(this.disk(disk).incarnation) === true;
  }

  /** The disk is a member in a configuration of that number. */
  isMember(disk: string, configuration: number): boolean {
    return this.#memberships.get(configuration)?.has(this.disk(disk).incarnation) === true;
  }

  /** No one told the replica of more, nor did it tell others. */
  mayKnowChosen(replica: string): Slot {
    return this.#claims.get(replica) ?? 0;
  }

  #onWritten({ disk: name, record }: Written): void {
    const { kind, ballot, slot, value, configuration } = record;
    const disk = this.disk(name);
    disk.promisedBefore = disk.promisedWritten;
    if (configuration !== null) this.#learnConfiguration(kind, value, configuration);
    if ((kind === 'promise' || kind === 'accept') && ballot > disk.promisedWritten)
      disk.promisedWritten = ballot;
    if (kind === 'accept' && this.owns(name, ballot)) this.#propose(slot, ballot, value);
  }

  #onDurable({ disk: name, record }: Durable): void {
    const { kind, ballot, slot, value } = record;
    const disk = this.disk(name);
    const promisedBefore = disk.promised;
    const acceptedBefore = kind === 'accept' ? disk.accepted.get(slot) : undefined;
    let isVote = false;
    disk.records += 1;
    if ((kind === 'promise' || kind === 'accept') && ballot > disk.promised) disk.promised = ballot;
    if (kind === 'accept' && slot > this.forgottenThrough) {
      disk.accepted.set(slot, ballot);
      isVote = this.#vote(disk, slot, ballot, value);
    }
    disk.untold.push({ record, promisedBefore, acceptedBefore, isVote });
    // Bounds the memory of a disk that tells nobody anything.
    if (disk.untold.length > UNTOLD_MAX) {
      disk.untold.shift();
      disk.told += 1;
    }
  }

  #vote(disk: DiskFacts, slot: Slot, ballot: Ballot, value: Value): boolean {
    const facts = this.#facts(slot);
    const proposal = this.#proposal(facts, ballot, value);
    // An incarnation is what a configuration names; two disks never share one.
    if (proposal.disks.includes(disk.incarnation)) return false;
    proposal.disks.push(disk.incarnation);
    const isKnown = facts.chosen !== null && facts.chosen.value === value;
    if (!isKnown && this.#hasQuorum(slot, proposal)) this.#choose(slot, facts, proposal);
    return true;
  }

  #hasQuorum(slot: Slot, { disks }: Proposal): boolean {
    const inForce = this.inForceAt(slot);
    if (inForce === null || disks.length < inForce.quorum) return false;
    return disks.filter((disk) => inForce.incarnations.has(disk)).length >= inForce.quorum;
  }

  #choose(slot: Slot, facts: SlotFacts, { ballot, value }: Proposal): void {
    this.newlyChosen = { slot, ballot, value };
    if (facts.chosen !== null) return;
    facts.chosen = this.newlyChosen;
    const configuration = this.#configurations.get(value);
    if (configuration !== undefined) this.#putInForce(slot, configuration);
    while (this.chosen(this.chosenThrough + 1) !== null) this.chosenThrough += 1;
    for (; this.forgottenThrough < this.chosenThrough - this.#slotsKept; this.forgottenThrough += 1)
      this.#forget(this.forgottenThrough + 1);
  }

  #forget(slot: Slot): void {
    this.#slots.delete(slot);
    for (const { accepted } of this.#disks.values()) accepted.delete(slot);
  }

  #putInForce(after: Slot, configuration: Configuration): void {
    const incarnations = new Set(configuration.members.map(({ incarnation }) => incarnation));
    this.#inForce.push({ after, configuration, incarnations, quorum: quorumSize(configuration) });
  }

  #learnConfiguration(kind: SeenRecord['kind'], value: Value, configuration: Configuration): void {
    if (kind === 'configuration') {
      // Before anything is chosen, another first one may take its place: its author lost the disk that knew it.
      const first = this.#inForce[0]?.configuration;
      const isSame = first !== undefined && JSON.stringify(first) === JSON.stringify(configuration);
      if (first !== undefined && (isSame || this.chosenThrough > 0)) return;
      this.#inForce.length = 0;
      this.#putInForce(0, configuration);
    } else if (this.#configurations.has(value)) return;
    else this.#configurations.set(value, configuration);
    const membership = setAt(this.#memberships, configuration.number);
    for (const { number, incarnation } of configuration.members) {
      membership.add(incarnation);
      setAt(this.#members, number).add(incarnation);
    }
  }

  #onSetBack({ disk: name, records }: SetBack): void {
    const disk = this.disk(name);
    if (records < disk.told) disk.hasForgotten = true;
    // What others were told of was counted and stays so; the rest never was.
    const kept = Math.max(0, records - disk.told);
    for (const { record, promisedBefore, acceptedBefore, isVote } of disk.untold.splice(kept).reverse()) {
      disk.promised = promisedBefore;
      if (record.kind !== 'accept') continue;
      if (acceptedBefore === undefined) disk.accepted.delete(record.slot);
      else disk.accepted.set(record.slot, acceptedBefore);
      const disks = isVote ? this.proposal(record.slot, record.ballot)?.disks : undefined;
      disks?.splice(disks.indexOf(disk.incarnation), 1);
    }
    disk.records = records;
    disk.told = Math.min(disk.told, records);
  }

  #onSent(replica: string, name: string, to: string, message: Message): void {
    if (message.kind === 'accept' && this.owns(name, message.ballot))
      this.#propose(message.slot, message.ballot, valueOfDecree(message.decree));
    if (message.kind === 'learn') this.#claim(to, message.slot);
    else if ('chosen' in message) {
      this.#claim(to, message.chosen);
      this.#claim(replica, message.chosen);
    }
    if (!telling.has(message.kind)) return;
    const disk = this.disk(name);
    if (disk.untold.length === 0) return;
    disk.told = disk.records;
    disk.untold = [];
  }

  #claim(replica: string, through: Slot): void {
    if (through > (this.#claims.get(replica) ?? 0)) this.#claims.set(replica, through);
  }

  #propose(slot: Slot, ballot: Ballot, value: Value): void {
    if (slot > this.forgottenThrough) this.#proposal(this.#facts(slot), ballot, value).isProposed = true;
  }

  #facts(slot: Slot): SlotFacts {
    let facts = this.#slots.get(slot);
    if (facts === undefined) {
      facts = { proposals: [], chosen: null };
      this.#slots.set(slot, facts);
    }
    return facts;
  }

  /** The first one of a ballot comes first: another value under it is a violation that an invariant finds. */
  #proposal({ proposals }: SlotFacts, ballot: Ballot, value: Value): Proposal {
    for (const proposal of proposals)
      if (proposal.ballot === ballot && proposal.value === value) return proposal;
    const proposal = { ballot, value, isProposed: false, disks: [] };
    proposals.push(proposal);
    return proposal;
  }
}

function setAt(map: Map<number, Set<string>>, key: number): Set<string> {
  const set = map.get(key) ?? new Set();
  map.set(key, set);
  return set;
}
