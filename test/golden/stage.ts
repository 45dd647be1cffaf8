/**
 * A cluster that does only what it is told, command by command, and writes down everything that is said and done.
 * Nothing is left to chance: replica "a" is the least patient, then "b", and so on.
 */

import { formatBallot, MEMBER_NUMBER_MAX } from '../../src/protocol/ballot.js';
import type { Configuration } from '../../src/protocol/configuration.js';
import { genesisConfiguration, memberById } from '../../src/protocol/configuration.js';
import type { DecreeReference } from '../../src/protocol/decree.js';
import type { Effect, LogRecord } from '../../src/protocol/effects.js';
import type { Message } from '../../src/protocol/messages.js';
import { Replica } from '../../src/protocol/replica.js';
import { addToLog, Disk, type LogEntry } from '../properties/disk.js';
import { decree, incarnationOf, options } from '../protocol/harness.js';
import { nameOf, showMembers, showMessage, showRecord } from '../protocol/show.js';

const OUTSIDERS = MEMBER_NUMBER_MAX + 1;
const STEP_MS = 10;

interface Sent {
  readonly configuration: number;
  readonly message: Message;
}

class Actor {
  readonly id: string;
  readonly index: number;
  disk: Disk;
  core: Replica | null = null;
  genesis: Configuration | null = null;
  log: Map<number, LogEntry> = new Map();
  /** Ids of linked replicas, by the number that the protocol knows them by. */
  readonly peers: Map<number, string> = new Map();
  base = 0;
  reported = 0;
  chosen = 0;
  lives = 1;
  role = '';

  constructor(id: string, index: number) {
    this.id = id;
    this.index = index;
    this.disk = new Disk(incarnationOf(id));
  }
}

/** What is said so often that a wait does not show it, unless it tells something new. */
const routine = new Set<Message['kind']>(['heartbeat', 'heartbeat-reply']);

export class Stage {
  readonly #actors: Map<string, Actor> = new Map();
  /** Messages under way, by "from to". */
  readonly #queues: Map<string, Sent[]> = new Map();
  readonly #links: Set<string> = new Set();
  #now = 0;
  #lines: string[] = [];
  #hidesRoutine = false;

