/**
 * One replica in the world: the real protocol, and around it what the engine does with its effects: a log that becomes durable
 * late, checkpoints of its own and copied ones, answers to those who ask for decrees.
 */

import { type Ballot, MEMBER_NUMBER_MAX } from '../../src/protocol/ballot.js';
import { memberById } from '../../src/protocol/configuration.js';
import type { Identity, ProtocolOptions } from '../../src/protocol/context.js';
import type { DecreeReference, Slot } from '../../src/protocol/decree.js';
import type { Effect, LogRecord } from '../../src/protocol/effects.js';
import type { Input, PeerNumber } from '../../src/protocol/inputs.js';
import { Replica } from '../../src/protocol/replica.js';
import { check } from '../properties/checker.js';
import type { Random } from '../properties/random.js';
import { type Checkpoint, Disk, LogIndex } from './disk.js';
import { type Judge, Life, type ReadKind } from './judge.js';
import type { Line } from './line.js';

export interface Surroundings {
  readonly options: ProtocolOptions;
  /** Clocks run at 1 - this to 1 + this of the true rate. */
  readonly clockDriftMax: number;
  readonly random: Random;
  readonly judge: Judge;
  readonly now: number;
  /** Whoever is up, and not cut off, is linked; nobody else is. */
  relink(): void;
  /** A peer that asked for decrees that are gone gets the checkpoint, some time. */
  offer(line: Line, checkpoint: Checkpoint): void;
  /** The replica's application answers some time whether it may lead. */
  askToLead(node: Node, request: number): void;
  onOwnCheckpoint(): void;
}

const CHANCE_OF_A_TURN = 0.8;
const CHANCE_OF_LITTLE_ROOM = 0.1;
/** Of log, in bytes: more than the record of a small decree, less than that of a configuration. */
const LITTLE_ROOM = 600;
const FETCHED_AT_ONCE = 6;
const HARDENED_AT_ONCE = 6;
const CONFIGURATION_BYTES = 100;
/** Clocks begin anywhere. */
const CLOCK_OFFSET_MAX = 1_000_000;

export class Node {
  readonly index: number;
  readonly id: string;
  disk: Disk;
  /** Null while it is down. */
  replica: Replica | null = null;
  /** Grows with each start and crash: what was meant for a life before does not count. */
  epoch = 0;
  /** Nothing becomes durable. */
  isDiskStuck = false;
  readonly #around: Surroundings;
  /** The process stands still, and finds these when it goes on; null where it runs. */
  #waiting: Input[] | null = null;
  /** Number of the configuration that was in force when what is carried out was decided. */
  #configuration = 0;
  /** In true time: what comes of a turn was decided since the one before. */
  #turnedAt = 0;
  /** Came since then: a lease under that ballot was given back, and what was granted of it before may not have been carried out yet. */
  #released: Ballot = 0;
  /** A frame came since the last read by lease was asked for: it may have confirmed a round. */
  #hasHeard = true;
  /** The other end of each line that stands, as this replica knows it. */
  readonly #peers: Map<Line, PeerNumber> = new Map();
  #life: Life;
  #clock = { offset: 0, rate: 1 };
  #index = new LogIndex();
  #applied: Slot = 0;
  /** The records of a write end there. */
  #ends: Map<number, number> = new Map();
  #reported = 0;

  constructor(index: number, around: Surroundings) {
    const { id, incarnation } = identityOf(index, 1);
    this.index = index;
    this.id = id;
    this.disk = new Disk(incarnation);
    this.#around = around;
    this.#life = new Life(this.id, around.judge);
  }

