/**
 * Aim: the client keeps to the bounds of the server that it is at, and to its own times: no call is given up early, and no server is
 * come back to for ever. Method: services with small bounds, and a server that says what the test says.
 */

import type { Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { ClientFrameKind } from '../../src/client/format.js';
import { decodeHello, encodePrimary } from '../../src/client/messages.js';
import { bytesOf, codeOf, until } from '../application/support.js';
import {
  at,
  closeClients,
  FakeReplica,
  frameOfServer,
  openClient,
  openRawServer,
  serve,
  TcpProxy,
  textOf,
  wait,
  welcomeBody,
} from './support.js';

afterEach(closeClients);

describe('a frame of commands', () => {
  it('is no longer than the server takes', async () => {
    const events: string[] = [];
    const { port } = await serve(new FakeReplica().served, {
      frameBytesMax: 64 * 1024,
      commandBytesMax: 4096,
      onEvent: ({ reason }) => events.push(reason),
    });
    const client = await openClient({ cluster: 'here', servers: [at(port)] });
    const calls = Array.from({ length: 200 }, () => client.replicate(new Uint8Array(1000)));
    expect(new Set(await Promise.all(calls.map(codeOf)))).toEqual(new Set(['resolved']));
    expect(events).toEqual([]);
  });

  it('has no command that the replica would refuse, whatever the service takes', async () => {
    const replica = new FakeReplica();
    replica.commandBytesMax = 1000;
    const { port } = await serve(replica.served, { commandBytesMax: 4096 });
    const client = await openClient({ cluster: 'here', servers: [at(port)] });
    const lengths = [10, 1001, 1000];
    const calls = lengths.map((length) => codeOf(client.replicate(new Uint8Array(length))));
    expect(await Promise.all(calls)).toEqual(['resolved', 'ERR_SYNOD_ARGUMENT not-applied', 'resolved']);
    expect(replica.executed).toHaveLength(2);
  });

  it('nor than batchBytesMax says', async () => {
    const service = await serve(new FakeReplica().served);
    const options = { cluster: 'here', servers: [at(service.port)], batchBytesMax: 4096 };
    const client = await openClient(options);
    await Promise.all(Array.from({ length: 12 }, () => client.replicate(new Uint8Array(1000))));
    expect(service.statistics.batches).toBe(3);
  });

  it('that was built for a server that takes more is refused, and what is behind it goes on', async () => {
    const [a, b] = [new FakeReplica(), new FakeReplica()];
    const first = await serve(a.served);
    const second = await serve(b.served, { frameBytesMax: 64 * 1024, commandBytesMax: 4096 });
    const servers = [at(second.port, 'b'), at(first.port, 'a')];
    const client = await openClient({ cluster: 'here', servers });
    await until('it is at the primary', () => client.server === 'a');
    a.isHeld = true;
    const held = client.replicate(bytesOf('held'));
    await until('it is there', () => first.statistics.outstandingBytes > 0);
    b.primary = 'b';
    await wait(100);
    a.lead('b');
    await until('it is told', () => client.primary === 'b');
    const long = codeOf(client.replicateBatch(Array.from({ length: 100 }, () => new Uint8Array(1000))));
    const behind = client.replicate(bytesOf('behind'));
    await wait(20);
    a.go();
    expect(textOf(await held)).toBe('1:held');
    // Both are in one frame, or the second is in one of its own.
    expect(await long).toBe('ERR_SYNOD_ARGUMENT not-applied');
    await codeOf(behind);
    expect(textOf(await client.replicate(bytesOf('next')))).toMatch(/:next$/);
    expect(client.server).toBe('b');
    expect(client.outstandingBytes).toBe(0);
  });
});

describe('a server that cuts each connection as soon as it is resumed', () => {
  it('is given up after resumeTimeoutMs', async () => {
    let welcomes = 0;
    const port = await openRawServer((frame, socket) => {
      if (frame.kind === ClientFrameKind.commands) socket.destroy();
      if (frame.kind !== ClientFrameKind.hello) return;
      const isNew = welcomes === 0;
      welcomes += 1;
      socket.write(frameOfServer(ClientFrameKind.welcome, welcomeBody(), isNew ? 0 : 1));
    });
    const options = { cluster: 'here', servers: [at(port)], timeoutMs: 20_000, resumeTimeoutMs: 300 };
    const client = await openClient(options);
    const result = client.replicate(bytesOf('x'));
    await expect(result).rejects.toMatchObject({ code: 'ERR_SYNOD_DISCONNECTED', outcome: 'unknown' });
    expect(welcomes).toBeGreaterThan(2);
  });

  it('and is not, where it answered in between', async () => {
    let welcomes = 0;
    const spent = new Set<Socket>();
    const port = await openRawServer((frame, socket) => {
      if (frame.kind === ClientFrameKind.hello) {
        const { received } = decodeHello(frame);
        const isResumed = welcomes > 0 ? 1 : 0;
        welcomes += 1;
        socket.write(frameOfServer(ClientFrameKind.welcome, welcomeBody(received), isResumed));
      } else if (frame.count > 0 && !spent.has(socket)) {
        // One answer by each connection.
        spent.add(socket);
        const body = Buffer.from([1, 0, 0, 0, frame.first]);
        socket.end(frameOfServer(ClientFrameKind.results, body, 1, frame.first));
      }
    });
    const options = { cluster: 'here', servers: [at(port)], resumeTimeoutMs: 400, batchBytesMax: 1024 };
    const client = await openClient(options);
    const results = Array.from({ length: 30 }, () => client.replicate(new Uint8Array(900)));
    for (const [index, result] of results.entries()) expect((await result)[0]).toBe(index + 1);
    expect(welcomes).toBeGreaterThanOrEqual(30);
  });
});

it('an answer that takes long to come whole is no silence', async () => {
  const port = await openRawServer((frame, socket) => {
    if (frame.kind === ClientFrameKind.hello)
      socket.write(frameOfServer(ClientFrameKind.welcome, welcomeBody()));
    if (frame.kind !== ClientFrameKind.commands || frame.count === 0) return;
    const body = Buffer.alloc(4 + 35_000);
    body.writeUInt32LE(35_000);
    const answer = frameOfServer(ClientFrameKind.results, body, 1, frame.first);
    let sent = 0;
    const timer = setInterval(() => {
      socket.write(answer.subarray(sent, sent + 1000));
      sent += 1000;
      if (sent >= answer.length || socket.destroyed) clearInterval(timer);
    }, 100);
  });
  // A server that answers nothing for 3 s is given up.
  const client = await openClient({ cluster: 'here', servers: [at(port)], timeoutMs: 3000 });
  await codeOf(client.replicate(bytesOf('x')));
  await until('the answer is there', () => client.outstandingBytes === 0);
  expect(client.server).toBe('a');
});

it('a connection that stands is not cut when the time to make it is over', async () => {
  // Heartbeats come later than that.
  const proxy = await TcpProxy.open((await serve(new FakeReplica().served)).port);
  const client = await openClient({ cluster: 'here', servers: [at(proxy.port)], connectTimeoutMs: 250 });
  await wait(450);
  expect(client.server).toBe('a');
  expect(proxy.connections).toBe(1);
});

it('no call is given up before its time, while no server is there', async () => {
  const service = await serve(new FakeReplica().served);
  const timeoutMs = 800;
  const client = await openClient({ cluster: 'here', servers: [at(service.port)], timeoutMs });
  await service.close();
  await until('it is alone', () => client.server === null);
  const waited: Promise<number>[] = [];
  for (let index = 0; index < 60; index += 1) {
    const began = performance.now();
    const outcome = codeOf(client.replicate(bytesOf('x')));
    waited.push(
      outcome.then((code) => {
        expect(code).toBe('ERR_SYNOD_TIMEOUT not-applied');
        return performance.now() - began;
      }),
    );
    await wait(5);
  }
  expect(Math.min(...(await Promise.all(waited)))).toBeGreaterThanOrEqual(timeoutMs);
});

it('a server that is alone is stayed with, though it knows no primary', async () => {
  const port = await openRawServer((frame, socket) => {
    if (frame.kind !== ClientFrameKind.hello) return;
    socket.write(frameOfServer(ClientFrameKind.welcome, welcomeBody()));
    const timer = setInterval(() => {
      if (socket.destroyed) clearInterval(timer);
      else socket.write(frameOfServer(ClientFrameKind.primary, encodePrimary(null)));
    }, 100);
  });
  const proxy = await TcpProxy.open(port);
  const client = await openClient({ cluster: 'here', servers: [at(proxy.port)], timeoutMs: 1000 });
  await wait(1500);
  expect(client.server).toBe('a');
  expect(proxy.connections).toBe(1);
});

it('a batch that cannot be copied is refused alone', async () => {
  const { port } = await serve(new FakeReplica().served);
  const client = await openClient({ cluster: 'here', servers: [at(port)] });
  const other = client.replicate(bytesOf('a'));
  const batch = [bytesOf('b')];
  batch[Symbol.iterator] = () => {
    throw new RangeError('no memory for the copy');
  };
  const refusal = await codeOf(client.replicateBatch(batch));
  expect(refusal.startsWith('ERR_SYNOD_'), 'a typed error').toBe(true);
  expect(refusal).toBe('ERR_SYNOD_ARGUMENT not-applied');
  expect(textOf(await other)).toBe('1:a');
  expect(client.outstandingBytes).toBe(0);
});