  /** Runs one command; what happened, line by line. */
  run(command: string): string[] {
    this.#lines = [];
    const [verb, ...words] = command.split(/\s+/);
    switch (verb) {
      case 'cluster':
        this.#cluster(words, true);
        break;
      case 'empty-cluster':
        this.#cluster(words, false);
        break;
      case 'link':
        this.#eachPair(words, (a, b) => this.#link(a, b));
        break;
      case 'cut':
        this.#eachPair(words, (a, b) => this.#cut(a, b));
        break;
      case 'propose':
        this.#propose(this.#actor(words[0]!), words.slice(1));
        break;
      case 'deliver':
        this.#deliver(words[0]!, words[1]!, Number(words[2] ?? Number.POSITIVE_INFINITY));
        break;
      case 'sync':
        for (const actor of this.#chosen(words)) this.#sync(actor);
        break;
      case 'settle':
        this.#settle();
        break;
      case 'tick':
        for (const actor of this.#chosen(words)) {
          actor.core?.step({ kind: 'tick' }, this.#now);
          this.#end(actor);
        }
        break;
      case 'wait':
        this.#wait(Number(words[0]));
        break;
      case 'crash':
        for (const actor of this.#chosen(words)) this.#crash(actor);
        break;
      case 'wipe':
        for (const actor of this.#chosen(words)) this.#wipe(actor);
        break;
      case 'start':
        for (const actor of this.#chosen(words)) this.#start(actor);
        break;
      case 'status':
        for (const actor of this.#actors.values()) this.#status(actor);
        break;
      default:
        throw new Error(`no such command: ${command}`);
    }
    return this.#lines;
  }

  #say(line: string): void {
    this.#lines.push(line);
  }

  #actor(id: string): Actor {
    const actor = this.#actors.get(id);
    if (actor === undefined) throw new Error(`no replica ${id}`);
    return actor;
  }

  /** The named ones; all of them where it says "all". */
  #chosen(words: readonly string[]): Actor[] {
    return words[0] === 'all' ? [...this.#actors.values()] : words.map((id) => this.#actor(id));
  }

  /** "all", one replica and all others, or the first one and each of the rest. */
  #eachPair(words: readonly string[], visit: (a: Actor, b: Actor) => void): void {
    const all = [...this.#actors.values()];
    if (words[0] === 'all') {
      for (const a of all) for (const b of all) if (a.index < b.index) visit(a, b);
      return;
    }
    const first = this.#actor(words[0]!);
    const others = words.length > 1 ? words.slice(1).map((id) => this.#actor(id)) : all;
    for (const other of others) if (other !== first) visit(first, other);
  }

  #cluster(ids: readonly string[], hasGenesis: boolean): void {
    ids.forEach((id, index) => {
      this.#actors.set(id, new Actor(id, index));
    });
    for (const actor of this.#actors.values()) {
      if (hasGenesis) {
        const configuration = genesisConfiguration(ids.map((id) => ({ id, incarnation: incarnationOf(id) })));
        actor.disk.append({ record: { kind: 'genesis', configuration }, chosen: 0 });
        actor.disk.harden(1);
      }
      this.#start(actor);
    }
    this.#eachPair(['all'], (a, b) => this.#link(a, b));
    if (hasGenesis) this.#lines = [];
  }

  #start(actor: Actor): void {
    const { state, genesis, log } = actor.disk.recover();
    actor.genesis = genesis;
    actor.log = log;
    actor.base = actor.disk.records.length;
    actor.reported = 0;
    actor.chosen = state.chosen;
    const patience = actor.index / this.#actors.size;
    actor.core = new Replica(
      options,
      { id: actor.id, incarnation: actor.disk.incarnation },
      state,
      () => patience,
      this.#now,
    );
    actor.role = '';
    this.#say(`${actor.id} starts: promised ${formatBallot(state.promised)}, chosen ${state.chosen}`);
    this.#end(actor);
  }

  #crash(actor: Actor): void {
    if (actor.core === null) return;
    const lost = actor.disk.records.length - actor.disk.durable;
    actor.disk.lose();
    actor.core = null;
    this.#say(`${actor.id} dies${lost > 0 ? `, and ${lost} unsynced records with it` : ''}`);
    for (const other of this.#actors.values()) if (other !== actor) this.#cut(actor, other);
    actor.peers.clear();
  }

  #wipe(actor: Actor): void {
    this.#crash(actor);
    actor.lives += 1;
    actor.disk = new Disk(incarnationOf(actor.id, actor.lives));
    this.#say(`${actor.id} has an empty disk now`);
  }

  // Links.

  #pair(a: Actor, b: Actor): string {
    return a.index < b.index ? `${a.id} ${b.id}` : `${b.id} ${a.id}`;
  }

  #link(a: Actor, b: Actor): void {
    if (a.core === null || b.core === null || this.#links.has(this.#pair(a, b))) return;
    this.#links.add(this.#pair(a, b));
    const met = [a.genesis !== null, b.genesis !== null];
    this.#meet(a, b);
    this.#meet(b, a);
    if (met[0] && !met[1]) this.#post(a, b.id, { kind: 'genesis', configuration: a.genesis! });
    if (met[1] && !met[0]) this.#post(b, a.id, { kind: 'genesis', configuration: b.genesis! });
    this.#end(a);
    this.#end(b);
    this.#drawUpGenesis();
  }

  #meet(actor: Actor, other: Actor): void {
    const number = this.#numberOf(actor, other);
    actor.peers.set(number, other.id);
    actor.core!.step({ kind: 'peer-up', peer: number }, this.#now);
  }

  #numberOf(actor: Actor, other: Actor): number {
    const { configuration } = actor.core!;
    const member = configuration === null ? undefined : memberById(configuration, other.id);
    return member?.incarnation === other.disk.incarnation ? member.number : OUTSIDERS + other.index;
  }

