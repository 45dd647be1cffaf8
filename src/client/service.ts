/** The server's side of the client protocol, attached to a replica. */

import { randomBytes } from 'node:crypto';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { type Crc32c, crc32c as portableCrc32c } from '../checksum.js';
import { CommandBatch } from '../command-batch.js';
import { SynodError } from '../errors.js';
import { loadAddon } from '../native/addon.js';
import type { Replica } from '../replica.js';
import {
  type ClientFrame,
  ClientFrameKind,
  HEADER_BYTES,
  HEARTBEAT_MS,
  LENGTH_BYTES,
  makeFrame,
  SESSION_ID_BYTES,
} from './format.js';
import { decodeHello, encodeFailure, encodePrimary, encodeWelcome } from './messages.js';
import { ResultEncoder } from './result-encoder.js';
import { ServiceConnection } from './service-connection.js';
import {
  type CheckedServiceOptions,
  type ClientServiceOptions,
  checkServiceOptions,
} from './service-options.js';
import { Session } from './session.js';

/** What the service needs of a replica. */
export type ServedReplica<Result> = Pick<
  Replica<Result>,
  'cluster' | 'commandBytesMax' | 'replicateBatch' | 'primary' | 'role' | 'on' | 'off'
>;

/** As for the replica: what an outstanding command costs beside its bytes. */
const COMMAND_OVERHEAD_BYTES = 64;
const INACTIVE = 'its replica is no member of the cluster, or not yet';
/** Connections of which nobody knows yet whose they are, beside two for each session: a client may come back before its old one is missed. */
const STRANGERS_MAX = 64;

export interface ClientServiceStatistics {
  readonly connections: number;
  readonly sessions: number;
  readonly outstandingBytes: number;
  readonly commands: number;
  readonly batches: number;
}

/**
 * Serves clients of `synod/client`: their commands go through `replica`, in order, and its results back to them. Every replica of
 * a cluster may have one. Resolves once it listens. Rejects with `ERR_SYNOD_OPTION` (of another cluster than the replica, too),
 * `ERR_SYNOD_ARGUMENT` (no replica) or `ERR_SYNOD_LISTEN`.
 */
export async function serveClients<Result>(
  replica: ServedReplica<Result>,
  options: ClientServiceOptions<Result>,
): Promise<ClientService<Result>> {
  const checked = checkServiceOptions(options);
  if (typeof replica?.replicateBatch !== 'function')
    throw new SynodError('ERR_SYNOD_ARGUMENT', 'replica: expected a Replica');
  if (checked.cluster !== replica.cluster)
    throw new SynodError(
      'ERR_SYNOD_OPTION',
      `cluster: "${checked.cluster}", the replica is of "${replica.cluster}"`,
      { path: 'cluster' },
    );
  const service = new ClientService<Result>(replica, checked);
  await service.listen();
  return service;
}

export class ClientService<Result> implements AsyncDisposable {
  readonly options: CheckedServiceOptions<Result>;
  readonly crc32c: Crc32c = loadAddon().addon?.crc32c ?? portableCrc32c;

  readonly #replica: ServedReplica<Result>;
  readonly #life = randomBytes(SESSION_ID_BYTES).toString('hex');
  readonly #server: Server;
  readonly #connections: Set<ServiceConnection> = new Set();
  readonly #sessions: Map<string, Session> = new Map();
  readonly #attached: Map<Session, ServiceConnection> = new Map();
  readonly #timers: Map<Session, NodeJS.Timeout> = new Map();
  readonly #onRole = (): void => {
    this.#tellPrimary();
    if (this.#replica.role === 'inactive') this.#dismiss(INACTIVE);
  };
  readonly #onFenced = ({ message }: SynodError): void => this.#retire(`its replica is fenced: ${message}`);
  #heartbeat: NodeJS.Timeout | undefined;
  readonly #encoder: ResultEncoder<Result>;
  #address: { host: string; port: number } | null = null;
  #outstandingBytes = 0;
  #commands = 0;
  #batches = 0;
  /** Why no client is served any more; null while they are. */
  #retired: string | null = null;
  #isDismissing = false;
  #closing: Promise<void> | null = null;
  #onIdle: (() => void) | null = null;

