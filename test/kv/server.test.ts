/** The server over sockets: order, batches, transactions, errors, options. */

import { afterEach, describe, expect, it } from 'vitest';
import { type ErrorCode, type Outcome, SynodError } from '../../src/errors.js';
import { KeyValueServer } from '../../src/kv/server.js';
import type { KeyValueServerOptions } from '../../src/kv/server-options.js';
import { KeyValueStateMachine } from '../../src/kv/state-machine.js';
import { InstantReplica } from './fake-replica.js';
import { request } from './raw-client.js';
import { error, OK, type ReplyValue } from './reply-reader.js';
import { batching, closeAll, connect, instant, serve } from './serve.js';

afterEach(closeAll);

describe('pipelines', () => {
  it('are answered in order, whatever needs the log and whatever does not', async () => {
    const { port, replica } = await serve(batching);
    const client = await connect(port);
    client.send(
      request('SET', 'a', '1') +
        request('PING') +
        'INCR a\r\n' +
        request('INFO', 'server') +
        request('GET', 'a') +
        request('NOSUCH', 'x') +
        request('GET') +
        request('DEL', 'a', 'b') +
        request('ECHO', 'end'),
    );
    const replies = await client.replies(9);
    expect(replies).toEqual([
      OK,
      { simple: 'PONG' },
      2,
      expect.stringContaining('redis_version:'),
      '2',
      error("ERR unknown command 'NOSUCH', with args beginning with: 'x' "),
      error("ERR wrong number of arguments for 'get' command"),
      1,
      'end',
    ]);
    expect(replica.log.length).toBe(4);
  });

  it('become few commands of the log: one for what comes at once', async () => {
    const { port, replica } = await serve(instant);
    const client = await connect(port);
    client.send(request('SET', 'n', '0') + request('INCR', 'n').repeat(49));
    expect(await client.replies(50)).toEqual([OK, ...Array.from({ length: 49 }, (_, index) => index + 1)]);
    expect(replica.log.length).toBe(1);
  });

  it('that are long are cut into batches, and still in order', async () => {
    const { port, replica } = await serve(batching, { batchOperationsMax: 100, batchesPerConnectionMax: 2 });
    const client = await connect(port);
    client.send(request('INCR', 'n').repeat(5000));
    expect(await client.replies(5000)).toEqual(Array.from({ length: 5000 }, (_, index) => index + 1));
    expect(replica.log.length).toBeGreaterThanOrEqual(50);
  });

  it('never become a command of the log that is longer than it may be, in a transaction neither', async () => {
    const { port, replica } = await serve(instant, { commandBytesMax: 2048 });
    const client = await connect(port);
    // An inline request has a blank where the log may have two bytes of a length.
    const inline = `DEL${` ${'k'.repeat(128)}`.repeat(7)}\r\n`;
    for (let length = 1100; length < 1150; length += 1) {
      client.send(request('SET', 'a', 'x'.repeat(length)) + inline);
      expect(await client.replies(2)).toEqual([OK, 0]);
      client.send(request('MULTI') + request('SET', 'a', 'x'.repeat(length)) + inline + request('EXEC'));
      await client.replies(4);
    }
    expect(Math.max(...replica.log.map((command) => command.length))).toBeLessThanOrEqual(2048);
  });

  it('cut into single bytes are answered the same', async () => {
    const { port } = await serve(instant);
    const client = await connect(port);
    const text = `${request('SET', 'a', 'x\r\ny')}${request('APPEND', 'a', '!')}GET a\r\n`;
    for (const byte of text) {
      client.send(byte);
      await new Promise(setImmediate);
    }
    expect(await client.replies(3)).toEqual([OK, 5, 'x\r\ny!']);
  });

  it('of several clients do not mix', async () => {
    const { port } = await serve(batching);
    const all = await Promise.all(Array.from({ length: 8 }, () => connect(port)));
    for (const [index, client] of all.entries()) {
      client.send(request('INCR', `n${index}`).repeat(500) + request('INCR', 'all').repeat(100));
    }
    const sums: number[] = [];
    for (const client of all) {
      const replies = await client.replies(600);
      expect(replies.slice(0, 500)).toEqual(Array.from({ length: 500 }, (_, index) => index + 1));
      sums.push(...(replies.slice(500) as number[]));
    }
    expect(sums.sort((a, b) => a - b)).toEqual(Array.from({ length: 800 }, (_, index) => index + 1));
  });

  it('carry the injected clock, and the timeout for the replica', async () => {
    let now = 1_000_000;
    const { port, replica } = await serve(instant, { nowMs: () => now, timeoutMs: 1234 });
    const client = await connect(port);
    expect(await client.ask('SET', 'a', '1', 'EX', '10')).toEqual(OK);
    expect(replica.lastOptions).toEqual({ timeoutMs: 1234 });
    now += 4000;
    expect(await client.ask('TTL', 'a')).toBe(6);
    expect(await client.ask('PTTL', 'a')).toBe(6000);
    now += 5999;
    expect(await client.ask('GET', 'a')).toBe('1');
    now += 1;
    expect(await client.ask('GET', 'a')).toBe(null);
  });
});

