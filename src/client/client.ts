/** What a service's client holds: it gives commands to a cluster over the network, and follows the primary. */

import { type Crc32c, crc32c as portableCrc32c } from '../checksum.js';
import { CommandBatch } from '../command-batch.js';
import { SynodError, textOf } from '../errors.js';
import { loadAddon } from '../native/addon.js';
import type { Address } from '../transport/transport.js';
import { type CheckedClientOptions, type ClientOptions, checkClientOptions } from './client-options.js';
import { HEADER_BYTES, LENGTH_BYTES } from './format.js';
import { Link } from './link.js';
import type { Welcome } from './messages.js';
import { Request, type RequestWaiter, ResultBatch } from './request.js';

/** As at the replica: what an outstanding command costs beside its bytes. */
const COMMAND_OVERHEAD_BYTES = 64;
/** A request of this many bytes, or commands, is ended and the next one begun. */
const REQUEST_BYTES_TARGET = 128 * 1024;
const REQUEST_COMMANDS_MAX = 16 * 1024;
/** Between two attempts to reach servers, and between two moves to another one. */
const PAUSE_MS = 50;
/** A server that knows no primary for so long may be cut off from those that do. */
const NO_PRIMARY_MS = 1000;
/** A server that was lost is not moved to for so long, whoever names it the primary: others pass commands on to it. */
const LOST_MS = 5000;
/** No server is given up sooner for answering nothing: an election may take as long. */
const STALL_MS_MIN = 2000;
/** Of the looks at the time limits. */
const TICK_MS_MIN = 10;
const TICK_MS_MAX = 500;

const emptyResults = new ResultBatch(
  new Uint8Array(0),
  new DataView(new ArrayBuffer(0)),
  new Int32Array(1),
  0,
  0,
);

/**
 * A client of a cluster whose replicas run `serveClients`. Many commands may be under way; those of one turn of the event loop
 * leave in one frame.
 *
 * Commands are executed in the order of the calls, each at most once. Where a connection breaks, the client comes back to the same
 * server and goes on, without executing anything twice. Where that server's process is gone, what it had been given and not answered
 * rejects with `ERR_SYNOD_DISCONNECTED`, outcome `unknown`: it is not sent to another one. What was not yet sent is.
 */
export class Client implements AsyncDisposable {
  readonly #options: CheckedClientOptions;
  readonly #crc32c: Crc32c = loadAddon().addon?.crc32c ?? portableCrc32c;
  #link: Link | null = null;
  /** Place in `servers` of the one that `#link` goes to. */
  #server = 0;
  /** Of those for which it is known; null where the link's server knows none. */
  #primary: string | null = null;
  /** When the link's server named a primary last; at first, when it was reached. */
  #primaryNamedAt = 0;
  #movedAt = Number.NEGATIVE_INFINITY;
  #dialledAt = Number.NEGATIVE_INFINITY;
  /** By place in `servers`. */
  readonly #lostAt: number[];
  #welcome: Welcome | null = null;
  /** Sealed, and given to no server yet; oldest first. */
  #queue: Request[] = [];
  #building: Request | null = null;
  /** Bytes of a request with more than one call: no more than the server takes in one frame. */
  #requestBytesMax = REQUEST_BYTES_TARGET;
  /** There was something for a server that answers nothing. */
  #isWithheld = false;
  #flushScheduled = false;
  #outstandingBytes = 0;
  #pause: NodeJS.Timeout | undefined;
  readonly #watch: NodeJS.Timeout;
  #isClosed = false;
  #lastError: SynodError | null = null;
  #onFirstOpen: (() => void) | null = null;

  private constructor(options: CheckedClientOptions) {
    this.#options = options;
    this.#lostAt = options.servers.map(() => Number.NEGATIVE_INFINITY);
    const tickMs = Math.max(TICK_MS_MIN, Math.min(TICK_MS_MAX, options.timeoutMs / 16));
    this.#watch = setInterval(() => this.#expire(), tickMs);
    this.#watch.unref();
  }

