/**
 * Aim: what `Client` promises: results, order, each command at most once over broken connections, the primary followed, bounds,
 * errors with codes and outcomes, and that every promise settles. Method: services in this process, over a fake replica that
 * answers when it is told to, and over three real ones.
 */

import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { Client, type CommandBatch, SynodError, serveClients } from '../../src/client/index.js';
import { bytesOf, closeAll, codeOf, freePorts, openCluster, until } from '../application/support.js';
import { at, closeClients, FakeReplica, openClient, packed, serve, TcpProxy, textOf } from './support.js';

afterEach(async () => {
  await closeClients();
  await closeAll();
});

describe('a client', () => {
  it('has results of single commands and batches, in the order of the calls', async () => {
    const replica = new FakeReplica();
    const { port } = await serve(replica.served);
    const client = await openClient({ cluster: 'here', servers: [at(port)] });
    const single = client.replicate(bytesOf('one'));
    const batch = client.replicateBatch(packed(['two', '', 'four']));
    const array = client.replicateBatch([bytesOf('five')]);
    const last = client.replicate(bytesOf('six'));
    expect(textOf(await single)).toBe('1:one');
    const results = await batch;
    expect(results.count).toBe(3);
    expect([0, 1, 2].map((index) => textOf(results.result(index)))).toEqual(['2:two', '3:', '4:four']);
    expect(textOf((await array).result(0))).toBe('5:five');
    expect(textOf(await last)).toBe('6:six');
    expect((await client.replicateBatch([])).count).toBe(0);
    expect(client.outstandingBytes).toBe(0);
    expect([client.server, client.primary]).toEqual(['a', 'a']);
  });

  it('encodes results as the service says, and has empty ones for none', async () => {
    const replica = {
      ...{ cluster: 'here', commandBytesMax: 1024, primary: null },
      on() {},
      off() {},
      replicateBatch: async (batch: CommandBatch) =>
        Array.from({ length: batch.count }, (_, index) => (index === 0 ? undefined : index)),
    };
    const { port } = await serve<number>(replica as never, {
      encodeResult: (result, _bytes, view, start) => {
        view.setUint32(start, result, true);
        return start + 4;
      },
      resultBytesMax: 4,
    });
    const client = await openClient({ cluster: 'here', servers: [at(port)] });
    const results = await client.replicateBatch(packed(Array(20_000).fill('x')));
    expect(results.result(0).length).toBe(0);
    for (let index = 1; index < 20_000; index += 1)
      expect(results.view.getUint32(results.start(index), true)).toBe(index);
  });

  it('tells of a result that cannot be encoded: the command was executed', async () => {
    const replica = new FakeReplica();
    const reasons: string[] = [];
    const { port } = await serve(replica.served, {
      resultBytesMax: 5,
      onEvent: ({ event, reason }) => reasons.push(`${event} ${reason}`),
    });
    const client = await openClient({ cluster: 'here', servers: [at(port)] });
    expect(await codeOf(client.replicate(bytesOf('too long for it')))).toBe(
      'ERR_SYNOD_RESULT_LOST committed',
    );
    expect(textOf(await client.replicate(bytesOf('abc')))).toBe('2:abc');
    expect(reasons).toEqual([expect.stringMatching(/^result-lost RangeError/)]);
  });

  it('rejects with what the replica rejected it with, and goes on', async () => {
    const replica = new FakeReplica();
    const error = new SynodError('ERR_SYNOD_RESULT_LOST', 'it caught up', { outcome: 'committed' });
    replica.failure = { text: 'bad', error };
    const { port } = await serve(replica.served);
    const client = await openClient({ cluster: 'here', servers: [at(port)] });
    const bad = client.replicateBatch(packed(['good', 'bad']));
    await expect(bad).rejects.toMatchObject({
      code: 'ERR_SYNOD_RESULT_LOST',
      outcome: 'committed',
      message: 'it caught up',
    });
    expect(textOf(await client.replicate(bytesOf('next')))).toBe('1:next');
  });

  it('is bounded in what is outstanding, in commands and in batches', async () => {
    const replica = new FakeReplica();
    replica.isHeld = true;
    const { port } = await serve(replica.served, { commandBytesMax: 10_000 });
    const options = { outstandingBytesMax: 20_000, batchBytesMax: 15_000 };
    const client = await openClient({ cluster: 'here', servers: [at(port)], ...options });
    const great = new Uint8Array(9000);
    const taken = [client.replicate(great), client.replicate(great)];
    expect(await codeOf(client.replicate(great))).toBe('ERR_SYNOD_OVERLOADED not-applied');
    expect(await codeOf(client.replicateBatch([great]))).toBe('ERR_SYNOD_OVERLOADED not-applied');
    expect(await codeOf(client.replicateBatch([great, great]))).toBe('ERR_SYNOD_ARGUMENT not-applied');
    expect(await codeOf(client.replicate(new Uint8Array(10_001)))).toBe('ERR_SYNOD_ARGUMENT not-applied');
    expect(await codeOf(client.replicate('text' as never))).toBe('ERR_SYNOD_ARGUMENT not-applied');
    expect(await codeOf(client.replicateBatch('text' as never))).toBe('ERR_SYNOD_ARGUMENT not-applied');
    expect(await codeOf(client.replicateBatch(['text'] as never))).toBe('ERR_SYNOD_ARGUMENT not-applied');
    replica.go();
    await Promise.all(taken);
    expect(client.outstandingBytes).toBe(0);
    expect(await codeOf(client.replicate(great))).toBe('resolved');
  });

  it('waits no longer than its time limit', async () => {
    const replica = new FakeReplica();
    replica.isHeld = true;
    const { port } = await serve(replica.served);
    const client = await openClient({ cluster: 'here', servers: [at(port)], timeoutMs: 60 });
    expect(await codeOf(client.replicate(bytesOf('slow')))).toBe('ERR_SYNOD_TIMEOUT unknown');
    replica.go();
    expect(textOf(await client.replicate(bytesOf('next')))).toBe('2:next');
    expect(client.outstandingBytes).toBe(0);
  });

  it('settles everything when it is closed', async () => {
    const replica = new FakeReplica();
    replica.isHeld = true;
    const { port } = await serve(replica.served);
    const client = await openClient({ cluster: 'here', servers: [at(port)] });
    const sent = codeOf(client.replicate(bytesOf('sent')));
    await until('it is there', () => client.outstandingBytes > 0 && replica.listenerCount('role') === 1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const unsent = codeOf(client.replicate(bytesOf('unsent')));
    await client.close();
    await client.close();
    expect([await sent, await unsent]).toEqual(['ERR_SYNOD_CLOSED unknown', 'ERR_SYNOD_CLOSED not-applied']);
    expect(await codeOf(client.replicate(bytesOf('late')))).toBe('ERR_SYNOD_CLOSED not-applied');
    expect(await codeOf(client.replicateBatch([]))).toBe('ERR_SYNOD_CLOSED not-applied');
  });

  it('says why it reaches nobody', async () => {
    const [port] = (await freePorts(1)) as [number];
    const options = { cluster: 'here', servers: [at(port)], timeoutMs: 200 };
    await expect(Client.connect(options)).rejects.toMatchObject({
      code: 'ERR_SYNOD_CONNECT',
      message: expect.stringContaining('its port is closed'),
    });
    const elsewhere = new FakeReplica();
    elsewhere.cluster = 'there';
    const service = await serve(elsewhere.served, { cluster: 'there' });
    await expect(Client.connect({ ...options, servers: [at(service.port)] })).rejects.toMatchObject({
      code: 'ERR_SYNOD_CONNECT',
      message: expect.stringContaining('this is cluster there'),
    });
  });

  it.each([
    { servers: [] },
    { servers: [{ id: 'a', address: 'nowhere' }] },
    { servers: [{ id: '', address: '127.0.0.1:1' }] },
    { servers: [at(1), at(2)] },
    { cluster: '' },
    { timeoutMs: 0 },
    { unknown: 1 },
  ])('refuses options: %j', async (wrong) => {
    const options = { cluster: 'here', servers: [at(1)], ...wrong };
    expect(await codeOf(Client.connect(options as never))).toBe('ERR_SYNOD_OPTION');
  });
});

it('options that are none are refused, here and at the service', async () => {
  for (const none of [undefined, null, 1]) {
    expect(await codeOf(Client.connect(none as never))).toBe('ERR_SYNOD_OPTION');
    expect(await codeOf(serveClients(new FakeReplica().served, none as never))).toBe('ERR_SYNOD_OPTION');
  }
});

describe('a broken connection', () => {
  it('is made again, and each command executed once, wherever it broke', async () => {
    const replica = new FakeReplica();
    const { port } = await serve(replica.served);
    const proxy = await TcpProxy.open(port);
    const client = await openClient({ cluster: 'here', servers: [at(proxy.port)] });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ count: fc.integer({ min: 1, max: 50 }), pause: fc.nat(3), cut: fc.boolean() }), {
          minLength: 1,
          maxLength: 12,
        }),
        async (steps) => {
          replica.executed.length = 0;
          const expected: string[] = [];
          const results: Promise<string[]>[] = [];
          for (const { count, pause, cut } of steps) {
            const texts = Array.from({ length: count }, (_, index) => `${expected.length + index}`);
            expected.push(...texts);
            results.push(
              client
                .replicateBatch(packed(texts))
                .then((batch) => texts.map((_, index) => textOf(batch.result(index)))),
            );
            for (let turn = 0; turn < pause; turn += 1) await new Promise(setImmediate);
            if (cut) proxy.cut();
          }
          expect((await Promise.all(results)).flat()).toEqual(
            expected.map((text, index) => `${index + 1}:${text}`),
          );
          expect(replica.executed).toEqual(expected);
        },
      ),
      { numRuns: 40 },
    );
    expect(proxy.connections).toBeGreaterThan(5);
  });

  it('to a process that is gone leaves what was under way unknown, and the rest goes elsewhere', async () => {
    const lost = new FakeReplica();
    lost.isHeld = true;
    const next = new FakeReplica();
    next.primary = 'b';
    const first = await serve(lost.served, { closeTimeoutMs: 0 });
    const second = await serve(next.served);
    const servers = [at(second.port, 'b'), at(first.port, 'a')];
    lost.primary = 'a';
    next.primary = 'a';
    const client = await openClient({ cluster: 'here', servers });
    await until('it is at the primary', () => client.server === 'a');
    const sent = codeOf(client.replicate(bytesOf('sent')));
    await new Promise((resolve) => setTimeout(resolve, 20));
    next.lead('b');
    await first.close();
    expect(await sent).toBe('ERR_SYNOD_DISCONNECTED unknown');
    expect(textOf(await client.replicate(bytesOf('rest')))).toBe('1:rest');
    expect(client.server).toBe('b');
  });

  it('to a server that forgot the session leaves what was under way unknown', async () => {
    const replica = new FakeReplica();
    replica.isHeld = true;
    const service = await serve(replica.served, { sessionTimeoutMs: 1 });
    const proxy = await TcpProxy.open(service.port);
    const client = await openClient({ cluster: 'here', servers: [at(proxy.port)] });
    const sent = codeOf(client.replicate(bytesOf('sent')));
    await new Promise((resolve) => setTimeout(resolve, 20));
    proxy.cut();
    expect(await sent).toBe('ERR_SYNOD_DISCONNECTED unknown');
    replica.go();
    expect(textOf(await client.replicate(bytesOf('next')))).toBe('2:next');
    expect(service.statistics.sessions).toBe(1);
  });

  it('is noticed where nothing is heard any more', async () => {
    const replica = new FakeReplica();
    const { port } = await serve(replica.served);
    const proxy = await TcpProxy.open(port);
    const client = await openClient({ cluster: 'here', servers: [at(proxy.port)] });
    proxy.isSilent = true;
    const result = client.replicate(bytesOf('lost on its way'));
    await until('another connection', () => proxy.connections > 1);
    proxy.isSilent = false;
    expect(textOf(await result)).toBe('1:lost on its way');
  });
});

