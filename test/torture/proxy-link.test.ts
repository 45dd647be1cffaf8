/** Aim: the proxy keeps order and loses nothing unless it is told to, and each trouble is what its name says. */

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ProxyLink } from './network/proxy-link.js';

/** One end of a connection, and what it received. */
class End {
  readonly socket: Socket;
  closed = false;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #wake: () => void = () => {};

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes) => {
      this.#chunks.push(bytes);
      this.#bytes += bytes.length;
      this.#wake();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
      this.#wake();
    });
  }

  get received(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  async until(probe: () => boolean): Promise<void> {
    while (!probe())
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
  }

  untilReceived(bytes: number): Promise<void> {
    return this.until(() => this.#bytes >= bytes);
  }
}

let server: Server;
let link: ProxyLink;
let near: End;
let far: End;

async function dial(): Promise<End> {
  const socket = connect({ host: '127.0.0.1', port: link.port });
  await once(socket, 'connect');
  return new End(socket);
}

beforeEach(async () => {
  server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  link = await ProxyLink.listen({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  near = await dial();
  far = new End((await accepted)[0]);
});

afterEach(() => {
  link.close();
  near.socket.destroy();
  far.socket.destroy();
  server.close();
});

const text = (count: number): string => Array.from({ length: count }, (_, index) => `${index},`).join('');
const bitsThatDiffer = (one: Buffer, other: Buffer): number =>
  one.reduce((sum, byte, index) => sum + (byte ^ other[index]!).toString(2).replaceAll('0', '').length, 0);

describe('a proxied link', () => {
  it('passes on everything, both ways, and the end', async () => {
    const [forth, back] = [text(200_000), text(1000)];
    near.socket.write(forth);
    far.socket.write(back);
    await far.untilReceived(forth.length);
    await near.untilReceived(back.length);
    expect(far.received.toString()).toBe(forth);
    expect(near.received.toString()).toBe(back);
    near.socket.destroy();
    await far.until(() => far.closed);
    await near.until(() => near.closed);
  });

  it('stands still in one direction only, hides an end, and delivers late what was sent', async () => {
    link.setStalled('forth', true);
    near.socket.write('late');
    far.socket.write('at once');
    await near.untilReceived(7);
    near.socket.end();
    far.socket.write('after the end');
    expect(far.received.length).toBe(0);
    expect(far.closed).toBe(false);
    link.setStalled('forth', false);
    await far.until(() => far.closed);
    expect(far.received.toString()).toBe('late');
  });

  it('lets nothing of a new connection through while it stands still', async () => {
    link.setStalled('forth', true);
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    const second = await dial();
    second.socket.write('hello');
    const secondFar = new End((await accepted)[0]);
    expect(secondFar.received.length).toBe(0);
    link.setStalled('forth', false);
    await secondFar.untilReceived(5);
    second.socket.destroy();
  });

  it('holds a bounded amount while it stands still', async () => {
    link.setStalled('forth', true);
    const bytes = 64 * 1024 * 1024;
    near.socket.write(Buffer.alloc(bytes));
    near.socket.write('end');
    // What the kernel and the proxy do not take stays with the sender; it takes no more after a while.
    for (let before = -1; before !== near.socket.bytesWritten - near.socket.writableLength; ) {
      before = near.socket.bytesWritten - near.socket.writableLength;
      await delay(200);
    }
    expect(near.socket.writableLength).toBeGreaterThan(bytes / 2);
    link.setStalled('forth', false);
    await far.untilReceived(bytes + 3);
    expect(far.received.subarray(bytes).toString()).toBe('end');
  });

  it('is late by as much as it is told', async () => {
    link.setDelay(80);
    const began = performance.now();
    near.socket.write('x');
    await far.untilReceived(1);
    expect(performance.now() - began).toBeGreaterThan(75);
  });

  it('flips one bit', async () => {
    link.flip('forth', 0.5);
    const sent = Buffer.alloc(1000, 7);
    near.socket.write(sent);
    await far.untilReceived(sent.length);
    expect(bitsThatDiffer(far.received, sent)).toBe(1);
    near.socket.write(sent);
    await far.untilReceived(2 * sent.length);
    expect(far.received.subarray(sent.length).equals(sent)).toBe(true);
  });

  it('breaks off in the middle, for both sides', async () => {
    link.cut('forth', 0.5);
    near.socket.write(Buffer.alloc(1000, 7));
    await Promise.all([near.until(() => near.closed), far.until(() => far.closed)]);
    expect(far.received.length).toBeLessThan(1000);
    expect(link.connections).toBe(0);
  });

  it('lets go of a connection that was on its way to its end', async () => {
    const sockets = (): number =>
      process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
    link.setStalled('forth', true);
    near.socket.destroy();
    await delay(50);
    // What the healing of a partition does: the end gets through, and the connection is reset in the middle of that.
    link.setStalled('forth', false);
    link.reset();
    await far.until(() => far.closed);
    for (let tries = 0; tries < 50 && sockets() > 0; tries += 1) await delay(20);
    expect(sockets()).toBe(0);
  });

  it('takes new connections after a reset', async () => {
    link.reset();
    await Promise.all([near.until(() => near.closed), far.until(() => far.closed)]);
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    const second = await dial();
    const secondFar = new End((await accepted)[0]);
    second.socket.write('again');
    await secondFar.untilReceived(5);
    second.socket.destroy();
  });
});
