/**
 * Aim: what a service holds for clients ends: with those that say goodbye, with the oldest that nobody misses, and with `close`. Method:
 * clients, and connections that say what the test says, at a service in this process.
 */

import { afterEach, describe, expect, it } from 'vitest';
import { ClientFrameKind } from '../../src/client/format.js';
import type { ClientService, CommandBatch } from '../../src/client/index.js';
import { decodeFailure, decodeWelcome } from '../../src/client/messages.js';
import { bytesOf, until } from '../application/support.js';
import { at, closeClients, FakeReplica, openClient, RawClient, serve, textOf } from './support.js';

afterEach(closeClients);

const oneCommand = Buffer.from([1, 0, 0, 0, 120]);

/** Its last frame is a welcome (`count` 1: resumed), or why it was refused. */
async function greet(service: ClientService<Uint8Array>, session: string, life: string | null = null) {
  const raw = new RawClient(service.port);
  raw.hello(session, life);
  await until('an answer to hello', () => raw.frames.length > 0);
  return raw;
}

async function lose(service: ClientService<Uint8Array>, raw: RawClient): Promise<void> {
  const before = service.statistics.connections;
  await raw.close();
  await until('it is gone', () => service.statistics.connections < before);
}

describe('a client that closes', () => {
  it('says goodbye: its session makes room for the next one at once', async () => {
    const service = await serve(new FakeReplica().served, { sessionsMax: 3 });
    for (let index = 1; index <= 10; index += 1) {
      const client = await openClient({ cluster: 'here', servers: [at(service.port)], timeoutMs: 3000 });
      expect(textOf(await client.replicate(bytesOf('x')))).toBe(`${index}:x`);
      await client.close();
      await until('its session is forgotten', () => service.statistics.sessions === 0);
    }
    await until('its connection is closed', () => service.statistics.connections === 0);
  });

  it('says so to each server that it leaves', async () => {
    const [a, b] = [new FakeReplica(), new FakeReplica()];
    const services = [await serve(a.served), await serve(b.served)] as const;
    const servers = [at(services[1].port, 'b'), at(services[0].port, 'a')];
    const client = await openClient({ cluster: 'here', servers });
    await client.replicate(bytesOf('x'));
    b.primary = 'b';
    a.lead('b');
    await until('it is at the other one', () => client.server === 'b');
    await until('its session is forgotten', () => services[0].statistics.sessions === 0, 5000);
  });

  it('is closed here where the other side does not close', async () => {
    const service = await serve(new FakeReplica().served);
    const raw = await greet(service, 'a');
    raw.send(ClientFrameKind.goodbye);
    await until('the server closed it', () => raw.isClosed);
    expect(service.statistics.sessions).toBe(0);
  });

  it('says nothing more with it, and has said hello before', async () => {
    const cut: string[] = [];
    const service = await serve(new FakeReplica().served, { onEvent: ({ reason }) => cut.push(reason) });
    const raw = await greet(service, 'a');
    raw.send(ClientFrameKind.goodbye, bytesOf('more'));
    const early = new RawClient(service.port);
    early.send(ClientFrameKind.goodbye);
    await until('both are cut', () => raw.isClosed && early.isClosed);
    expect(cut).toEqual(Array(2).fill('a frame of kind 8 out of place'));
  });
});

