/**
 * A transport moves bytes between replicas over ordered, reliable connections. It knows nothing of frames:
 * `wire/` cuts them. Three siblings implement it (`memory/`, `tcp/`, `uring/`) and never import each other. tcp
 * and uring speak the same bytes, so they mix in one cluster.
 *
 * Completion-based: a payload that is sent is referred to, not copied, and must stay as it is until
 * `onPayloadsSent` says so; received bytes are lent until `release`.
 *
 * Callbacks, not promises, and none before the call that asked for it has returned.
 */

import type { SynodError } from '../errors.js';
import type { TlsMaterial } from './tls.js';

export type TransportKind = 'memory' | 'tcp' | 'uring';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Who the other end of a connection proved to be, by a certificate that an authority signed. */
export interface PeerCertificate {
  /** Common names and DNS names. */
  readonly names: readonly string[];
  /** SHA-256 in hexadecimal, lower case, without colons. */
  readonly fingerprint: string;
}

/** One end of a connection. Number and object are never used again once closed. */
export interface Connection {
  readonly id: number;
  /** True where the peer dialled. */
  readonly inbound: boolean;
  /** The other end, for the log. */
  readonly remote: string;
  /** Bytes given to `send` that the kernel has not taken yet. The sender bounds it; see `limits`. */
  readonly queuedBytes: number;
  /** Free for the user of the transport. */
  context: unknown;
  /** Where the transport authenticates its peers. */
  readonly certificate?: PeerCertificate | undefined;

  /**
   * Queues `header[0, headerBytes)`, which is copied before the call returns, then, uncopied, bytes
   * [start, end) of `payload`. Goes out at `flush` at the latest. After the connection closed: ignored.
   */
  send(header: Uint8Array, headerBytes: number): void;
  send(header: Uint8Array, headerBytes: number, payload: Uint8Array, start: number, end: number): void;

  /** Gives received bytes back, by the lease that came with them. Each lease exactly once, in any order. */
  release(lease: number): void;

  /**
   * Stops or resumes receiving. Paused, the peer meets TCP back-pressure and this side holds no more memory.
   */
  setReceiving(receiving: boolean): void;

  /** Closes at once, drops what is queued. `reason` goes to `onClosed`. Idempotent. */
  close(reason: string): void;
}

export interface TransportHandler {
  /** A connection was accepted, or the one asked for by `connect` stands. */
  onConnection(connection: Connection): void;
  /** `connect(token)` came to nothing. */
  onConnectFailed(token: number, error: SynodError): void;
  /**
   * Bytes [start, end) of `bytes` arrived. They stay as they are until `connection.release(lease)`. The
   * `bytes` object may be the same for many calls (a buffer pool).
   */
  onReceived(connection: Connection, bytes: Uint8Array, start: number, end: number, lease: number): void;
  /** `count` more payloads, in the order they were sent, are no longer referred to. All of them by `onClosed`. */
  onPayloadsSent(connection: Connection, count: number): void;
  /** After this the connection makes no more calls. Once for each connection, whoever closed it. */
  onClosed(connection: Connection, reason: string): void;
  /** Everything that the kernel had to say in this wake-up was handed over: the engine takes its turn now. */
  onTurnEnd(): void;
}

export interface Transport {
  readonly kind: TransportKind;
  /** Why this kind, in one line for people. */
  readonly reason: string;

  /** Called once, first. Binds `address` and accepts; port 0 takes a free one. Yields the bound address. */
  listen(
    handler: TransportHandler,
    address: Address,
    callback: (error: SynodError | null, bound?: Address) => void,
  ): void;

  /** Dials; ends in `onConnection` (its `token` is this one) or `onConnectFailed`, within `timeoutMs`. */
  connect(address: Address, token: number, timeoutMs: number): void;

  /** End of the engine's turn: whatever was queued goes out now, in as few system calls as possible. */
  flush(): void;

  /** Where TLS is on: connections from now on use this. Those that stand go on with what they began with. */
  setTls?(material: TlsMaterial): void;

  /** Closes the listener and all connections (`onClosed` for each), then calls back. Idempotent. */
  close(callback: () => void): void;
}

/** What `onConnection` yields for a connection that this side dialled. */
export interface DialledConnection extends Connection {
  readonly token: number;
}