  /**
   * Resolves once a server was reached. Rejects with `ERR_SYNOD_OPTION`, or with `ERR_SYNOD_CONNECT` where none was within
   * `timeoutMs`.
   */
  static async connect(options: ClientOptions): Promise<Client> {
    const client = new Client(checkClientOptions(options));
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        timer = setTimeout(() => {
          const message = `no server was reached: ${client.#lastError?.message ?? 'no answer in time'}`;
          reject(new SynodError('ERR_SYNOD_CONNECT', message));
        }, client.#options.timeoutMs);
        client.#onFirstOpen = resolve;
        client.#dial();
      });
    } catch (error) {
      await client.close();
      throw error;
    } finally {
      clearTimeout(timer);
    }
    return client;
  }

  /** Id of the server that commands are given to now, or null. */
  get server(): string | null {
    return this.#link?.isOpen ? this.#options.servers[this.#server]!.id : null;
  }

  /** Id of the primary as that server knows it, or null. */
  get primary(): string | null {
    return this.#primary;
  }

  /** Bytes of commands that wait for their results, and 64 for each. */
  get outstandingBytes(): number {
    return this.#outstandingBytes;
  }

  /**
   * Has `command` executed and resolves with its result, as the service encodes it. The bytes are copied before the call returns.
   *
   * Rejects with `ERR_SYNOD_ARGUMENT`; `ERR_SYNOD_OVERLOADED` (more than `outstandingBytesMax`, here or at the server; not applied);
   * `ERR_SYNOD_TIMEOUT` (not applied where it was not sent, else unknown); `ERR_SYNOD_DISCONNECTED` (unknown); `ERR_SYNOD_CLOSED`; and
   * with what the replica rejected it with.
   */
  replicate(command: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const refusal = this.#refusal(command);
      if (refusal !== null) {
        reject(refusal);
        return;
      }
      const request = this.#roomFor(LENGTH_BYTES + command.length);
      request.add(command);
      this.#outstandingBytes += command.length + COMMAND_OVERHEAD_BYTES;
      request.await({ count: 0, resolve, reject });
    });
  }

  /** The same for many commands in one call with one promise. As one frame, which is `batchBytesMax` long at most. */
  replicateBatch(commands: readonly Uint8Array[] | CommandBatch): Promise<ResultBatch> {
    return new Promise((resolve, reject) => {
      const batch = this.#batchOf(commands);
      if (batch instanceof SynodError) {
        reject(batch);
        return;
      }
      if (batch.count === 0) {
        resolve(emptyResults);
        return;
      }
      const request = this.#roomFor(batch.end);
      request.addBatch(batch);
      this.#outstandingBytes += batch.commandBytes + batch.count * COMMAND_OVERHEAD_BYTES;
      request.await({ count: batch.count, resolve, reject } as RequestWaiter);
    });
  }

  /** Closes the connection. What waits rejects with `ERR_SYNOD_CLOSED`, outcome unknown where it was sent. Idempotent. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#watch);
    clearTimeout(this.#pause);
    this.#link?.close();
    const closed = (outcome: 'unknown' | 'not-applied'): SynodError =>
      new SynodError('ERR_SYNOD_CLOSED', 'the client was closed', { outcome });
    for (const request of this.#link?.inFlight ?? []) request.reject(closed('unknown'));
    this.#seal();
    for (const request of this.#queue) request.reject(closed('not-applied'));
    this.#queue = [];
    this.#outstandingBytes = 0;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #refusal(command: Uint8Array): SynodError | null {
    if (this.#isClosed) return refused('ERR_SYNOD_CLOSED', 'the client is closed');
    if (!(command instanceof Uint8Array))
      return refused('ERR_SYNOD_ARGUMENT', `command: expected a Uint8Array, got ${typeof command}`);
    return this.#boundsRefusal(command.length, command.length, 1);
  }

  #boundsRefusal(longest: number, bytes: number, count: number): SynodError | null {
    const { outstandingBytesMax, batchBytesMax } = this.#options;
    const commandBytesMax = this.#welcome?.commandBytesMax ?? 0;
    if (longest > commandBytesMax)
      return refused('ERR_SYNOD_ARGUMENT', `a command of ${longest} bytes, the bound is ${commandBytesMax}`);
    const frameBytesMax = Math.min(batchBytesMax, this.#welcome?.frameBytesMax ?? 0);
    const frameBytes = HEADER_BYTES + bytes + count * LENGTH_BYTES;
    if (frameBytes > frameBytesMax)
      return refused('ERR_SYNOD_ARGUMENT', `a frame of ${frameBytes} bytes, the bound is ${frameBytesMax}`);
    const outstandingBytes = this.#outstandingBytes + bytes + count * COMMAND_OVERHEAD_BYTES;
    // One call is always taken.
    if (outstandingBytes > outstandingBytesMax && this.#outstandingBytes > 0)
      return refused(
        'ERR_SYNOD_OVERLOADED',
        `${this.#outstandingBytes} bytes are outstanding, the bound is ${outstandingBytesMax}`,
      );
    return null;
  }

  #batchOf(commands: readonly Uint8Array[] | CommandBatch): CommandBatch | SynodError {
    if (this.#isClosed) return refused('ERR_SYNOD_CLOSED', 'the client is closed');
    let batch: CommandBatch;
    if (commands instanceof CommandBatch) batch = commands;
    else {
      if (!Array.isArray(commands))
        return refused('ERR_SYNOD_ARGUMENT', `commands: expected an array, got ${typeof commands}`);
      try {
        batch = new CommandBatch(0);
        for (const command of commands) batch.add(command);
      } catch (error) {
        return SynodError.is(error) ? error : refused('ERR_SYNOD_ARGUMENT', `commands: ${textOf(error)}`);
      }
    }
    const longest = batch.longestBytes;
    if (longest < 0) return refused('ERR_SYNOD_ARGUMENT', 'commands: a length in the batch was written over');
    return this.#boundsRefusal(longest, batch.commandBytes, batch.count) ?? batch;
  }

  /** The request that is being built, if it has room for so many bytes, else the next one. */
  #roomFor(bytes: number): Request {
    const request = this.#building;
    if (request !== null) {
      if (request.end + bytes <= this.#requestBytesMax && request.count < REQUEST_COMMANDS_MAX)
        return request;
      this.#seal();
    }
    const next = new Request();
    this.#building = next;
    if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      // What the application calls in this turn, and in the continuations of what it awaited, leaves together.
      setImmediate(() => {
        this.#flushScheduled = false;
        this.#pump();
      });
    }
    return next;
  }

  #seal(): void {
    if (this.#building === null) return;
    this.#building.sealedAt = performance.now();
    this.#queue.push(this.#building);
    this.#building = null;
  }

  /** Gives to the server what there is for it. */
  #pump(): void {
    if (this.#isClosed) return;
    const link = this.#link;
    if (link === null || !link.isOpen || this.#isMoving || link.isCongested) return;
    // What it was given and does not answer is lost with it; what it was not given may go to another one.
    this.#isWithheld = link.isStalling;
    if (this.#isWithheld) return;
    this.#seal();
    const { frameBytesMax } = this.#welcome!;
    let taken = 0;
    while (taken < this.#queue.length && !link.isCongested) {
      const request = this.#queue[taken]!;
      taken += 1;
      if (request.end <= frameBytesMax) link.send(request);
      else this.#rejectLong(request, frameBytesMax);
    }
    this.#queue.splice(0, taken);
  }

  /** It was built for a server that takes more. This one would break the connection, and at each attempt anew. */
  #rejectLong(request: Request, frameBytesMax: number): void {
    const message = `a frame of ${request.end} bytes, the bound of the server is ${frameBytesMax}`;
    request.reject(refused('ERR_SYNOD_ARGUMENT', message));
    this.#release(request);
  }

  #dial(): void {
    const { servers, cluster, timeoutMs, connectTimeoutMs, resumeTimeoutMs } = this.#options;
    const known = this.#reachablePrimary;
    this.#server = known >= 0 ? known : (this.#server + 1) % servers.length;
    this.#primary = null;
    this.#dialledAt = performance.now();
    const link = new Link({
      address: servers[this.#server]!.address as Address,
      cluster,
      crc32c: this.#crc32c,
      connectTimeoutMs,
      resumeTimeoutMs,
      stallMs: Math.max(timeoutMs, STALL_MS_MIN),
      onOpen: (welcome) => {
        this.#welcome = welcome;
        this.#requestBytesMax = Math.min(
          REQUEST_BYTES_TARGET,
          this.#options.batchBytesMax,
          welcome.frameBytesMax,
        );
        this.#primary = welcome.primary;
        this.#primaryNamedAt = performance.now();
        this.#onFirstOpen?.();
        this.#onFirstOpen = null;
        this.#move();
        this.#pump();
      },
      onPrimary: (primary) => {
        this.#primary = primary;
        if (primary !== null) this.#primaryNamedAt = performance.now();
        this.#move();
        this.#pump();
      },
      onDrain: () => this.#pump(),
      onSettled: (request) => {
        this.#release(request);
        this.#move();
        // Not otherwise: what is called in this turn leaves together.
        if (this.#isWithheld) this.#pump();
      },
      onDead: (error) => this.#onDead(link, error),
    });
    this.#link = link;
  }

  /** Place in `servers` of the primary; -1 where there is none, or it was lost a short while ago. */
  get #reachablePrimary(): number {
    if (this.#primary === null) return -1;
    const place = this.#options.servers.findIndex(({ id }) => id === this.#primary);
    return place >= 0 && performance.now() - this.#lostAt[place]! > LOST_MS ? place : -1;
  }

  /**
   * The primary is at another server that this client can reach, or this one has known none for too long: nothing more is sent to it. Not
   * so right after a move: two servers that each name the other one would be given nothing.
   */
  get #isMoving(): boolean {
    const { servers } = this.#options;
    if (this.#primary === servers[this.#server]!.id) return false;
    const now = performance.now();
    if (now - this.#movedAt <= PAUSE_MS) return false;
    if (this.#primary !== null) return this.#reachablePrimary >= 0;
    return servers.length > 1 && now - this.#primaryNamedAt > NO_PRIMARY_MS;
  }

  /** Once the present server has answered everything: otherwise the order of the calls could be lost. */
  #move(): void {
    const link = this.#link;
    if (link === null || !link.isOpen || link.inFlight.length > 0 || !this.#isMoving) return;
    link.close();
    this.#link = null;
    const dial = (): void => {
      this.#movedAt = performance.now();
      this.#dial();
    };
    const leftMs = this.#dialledAt + PAUSE_MS - performance.now();
    if (leftMs <= 0) dial();
    else this.#pause = setTimeout(dial, leftMs);
  }

  #onDead(link: Link, error: SynodError): void {
    if (this.#isClosed) return;
    this.#lastError = error;
    for (const request of link.inFlight.takeAll()) {
      request.reject(error);
      this.#release(request);
    }
    this.#link = null;
    this.#lostAt[this.#server] = performance.now();
    // The one that is lost is not the primary any more, or not for long.
    if (this.#primary === this.#options.servers[this.#server]!.id) this.#primary = null;
    this.#pause = setTimeout(() => this.#dial(), PAUSE_MS);
  }

  #release({ count, end }: Request): void {
    this.#outstandingBytes -= end - HEADER_BYTES - count * LENGTH_BYTES + count * COMMAND_OVERHEAD_BYTES;
  }

  /** The time limits, by requests: all that stands in one was called before it was sealed. */
  #expire(): void {
    const { timeoutMs } = this.#options;
    const oldest = performance.now() - timeoutMs;
    const timedOut = (outcome: 'unknown' | 'not-applied'): SynodError =>
      new SynodError('ERR_SYNOD_TIMEOUT', `no result within ${timeoutMs} ms`, { outcome });
    for (const request of this.#link?.inFlight ?? []) {
      if (request.sealedAt > oldest) break;
      // It stays in flight, and its bytes outstanding: the server may still answer.
      request.reject(timedOut('unknown'));
    }
    this.#seal();
    while (this.#queue.length > 0 && this.#queue[0]!.sealedAt <= oldest) {
      const request = this.#queue.shift()!;
      request.reject(timedOut('not-applied'));
      this.#release(request);
    }
    // No heartbeat says that a second without a primary is over.
    this.#move();
    this.#pump();
  }
}

function refused(
  code: 'ERR_SYNOD_CLOSED' | 'ERR_SYNOD_ARGUMENT' | 'ERR_SYNOD_OVERLOADED',
  message: string,
): SynodError {
  return new SynodError(code, message, { outcome: 'not-applied' });
}