  /** Use `serveClients`. */
  constructor(replica: ServedReplica<Result>, options: CheckedServiceOptions<Result>) {
    this.options = options;
    this.#replica = replica;
    this.#encoder = new ResultEncoder({ ...options, crc32c: this.crc32c });
    this.#server = createServer({ noDelay: true, keepAlive: true }, (socket) => this.#accept(socket));
  }

  /** What it listens on. */
  get host(): string {
    return this.#address!.host;
  }
  get port(): number {
    return this.#address!.port;
  }

  get statistics(): ClientServiceStatistics {
    return {
      connections: this.#connections.size,
      sessions: this.#sessions.size,
      outstandingBytes: this.#outstandingBytes,
      commands: this.#commands,
      batches: this.#batches,
    };
  }

  async listen(): Promise<void> {
    const { host, port, onEvent } = this.options;
    const server = this.#server;
    await new Promise<void>((resolve, reject) => {
      const refuse = (cause: Error): void =>
        reject(
          new SynodError('ERR_SYNOD_LISTEN', `cannot listen on ${host}:${port}: ${cause.message}`, { cause }),
        );
      server.once('error', refuse);
      server.listen({ host, port }, () => {
        server.off('error', refuse);
        resolve();
      });
    });
    server.on('error', ({ message }) => onEvent({ event: 'listener-failed', remote: '', reason: message }));
    const bound = server.address() as AddressInfo;
    this.#address = { host: bound.address, port: bound.port };
    this.#replica.on('role', this.#onRole);
    this.#replica.on('fenced', this.#onFenced);
    this.#heartbeat = setInterval(() => this.#tellPrimary(), HEARTBEAT_MS);
    this.#heartbeat.unref();
  }

