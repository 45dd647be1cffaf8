/** One end of a simulated connection, with what it sent and the other end has not received yet. */

import { requires } from '../../src/contracts.js';
import type { DialledConnection } from '../../src/transport/transport.js';
import type { Network } from './network.js';
import { cut } from './slab.js';
import type { SimulatedTransport } from './transport.js';

interface OutgoingFrame {
  readonly header: Uint8Array;
  /** Still the sender's memory: what is in it when the frame is delivered is what arrives. */
  payload: Uint8Array | null;
  start: number;
  end: number;
  readonly hasPayload: boolean;
  /** Infinity until flushed. */
  arrivesAt: number;
}

/** Frames of this kind and above come after the handshake. */
const KIND_AT = 9;
const FIRST_MESSAGE_KIND = 10;

export class SimulatedConnection implements DialledConnection {
  readonly id: number;
  readonly inbound: boolean;
  readonly token: number;
  readonly remote: string;
  readonly owner: SimulatedTransport;
  readonly from: number;
  readonly to: number;
  context: unknown = undefined;
  peer: SimulatedConnection | null = null;

  readonly #network: Network;
  #frames: OutgoingFrame[] = [];
  #unflushed = 0;
  #bytesUnderWay = 0;
  #lastArrivesAt = 0;
  /** The rest of a frame that was cut in two. */
  #rest: Uint8Array | null = null;
  #isAnnounced = false;
  #isReceiving = true;
  #closed = false;
  /** The other end closed: this end hears of it behind the last frame. */
  #ends: string | null = null;
  #payloadsSent = 0;
  /** Received bytes that were not given back yet, by lease. */
  readonly #lent: Map<number, Uint8Array> = new Map();
  #leases = 0;

  constructor(network: Network, owner: SimulatedTransport, to: number, token: number, inbound: boolean) {
    this.#network = network;
    this.owner = owner;
    this.from = owner.machine;
    this.to = to;
    this.token = token;
    this.inbound = inbound;
    this.id = network.nextId();
    this.remote = `machine ${to}`;
    network.add(this);
  }

