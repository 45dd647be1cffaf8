/**
 * Aim: what a service holds for a client that does not read is bounded. Method: connections that read when the test says
 * so, at a service over a replica that answers when the test says so.
 */

import { afterEach, expect, it } from 'vitest';
import { ClientFrameKind } from '../../src/client/format.js';
import type { ClientService } from '../../src/client/index.js';
import { bytesOf, codeOf, until } from '../application/support.js';
import { at, closeClients, FakeReplica, openClient, RawClient, serve, TcpProxy } from './support.js';

afterEach(closeClients);

const KIBIBYTE = 1024;

async function greet({ port }: ClientService<Uint8Array>): Promise<RawClient> {
  const client = new RawClient(port);
  client.hello('c');
  await until('it is welcome', () => client.frames.length > 0);
  return client;
}

/** Frames of one command each. */
function send(client: RawClient, first: number, count: number): void {
  for (let sequence = first; sequence < first + count; sequence += 1)
    client.send(ClientFrameKind.commands, Uint8Array.of(1, 0, 0, 0, 65), 1, sequence);
}

const results = ({ frames }: RawClient): number =>
  frames.filter(({ kind }) => kind === ClientFrameKind.results).length;

it('nothing that is told of the primary piles up', async () => {
  const replica = new FakeReplica();
  const service = await serve(replica.served);
  const client = await greet(service);
  client.pause();
  // 64 MB: more than the kernel holds for a connection. So much is told by heartbeats alone, of a short name, in twelve days.
  const told = 8000;
  for (let count = 0; count < told; count += 1) {
    replica.lead('a'.repeat(8000));
    if (count % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  client.resume();
  const long = (): number => client.frames.filter(({ bytes }) => bytes.length > 8000).length;
  // Told anew once what was sent is read.
  await until('it is told of the next one', () => {
    replica.lead('b');
    return client.frames.at(-1)!.bytes.at(-1) === 'b'.charCodeAt(0);
  });
  expect(long()).toBeGreaterThan(0);
  expect(long()).toBeLessThan(told - 500);
});

it('its commands are taken in as far as there is room for their results, also out of one piece', async () => {
  const replica = new FakeReplica();
  replica.isHeld = true;
  const service = await serve(replica.served, {
    encodeResult: (_result, _bytes, _view, start) => start + 64 * KIBIBYTE,
  });
  const client = await greet(service);
  // 37,000 bytes, with results of 64 MiB.
  send(client, 1, 1000);
  await until('as many are there as have room', () => service.statistics.commands === 17);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(service.statistics.commands).toBe(17);
  replica.go();
  await until('all are there', () => results(client) === 1000);
  const firsts = client.frames
    .filter(({ kind }) => kind === ClientFrameKind.results)
    .map(({ first }) => first);
  expect(firsts).toEqual(Array.from({ length: 1000 }, (_, index) => index + 1));
});

it('short results let more in', async () => {
  const replica = new FakeReplica();
  const service = await serve(replica.served);
  const client = await greet(service);
  send(client, 1, 100);
  await until('they are answered', () => results(client) === 100);
  replica.isHeld = true;
  send(client, 101, 5000);
  await until('all are there', () => service.statistics.commands === 5100);
});

it('with too much to read it is cut off, and its session forgotten', async () => {
  const replica = new FakeReplica();
  let length = 1;
  const events: string[] = [];
  const service = await serve(replica.served, {
    encodeResult: (_result, _bytes, _view, start) => start + length,
    outputBytesMax: 256 * KIBIBYTE,
    onEvent: ({ event, reason }) => events.push(`${event}: ${reason}`),
  });
  const client = await greet(service);
  send(client, 1, 100);
  await until('they are answered', () => results(client) === 100);
  // Nobody could expect so much of those that come next: 62 MiB.
  length = 64 * KIBIBYTE;
  replica.isHeld = true;
  send(client, 101, 1000);
  await until('they are there', () => service.statistics.commands === 1100);
  client.pause();
  replica.go();
  await until('it is cut off', () => service.statistics.connections === 0);
  expect(events).toEqual(['connection-cut: the client does not read its results']);
  await until('nothing is under way', () => service.statistics.outstandingBytes === 0);
  expect(service.statistics.sessions).toBe(0);
});

it('one that is gone is forgotten with its results, where those are too much', async () => {
  const replica = new FakeReplica();
  let length = 1;
  const service = await serve(replica.served, {
    encodeResult: (_result, _bytes, _view, start) => start + length,
    ...{ outputBytesMax: 256 * KIBIBYTE, keptBytesMax: 0 },
  });
  const client = await greet(service);
  send(client, 1, 100);
  await until('they are answered', () => results(client) === 100);
  length = 64 * KIBIBYTE;
  replica.isHeld = true;
  send(client, 101, 1000);
  await until('they are there', () => service.statistics.commands === 1100);
  await client.close();
  await until('its connection is gone', () => service.statistics.connections === 0);
  expect(service.statistics.sessions).toBe(1);
  replica.go();
  await until('it is forgotten', () => service.statistics.sessions === 0);
});

it.each([
  ['has come back', 4096 * KIBIBYTE, true],
  ['keeps its connection', 4096 * KIBIBYTE, false],
  ['keeps its connection, and what it has not acknowledged is not kept', 0, false],
])('one that reads, and %s, gets all that comes at once', async (_name, keptBytesMax, isCut) => {
  const replica = new FakeReplica();
  const service = await serve(replica.served, {
    encodeResult: (_result, _bytes, _view, start) => start + 64 * KIBIBYTE,
    ...{ outputBytesMax: 256 * KIBIBYTE, keptBytesMax },
  });
  const proxy = await TcpProxy.open(service.port);
  const client = await openClient({ cluster: 'here', servers: [at(proxy.port)] });
  replica.isHeld = true;
  const calls: Promise<string>[] = [];
  for (let count = 1; count <= 16; count += 1) {
    calls.push(codeOf(client.replicate(bytesOf('x'))));
    // In a frame of its own.
    await until('it is there', () => service.statistics.commands === count);
  }
  if (isCut) proxy.cut();
  await until('its connection is gone', () => !isCut || service.statistics.connections === 0);
  replica.go();
  expect(new Set(await Promise.all(calls))).toEqual(new Set(['resolved']));
});

it('one that reads gets results of any length, one frame after another', async () => {
  const service = await serve(new FakeReplica().served, {
    encodeResult: (_result, _bytes, _view, start) => start + 64 * KIBIBYTE,
    outputBytesMax: 64 * KIBIBYTE,
  });
  const client = await openClient({ cluster: 'here', servers: [at(service.port)] });
  const batches = Array.from({ length: 5 }, () =>
    codeOf(client.replicateBatch(Array.from({ length: 100 }, () => bytesOf('x')))),
  );
  expect(new Set(await Promise.all(batches))).toEqual(new Set(['resolved']));
});