describe('HELLO', () => {
  it('changes the version of what follows, in the middle of a pipeline', async () => {
    const { port } = await serve(batching);
    const client = await connect(port);
    client.send(
      request('GET', 'none') +
        request('HELLO', '3', 'SETNAME', 'me') +
        request('GET', 'none') +
        request('HELLO', '2') +
        request('GET', 'none') +
        request('CLIENT', 'GETNAME'),
    );
    await client.replies(6).then((replies) => {
      expect(replies[1]).toEqual({
        map: expect.arrayContaining([
          ['proto', 3],
          ['server', 'synod'],
          ['role', 'master'],
          ['modules', []],
        ]),
      });
      expect((replies[3] as ReplyValue[]).slice(4, 6)).toEqual(['proto', 2]);
      expect(replies[5]).toBe('me');
    });
    client.send(request('GET', 'none') + request('HELLO', '3') + request('GET', 'none'));
    await client.replies(3);
  });

  it('does not change how what was asked before it is answered, though that is answered later', async () => {
    const { port } = await serve(instant);
    const client = await connect(port);
    client.send(request('INFO', 'none') + request('HELLO', '3') + request('INFO', 'none') + request('QUIT'));
    await client.ended;
    const replies = client.take().toString();
    expect(replies.startsWith('$0\r\n\r\n%7\r\n')).toBe(true);
    expect(replies.endsWith('=4\r\ntxt:\r\n+OK\r\n')).toBe(true);
  });

  it('writes nil as each version has it', async () => {
    const { port } = await serve(instant);
    const client = await connect(port);
    client.send(`${request('GET', 'x')}${request('QUIT')}`);
    await client.ended;
    expect(client.take().toString()).toBe('$-1\r\n+OK\r\n');
    const other = await connect(port);
    await other.ask('HELLO', '3');
    other.send(`${request('GET', 'x')}${request('CLIENT', 'GETNAME')}${request('QUIT')}`);
    await other.ended;
    expect(other.take().toString()).toBe('_\r\n_\r\n+OK\r\n');
  });

  it.each([
    [['HELLO', '4'], 'NOPROTO unsupported protocol version'],
    [['HELLO', 'x'], 'ERR Protocol version is not an integer or out of range'],
    [['HELLO', '3', 'NO'], "ERR Syntax error in HELLO option 'NO'"],
    [['HELLO', '3', 'SETNAME'], "ERR Syntax error in HELLO option 'SETNAME'"],
    [
      ['HELLO', '3', 'SETNAME', 'a b'],
      'ERR Client names cannot contain spaces, newlines or special characters.',
    ],
    [
      ['HELLO', '3', 'AUTH', 'u', 'p'],
      'ERR AUTH called without any password configured: this server has no users',
    ],
    [['AUTH', 'p'], 'ERR AUTH called without any password configured: this server has no users'],
    [['SELECT', '1'], 'ERR DB index is out of range'],
    [['SELECT', 'x'], 'ERR value is not an integer or out of range'],
    [['PING', 'a', 'b'], "ERR wrong number of arguments for 'ping' command"],
    [['WATCH', 'a'], 'ERR WATCH is not supported: use MULTI and EXEC without it'],
    [['EXEC'], 'ERR EXEC without MULTI'],
    [['DISCARD'], 'ERR DISCARD without MULTI'],
    [['CLIENT', 'KILL', 'x'], "ERR unknown subcommand 'KILL'. Try CLIENT HELP."],
    [['CLIENT', 'ID', 'x'], "ERR wrong number of arguments for 'client|id' command"],
    [
      ['CLIENT', 'SETNAME', 'a\nb'],
      'ERR Client names cannot contain spaces, newlines or special characters.',
    ],
    [['CLIENT', 'SETINFO', 'x', 'y'], "ERR Unrecognized option 'x'"],
    [
      ['CLIENT', 'SETINFO', 'lib-name', 'a b'],
      'ERR lib-name cannot contain spaces, newlines or special characters.',
    ],
    [['CLIENT', 'NO-EVICT', 'x'], 'ERR syntax error'],
    [['CONFIG', 'SET', 'save', ''], 'ERR CONFIG SET is not supported: use the configuration file'],
    [['CONFIG', 'GET'], "ERR wrong number of arguments for 'config|get' command"],
    [['CONFIG', 'x'], "ERR unknown subcommand 'x'. Try CONFIG HELP."],
    [['COMMAND', 'x'], "ERR unknown subcommand 'x'. Try COMMAND HELP."],
    [
      ['CONFIG', 'RESETSTAT'],
      'ERR CONFIG RESETSTAT is not supported: counts are of the whole life of a server',
    ],
    [['CONFIG', 'HELP', 'x'], "ERR wrong number of arguments for 'config|help' command"],
    [['COMMAND', 'HELP', 'x'], "ERR wrong number of arguments for 'command|help' command"],
    [['CLIENT', 'LIST', 'ID'], 'ERR syntax error'],
    [['CLIENT', 'LIST', 'ID', 'x'], 'ERR Invalid client ID'],
    [['CLIENT', 'LIST', 'TYPE', 'x'], "ERR Unknown client type 'x'"],
    [['CLIENT', 'LIST', 'TYPE', 'normal', 'x'], 'ERR syntax error'],
    [['CLIENT', 'LIST', 'NAME', 'x'], 'ERR syntax error'],
    [['SET', 'a', 'b', 'EX', '0'], "ERR invalid expire time in 'set' command"],
    [
      ['x'.repeat(200), 'a'.repeat(300)],
      `ERR unknown command '${'x'.repeat(128)}', with args beginning with: '${'a'.repeat(128)}' `,
    ],
    [['get\r\nx'], "ERR unknown command 'get  x', with args beginning with: "],
  ])('%j is refused, and the connection goes on', async (args, message) => {
    const { port } = await serve(instant);
    const client = await connect(port);
    expect(await client.ask(...args)).toEqual(error(message));
    expect(await client.ask('PING')).toEqual({ simple: 'PONG' });
  });
});