  get queuedBytes(): number {
    return Math.max(0, this.#bytesUnderWay - this.#network.model.windowBytes);
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  isBetween(a: number, b: number): boolean {
    return (this.from === a && this.to === b) || (this.from === b && this.to === a);
  }

  send(header: Uint8Array, headerBytes: number, payload?: Uint8Array, start = 0, end = 0): void {
    if (this.#closed || this.owner.isGone) return;
    this.owner.onStep();
    const copy = cut(headerBytes);
    copy.set(header.subarray(0, headerBytes));
    this.#frames.push({
      header: copy,
      payload: payload ?? null,
      start,
      end,
      hasPayload: payload !== undefined,
      arrivesAt: Number.POSITIVE_INFINITY,
    });
    this.#unflushed += 1;
    this.#bytesUnderWay += headerBytes + end - start;
    this.owner.onSend(this, copy, payload ?? null, start, end);
    this.owner.dirty.add(this);
  }

  flush(): void {
    if (this.#unflushed === 0 || this.#closed) return;
    const { events } = this.#network;
    const arrivesAt = Math.max(this.#lastArrivesAt, events.now + this.#network.delay(this.from, this.to));
    this.#lastArrivesAt = arrivesAt;
    for (let index = this.#frames.length - this.#unflushed; index < this.#frames.length; index += 1)
      this.#frames[index]!.arrivesAt = arrivesAt;
    this.#unflushed = 0;
    events.at(arrivesAt, () => this.deliver());
  }

  /** Hands over what has arrived. */
  deliver(): void {
    const { peer } = this;
    const { events } = this.#network;
    if (peer === null || peer.#closed || !peer.#isAnnounced || peer.owner.isGone) return;
    if (!peer.#isReceiving || peer.owner.thread.stands || this.#network.isBlocked(this.from, this.to)) return;
    let count = 0;
    while (count < this.#frames.length && this.#frames[count]!.arrivesAt <= events.now) count += 1;
    if (count > 0 || this.#rest !== null) {
      const bytes = this.#take(count);
      this.#hand(peer, bytes);
    }
    if (this.#ends !== null && this.#frames.length === 0 && this.#rest === null)
      peer.#onPeerClosed(this.#ends);
  }

  #hand(peer: SimulatedConnection, bytes: Uint8Array): void {
    const { events, random, model } = this.#network;
    let now = bytes;
    if (model.split > 0 && bytes.length > 1 && random.chance(model.split)) {
      const at = 1 + random.below(bytes.length - 1);
      now = bytes.subarray(0, at);
      this.#rest = bytes.subarray(at);
      events.after(random.between(0, 2), () => this.deliver());
    }
    peer.owner.thread.run(() => peer.#receive(now));
  }

  #receive(bytes: Uint8Array): void {
    if (this.#closed || this.owner.isGone) return;
    this.#leases += 1;
    this.#lent.set(this.#leases, bytes);
    this.owner.reap();
    this.owner.handler.onReceived(this, bytes, 0, bytes.length, this.#leases);
    this.owner.handler.onTurnEnd();
  }

  /** The bytes of the rest and of the first `count` frames; what the network does to single frames is done here. */
  #take(count: number): Uint8Array {
    const { random } = this.#network;
    const parts: Uint8Array[] = this.#rest === null ? [] : [this.#rest];
    this.#rest = null;
    const taken = this.#frames.splice(0, count);
    const fault = count > 0 ? this.#network.takeFault(this.from, this.to) : null;
    for (const frame of taken) parts.push(...partsOf(frame));
    let bytes = 0;
    for (const part of parts) bytes += part.length;
    for (const frame of taken) {
      this.#bytesUnderWay -= frame.header.length + frame.end - frame.start;
      if (frame.hasPayload) this.#payloadsSent += 1;
    }
    if (this.#payloadsSent > 0) this.owner.sent.add(this);
    let joined = join(parts, bytes);
    if (fault !== null || this.#network.remembers) {
      const whole = taken.map((frame) => join(partsOf(frame), frame.header.length + frame.end - frame.start));
      const messages = whole.filter((frame) => frame[KIND_AT]! >= FIRST_MESSAGE_KIND);
      if (this.#network.remembers)
        for (const frame of messages) this.#network.remember(this.from, this.to, frame);
      if (fault === 'flip') {
        joined[random.below(joined.length)]! ^= 1 << random.below(8);
        this.#network.injections += 1;
      } else if (fault !== null && messages.length === whole.length && parts.length > 0) {
        const head = joined.subarray(0, joined.length - whole.reduce((sum, frame) => sum + frame.length, 0));
        if (fault === 'duplicate') whole.splice(random.below(whole.length + 1), 0, random.pick(whole));
        else if (fault === 'swap') whole.sort(() => (random.chance(0.5) ? 1 : -1));
        else {
          const old = this.#network.recall(this.from, this.to);
          if (old !== null) whole.splice(random.below(whole.length + 1), 0, old);
        }
        this.#network.injections += 1;
        joined = join(
          [head, ...whole],
          whole.reduce((sum, frame) => sum + frame.length, head.length),
        );
      }
    }
    return joined;
  }

  /** Tells the sender which payloads nobody refers to any more. */
  reap(): void {
    if (this.#payloadsSent === 0 || this.#closed) return;
    const count = this.#payloadsSent;
    this.#payloadsSent = 0;
    this.owner.handler.onPayloadsSent(this, count);
  }

  /** From now on bytes are received here. */
  announce(): void {
    this.#isAnnounced = true;
    this.owner.handler.onConnection(this);
    this.owner.handler.onTurnEnd();
    this.peer?.deliver();
  }

  release(lease: number): void {
    const bytes = this.#lent.get(lease);
    requires(bytes !== undefined, 'memory-release-once');
    this.#lent.delete(lease);
    // Whoever still reads from it reads this.
    bytes.fill(0xdd);
  }

  setReceiving(receiving: boolean): void {
    this.#isReceiving = receiving;
    if (receiving) this.peer?.deliver();
  }

  close(reason: string): void {
    if (this.#closed) return;
    this.owner.onStep();
    this.#shut(this.#network.random.chance(0.7) ? this.#frames.length : 0);
    const { thread } = this.owner;
    this.#network.events.after(0.01, () => thread.run(() => this.#tellClosed(reason)));
  }

  /** The network breaks the connection: both ends notice, each in its own time. */
  break(reason: string): void {
    const { peer } = this;
    for (const end of [this, peer]) {
      if (end === null || end.#closed) continue;
      end.#shut(0);
      const delay = this.#network.random.chance(0.6) ? 0.1 : this.#network.random.between(0, 200);
      this.#network.events.after(delay, () => end.owner.thread.run(() => end.#tellClosed(reason)));
    }
    this.#rest = null;
    if (peer !== null) peer.#rest = null;
  }

  /** The process at this end died. `isSilent`: the machine did, and nobody tells the other end. */
  abandon(isSilent: boolean): void {
    if (this.#closed) return;
    const { random } = this.#network;
    this.#shut(random.below(this.#frames.length + 1), isSilent ? random.between(20, 3000) : 0);
  }

  /** At most `spared` of the frames that left still arrive, then the other end hears that this one is gone. */
  #shut(spared: number, noticedAfterMs = 0): void {
    this.#closed = true;
    const { events } = this.#network;
    this.#frames.length -= this.#unflushed;
    this.#unflushed = 0;
    this.#frames.length = Math.min(this.#frames.length, spared);
    for (const frame of this.#frames) {
      if (frame.payload === null) continue;
      // The kernel's copy: the memory may be used for something else from now on.
      frame.payload = frame.payload.slice(frame.start, frame.end);
      frame.end -= frame.start;
      frame.start = 0;
    }
    this.#payloadsSent = 0;
    this.owner.dirty.delete(this);
    this.owner.sent.delete(this);
    const delay = noticedAfterMs + this.#network.delay(this.from, this.to);
    const endsAt = Math.max(this.#lastArrivesAt, events.now + delay);
    events.at(endsAt, () => {
      this.#ends = 'closed by the peer';
      this.#deliverEnd();
    });
  }

  #deliverEnd(): void {
    this.deliver();
    if (this.peer === null || this.peer.#closed || this.peer.owner.isGone) this.#network.delete(this);
  }

  #onPeerClosed(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#frames = [];
    this.owner.dirty.delete(this);
    this.owner.sent.delete(this);
    this.#network.delete(this);
    if (this.peer !== null) this.#network.delete(this.peer);
    this.owner.thread.run(() => this.#tellClosed(reason));
  }

  #tellClosed(reason: string): void {
    if (this.peer === null || this.peer.#closed) this.#network.delete(this);
    this.owner.onConnectionClosed(this);
    if (this.owner.isGone) return;
    if (this.#isAnnounced) {
      this.owner.handler.onClosed(this, reason);
      this.owner.handler.onTurnEnd();
    }
  }
}

function partsOf({ header, payload, start, end }: OutgoingFrame): Uint8Array[] {
  return payload === null ? [header] : [header, payload.subarray(start, end)];
}

function join(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  const joined = cut(bytes);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
