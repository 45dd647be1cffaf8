/** One end of a connection inside one thread. */

import { requires } from '../../contracts.js';
import type { Connection } from '../transport.js';
import type { Network } from './memory-network.js';
import type { MemoryTransport } from './memory-transport.js';

interface Piece {
  readonly bytes: Uint8Array;
  position: number;
  /** True where the end of the piece is the end of a payload. */
  readonly payload: boolean;
}

export class MemoryConnection implements Connection {
  readonly id: number;
  readonly inbound: boolean;
  readonly remote: string;
  /** The token of `connect`, or -1 where the peer dialled. */
  readonly token: number;
  context: unknown = undefined;

  readonly owner: MemoryTransport;
  /** The other end; null until both stand, and after this one closed. */
  peer: MemoryConnection | null = null;

  readonly #network: Network;
  #queue: Piece[] = [];
  /** Flushed, not delivered. */
  #wire: Piece[] = [];
  #queuedBytes = 0;
  #unreleasedBytes = 0;
  #receiving = true;
  #reason: string | null = null;
  /** The handler was told of this end: before that it gets no bytes. */
  #announced = false;

  constructor(network: Network, owner: MemoryTransport, remote: string, token: number) {
    this.id = network.nextConnectionId();
    this.inbound = token < 0;
    this.token = token;
    this.remote = remote;
    this.owner = owner;
    this.#network = network;
    network.add(this);
  }

  /** The handler hears of the connection: the first call about it. */
  announce(): void {
    if (this.#reason !== null) return;
    this.#announced = true;
    this.owner.handler?.onConnection(this);
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  send(header: Uint8Array, headerBytes: number, payload?: Uint8Array, start = 0, end = 0): void {
    if (this.#reason !== null) return;
    if (headerBytes > 0) {
      this.#queue.push({ bytes: header.slice(0, headerBytes), position: 0, payload: false });
    }
    if (payload !== undefined) {
      this.#queue.push({ bytes: payload.subarray(start, end), position: 0, payload: true });
    }
    this.#queuedBytes += headerBytes + (end - start);
    this.owner.dirty(this);
  }

  flush(): void {
    if (this.#queue.length === 0) return;
    this.#wire.push(...this.#queue);
    this.#queue = [];
    this.#network.wake();
  }

  /** Hands over what the peer has room for. True where anything happened. */
  deliver(): boolean {
    const peer = this.peer;
    if (this.#reason !== null || peer === null || this.#wire.length === 0) return false;
    if (!this.#announced || !peer.#announced || !peer.#takesBytes()) return false;
    if (this.#network.isCut(this.owner.name, peer.owner.name)) return false;
    let available = 0;
    for (const piece of this.#wire) available += piece.bytes.length - piece.position;
    const count = available === 0 ? 0 : Math.max(1, Math.min(available, this.#network.split(available)));
    const target = new Uint8Array(count);
    const payloads = this.#take(target);
    this.#queuedBytes -= count;
    if (count > 0) peer.#receive(target);
    if (payloads > 0) this.owner.handler?.onPayloadsSent(this, payloads);
    return count > 0 || payloads > 0;
  }

  /** Moves the first bytes of the wire to `target`; yields how many payloads came to their end. */
  #take(target: Uint8Array): number {
    let filled = 0;
    let payloads = 0;
    while (this.#wire.length > 0) {
      const piece = this.#wire[0] as Piece;
      const count = Math.min(piece.bytes.length - piece.position, target.length - filled);
      target.set(piece.bytes.subarray(piece.position, piece.position + count), filled);
      filled += count;
      piece.position += count;
      if (piece.position < piece.bytes.length) break;
      this.#wire.shift();
      if (piece.payload) payloads++;
    }
    return payloads;
  }

  #takesBytes(): boolean {
    return this.#receiving && this.#reason === null && this.#unreleasedBytes < this.#network.receiveBytesMax;
  }

  #receive(bytes: Uint8Array): void {
    this.#unreleasedBytes += bytes.length;
    this.owner.handler?.onReceived(this, bytes, 0, bytes.length, bytes.length);
  }

  /** The lease of received bytes is their count: all that has to be known when they come back. */
  release(lease: number): void {
    requires(lease > 0 && lease <= this.#unreleasedBytes, 'memory-release-once', () => String(lease));
    this.#unreleasedBytes -= lease;
    this.#network.wake();
  }

  setReceiving(receiving: boolean): void {
    this.#receiving = receiving;
    if (receiving) this.#network.wake();
  }

  close(reason: string): void {
    if (this.#reason !== null) return;
    this.#reason = reason;
    const peer = this.peer;
    this.peer = null;
    const payloads =
      this.#wire.filter((piece) => piece.payload).length +
      this.#queue.filter((piece) => piece.payload).length;
    this.#network.post(() => {
      this.#wire = [];
      this.#queue = [];
      this.#queuedBytes = 0;
      this.#network.delete(this);
      if (this.#announced) {
        if (payloads > 0) this.owner.handler?.onPayloadsSent(this, payloads);
        this.owner.handler?.onClosed(this, reason);
      }
      this.owner.closed(this);
      // A cut link keeps the news from the peer, as a network does; resets happen to both ends by themselves.
      if (peer !== null) peer.#peerClosed(this.owner);
    });
  }

  #peerClosed(other: MemoryTransport): void {
    if (this.#network.isCut(this.owner.name, other.name)) {
      this.#network.whenHealed(this.owner.name, other.name, () => this.#peerClosed(other));
      return;
    }
    this.close('closed by the peer');
  }
}
