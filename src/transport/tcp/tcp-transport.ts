/**
 * The transport over node:net. Works everywhere, without the addon.
 *
 * A turn ends in the loop's check phase (`setImmediate`): libuv reads all sockets that are ready in its poll phase,
 * so one turn takes in everything that one wake-up brought, on all connections. A microtask would end a turn
 * after each socket, which splits the batches; a timer would add its delay.
 */

import { createServer, type Server, Socket } from 'node:net';
import {
  createServer as createTlsServer,
  type SecureContextOptions,
  TLSSocket,
  type Server as TlsServer,
  connect as tlsConnect,
} from 'node:tls';
import { requires } from '../../contracts.js';
import { SynodError } from '../../errors.js';
import { formatAddress } from '../address.js';
import { attemptMs, resolveHost } from '../resolve.js';
import { describeCertificate, type TlsMaterial } from '../tls.js';
import type { Address, DialledConnection, Transport, TransportHandler } from '../transport.js';
import { type ConnectionOwner, TcpConnection } from './tcp-connection.js';

/** A stranger who does not go on with the handshake of TLS is cut off after this. */
const TLS_HANDSHAKE_TIMEOUT_MS = 5000;
/** Connections in the handshake of TLS, of which the handler has not heard yet. */
const TLS_HANDSHAKES_MAX = 64;

/** Received bytes that one connection lends at most, give or take one read; beyond it the socket is paused. */
const RECEIVE_BYTES_MAX_DEFAULT = 4 * 1024 * 1024;

export interface TcpTransportOptions {
  /** What to say in `reason`. */
  readonly reason?: string;
  /** Bytes lent by one connection beyond which its peer meets back-pressure. Default 4 MiB. */
  readonly receiveBytesMax?: number;
  /** With it every connection is mutual TLS, of version 1.3. */
  readonly tls?: TlsMaterial;
  /** Told of a connection that came in and did not get through the handshake of TLS. */
  readonly onTlsRefused?: (remote: string, reason: string) => void;
}

function secure({ certificate, key, ca }: TlsMaterial): SecureContextOptions {
  return { cert: certificate, key, ca: [...ca], minVersion: 'TLSv1.3' };
}

/** Why the peer's certificate is not signed by an authority, or null where it is. */
function authorizationError(socket: TLSSocket): string | null {
  if (socket.getPeerX509Certificate() === undefined) return 'no certificate';
  if (socket.authorized) return null;
  const error: unknown = socket.authorizationError;
  return error instanceof Error ? error.message : String(error);
}

