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
  sealAgain,
  sealFrame,
} from './format.js';
import { decodeFailure, decodeId, decodeWelcome, encodeHello, type Welcome } from './messages.js';
import type { Request } from './request.js';

export interface LinkOptions {
  readonly address: Address;
  readonly cluster: string;
  readonly crc32c: Crc32c;
  readonly connectTimeoutMs: number;
  /** How long a server that cannot be reached is tried again, while it has commands of this client. */
  readonly resumeTimeoutMs: number;
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
  readonly inFlight: Request[] = [];
  #brokenAt = 0;
  #heardAt = 0;
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

  send(request: Request): void {
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
    this.#isDead = true;
    this.#isOpen = false;
    clearInterval(this.#watch);
    clearTimeout(this.#retry);
    this.#socket?.destroy();
  }

  #connect(timeoutMs: number): void {
    const { address, crc32c, cluster } = this.#options;
    const socket = connect({ ...address, noDelay: true, keepAlive: true });
    this.#socket = socket;
    this.#heardAt = performance.now();
    const reader = new ClientFrameReader(FRAME_BYTES_CEILING, crc32c, (frame) => {
      if (this.#socket === socket) this.#onFrame(frame);
    });
    const timer = setTimeout(() => socket.destroy(new Error('no answer in time')), timeoutMs);
    socket.on('connect', () => {
      const hello = { session: this.#session, life: this.#life, received: this.#acknowledged, cluster };
      socket.write(makeFrame(ClientFrameKind.hello, 0, 0, 0, encodeHello(hello), crc32c));
    });
    socket.on('data', (chunk) => {
      this.#heardAt = performance.now();
      if (this.#isOpen) clearTimeout(timer);
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
      clearTimeout(timer);
      if (this.#socket === socket) this.#onBroken();
    });
    socket.on('drain', () => {
      if (this.#socket === socket && this.#isOpen) this.#options.onDrain();
    });
  }

  #onBroken(): void {
    this.#socket = null;
    if (this.#isDead) return;
    const now = performance.now();
    if (this.#isOpen) this.#brokenAt = now;
    this.#isOpen = false;
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
    if (this.#isOpen && performance.now() - this.#heardAt > SILENCE_MS)
      this.#socket?.destroy(new Error('it says nothing any more'));
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
    const request = this.inFlight[0];
    // Sent again by a server that did not know that it was received.
    if (frame.first <= this.#acknowledged) return;
    if (request === undefined || request.first !== frame.first)
      throw new ClientFrameError(`an answer to commands from ${frame.first}, which are not next`);
    if (frame.kind === ClientFrameKind.results) request.resolve(frame);
    else request.reject(decodeFailure(frame));
    this.inFlight.shift();
    this.#acknowledged = request.last;
    this.#unacknowledgedBytes += frame.bytes.length;
    this.#options.onSettled(request);
    if (this.#unacknowledgedBytes > ACKNOWLEDGE_BYTES && this.#isOpen) {
      this.#unacknowledgedBytes = 0;
      const { crc32c } = this.#options;
      const nothing = new Uint8Array(0);
      this.#socket?.write(makeFrame(ClientFrameKind.commands, 0, 0, this.#acknowledged, nothing, crc32c));
    }
  }
}
