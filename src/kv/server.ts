/** The key-value service: a RESP server in front of a replica that runs a `KeyValueStateMachine`. */

import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { SynodError } from '../errors.js';
import { CommandEncoder } from './command-codec.js';
import { Connection, type ConnectionHost, type ServerStatistics } from './connection.js';
import { type KeyspaceStatistics, makeInformation } from './information.js';
import type { ReplicaLike, ReplicateOptionsLike } from './replica-like.js';
import { RespWriter } from './resp-writer.js';
import {
  type CheckedServerOptions,
  checkServerOptions,
  type KeyValueServerOptions,
} from './server-options.js';

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** Of one reply that needs no log. They are small, but PING and ECHO repeat what they are sent. */
const LOCAL_REPLY_BYTES_MAX = 256 * 1024 * 1024;

/**
 * Serves RESP2 and RESP3 clients. Every replica of a cluster may have one: commands go through `replica`, whose
 * results are replies in RESP already.
 */
export class KeyValueServer {
  readonly #host: Host;
  #server: Server | null = null;
  #closing: Promise<void> | null = null;

  /**
   * `stateMachine` is the one that `replica` runs; INFO shows its key counts. It may be left out.
   * @throws SynodError `ERR_SYNOD_OPTION` where an option is unknown or out of bounds.
   */
  constructor(
    replica: ReplicaLike,
    options: KeyValueServerOptions = {},
    stateMachine: { statistics(): KeyspaceStatistics } | null = null,
  ) {
    this.#host = new Host(replica, checkServerOptions(options), stateMachine);
  }

  /** What was counted since the server was made. */
  get statistics(): Readonly<ServerStatistics> {
    return this.#host.statistics;
  }

  get connectionCount(): number {
    return this.#host.open.size;
  }

