/** One node:net socket as a `Connection`. */

import type { Socket } from 'node:net';
import { requires } from '../../contracts.js';
import { formatAddress } from '../address.js';
import type { Connection, PeerCertificate } from '../transport.js';

/** Headers are copied into chunks of this size, so that small ones that follow each other leave as one buffer. */
const HEADER_CHUNK_BYTES = 16 * 1024;

/** What a connection reports to its transport. */
export interface ConnectionOwner {
  received(connection: TcpConnection, bytes: Uint8Array): void;
  payloadsSent(connection: TcpConnection, count: number): void;
  closed(connection: TcpConnection, reason: string): void;
  /** The connection has something for the next flush. */
  dirty(connection: TcpConnection): void;
}

export class TcpConnection implements Connection {
  readonly id: number;
  readonly inbound: boolean;
  readonly remote: string;
  /** The token of `connect`, or -1 where the peer dialled. */
  readonly token: number;
  context: unknown = undefined;
  readonly certificate: PeerCertificate | undefined;

  readonly #socket: Socket;
  readonly #owner: ConnectionOwner;
  readonly #receiveBytesMax: number;

  /** Given to `send` since the last flush, in order. */
  #queue: Uint8Array[] = [];
  /** True where the last entry of `#queue` is header bytes that end at `#headerEnd`: more may be joined to it. */
  #headerOpen = false;
  #headerChunk: Uint8Array = new Uint8Array(0);
  #headerStart = 0;
  #headerEnd = 0;
  #flushBytes = 0;
  #flushPayloads = 0;

  #queuedBytes = 0;
  #payloadsUnsent = 0;
  #unreleasedBytes = 0;
  /** What the user asked for; apart from it the bound on unreleased bytes pauses the socket. */
  #receiving = true;
  #reason: string | null = null;
  #closed = false;

  constructor(
    id: number,
    socket: Socket,
    token: number,
    receiveBytesMax: number,
    owner: ConnectionOwner,
    certificate: PeerCertificate | undefined,
  ) {
    this.id = id;
    this.certificate = certificate;
    this.inbound = token < 0;
    this.token = token;
    this.remote = formatAddress({ host: socket.remoteAddress ?? 'unknown', port: socket.remotePort ?? 0 });
    this.#socket = socket;
    this.#receiveBytesMax = receiveBytesMax;
    this.#owner = owner;
    socket.setNoDelay(true);
    socket.on('data', (bytes: Uint8Array) => this.#onData(bytes));
    socket.on('end', () => this.close('closed by the peer'));
    socket.on('error', (error: NodeJS.ErrnoException) => this.#fail(error));
    socket.on('close', () => this.#onClose());
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  send(header: Uint8Array, headerBytes: number, payload?: Uint8Array, start = 0, end = 0): void {
    if (this.#reason !== null) return;
    if (headerBytes > 0) this.#pushHeader(header, headerBytes);
    if (payload !== undefined) {
      if (end > start) {
        this.#queue.push(payload.subarray(start, end));
        this.#headerOpen = false;
        this.#flushBytes += end - start;
        this.#queuedBytes += end - start;
      }
      this.#flushPayloads++;
      this.#payloadsUnsent++;
    }
    this.#owner.dirty(this);
  }

  #pushHeader(header: Uint8Array, headerBytes: number): void {
    if (this.#headerChunk.length - this.#headerEnd < headerBytes) {
      // The old chunk stays referred to by the buffers that are on their way, and goes with them.
      this.#headerChunk = new Uint8Array(Math.max(HEADER_CHUNK_BYTES, headerBytes));
      this.#headerEnd = 0;
      this.#headerOpen = false;
    }
    if (!this.#headerOpen) this.#headerStart = this.#headerEnd;
    this.#headerChunk.set(
      headerBytes === header.length ? header : header.subarray(0, headerBytes),
      this.#headerEnd,
    );
    this.#headerEnd += headerBytes;
    const joined = this.#headerChunk.subarray(this.#headerStart, this.#headerEnd);
    if (this.#headerOpen) this.#queue[this.#queue.length - 1] = joined;
    else this.#queue.push(joined);
    this.#headerOpen = true;
    this.#flushBytes += headerBytes;
    this.#queuedBytes += headerBytes;
  }

  /** Hands the queue to the socket: one writev, or, while the socket is busy, part of its next one. */
  flush(): void {
    const queue = this.#queue;
    if (this.#reason !== null) return;
    const bytes = this.#flushBytes;
    const payloads = this.#flushPayloads;
    if (queue.length === 0) {
      // Payloads of no bytes: sent as soon as what stands before them is.
      if (payloads === 0) return;
      queue.push(new Uint8Array(0));
    }
    this.#queue = [];
    this.#headerOpen = false;
    this.#flushBytes = 0;
    this.#flushPayloads = 0;
    const socket = this.#socket;
    const last = queue.length - 1;
    const sent = (error?: Error | null): void => {
      // After an error the close reports what is left: the socket may not have let go of it yet.
      if (error) return;
      this.#queuedBytes -= bytes;
      this.#reportSent(payloads);
    };
    if (last > 0) socket.cork();
    for (let index = 0; index < last; index++) socket.write(queue[index] as Uint8Array);
    socket.write(queue[last] as Uint8Array, sent);
    if (last > 0) socket.uncork();
  }

  #reportSent(count: number): void {
    if (count === 0 || this.#closed) return;
    this.#payloadsUnsent -= count;
    this.#owner.payloadsSent(this, count);
  }

  /** The lease of received bytes is their count: all that has to be known when they come back. */
  release(lease: number): void {
    requires(lease > 0 && lease <= this.#unreleasedBytes, 'tcp-release-once', () => String(lease));
    this.#unreleasedBytes -= lease;
    this.#applyReceiving();
  }

  setReceiving(receiving: boolean): void {
    this.#receiving = receiving;
    this.#applyReceiving();
  }

  #applyReceiving(): void {
    if (this.#reason !== null) return;
    const wanted = this.#receiving && this.#unreleasedBytes < this.#receiveBytesMax;
    // resume() reads in a later tick, so nothing is received inside the call of the user.
    if (wanted && this.#socket.isPaused()) this.#socket.resume();
    else if (!wanted && !this.#socket.isPaused()) this.#socket.pause();
  }

  #onData(bytes: Uint8Array): void {
    if (this.#reason !== null || bytes.length === 0) return;
    this.#unreleasedBytes += bytes.length;
    if (this.#unreleasedBytes >= this.#receiveBytesMax) this.#applyReceiving();
    this.#owner.received(this, bytes);
  }

  #fail(error: NodeJS.ErrnoException): void {
    this.close(error.code ?? error.message);
  }

  close(reason: string): void {
    if (this.#reason !== null) return;
    this.#reason = reason;
    this.#queue = [];
    this.#socket.destroy();
  }

  #onClose(): void {
    if (this.#closed) return;
    this.#reason ??= 'closed';
    this.#queuedBytes = 0;
    // The handle is closed by now: the kernel refers to none of the payloads any more.
    this.#reportSent(this.#payloadsUnsent);
    this.#closed = true;
    this.#owner.closed(this, this.#reason);
  }
}
