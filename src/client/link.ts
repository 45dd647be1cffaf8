/**
 * A client's session with one server's process, over one connection after another. Commands are numbered, so that those which a
 * connection was lost with are sent again without being executed again, as long as that process lives.
 */

import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import type { Crc32c } from '../checksum.js';
import { SynodError } from '../errors.js';
import type { Address } from '../transport/transport.js';
import {
  type ClientFrame,
  ClientFrameError,
  ClientFrameKind,
  ClientFrameReader,
  FRAME_BYTES_CEILING,
  HEADER_BYTES,
  HEARTBEAT_MS,
  makeFrame,
  SESSION_ID_BYTES,
  SMALL_FRAME_BYTES_MAX,
  sealAgain,
  sealFrame,
} from './format.js';
import { decodeFailure, decodeId, decodeWelcome, encodeHello, type Welcome } from './messages.js';
import { Queue } from './queue.js';
import type { Request } from './request.js';

export interface LinkOptions {
  readonly address: Address;
  readonly cluster: string;
  readonly crc32c: Crc32c;
  readonly connectTimeoutMs: number;
  /** How long a server that cannot be reached is tried again, while it has commands of this client. */
  readonly resumeTimeoutMs: number;
  /** A server that has commands of this client and answers nothing for so long is given up. */
  readonly stallMs: number;
  readonly onOpen: (welcome: Welcome) => void;
  readonly onPrimary: (primary: string | null) => void;
  /** The socket takes more again. */
  readonly onDrain: () => void;
  /** A request was settled. */
  readonly onSettled: (request: Request) => void;
  /** For good. What was under way is settled after this. */
  readonly onDead: (error: SynodError) => void;
}

/** Connections that say nothing for so long are given up. */
const SILENCE_MS = 4 * HEARTBEAT_MS;
const RETRY_MS = 20;
/** So many bytes of results without anything to send: they are acknowledged by themselves. */
const ACKNOWLEDGE_BYTES = 256 * 1024;
/** A connection that is closed here and not at the other side. */
const CLOSE_TIMEOUT_MS = 1000;

export class Link {
  readonly #options: LinkOptions;
  readonly #session: string = randomBytes(SESSION_ID_BYTES).toString('hex');
  #life: string | null = null;
  #socket: Socket | null = null;
  #isOpen = false;
  #isDead = false;
  #next = 1;
  #acknowledged = 0;
  #unacknowledgedBytes = 0;
  /** Sent and not answered, oldest first. */
  readonly inFlight: Queue<Request> = new Queue();
  /** Since when a connection is missed that is good for something; null before that, and once one was. */
  #brokenAt: number | null = null;
  #openedAt = 0;
  #heardAt = 0;
  /** Since when nothing was answered, while something is in flight. */
  #waitingSince = 0;
  #reader: ClientFrameReader | null = null;
  #watchedAt: number = performance.now();
  #connectTimer: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;
  readonly #watch: NodeJS.Timeout;
  #lastError = 'no answer';

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#watch = setInterval(() => this.#onWatch(), HEARTBEAT_MS);
    this.#connect(options.connectTimeoutMs);
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** The kernel has taken so little of what was sent that more would only wait here. */
  get isCongested(): boolean {
    return this.#socket === null || this.#socket.writableNeedDrain;
  }

  /** Half of the time is over after which a server that answers nothing is given up. */
  get isStalling(): boolean {
    if (this.inFlight.length === 0) return false;
    return performance.now() - this.#waitingSince > this.#options.stallMs / 2;
  }

