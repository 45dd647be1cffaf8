/**
 * Several replicas of the protocol that talk to each other, for scenes which take more than one: links, deaths and slow disks are the test's
 * to order, everything else happens by itself, in the order in which it was sent.
 */

import { MEMBER_NUMBER_MAX } from '../../src/protocol/ballot.js';
import type { DecreeReference, Slot } from '../../src/protocol/decree.js';
import type { Effect } from '../../src/protocol/effects.js';
import type { Input, PeerNumber } from '../../src/protocol/inputs.js';
import type { Message } from '../../src/protocol/messages.js';
import { Replica } from '../../src/protocol/replica.js';
import { incarnationOf, options, recovered, type Setting } from './harness.js';
import { nameOf } from './show.js';

/** How much earlier a replica loses patience than those behind it: they stand in the order in which they came. */
const PATIENCE_STEP = 0.3;

interface Actor {
  readonly id: string;
  readonly replica: Replica;
  /** Its newest decree in each slot. */
  readonly log: Map<Slot, DecreeReference & { ballot: number }>;
  /** Peers that it has a link to, and the numbers that it knows them by. */
  readonly peers: Map<string, PeerNumber>;
  isAlive: boolean;
  /** What it writes is not durable, until the test says otherwise. */
  isDiskStuck: boolean;
  /** The highest ballot that its log tells to be promised: by a promise or an acceptance (log-state.ts). */
  recorded: number;
}

export class Stage {
  now = 1000;
  /** What each replica holds for chosen, by slot. */
  readonly chosen: Map<Slot, Record<string, string>> = new Map();
  /** Messages that are lost. */
  isLost: (from: string, to: string, message: Message) => boolean = () => false;
  readonly #actors: Map<string, Actor> = new Map();
  readonly #links: Set<string> = new Set();
  readonly #queue: (() => void)[] = [];

