/** How connections end, and what bounds them while they last. */

import { afterEach, describe, expect, it } from 'vitest';
import { SynodError } from '../../src/index.js';
import { KeyValueServer } from '../../src/kv/server.js';
import { codeOf, uncaughtDuring } from '../application/support.js';
import { RawClient, request } from './raw-client.js';
import { error, OK } from './reply-reader.js';
import { batching, closeAll, connect, instant, serve } from './serve.js';

const OK_BYTES = '+OK\r\n'.length;

afterEach(closeAll);

describe('connections end', () => {
  it('after QUIT, once what came before was answered; what follows is not executed', async () => {
    const { port, replica } = await serve(batching);
    const client = await connect(port);
    client.send(`${request('SET', 'a', '1')}${request('QUIT')}${request('SET', 'a', '2')}`);
    expect(await client.replies(2)).toEqual([OK, OK]);
    await client.ended;
    client.socket.end();
    await client.closed;
    expect(replica.log.length).toBe(1);
  });

  it('where the client closes its half, after all it sent was answered', async () => {
    const { port, server } = await serve(batching, { batchesPerConnectionMax: 1, batchOperationsMax: 10 });
    const client = await connect(port);
    client.socket.end(Buffer.from(`${request('INCR', 'n').repeat(1000)}*2\r\n$3\r\nGE`));
    expect(await client.replies(1000)).toHaveLength(1000);
    await client.ended;
    await client.closed;
    await expect.poll(() => server.connectionCount).toBe(0);
  });

  it.each([
    ['*x\r\n', 'ERR Protocol error: invalid multibulk length'],
    ['*1\r\n:1\r\n', "ERR Protocol error: expected '$', got ':'"],
    ['*1\r\n$99999999\r\n', 'ERR Protocol error: invalid bulk length'],
    [`*3\r\n$900\r\n${'x'.repeat(900)}\r\n$900\r\n`, 'ERR Protocol error: too big request'],
    ['GET "a\r\n', 'ERR Protocol error: unbalanced quotes in request'],
    ['x'.repeat(70_000), 'ERR Protocol error: too big inline request'],
  ])('after an error of the protocol: %#', async (garbage, message) => {
    const { port, events, replica } = await serve(batching, { commandBytesMax: 1024 });
    const client = await connect(port);
    client.send(`${request('SET', 'a', '1')}${garbage}${request('SET', 'a', '2')}`);
    expect(await client.replies(2)).toEqual([OK, error(message)]);
    await client.ended;
    expect(events).toEqual([
      { event: 'connection-cut', remote: expect.any(String), reason: message.slice(4) },
    ]);
    expect(replica.log.length).toBe(1);
  });

  it('at once where a browser was made to call', async () => {
    const { port, events } = await serve(instant);
    const client = await connect(port);
    client.send('POST / HTTP/1.1\r\nHost: x\r\n\r\nSET a 1\r\n');
    await client.ended;
    expect(client.take().length).toBe(0);
    expect(events[0]?.reason).toContain('HTTP');
  });

  it('and leave nothing to the next one, also where onEvent throws', async () => {
    const caught = await uncaughtDuring(async () => {
      const { port } = await serve(instant, {
        onEvent: () => {
          throw new Error('by onEvent');
        },
      });
      const other = await connect(port);
      const client = await connect(port);
      client.send(`${request('SET', 'a', '1')}POST / HTTP/1.1\r\n\r\n`);
      await client.ended;
      expect(await other.ask('GET', 'b')).toBe(null);
    });
    expect(caught).toEqual(['Error: by onEvent']);
  });

  it('where there are too many', async () => {
    const { port, server, events } = await serve(instant, { connectionsMax: 1 });
    const first = await connect(port);
    await first.ask('PING');
    const second = await connect(port);
    expect(await second.replies(1)).toEqual([error('ERR max number of clients reached')]);
    await second.ended;
    expect(events[0]?.event).toBe('connection-refused');
    first.destroy();
    await expect.poll(() => server.connectionCount).toBe(0);
    const third = await connect(port);
    expect(await third.ask('PING')).toEqual({ simple: 'PONG' });
  });

  it('in the middle of a request or of a batch without harm', async () => {
    const { port, replica, server } = await serve(batching);
    replica.hold();
    const replicated = new Promise<void>((resolve) => {
      replica.onReplicate = resolve;
    });
    const client = await connect(port);
    client.send(`${request('SET', 'a', '1')}*2\r\n$3`);
    await replicated;
    client.socket.resetAndDestroy();
    await expect.poll(() => server.connectionCount).toBe(0);
    replica.release();
    const other = await connect(port);
    expect(await other.ask('GET', 'a')).toBe('1');
  });

  it('at close of the server: what is under way is answered, then all are closed', async () => {
    const { port, replica, server } = await serve(batching, { closeTimeoutMs: 20_000 });
    const client = await connect(port);
    replica.hold();
    const replicated = new Promise<void>((resolve) => {
      replica.onReplicate = resolve;
    });
    client.send(request('SET', 'a', '1'));
    await replicated;
    const closing = server.close();
    expect(server.close()).toBe(closing);
    replica.release();
    expect(await client.replies(1)).toEqual([OK]);
    await client.ended;
    client.socket.end();
    await closing;
    await expect(server.listen('127.0.0.1:0')).rejects.toMatchObject({ code: 'ERR_SYNOD_CLOSED' });
    await expect(RawClient.connect(port)).rejects.toThrow();
  });

  it('at close of the server even where the replica never answers', async () => {
    const { port, replica, server } = await serve(batching, { closeTimeoutMs: 50 });
    const client = await connect(port);
    replica.hold();
    const replicated = new Promise<void>((resolve) => {
      replica.onReplicate = resolve;
    });
    client.send(request('SET', 'a', '1'));
    await replicated;
    await server.close();
    await client.ended;
    replica.abandon('unknown');
  });
});

