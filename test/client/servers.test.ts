/**
 * Aim: a client does not stay with a server that is of no use to it: one whose replica is fenced, closed or no member, one that answers
 * nothing, one that knows no primary; and it goes about it calmly. Method: services in this process over fake replicas that are told to
 * be so.
 */

import { afterEach, describe, expect, it } from 'vitest';
import { Client, type ClientService, SynodError } from '../../src/client/index.js';
import { bytesOf, codeOf, until } from '../application/support.js';
import { at, closeClients, FakeReplica, openClient, serve, TcpProxy, textOf, wait } from './support.js';

afterEach(closeClients);

interface Pair {
  readonly a: FakeReplica;
  readonly b: FakeReplica;
  readonly services: readonly ClientService<Uint8Array>[];
  readonly client: Client;
}

/** A client at `a`, which both say is the primary. */
async function openPair(options: { readonly timeoutMs?: number } = {}): Promise<Pair> {
  const [a, b] = [new FakeReplica(), new FakeReplica()];
  const services = [await serve(a.served), await serve(b.served)];
  const servers = [at(services[1]!.port, 'b'), at(services[0]!.port, 'a')];
  const client = await openClient({ cluster: 'here', servers, ...options });
  await until('it is at the primary', () => client.server === 'a');
  return { a, b, services, client };
}

describe('a replica that is fenced', () => {
  it('is left, behind the answers that are due, and takes no client any more', async () => {
    const { a, b, services, client } = await openPair();
    a.isHeld = true;
    const sent = codeOf(client.replicate(bytesOf('sent')));
    await until('it is there', () => services[0]!.statistics.outstandingBytes > 0);
    a.fence();
    expect(await sent).toBe('ERR_SYNOD_FENCED unknown');
    await until('it is elsewhere', () => client.server === 'b');
    expect(textOf(await client.replicate(bytesOf('next')))).toBe('1:next');
    expect(b.executed).toEqual(['next']);
    const options = { cluster: 'here', servers: [at(services[0]!.port)], timeoutMs: 200 };
    await expect(Client.connect(options)).rejects.toMatchObject({
      code: 'ERR_SYNOD_CONNECT',
      message: expect.stringContaining('fenced'),
    });
  });

  it('tells those that are there that it is fenced, and not that it is no member', async () => {
    const replica = new FakeReplica();
    const reasons: string[] = [];
    const service = await serve(replica.served, { onEvent: ({ reason }) => reasons.push(reason) });
    await openClient({ cluster: 'here', servers: [at(service.port)] });
    replica.fence();
    await until('it is sent away', () => reasons.length > 0);
    expect(reasons[0]).toContain('fenced');
  });

  it.each(['ERR_SYNOD_FENCED', 'ERR_SYNOD_CLOSED'] as const)(
    'is left at an answer %s too, for good',
    async (code) => {
      const { a, services, client } = await openPair();
      a.refusal = new SynodError(code, 'it takes nothing', { outcome: 'not-applied' });
      expect(await codeOf(client.replicate(bytesOf('x')))).toBe(`${code} not-applied`);
      await until('it is elsewhere', () => client.server === 'b');
      expect(textOf(await client.replicate(bytesOf('next')))).toBe('1:next');
      a.refusal = null;
      const options = { cluster: 'here', servers: [at(services[0]!.port)], timeoutMs: 200 };
      expect(await codeOf(Client.connect(options))).toMatch(/^ERR_SYNOD_CONNECT/);
    },
  );
});

describe('a replica that is no member', () => {
  it('is left when it becomes so, and serves when it is one again', async () => {
    const { a, services, client } = await openPair();
    a.become('inactive');
    await until('it is elsewhere', () => client.server === 'b');
    expect(textOf(await client.replicate(bytesOf('next')))).toBe('1:next');
    const options = { cluster: 'here', servers: [at(services[0]!.port)], timeoutMs: 200 };
    await expect(Client.connect(options)).rejects.toMatchObject({
      code: 'ERR_SYNOD_CONNECT',
      message: expect.stringContaining('no member'),
    });
    const waiting = openClient({ ...options, timeoutMs: 10_000 });
    await wait(100);
    a.become('secondary');
    expect(textOf(await (await waiting).replicate(bytesOf('again')))).toBe('1:again');
  });

  it('is left at an answer that says so', async () => {
    const { a, services, client } = await openPair();
    a.refusal = new SynodError('ERR_SYNOD_INACTIVE', 'it was taken out', { outcome: 'not-applied' });
    expect(await codeOf(client.replicate(bytesOf('x')))).toBe('ERR_SYNOD_INACTIVE not-applied');
    await until('it is elsewhere', () => client.server === 'b');
    a.refusal = null;
    const other = await openClient({ cluster: 'here', servers: [at(services[0]!.port)] });
    expect(textOf(await other.replicate(bytesOf('again')))).toBe('1:again');
  });
});

