/** One socket of the ring as a `Connection`. */

import { requires } from '../../contracts.js';
import type { UringLoop, UringSocketTarget } from '../../native/uring-loop.js';
import { formatAddress } from '../address.js';
import type { Connection } from '../transport.js';

/** A lease is `length * LEASE_BUFFERS + buffer`: all that has to be known when it comes back. */
const LEASE_BUFFERS = 1024;
/** Buffers of payloads that were sent are dropped from the front of the list in steps of this. */
const SENT_BUFFERS_KEPT = 1024;

/** What a connection reports to its transport. */
export interface ConnectionOwner {
  received(connection: UringConnection, bytes: Uint8Array, start: number, end: number, lease: number): void;
  payloadsSent(connection: UringConnection, count: number): void;
  closed(connection: UringConnection, reason: string): void;
}

export class UringConnection implements Connection, UringSocketTarget {
  readonly id: number;
  readonly inbound: boolean;
  readonly remote: string;
  /** The token of `connect`, or -1 where the peer dialled. */
  readonly token: number;
  context: unknown = undefined;

  readonly #loop: UringLoop;
  readonly #socket: number;
  readonly #owner: ConnectionOwner;
  readonly #receiveBytesMax: number;

  /** Bytes given to `send` since the connection stands. */
  #bytesGiven = 0;
  /**
   * The memory of payloads that the kernel may still read, oldest first from `#sentBuffers` on: kept so that it is not
   * collected under the kernel's hands, whatever the sender does with its views.
   */
  #payloadBuffers: ArrayBufferLike[] = [];
  #sentBuffers = 0;
  #unreleasedBytes = 0;
  /** What the user asked for; apart from it the bound on unreleased bytes stops receiving. */
  #receivingWanted = true;
  /** What the ring was told last. */
  #receiving = true;
  #reason: string | null = null;
  #closed = false;

  constructor(
    id: number,
    loop: UringLoop,
    socket: number,
    token: number,
    receiveBytesMax: number,
    owner: ConnectionOwner,
  ) {
    this.id = id;
    this.inbound = token < 0;
    this.token = token;
    this.#loop = loop;
    this.#socket = socket;
    this.#receiveBytesMax = receiveBytesMax;
    this.#owner = owner;
    this.remote = formatAddress(loop.addressOf(socket, true));
  }

  get queuedBytes(): number {
    if (this.#closed) return 0;
    return this.#bytesGiven - (this.#loop.bytesSent[this.#socket] as number);
  }

  send(header: Uint8Array, headerBytes: number, payload?: Uint8Array, start = 0, end = 0): void {
    if (this.#reason !== null || this.#closed) return;
    if (headerBytes > 0) this.#loop.queueHeader(this.#socket, header, headerBytes);
    this.#bytesGiven += headerBytes;
    if (payload === undefined) return;
    // C++ reads by address: a range that is not there must not get that far.
    requires(start >= 0 && start <= end && end <= payload.length, 'uring-send-range');
    this.#loop.queuePayload(this.#socket, payload, start, end);
    this.#payloadBuffers.push(payload.buffer);
    this.#bytesGiven += end - start;
  }

  release(lease: number): void {
    const buffer = lease % LEASE_BUFFERS;
    this.#unreleasedBytes -= this.#loop.costOf((lease - buffer) / LEASE_BUFFERS);
    this.#loop.releaseBuffer(buffer);
    if (!this.#receiving) this.#applyReceiving();
  }

  setReceiving(receiving: boolean): void {
    this.#receivingWanted = receiving;
    this.#applyReceiving();
  }

  #applyReceiving(): void {
    if (this.#reason !== null || this.#closed) return;
    const wanted = this.#receivingWanted && this.#unreleasedBytes < this.#receiveBytesMax;
    if (wanted === this.#receiving) return;
    this.#receiving = wanted;
    this.#loop.setReceiving(this.#socket, wanted);
  }

  close(reason: string): void {
    if (this.#reason !== null || this.#closed) return;
    this.#reason = reason;
    this.#loop.closeSocket(this.#socket);
  }

  // UringSocketTarget

  onAccepted(): UringSocketTarget {
    return this;
  }

  onAcceptStopped(): void {}

  onConnected(): void {}

  onReceived(bytes: Uint8Array, start: number, end: number, buffer: number): void {
    if (this.#reason !== null) {
      this.#loop.releaseBuffer(buffer);
      return;
    }
    this.#unreleasedBytes += this.#loop.costOf(end - start);
    if (this.#unreleasedBytes >= this.#receiveBytesMax) this.#applyReceiving();
    this.#owner.received(this, bytes, start, end, (end - start) * LEASE_BUFFERS + buffer);
  }

  onSent(payloads: number): void {
    this.#sentBuffers += payloads;
    if (this.#sentBuffers >= SENT_BUFFERS_KEPT || this.#sentBuffers === this.#payloadBuffers.length) {
      this.#payloadBuffers.splice(0, this.#sentBuffers);
      this.#sentBuffers = 0;
    }
    this.#owner.payloadsSent(this, payloads);
  }

  wantsBytes(): boolean {
    return this.#receiving && this.#reason === null;
  }

  onClosed(code: string | null): void {
    // Payloads that never got to the ring, because it had ended the connection before it was heard of here.
    const left = this.#payloadBuffers.length - this.#sentBuffers;
    if (left > 0) this.#owner.payloadsSent(this, left);
    this.#payloadBuffers = [];
    this.#closed = true;
    this.#owner.closed(this, this.#reason ?? code ?? 'closed by the peer');
  }
}