  enter(id: string, setting: Omit<Setting, 'id' | 'linked' | 'random'> = {}): void {
    const patience = Math.min(0.9, this.#actors.size * PATIENCE_STEP);
    const identity = { id, incarnation: incarnationOf(id, setting.life) };
    const state = recovered({ ...setting, id });
    const replica = new Replica(options, identity, state, () => patience, this.now);
    const log = new Map<Slot, DecreeReference & { ballot: number }>();
    for (const [slot, { ballot, decree }] of state.accepted) log.set(slot, { ...decree, ballot });
    this.#actors.set(id, {
      id,
      replica,
      log,
      peers: new Map(),
      isAlive: true,
      isDiskStuck: false,
      recorded: state.promised,
    });
  }

  /** It dies, and is opened again with what its log has; all of that is durable. */
  restart(id: string): void {
    const { replica, log, recorded } = this.#actor(id);
    this.kill(id);
    const { chosen, configuration } = replica;
    const accepted: Record<Slot, readonly [number, DecreeReference]> = {};
    for (const [slot, { ballot, ...one }] of log) if (slot > chosen) accepted[slot] = [ballot, one];
    this.enter(id, { configuration: configuration!, promised: recorded, chosen, accepted });
    for (const [slot, one] of log) this.#actor(id).log.set(slot, one);
  }

  replica(id: string): Replica {
    return this.#actor(id).replica;
  }

  /** Ids of all that take themselves for primary. */
  get primaries(): string[] {
    return [...this.#actors.values()]
      .filter(({ isAlive, replica }) => isAlive && replica.role === 'primary')
      .map(({ id }) => id);
  }

  link(...ids: string[]): void {
    for (const one of ids) for (const other of ids) if (one < other) this.#links.add(one + other);
    this.#settle();
  }

  cut(id: string): void {
    for (const link of this.#links) if (link.includes(id)) this.#links.delete(link);
    this.#settle();
  }

  kill(...ids: string[]): void {
    for (const id of ids) this.#actor(id).isAlive = false;
    this.#settle();
  }

  stickDisk(id: string): void {
    this.#actor(id).isDiskStuck = true;
  }

  feed(id: string, input: Input): void {
    const actor = this.#actor(id);
    actor.replica.step(input, this.now);
    this.#carryOut(actor);
    this.#settle();
  }

  propose(id: string, decree: DecreeReference): void {
    this.feed(id, { kind: 'propose', decree });
  }

  wait(ms: number): void {
    for (const end = this.now + ms; this.now < end; ) {
      this.now += 10;
      for (const actor of this.#actors.values()) {
        if (!actor.isAlive) continue;
        actor.replica.step({ kind: 'tick' }, this.now);
        this.#carryOut(actor);
      }
      this.#settle();
    }
  }

  #actor(id: string): Actor {
    return this.#actors.get(id)!;
  }

  #settle(): void {
    this.#reconnect();
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      next();
      this.#reconnect();
    }
  }

  /** Links come and go; and a peer that a configuration gives another number is another one. */
  #reconnect(): void {
    for (const actor of this.#actors.values()) {
      if (!actor.isAlive) continue;
      for (const other of this.#actors.values()) {
        const before = actor.peers.get(other.id);
        const after = this.#isLinked(actor, other) ? numberOf(actor, other.id) : undefined;
        if (before === after) continue;
        actor.peers.delete(other.id);
        if (before !== undefined) actor.replica.step({ kind: 'peer-down', peer: before }, this.now);
        if (after === undefined) continue;
        actor.peers.set(other.id, after);
        actor.replica.step({ kind: 'peer-up', peer: after }, this.now);
      }
    }
  }

  #isLinked(one: Actor, other: Actor): boolean {
    const [first, second] = [one.id, other.id].sort();
    return other.isAlive && this.#links.has(`${first}${second}`);
  }

  #carryOut(actor: Actor): void {
    for (const effect of actor.replica.takeEffects()) this.#do(actor, effect);
  }

  #do(actor: Actor, effect: Effect): void {
    switch (effect.kind) {
      case 'append': {
        const { record, write } = effect;
        if (record.kind === 'accept' || record.kind === 'promise')
          actor.recorded = Math.max(actor.recorded, record.ballot);
        if (record.kind === 'accept' || record.kind === 'learn') {
          const { decree, slot, ballot } = record;
          if (decree.configuration !== null) decree.checksum = 1000 + decree.configuration.number;
          actor.log.set(slot, { ...decree, ballot });
        }
        if (!actor.isDiskStuck)
          this.#queue.push(() => this.#input(actor, { kind: 'durable', write }, () => true));
        break;
      }
      case 'send':
        this.#send(actor, effect.to, effect.configuration, effect.message);
        break;
      case 'serve-fetch': {
        const configuration = actor.replica.configuration!.number;
        let slot = effect.from;
        for (let held = actor.log.get(slot); held !== undefined && slot <= effect.through; ) {
          const { ballot, ...decree } = held;
          this.#send(actor, effect.to, configuration, { kind: 'learn', slot, ballot, decree });
          slot += 1;
          held = actor.log.get(slot);
        }
        this.#send(actor, effect.to, configuration, {
          kind: 'fetch-end',
          through: slot - 1,
          chosen: actor.replica.chosen,
        });
        break;
      }
      case 'chosen':
        for (let slot = 1; slot <= effect.through; slot += 1) {
          const decree = actor.log.get(slot);
          if (decree === undefined) continue;
          const name =
            decree.configuration === null ? nameOf(decree) : `configuration ${decree.configuration.number}`;
          this.chosen.set(slot, { ...this.chosen.get(slot), [actor.id]: name });
        }
        break;
      default:
    }
  }

  #send(from: Actor, to: PeerNumber, configuration: number, message: Message): void {
    const id = [...from.peers].find(([, number]) => number === to)?.[0];
    if (id === undefined || this.isLost(from.id, id, message)) return;
    const receiver = this.#actor(id);
    this.#queue.push(() => {
      const number = numberOf(receiver, from.id);
      const isUp = (): boolean => this.#isLinked(receiver, from) && receiver.peers.get(from.id) === number;
      this.#input(receiver, { kind: 'message', from: number, configuration, message }, isUp);
    });
  }

  #input(actor: Actor, input: Input, isPossible: () => boolean): void {
    if (!actor.isAlive || !isPossible()) return;
    actor.replica.step(input, this.now);
    this.#carryOut(actor);
  }
}

/** Members by the numbers of their disks; whoever is none has one behind those. */
function numberOf({ replica }: Actor, id: string): PeerNumber {
  const member = replica.configuration?.members.find((one) => one.id === id);
  return member?.incarnation === incarnationOf(id) ? member.number : MEMBER_NUMBER_MAX + 1 + id.charCodeAt(0);
}