describe('three replicas that serve clients', () => {
  it('are followed to their primary, and each command is executed once, in order', async () => {
    const members = await openCluster(3);
    const ids = ['a', 'b', 'c'];
    const services = await Promise.all(
      members.map(({ replica }) =>
        serveClients(replica, {
          cluster: 'here',
          port: 0,
          encodeResult: (text, bytes, _view, start) => {
            bytes.set(bytesOf(text), start);
            return start + text.length;
          },
        }),
      ),
    );
    const servers = services.map((service, index) => at(service.port, ids[index]));
    const client = await openClient({ cluster: 'here', servers });
    const results = await Promise.all(
      Array.from({ length: 300 }, (_, index) => client.replicate(bytesOf(`x${index}`))),
    );
    expect(results.map(textOf)).toEqual(Array.from({ length: 300 }, (_, index) => `${index + 1}:x${index}`));
    const primary = members.findIndex(({ replica }) => replica.role === 'primary');
    await until('it is at the primary', () => client.server === ids[primary]);
    // The primary goes, service and all.
    const closing = services[primary]!.close().then(() => members[primary]!.replica.close());
    const texts = Array.from({ length: 100 }, (_, index) => `y${index}`);
    const outcomes: string[] = [];
    for (const text of texts) outcomes.push(await codeOf(client.replicate(bytesOf(text))));
    await closing;
    const rest = members.filter((_, index) => index !== primary);
    await until('the same', () => {
      const [one, other] = rest.map(({ stateMachine }) => stateMachine.commands.length);
      return one === other;
    });
    const { commands } = rest[0]!.stateMachine;
    expect(new Set(commands).size, 'each once').toBe(commands.length);
    const own = commands.filter((text) => text.startsWith('y'));
    expect(own, 'in order').toEqual(texts.filter((text) => own.includes(text)));
    for (const [index, outcome] of outcomes.entries()) {
      expect(['resolved', 'ERR_SYNOD_DISCONNECTED unknown', 'ERR_SYNOD_CLOSED not-applied']).toContain(
        outcome,
      );
      if (outcome === 'resolved') expect(own).toContain(texts[index]);
    }
    expect(outcomes.at(-1)).toBe('resolved');
    for (const service of services) await service.close();
  });
});
