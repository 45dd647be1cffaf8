/**
 * One replica as the explorer sees it: the real protocol, its disk and its ends of the links. It does what it is told, one
 * input at a time, and everything about it is decided by the inputs since it was started; nothing else is asked or drawn.
 */

import { crc32c } from '../../src/checksum.js';
import { MEMBER_NUMBER_MAX } from '../../src/protocol/ballot.js';
import type { Configuration } from '../../src/protocol/configuration.js';
import { memberById } from '../../src/protocol/configuration.js';
import type { ProtocolOptions } from '../../src/protocol/context.js';
import type { DecreeReference, Slot } from '../../src/protocol/decree.js';
import { DecreeKind, plainDecree } from '../../src/protocol/decree.js';
import type { Effect } from '../../src/protocol/effects.js';
import type { Message } from '../../src/protocol/messages.js';
import { Replica } from '../../src/protocol/replica.js';
import type { Value } from '../properties/checker.js';
import { check, contentOf } from '../properties/checker.js';
import type { LogEntry, Recovered, StoredRecord } from '../properties/disk.js';
import { addToLog, Disk } from '../properties/disk.js';
import { showRecord } from '../protocol/show.js';
import type { NodeChecks, Proposal } from './node-checks.js';

/** What travels on a link, in order. */
export type Item =
  | { readonly kind: 'message'; readonly configuration: number; readonly message: Message }
  /** The link broke: what was sent and did not arrive before this is lost. */
  | { readonly kind: 'down' }
  /** It stands again; the other end is this disk. */
  | { readonly kind: 'up'; readonly life: number; readonly hasGenesis: boolean };

export type NodeInput =
  /** So much time passes that the replica loses patience with whatever it waits for. */
  | { readonly kind: 'timeout' }
  /** As much time passes, but it cannot stand for election: for example, its disk is full for as long. */
  | { readonly kind: 'silence' }
  | { readonly kind: 'propose'; readonly value: number }
  /** It is asked for the member set of that index. */
  | { readonly kind: 'change'; readonly index: number }
  | { readonly kind: 'promote' }
  | { readonly kind: 'relinquish' }
  /** A linearizable read. Somebody holds the slots up to `least` for chosen. */
  | { readonly kind: 'read'; readonly least: Slot }
  /** So many more records are durable. */
  | { readonly kind: 'durable'; readonly records: number }
  | { readonly kind: 'deliver'; readonly from: number; readonly item: Item };

/** What a deliberately broken variant changes around the protocol; see `variants.ts`. */
export interface Faults {
  /** The protocol is told that a record is durable as soon as it was written. */
  readonly acknowledgeEarly?: boolean;
  readonly recover?: (found: Recovered) => Recovered;
  /** A new disk takes the name of the one before. */
  readonly keepIncarnation?: boolean;
}

export interface Surroundings {
  readonly protocol: ProtocolOptions;
  readonly ids: readonly string[];
  /** Member sets that may be asked for. */
  readonly changes: readonly (readonly string[])[];
  readonly incarnation: (index: number, life: number) => string;
  readonly faults: Faults;
  /** Links stand always, from the start on. */
  readonly alwaysLinked: boolean;
  /** Configurations that were ever written, by the decree's value. */
  readonly configurations: Map<Value, Configuration>;
  /** Null: only disagreement counts. */
  readonly checks: NodeChecks | null;
}

/** What a replica starts from. */
export interface Boot {
  readonly index: number;
  /** Which of its disks: 1, 2, … */
  readonly life: number;
  /** All durable. */
  readonly records: readonly StoredRecord[];
  /** What it ever proposed, also what no disk knows of any more: messages may. */
  readonly proposals: readonly Proposal[];
  /** Durable acceptances of its former disks. They were counted once and stay counted. */
  readonly formerVotes: readonly string[];
  /** Configurations of which it has told whoever asked that they are not chosen. */
  readonly refused: readonly Value[];
}

interface LinkEnd {
  readonly life: number;
  readonly number: number;
}

const OUTSIDERS = MEMBER_NUMBER_MAX + 1;
const BEGINNING_MS = 1_000_000;

export class Node {
  readonly index: number;
  readonly life: number;
  readonly core: Replica;
  readonly disk: Disk;
  readonly proposals: Proposal[];
  readonly refused: Value[];
  /** What the last input made it send, by receiver. */
  sent: Item[][] = [];
  /** Everything that the last input made it do, for a person; kept only if wanted. */
  story: string[] | null = null;

