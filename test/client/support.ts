/** Services in this process, a proxy that can cut its connections, and a replica that answers when it is told to. */

import { EventEmitter, once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { crc32c } from '../../src/checksum.js';
import {
  type ClientFrame,
  ClientFrameKind,
  ClientFrameReader,
  FRAME_BYTES_CEILING,
  makeFrame,
} from '../../src/client/format.js';
import { Client, type ClientOptions, type ClientService, serveClients } from '../../src/client/index.js';
import { encodeHello, encodeWelcome } from '../../src/client/messages.js';
import type { ServedReplica } from '../../src/client/service.js';
import type { ClientServiceOptions } from '../../src/client/service-options.js';
import { CommandBatch, SynodError } from '../../src/index.js';

export const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

export const packed = (texts: readonly string[]): CommandBatch => {
  const batch = new CommandBatch(0);
  for (const text of texts) batch.add(Buffer.from(text, 'latin1'));
  return batch;
};

/** A server as the options of a client have it. */
export const at = (port: number, id = 'a'): { id: string; address: string } => ({
  id,
  address: `127.0.0.1:${port}`,
});

export const wait = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

const opened: { close(): Promise<unknown> }[] = [];

export async function closeClients(): Promise<void> {
  for (const one of opened.splice(0).reverse()) await one.close();
}

export async function openClient(options: ClientOptions): Promise<Client> {
  const client = await Client.connect(options);
  opened.push(client);
  return client;
}

export async function serve<Result>(
  replica: ServedReplica<Result>,
  options: Partial<ClientServiceOptions<Result>> = {},
): Promise<ClientService<Result>> {
  const service = await serveClients(replica, { cluster: 'here', port: 0, ...options });
  opened.push(service);
  return service;
}

/** Executes nothing before `go`, then everything in order; replies with position and text. */
export class FakeReplica extends EventEmitter {
  readonly executed: string[] = [];
  cluster = 'here';
  commandBytesMax = 16 * 1024 * 1024;
  primary: string | null = 'a';
  role: ServedReplica<Uint8Array>['role'] = 'secondary';
  isHeld = false;
  /** Thrown at batches with this text in them. */
  failure: { readonly text: string; readonly error: Error } | null = null;
  /** Given to everybody, as by a replica that is fenced or closed. */
  refusal: SynodError | null = null;
  #held: { run(): void; reject(error: SynodError): void }[] = [];

  replicateBatch(batch: CommandBatch): Promise<readonly (Uint8Array | undefined)[]> {
    return new Promise((resolve, reject) => {
      if (this.refusal !== null) {
        reject(this.refusal);
        return;
      }
      const texts: string[] = [];
      // Throws, and so rejects as a real one does, where the lengths are not those of what is there.
      for (let index = 0, at = 0; index < batch.count; index += 1) {
        const length = batch.view.getUint32(at, true);
        texts.push(textOf(batch.bytes.subarray(at + 4, at + 4 + length)));
        at += 4 + length;
      }
      const run = (): void => {
        if (this.failure !== null && texts.includes(this.failure.text)) {
          reject(this.failure.error);
          return;
        }
        resolve(
          texts.map((text) => {
            this.executed.push(text);
            return Buffer.from(`${this.executed.length}:${text}`, 'latin1');
          }),
        );
      };
      if (this.isHeld) this.#held.push({ run, reject });
      else run();
    });
  }

  go(): void {
    this.isHeld = false;
    for (const { run } of this.#held.splice(0)) run();
  }

  lead(primary: string | null): void {
    this.primary = primary;
    this.emit('role');
  }

  /** Takes commands, or takes part in the cluster no more. */
  become(role: ServedReplica<Uint8Array>['role']): void {
    this.role = role;
    this.emit('role');
  }

  /** What waits is rejected before anybody is told, as at a real one. */
  fence(): void {
    const error = new SynodError('ERR_SYNOD_FENCED', 'a fault', { outcome: 'unknown' });
    this.refusal = new SynodError('ERR_SYNOD_FENCED', 'a fault', { outcome: 'not-applied' });
    for (const { reject } of this.#held.splice(0)) reject(error);
    this.become('inactive');
    this.emit('fenced', error);
  }

  get served(): ServedReplica<Uint8Array> {
    return this as unknown as ServedReplica<Uint8Array>;
  }
}

/** Between client and server: connections through it can be cut, at any byte, and new ones refused or left without an answer. */
export class TcpProxy {
  port = 0;
  connections = 0;
  isSilent = false;
  /** So many bytes from the server pass; then its connections are cut, once. */
  cutsAfter: number = Number.POSITIVE_INFINITY;
  readonly #target: number;
  readonly #pairs = new Set<[Socket, Socket]>();
  readonly #server: Server;

  constructor(target: number) {
    this.#target = target;
    this.#server = createServer((from) => {
      this.connections += 1;
      const to = connect(this.#target, '127.0.0.1');
      const pair: [Socket, Socket] = [from, to];
      this.#pairs.add(pair);
      const end = (): void => {
        from.destroy();
        to.destroy();
        this.#pairs.delete(pair);
      };
      for (const socket of pair) socket.on('error', end).on('close', end);
      from.on('data', (bytes) => this.isSilent || to.write(bytes));
      to.on('data', (bytes) => {
        if (this.isSilent) return;
        from.write(bytes);
        this.cutsAfter -= bytes.length;
        if (this.cutsAfter > 0) return;
        this.cutsAfter = Number.POSITIVE_INFINITY;
        this.cut();
      });
    });
  }

  static async open(target: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    proxy.port = (proxy.#server.address() as { port: number }).port;
    opened.push(proxy);
    return proxy;
  }

  cut(): void {
    for (const [from, to] of this.#pairs) {
      from.destroy();
      to.destroy();
    }
  }

  async close(): Promise<void> {
    this.cut();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** A connection to a service that says what the test says. */
export class RawClient {
  readonly frames: ClientFrame[] = [];
  readonly #socket: Socket;

  constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1').on('error', () => {});
    const reader = new ClientFrameReader(FRAME_BYTES_CEILING, crc32c, (frame) => this.frames.push(frame));
    this.#socket.on('data', (bytes) => reader.read(bytes));
    opened.push(this);
  }

  get isClosed(): boolean {
    return this.#socket.closed;
  }

  send(kind: number, body: Uint8Array = new Uint8Array(0), count = 0, first = 0): void {
    this.#socket.write(makeFrame(kind, count, first, 0, body, crc32c));
  }

  /** `session`: one letter. */
  hello(session: string, life: string | null = null): void {
    const hello = { session: session.repeat(32), life, received: 0, cluster: 'here' };
    this.send(ClientFrameKind.hello, encodeHello(hello));
  }

  /** Reads nothing more. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  async close(): Promise<void> {
    this.#socket.destroy();
    if (!this.#socket.closed) await once(this.#socket, 'close');
  }
}

/** Says to each connection what `onFrame` says. */
export async function openRawServer(onFrame: (frame: ClientFrame, socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    const reader = new ClientFrameReader(FRAME_BYTES_CEILING, crc32c, (frame) => onFrame(frame, socket));
    socket.on('error', () => {}).on('data', (bytes) => reader.read(bytes));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  opened.push({
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  });
  return (server.address() as AddressInfo).port;
}

export const frameOfServer = (
  kind: number,
  body: Uint8Array = new Uint8Array(0),
  count = 0,
  first = 0,
): Uint8Array => makeFrame(kind, count, first, 0, body, crc32c);

export const welcomeBody = (received = 0): Uint8Array =>
  encodeWelcome({
    ...{ life: 'ab'.repeat(16), received, primary: 'a' },
    ...{ commandBytesMax: 1024 * 1024, frameBytesMax: 4 * 1024 * 1024 },
  });
