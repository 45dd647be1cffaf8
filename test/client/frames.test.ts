/**
 * Aim: whatever bytes arrive, frames are cut as they were sent or the connection ends, within bounded memory, and the service
 * goes on for everybody else. Method: frames cut at every place, flipped bits, generated frames of every kind to a live service.
 */

import { once } from 'node:events';
import { connect } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import {
  type ClientFrame,
  ClientFrameError,
  ClientFrameKind,
  ClientFrameReader,
  HEADER_BYTES,
  makeFrame,
} from '../../src/client/format.js';
import {
  decodeFailure,
  decodeHello,
  decodeId,
  decodeWelcome,
  encodeFailure,
  encodeHello,
  encodeWelcome,
} from '../../src/client/messages.js';
import { Session } from '../../src/client/session.js';
import { bytesOf, until } from '../application/support.js';
import { closeClients, FakeReplica, openClient, serve, textOf } from './support.js';

afterEach(closeClients);

const frameOf = fc
  .record({
    kind: fc.integer({ min: 0, max: 255 }),
    count: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    first: fc.nat(2 ** 53 - 1),
    acknowledged: fc.nat(2 ** 53 - 1),
    body: fc.uint8Array({ maxLength: 300 }),
  })
  .map((one) => ({
    ...one,
    bytes: makeFrame(one.kind, one.count, one.first, one.acknowledged, one.body, crc32c),
  }));

const join = (parts: readonly Uint8Array[]): Buffer => Buffer.concat(parts);