  #cut(a: Actor, b: Actor): void {
    if (!this.#links.delete(this.#pair(a, b))) return;
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      for (const { message } of this.#queues.get(`${from.id} ${to.id}`) ?? [])
        this.#say(`${from.id} -> ${to.id}: lost: ${showMessage(message)}`);
      this.#queues.delete(`${from.id} ${to.id}`);
      for (const [number, id] of to.peers) {
        if (id !== from.id) continue;
        to.peers.delete(number);
        to.core?.step({ kind: 'peer-down', peer: number }, this.#now);
      }
      this.#end(to);
    }
  }

  #drawUpGenesis(): void {
    const [author] = this.#actors.values();
    if (author === undefined || author.core === null || author.genesis !== null) return;
    const others = [...this.#actors.values()].filter((actor) => actor !== author);
    const isReady = others.every(
      (other) => this.#links.has(this.#pair(author, other)) && other.genesis === null,
    );
    if (!isReady) return;
    const configuration = genesisConfiguration(
      [...this.#actors.values()].map(({ id, disk }) => ({ id, incarnation: disk.incarnation })),
    );
    this.#say(`${author.id} has met everyone and draws up the first configuration`);
    this.#hear(author, 0, { configuration: 0, message: { kind: 'genesis', configuration } });
    this.#end(author);
    for (const other of others) this.#post(author, other.id, { kind: 'genesis', configuration });
  }

  // Turns.

  #propose(actor: Actor, names: readonly string[]): void {
    for (const name of names) {
      actor.core!.step({ kind: 'propose', decree: decree(name) }, this.#now);
      this.#end(actor);
    }
  }

  #hear(actor: Actor, from: number, { configuration, message }: Sent): void {
    if (message.kind === 'genesis') actor.genesis ??= message.configuration;
    const copy = 'decree' in message ? { ...message, decree: { ...message.decree } } : message;
    actor.core!.step({ kind: 'message', from, configuration, message: copy }, this.#now);
  }

  #deliver(from: string, to: string, count: number): number {
    const queue = this.#queues.get(`${from} ${to}`) ?? [];
    const actor = this.#actor(to);
    let done = 0;
    for (; done < count && queue.length > 0; done += 1) {
      const sent = queue.shift()!;
      const peer = [...actor.peers].find(([, id]) => id === from);
      if (peer !== undefined && actor.core !== null) this.#hear(actor, peer[0], sent);
    }
    if (done > 0) this.#end(actor);
    return done;
  }

  #sync(actor: Actor): boolean {
    const write = actor.disk.records.length - actor.base;
    if (actor.core === null || write <= actor.reported) return false;
    actor.disk.harden(actor.disk.records.length);
    actor.reported = write;
    if (!this.#hidesRoutine) this.#say(`${actor.id}: its disk has everything`);
    actor.core.step({ kind: 'durable', write }, this.#now);
    this.#end(actor);
    return true;
  }

  /** Messages arrive and disks sync until nobody has anything more to say. */
  #settle(): void {
    for (let isBusy = true; isBusy; ) {
      isBusy = false;
      for (const from of this.#actors.keys())
        for (const to of this.#actors.keys())
          if (from !== to && this.#deliver(from, to, Number.POSITIVE_INFINITY) > 0) isBusy = true;
      for (const actor of this.#actors.values()) if (this.#sync(actor)) isBusy = true;
    }
  }

  /** Time passes, and everything arrives at once. What is said again and again is not shown. */
  #wait(ms: number): void {
    this.#hidesRoutine = true;
    for (const end = this.#now + ms; this.#now < end; ) {
      this.#now += STEP_MS;
      for (const actor of this.#actors.values()) {
        actor.core?.step({ kind: 'tick' }, this.#now);
        this.#end(actor);
      }
      this.#settle();
    }
    this.#hidesRoutine = false;
  }

  /** End of the actor's turn: its effects, carried out and written down. */
  #end(actor: Actor): void {
    if (actor.core === null) return;
    for (const effect of actor.core.takeEffects()) this.#carryOut(actor, effect);
  }

  #carryOut(actor: Actor, effect: Effect): void {
    switch (effect.kind) {
      case 'append':
        this.#append(actor, effect.record);
        break;
      case 'send': {
        const to = actor.peers.get(effect.to);
        if (to !== undefined) this.#post(actor, to, effect.message, effect.configuration);
        break;
      }
      case 'change-settled':
      case 'retain':
        break;
      case 'chosen': {
        const names: string[] = [];
        for (let slot = actor.chosen + 1; slot <= effect.through; slot += 1)
          names.push(`${slot} = ${nameOf(actor.log.get(slot)!.decree)}`);
        actor.chosen = effect.through;
        this.#say(`${actor.id}: chosen: ${names.join(', ')}`);
        break;
      }
      case 'serve-fetch': {
        let slot = effect.from;
        for (let left = effect.bytesMax; slot <= effect.through && left > 0; slot += 1) {
          const { ballot, decree: one } = actor.log.get(slot)!;
          left -= one.bytes + 64;
          const to = actor.peers.get(effect.to)!;
          this.#post(actor, to, { kind: 'learn', slot, ballot, decree: { ...one } });
        }
        const to = actor.peers.get(effect.to)!;
        this.#post(actor, to, { kind: 'fetch-end', through: slot - 1, chosen: effect.through });
        break;
      }
      case 'status':
        if (effect.role !== actor.role) this.#say(`${actor.id}: is ${effect.role} now`);
        actor.role = effect.role;
        break;
      case 'configuration': {
        const { configuration, self } = effect;
        const what = self === 0 ? 'it is no member' : `it is ${self}`;
        this.#say(
          `${actor.id}: configuration ${configuration.number} (${showMembers(configuration)}), ${what}`,
        );
        this.#renumber(actor);
        break;
      }
    }
  }

  #renumber(actor: Actor): void {
    for (const [number, id] of [...actor.peers]) {
      const other = this.#actor(id);
      if (this.#numberOf(actor, other) === number) continue;
      actor.peers.delete(number);
      actor.core!.step({ kind: 'peer-down', peer: number }, this.#now);
      this.#meet(actor, other);
    }
  }

  #append(actor: Actor, record: LogRecord): void {
    if (record.kind === 'accept' || record.kind === 'learn') {
      this.#fill(record.decree);
      const { kind, slot, ballot } = record;
      addToLog(actor.log, slot, { kind, ballot, decree: { ...record.decree } });
    }
    const copy = 'decree' in record ? { ...record, decree: { ...record.decree } } : record;
    actor.disk.append({ record: copy, chosen: actor.chosen });
    this.#say(`${actor.id}: writes ${showRecord(record)}`);
  }

  /** The engine encodes a configuration when it is first written. */
  #fill(one: DecreeReference): void {
    if (one.configuration === null || one.bytes > 0) return;
    one.bytes = JSON.stringify(one.configuration).length;
    one.checksum = 1000 + one.configuration.number;
    for (const letter of showMembers(one.configuration))
      one.checksum = (one.checksum * 31 + letter.charCodeAt(0)) % 0x7fff_ffff;
  }

  #post(
    actor: Actor,
    to: string,
    message: Message,
    configuration: number = actor.core!.configuration?.number ?? 0,
  ): void {
    if (!(this.#hidesRoutine && routine.has(message.kind)))
      this.#say(`${actor.id} -> ${to}: ${showMessage(message)}`);
    const queue = this.#queues.get(`${actor.id} ${to}`) ?? [];
    this.#queues.set(`${actor.id} ${to}`, queue);
    const copy = 'decree' in message ? { ...message, decree: { ...message.decree } } : message;
    queue.push({ configuration, message: copy });
  }

  #status(actor: Actor): void {
    const { core } = actor;
    if (core === null) {
      this.#say(`${actor.id}: down`);
      return;
    }
    const open = [...core.accepted]
      .map(([slot, { ballot, decree: one }]) => `${slot} = ${nameOf(one)} of ${formatBallot(ballot)}`)
      .join(', ');
    const primary = core.configuration?.members.find(({ number }) => number === core.primary)?.id ?? 'none';
    this.#say(
      `${actor.id}: ${core.role}, primary ${primary}, promised ${formatBallot(core.promised)}, chosen ${core.chosen}${
        open === '' ? '' : `, accepted ${open}`
      }`,
    );
  }
}
