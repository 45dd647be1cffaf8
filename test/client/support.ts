/** Services in this process, a proxy that can cut its connections, and a replica that answers when it is told to. */

import { EventEmitter, once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { Client, type ClientOptions, type ClientService, serveClients } from '../../src/client/index.js';
import type { ServedReplica } from '../../src/client/service.js';
import type { ClientServiceOptions } from '../../src/client/service-options.js';
import type { CommandBatch } from '../../src/index.js';

export const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

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
  primary: string | null = 'a';
  isHeld = false;
  /** Thrown at batches with this text in them. */
  failure: { readonly text: string; readonly error: Error } | null = null;
  #held: (() => void)[] = [];

  replicateBatch(batch: CommandBatch): Promise<readonly (Uint8Array | undefined)[]> {
    return new Promise((resolve, reject) => {
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
      if (this.isHeld) this.#held.push(run);
      else run();
    });
  }

  go(): void {
    this.isHeld = false;
    for (const run of this.#held.splice(0)) run();
  }

  lead(primary: string | null): void {
    this.primary = primary;
    this.emit('role');
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
      to.on('data', (bytes) => this.isSilent || from.write(bytes));
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