  get isPrimary(): boolean {
    return this.replica?.role === 'primary';
  }
  /** It is up, and does not stand still. */
  get isAwake(): boolean {
    return this.replica !== null && this.#waiting === null;
  }
  get isConfigured(): boolean {
    return this.replica !== null && this.replica.configuration !== null;
  }
  get peers(): Iterable<PeerNumber> {
    return this.#peers.values();
  }
  /** By its own clock. */
  get #now(): number {
    return this.#clock.offset + this.#around.now * this.#clock.rate;
  }

  start(): void {
    const { random, judge, options, clockDriftMax } = this.#around;
    const { disk } = this;
    this.epoch += 1;
    this.#clock = {
      rate: random.between(1 - clockDriftMax, 1 + clockDriftMax),
      offset: random.between(0, CLOCK_OFFSET_MAX),
    };
    const { state, index, chosenByLog } = disk.recover(this.id);
    this.#harden(disk.length);
    judge.votes?.onRecovered(disk, state.promised, state.configuration);
    this.#configuration = state.configuration?.number ?? 0;
    this.#turnedAt = this.#around.now;
    this.#waiting = null;
    this.#index = index;
    for (let slot = (disk.checkpoint?.slot ?? 0) + 1; slot <= state.chosen; slot += 1)
      judge.onExecuted(this.id, slot, index.records.get(slot)!.decree);
    this.#applied = state.chosen;
    // A new segment tells in its header what was promised and chosen, and is durable before anybody hears of this process.
    disk.append({ kind: 'promise', ballot: state.promised }, chosenByLog);
    if (state.chosen > chosenByLog) this.#store({ kind: 'jump', slot: state.chosen });
    this.#harden(disk.length);
    this.#ends = new Map();
    this.#reported = 0;
    this.#life = new Life(this.id, judge);
    const draws = random.fork();
    const identity = { id: this.id, incarnation: disk.incarnation };
    this.replica = new Replica(options, identity, state, () => draws.real(), this.#now);
    this.turn();
    this.#around.relink();
  }

  crash(): void {
    this.disk.crash(this.#around.random);
    this.replica = null;
    this.#waiting = null;
    this.epoch += 1;
    this.#around.relink();
  }

  /** Its disk is lost with all that it knew, and it starts with another one. */
  wipe(): void {
    if (this.replica !== null) this.crash();
    this.disk = new Disk(identityOf(this.index, 2).incarnation);
    this.start();
  }

  step(input: Input): void {
    if (this.replica === null) return;
    if (this.#waiting !== null) {
      if (input.kind !== 'tick') this.#waiting.push(input);
      return;
    }
    if (input.kind === 'message' && input.message.kind === 'lease-release') {
      this.#released = input.message.ballot;
      this.#around.judge.words.onRelease(this.disk.incarnation, this.#released);
    }
    this.#hasHeard ||= input.kind === 'message';
    this.replica.step(input, this.#now);
    // The engine takes several inputs in a turn.
    if (this.#around.random.chance(CHANCE_OF_A_TURN)) this.turn();
  }

  turn(): void {
    if (!this.isAwake) return;
    const { random } = this.#around;
    const isFull = random.chance(CHANCE_OF_LITTLE_ROOM);
    const room = isFull ? random.below(LITTLE_ROOM) : Number.POSITIVE_INFINITY;
    for (const effect of this.replica!.takeEffects(room)) this.#carryOut(effect);
    this.#turnedAt = this.#around.now;
    this.#released = 0;
  }

  /** The process stands still, while its links stand and its disk goes on. */
  standStill(): void {
    if (this.isAwake) this.#waiting = [];
  }

  /** It goes on: its clock has advanced, and what came meanwhile waits in its sockets. */
  wake(): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting === null || this.replica === null) return;
    const { epoch } = this;
    if (this.#around.random.chance(0.5)) this.step({ kind: 'tick' });
    for (const input of waiting) if (this.epoch === epoch) this.step(input);
  }

  read(kind: ReadKind): void {
    if (this.replica === null) return;
    if (kind === 'lease-read') {
      // What came before belongs to turns before.
      this.turn();
      this.#hasHeard = !this.isAwake;
    }
    this.step({ kind, read: this.#life.onRead(kind) });
  }

  /** Of a replica that can propose now. */
  propose(checksum: number): void {
    this.step({
      kind: 'propose',
      decree: { kind: 1, bytes: 10, checksum, commands: 1, configuration: null, source: null },
    });
  }

  // Links.

  onLineUp(line: Line): void {
    const peer = this.#numberOf(line.to);
    this.#peers.set(line, peer);
    this.step({ kind: 'peer-up', peer });
  }

  onLineDown(line: Line): void {
    const peer = this.#peers.get(line);
    this.#peers.delete(line);
    if (peer !== undefined) this.step({ kind: 'peer-down', peer });
  }

  /** Takes the next frame from the other end of `line`. */
  receive(line: Line): void {
    const frame = line.back.frames.shift();
    const from = this.#peers.get(line);
    if (frame !== undefined && from !== undefined) this.step({ kind: 'message', from, ...frame });
  }

  /** The other end of `line` sends a checkpoint instead of what it was asked for. */
  expectCopy(line: Line): void {
    const peer = this.#peers.get(line);
    if (peer !== undefined) this.step({ kind: 'catching-up', peer });
  }

  /** Members are known by number, and by disk. */
  #numberOf(other: Node): PeerNumber {
    const configuration = this.replica?.configuration ?? null;
    const member = configuration === null ? undefined : memberById(configuration, other.id);
    if (member !== undefined && member.incarnation === other.disk.incarnation) return member.number;
    return MEMBER_NUMBER_MAX + 1 + other.index;
  }

  #renumber(): void {
    for (const [line, before] of [...this.#peers]) {
      const number = this.#numberOf(line.to);
      if (number === before) continue;
      this.replica!.step({ kind: 'peer-down', peer: before }, this.#now);
      this.#peers.set(line, number);
      this.replica!.step({ kind: 'peer-up', peer: number }, this.#now);
    }
  }

  #lineTo(peer: PeerNumber): Line | undefined {
    for (const [line, number] of this.#peers) if (number === peer) return line;
    return undefined;
  }

  // The disk.

  /** Some more records become durable, and the protocol is told. */
  harden(): void {
    if (this.replica === null || this.isDiskStuck) return;
    this.#harden(this.disk.durable + 1 + this.#around.random.below(HARDENED_AT_ONCE));
    this.#reportDurable();
  }

  #harden(length: number): void {
    const { votes } = this.#around.judge;
    for (const record of this.disk.harden(length)) votes?.onDurable(this.disk.incarnation, record);
  }

  #reportDurable(): void {
    let durable = this.#reported;
    for (const [write, end] of this.#ends) {
      if (end > this.disk.durable) continue;
      durable = Math.max(durable, write);
      this.#ends.delete(write);
    }
    if (durable === this.#reported) return;
    this.#reported = durable;
    this.step({ kind: 'durable', write: durable });
  }

  #store(record: LogRecord): void {
    this.disk.append(record, this.#applied);
    if (record.kind === 'accept' || record.kind === 'learn') this.#index.set(record);
    if (record.kind === 'jump') this.#index.dropBelow(record.slot + 1);
  }

  /** Makes one of all that was executed, and drops the log's decrees, where what it rests on is durable; `isForced`: after waiting for that. */
  makeCheckpoint(isForced = false): void {
    this.turn();
    const { disk, replica } = this;
    if (replica === null || replica.configuration === null || !this.isAwake) return;
    if (replica.chosen <= (disk.checkpoint?.slot ?? 0)) return;
    if (isForced) {
      this.#harden(disk.length);
      this.#reportDurable();
    } else if (disk.durable < disk.length) return;
    const { chosen: slot, promised } = replica;
    disk.checkpoint = { slot, configuration: replica.configuration, promised };
    this.#index.dropBelow(slot + 1);
    this.#around.onOwnCheckpoint();
  }

  /** Puts a copied checkpoint on the disk; false where it tells nothing new. */
  keepCopy(checkpoint: Checkpoint): boolean {
    this.turn();
    if (!this.isAwake || checkpoint.slot <= this.replica!.chosen) return false;
    this.disk.checkpoint = checkpoint;
    return true;
  }

  /** Goes on from the checkpoint that was put there. */
  installCopy({ slot, configuration, promised }: Checkpoint): void {
    this.replica!.step({ kind: 'installed', slot, configuration, promised }, this.#now);
    this.turn();
  }

  // Effects.

  #carryOut(effect: Effect): void {
    switch (effect.kind) {
      case 'append':
        this.#append(effect.record);
        this.#ends.set(effect.write, this.disk.length);
        break;
      case 'send':
        this.#send(effect);
        break;
      case 'chosen':
        this.#execute(effect.through);
        break;
      case 'serve-fetch':
        this.#serve(effect);
        break;
      case 'configuration':
        this.#configuration = effect.configuration.number;
        this.#life.onNumber(effect.self);
        this.#renumber();
        break;
      case 'ask-to-lead':
        this.#around.askToLead(this, effect.request);
        break;
      case 'read-slot':
        this.#life.onAnswer(effect.isLease ? 'lease-read' : 'read', effect.read, effect.slot);
        if (effect.isLease && !this.#hasHeard && this.isPrimary)
          this.#around.judge.votes?.onAnsweredAtOnce(this.replica!.ballot, this.replica!.configuration!);
        break;
      default:
        // The rest is for the application and for clocks.
        break;
    }
  }

  #send(effect: Extract<Effect, { kind: 'send' }>): void {
    const { judge, now, options } = this.#around;
    const { incarnation } = this.disk;
    const { message, configuration } = effect;
    judge.votes?.onSend(this.disk, this.replica!.chosen, configuration, message);
    if (message.kind === 'promised' || message.kind === 'prepare')
      judge.words.onPromise(incarnation, message.ballot, now);
    else if (message.kind === 'lease-grant') {
      const { durationMs, clockDriftMax } = options.lease!;
      judge.words.onGrant(incarnation, message.ballot, this.#turnedAt + durationMs / (1 + clockDriftMax));
      // It has not, or not all of it, been told before: what came in the same turn may have ended it.
      judge.words.onRelease(incarnation, this.#released);
    }
    this.#lineTo(effect.to)?.send(effect);
  }

  #append(record: LogRecord): void {
    if (!('decree' in record)) {
      this.#store(record);
      return;
    }
    const { decree } = record;
    if (decree.configuration !== null) encodeConfiguration(decree);
    if (record.kind === 'accept')
      this.#around.judge.votes?.onAccept(this.#configuration, record.ballot, record.slot, decree);
    this.#store({ ...record, decree: { ...decree } });
  }

  #execute(through: Slot): void {
    for (let slot = this.#applied + 1; slot <= through; slot += 1) {
      const record = this.#index.records.get(slot);
      if (record !== undefined) this.#around.judge.onExecuted(this.id, slot, record.decree);
      // What a copied checkpoint holds was executed by whoever made it.
      const isCopied = slot <= (this.disk.checkpoint?.slot ?? 0);
      check(record !== undefined || isCopied, 'no-hole', () => `slot ${slot} of ${this.id} is chosen`);
    }
    this.#applied = Math.max(this.#applied, through);
  }

  #serve({ to, from, through }: Extract<Effect, { kind: 'serve-fetch' }>): void {
    const line = this.#lineTo(to);
    if (line === undefined) return;
    const { checkpoint } = this.disk;
    const { records } = this.#index;
    if (checkpoint !== null && from <= checkpoint.slot && !records.has(from)) {
      this.#around.offer(line, checkpoint);
      return;
    }
    const configuration = this.replica!.configuration?.number ?? 0;
    let slot = from;
    for (; slot <= through && slot < from + FETCHED_AT_ONCE; slot += 1) {
      const record = records.get(slot);
      if (record === undefined) break;
      const { ballot, decree } = record;
      this.#around.judge.votes?.onChosen(this.id, slot, decree);
      line.send({ configuration, message: { kind: 'learn', slot, ballot, decree } });
    }
    line.send({ configuration, message: { kind: 'fetch-end', through: slot - 1, chosen: through } });
  }
}

/** With the disk of that number, from 1 on. */
export function identityOf(index: number, disk: number): Identity {
  const id = String.fromCharCode('a'.charCodeAt(0) + index);
  return { id, incarnation: `${index + 1}${disk}`.padStart(32, '0') };
}

/** What the engine does when it appends one that was proposed here: from then on it has a length and a checksum. */
function encodeConfiguration(decree: DecreeReference): void {
  let checksum = 7;
  for (const character of JSON.stringify(decree.configuration))
    checksum = (checksum * 31 + character.charCodeAt(0)) % 0x7fff_ffff;
  decree.bytes = CONFIGURATION_BYTES;
  decree.checksum = checksum;
}
