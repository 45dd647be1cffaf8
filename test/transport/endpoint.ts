/**
 * A user of a transport, for tests: keeps what the handler was told, checks the rules that hold for every call,
 * and lets a test wait for a condition instead of a time.
 */

import { createHash, type Hash } from 'node:crypto';
import type { SynodError } from '../../src/errors.js';
import type {
  Address,
  Connection,
  DialledConnection,
  Transport,
  TransportHandler,
} from '../../src/transport/transport.js';

export interface Received {
  bytes: number;
  hash: Hash;
  /** Leases not given back. */
  leases: number[];
  /** The bytes themselves, where `keep` was asked for. */
  chunks: Uint8Array[];
}

interface Waiter {
  readonly condition: () => boolean;
  readonly resolve: () => void;
}

export class Endpoint implements TransportHandler {
  readonly transport: Transport;
  address: Address = { host: '127.0.0.1', port: 0 };
  readonly connections: Connection[] = [];
  readonly failures: Array<{ token: number; error: SynodError }> = [];
  readonly closed = new Map<Connection, string>();
  readonly payloadsSent = new Map<Connection, number>();
  readonly received = new Map<Connection, Received>();
  turns = 0;
  /** Rules that were broken; a test ends with none. */
  readonly violations: string[] = [];
  /** False: leases are kept until the test releases them. */
  releasing = true;
  keep = false;
  onBytes: ((connection: Connection, bytes: Uint8Array, start: number, end: number) => void) | null = null;
  onSent: ((connection: Connection, count: number) => void) | null = null;

  #insideCall = 0;
  #transportClosed = false;
  #callsSinceTurn = 0;
  readonly #waiters: Waiter[] = [];

  constructor(transport: Transport) {
    this.transport = transport;
  }

  listen(address: Address = { host: '127.0.0.1', port: 0 }): Promise<Address> {
    return new Promise((resolve, reject) => {
      this.#asking(() =>
        this.transport.listen(this, address, (error, bound) => {
          this.#noteCall('listen callback');
          if (error) reject(error);
          else {
            this.address = bound as Address;
            resolve(this.address);
          }
        }),
      );
    });
  }

  connect(address: Address, token = 1, timeoutMs = 10_000): void {
    this.#asking(() => this.transport.connect(address, token, timeoutMs));
  }

  send(connection: Connection, header: Uint8Array, payload?: Uint8Array, start = 0, end?: number): void {
    this.#asking(() => {
      if (payload === undefined) connection.send(header, header.length);
      else connection.send(header, header.length, payload, start, end ?? payload.length);
    });
  }

  flush(): void {
    this.#asking(() => this.transport.flush());
  }

  setReceiving(connection: Connection, receiving: boolean): void {
    this.#asking(() => connection.setReceiving(receiving));
  }

  closeConnection(connection: Connection, reason: string): void {
    this.#asking(() => connection.close(reason));
  }

  releaseAll(connection: Connection): void {
    const received = this.received.get(connection) as Received;
    for (const lease of received.leases.splice(0)) this.#asking(() => connection.release(lease));
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#asking(() =>
        this.transport.close(() => {
          this.#noteCall('close callback');
          this.#transportClosed = true;
          resolve();
        }),
      );
    });
  }

  /** Resolves as soon as `condition` holds; conditions are looked at after every call of the transport. */
  until(condition: () => boolean): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ condition, resolve }));
  }

  digest(connection: Connection): string {
    return (this.received.get(connection) as Received).hash.copy().digest('hex');
  }

  bytesFrom(connection: Connection): number {
    return this.received.get(connection)?.bytes ?? 0;
  }

  sentTo(connection: Connection): number {
    return this.payloadsSent.get(connection) ?? 0;
  }

  onConnection(connection: Connection): void {
    this.#noteCall('onConnection');
    if (this.received.has(connection)) this.violations.push('onConnection twice for one connection');
    this.connections.push(connection);
    this.received.set(connection, { bytes: 0, hash: createHash('sha256'), leases: [], chunks: [] });
    this.#look();
  }

  onConnectFailed(token: number, error: SynodError): void {
    this.#noteCall('onConnectFailed');
    this.failures.push({ token, error });
    this.#look();
  }

  onReceived(connection: Connection, bytes: Uint8Array, start: number, end: number, lease: number): void {
    this.#noteCall('onReceived', connection);
    this.#callsSinceTurn++;
    const received = this.received.get(connection);
    if (received === undefined) {
      this.violations.push('onReceived before onConnection');
      return;
    }
    if (!(start >= 0 && start < end && end <= bytes.length))
      this.violations.push(`empty range ${start}-${end}`);
    received.bytes += end - start;
    received.hash.update(bytes.subarray(start, end));
    if (this.keep) received.chunks.push(bytes.slice(start, end));
    this.onBytes?.(connection, bytes, start, end);
    if (this.releasing) this.#asking(() => connection.release(lease));
    else received.leases.push(lease);
    this.#look();
  }

  onPayloadsSent(connection: Connection, count: number): void {
    this.#noteCall('onPayloadsSent', connection);
    if (!(count > 0)) this.violations.push('onPayloadsSent of none');
    this.payloadsSent.set(connection, this.sentTo(connection) + count);
    this.onSent?.(connection, count);
    this.#look();
  }

  onClosed(connection: Connection, reason: string): void {
    this.#noteCall('onClosed', connection);
    if (!this.received.has(connection)) this.violations.push('onClosed without onConnection');
    this.closed.set(connection, reason);
    this.#look();
  }

  onTurnEnd(): void {
    this.#noteCall('onTurnEnd');
    this.turns++;
    this.#callsSinceTurn = 0;
    this.#look();
  }

  /** True where something was received that no turn has followed yet. */
  get turnIsOwed(): boolean {
    return this.#callsSinceTurn > 0;
  }

  #asking(call: () => void): void {
    this.#insideCall++;
    try {
      call();
    } finally {
      this.#insideCall--;
    }
  }

  #noteCall(name: string, connection?: Connection): void {
    if (this.#insideCall > 0) this.violations.push(`${name} inside the call that asked for it`);
    if (this.#transportClosed && name !== 'close callback') this.violations.push(`${name} after close`);
    if (connection !== undefined && this.closed.has(connection))
      this.violations.push(`${name} after onClosed`);
  }

  #look(): void {
    for (let index = 0; index < this.#waiters.length; ) {
      const waiter = this.#waiters[index] as Waiter;
      if (waiter.condition()) {
        this.#waiters.splice(index, 1);
        waiter.resolve();
      } else index++;
    }
  }
}

/** The two ends of one fresh connection from `near` to `far`. */
export async function joined(near: Endpoint, far: Endpoint): Promise<[Connection, Connection]> {
  const [nearCount, farCount] = [near.connections.length, far.connections.length];
  near.connect(far.address, nearCount + 1);
  await Promise.all([
    near.until(() => near.connections.length > nearCount),
    far.until(() => far.connections.length > farCount),
  ]);
  return [near.connections[nearCount] as DialledConnection, far.connections[farCount] as Connection];
}