describe('a service with as many sessions as it may have', () => {
  it('forgets the one that lost its connection first', async () => {
    const service = await serve(new FakeReplica().served, { sessionsMax: 2 });
    const first = await greet(service, '1');
    const second = await greet(service, '2');
    const { life } = decodeWelcome(first.frames[0]!);
    await lose(service, second);
    await lose(service, first);
    const third = await greet(service, '3');
    expect(third.frames[0]!.kind).toBe(ClientFrameKind.welcome);
    expect(service.statistics.sessions).toBe(2);
    const again = await greet(service, '1', life);
    expect(again.frames[0]!.count, 'resumed').toBe(1);
  });

  it('forgets none that has a connection or something under way', async () => {
    const replica = new FakeReplica();
    replica.isHeld = true;
    const service = await serve(replica.served, { sessionsMax: 2 });
    const busy = await greet(service, '1');
    busy.send(ClientFrameKind.commands, oneCommand, 1, 1);
    await until('it is there', () => service.statistics.outstandingBytes > 0);
    await lose(service, busy);
    await greet(service, '2');
    const third = await greet(service, '3');
    expect(third.frames[0]!.kind).toBe(ClientFrameKind.refusal);
    expect(decodeFailure(third.frames[0]!).message).toBe('too many clients');
    replica.go();
    await until('nothing is under way', () => service.statistics.outstandingBytes === 0);
    const fourth = await greet(service, '4');
    expect(fourth.frames[0]!.kind).toBe(ClientFrameKind.welcome);
  });

  it('lets a client come back whose lost connection it has not missed yet', async () => {
    const replica = new FakeReplica();
    const service = await serve(replica.served, { sessionsMax: 2 });
    const first = await greet(service, '1');
    const second = await greet(service, '2');
    replica.isHeld = true;
    first.send(ClientFrameKind.commands, oneCommand, 1, 1);
    await until('it is there', () => service.statistics.outstandingBytes > 0);
    // The old connection stands, as far as this side knows.
    const again = await greet(service, '1', decodeWelcome(first.frames[0]!).life);
    expect(again.frames[0]!.kind).toBe(ClientFrameKind.welcome);
    expect(again.frames[0]!.count, 'resumed').toBe(1);
    await until('the old one is closed', () => first.isClosed);
    replica.go();
    await until('its answer', () => again.frames.some(({ kind }) => kind === ClientFrameKind.results));
    const third = await greet(service, '3');
    expect(decodeFailure(third.frames[0]!).message).toBe('too many clients');
    expect(second.isClosed).toBe(false);
  });

  it('and no more connections without a hello than a few', async () => {
    const service = await serve(new FakeReplica().served, { sessionsMax: 1 });
    const silent = Array.from({ length: 100 }, () => new RawClient(service.port));
    await until('34 are refused', () => silent.filter(({ frames }) => frames.length > 0).length === 34);
    await until('those are closed', () => service.statistics.connections === 66);
  });
});

describe('close', () => {
  it('does not wait for ever for a client that does not read', async () => {
    const replica = new FakeReplica();
    replica.replicateBatch = async (batch: CommandBatch) =>
      Array.from({ length: batch.count }, () => new Uint8Array(60_000));
    const service = await serve(replica.served, { closeTimeoutMs: 300 });
    const raw = await greet(service, 'a');
    raw.pause();
    raw.send(ClientFrameKind.commands, Buffer.concat(Array(400).fill(oneCommand)), 400, 1);
    await until('it was given', () => service.statistics.commands === 400);
    await until('it was answered', () => service.statistics.outstandingBytes === 0);
    const began = performance.now();
    await service.close();
    expect(performance.now() - began).toBeGreaterThan(290);
    await until('it is cut', () => service.statistics.connections === 0);
  }, 8000);

  it('nor for results that do not come, and then for one that does not read', async () => {
    const replica = new FakeReplica();
    replica.isHeld = true;
    const service = await serve(replica.served, { closeTimeoutMs: 200 });
    const raw = await greet(service, 'a');
    raw.send(ClientFrameKind.commands, oneCommand, 1, 1);
    await until('it is there', () => service.statistics.outstandingBytes > 0);
    await service.close();
    await until('it is cut', () => service.statistics.connections === 0);
  }, 8000);

  it('of a fenced replica leaves no connection of a client that does not read', async () => {
    const replica = new FakeReplica();
    replica.replicateBatch = async (batch: CommandBatch) =>
      Array.from({ length: batch.count }, () => new Uint8Array(60_000));
    const service = await serve(replica.served, { closeTimeoutMs: 200 });
    const raw = await greet(service, 'a');
    raw.pause();
    raw.send(ClientFrameKind.commands, Buffer.concat(Array(400).fill(oneCommand)), 400, 1);
    await until('it was answered', () => {
      const { commands, outstandingBytes } = service.statistics;
      return commands === 400 && outstandingBytes === 0;
    });
    replica.fence();
    await until('it is gone', () => service.statistics.connections === 0, 5000);
  });
});