  send(request: Request): void {
    if (this.inFlight.length === 0) this.#waitingSince = performance.now();
    request.first = this.#next;
    this.#next += request.count;
    const { bytes, view, end, count, first } = request;
    this.inFlight.push(request);
    const { crc32c } = this.#options;
    sealFrame(bytes, view, end, ClientFrameKind.commands, count, first, this.#acknowledged, crc32c);
    this.#unacknowledgedBytes = 0;
    this.#socket?.write(bytes.subarray(0, end));
  }

  /** Calls nobody afterwards. What is in flight is the caller's to settle. */
  close(): void {
    const socket = this.#socket;
    const wasOpen = this.#isOpen;
    this.#isDead = true;
    this.#isOpen = false;
    clearInterval(this.#watch);
    clearTimeout(this.#retry);
    clearTimeout(this.#connectTimer);
    if (socket === null) return;
    if (wasOpen) this.#leave(socket);
    else socket.destroy();
  }

  /** Without it the server would keep the session, for a client that could come back. */
  #leave(socket: Socket): void {
    const nothing = new Uint8Array(0);
    socket.removeAllListeners('data').resume();
    socket.end(makeFrame(ClientFrameKind.goodbye, 0, 0, 0, nothing, this.#options.crc32c));
    // Whoever waits for nothing else is not to wait for this.
    socket.unref();
    const timer = setTimeout(() => socket.destroy(), CLOSE_TIMEOUT_MS);
    timer.unref();
    socket.once('close', () => clearTimeout(timer));
  }

  #connect(timeoutMs: number): void {
    const { address, crc32c, cluster } = this.#options;
    const socket = connect({ ...address, noDelay: true, keepAlive: true });
    this.#socket = socket;
    this.#heardAt = performance.now();
    const reader = new ClientFrameReader(FRAME_BYTES_CEILING, crc32c, (frame) => {
      if (this.#socket === socket) this.#onFrame(frame);
    });
    this.#reader = reader;
    this.#connectTimer = setTimeout(() => socket.destroy(new Error('no answer in time')), timeoutMs);
    socket.on('connect', () => {
      const hello = { session: this.#session, life: this.#life, received: this.#acknowledged, cluster };
      socket.write(makeFrame(ClientFrameKind.hello, 0, 0, 0, encodeHello(hello), crc32c));
    });
    socket.on('data', (chunk) => {
      this.#heardAt = performance.now();
      try {
        reader.read(chunk);
      } catch (error) {
        // What it says again would be no better.
        if (this.#socket === socket) this.#die(error instanceof Error ? error.message : String(error));
      }
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#lastError = error.message;
      // Nobody listens there: the process that had the session is gone.
      if (error.code === 'ECONNREFUSED' && this.#socket === socket) this.#die('its port is closed');
    });
    socket.on('end', () => socket.destroy());
    socket.on('close', () => {
      if (this.#socket === socket) this.#onBroken();
    });
    socket.on('drain', () => {
      if (this.#socket === socket && this.#isOpen) this.#options.onDrain();
    });
  }

  #onBroken(): void {
    this.#socket = null;
    clearTimeout(this.#connectTimer);
    if (this.#isDead) return;
    this.inFlight.at(0)?.dropParts();
    const now = performance.now();
    // A server that cuts each connection as soon as it stands would be come back to for ever.
    if (this.#isOpen && now - this.#openedAt >= HEARTBEAT_MS) this.#brokenAt = null;
    this.#isOpen = false;
    this.#brokenAt ??= now;
    const { resumeTimeoutMs, connectTimeoutMs } = this.#options;
    // With nothing under way there is nothing to come back for.
    const leftMs = this.#brokenAt + resumeTimeoutMs - now;
    if (this.#life === null || this.inFlight.length === 0 || leftMs <= 0) {
      this.#die(this.#lastError);
      return;
    }
    this.#retry = setTimeout(
      () => this.#connect(Math.min(connectTimeoutMs, Math.max(leftMs, RETRY_MS))),
      RETRY_MS,
    );
  }

  #onWatch(): void {
    const now = performance.now();
    const sinceMs = now - this.#watchedAt;
    this.#watchedAt = now;
    // Where this process itself stood still, what came meanwhile is not read yet.
    if (!this.#isOpen || sinceMs > 2 * HEARTBEAT_MS) return;
    // An answer that takes long to come whole is one.
    if (this.#reader!.heldBytes > SMALL_FRAME_BYTES_MAX) this.#waitingSince = this.#heardAt;
    if (now - this.#heardAt > SILENCE_MS) this.#socket?.destroy(new Error('it says nothing any more'));
    // Heartbeats alone do not count: a server that is cut off from the cluster sends them for ever.
    else if (this.inFlight.length > 0 && now - this.#waitingSince > this.#options.stallMs)
      this.#die('it answers nothing');
  }

  #die(reason: string): void {
    if (this.#isDead) return;
    const { host, port } = this.#options.address;
    this.close();
    this.#options.onDead(
      new SynodError('ERR_SYNOD_DISCONNECTED', `lost the server at ${host}:${port}: ${reason}`, {
        outcome: 'unknown',
      }),
    );
  }

  #onFrame(frame: ClientFrame): void {
    if (this.#isDead) return;
    switch (frame.kind) {
      case ClientFrameKind.welcome:
        this.#onWelcome(frame);
        break;
      case ClientFrameKind.primary:
        this.#options.onPrimary(decodeId(frame.bytes.subarray(HEADER_BYTES)));
        break;
      case ClientFrameKind.results:
      case ClientFrameKind.failure:
        this.#onAnswer(frame);
        break;
      case ClientFrameKind.refusal:
        this.#die(decodeFailure(frame).message);
        break;
      default:
        throw new ClientFrameError(`a frame of kind ${frame.kind} out of place`);
    }
  }

  #onWelcome(frame: ClientFrame): void {
    if (this.#isOpen) throw new ClientFrameError('a second welcome');
    const welcome = decodeWelcome(frame);
    const isResumed = frame.count === 1;
    if (this.#life !== null && !(isResumed && welcome.life === this.#life)) {
      this.#die('it knows nothing of this session any more');
      return;
    }
    this.#life = welcome.life;
    this.#isOpen = true;
    this.#openedAt = performance.now();
    // Here, not at the next thing that is heard: the next heartbeat may come after the time for the connection is over.
    clearTimeout(this.#connectTimer);
    for (const request of this.inFlight) {
      if (request.last <= welcome.received) continue;
      const bytes = request.bytes.subarray(0, request.end);
      sealAgain(bytes, this.#acknowledged, this.#options.crc32c);
      this.#socket?.write(bytes);
    }
    this.#options.onOpen(welcome);
  }

  #onAnswer(frame: ClientFrame): void {
    if (!this.#isOpen) throw new ClientFrameError('an answer before a welcome');
    const request = this.inFlight.at(0);
    // Sent again by a server that did not know that it was received.
    if (frame.first <= this.#acknowledged) return;
    if (request === undefined || request.next !== frame.first)
      throw new ClientFrameError(`an answer to commands from ${frame.first}, which are not next`);
    this.#brokenAt = null;
    this.#waitingSince = this.#heardAt;
    this.#unacknowledgedBytes += frame.bytes.length;
    if (frame.kind === ClientFrameKind.failure) request.reject(decodeFailure(frame));
    else if (!request.take(frame)) return;
    this.inFlight.drop(1);
    this.#acknowledged = request.last;
    this.#options.onSettled(request);
    if (this.#unacknowledgedBytes > ACKNOWLEDGE_BYTES && this.#isOpen) {
      this.#unacknowledgedBytes = 0;
      const { crc32c } = this.#options;
      const nothing = new Uint8Array(0);
      this.#socket?.write(makeFrame(ClientFrameKind.commands, 0, 0, this.#acknowledged, nothing, crc32c));
    }
  }
}