  /**
   * Binds `host:port` (an IPv6 host in brackets) and serves. Port 0 takes a free one. Yields what was bound.
   * @throws SynodError `ERR_SYNOD_LISTEN`, `ERR_SYNOD_CLOSED`, or `ERR_SYNOD_ARGUMENT` for no such address.
   */
  async listen(address: string | ListenAddress): Promise<ListenAddress> {
    if (this.#closing !== null) throw new SynodError('ERR_SYNOD_CLOSED', 'the key-value server is closed');
    if (this.#server !== null)
      throw new SynodError('ERR_SYNOD_ARGUMENT', 'the key-value server listens already');
    const { host, port } = typeof address === 'string' ? parseAddress(address) : checkAddress(address);
    const server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true });
    this.#server = server;
    server.on('connection', (socket) => this.#host.accept(socket));
    const bound = await new Promise<AddressInfo>((resolve, reject) => {
      const refuse = (error: Error): void => {
        this.#server = null;
        reject(
          new SynodError('ERR_SYNOD_LISTEN', `cannot listen on ${host}:${port}: ${error.message}`, {
            cause: error,
          }),
        );
      };
      // By `close`, before it listens: neither of the others is told of that.
      const giveUp = (): void =>
        reject(new SynodError('ERR_SYNOD_CLOSED', 'the key-value server was closed'));
      server.once('error', refuse);
      server.once('close', giveUp);
      server.listen({ host, port }, () => {
        server.off('error', refuse);
        server.off('close', giveUp);
        resolve(server.address() as AddressInfo);
      });
    });
    const { onEvent } = this.#host.options;
    server.on('error', (error) => onEvent({ event: 'listener-failed', remote: '', reason: error.message }));
    this.#host.port = bound.port;
    return { host: bound.address, port: bound.port };
  }

  /**
   * Takes no more connections and requests, waits up to `closeTimeoutMs` for replies that are under way, and closes
   * every connection. Does not close the replica. Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const server = this.#server;
    const closed = new Promise<void>((resolve) => {
      if (server === null) resolve();
      else server.close(() => resolve());
    });
    await this.#host.closeConnections();
    await closed;
  }
}

/** What the server's connections share. */
class Host implements ConnectionHost {
  readonly replica: ReplicaLike;
  readonly options: CheckedServerOptions;
  readonly replicateOptions: ReplicateOptionsLike;
  readonly encoder: CommandEncoder = new CommandEncoder();
  readonly localReplies: RespWriter = new RespWriter(LOCAL_REPLY_BYTES_MAX);
  readonly statistics: ServerStatistics = {
    connectionsReceived: 0,
    connectionsRefused: 0,
    connectionsCut: 0,
    commandsProcessed: 0,
    batchesReplicated: 0,
    requestsRefused: 0,
    bytesReceived: 0,
    bytesSent: 0,
  };
  readonly open: Set<Connection> = new Set();
  outstandingBytes = 0;
  port = 0;

  readonly #stateMachine: { statistics(): KeyspaceStatistics } | null;
  readonly #startedMs: number;
  #lastId = 0;
  #closing = false;
  /** Have replies to send, at the end of this turn. */
  #settled: Connection[] = [];
  readonly #waitingForRoom: Set<Connection> = new Set();
  #onLastClosed: (() => void) | null = null;

  constructor(
    replica: ReplicaLike,
    options: CheckedServerOptions,
    stateMachine: { statistics(): KeyspaceStatistics } | null,
  ) {
    this.replica = replica;
    this.options = options;
    this.replicateOptions = Object.freeze({ timeoutMs: options.timeoutMs });
    this.#stateMachine = stateMachine;
    this.#startedMs = options.nowMs();
  }

  accept(socket: Socket): void {
    this.statistics.connectionsReceived++;
    if (this.#closing || this.open.size >= this.options.connectionsMax) {
      this.statistics.connectionsRefused++;
      const remote = `${socket.remoteAddress ?? ''}:${socket.remotePort ?? 0}`;
      this.options.onEvent({ event: 'connection-refused', remote, reason: 'max number of clients reached' });
      socket.on('error', () => socket.destroy());
      socket.end('-ERR max number of clients reached\r\n', () => socket.destroy());
      return;
    }
    this.open.add(new Connection(this, socket, ++this.#lastId));
  }

  connections(): Iterable<Connection> {
    return this.open;
  }

  scheduleFlush(connection: Connection): void {
    this.#settled.push(connection);
    // Runs after the promises that are settled together have all run, so that their replies share a write.
    if (this.#settled.length === 1) process.nextTick(flushSettled, this);
  }

  waitForRoom(connection: Connection): void {
    this.#waitingForRoom.add(connection);
  }

  flushSettled(): void {
    const settled = this.#settled;
    this.#settled = [];
    for (const connection of settled) connection.onSettled();
    if (this.#waitingForRoom.size === 0 || this.outstandingBytes > this.options.outstandingBytesMax / 2)
      return;
    const waiting = [...this.#waitingForRoom];
    this.#waitingForRoom.clear();
    for (const connection of waiting) connection.pump();
  }

  async information(sections: readonly string[]): Promise<string> {
    const status = await this.replica.status();
    const health = (await this.replica.health?.()) ?? null;
    return makeInformation(sections, {
      status,
      health,
      stages: this.replica.statistics?.() ?? null,
      statistics: this.statistics,
      keyspace: this.#stateMachine?.statistics() ?? null,
      port: this.port,
      uptimeS: Math.max(0, Math.trunc((this.options.nowMs() - this.#startedMs) / 1000)),
      connectionCount: this.open.size,
      outstandingBytes: this.outstandingBytes,
    });
  }

  onClosed(connection: Connection): void {
    this.open.delete(connection);
    this.#waitingForRoom.delete(connection);
    if (this.open.size === 0) this.#onLastClosed?.();
  }

  async closeConnections(): Promise<void> {
    this.#closing = true;
    if (this.open.size === 0) return;
    const lastClosed = new Promise<void>((resolve) => {
      this.#onLastClosed = resolve;
    });
    const timer = setTimeout(() => {
      for (const connection of [...this.open]) connection.destroy();
    }, this.options.closeTimeoutMs);
    for (const connection of [...this.open]) connection.stop();
    await lastClosed;
    clearTimeout(timer);
  }
}

function flushSettled(host: Host): void {
  host.flushSettled();
}

function checkAddress(address: ListenAddress): ListenAddress {
  const { host, port } = address ?? {};
  if (typeof host !== 'string' || host === '' || !Number.isInteger(port) || port < 0 || port > 65_535)
    throw new SynodError('ERR_SYNOD_ARGUMENT', 'address must be host:port, or { host, port }');
  return { host, port };
}

function parseAddress(address: string): ListenAddress {
  const match = /^(?:\[([0-9a-fA-F:.%]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(address);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw new SynodError('ERR_SYNOD_ARGUMENT', `address must be host:port, not '${address}'`);
  }
  return { host: (match[1] ?? match[2]) as string, port };
}
