/** Links of several replicas over the memory network, delivered by hand, with a clock of their own; and strangers who come from outside. */

import { afterEach, beforeEach, expect } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import type { Hello } from '../../src/engine/hello.js';
import { type Link, Links } from '../../src/engine/links.js';
import type { Logger } from '../../src/logger.js';
import { createMemoryNetwork, type MemoryNetwork } from '../../src/transport/memory/memory-network.js';
import type { Connection, Transport } from '../../src/transport/transport.js';
import { FrameWriter } from '../../src/wire/codec.js';
import { helloOf } from './hellos.js';

export const HANDSHAKE_TIMEOUT_MS = 1000;
export const SEND_QUEUE_BYTES_MAX = 10_000;
export const ids = ['a', 'b', 'c'];
export const portOf = (id: string): number => 7001 + ids.indexOf(id);

export let network: MemoryNetwork;
export const clock: { now: number } = { now: 0 };

/** One replica's links, and everything that they told. */
export class Node {
  readonly links: Links;
  readonly transport: Transport;
  readonly events: string[] = [];
  readonly logged: { level: string; event: string; fields: Record<string, unknown> }[] = [];
  readonly frames: number[] = [];
  newest: Link | null = null;
  hello: Hello;
  /** The replica id that nobody's certificate is good for. */
  impostor = '';

  constructor(id: string, change: Partial<Hello> = {}, name = id, port = portOf(id)) {
    this.hello = { ...helloOf(id), ...change };
    const log =
      (level: string) =>
      (fields: object, event: string): void =>
        void this.logged.push({ level, event, fields: fields as Record<string, unknown> });
    const logger: Logger = {
      trace: log('trace'),
      debug: log('debug'),
      info: log('info'),
      warn: log('warn'),
      error: log('error'),
      fatal: log('fatal'),
    };
    this.transport = network.transport(name);
    this.links = new Links({
      transport: this.transport,
      peers: ids
        .filter((other) => other !== id)
        .map((other) => ({ id: other, address: { host: 'h', port: portOf(other) } })),
      id,
      crc32c,
      logger,
      frameBytesMax: 1024 * 1024,
      handshakeBytesMax: 4096,
      handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS,
      sendQueueBytesMax: SEND_QUEUE_BYTES_MAX,
      hello: () => this.hello,
      resolve: null,
      authenticate: (_, other) => (other === this.impostor ? `not the certificate of ${other}` : null),
      onCongestion: (link) =>
        void this.events.push(`${link.peer?.id} ${link.congested ? 'congested' : 'free'}`),
      onUp: (link) => void this.events.push(`up ${link.peer?.id}`),
      onDown: (link) => void this.events.push(`down ${link.peer?.id ?? id}`),
      onRefused: ({ reason }) => void this.events.push(`refused: ${reason}`),
    });
    this.transport.listen(
      {
        onConnection: (connection) => {
          this.links.onConnection(connection);
          this.newest = connection.context as Link;
        },
        onConnectFailed: (token, error) => this.links.onConnectFailed(token, error),
        onReceived: (connection, bytes, start, end, lease) => {
          const link = connection.context as Link;
          link.reader.push(bytes, start, end, lease);
          for (let frame = this.links.nextFrame(link); frame !== null; frame = this.links.nextFrame(link))
            this.frames.push(frame.kind);
          link.reader.releaseSpent();
        },
        onPayloadsSent: (connection, count) => void (connection.context as Link).sending.splice(0, count),
        onClosed: (connection, reason) => this.links.onClosed(connection, reason),
        onTurnEnd: () => {},
      },
      { host: 'h', port },
      (error) => expect(error).toBe(null),
    );
    network.deliver();
  }

  said(pattern: RegExp): boolean {
    return this.logged.some(({ event, fields }) => pattern.test(`${event} ${JSON.stringify(fields)}`));
  }

  get up(): string[] {
    return [...this.links.up.keys()].sort();
  }

  /** Tells the peers of itself, as a replica does every 100 ms. */
  report(): void {
    const writer = new FrameWriter(crc32c);
    const headerBytes = writer.report({ payload: 0n, chosen: 0, applied: 0, flags: 0 });
    for (const { connection } of this.links.up.values()) connection.send(writer.bytes, headerBytes);
  }

  close(): void {
    this.transport.close(() => {});
    settle([]);
  }
}

/** Delivers until all is quiet. */
export function settle(nodes: readonly Node[]): void {
  for (let round = 0; round < 100; round += 1) {
    for (const { transport } of nodes) transport.flush();
    if (network.deliver() === 0 && round > 0) return;
  }
  throw new Error('never quiet');
}

export function pass(ms: number, nodes: readonly Node[]): void {
  for (let left = ms; left > 0; left -= 10) {
    clock.now += 10;
    for (const { links } of nodes) links.tick(clock.now);
    settle(nodes);
  }
}

/** A connection of nobody in particular, from outside. */
export class Stranger {
  readonly received: Uint8Array[] = [];
  readonly transport: Transport;
  connection: Connection | null = null;
  closed: string | null = null;
  readonly #writer = new FrameWriter(crc32c);

  constructor(name: string, port: number) {
    this.transport = network.transport(name);
    this.transport.listen(
      {
        onConnection: (connection) => {
          this.connection = connection;
        },
        onConnectFailed: () => {},
        onReceived: (connection, bytes, start, end, lease) => {
          this.received.push(bytes.slice(start, end));
          connection.release(lease);
        },
        onPayloadsSent: () => {},
        onClosed: (_, reason) => {
          this.closed = reason;
        },
        onTurnEnd: () => {},
      },
      { host: name, port: 1 },
      () => {},
    );
    this.transport.connect({ host: 'h', port }, 0, 1000);
    network.deliver();
    network.deliver();
  }

  say(kind: 1 | 2 | 3, payload: Uint8Array): void {
    const headerBytes = this.#writer.plain(kind, 0, payload.length, crc32c(payload, 0, payload.length, 0));
    this.connection!.send(this.#writer.bytes, headerBytes, payload, 0, payload.length);
    this.transport.flush();
  }

  sayBytes(bytes: Uint8Array): void {
    this.connection!.send(bytes, bytes.length);
    this.transport.flush();
  }

  get text(): string {
    return Buffer.concat(this.received).toString('latin1');
  }
}

beforeEach(() => {
  clock.now = 0;
  network = createMemoryNetwork({ startTimer: () => () => {} });
});
const nodes: Node[] = [];
export const node = (...args: ConstructorParameters<typeof Node>): Node => {
  const made = new Node(...args);
  nodes.push(made);
  return made;
};
afterEach(() => {
  for (const one of nodes.splice(0)) one.close();
});
