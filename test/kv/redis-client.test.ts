/** @redis/client against the server, in RESP2 and RESP3, over a replica that applies at once and one that batches. */

import { createClient } from '@redis/client';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { KeyValueServer } from '../../src/kv/server.js';
import { KeyValueStateMachine } from '../../src/kv/state-machine.js';
import { BatchingReplica, InstantReplica } from './fake-replica.js';

const kinds = [
  ['at once', 2],
  ['at once', 3],
  ['in batches', 2],
  ['in batches', 3],
] as const;

describe.each(kinds)('a replica that applies %s, RESP%i', (kind, RESP) => {
  const machine = new KeyValueStateMachine();
  const replica = kind === 'at once' ? new InstantReplica(machine) : new BatchingReplica(machine);
  let now = 1_700_000_000_000;
  const server = new KeyValueServer(replica, { nowMs: () => now, closeTimeoutMs: 100 }, machine);
  let port = 0;
  const make = () =>
    createClient({ RESP, name: 'tester', socket: { host: '127.0.0.1', port, reconnectStrategy: false } }).on(
      'error',
      () => {},
    );
  let client: ReturnType<typeof make>;

  beforeAll(async () => {
    port = (await server.listen('127.0.0.1:0')).port;
    client = make();
    await client.connect();
  });
  afterAll(async () => {
    await client.close();
    await server.close();
  });
  beforeEach(async () => {
    await client.flushAll();
  });

  it('strings', async () => {
    expect(await client.set('a', '1')).toBe('OK');
    expect(await client.get('a')).toBe('1');
    expect(await client.get('none')).toBe(null);
    expect(await client.append('a', '23')).toBe(3);
    expect(await client.strLen('a')).toBe(3);
    expect(await client.getSet('a', 'x')).toBe('123');
    expect(await client.getDel('a')).toBe('x');
    expect(await client.setNX('a', 'y')).toBe(1);
    expect(await client.setNX('a', 'z')).toBe(0);
    expect(await client.mSet({ b: '2', c: '3' })).toBe('OK');
    expect(await client.mGet(['a', 'b', 'none'])).toEqual(['y', '2', null]);
    expect(await client.exists(['a', 'b', 'none'])).toBe(2);
    expect(await client.type('a')).toBe('string');
    expect(await client.del(['a', 'b'])).toBe(2);
    expect(await client.unlink('c')).toBe(1);
    expect(await client.dbSize()).toBe(0);
    const text = 'snowman ☃ \r\n\0 '.repeat(5000);
    await client.set('ключ', text);
    expect(await client.get('ключ')).toBe(text);
    expect(await client.keys('*')).toEqual(['ключ']);
  });

  it('numbers', async () => {
    expect(await client.incr('n')).toBe(1);
    expect(await client.incrBy('n', 41)).toBe(42);
    expect(await client.decr('n')).toBe(41);
    expect(await client.decrBy('n', 50)).toBe(-9);
    await client.set('n', 'x');
    await expect(client.incr('n')).rejects.toThrow('ERR value is not an integer or out of range');
  });

  it('options of SET', async () => {
    expect(await client.set('a', '1', { condition: 'XX' })).toBe(null);
    expect(await client.set('a', '1', { condition: 'NX' })).toBe('OK');
    expect(await client.set('a', '2', { GET: true })).toBe('1');
    expect(await client.set('a', '3', { expiration: { type: 'EX', value: 100 } })).toBe('OK');
    expect(await client.ttl('a')).toBe(100);
    expect(await client.set('a', '4', { expiration: 'KEEPTTL' })).toBe('OK');
    expect(await client.ttl('a')).toBe(100);
    expect(await client.set('a', '5')).toBe('OK');
    expect(await client.ttl('a')).toBe(-1);
  });

  it('expiry, by the injected clock', async () => {
    await client.setEx('a', 10, '1');
    await client.pSetEx('b', 500, '1');
    await client.set('c', '1');
    expect(await client.expire('c', 5)).toBe(1);
    expect(await client.pExpireAt('none', now + 5)).toBe(0);
    expect(await client.pTTL('b')).toBe(500);
    now += 500;
    expect(await client.mGet(['a', 'b', 'c'])).toEqual(['1', null, '1']);
    expect(await client.persist('a')).toBe(1);
    now += 60_000;
    expect(await client.mGet(['a', 'b', 'c'])).toEqual(['1', null, null]);
    expect(await client.ttl('a')).toBe(-1);
    expect(await client.ttl('c')).toBe(-2);
  });

  it('MULTI', async () => {
    expect(await client.multi().set('a', '1').incr('a').get('a').exec()).toEqual(['OK', 2, '2']);
    await expect(client.multi().set('a', 'x').addCommand(['NOSUCH']).exec()).rejects.toThrow();
    expect(await client.get('a')).toBe('2');
  });

  it('SCAN', async () => {
    const expected = Array.from({ length: 100 }, (_, index) => `key:${index}`);
    await Promise.all(expected.map((key) => client.set(key, 'v')));
    const seen: string[] = [];
    for await (const keys of client.scanIterator({ MATCH: 'key:*', COUNT: 7 })) seen.push(...keys);
    expect(seen.sort()).toEqual(expected.sort());
  });

  it('a thousand at once, in order', async () => {
    const numbers = await Promise.all(Array.from({ length: 1000 }, () => client.incr('n')));
    expect(numbers).toEqual(Array.from({ length: 1000 }, (_, index) => index + 1));
  });

  it('the connection itself', async () => {
    expect(await client.ping()).toBe('PONG');
    expect(await client.echo('x')).toBe('x');
    expect(await client.clientGetName()).toBe('tester');
    expect(await client.info('replication')).toContain('replica_role:primary');
    expect(await client.configGet('save')).toEqual({ save: '' });
    expect(await client.commandCount()).toBeGreaterThan(40);
    const other = make();
    await other.connect();
    const all = await client.clientList();
    expect(all.map(({ name }) => name)).toEqual(['tester', 'tester']);
    await other.close();
  });
});
