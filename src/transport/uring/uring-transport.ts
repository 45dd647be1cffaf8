/**
 * The transport over io_uring sockets, on the ring that this thread shares with its log files.
 *
 * A turn ends when everything of one wake-up was handed over; what the turn sends leaves in one system call, together
 * with the log writes of the turn, at `flush`.
 */

import { requires } from '../../contracts.js';
import { SynodError } from '../../errors.js';
import { acquireUringLoop, type UringLoop, type UringSocketTarget } from '../../native/uring-loop.js';
import { probeUring } from '../../native/uring-probe.js';
import { formatAddress } from '../address.js';
import { attemptMs, resolveHost } from '../resolve.js';
import type { Address, DialledConnection, Transport, TransportHandler } from '../transport.js';
import { type ConnectionOwner, UringConnection } from './uring-connection.js';

/** Received bytes that one connection lends at most, give or take what one wake-up brings; then it stops receiving. */
const RECEIVE_BYTES_MAX_DEFAULT = 4 * 1024 * 1024;
const BACKLOG = 511;
/** Until the next attempt to accept where descriptors ran out. */
const ACCEPT_RETRY_MS = 100;

export interface UringTransportOptions {
  /** What to say in `reason`. */
  readonly reason?: string;
  /** Bytes lent by one connection beyond which its peer meets back-pressure. Default 4 MiB. */
  readonly receiveBytesMax?: number;
}

/** Throws `ERR_SYNOD_TRANSPORT_UNAVAILABLE` with the cause where the kernel or the addon does not allow it. */
export function createUringTransport(options: UringTransportOptions = {}): Transport {
  const { obstacle, description } = probeUring('sockets');
  if (obstacle !== null) throw unavailable(obstacle);
  let loop: UringLoop;
  try {
    loop = acquireUringLoop();
  } catch (error) {
    throw unavailable((error as Error).message, error);
  }
  return new UringTransport(loop, options.reason ?? `uring: ${description}`, options);
}