describe('back-pressure', () => {
  it('a client with much under way is not read from, and loses nothing', async () => {
    const { port, replica, server } = await serve(batching, { connectionOutstandingBytesMax: 20_000 });
    replica.hold();
    const client = await connect(port);
    const value = 'x'.repeat(10_000);
    const count = 3000;
    const one = request('SET', 'a', value);
    client.socket.write(one.repeat(count));
    await expect.poll(() => replica.waitingCount).toBeGreaterThan(0);
    // Reading stops long before all has come, and stays stopped.
    let received = -1;
    await expect
      .poll(
        () => {
          const before = received;
          received = server.statistics.bytesReceived;
          return received === before;
        },
        { interval: 50 },
      )
      .toBe(true);
    expect(received).toBeLessThan(1_000_000);
    replica.keepsLog = false;
    replica.release();
    expect(await client.replies(count)).toEqual(new Array(count).fill(OK));
  });

  it('clients wait for room that they share', async () => {
    const { port, replica } = await serve(batching, { outstandingBytesMax: 1 });
    const all = await Promise.all(Array.from({ length: 5 }, () => connect(port)));
    replica.hold();
    for (const client of all) client.send(request('INCR', 'n').repeat(300));
    await expect.poll(() => replica.waitingCount).toBe(1);
    replica.release();
    const numbers: number[] = [];
    for (const client of all) numbers.push(...((await client.replies(300)) as number[]));
    expect(numbers.sort((a, b) => a - b)).toEqual(Array.from({ length: 1500 }, (_, index) => index + 1));
  });

  it('a slow reader is not served faster than it reads, and gets all', async () => {
    const { port, server } = await serve(instant, { outputPauseBytes: 65_536, batchesPerConnectionMax: 1 });
    const client = await connect(port);
    const value = 'x'.repeat(100_000);
    await client.ask('SET', 'a', value);
    client.socket.pause();
    const count = 500;
    client.send(request('GET', 'a').repeat(count));
    let sent = -1;
    await expect
      .poll(
        () => {
          const before = sent;
          sent = server.statistics.bytesSent;
          return sent === before && sent > 100;
        },
        { interval: 50 },
      )
      .toBe(true);
    expect(sent).toBeLessThan(count * value.length);
    client.socket.resume();
    const bytes = OK_BYTES + count * (value.length + '$100000\r\n\r\n'.length);
    await expect.poll(() => client.receivedBytes, { timeout: 20_000 }).toBe(bytes);
    expect(await client.replies(count)).toEqual(new Array(count).fill(value));
  });

  it('a slow reader for whom too much is kept is cut off, with the reason', async () => {
    const { port, events, server } = await serve(instant, { outputBytesMax: 10_000_000 });
    const client = await connect(port);
    await client.ask('SET', 'a', 'x'.repeat(1_000_000));
    client.socket.pause();
    client.send(request('GET', 'a').repeat(60));
    await expect
      .poll(() => events)
      .toEqual([
        {
          event: 'connection-cut',
          remote: expect.any(String),
          reason: 'the client does not read its replies',
        },
      ]);
    await expect.poll(() => server.connectionCount).toBe(0);
    const other = await connect(port);
    expect(await other.ask('STRLEN', 'a')).toBe(1_000_000);
  });

  it('large requests go through in pieces', async () => {
    const { port } = await serve(batching, { commandBytesMax: 8_000_000 });
    const client = await connect(port);
    const value = 'v'.repeat(5_000_000);
    client.send(request('SET', 'a', value) + request('GET', 'a') + request('STRLEN', 'a'));
    expect(await client.replies(3)).toEqual([OK, value, value.length]);
  });
});

describe('listen', () => {
  const idle = { replicate: async () => undefined, status: async () => ({}) } as never;

  it.each(['127.0.0.1:0', 'localhost:0'])('on %s rejects where close comes first', async (address) => {
    const server = new KeyValueServer(idle);
    const listening = codeOf(server.listen(address));
    await server.close();
    expect(await listening).toBe('ERR_SYNOD_CLOSED');
  });

  it.each([
    { host: '127.0.0.1', port: 70_000 },
    { host: '127.0.0.1', port: '1' },
    { host: '', port: 0 },
    { port: 0 },
    null,
    5,
  ])('refuses %j, and takes another address then', async (address) => {
    const server = new KeyValueServer(idle);
    expect(await codeOf(server.listen(address as never))).toBe('ERR_SYNOD_ARGUMENT');
    expect(await codeOf(server.listen('127.0.0.1:0'))).toBe('resolved');
    await server.close();
  });
});

it('an error reply is one line, whatever letters are in the message', async () => {
  // The low bytes of the letters are a line's end.
  const fault = new SynodError('ERR_SYNOD_FENCED', 'cannot write /srv/\u010d\u010a+OK', {
    outcome: 'unknown',
  });
  const broken = { replicate: () => Promise.reject(fault), status: () => Promise.reject(fault) };
  const { port } = await serve(() => broken as never);
  const client = await connect(port);
  client.command('SET', 'a', '1');
  client.command('INFO');
  client.command('PING');
  const replies = await client.replies(3);
  expect(replies[0]).toEqual(error(expect.stringContaining('/srv/??+OK') as never));
  expect(replies[2]).toEqual({ simple: 'PONG' });
});