describe('ClientFrameReader', () => {
  it('cuts what was sent, however it arrives', () => {
    fc.assert(
      fc.property(
        fc.array(frameOf, { maxLength: 6 }),
        fc.array(fc.nat(90), { maxLength: 60 }),
        (frames, cuts) => {
          const heard: unknown[] = [];
          const reader = new ClientFrameReader(1000, crc32c, ({ kind, count, first, acknowledged, bytes }) =>
            heard.push({ kind, count, first, acknowledged, body: [...bytes.subarray(HEADER_BYTES)] }),
          );
          const all = join(frames.map(({ bytes }) => bytes));
          let at = 0;
          for (const cut of cuts) {
            reader.read(all.subarray(at, at + cut));
            at += cut;
          }
          reader.read(all.subarray(at));
          expect(heard.map((one) => JSON.stringify(one))).toEqual(
            frames.map(({ bytes: _, ...one }) => JSON.stringify({ ...one, body: [...one.body] })),
          );
        },
      ),
      { numRuns: 300 },
    );
  });

  it('takes no frame with a flipped bit, nor anything behind it', () => {
    fc.assert(
      fc.property(frameOf, fc.nat(), fc.nat(7), ({ bytes }, where, bit) => {
        const heard: ClientFrame[] = [];
        const reader = new ClientFrameReader(100_000, crc32c, (frame) => heard.push(frame));
        const at = where % bytes.length;
        bytes[at] = bytes[at]! ^ (1 << bit);
        const read = (): void => reader.read(join([bytes, new Uint8Array(100_000)]));
        expect(read).toThrow(ClientFrameError);
        expect(heard).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  it.each([0, 1, HEADER_BYTES - 1, 1001, 2 ** 31, 2 ** 32 - 1])(
    'holds nothing for a length of %i',
    (length) => {
      const reader = new ClientFrameReader(1000, crc32c, () => {});
      const bytes = new Uint8Array(4);
      new DataView(bytes.buffer).setUint32(0, length, true);
      expect(() => reader.read(bytes)).toThrow(ClientFrameError);
    },
  );
});

describe('bodies', () => {
  const frameWith = (body: Uint8Array): ClientFrame => {
    const heard: ClientFrame[] = [];
    new ClientFrameReader(10_000, crc32c, (frame) => heard.push(frame)).read(
      makeFrame(1, 0, 0, 0, body, crc32c),
    );
    return heard[0]!;
  };

  it('come back as they were', () => {
    const hello = { session: 'ab'.repeat(16), life: 'cd'.repeat(16), received: 2 ** 40, cluster: 'here' };
    expect(decodeHello(frameWith(encodeHello(hello)))).toEqual(hello);
    const first = { ...hello, life: null };
    expect(decodeHello(frameWith(encodeHello(first)))).toEqual(first);
    const sizes = { commandBytesMax: 5, frameBytesMax: 7 };
    const welcome = { life: 'ef'.repeat(16), received: 9, ...sizes, primary: 'a' };
    expect(decodeWelcome(frameWith(encodeWelcome(welcome)))).toEqual(welcome);
    const error = decodeFailure(frameWith(encodeFailure('ERR_SYNOD_FENCED', 'unknown', 'why')));
    expect(error).toMatchObject({ code: 'ERR_SYNOD_FENCED', outcome: 'unknown', message: 'why' });
  });

  it('of a failure whose code is cut off are refused', () => {
    const whole = encodeFailure('ERR_SYNOD_OVERLOADED', 'not-applied', '');
    expect(() => decodeFailure(frameWith(whole.subarray(0, -1)))).toThrow(ClientFrameError);
  });

  it('that are anything else are refused, or read as something within bounds', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (body) => {
        const frame = frameWith(body);
        for (const decode of [decodeHello, decodeWelcome, decodeFailure]) {
          try {
            decode(frame);
          } catch (error) {
            expect(error).toBeInstanceOf(ClientFrameError);
          }
        }
        try {
          decodeId(body);
        } catch (error) {
          expect(error).toBeInstanceOf(ClientFrameError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a service', () => {
  it('cuts off who talks garbage, and goes on for the others', async () => {
    const replica = new FakeReplica();
    const cut: string[] = [];
    const service = await serve(replica.served, { onEvent: ({ event }) => cut.push(event) });
    const client = await openClient({
      cluster: 'here',
      servers: [{ id: 'a', address: `127.0.0.1:${service.port}` }],
    });
    const hello = makeFrame(
      ClientFrameKind.hello,
      0,
      0,
      0,
      encodeHello({ session: '01'.repeat(16), life: null, received: 0, cluster: 'here' }),
      crc32c,
    );
    const junk = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      // A frame that is whole, and makes no sense where it is.
      frameOf.map(({ bytes }) => bytes),
      fc
        .record({
          count: fc.nat(5),
          first: fc.nat(4),
          acknowledged: fc.nat(4),
          body: fc.uint8Array({ maxLength: 40 }),
        })
        .map(({ count, first, acknowledged, body }) =>
          makeFrame(ClientFrameKind.commands, count, first, acknowledged, body, crc32c),
        ),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.boolean(),
        fc.array(junk, { minLength: 1, maxLength: 4 }),
        async (greets, parts) => {
          const socket = connect(service.port, '127.0.0.1');
          await once(socket, 'connect');
          socket.on('error', () => {});
          socket.resume();
          if (greets) socket.write(hello);
          socket.end(join(parts));
          if (!socket.destroyed) await once(socket, 'close');
        },
      ),
      { numRuns: 150 },
    );
    expect(cut.length).toBeGreaterThan(20);
    expect(textOf(await client.replicate(bytesOf('still here')))).toMatch(/still here$/);
    await until('they are gone', () => service.statistics.connections === 1);
    expect(service.statistics.outstandingBytes).toBe(0);
  });

  it('reads no more from a client that has too much under way, nor for one that does not read', async () => {
    const replica = new FakeReplica();
    replica.isHeld = true;
    const service = await serve(replica.served, {
      connectionOutstandingBytesMax: 100_000,
      resultBytesMax: 300_000,
    });
    const client = await openClient({
      cluster: 'here',
      servers: [{ id: 'a', address: `127.0.0.1:${service.port}` }],
      outstandingBytesMax: 1024 * 1024 * 1024,
    });
    const results = Array.from({ length: 400 }, () => client.replicateBatch([new Uint8Array(200_000)]));
    await until('it stands still', async () => {
      const before = service.statistics.outstandingBytes;
      await new Promise((resolve) => setTimeout(resolve, 100));
      return before > 0 && service.statistics.outstandingBytes === before;
    });
    expect(service.statistics.outstandingBytes).toBeLessThan(100_000 + 2 * 300_000);
    replica.go();
    await Promise.all(results);
  });
});

describe('Session', () => {
  const answer = (bytes: number): Uint8Array => new Uint8Array(bytes);

  it('keeps answers until they are acknowledged, and sends them again in order', () => {
    const session = new Session('s', 1000, 100);
    expect([session.admit(1, 3), session.admit(4, 2), session.admit(6, 1)]).toEqual([true, true, true]);
    expect([session.admit(1, 3), session.admit(8, 1), session.admit(0, 1), session.admit(5, 3)]).toEqual([
      false,
      null,
      null,
      null,
    ]);
    session.answer(4, answer(2));
    expect(session.takeSendable()).toEqual([]);
    session.answer(1, answer(1));
    expect(session.takeSendable().map(({ length }) => length)).toEqual([1, 2]);
    expect(session.takeSendable()).toEqual([]);
    expect(session.acknowledge(7)).toBe(false);
    expect(session.resume(3)).toBe(true);
    session.answer(6, answer(3));
    expect(session.takeSendable().map(({ length }) => length)).toEqual([2, 3]);
  });

  it('forgets answers beyond its bound, and then cannot be resumed without them', () => {
    const session = new Session('s', 1000, 100);
    for (let first = 1; first <= 3; first += 1) {
      session.admit(first, 1);
      session.answer(first, answer(600));
    }
    session.takeSendable();
    expect(session.resume(1)).toBe(false);
    expect(session.resume(2)).toBe(true);
    expect(session.takeSendable().length).toBe(1);
  });
});