/** Tells the connections of one listener apart; the socket of TLS has those of the socket beneath it. */
function endsOf({ remoteAddress, remotePort, localAddress }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`;
}

export function createTcpTransport(options: TcpTransportOptions = {}): Transport {
  return new TcpTransport(options);
}

class TcpTransport implements Transport, ConnectionOwner {
  readonly kind = 'tcp';
  readonly reason: string;

  readonly #receiveBytesMax: number;
  readonly #onTlsRefused: (remote: string, reason: string) => void;
  #tls: TlsMaterial | null;
  #tlsServer: TlsServer | null = null;
  #handler: TransportHandler | null = null;
  #server: Server | null = null;
  #nextId = 1;
  readonly #connections = new Set<TcpConnection>();
  /** In the handshake of TLS, by their ends. */
  readonly #handshakes = new Map<string, Socket>();
  /** Dials that have not ended yet, with the way to give each up. */
  readonly #dials = new Set<() => void>();
  #dirty: TcpConnection[] = [];
  readonly #isDirty = new Set<TcpConnection>();
  #turnEnd: NodeJS.Immediate | null = null;
  #closing = false;
  readonly #closeCallbacks: Array<() => void> = [];
  #serverClosed = true;
  #closed = false;

  constructor(options: TcpTransportOptions) {
    this.reason = options.reason ?? 'tcp: node:net';
    this.#receiveBytesMax = options.receiveBytesMax ?? RECEIVE_BYTES_MAX_DEFAULT;
    this.#tls = options.tls ?? null;
    this.#onTlsRefused = options.onTlsRefused ?? (() => {});
  }

  setTls(material: TlsMaterial): void {
    requires(this.#tls !== null, 'tls-from-the-beginning');
    this.#tls = material;
    this.#tlsServer?.setSecureContext(secure(material));
  }

  #createServer(): Server {
    const server = createServer({ noDelay: true });
    const tlsServer = this.#tls === null ? null : this.#createTlsServer(this.#tls);
    server.on('connection', (socket) => {
      if (tlsServer === null) this.#accept(socket);
      else this.#shakeHands(tlsServer, socket);
    });
    return server;
  }

  /** Nobody bounds connections in the handshake of TLS, nor ends them at the close, but this. */
  #shakeHands(server: TlsServer, socket: Socket): void {
    if (this.#closing || this.#handshakes.size >= TLS_HANDSHAKES_MAX) {
      socket.destroy();
      return;
    }
    const ends = endsOf(socket);
    this.#handshakes.set(ends, socket);
    socket.once('close', () => {
      // Another connection may have the same ends by now.
      if (this.#handshakes.get(ends) === socket) this.#handshakes.delete(ends);
    });
    server.emit('connection', socket);
  }

  /** It does not listen: it is given each connection. */
  #createTlsServer(tls: TlsMaterial): TlsServer {
    const server = createTlsServer({
      ...secure(tls),
      requestCert: true,
      // Judged below: rejected here, nobody would learn why.
      rejectUnauthorized: false,
      handshakeTimeout: TLS_HANDSHAKE_TIMEOUT_MS,
    });
    server.on('secureConnection', (socket) => {
      this.#handshakes.delete(endsOf(socket));
      // A session that is taken up again was judged by the authorities of its time, not by those of now.
      const refusal = socket.isSessionReused() ? 'a resumed session' : authorizationError(socket);
      if (refusal === null) return this.#accept(socket);
      this.#onTlsRefused(socket.remoteAddress ?? 'unknown', refusal);
      socket.on('error', () => {});
      socket.destroy();
    });
    server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      if (!this.#closing) this.#onTlsRefused(socket.remoteAddress ?? 'unknown', error.code ?? error.message);
      // Where the time is over, Node tells, and leaves the connection as it is.
      socket.destroy();
    });
    this.#tlsServer = server;
    return server;
  }

  listen(
    handler: TransportHandler,
    address: Address,
    callback: (error: SynodError | null, bound?: Address) => void,
  ): void {
    requires(this.#handler === null, 'transport-listen-once');
    this.#handler = handler;
    const server = this.#createServer();
    this.#server = server;
    this.#serverClosed = false;
    const failed = (error: Error): void => {
      this.#serverClosed = true;
      callback(
        new SynodError('ERR_SYNOD_LISTEN', `cannot listen on ${formatAddress(address)}: ${error.message}`, {
          cause: error,
        }),
      );
      this.#finishClose();
    };
    server.once('error', failed);
    server.on('close', () => {
      this.#serverClosed = true;
      this.#finishClose();
    });
    server.listen({ host: address.host, port: address.port }, () => {
      server.off('error', failed);
      // Errors of accept (EMFILE) concern one connection attempt: the peer dials again.
      server.on('error', () => {});
      // Closed while the host name was looked up: there is no address to report.
      if (this.#closing) server.close();
      const bound = server.address() as { address: string; port: number } | null;
      if (bound === null) return failed(new Error('the transport was closed'));
      callback(null, { host: bound.address, port: bound.port });
    });
  }

  #accept(socket: Socket): void {
    if (this.#closing) {
      socket.destroy();
      return;
    }
    this.#stand(socket, -1);
  }

  #stand(socket: Socket, token: number): void {
    const peer = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
    const connection = new TcpConnection(
      this.#nextId++,
      socket,
      token,
      this.#receiveBytesMax,
      this,
      peer === undefined ? undefined : describeCertificate(peer),
    );
    this.#connections.add(connection);
    this.#handler?.onConnection(connection as DialledConnection);
    this.#scheduleTurnEnd();
  }

  connect(address: Address, token: number, timeoutMs: number): void {
    requires(this.#handler !== null, 'transport-listen-first');
    let socket: Socket | null = null;
    let ended = false;
    const deadline = performance.now() + timeoutMs;
    let attempt: NodeJS.Timeout | undefined;
    const end = (): boolean => {
      if (ended) return false;
      ended = true;
      clearTimeout(timer);
      clearTimeout(attempt);
      this.#dials.delete(giveUp);
      return true;
    };
    const fail = (error: SynodError): void => {
      if (!end()) return;
      // The late error of a socket that was given up has nobody left to go to.
      socket?.on('error', () => {});
      socket?.destroy();
      this.#handler?.onConnectFailed(token, error);
      this.#scheduleTurnEnd();
    };
    const refuse = (cause: NodeJS.ErrnoException): void =>
      fail(
        new SynodError('ERR_SYNOD_CONNECT', `cannot reach ${formatAddress(address)}: ${cause.message}`, {
          cause,
        }),
      );
    const giveUp = (): void => fail(new SynodError('ERR_SYNOD_CLOSED', 'the transport was closed'));
    const timer = setTimeout(
      () =>
        fail(
          new SynodError(
            'ERR_SYNOD_TIMEOUT',
            `cannot reach ${formatAddress(address)}: no answer within ${timeoutMs} ms`,
          ),
        ),
      timeoutMs,
    );
    this.#dials.add(giveUp);
    if (this.#closing) {
      setImmediate(giveUp);
      return;
    }
    /** A name may have several addresses, as localhost does: each gets its turn within the one bound of time. */
    const dial = (hosts: readonly string[], index: number): void => {
      if (ended) return;
      const host = hosts[index] as string;
      const tls = this.#tls;
      const dialled =
        tls === null
          ? new Socket()
          : tlsConnect({
              ...secure(tls),
              host,
              port: address.port,
              // Said although it is the default: NODE_TLS_REJECT_UNAUTHORIZED=0, set for something else, would let anybody in.
              rejectUnauthorized: true,
              // Identity is apart from address: whose certificate it is, the handshake of the replicas finds out.
              checkServerIdentity: () => undefined,
            });
      socket = dialled;
      const failed = (error: NodeJS.ErrnoException): void => {
        clearTimeout(attempt);
        if (index + 1 < hosts.length) dial(hosts, index + 1);
        else refuse(error);
      };
      dialled.once('error', failed);
      dialled.once(tls === null ? 'connect' : 'secureConnect', () => {
        if (!end()) return;
        dialled.off('error', failed);
        this.#stand(dialled, token);
      });
      if (tls === null) dialled.connect({ host, port: address.port, noDelay: true });
      const ms = attemptMs(deadline, performance.now(), hosts.length - index);
      if (ms !== null) {
        attempt = setTimeout(() => {
          // One error is the end of the attempt; a handshake that is broken off may have another.
          dialled.on('error', () => {});
          dialled.destroy(new Error('no answer'));
        }, ms);
      }
    };
    resolveHost(address.host, (error, hosts) => {
      if (error !== null) refuse(error);
      else dial(hosts, 0);
    });
  }

  dirty(connection: TcpConnection): void {
    if (this.#isDirty.has(connection)) return;
    this.#isDirty.add(connection);
    this.#dirty.push(connection);
  }

  flush(): void {
    if (this.#dirty.length === 0) return;
    const dirty = this.#dirty;
    this.#dirty = [];
    this.#isDirty.clear();
    for (const connection of dirty) connection.flush();
  }

  received(connection: TcpConnection, bytes: Uint8Array): void {
    this.#scheduleTurnEnd();
    this.#handler?.onReceived(connection, bytes, 0, bytes.length, bytes.length);
  }

  payloadsSent(connection: TcpConnection, count: number): void {
    this.#scheduleTurnEnd();
    this.#handler?.onPayloadsSent(connection, count);
  }

  closed(connection: TcpConnection, reason: string): void {
    this.#connections.delete(connection);
    this.#scheduleTurnEnd();
    this.#handler?.onClosed(connection, reason);
    this.#finishClose();
  }

  #scheduleTurnEnd(): void {
    this.#turnEnd ??= setImmediate(() => {
      this.#turnEnd = null;
      if (!this.#closed) this.#handler?.onTurnEnd();
    });
  }

  close(callback: () => void): void {
    if (this.#closed) {
      setImmediate(callback);
      return;
    }
    this.#closeCallbacks.push(callback);
    if (this.#closing) return;
    this.#closing = true;
    // Not now: giving up a dial calls the handler, which must not happen inside the call that asks for it.
    setImmediate(() => {
      for (const giveUp of [...this.#dials]) giveUp();
      for (const connection of [...this.#connections]) connection.close('the transport was closed');
      for (const socket of this.#handshakes.values()) socket.destroy();
      if (!this.#serverClosed) this.#server?.close();
      this.#finishClose();
    });
  }

  #finishClose(): void {
    if (!this.#closing || this.#closed) return;
    if (this.#connections.size > 0 || this.#dials.size > 0 || !this.#serverClosed) return;
    this.#closed = true;
    for (const callback of this.#closeCallbacks.splice(0)) setImmediate(callback);
  }
}