  readonly #around: Surroundings;
  readonly #formerVotes: readonly string[];
  readonly #base: number;
  readonly #links: (LinkEnd | null)[];
  #log: Map<Slot, LogEntry>;
  #genesis: Configuration | null;
  #now = BEGINNING_MS;
  #chosen: Slot;
  #reported = 0;
  /** The configuration that it has proposed for whoever asked, and not answered for. */
  #changing: { readonly request: number; readonly value: Value } | null = null;
  /** Changes that were asked for and not answered: 1 for the first set, and so on. */
  readonly #asked: Set<number> = new Set();
  /** What each read that is not answered must see; the first of them has number `#readsDone + 1`. */
  readonly #reads: Slot[] = [];
  #readsDone = 0;

  constructor(boot: Boot, around: Surroundings) {
    const { ids, faults, incarnation, protocol } = around;
    this.#around = around;
    this.index = boot.index;
    this.life = boot.life;
    this.proposals = [...boot.proposals];
    this.#formerVotes = boot.formerVotes;
    this.refused = [...boot.refused];
    this.disk = new Disk(incarnation(boot.index, boot.life));
    for (const stored of boot.records) this.disk.append(stored);
    this.disk.harden(boot.records.length);
    this.#base = boot.records.length;
    const read = this.disk.recover();
    const found = faults.recover === undefined ? read : faults.recover(read);
    this.#log = found.log;
    this.#genesis = found.genesis;
    this.#chosen = found.state.chosen;
    const identity = { id: ids[boot.index]!, incarnation: this.disk.incarnation };
    this.core = new Replica(protocol, identity, found.state, () => 0, this.#now);
    this.#links = ids.map(() => null);
    this.sent = ids.map(() => []);
    around.checks?.onBoot(this);
    if (around.alwaysLinked) {
      for (let peer = 0; peer < ids.length; peer += 1) if (peer !== this.index) this.#link(peer, 1);
    }
    this.#endTurn();
  }

  get pending(): number {
    return this.disk.records.length - this.disk.durable;
  }
  /** What it knows to be chosen and has not written that it does. */
  get hasUnmarked(): boolean {
    return this.#chosen > this.disk.chosenDurable;
  }
  get hasGenesis(): boolean {
    return this.disk.hasGenesisDurable;
  }

  apply(input: NodeInput): void {
    this.sent = this.sent.map(() => []);
    this.#around.checks?.onInput(input);
    if (this.story !== null) this.story = [];
    switch (input.kind) {
      case 'timeout':
        this.#timeout();
        break;
      case 'silence':
        this.core.step({ kind: 'able', able: false }, this.#now);
        this.#timeout();
        this.core.step({ kind: 'able', able: true }, this.#now);
        break;
      case 'propose':
        this.core.step({ kind: 'propose', decree: commands(input.value) }, this.#now);
        break;
      case 'change':
        this.#ask(input.index);
        break;
      case 'promote':
        this.core.step({ kind: 'promote', request: 1, evenIfBehind: false }, this.#now);
        break;
      case 'relinquish':
        this.core.step({ kind: 'relinquish', request: 1, to: 0 }, this.#now);
        break;
      case 'read':
        this.#reads.push(input.least);
        this.core.step({ kind: 'read', read: this.#readsDone + this.#reads.length }, this.#now);
        break;
      case 'durable':
        this.disk.harden(this.disk.durable + input.records);
        if (!this.#around.faults.acknowledgeEarly) this.#report(this.disk.durable);
        break;
      case 'deliver':
        this.#receive(input.from, input.item);
        break;
    }
    this.#endTurn();
  }

  /** What is left after a power cut that came when `kept` of the pending records had reached the disk. */
  crash(kept: number, isMarked: boolean): Boot {
    const { disk, index, life, proposals, refused } = this;
    const records: StoredRecord[] = disk.records.slice(0, disk.durable + kept);
    if (isMarked) records.push({ record: { kind: 'mark' }, chosen: this.#chosen });
    return { index, life, records, proposals, formerVotes: this.#formerVotes, refused };
  }

  /** The disk is replaced by an empty one. */
  wipe(): Boot {
    const { index, life, proposals, refused } = this;
    return { index, life: life + 1, records: [], proposals, formerVotes: this.votes(), refused };
  }

  /** Every durable acceptance there ever was: "incarnation ballot slot value". */
  votes(): string[] {
    const { disk } = this;
    const votes = new Set(this.#formerVotes);
    for (const { record } of disk.records.slice(0, disk.durable)) {
      if (record.kind === 'accept')
        votes.add(`${disk.incarnation} ${record.ballot} ${record.slot} ${contentOf(record.decree)}`);
    }
    return [...votes].sort();
  }

  /** The decree of each slot that it holds for chosen, from slot 1 on. */
  known(): DecreeReference[] {
    const known: DecreeReference[] = [];
    for (let slot = 1; slot <= this.core.chosen; slot += 1) known.push(this.#log.get(slot)!.decree);
    return known;
  }

  /** Everything that decides what it does from here on, and what it is judged by. Equal texts: equal futures. */
  text(): string {
    const { disk, life, proposals } = this;
    const durable = new Disk(disk.incarnation);
    for (const stored of disk.records.slice(0, disk.durable)) durable.append(stored);
    const { state, genesis, log } = durable.recover();
    const entries = (from: Map<Slot, LogEntry>): unknown[] =>
      [...from]
        .map(([slot, { kind, ballot, decree }]) => [slot, kind, ballot, plainDecree(decree)] as const)
        .sort(([a], [b]) => a - b);
    return JSON.stringify(
      [
        life,
        this.core.snapshot(),
        this.#links,
        [state.promised, state.chosen, genesis?.number ?? 0, entries(log)],
        disk.records.slice(disk.durable).map(({ record, chosen }) => [chosen, record]),
        // Fetches are served from what was written, and from what a broken recovery made of it.
        entries(this.#log),
        this.#genesis?.number ?? 0,
        this.#chosen,
        this.votes(),
        proposals,
        [this.refused, this.#changing, [...this.#asked], this.#reads, this.#readsDone],
      ],
      withoutSource,
    );
  }

  // Inputs.

  /**
   * Twice half an election timeout: more at once would be taken for a pause of the process. Ends when the replica has changed
   * its mind, so that no second timeout hides in the first.
   */
  #timeout(): void {
    const { role } = this.core;
    for (let half = 0; half < 2 && this.core.role === role; half += 1) {
      this.#now += this.#around.protocol.electionTimeoutMs / 2;
      this.core.step({ kind: 'tick' }, this.#now);
      if (half === 0) this.#endTurn();
    }
  }

  #ask(index: number): void {
    const members = this.#around.changes[index]!.map((id) => ({ id, address: `${id}:1` }));
    const request = index + 1;
    this.#asked.add(request);
    this.core.step(
      { kind: 'change', change: { request, members, cookie: '', force: false, ifNumber: 0 } },
      this.#now,
    );
  }

  #report(durable: number): void {
    const write = durable - this.#base;
    if (write <= this.#reported) return;
    this.#reported = write;
    this.core.step({ kind: 'durable', write }, this.#now);
  }

  #receive(peer: number, item: Item): void {
    const end = this.#links[peer]!;
    switch (item.kind) {
      case 'up':
        this.#link(peer, item.life);
        if (!item.hasGenesis && this.#genesis !== null && this.hasGenesis)
          this.#send(peer, { kind: 'genesis', configuration: this.#genesis });
        break;
      case 'down':
        // It may be told twice: a crash of the peer breaks also what was not linked again.
        if (end === null) break;
        this.#links[peer] = null;
        this.core.step({ kind: 'peer-down', peer: end.number }, this.#now);
        break;
      case 'message': {
        if (end === null) break;
        const { configuration, message: sent } = item;
        const message = 'decree' in sent ? { ...sent, decree: { ...sent.decree } } : sent;
        if (message.kind === 'genesis') this.#genesis ??= message.configuration;
        this.core.step({ kind: 'message', from: end.number, configuration, message }, this.#now);
        break;
      }
    }
  }

  #link(peer: number, life: number): void {
    const number = this.#numberOf(peer, life);
    this.#links[peer] = { life, number };
    this.core.step({ kind: 'peer-up', peer: number }, this.#now);
  }

  #numberOf(peer: number, life: number): number {
    const { ids, incarnation } = this.#around;
    const { configuration } = this.core;
    const member = configuration === null ? undefined : memberById(configuration, ids[peer]!);
    return member?.incarnation === incarnation(peer, life) ? member.number : OUTSIDERS + peer;
  }

  // Effects.

  #endTurn(): void {
    this.#carryOut(this.core.takeEffects());
    if (!this.#around.faults.acknowledgeEarly) return;
    while (this.#reported < this.disk.records.length - this.#base) {
      this.#report(this.disk.records.length);
      this.#carryOut(this.core.takeEffects());
    }
  }

  #carryOut(effects: readonly Effect[]): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case 'append':
          this.#append(effect);
          break;
        case 'send':
          this.#sendTo(effect.to, effect.message, effect.configuration);
          break;
        case 'chosen':
          this.#onChosen(effect.through);
          break;
        case 'serve-fetch':
          this.#serve(effect);
          break;
        case 'configuration':
          this.story?.push(`works under configuration ${effect.configuration.number}`);
          this.#renumber();
          break;
        case 'status':
          this.story?.push(`is ${effect.role}`);
          break;
        case 'change-settled':
          this.#onSettled(effect);
          break;
        // Every step comes at every time here.
        case 'step-later':
          break;
        case 'read-slot':
          this.#onReadSlot(effect);
          break;
        case 'leadership-refused':
          this.story?.push(`does not: ${effect.reason}`);
          break;
        case 'retain':
          break;
      }
    }
  }

  #append({ record }: Extract<Effect, { kind: 'append' }>): void {
    if (record.kind === 'accept' || record.kind === 'learn') {
      const { decree } = record;
      if (decree.configuration !== null && decree.bytes === 0) {
        // Proposed here: the engine encodes it now.
        decree.bytes = 1;
        decree.checksum = checksumOf(decree.configuration);
        this.#around.configurations.set(contentOf(decree), decree.configuration);
        const [request] = this.#asked;
        if (request !== undefined) this.#changing = { request, value: contentOf(decree) };
      }
      addToLog(this.#log, record.slot, {
        kind: record.kind,
        ballot: record.ballot,
        decree: { ...decree },
      });
    }
    this.#around.checks?.onAppend(this, record);
    const copy = 'decree' in record ? { ...record, decree: { ...record.decree } } : record;
    this.disk.append({ record: copy, chosen: this.#chosen });
    this.story?.push(`writes ${showRecord(record)}`);
  }

  #onChosen(through: Slot): void {
    for (let slot = this.#chosen + 1; slot <= through; slot += 1)
      check(this.#log.has(slot), 'applied-is-a-gapless-prefix', () => `slot ${slot}`);
    check(through > this.#chosen, 'applied-grows', () => `${through}`);
    this.#chosen = through;
    this.story?.push(`holds all up to slot ${through} for chosen`);
  }

  /** Each change is answered once, and truly. That what was refused is never chosen takes all replicas to see. */
  #onSettled({ request, outcome }: Extract<Effect, { kind: 'change-settled' }>): void {
    check(this.#asked.delete(request), 'one-outcome-for-each-change', () => `change ${request}`);
    this.story?.push(`answers change ${request}: ${outcome.kind}`);
    const proposed = this.#changing?.request === request ? this.#changing.value : null;
    if (proposed !== null) this.#changing = null;
    if (outcome.kind === 'refused' && proposed !== null) this.refused.push(proposed);
    if (outcome.kind !== 'chosen') return;
    const isKnown = proposed !== null && this.known().map(contentOf).includes(proposed);
    check(isKnown, 'chosen-change-is-chosen', () => `change ${request}`);
  }

  #onReadSlot({ read, slot }: Extract<Effect, { kind: 'read-slot' }>): void {
    const answered = this.#reads.splice(0, read - this.#readsDone);
    this.#readsDone = read;
    for (const least of answered)
      check(slot >= least, 'no-stale-read', () => `at slot ${slot}, though ${least} was known to be chosen`);
    this.story?.push(`reads at slot ${slot}`);
  }

  #serve({ to, from, through }: Extract<Effect, { kind: 'serve-fetch' }>): void {
    for (let slot = from; slot <= through; slot += 1) {
      const entry = this.#log.get(slot);
      check(entry !== undefined, 'fetched-is-in-the-log', () => `slot ${slot}`);
      this.#sendTo(to, { kind: 'learn', slot, ballot: entry.ballot, decree: { ...entry.decree } });
    }
    this.#sendTo(to, { kind: 'fetch-end', through: Math.max(through, from - 1), chosen: through });
  }

  #renumber(): void {
    for (const [peer, end] of this.#links.entries()) {
      if (end === null || this.#numberOf(peer, end.life) === end.number) continue;
      this.core.step({ kind: 'peer-down', peer: end.number }, this.#now);
      this.#link(peer, end.life);
    }
  }

  #sendTo(number: number, message: Message, configuration?: number): void {
    const peer = this.#links.findIndex((end) => end?.number === number);
    if (peer !== -1) this.#send(peer, message, configuration);
  }

  #send(peer: number, message: Message, configuration: number = this.core.configuration?.number ?? 0): void {
    this.#around.checks?.onSend(this, message);
    const copy = 'decree' in message ? { ...message, decree: { ...message.decree } } : message;
    this.sent[peer]!.push({ kind: 'message', configuration, message: copy });
  }
}

function commands(value: number): DecreeReference {
  return {
    kind: DecreeKind.commands,
    bytes: 1,
    checksum: value,
    commands: 1,
    configuration: null,
    source: null,
  };
}

/** Equal configurations, and only these, are one value. */
function checksumOf(configuration: Configuration): number {
  const bytes = Buffer.from(JSON.stringify(configuration));
  return crc32c(bytes, 0, bytes.length, 0);
}

export function withoutSource(key: string, value: unknown): unknown {
  return key === 'source' ? undefined : value;
}
