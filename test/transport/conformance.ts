/**
 * What every transport owes its user, whatever moves the bytes. Run for each sibling, and for pairs of siblings
 * that speak the same bytes. Method: two endpoints in one thread that check each call of the transport against the
 * rules of `TransportHandler`, and content compared by hash.
 */

import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Address, Connection, DialledConnection, Transport } from '../../src/transport/transport.js';
import { Endpoint, joined } from './endpoint.js';

export interface Pair {
  readonly near: Transport;
  readonly far: Transport;
  /** An address that answers to nothing, until `stop`. */
  silent(): Promise<{ readonly address: Address; readonly dials: number; stop(): void }>;
}

const MEBIBYTE = 1024 * 1024;
const NOTHING = new Uint8Array(0);

/** Bytes that are different at every place and for every `salt`, so that a shifted or stale range shows. */
function pattern(bytes: Uint8Array, salt: number): Uint8Array {
  let state = (salt * 2_654_435_761 + 12_345) >>> 0;
  for (let index = 0; index < bytes.length; index++) {
    if ((index & 3) === 0) state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[index] = state >>> (8 * (index & 3));
  }
  return bytes;
}

interface Message {
  readonly header: number;
  /** -1: none. */
  readonly payload: number;
  readonly flush: boolean;
}

const size = (greatest: number): fc.Arbitrary<number> =>
  fc.oneof(
    fc.constantFrom(0, 1, 2, 7, 8, 64, 80, 4095, 4096, 4097).filter((value) => value <= greatest),
    fc.nat(greatest),
  );

const messages: fc.Arbitrary<Message[]> = fc.array(
  fc
    .record({
      header: fc.oneof({ weight: 5, arbitrary: size(300) }, { weight: 1, arbitrary: size(40_000) }),
      payload: fc.oneof(
        { weight: 2, arbitrary: fc.constant(-1) },
        { weight: 5, arbitrary: size(5000) },
        { weight: 1, arbitrary: size(600_000) },
      ),
      flush: fc.boolean(),
    })
    .filter((message) => message.header > 0 || message.payload >= 0),
  { minLength: 1, maxLength: 60 },
);