describe('what clients and tools ask for', () => {
  it('CLIENT, COMMAND, CONFIG', async () => {
    const { port } = await serve(instant);
    const client = await connect(port);
    const id = await client.ask('CLIENT', 'ID');
    expect(id).toBeTypeOf('number');
    expect(await client.ask('CLIENT', 'SETNAME', 'tester')).toEqual(OK);
    expect(await client.ask('CLIENT', 'SETINFO', 'LIB-NAME', 'lib')).toEqual(OK);
    expect(await client.ask('CLIENT', 'SETINFO', 'LIB-VER', '1.2')).toEqual(OK);
    expect(await client.ask('CLIENT', 'NO-TOUCH', 'on')).toEqual(OK);
    const info = (await client.ask('CLIENT', 'INFO')) as string;
    expect(info).toContain(`id=${id} addr=127.0.0.1:`);
    expect(info).toContain('name=tester');
    expect(info).toContain('lib-name=lib lib-ver=1.2');
    await connect(port).then((other) => other.ask('PING'));
    expect(((await client.ask('CLIENT', 'LIST')) as string).split('\n').length).toBe(3);
    expect(await client.ask('CLIENT', 'HELP')).toHaveLength(2);
    const count = (await client.ask('COMMAND', 'COUNT')) as number;
    expect(await client.ask('COMMAND')).toHaveLength(count);
    expect(await client.ask('COMMAND', 'LIST')).toHaveLength(count);
    expect(await client.ask('COMMAND', 'DOCS')).toEqual([]);
    expect(await client.ask('COMMAND', 'INFO', 'get', 'none')).toEqual([
      ['get', 2, [{ simple: 'readonly' }, { simple: 'fast' }], 1, 1, 1],
      null,
    ]);
    expect(await client.ask('CONFIG', 'GET', 'save')).toEqual(['save', '']);
    expect(await client.ask('CONFIG', 'GET', 'append*', 'none')).toEqual([
      'appendonly',
      'yes',
      'appendfsync',
      'always',
    ]);
    expect(await client.ask('CONFIG', 'HELP')).toHaveLength(2);
    expect(await client.ask('COMMAND', 'HELP')).toHaveLength(2);
  });

  it('CLIENT LIST shows the clients that are asked for', async () => {
    const { port } = await serve(instant);
    const clients = await Promise.all([connect(port), connect(port), connect(port)]);
    const ids: number[] = [];
    for (const client of clients) ids.push((await client.ask('CLIENT', 'ID')) as number);
    const list = async (...words: string[]): Promise<number[]> => {
      const lines = ((await clients[0]!.ask('CLIENT', 'LIST', ...words)) as string).split('\n').slice(0, -1);
      return lines.map((line) => Number(/^id=(\d+) /.exec(line)![1])).sort((a, b) => a - b);
    };
    const [first, , third] = ids.sort((a, b) => a - b) as [number, number, number];
    expect(await list()).toEqual(ids);
    expect(await list('ID', String(third), String(first), '999')).toEqual([first, third]);
    expect(await list('id', '999')).toEqual([]);
    expect(await list('TYPE', 'normal')).toEqual(ids);
    expect(await list('type', 'Replica')).toEqual([]);
  });

  it('INFO shows the replica, its primary and the keys', async () => {
    const { port, replica, machine } = await serve(instant);
    const client = await connect(port);
    await client.ask('MSET', 'a', '1', 'b', '2');
    await client.ask('EXPIRE', 'a', '100');
    const all = (await client.ask('INFO')) as string;
    for (const line of [
      'role:master',
      'replica_role:primary',
      'primary:a',
      'replica:a',
      'storage_reason:a test in two lines',
      'connected_clients:1',
      'db0:keys=2,expires=1,avg_ttl=0',
      `state_digest:${machine.digest()}`,
      'peer0:id=b,state=online,lag=0',
      'peer1:id=c,state=offline,lag=',
    ]) {
      expect(all).toContain(`\r\n${line}\r\n`);
    }
    replica.role = 'secondary';
    const replication = (await client.ask('info', 'REPLICATION')) as string;
    expect(replication).toMatch(/^# Replication\r\nrole:slave\r\nreplica_role:secondary\r\n/);
    expect(replication).not.toContain('redis_version');
    expect(await client.ask('INFO', 'none')).toBe('');
    replica.statusError = new SynodError('ERR_SYNOD_CLOSED', 'closed', { outcome: 'not-applied' });
    expect(await client.ask('INFO')).toEqual(error('CLUSTERDOWN not executed: closed (ERR_SYNOD_CLOSED)'));
  });
});

describe('MULTI', () => {
  it('executes all at EXEC as one operation of the log', async () => {
    const { port, replica } = await serve(batching);
    const client = await connect(port);
    client.send(
      [
        ['MULTI'],
        ['SET', 'a', '1'],
        ['INCR', 'a'],
        ['PING'],
        ['ECHO', 'x'],
        ['SELECT', '0'],
        ['UNWATCH'],
        ['GET', 'a'],
        ['EXEC'],
      ]
        .map((each) => request(...each))
        .join(''),
    );
    const queued = { simple: 'QUEUED' };
    expect(await client.replies(9)).toEqual([
      OK,
      queued,
      queued,
      queued,
      queued,
      queued,
      queued,
      queued,
      [OK, 2, { simple: 'PONG' }, 'x', OK, OK, '2'],
    ]);
    expect(replica.log.length).toBe(1);
  });

  it('lets nothing of another client in between', async () => {
    const { port } = await serve(batching);
    const clients = await Promise.all([connect(port), connect(port), connect(port)]);
    const transaction = `${request('MULTI')}${request('INCR', 'n').repeat(20)}${request('EXEC')}`;
    for (const client of clients) client.send(transaction.repeat(20));
    for (const client of clients) {
      const replies = await client.replies(20 * 22);
      for (let round = 0; round < 20; round++) {
        const numbers = replies[round * 22 + 21] as number[];
        expect(numbers).toEqual(numbers.map((_, index) => (numbers[0] as number) + index));
      }
    }
  });

  it('executes nothing where a request was refused, and says so', async () => {
    const { port, replica } = await serve(instant);
    const client = await connect(port);
    for (const bad of [
      ['NOSUCH'],
      ['GET'],
      ['SELECT', '7'],
      ['INFO'],
      ['HELLO', '3'],
      ['MULTI', 'a'],
      ['WATCH'],
      ['PING', 'a', 'b'],
    ]) {
      await client.ask('MULTI');
      await client.ask('SET', 'a', '1');
      expect(await client.ask(...bad)).toHaveProperty('error');
      expect(await client.ask('SET', 'b', '1')).toEqual({ simple: 'QUEUED' });
      expect(await client.ask('EXEC')).toEqual(
        error('EXECABORT Transaction discarded because of previous errors.'),
      );
      expect(await client.ask('PING')).toEqual({ simple: 'PONG' });
    }
    expect(replica.log.length).toBe(0);
    await client.ask('MULTI');
    expect(await client.ask('EXEC')).toEqual([]);
    await client.ask('MULTI');
    await client.ask('SET', 'a', '1');
    expect(await client.ask('DISCARD')).toEqual(OK);
    expect(await client.ask('GET', 'a')).toBe(null);
  });

  it('goes on behind a MULTI or WATCH inside it, as Redis does: they are refused, and nothing else', async () => {
    const { port } = await serve(instant);
    const client = await connect(port);
    for (const [nested, text] of [
      [['MULTI'], 'ERR MULTI calls can not be nested'],
      [['WATCH', 'a'], 'ERR WATCH inside MULTI is not allowed'],
    ] as const) {
      await client.ask('MULTI');
      await client.ask('SET', 'a', '1');
      expect(await client.ask(...nested)).toEqual(error(text));
      expect(await client.ask('GET', 'a')).toEqual({ simple: 'QUEUED' });
      expect(await client.ask('EXEC')).toEqual([OK, '1']);
    }
  });

  it('goes on after an error at execution, as Redis does', async () => {
    const { port } = await serve(instant);
    const client = await connect(port);
    client.send(
      `${request('MULTI')}${request('SET', 'a', 'x')}${request('INCR', 'a')}${request('GET', 'a')}${request('EXEC')}`,
    );
    expect((await client.replies(5))[4]).toEqual([
      OK,
      error('ERR value is not an integer or out of range'),
      'x',
    ]);
  });

  it('is bounded', async () => {
    const { port } = await serve(instant, { commandBytesMax: 2000 });
    const client = await connect(port);
    await client.ask('MULTI');
    expect(await client.ask('SET', 'a', 'x'.repeat(1500))).toEqual({ simple: 'QUEUED' });
    expect(await client.ask('SET', 'a', 'x'.repeat(1500))).toEqual(error('ERR the transaction is too large'));
    expect(await client.ask('EXEC')).toEqual(
      error('EXECABORT Transaction discarded because of previous errors.'),
    );
    await client.ask('MULTI');
    expect(await client.ask('SET', 'a', 'x'.repeat(1900))).toEqual({ simple: 'QUEUED' });
    expect(await client.ask('EXEC')).toEqual([OK]);
  });
});

describe('errors of the replica', () => {
  const failure = (code: ErrorCode, outcome?: Outcome) =>
    new SynodError(code, 'why', outcome === undefined ? {} : { outcome });
  it.each([
    [
      failure('ERR_SYNOD_OVERLOADED', 'not-applied'),
      'TRYAGAIN not executed, too much is under way: why (ERR_SYNOD_OVERLOADED)',
    ],
    [failure('ERR_SYNOD_TIMEOUT', 'not-applied'), 'CLUSTERDOWN not executed: why (ERR_SYNOD_TIMEOUT)'],
    [
      failure('ERR_SYNOD_TIMEOUT', 'unknown'),
      'UNKNOWN the command may or may not have been executed: why (ERR_SYNOD_TIMEOUT)',
    ],
    [
      failure('ERR_SYNOD_TIMEOUT'),
      'UNKNOWN the command may or may not have been executed: why (ERR_SYNOD_TIMEOUT)',
    ],
    [failure('ERR_SYNOD_RESULT_LOST', 'committed'), 'RESULTLOST why (ERR_SYNOD_RESULT_LOST)'],
    [failure('ERR_SYNOD_ARGUMENT'), 'ERR not executed: why (ERR_SYNOD_ARGUMENT)'],
    [new Error('a\nbug'), 'UNKNOWN the command may or may not have been executed: a bug'],
    ['thrown', 'UNKNOWN the command may or may not have been executed: thrown'],
  ])('%s', async (thrown, message) => {
    const { port, replica } = await serve(batching);
    const client = await connect(port);
    replica.failures.push(thrown);
    client.send(
      `${request('SET', 'a', '1')}${request('MULTI')}${request('INCR', 'a')}${request('EXEC')}${request('PING')}${request('GET', 'a')}`,
    );
    expect(await client.replies(6)).toEqual([
      error(message),
      OK,
      { simple: 'QUEUED' },
      [1],
      { simple: 'PONG' },
      '1',
    ]);
  });

  it('are one for each request of the batch, a transaction counted once', async () => {
    const { port, replica } = await serve(batching);
    const client = await connect(port);
    client.send(`${request('MULTI')}${request('INCR', 'a').repeat(3)}`);
    await client.replies(4);
    replica.failures.push(failure('ERR_SYNOD_OVERLOADED', 'not-applied'));
    client.send(`${request('EXEC')}${request('GET', 'a').repeat(2)}${request('PING')}`);
    const refused = expect.objectContaining({ error: expect.stringMatching(/^TRYAGAIN/) });
    expect(await client.replies(4)).toEqual([refused, refused, refused, { simple: 'PONG' }]);
  });

  it('thrown or left out by a replica that should not are told as unknown', async () => {
    const replies: (() => Promise<Uint8Array | undefined>)[] = [
      () => {
        throw new Error('at once');
      },
      () => Promise.resolve(undefined),
    ];
    const { port } = await serve((machine) => {
      const replica = new InstantReplica(machine);
      replica.replicate = () => (replies.shift() as () => Promise<Uint8Array | undefined>)();
      return replica;
    });
    const client = await connect(port);
    expect(await client.ask('GET', 'a')).toEqual(
      error('UNKNOWN the command may or may not have been executed: at once'),
    );
    expect(await client.ask('GET', 'a')).toEqual(
      error('UNKNOWN the command may or may not have been executed: the state machine gave no reply'),
    );
  });
});

describe('options and addresses', () => {
  it('are checked, and errors name the option', () => {
    const replica = new InstantReplica(new KeyValueStateMachine());
    const make = (options: unknown) => () => new KeyValueServer(replica, options as KeyValueServerOptions);
    for (const [options, path] of [
      [{ batchBytes: 0 }, 'batchBytes'],
      [{ timeoutMs: 1.5 }, 'timeoutMs'],
      [{ commandBytesMax: '1' }, 'commandBytesMax'],
      [{ nowMs: 5 }, 'nowMs'],
      [{ onEvent: {} }, 'onEvent'],
      [{ leases: 1 }, 'leases'],
      [{ colour: 'blue' }, 'colour'],
      [{ toString: 1 }, 'toString'],
    ] as const) {
      expect(make(options)).toThrow(expect.objectContaining({ code: 'ERR_SYNOD_OPTION', path }));
    }
  });

  it('of a listener that cannot be had are told', async () => {
    const { port } = await serve(instant);
    const replica = new InstantReplica(new KeyValueStateMachine());
    const server = new KeyValueServer(replica);
    await expect(server.listen({ host: '127.0.0.1', port })).rejects.toMatchObject({
      code: 'ERR_SYNOD_LISTEN',
    });
    for (const address of ['127.0.0.1', 'a:b', '127.0.0.1:70000', '::1:80', '']) {
      await expect(server.listen(address)).rejects.toMatchObject({ code: 'ERR_SYNOD_ARGUMENT' });
    }
    const bound = await server.listen('localhost:0');
    expect(bound.port).toBeGreaterThan(0);
    await expect(server.listen('127.0.0.1:0')).rejects.toMatchObject({ code: 'ERR_SYNOD_ARGUMENT' });
    await server[Symbol.asyncDispose]();
  });
});
