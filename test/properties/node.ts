/** One replica in the world: the real protocol, and around it what the engine does, turn by turn. */

import { MEMBER_NUMBER_MAX } from '../../src/protocol/ballot.js';
import type { Configuration } from '../../src/protocol/configuration.js';
import { genesisConfiguration, memberById } from '../../src/protocol/configuration.js';
import type { ProtocolOptions } from '../../src/protocol/context.js';
import type { DecreeReference, Slot } from '../../src/protocol/decree.js';
import type { Effect } from '../../src/protocol/effects.js';
import type { Message } from '../../src/protocol/messages.js';
import { Replica } from '../../src/protocol/replica.js';
import { type Checker, check } from './checker.js';
import { addToLog, type Disk, type LogEntry, type Recovered } from './disk.js';
import type { End, Link, Network } from './network.js';
import type { Random } from './random.js';

/** Where a payload lies. That of a received frame is gone at the end of the turn, unless it was kept or logged. */
interface Place {
  place: 'heap' | 'log' | 'frame' | 'gone';
}

/** What a deliberately broken variant changes; see `variants.ts`. */
export interface Faults {
  /** The protocol is told that a write is durable as soon as it was made. */
  readonly acknowledgeEarly?: boolean;
  readonly recover?: (recovered: Recovered) => Recovered;
  /** A new disk takes the name of the one before. */
  readonly keepIncarnation?: boolean;
  /** A crash also loses the last record that was reported durable. */
  readonly loseDurable?: boolean;
}

export interface Surroundings {
  readonly options: ProtocolOptions;
  readonly ids: readonly string[];
  readonly network: Network;
  readonly checker: Checker;
  readonly random: Random;
  readonly faults: Faults;
  readonly trace: ((line: () => string) => void) | null;
  readonly isGenesisHeld: (configuration: Configuration) => boolean;
  now: number;
}

const OUTSIDERS = MEMBER_NUMBER_MAX + 1;

export class Node {
  readonly index: number;
  readonly id: string;
  disk: Disk;
  core: Replica | null = null;
  pausedUntil = 0;
  /** While down: when it is started again. */
  startsAt = 0;
  /** Records become durable this much later, at least and at most. */
  diskMs: [number, number] = [0, 0];
  diskStuckUntil = 0;
  /** Slots that were handed to the application in this life. */
  applied: Slot = 0;
  becamePrimary = 0;

  readonly #around: Surroundings;
  readonly #links: Map<number, Link> = new Map();
  #log: Map<Slot, LogEntry> = new Map();
  #genesis: Configuration | null = null;
  /** Records on the disk when this life began, and the protocol's write number of each one since. */
  #base = 0;
  #written: number[] = [];
  #reported = 0;
  #chosen: Slot = 0;
  #hardenAt: number[] = [];
  #nextTick = 0;
  #frames: Place[] = [];
  #fetches: Extract<Effect, { kind: 'serve-fetch' }>[] = [];

  constructor(index: number, disk: Disk, around: Surroundings) {
    this.index = index;
    this.id = around.ids[index]!;
    this.disk = disk;
    this.#around = around;
  }

  get isRunning(): boolean {
    return this.core !== null;
  }
  get hasGenesis(): boolean {
    return this.#genesis !== null;
  }

  start(): void {
    const { options, random, now, checker, faults } = this.#around;
    const found = this.disk.recover();
    const { state, genesis, log } = faults.recover === undefined ? found : faults.recover(found);
    checker.onRecovered(this.disk, state.promised);
    const draws = random.fork();
    this.#log = log;
    this.#genesis = genesis;
    this.#base = this.disk.records.length;
    this.#written = [];
    this.#reported = 0;
    this.#chosen = state.chosen;
    this.applied = state.chosen;
    this.#hardenAt = [];
    this.#fetches = [];
    this.#frames = [];
    this.#nextTick = now + random.between(0, options.heartbeatMs / 2);
    this.core = new Replica(
      options,
      { id: this.id, incarnation: this.disk.incarnation },
      state,
      () => draws.real(),
      now,
    );
    this.#trace(() => `start: promised ${state.promised}, chosen ${state.chosen}`);
  }