export function describeTransport(name: string, makePair: () => Pair): void {
  describe(`transport conformance: ${name}`, () => {
    let pair: Pair;
    let near: Endpoint;
    let far: Endpoint;

    beforeEach(async () => {
      pair = makePair();
      near = new Endpoint(pair.near);
      far = new Endpoint(pair.far);
      await Promise.all([near.listen(), far.listen()]);
    });

    afterEach(async () => {
      await Promise.all([near.close(), far.close()]);
      expect(near.violations).toEqual([]);
      expect(far.violations).toEqual([]);
      for (const endpoint of [near, far]) {
        // Each connection ended once, and every one that began ended.
        expect(endpoint.closed.size).toBe(endpoint.connections.length);
      }
    });

    test('says its kind and why', () => {
      for (const transport of [pair.near, pair.far]) {
        expect(['memory', 'tcp', 'uring']).toContain(transport.kind);
        expect(transport.reason.length).toBeGreaterThan(3);
        expect(transport.reason).not.toContain('\n');
      }
    });

    test('port 0 takes a free port, and an address in use is refused', async () => {
      expect(near.address.port).toBeGreaterThan(0);
      expect(far.address.port).not.toBe(near.address.port);
      const third = new Endpoint(makePair().near);
      const other = near.transport.kind === 'memory' ? null : third;
      if (other !== null) {
        await expect(other.listen(far.address)).rejects.toMatchObject({
          code: 'ERR_SYNOD_LISTEN',
          cause: { code: 'EADDRINUSE' },
        });
        await other.close();
      }
    });

    test('a dialled connection stands on both ends', async () => {
      const [there, here] = await joined(near, far);
      expect((there as DialledConnection).token).toBe(1);
      expect(there.inbound).toBe(false);
      expect(here.inbound).toBe(true);
      expect(there.remote.length).toBeGreaterThan(0);
      expect(here.remote.length).toBeGreaterThan(0);
      expect(there.queuedBytes).toBe(0);
      there.context = { mark: 1 };
      expect(there.context).toEqual({ mark: 1 });
    });

    test('ids are never used twice', async () => {
      const ids = new Set<number>();
      for (let round = 0; round < 5; round++) {
        const [there] = await joined(near, far);
        ids.add(there.id);
        near.closeConnection(there, 'enough');
        await near.until(() => near.closed.has(there));
      }
      expect(ids.size).toBe(5);
    });

    test('nobody listens: the dial fails', async () => {
      await far.close();
      near.connect(far.address, 77);
      await near.until(() => near.failures.length === 1);
      expect(near.failures[0]).toMatchObject({ token: 77, error: { code: 'ERR_SYNOD_CONNECT' } });
      expect(near.connections).toHaveLength(0);
    });

    test('nobody answers: the dial ends within its time', async () => {
      const silent = await pair.silent();
      try {
        for (let token = 0; token < silent.dials; token++) near.connect(silent.address, token, 250);
        await near.until(() => near.failures.length + near.connections.length === silent.dials);
        expect(near.failures.length).toBeGreaterThan(0);
        for (const failure of near.failures) expect(failure.error.code).toBe('ERR_SYNOD_TIMEOUT');
      } finally {
        silent.stop();
      }
    });

    test('closing the transport ends dials that are on their way', async () => {
      const silent = await pair.silent();
      try {
        for (let token = 0; token < silent.dials; token++) near.connect(silent.address, token, 60_000);
        await near.close();
        expect(near.failures.length + near.connections.length).toBe(silent.dials);
        expect(near.failures.some((failure) => failure.error.code === 'ERR_SYNOD_CLOSED')).toBe(true);
      } finally {
        silent.stop();
      }
    });

    test('bytes arrive whole and in order, however they were cut', async () => {
      await fc.assert(
        fc.asyncProperty(messages, messages, async (forth, back) => {
          const [there, here] = await joined(near, far);
          const sendAll = (endpoint: Endpoint, connection: Connection, list: Message[]) => {
            const hash = createHash('sha256');
            let bytes = 0;
            let payloads = 0;
            list.forEach((message, index) => {
              const header = pattern(new Uint8Array(message.header), index);
              hash.update(header);
              bytes += header.length;
              if (message.payload < 0) endpoint.send(connection, header);
              else {
                // In the middle of greater memory, so that offsets count.
                const memory = pattern(new Uint8Array(message.payload + 20), index + 1000);
                hash.update(memory.subarray(13, 13 + message.payload));
                endpoint.send(connection, header, memory, 13, 13 + message.payload);
                bytes += message.payload;
                payloads++;
              }
              // Copied before send returned: what happens to it now must not show.
              header.fill(0xee);
              if (message.flush) endpoint.flush();
            });
            endpoint.flush();
            return { digest: hash.digest('hex'), bytes, payloads };
          };
          const sentForth = sendAll(near, there, forth);
          const sentBack = sendAll(far, here, back);
          await Promise.all([
            far.until(() => far.bytesFrom(here) >= sentForth.bytes && far.sentTo(here) >= sentBack.payloads),
            near.until(
              () => near.bytesFrom(there) >= sentBack.bytes && near.sentTo(there) >= sentForth.payloads,
            ),
          ]);
          expect(far.bytesFrom(here)).toBe(sentForth.bytes);
          expect(near.bytesFrom(there)).toBe(sentBack.bytes);
          expect(far.digest(here)).toBe(sentForth.digest);
          expect(near.digest(there)).toBe(sentBack.digest);
          expect(near.sentTo(there)).toBe(sentForth.payloads);
          expect(far.sentTo(here)).toBe(sentBack.payloads);
          expect(there.queuedBytes).toBe(0);
          expect(here.queuedBytes).toBe(0);
          near.closeConnection(there, 'done');
          await Promise.all([
            near.until(() => near.closed.has(there)),
            far.until(() => far.closed.has(here)),
          ]);
        }),
        { numRuns: 40, interruptAfterTimeLimit: 20_000 },
      );
    });

    test('payloads of many MiB arrive whole, from shared memory too', async () => {
      const [there, here] = await joined(near, far);
      const shared = pattern(new Uint8Array(new SharedArrayBuffer(9 * MEBIBYTE)), 5);
      const plain = pattern(new Uint8Array(5 * MEBIBYTE), 6);
      const hash = createHash('sha256')
        .update(shared.slice(17, 9 * MEBIBYTE - 3))
        .update(plain);
      near.send(there, NOTHING, shared, 17, 9 * MEBIBYTE - 3);
      near.send(there, NOTHING, plain);
      near.flush();
      const total = 14 * MEBIBYTE - 20;
      await far.until(() => far.bytesFrom(here) === total);
      await near.until(() => near.sentTo(there) === 2);
      expect(far.digest(here)).toBe(hash.digest('hex'));
    });

    test('payload memory may change once it was reported sent', async () => {
      const [there, here] = await joined(near, far);
      const bytes = 256 * 1024;
      const memory = new Uint8Array(bytes);
      const rounds = 40;
      const hash = createHash('sha256');
      let round = 0;
      const next = (): void => {
        hash.update(pattern(memory, round));
        near.send(there, NOTHING, memory);
        round++;
      };
      near.onSent = () => {
        memory.fill(0xff);
        if (round < rounds) {
          next();
          near.flush();
        }
      };
      next();
      near.flush();
      await far.until(() => far.bytesFrom(here) === rounds * bytes);
      expect(far.digest(here)).toBe(hash.digest('hex'));
    });

    test('payloads of no bytes are counted in their place', async () => {
      const [there, here] = await joined(near, far);
      near.send(there, NOTHING, NOTHING);
      near.flush();
      await near.until(() => near.sentTo(there) === 1);
      near.send(there, new Uint8Array([1]), NOTHING);
      near.send(there, NOTHING, new Uint8Array([2, 3]));
      near.send(there, new Uint8Array([4]), NOTHING);
      near.flush();
      await near.until(() => near.sentTo(there) === 4);
      await far.until(() => far.bytesFrom(here) === 4);
    });

    test('a peer that stops receiving costs the sender its queue and the receiver nothing', async () => {
      const [there, here] = await joined(near, far);
      far.setReceiving(here, false);
      const piece = pattern(new Uint8Array(MEBIBYTE), 1);
      const pieces = 64;
      for (let index = 0; index < pieces; index++) near.send(there, NOTHING, piece);
      near.flush();
      // Another connection shows that time passes and everything else goes on.
      const [otherThere, otherHere] = await joined(near, far);
      for (let round = 1; round <= 50; round++) {
        near.send(otherThere, new Uint8Array(100));
        near.flush();
        await far.until(() => far.bytesFrom(otherHere) === round * 100);
      }
      expect(there.queuedBytes).toBeGreaterThan(pieces * MEBIBYTE - 24 * MEBIBYTE);
      expect(near.sentTo(there)).toBeLessThan(pieces);
      const before = far.bytesFrom(here);
      expect(before).toBeLessThan(MEBIBYTE);
      far.setReceiving(here, true);
      await far.until(() => far.bytesFrom(here) === pieces * MEBIBYTE);
      await near.until(() => near.sentTo(there) === pieces);
      expect(there.queuedBytes).toBe(0);
      const hash = createHash('sha256');
      for (let index = 0; index < pieces; index++) hash.update(piece);
      expect(far.digest(here)).toBe(hash.digest('hex'));
    });

    test('pausing and resuming at every turn loses nothing', async () => {
      const [there, here] = await joined(near, far);
      const piece = pattern(new Uint8Array(100_000), 3);
      const hash = createHash('sha256');
      for (let index = 0; index < 100; index++) {
        near.send(there, NOTHING, piece);
        hash.update(piece);
      }
      near.flush();
      far.onBytes = () => {
        far.setReceiving(here, false);
        setImmediate(() => {
          far.setReceiving(here, true);
          far.setReceiving(here, false);
          far.setReceiving(here, true);
          far.flush();
        });
      };
      await far.until(() => far.bytesFrom(here) === 100 * piece.length);
      expect(far.digest(here)).toBe(hash.digest('hex'));
    });

    test('leases that are kept bound what is received, and nothing of it changes', async () => {
      const [there, here] = await joined(near, far);
      far.releasing = false;
      const kept: Array<{ bytes: Uint8Array; start: number; end: number; copy: Uint8Array }> = [];
      far.onBytes = (connection, bytes, start, end) => {
        if (connection === here) kept.push({ bytes, start, end, copy: bytes.slice(start, end) });
      };
      const piece = pattern(new Uint8Array(MEBIBYTE), 9);
      const pieces = 48;
      for (let index = 0; index < pieces; index++) near.send(there, NOTHING, piece);
      near.flush();
      await far.until(() => far.bytesFrom(here) >= MEBIBYTE);
      // Many round trips on another connection: whatever was going to arrive on the first one has arrived.
      const [otherThere, otherHere] = await joined(near, far);
      for (let round = 1; round <= 50; round++) {
        near.send(otherThere, new Uint8Array(100));
        near.flush();
        await far.until(() => far.bytesFrom(otherHere) === round * 100);
        far.releaseAll(otherHere);
        far.flush();
      }
      expect(far.bytesFrom(here)).toBeLessThanOrEqual(16 * MEBIBYTE);
      for (const { bytes, start, end, copy } of kept) {
        expect(Buffer.compare(bytes.subarray(start, end), copy)).toBe(0);
      }
      far.onBytes = null;
      far.releasing = true;
      // Giving leases back is all it takes: no flush.
      far.releaseAll(here);
      await far.until(() => far.bytesFrom(here) === pieces * MEBIBYTE);
    });

    test('leases come back in any order', async () => {
      const [there, here] = await joined(near, far);
      far.releasing = false;
      const piece = pattern(new Uint8Array(64 * 1024), 4);
      let sent = 0;
      for (let round = 0; round < 60; round++) {
        near.send(there, NOTHING, piece);
        near.flush();
        sent += piece.length;
        await far.until(() => far.bytesFrom(here) === sent);
        const leases = far.received.get(here)!.leases;
        // The newest first, and one is always left behind.
        while (leases.length > 1) here.release(leases.pop()!);
        far.flush();
      }
      far.releaseAll(here);
    });

    test('closing tells the other end, and all payloads are accounted for', async () => {
      const [there, here] = await joined(near, far);
      far.setReceiving(here, false);
      for (let index = 0; index < 40; index++) near.send(there, new Uint8Array(8), new Uint8Array(MEBIBYTE));
      near.flush();
      near.send(there, NOTHING, new Uint8Array(10));
      near.closeConnection(there, 'no more');
      near.closeConnection(there, 'again');
      expect(near.closed.size).toBe(0);
      near.send(there, new Uint8Array(4), new Uint8Array(4));
      near.flush();
      await near.until(() => near.closed.has(there));
      expect(near.closed.get(there)).toBe('no more');
      expect(near.sentTo(there)).toBe(41);
      expect(there.queuedBytes).toBe(0);
      // After the end nothing is an error.
      near.send(there, new Uint8Array(4));
      near.setReceiving(there, false);
      near.setReceiving(there, true);
      near.closeConnection(there, 'once more');
      near.flush();
      far.setReceiving(here, true);
      await far.until(() => far.closed.has(here));
    });

    test('the other end closes in the middle of a transfer', async () => {
      const [there, here] = await joined(near, far);
      const pieces = 64;
      for (let index = 0; index < pieces; index++) near.send(there, NOTHING, new Uint8Array(MEBIBYTE));
      near.flush();
      await far.until(() => far.bytesFrom(here) > 0);
      far.closeConnection(here, 'had enough');
      await near.until(() => near.closed.has(there));
      await far.until(() => far.closed.has(here));
      expect(near.sentTo(there)).toBe(pieces);
      expect(far.bytesFrom(here)).toBeLessThan(pieces * MEBIBYTE);
    });

    test('leases may be released after the connection closed', async () => {
      const [there, here] = await joined(near, far);
      far.releasing = false;
      near.send(there, new Uint8Array(1000));
      near.flush();
      await far.until(() => far.bytesFrom(here) === 1000);
      near.closeConnection(there, 'bye');
      await far.until(() => far.closed.has(here));
      far.releaseAll(here);
    });

    test('a connection may be closed inside onConnection and inside onReceived', async () => {
      const [there, here] = await joined(near, far);
      far.onBytes = (connection) => far.closeConnection(connection, 'inside');
      near.send(there, new Uint8Array(300_000));
      near.flush();
      await far.until(() => far.closed.has(here));
      await near.until(() => near.closed.has(there));
      expect(far.closed.get(here)).toBe('inside');
      const original = far.onConnection.bind(far);
      far.onConnection = (connection) => {
        original(connection);
        far.closeConnection(connection, 'at once');
      };
      near.connect(far.address, 9);
      await far.until(() => far.closed.size === 2);
      await near.until(() => near.connections.length === 2 && near.closed.size === 2);
    });

    test('a turn ends after everything that arrived', async () => {
      const [there, here] = await joined(near, far);
      const [there2, here2] = await joined(near, far);
      near.send(there, new Uint8Array(500));
      near.send(there2, new Uint8Array(500));
      near.flush();
      // Conditions are looked at after every call, so this one is first true inside the turn's end.
      await far.until(() => far.bytesFrom(here) === 500 && far.bytesFrom(here2) === 500 && !far.turnIsOwed);
      expect(far.turns).toBeGreaterThan(0);
    });

    test('answers from inside the handler flow', async () => {
      const [there, here] = await joined(near, far);
      const echo = (endpoint: Endpoint): void => {
        endpoint.onBytes = (connection, bytes, start, end) => {
          endpoint.send(connection, bytes.slice(start, end));
          endpoint.flush();
        };
      };
      echo(far);
      let got = 0;
      near.onBytes = (_connection, _bytes, start, end) => {
        got += end - start;
        if (got % 64 === 0 && got < 64 * 500) {
          near.send(there, new Uint8Array(64));
          near.flush();
        }
      };
      near.send(there, new Uint8Array(64));
      near.flush();
      await near.until(() => got === 64 * 500);
      expect(far.bytesFrom(here)).toBe(64 * 500);
    });

    test('many connections at once', async () => {
      const count = 150;
      for (let token = 0; token < count; token++) near.connect(far.address, token);
      await Promise.all([
        near.until(() => near.connections.length === count),
        far.until(() => far.connections.length === count),
      ]);
      const tokens = new Set(near.connections.map((connection) => (connection as DialledConnection).token));
      expect(tokens.size).toBe(count);
      near.connections.forEach((connection, index) => {
        near.send(connection, new Uint8Array(10), pattern(new Uint8Array(20_000), index));
      });
      near.flush();
      await far.until(() => far.connections.every((connection) => far.bytesFrom(connection) === 20_010));
      await near.until(() => near.connections.every((connection) => near.sentTo(connection) === 1));
      const digests = new Set(far.connections.map((connection) => far.digest(connection)));
      expect(digests.size).toBe(count);
    });

    test('close is idempotent, ends all connections, and the peers hear of it', async () => {
      const [there, here] = await joined(near, far);
      await joined(far, near);
      near.send(there, new Uint8Array(10), new Uint8Array(10));
      await Promise.all([near.close(), near.close()]);
      await near.close();
      expect(near.closed.size).toBe(2);
      expect(near.sentTo(there)).toBe(1);
      await far.until(() => far.closed.size === 2 && far.closed.has(here));
    });

    test('a port is free again after close', async () => {
      await joined(near, far);
      await far.close();
      await near.until(() => near.closed.size === 1);
      if (far.transport.kind === 'memory') return;
      const again = new Endpoint(makePair().far);
      await again.listen(far.address);
      await joined(near, again);
      await again.close();
    });
  });
}
