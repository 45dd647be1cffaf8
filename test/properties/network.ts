/**
 * Links between replicas. While a link lives, what is sent on it arrives in order, after a while; when it breaks, each
 * direction loses everything from some point on, and the two ends notice at different times.
 */

import type { Message } from '../../src/protocol/messages.js';
import type { Random } from './random.js';

export interface Envelope {
  readonly arrivesAt: number;
  readonly configuration: number;
  readonly message: Message;
}

/** What an end of a link says of itself when the link is made. */
export interface Greeting {
  readonly incarnation: string;
  readonly hasGenesis: boolean;
}

/** One direction, and the end that it arrives at. */
export interface End {
  /** The replica at this end. */
  readonly node: number;
  /** The replica at the other end. */
  readonly peer: number;
  readonly peerGreeting: Greeting;
  /** On its way here. */
  queue: Envelope[];
  state: 'opening' | 'up' | 'down';
  /** The number that the protocol at this end knows the peer by. */
  number: number;
  /** When this end notices that the link is broken. */
  noticesAt: number;
  /** Nothing arrives here before this time, though the link stands. */
  stalledUntil: number;
}

export class Link {
  readonly ends: readonly [End, End];
  isBroken = false;

  constructor(a: number, b: number, greetings: readonly [Greeting, Greeting]) {
    const end = (node: number, peer: number, peerGreeting: Greeting): End => ({
      node,
      peer,
      peerGreeting,
      queue: [],
      state: 'opening',
      number: 0,
      noticesAt: Number.POSITIVE_INFINITY,
      stalledUntil: 0,
    });
    this.ends = [end(a, b, greetings[1]), end(b, a, greetings[0])];
  }

  at(node: number): End {
    return this.ends[0].node === node ? this.ends[0] : this.ends[1];
  }

  /** The other end of the link than `node`'s. */
  beyond(node: number): End {
    return this.ends[0].node === node ? this.ends[1] : this.ends[0];
  }

  break(now: number, random: Random): void {
    if (this.isBroken) return;
    this.isBroken = true;
    for (const end of this.ends) {
      end.queue.length = random.chance(0.5) ? 0 : random.below(end.queue.length + 1);
      end.noticesAt = random.chance(0.6) ? now : now + random.between(0, 120);
    }
  }

  get isGone(): boolean {
    return this.ends.every((end) => end.state === 'down');
  }
}

export class Network {
  readonly size: number;
  /** Pairs that no link can be made between, by `pair`. */
  readonly #blockedUntil: number[];
  readonly #links: (Link | null)[];
  readonly #retryAt: number[];
  readonly #random: Random;
  latencyMin = 0;
  latencyMax = 4;

  constructor(size: number, random: Random) {
    this.size = size;
    this.#random = random;
    this.#blockedUntil = new Array(size * size).fill(0);
    this.#links = new Array(size * size).fill(null);
    this.#retryAt = new Array(size * size).fill(0);
  }

  #pair(a: number, b: number): number {
    return a < b ? a * this.size + b : b * this.size + a;
  }

  link(a: number, b: number): Link | null {
    return this.#links[this.#pair(a, b)]!;
  }

  /** No messages between the two before `until`; what is under way is cut off. */
  block(a: number, b: number, now: number, until: number): void {
    this.#blockedUntil[this.#pair(a, b)] = until;
    this.link(a, b)?.break(now, this.#random);
  }

  unblockAll(): void {
    this.#blockedUntil.fill(0);
    for (const link of this.#links) for (const end of link?.ends ?? []) end.stalledUntil = 0;
  }

  isBlocked(a: number, b: number, now: number): boolean {
    return this.#blockedUntil[this.#pair(a, b)]! > now;
  }

  /** Makes a link where none is, none is forbidden and both replicas are there; `greet` is null where one is not. */
  connect(now: number, greet: (node: number) => Greeting | null): void {
    for (let a = 0; a < this.size; a += 1) {
      for (let b = a + 1; b < this.size; b += 1) {
        const pair = this.#pair(a, b);
        const link = this.#links[pair]!;
        if (link !== null && !link.isGone) continue;
        if (link !== null) {
          this.#links[pair] = null;
          this.#retryAt[pair] = now + this.#random.between(0, 25);
        }
        if (this.isBlocked(a, b, now) || now < this.#retryAt[pair]!) continue;
        const greetings = [greet(a), greet(b)] as const;
        if (greetings[0] === null || greetings[1] === null) continue;
        this.#links[pair] = new Link(a, b, [greetings[0], greetings[1]]);
      }
    }
  }

  send(from: number, link: Link, now: number, configuration: number, message: Message): void {
    if (link.isBroken) return;
    const { queue } = link.beyond(from);
    const earliest = queue.at(-1)?.arrivesAt ?? 0;
    const arrivesAt = Math.max(earliest, now + this.#random.between(this.latencyMin, this.latencyMax));
    queue.push({ arrivesAt, configuration, message });
  }

  breakAllOf(node: number, now: number): void {
    for (let other = 0; other < this.size; other += 1) {
      if (other === node) continue;
      const link = this.link(node, other);
      if (link === null) continue;
      link.break(now, this.#random);
      // The process is gone: it notices nothing any more.
      link.at(node).state = 'down';
      link.at(node).queue.length = 0;
    }
  }
}