  /**
   * Takes no more connections and commands, waits for results that are under way and until the clients have read what is for them, and
   * closes every connection. What is not done within `closeTimeoutMs` is not waited for: those connections are cut. Does not close the
   * replica. Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { closeTimeoutMs } = this.options;
    const deadline = performance.now() + closeTimeoutMs;
    this.#replica.off('role', this.#onRole);
    this.#replica.off('fenced', this.#onFenced);
    clearInterval(this.#heartbeat);
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const connection of this.#connections) connection.setReading(false);
    if (this.#outstandingBytes > 0) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
        timer = setTimeout(resolve, closeTimeoutMs);
      });
      clearTimeout(timer);
    }
    const leftMs = Math.max(0, deadline - performance.now());
    for (const connection of [...this.#connections]) connection.end(leftMs);
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    await closed;
  }

  #accept(socket: Socket): void {
    const { onEvent, sessionsMax } = this.options;
    const connection: ServiceConnection = new ServiceConnection(socket, {
      crc32c: this.crc32c,
      frameBytesMax: this.options.frameBytesMax,
      outputPauseBytes: this.options.outputPauseBytes,
      onHello: (frame) => {
        const refusal = this.#onHello(connection, frame);
        if (refusal !== null) this.#refuse(connection, refusal);
      },
      onCommands: (frame) => this.#onCommands(connection, frame),
      onGoodbye: () => this.#forget(connection.session!),
      onCut: (reason) => onEvent({ event: 'connection-cut', remote: connection.remote, reason }),
      onClosed: () => this.#onClosed(connection),
    });
    this.#connections.add(connection);
    if (this.#connections.size > 2 * sessionsMax + STRANGERS_MAX)
      this.#refuse(connection, 'too many clients');
  }

  #refuse(connection: ServiceConnection, reason: string): void {
    this.options.onEvent({ event: 'connection-refused', remote: connection.remote, reason });
    const body = encodeFailure('ERR_SYNOD_REFUSED', 'not-applied', reason);
    connection.send(makeFrame(ClientFrameKind.refusal, 0, 0, 0, body, this.crc32c));
    connection.end(this.options.closeTimeoutMs);
  }

  /** For good: the replica takes commands no more. The clients would stay where each call fails. */
  #retire(reason: string): void {
    this.#retired ??= reason;
    this.#dismiss(reason);
  }

  /** Sends all clients elsewhere, behind the answers that come in this turn: without them outcomes would be unknown that are not. */
  #dismiss(reason: string): void {
    if (this.#isDismissing) return;
    this.#isDismissing = true;
    setImmediate(() => {
      this.#isDismissing = false;
      for (const connection of [...this.#connections])
        if (!connection.isOver) this.#refuse(connection, this.#retired ?? reason);
    });
  }

  /** Yields why the client is refused, or null. */
  #onHello(connection: ServiceConnection, frame: ClientFrame): string | null {
    const hello = decodeHello(frame);
    const { cluster, commandBytesMax, frameBytesMax, keptBytesMax, resultBytesMax, sessionsMax } =
      this.options;
    if (hello.cluster !== cluster) return `this is cluster ${cluster}`;
    if (this.#closing !== null) return 'the service closes';
    if (this.#retired !== null) return this.#retired;
    if (this.#replica.role === 'inactive') return INACTIVE;
    let session = this.#sessions.get(hello.session);
    const isResumed =
      session !== undefined && hello.life === this.#life && this.#resume(session, hello.received);
    if (!isResumed) {
      // Somebody else's, or gone too far: what the client had under way stays unknown to it.
      if (session !== undefined) this.#forget(session);
      if (this.#sessions.size >= sessionsMax && !this.#forgetIdle()) return 'too many clients';
      session = new Session(hello.session, keptBytesMax, resultBytesMax);
      this.#sessions.set(session.id, session);
    }
    this.#attached.set(session!, connection);
    connection.session = session!;
    const body = encodeWelcome({
      life: this.#life,
      received: session!.received,
      // Were a longer one sent, the replica would refuse the whole frame, and with it the commands beside it.
      commandBytesMax: Math.min(commandBytesMax, this.#replica.commandBytesMax),
      frameBytesMax,
      primary: this.#replica.primary,
    });
    connection.send(makeFrame(ClientFrameKind.welcome, isResumed ? 1 : 0, 0, 0, body, this.crc32c));
    this.#deliver(session!);
    this.#updateReading(connection);
    return null;
  }

  #resume(session: Session, received: number): boolean {
    const old = this.#attached.get(session);
    if (old !== undefined) {
      // Its client has noticed before this side did.
      old.session = null;
      this.#attached.delete(session);
      old.destroy();
    }
    clearTimeout(this.#timers.get(session));
    this.#timers.delete(session);
    return session.resume(received);
  }

  /** Makes room for another session, where one can be spared. */
  #forgetIdle(): boolean {
    // In the order in which they lost their connections. What is under way would become unknown to its client.
    for (const session of this.#timers.keys()) {
      if (session.outstandingBytes > 0) continue;
      this.#forget(session);
      return true;
    }
    return false;
  }

  #forget(session: Session): void {
    clearTimeout(this.#timers.get(session));
    this.#timers.delete(session);
    this.#sessions.delete(session.id);
    this.#attached.get(session)?.destroy();
    this.#attached.delete(session);
  }

  #onClosed(connection: ServiceConnection): void {
    this.#connections.delete(connection);
    const { session } = connection;
    if (session === null || this.#attached.get(session) !== connection) return;
    this.#attached.delete(session);
    if (this.#closing !== null || !this.#sessions.has(session.id)) return;
    const timer = setTimeout(() => this.#forget(session), this.options.sessionTimeoutMs);
    timer.unref();
    this.#timers.set(session, timer);
  }

  /** Yields why the connection cannot go on, or null. */
  #onCommands(connection: ServiceConnection, frame: ClientFrame): string | null {
    const session = connection.session!;
    const { bytes, count, first } = frame;
    if (!session.acknowledge(frame.acknowledged)) return 'acknowledged what it was not sent';
    if (count === 0) return bytes.length === HEADER_BYTES ? null : 'no commands, but a body';
    if (count > (bytes.length - HEADER_BYTES) / LENGTH_BYTES) return 'more commands than bytes';
    const isNew = session.admit(first, count);
    if (isNew === null) return `commands ${first} to ${first + count - 1} come out of order`;
    if (!isNew) return null;
    const weight = bytes.length + count * COMMAND_OVERHEAD_BYTES;
    session.outstandingBytes += weight;
    this.#outstandingBytes += weight;
    this.#commands += count;
    this.#batches += 1;
    const batch = new CommandBatch(0);
    batch.adopt(bytes.subarray(HEADER_BYTES), count);
    this.#replica
      .replicateBatch(batch)
      .then(
        (results) => this.#encode(connection, first, results),
        (error: unknown) => this.#onRejected(first, count, error),
      )
      .then((answer) => {
        session.outstandingBytes -= weight;
        this.#outstandingBytes -= weight;
        // Not for one that was cut off: what it has under way would pile up for nobody.
        if (this.#sessions.get(session.id) === session) {
          session.answer(first, answer);
          this.#deliver(session);
        }
        for (const one of this.#connections) this.#updateReading(one);
        if (this.#outstandingBytes === 0) this.#onIdle?.();
      });
    this.#updateReading(connection);
    return null;
  }

  #updateReading(connection: ServiceConnection): void {
    const { connectionOutstandingBytesMax, outstandingBytesMax } = this.options;
    connection.setReading(
      this.#closing === null &&
        this.#outstandingBytes < outstandingBytesMax &&
        (connection.session?.outstandingBytes ?? 0) < connectionOutstandingBytesMax,
    );
  }

  #deliver(session: Session): void {
    const { outputPauseBytes, keptBytesMax } = this.options;
    // So much may come at once, as it was expected, or because its client has come back: whoever reads has had no time to.
    const outputBytesMax = Math.max(this.options.outputBytesMax, outputPauseBytes, keptBytesMax);
    const connection = this.#attached.get(session);
    if (connection !== undefined) {
      for (const answer of session.takeSendable()) {
        // One answer is sent always, however long it is.
        if (connection.waitingBytes > outputBytesMax) {
          this.#cutOff(session);
          return;
        }
        connection.send(answer);
      }
      // Also where nothing could be sent: less is expected now.
      connection.update();
    }
    // For a client that does not come back, or behind an answer that is missing.
    if (session.keptBytes > outputBytesMax) this.#cutOff(session);
  }

  /** Its client does not read: what is under way becomes unknown to it. */
  #cutOff(session: Session): void {
    this.#attached.get(session)?.cut('the client does not read its results');
    this.#forget(session);
  }

  #onRejected(first: number, count: number, error: unknown): Uint8Array {
    // Not every replica tells of it by an event: one that is closed does not, and one that is taken out may not yet know its role.
    if (SynodError.is(error)) {
      const { code, message } = error;
      if (code === 'ERR_SYNOD_FENCED' || code === 'ERR_SYNOD_CLOSED') this.#retire(message);
      else if (code === 'ERR_SYNOD_INACTIVE') this.#dismiss(message);
    }
    return this.#failure(first, count, error);
  }

  #failure(first: number, count: number, error: unknown): Uint8Array {
    const { code, outcome, message } = SynodError.is(error)
      ? error
      : new SynodError('ERR_SYNOD_CONTRACT', String(error), { outcome: 'unknown' });
    const body = encodeFailure(code, outcome, message);
    return makeFrame(ClientFrameKind.failure, count, first, 0, body, this.crc32c);
  }

  #encode(
    connection: ServiceConnection,
    first: number,
    results: readonly (Result | undefined)[],
  ): Uint8Array {
    const tell = (reason: string): void =>
      this.options.onEvent({ event: 'result-lost', remote: connection.remote, reason });
    try {
      return this.#encoder.encode(first, results, (count, reason) =>
        tell(count === 1 ? reason : `${reason}, and ${count - 1} more`),
      );
    } catch (error) {
      tell(String(error));
      const lost = new SynodError('ERR_SYNOD_RESULT_LOST', String(error), { outcome: 'committed' });
      return this.#failure(first, results.length, lost);
    }
  }

  #tellPrimary(): void {
    const body = encodePrimary(this.#replica.primary);
    const frame = makeFrame(ClientFrameKind.primary, 0, 0, 0, body, this.crc32c);
    for (const connection of this.#connections) {
      // Where the client does not read they would pile up, for as long as its connection stands.
      if (connection.session !== null && !connection.isCongested) connection.send(frame);
    }
  }
}
