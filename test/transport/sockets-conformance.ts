/** What the transports over real sockets owe beyond the common suite: foreign peers, names, address families. */

import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Connection, Transport } from '../../src/transport/transport.js';
import { Endpoint, joined } from './endpoint.js';

export function describeSockets(name: string, make: () => Transport): void {
  describe(`sockets: ${name}`, () => {
    let endpoint: Endpoint;
    const sockets: Socket[] = [];

    beforeEach(async () => {
      endpoint = new Endpoint(make());
      await endpoint.listen();
    });

    afterEach(async () => {
      for (const socket of sockets.splice(0)) socket.destroy();
      await endpoint.close();
      expect(endpoint.violations).toEqual([]);
    });

    async function foreign(): Promise<[Socket, Connection]> {
      const count = endpoint.connections.length;
      const socket = createConnection({ ...endpoint.address, allowHalfOpen: true });
      sockets.push(socket);
      socket.on('error', () => {});
      await endpoint.until(() => endpoint.connections.length > count);
      return [socket, endpoint.connections[count] as Connection];
    }

    test('a peer that ends its side closes the connection', async () => {
      const [socket, connection] = await foreign();
      socket.end('the end');
      await endpoint.until(() => endpoint.closed.has(connection));
      expect(endpoint.bytesFrom(connection)).toBe(7);
      expect(endpoint.closed.get(connection)).toBe('closed by the peer');
    });

    test('a peer that resets closes the connection, whatever is queued', async () => {
      const [socket, connection] = await foreign();
      for (let index = 0; index < 40; index++) {
        endpoint.send(connection, new Uint8Array(10), new Uint8Array(1_000_000));
      }
      endpoint.flush();
      await new Promise((resolve) => socket.once('data', resolve));
      socket.resetAndDestroy();
      await endpoint.until(() => endpoint.closed.has(connection));
      expect(endpoint.sentTo(connection)).toBe(40);
      expect(endpoint.closed.get(connection)).toMatch(/ECONNRESET|EPIPE|closed by the peer/);
    });

    test('an address that cannot be had is refused with what the system says', async () => {
      // 192.0.2.0/24 is for documentation: no machine has it.
      const places = { EADDRINUSE: endpoint.address, EADDRNOTAVAIL: { host: '192.0.2.1', port: 0 } };
      for (const [code, address] of Object.entries(places)) {
        const other = new Endpoint(make());
        await expect(other.listen(address)).rejects.toMatchObject({
          code: 'ERR_SYNOD_LISTEN',
          message: expect.stringContaining(code),
          cause: { code },
        });
        await other.close();
      }
    });

    test('the remote end is named', async () => {
      const [socket, connection] = await foreign();
      expect(connection.remote).toBe(`127.0.0.1:${socket.localPort}`);
      const [there] = await joined(endpoint, endpoint);
      void there;
    });

    test('a peer that reads one byte at a time gets all', async () => {
      const [socket, connection] = await foreign();
      socket.pause();
      endpoint.send(connection, new Uint8Array(3).fill(1), new Uint8Array(500).fill(2));
      endpoint.flush();
      let count = 0;
      await new Promise<void>((resolve) => {
        socket.on('readable', () => {
          while (socket.read(1) !== null) count++;
          if (count === 503) resolve();
        });
      });
      await endpoint.until(() => endpoint.sentTo(connection) === 1);
    });

    test('a foreign server can be dialled by name', async () => {
      const server: Server = createServer((socket) => {
        sockets.push(socket);
        socket.end('hello');
      });
      await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve));
      const { port } = server.address() as { port: number };
      endpoint.connect({ host: 'localhost', port }, 3);
      await endpoint.until(() => endpoint.failures.length + endpoint.closed.size === 1);
      server.close();
      // A machine that resolves localhost to ::1 alone refuses: nothing listens there.
      if (endpoint.failures.length === 0) expect(endpoint.bytesFrom(endpoint.connections[0]!)).toBe(5);
      else expect(endpoint.failures[0]!.error.code).toBe('ERR_SYNOD_CONNECT');
    });

    test('a name that does not exist fails the dial', async () => {
      endpoint.connect({ host: 'no-such-host.invalid', port: 1 }, 4, 20_000);
      await endpoint.until(() => endpoint.failures.length === 1);
      expect(['ERR_SYNOD_CONNECT', 'ERR_SYNOD_TIMEOUT']).toContain(endpoint.failures[0]!.error.code);
    });

    test('an address that is not of this machine cannot be listened on', async () => {
      const other = new Endpoint(make());
      await expect(other.listen({ host: '192.0.2.1', port: 0 })).rejects.toMatchObject({
        code: 'ERR_SYNOD_LISTEN',
      });
      await other.close();
    });

    test('a name that does not exist cannot be listened on', async () => {
      const other = new Endpoint(make());
      await expect(other.listen({ host: 'no-such-host.invalid', port: 0 })).rejects.toMatchObject({
        code: 'ERR_SYNOD_LISTEN',
      });
      await other.close();
    });

    test('IPv6', async () => {
      const has = Object.values(networkInterfaces()).some((list) =>
        list?.some((one) => one.address === '::1'),
      );
      if (!has) {
        console.log('IPv6 test: this machine has no ::1, nothing to test');
        return;
      }
      const six = new Endpoint(make());
      await six.listen({ host: '::1', port: 0 });
      const [there, here] = await joined(endpoint, six);
      expect(there.remote).toBe(`[::1]:${six.address.port}`);
      expect(here.remote).toMatch(/^\[::1\]:[0-9]+$/);
      endpoint.send(there, new Uint8Array(10));
      endpoint.flush();
      await six.until(() => six.bytesFrom(here) === 10);
      await six.close();
    });
  });
}