describe('a primary whose service is gone', () => {
  it('is not run after: the others pass commands on to it', async () => {
    const [a, b] = [new FakeReplica(), new FakeReplica()];
    a.role = 'inactive';
    const proxies = [
      await TcpProxy.open((await serve(a.served)).port),
      await TcpProxy.open((await serve(b.served)).port),
    ] as const;
    const servers = [at(proxies[0].port, 'a'), at(proxies[1].port, 'b')];
    const client = await openClient({ cluster: 'here', servers });
    for (let index = 1; index <= 10; index += 1) {
      expect(textOf(await client.replicate(bytesOf('x')))).toBe(`${index}:x`);
      await wait(30);
    }
    expect(client.server).toBe('b');
    expect(proxies[0].connections + proxies[1].connections).toBeLessThan(6);
  });

  it('and nobody else: it is asked again, and not at once', async () => {
    const a = new FakeReplica();
    a.role = 'inactive';
    const proxy = await TcpProxy.open((await serve(a.served)).port);
    const options = { cluster: 'here', servers: [at(proxy.port)], timeoutMs: 500 };
    const began = performance.now();
    expect(await codeOf(Client.connect(options))).toMatch(/^ERR_SYNOD_CONNECT/);
    expect(proxy.connections).toBeGreaterThan(1);
    expect(proxy.connections).toBeLessThanOrEqual(1 + (performance.now() - began) / 50);
  });
});

describe('two servers that each name the other one the primary', () => {
  it('execute what they are given, and are not connected to without a pause', async () => {
    const [a, b] = [new FakeReplica(), new FakeReplica()];
    a.primary = 'b';
    b.primary = 'a';
    const proxies = [
      await TcpProxy.open((await serve(a.served)).port),
      await TcpProxy.open((await serve(b.served)).port),
    ] as const;
    const servers = [at(proxies[0].port, 'a'), at(proxies[1].port, 'b')];
    const began = performance.now();
    const client = await openClient({ cluster: 'here', servers });
    for (let index = 1; index <= 20; index += 1) {
      expect(await codeOf(client.replicate(bytesOf('x')))).toBe('resolved');
      await wait(10);
    }
    expect(a.executed.length + b.executed.length).toBe(20);
    expect(proxies[0].connections + proxies[1].connections).toBeLessThanOrEqual(
      1 + (performance.now() - began) / 50,
    );
  });
});

describe('a server that is cut off from the cluster', () => {
  it('is given up when it answers nothing, and what it was not given goes elsewhere', async () => {
    const { a, b, services, client } = await openPair({ timeoutMs: 2000 });
    a.isHeld = true;
    const one = codeOf(client.replicate(bytesOf('one')));
    await until('it is there', () => services[0]!.statistics.outstandingBytes > 0);
    await wait(1300);
    const two = client.replicate(bytesOf('two'));
    expect(await one).toMatch(/^ERR_SYNOD_(DISCONNECTED|TIMEOUT) unknown$/);
    expect(textOf(await two)).toBe('1:two');
    expect(client.server).toBe('b');
    expect(client.outstandingBytes).toBe(0);
    a.go();
    await wait(50);
    expect([a.executed, b.executed]).toEqual([['one'], ['two']]);
  });

  it('is given more as soon as it answers again', async () => {
    const { a, services, client } = await openPair({ timeoutMs: 4000 });
    a.isHeld = true;
    const one = client.replicate(bytesOf('one'));
    await until('it is there', () => services[0]!.statistics.outstandingBytes > 0);
    await wait(2200);
    const two = client.replicate(bytesOf('two'));
    await wait(50);
    expect(services[0]!.statistics.commands, 'withheld').toBe(1);
    a.go();
    expect([textOf(await one), textOf(await two)]).toEqual(['1:one', '2:two']);
    expect(client.server).toBe('a');
  });

  it('is left when it knows no primary, and each server has its time', async () => {
    const [a, b] = [new FakeReplica(), new FakeReplica()];
    a.primary = null;
    b.primary = null;
    const proxies = [
      await TcpProxy.open((await serve(a.served)).port),
      await TcpProxy.open((await serve(b.served)).port),
    ] as const;
    const client = await openClient({
      cluster: 'here',
      servers: [at(proxies[0].port, 'a'), at(proxies[1].port, 'b')],
      timeoutMs: 4000,
    });
    const began = performance.now();
    expect(client.server).toBe('b');
    await until('it is at the other one', () => client.server === 'a');
    await until('it is back', () => client.server === 'b');
    expect(performance.now() - began).toBeGreaterThan(1900);
    expect(proxies[0].connections + proxies[1].connections).toBe(3);
    b.lead('b');
    await wait(1300);
    expect(client.server).toBe('b');
  });
});