function unavailable(obstacle: string, cause?: unknown): SynodError {
  return new SynodError('ERR_SYNOD_TRANSPORT_UNAVAILABLE', `transport uring: ${obstacle}`, { cause });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

class UringTransport implements Transport, ConnectionOwner {
  readonly kind = 'uring';
  readonly reason: string;

  readonly #loop: UringLoop;
  readonly #receiveBytesMax: number;
  #handler: TransportHandler | null = null;
  #nextId = 1;
  #listener = -1;
  readonly #connections = new Set<UringConnection>();
  readonly #dials = new Set<Dial>();
  /** Listener sockets and dials that are not closed in the kernel yet. */
  #socketsClosing = 0;
  #acceptRetry: NodeJS.Timeout | null = null;
  /** A host name is being looked up for `listen`. */
  #bindPending = false;
  #closing = false;
  #closed = false;
  readonly #closeCallbacks: Array<() => void> = [];
  readonly #onTurnEnd = (): void => {
    if (!this.#closed) this.#handler?.onTurnEnd();
  };

  constructor(loop: UringLoop, reason: string, options: UringTransportOptions) {
    this.#loop = loop;
    this.reason = reason;
    this.#receiveBytesMax = options.receiveBytesMax ?? RECEIVE_BYTES_MAX_DEFAULT;
  }

  listen(
    handler: TransportHandler,
    address: Address,
    callback: (error: SynodError | null, bound?: Address) => void,
  ): void {
    requires(this.#handler === null, 'transport-listen-once');
    this.#handler = handler;
    const fail = (cause: unknown): void => {
      const message = `cannot listen on ${formatAddress(address)}: ${messageOf(cause)}`;
      callback(new SynodError('ERR_SYNOD_LISTEN', message, { cause }));
    };
    const bind = (host: string): void => {
      this.#bindPending = false;
      try {
        if (this.#closing) throw new Error('the transport was closed');
        this.#listener = this.#loop.listen(host, address.port, BACKLOG, this.#listenerTarget());
      } catch (error) {
        fail(error);
        this.#finishClose();
        return;
      }
      callback(null, this.#loop.addressOf(this.#listener, false));
    };
    try {
      // Now, not when the name was looked up: a dial that is asked for meanwhile receives too.
      this.#loop.attachSockets(this.#onTurnEnd);
    } catch (error) {
      setImmediate(() => fail(error));
      return;
    }
    this.#bindPending = true;
    resolveHost(address.host, (error, hosts) => {
      if (error === null) bind(hosts[0] as string);
      else {
        this.#bindPending = false;
        fail(error);
        this.#finishClose();
      }
    });
  }

  #listenerTarget(): UringSocketTarget {
    return {
      onAccepted: (socket) => this.#stand(socket, -1),
      onAcceptStopped: () => {
        this.#acceptRetry = setTimeout(() => {
          this.#acceptRetry = null;
          if (this.#listener >= 0) this.#loop.acceptAgain(this.#listener);
        }, ACCEPT_RETRY_MS);
      },
      onConnected: () => {},
      onReceived: () => {},
      onSent: () => {},
      wantsBytes: () => false,
      onClosed: () => {
        this.#socketsClosing--;
        this.#finishClose();
      },
    };
  }

  #stand(socket: number, token: number): UringConnection {
    const connection = new UringConnection(
      this.#nextId++,
      this.#loop,
      socket,
      token,
      this.#receiveBytesMax,
      this,
    );
    this.#connections.add(connection);
    this.#handler?.onConnection(connection as DialledConnection);
    // Accepted by the kernel before it heard that this side is closing.
    if (this.#closing) connection.close('the transport was closed');
    return connection;
  }

  connect(address: Address, token: number, timeoutMs: number): void {
    requires(this.#handler !== null, 'transport-listen-first');
    const dial = new Dial(this.#loop, address, timeoutMs, {
      stands: (socket) => {
        this.#dials.delete(dial);
        return this.#stand(socket, token);
      },
      failed: (error) => {
        this.#dials.delete(dial);
        this.#handler?.onConnectFailed(token, error);
        this.#finishClose();
      },
      // The kernel's part of a dial that was given up ends later than the dial.
      socketOpened: () => {
        this.#socketsClosing++;
      },
      socketEnded: () => {
        this.#socketsClosing--;
        this.#finishClose();
      },
    });
    this.#dials.add(dial);
    if (this.#closing) setImmediate(() => dial.giveUp(closedError()));
    else dial.start();
  }

  flush(): void {
    this.#loop.flush();
  }

  received(connection: UringConnection, bytes: Uint8Array, start: number, end: number, lease: number): void {
    this.#handler?.onReceived(connection, bytes, start, end, lease);
  }

  payloadsSent(connection: UringConnection, count: number): void {
    this.#handler?.onPayloadsSent(connection, count);
  }

  closed(connection: UringConnection, reason: string): void {
    this.#connections.delete(connection);
    this.#handler?.onClosed(connection, reason);
    this.#finishClose();
  }

  close(callback: () => void): void {
    if (this.#closed) {
      setImmediate(callback);
      return;
    }
    this.#closeCallbacks.push(callback);
    if (this.#closing) return;
    this.#closing = true;
    if (this.#acceptRetry !== null) clearTimeout(this.#acceptRetry);
    // Not now: giving up a dial calls the handler, which must not happen inside the call that asks for it.
    setImmediate(() => {
      for (const dial of [...this.#dials]) dial.giveUp(closedError());
      for (const connection of [...this.#connections]) connection.close('the transport was closed');
      if (this.#listener >= 0) {
        this.#socketsClosing++;
        this.#loop.closeSocket(this.#listener);
        this.#listener = -1;
      }
      this.#finishClose();
    });
  }

  #finishClose(): void {
    if (!this.#closing || this.#closed || this.#listener >= 0 || this.#bindPending) return;
    if (this.#connections.size > 0 || this.#dials.size > 0 || this.#socketsClosing > 0) return;
    this.#closed = true;
    this.#loop.detachSockets(this.#onTurnEnd);
    // Later: the rest of this wake-up may hold leases of the ring that are yet to be handed over to others.
    setImmediate(() => this.#loop.release());
    for (const callback of this.#closeCallbacks.splice(0)) setImmediate(callback);
  }
}

function closedError(): SynodError {
  return new SynodError('ERR_SYNOD_CLOSED', 'the transport was closed');
}

interface DialOutcome {
  stands(socket: number): UringConnection;
  failed(error: SynodError): void;
  socketOpened(): void;
  socketEnded(): void;
}

/** One attempt to reach an address: name lookup, then the socket, both within one bound of time. */
class Dial implements UringSocketTarget {
  readonly #loop: UringLoop;
  readonly #address: Address;
  readonly #outcome: DialOutcome;
  readonly #timer: NodeJS.Timeout;
  readonly #deadline: number;
  /** Gives up one address, for the next. */
  #attempt: NodeJS.Timeout | null = null;
  #hosts: readonly string[] = [];
  #hostsTried = 0;
  #socket = -1;
  #ended = false;
  /** Who hears of the socket once it stands. */
  #connection: UringConnection | null = null;

  constructor(loop: UringLoop, address: Address, timeoutMs: number, outcome: DialOutcome) {
    this.#loop = loop;
    this.#address = address;
    this.#outcome = outcome;
    this.#deadline = performance.now() + timeoutMs;
    this.#timer = setTimeout(() => {
      const message = `cannot reach ${formatAddress(address)}: no answer within ${timeoutMs} ms`;
      this.giveUp(new SynodError('ERR_SYNOD_TIMEOUT', message));
    }, timeoutMs);
  }

  start(): void {
    resolveHost(this.#address.host, (error, hosts) => {
      if (error !== null) this.#refuse(error);
      else {
        this.#hosts = hosts;
        this.#tryNext(null);
      }
    });
  }

  /** A name may have several addresses, as localhost does: each gets its turn within the one bound of time. */
  #tryNext(cause: unknown): void {
    if (this.#ended) return;
    const ms = attemptMs(this.#deadline, performance.now(), this.#hosts.length - this.#hostsTried);
    const host = this.#hosts[this.#hostsTried++];
    if (host === undefined) {
      this.#refuse(cause);
      return;
    }
    try {
      this.#socket = this.#loop.connect(host, this.#address.port, this);
      this.#outcome.socketOpened();
    } catch (error) {
      setImmediate(() => this.#tryNext(error));
      return;
    }
    // Its end is heard of by `onClosed`, as where the system gave it up.
    if (ms !== null) this.#attempt = setTimeout(() => this.#loop.closeSocket(this.#socket), ms);
  }

  #clearTimers(): void {
    clearTimeout(this.#timer);
    if (this.#attempt !== null) clearTimeout(this.#attempt);
  }

  #refuse(cause: unknown): void {
    const message = `cannot reach ${formatAddress(this.#address)}: ${messageOf(cause)}`;
    this.giveUp(new SynodError('ERR_SYNOD_CONNECT', message, { cause }));
  }

  giveUp(error: SynodError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#clearTimers();
    if (this.#socket >= 0) this.#loop.closeSocket(this.#socket);
    this.#outcome.failed(error);
  }

  onConnected(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#clearTimers();
    this.#connection = this.#outcome.stands(this.#socket);
  }

  onReceived(bytes: Uint8Array, start: number, end: number, buffer: number): void {
    if (this.#connection === null) this.#loop.releaseBuffer(buffer);
    else this.#connection.onReceived(bytes, start, end, buffer);
  }

  onSent(payloads: number): void {
    this.#connection?.onSent(payloads);
  }

  wantsBytes(): boolean {
    return this.#connection?.wantsBytes() ?? false;
  }

  onClosed(code: string | null): void {
    this.#socket = -1;
    if (this.#connection !== null) this.#connection.onClosed(code);
    else {
      // The socket's index may be that of another one by the time it would fire.
      if (this.#attempt !== null) clearTimeout(this.#attempt);
      this.#tryNext(new Error(code ?? 'no answer'));
    }
    this.#outcome.socketEnded();
  }

  onAccepted(): UringSocketTarget {
    return this;
  }

  onAcceptStopped(): void {}
}