  /** The process is killed. A write that was under way may have come through. */
  crash(): void {
    const { random, network, now, checker, faults } = this.#around;
    const { disk } = this;
    const pending = disk.records.length - disk.durable;
    const lucky = random.chance(0.5) ? 0 : random.below(pending + 1);
    for (const stored of disk.harden(disk.durable + lucky)) checker.onDurable(disk, stored);
    if (faults.loseDurable && disk.durable > 0 && pending > 0) disk.durable -= 1;
    disk.lose();
    this.core = null;
    this.#links.clear();
    network.breakAllOf(this.index, now);
    this.#trace(() => `crash: ${disk.durable} records left`);
  }

  /** Everything that happened since the last turn, and its effects. */
  turn(): void {
    const core = this.core!;
    const { now, network, random } = this.#around;
    this.#harden();
    this.#reportDurable();
    for (let other = 0; other < network.size; other += 1) {
      if (other === this.index) continue;
      const link = network.link(this.index, other);
      if (link !== null) this.#readLink(link);
    }
    if (now >= this.#nextTick) {
      this.#nextTick = now + this.#around.options.heartbeatMs * random.between(0.1, 0.5);
      core.step({ kind: 'tick' }, now);
      this.#drawUpGenesis();
    }
    const fetches = this.#fetches;
    this.#fetches = [];
    for (const fetch of fetches) this.#serve(fetch);
    this.carryOut(core.takeEffects());
    // A medium whose writes are synchronous.
    for (let round = 0; round < 4 && this.diskMs[1] === 0 && random.chance(0.7); round += 1) {
      this.#harden();
      if (!this.#reportDurable()) break;
      this.carryOut(core.takeEffects());
    }
    for (const frame of this.#frames) if (frame.place === 'frame') frame.place = 'gone';
    this.#frames = [];
  }

  propose(decree: DecreeReference): void {
    this.core!.step({ kind: 'propose', decree }, this.#around.now);
    this.carryOut(this.core!.takeEffects());
  }

  /** The engine says in a record what was chosen, when the log is idle. */
  mark(): void {
    this.disk.append({ record: { kind: 'mark' }, chosen: this.#chosen });
    this.#written.push(this.#written.at(-1) ?? 0);
    this.#hardenAt.push(Math.max(this.#hardenAt.at(-1) ?? 0, this.#around.now));
  }

  #harden(): void {
    const { now, checker } = this.#around;
    if (now < this.diskStuckUntil) return;
    let count = 0;
    while (count < this.#hardenAt.length && this.#hardenAt[count]! <= now) count += 1;
    if (count === 0) return;
    this.#hardenAt.splice(0, count);
    for (const stored of this.disk.harden(this.disk.durable + count)) checker.onDurable(this.disk, stored);
  }

  #reportDurable(): boolean {
    const { disk } = this;
    const count = this.#around.faults.acknowledgeEarly ? disk.records.length : disk.durable;
    const write = this.#written[count - this.#base - 1] ?? 0;
    if (write <= this.#reported) return false;
    this.#reported = write;
    this.core!.step({ kind: 'durable', write }, this.#around.now);
    return true;
  }

  #readLink(link: Link): void {
    const { now } = this.#around;
    const end = link.at(this.index);
    if (end.state === 'opening') {
      end.state = 'up';
      this.#link(link, end);
      if (this.#genesis !== null && !end.peerGreeting.hasGenesis)
        this.#post(link, { kind: 'genesis', configuration: this.#genesis });
      this.#drawUpGenesis();
    }
    if (end.state !== 'up') return;
    let count = 0;
    if (now >= end.stalledUntil) {
      for (; count < end.queue.length && end.queue[count]!.arrivesAt <= now; count += 1) {
        const { configuration, message } = end.queue[count]!;
        this.#receive(end, configuration, message);
        if (count % 8 === 7 && this.#around.random.chance(0.3)) this.carryOut(this.core!.takeEffects());
      }
    }
    if (count > 0) end.queue.splice(0, count);
    if (link.isBroken && now >= end.noticesAt) {
      end.state = 'down';
      end.queue.length = 0;
      if (this.#links.get(end.number) === link) {
        this.#links.delete(end.number);
        this.core!.step({ kind: 'peer-down', peer: end.number }, now);
      }
      this.#trace(() => `link to ${this.#around.ids[end.peer]} down`);
    }
  }

  #receive(end: End, configuration: number, sent: Message): void {
    const { now } = this.#around;
    let message = sent;
    if ('decree' in message) {
      const source: Place = { place: 'frame' };
      this.#frames.push(source);
      message = { ...message, decree: { ...message.decree, source } };
    }
    if (message.kind === 'genesis') this.#genesis ??= message.configuration;
    this.#trace(() => `<- ${this.#around.ids[end.peer]} ${describe(sent)} (configuration ${configuration})`);
    this.core!.step({ kind: 'message', from: end.number, configuration, message }, now);
  }

  #link(link: Link, end: End): void {
    const { configuration } = this.core!;
    const member =
      configuration === null ? undefined : memberById(configuration, this.#around.ids[end.peer]!);
    const isMember = member !== undefined && member.incarnation === end.peerGreeting.incarnation;
    end.number = isMember ? member.number : OUTSIDERS + end.peer;
    this.#links.set(end.number, link);
    this.core!.step({ kind: 'peer-up', peer: end.number }, this.#around.now);
    this.#trace(() => `link to ${this.#around.ids[end.peer]} up as ${end.number}`);
  }

  /** The replica with the least id draws up the first configuration, once it has met all and none has one. */
  #drawUpGenesis(): void {
    const { ids, now } = this.#around;
    if (this.#genesis !== null || this.index !== 0) return;
    const disks = [{ id: this.id, incarnation: this.disk.incarnation }];
    for (const link of this.#links.values()) {
      const { peer, peerGreeting } = link.at(this.index);
      if (!peerGreeting.hasGenesis) disks.push({ id: ids[peer]!, incarnation: peerGreeting.incarnation });
    }
    if (disks.length < ids.length) return;
    const configuration = genesisConfiguration(disks);
    this.#genesis = configuration;
    this.core!.step(
      { kind: 'message', from: 0, configuration: 0, message: { kind: 'genesis', configuration } },
      now,
    );
    this.carryOut(this.core!.takeEffects());
    for (const link of this.#links.values()) this.#post(link, { kind: 'genesis', configuration });
  }

  carryOut(effects: readonly Effect[]): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case 'append':
          this.#append(effect);
          break;
        case 'send': {
          const link = this.#links.get(effect.to);
          if (link !== undefined) this.#post(link, effect.message, effect.configuration);
          break;
        }
        case 'retain':
          this.#keep(effect.decree, 'heap');
          break;
        case 'chosen':
          this.#onChosen(effect.through);
          break;
        case 'serve-fetch':
          // Reading back may take until the next turn.
          if (this.#around.random.chance(0.3)) this.#fetches.push(effect);
          else this.#serve(effect);
          break;
        case 'status':
          this.#trace(() => `role ${effect.role}, primary ${effect.primary}, ballot ${effect.ballot}`);
          if (effect.role === 'primary') this.becamePrimary += 1;
          break;
        case 'configuration':
          this.#trace(() => `configuration ${effect.configuration.number}, self ${effect.self}`);
          this.#renumber();
          break;
        case 'change-settled':
          break;
      }
    }
  }

  #renumber(): void {
    for (const link of [...this.#links.values()]) {
      const end = link.at(this.index);
      this.#links.delete(end.number);
      const before = end.number;
      const { configuration } = this.core!;
      const member =
        configuration === null ? undefined : memberById(configuration, this.#around.ids[end.peer]!);
      const isMember = member !== undefined && member.incarnation === end.peerGreeting.incarnation;
      if ((isMember ? member.number : OUTSIDERS + end.peer) === before) this.#links.set(before, link);
      else {
        this.core!.step({ kind: 'peer-down', peer: before }, this.#around.now);
        this.#link(link, end);
      }
    }
  }

  #append({ record, write }: Extract<Effect, { kind: 'append' }>): void {
    const { checker, random, now } = this.#around;
    this.#trace(() => `append ${write}: ${JSON.stringify(record, withoutSource)}`);
    if (record.kind === 'accept' || record.kind === 'learn') {
      const { decree } = record;
      if (decree.configuration !== null && decree.bytes === 0) {
        decree.bytes = JSON.stringify(decree.configuration).length;
        decree.checksum = hash(JSON.stringify(decree.configuration));
      }
      this.#keep(decree, 'log');
      const { kind, ballot } = record;
      addToLog(this.#log, record.slot, { kind, ballot, decree: { ...decree } });
    }
    if (record.kind === 'genesis') checker.onGenesis(record.configuration, this.#around.isGenesisHeld);
    checker.onAppend(this.disk, this.core!.self, record);
    const copy = 'decree' in record ? { ...record, decree: { ...record.decree } } : record;
    this.disk.append({ record: copy, chosen: this.#chosen });
    this.#written.push(write);
    const before = this.#hardenAt.at(-1) ?? 0;
    this.#hardenAt.push(Math.max(before, now + random.between(this.diskMs[0], this.diskMs[1])));
  }

  #keep(decree: DecreeReference, where: 'heap' | 'log'): void {
    if (decree.bytes === 0) return;
    const source = (decree.source ?? { place: 'heap' }) as Place;
    check(source.place !== 'gone', 'payload-is-there', () => `${decree.checksum}`);
    decree.source = { place: where };
  }

  #onChosen(through: Slot): void {
    const { checker } = this.#around;
    check(through > this.applied, 'applied-grows', () => `${through}`);
    for (let slot = this.applied + 1; slot <= through; slot += 1) {
      const entry = this.#log.get(slot);
      check(entry !== undefined, 'applied-is-a-gapless-prefix', () => `slot ${slot}`);
      this.#trace(() => `chosen ${slot}: ${entry.decree.checksum}`);
      checker.onChosen(slot, entry.decree);
    }
    this.applied = through;
    this.#chosen = through;
  }

  #serve({ to, from, through, bytesMax }: Extract<Effect, { kind: 'serve-fetch' }>): void {
    const link = this.#links.get(to);
    if (link === undefined) return;
    let left = bytesMax;
    let slot = from;
    for (; slot <= through && left > 0; slot += 1) {
      const entry = this.#log.get(slot);
      check(entry !== undefined, 'fetched-is-in-the-log', () => `slot ${slot}`);
      const { ballot, decree } = entry;
      left -= decree.bytes + 64;
      this.#post(link, { kind: 'learn', slot, ballot, decree: { ...decree, source: { place: 'log' } } });
    }
    this.#post(link, { kind: 'fetch-end', through: slot - 1, chosen: through });
  }

  #post(link: Link, message: Message, configuration: number = this.core!.configuration?.number ?? 0): void {
    const core = this.core!;
    const { checker, network, now } = this.#around;
    checker.onSend(this.disk, core.self, core.chosen, message);
    if ('decree' in message) {
      const source = message.decree.source as Place | null;
      check(source?.place !== 'gone', 'payload-is-there', () => describe(message));
    }
    this.#trace(() => `-> ${this.#around.ids[link.beyond(this.index).node]} ${describe(message)}`);
    const copy = 'decree' in message ? { ...message, decree: { ...message.decree } } : message;
    network.send(this.index, link, now, configuration, copy);
  }

  #trace(line: () => string): void {
    this.#around.trace?.(() => `${this.#around.now.toFixed(0).padStart(6)} ${this.id} ${line()}`);
  }
}

function withoutSource(key: string, value: unknown): unknown {
  return key === 'source' ? undefined : value;
}

export function describe(message: Message): string {
  return JSON.stringify(message, withoutSource);
}

/** FNV-1a. */
export function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x0100_0193);
  }
  return value >>> 0;
}
