/**
 * The store against a model that is a Map; that its state is a function of the log alone; and the replies that the
 * model does not make: KEYS, SCAN, bounds.
 */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VALUE_BYTES_MAX } from '../../src/kv/store.js';
import { error, OK, type ReplyValue } from './reply-reader.js';
import { encode, type Request, StoreDriver } from './store-driver.js';
import { StoreModel } from './store-model.js';

const key = fc.constantFrom('a', 'b', 'c', '', 'key:1', '\x00\xff\r\n', 'ключ');
const latinKey = key.map((text) => Buffer.from(text).toString('latin1'));
const value = fc.oneof(
  fc.constantFrom(
    '',
    '0',
    '1',
    '-1',
    '10',
    '9223372036854775807',
    '-9223372036854775808',
    '9007199254740993',
    ' 1',
  ),
  fc.uint8Array({ maxLength: 80 }).map((array) => Buffer.from(array).toString('latin1')),
);
const number = fc.oneof(
  fc.constantFrom('0', '-0', '01', '1', '-1', 'x', '', '9223372036854775807', '-9223372036854775808'),
  fc.constantFrom(
    '9223372036854775808',
    '9007199254740992',
    '999999999999999',
    '1000000000000000',
    '1.0',
    '+1',
  ),
  fc.integer({ min: -100, max: 5000 }).map(String),
);
const setOption = fc.oneof(
  fc.constantFrom(['nx'], ['XX'], ['get'], ['keepttl'], ['bogus'], ['ex']),
  fc.tuple(fc.constantFrom('EX', 'px', 'exat', 'PXAT'), number),
);
const request: fc.Arbitrary<Request> = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constant('set'), latinKey, value) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(latinKey, value, fc.array(setOption, { maxLength: 3 }))
      .map(([name, text, options]) => ['SET', name, text, ...options.flat()]),
  },
  fc.tuple(
    fc.constantFrom('get', 'strlen', 'incr', 'DECR', 'getdel', 'type', 'ttl', 'pttl', 'persist'),
    latinKey,
  ),
  fc.tuple(fc.constantFrom('append', 'getset', 'setnx'), latinKey, value),
  fc.tuple(fc.constantFrom('incrby', 'decrby'), latinKey, number),
  fc.tuple(fc.constantFrom('setex', 'psetex'), latinKey, number, value),
  fc
    .tuple(
      fc.constantFrom('del', 'unlink', 'exists', 'mget'),
      fc.array(latinKey, { minLength: 1, maxLength: 4 }),
    )
    .map(([name, keys]) => [name, ...keys]),
  fc.array(latinKey, { minLength: 2, maxLength: 5 }).map((texts) => ['mset', ...texts]),
  fc
    .tuple(
      fc.constantFrom('expire', 'pexpire', 'expireat', 'pexpireat'),
      latinKey,
      number,
      fc.array(fc.constantFrom('nx', 'XX', 'gt', 'lt', 'no'), { maxLength: 2 }),
    )
    .map(([name, text, amount, options]) => [name, text, amount, ...options]),
  fc.constantFrom<Request>(
    ['dbsize'],
    ['flushall'],
    ['FLUSHDB', 'async'],
    ['ping'],
    ['ping', 'x'],
    ['echo', 'y'],
  ),
);
/** Clocks go back and forth, as those of different replicas do. */
const timed = fc.record({
  requests: fc.array(request, { minLength: 1, maxLength: 5 }),
  clock: fc.nat(20_000),
});
const log = fc.array(timed, { maxLength: 40 });

function contentOf(driver: StoreDriver): string[] {
  const keys = driver.run(['keys', '*']) as string[];
  return keys
    .map((name) => {
      const left = driver.run(['pttl', name]) as number;
      return `${name}=${driver.run(['get', name])}@${left < 0 ? 0 : driver.store.clockMs + left}`;
    })
    .sort();
}

describe('the store', () => {
  it('replies and keeps what the model does', () => {
    fc.assert(
      fc.property(log, (commands) => {
        const driver = new StoreDriver();
        const model = new StoreModel();
        for (const { requests, clock } of commands) {
          const replies = driver.apply(encode(requests, clock));
          model.advance(clock);
          const expected = requests.map((each) => model.run(each));
          expect(replies).toEqual(expected);
          expect(driver.store.clockMs).toBe(model.clock);
        }
        expect(contentOf(driver)).toEqual(model.content());
        expect(driver.store.keyCount).toBe(model.entries.size);
        expect(driver.store.expiringCount).toBe(
          [...model.entries.values()].filter((entry) => entry.deadline > 0).length,
        );
      }),
      { numRuns: 2000 },
    );
  });

  it('comes to the same digest however the log is batched, with replies or without, wherever it is asked', () => {
    fc.assert(
      fc.property(log, fc.array(fc.boolean(), { minLength: 50, maxLength: 50 }), (commands, coins) => {
        const whole = new StoreDriver(1);
        const muted = new StoreDriver(2);
        const single = new StoreDriver(3);
        const asked = new StoreDriver(4, 64);
        for (const [index, { requests, clock }] of commands.entries()) {
          whole.apply(encode(requests, clock));
          muted.apply(encode(requests, clock), true);
          for (const each of requests) single.apply(encode([each], clock, 3));
          asked.apply(encode([requests], clock));
          if (coins[index % coins.length]) asked.store.digest();
        }
        const digest = whole.store.digest();
        expect(digest).toMatch(/^[0-9a-f]{36}$/);
        expect(muted.store.digest()).toBe(digest);
        expect(single.store.digest()).toBe(digest);
        expect(asked.store.digest()).toBe(digest);
      }),
      { numRuns: 1000 },
    );
  });

  it('has a digest that tells apart what differs', () => {
    const digestOf = (requests: readonly Request[], clock = 5): string => {
      const driver = new StoreDriver();
      driver.apply(encode(requests, clock));
      return driver.store.digest();
    };
    const digests = [
      digestOf([['set', 'a', '1']]),
      digestOf([['set', 'a', '1']], 6),
      digestOf([['set', 'a', '2']]),
      digestOf([['set', 'b', '1']]),
      digestOf([['set', 'a1', '']]),
      digestOf([['set', '', 'a1']]),
      digestOf([['set', 'a', '1', 'px', '100']]),
      digestOf([['set', 'a', '1', 'px', '101']]),
      digestOf([['set', 'a', '1', 'pxat', String(2 ** 32 + 105)]]),
      digestOf([['get', 'a']]),
      digestOf([['mset', 'a', '1', 'b', '2']]),
      digestOf([['mset', 'a', '2', 'b', '1']]),
    ];
    expect(new Set(digests).size).toBe(digests.length);
    expect(digestOf([['mset', 'a', '1', 'b', '2']])).toBe(
      digestOf([
        ['set', 'c', 'x'],
        ['set', 'b', '2'],
        ['set', 'a', '0'],
        ['getset', 'a', '1'],
        ['del', 'c'],
      ]),
    );
    expect(digestOf([['set', 'a', '1'], ['flushall']])).toBe(digestOf([['get', 'a']]));
  });

  it('grows to many keys, and gives their places to others', () => {
    const driver = new StoreDriver();
    const count = 50_000;
    const names = Array.from({ length: count }, (_, index) => `key:${index}`);
    driver.apply(encode([['mset', ...names.flatMap((name) => [name, name])]], 0));
    expect(driver.run(['dbsize'])).toBe(count);
    for (const name of names.slice(0, 100)) expect(driver.run(['get', name])).toBe(name);
    const digest = driver.store.digest();
    driver.apply(encode([['del', ...names.slice(0, count / 2)]], 0));
    driver.apply(encode([['mset', ...names.slice(0, count / 2).flatMap((name) => [name, name])]], 0));
    expect(driver.store.digest()).toBe(digest);
    expect((driver.run(['keys', '*']) as string[]).sort()).toEqual([...names].sort());
  });
});

describe('expiry', () => {
  it('follows the highest clock that any command carried', () => {
    const driver = new StoreDriver();
    expect(driver.run(['set', 'a', '1', 'px', '100'], 1000)).toEqual(OK);
    expect(driver.run(['get', 'a'], 1099)).toBe('1');
    expect(driver.run(['pttl', 'a'], 500)).toBe(1);
    expect(driver.run(['get', 'a'], 1100)).toBe(null);
    expect(driver.run(['get', 'a'], 500)).toBe(null);
    expect(driver.run(['dbsize'], 500)).toBe(0);
  });

  it('is told to the millisecond, however far ahead', () => {
    const driver = new StoreDriver();
    driver.run(['set', 'a', '1', 'pxat', String(Number.MAX_SAFE_INTEGER)], 1000);
    expect(driver.run(['pttl', 'a'])).toBe(Number.MAX_SAFE_INTEGER - 1000);
    driver.run(['set', 'a', '1', 'px', '1500'], 1000);
    expect([driver.run(['ttl', 'a']), driver.run(['ttl', 'a'], 1001)]).toEqual([2, 1]);
  });

  it('looks at the options of EXPIRE before the time, as Redis does', () => {
    const driver = new StoreDriver();
    expect(driver.run(['expire', 'a', 'x', 'no'])).toEqual(error('ERR Unsupported option no'));
    expect(driver.run(['expire', 'a', 'x', 'gt', 'lt'])).toEqual(
      error('ERR GT and LT options at the same time are not compatible'),
    );
    expect(driver.run(['expire', 'a', 'x', 'gt'])).toEqual(
      error('ERR value is not an integer or out of range'),
    );
  });

  it('of many keys at once is seen at once, though their memory is freed bit by bit', () => {
    const driver = new StoreDriver();
    for (let index = 0; index < 1000; index++) driver.run(['set', `k${index}`, 'v', 'px', '10'], 0);
    driver.run(['set', 'stays', 'v'], 0);
    expect(driver.run(['keys', '*'], 10)).toEqual(['stays']);
    expect(driver.store.expiredCount).toBe(64);
    expect((driver.run(['scan', '0', 'count', '5000']) as ReplyValue[])[1]).toEqual(['stays']);
    expect(driver.run(['dbsize'])).toBe(1);
    expect(driver.store.expiredCount).toBe(1000);
  });
});

describe('KEYS and SCAN', () => {
  it('SCAN meets every key that is there all the time, whatever is added and removed meanwhile', () => {
    const change = fc.tuple(fc.boolean(), fc.integer({ min: 50, max: 120 }));
    fc.assert(
      fc.property(
        fc.array(fc.array(change, { maxLength: 8 }), { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 1, max: 20 }),
        (changes, count) => {
          const driver = new StoreDriver();
          for (let index = 0; index < 100; index++) driver.run(['set', String(index), 'v']);
          const seen = new Set<string>();
          let cursor = '0';
          let round = 0;
          do {
            const [next, keys] = driver.run(['scan', cursor, 'count', String(count)]) as [string, string[]];
            for (const name of keys) seen.add(name);
            for (const [adds, which] of changes[round++ % changes.length] ?? []) {
              driver.run(adds ? ['set', String(which), 'v'] : ['del', String(which)]);
            }
            cursor = next;
          } while (cursor !== '0' && round < 1000);
          expect(cursor).toBe('0');
          for (let index = 0; index < 50; index++) expect(seen.has(String(index))).toBe(true);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('take patterns, and SCAN its other options', () => {
    const driver = new StoreDriver();
    driver.run(['mset', 'one', '1', 'two', '2', 'three', '3']);
    expect(driver.run(['keys', 't*'])).toEqual(['two', 'three']);
    expect(driver.run(['scan', '0', 'match', '*e', 'count', '100'])).toEqual(['0', ['one', 'three']]);
    expect(driver.run(['scan', '0', 'TYPE', 'string', 'MATCH', 'o*'])).toEqual(['0', ['one']]);
    expect(driver.run(['scan', '0', 'TYPE', 'hash'])).toEqual(['0', []]);
    expect(driver.run(['scan', '0', 'count', '2'])).toEqual(['2', ['one', 'two']]);
    expect(driver.run(['scan', '2', 'count', '2'])).toEqual(['0', ['three']]);
    expect(driver.run(['scan', '99999'])).toEqual(['0', []]);
    expect(driver.run(['scan', 'x'])).toEqual(error('ERR invalid cursor'));
    expect(driver.run(['scan', '0', 'count', 'x'])).toEqual(
      error('ERR value is not an integer or out of range'),
    );
    for (const options of [['count', '0'], ['count'], ['what', 'x']]) {
      expect(driver.run(['scan', '0', ...options])).toEqual(error('ERR syntax error'));
    }
  });
});

describe('bounds', () => {
  it('APPEND of many small pieces takes no more memory than a value may', () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const driver = new StoreDriver();
    const command = encode(
      Array.from({ length: 1000 }, () => ['append', 'a', 'x']),
      0,
    );
    driver.apply(command);
    collect();
    const before = process.memoryUsage().heapUsed;
    for (let round = 0; round < 400; round += 1) driver.apply(command);
    collect();
    // As a chain of as many texts it would be 13 MB.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(4_000_000);
    expect(driver.run(['get', 'a'])).toBe('x'.repeat(401_000));
  });

  it('APPEND does not make a value longer than it may be', () => {
    const driver = new StoreDriver();
    const part = 'x'.repeat(VALUE_BYTES_MAX / 8);
    for (let index = 1; index <= 8; index++)
      expect(driver.run(['append', 'a', part])).toBe((index * VALUE_BYTES_MAX) / 8);
    expect(driver.run(['append', 'a', 'x'])).toEqual(
      error('ERR string exceeds maximum allowed size (proto-max-bulk-len)'),
    );
    expect(driver.run(['strlen', 'a'])).toBe(VALUE_BYTES_MAX);
  });

  it('a reply that does not fit becomes an error, and what was to be written is written', () => {
    const driver = new StoreDriver(1, 1000);
    const large = 'x'.repeat(600);
    driver.run(['mset', 'a', large, 'b', large]);
    const tooLarge = expect.objectContaining({ error: expect.stringMatching(/^ERR reply too large/) });
    const replies = driver.apply(
      encode(
        [
          ['get', 'a'],
          ['getset', 'b', 'new'],
          ['mget', 'a', 'b'],
          ['get', 'b'],
        ],
        0,
      ),
    );
    expect(replies).toEqual([large, tooLarge, tooLarge, 'new']);
    const nested = driver.apply(
      encode(
        [
          [
            ['get', 'a'],
            ['getdel', 'a'],
            ['exists', 'a'],
          ],
        ],
        0,
      ),
    );
    expect(nested).toEqual([[large, tooLarge, 0]]);
  });

  it('FLUSHALL takes SYNC and ASYNC and nothing else', () => {
    const driver = new StoreDriver();
    expect(driver.run(['flushall', 'SYNC'])).toEqual(OK);
    expect(driver.run(['flushall', 'now'])).toEqual(error('ERR syntax error'));
    expect(driver.run(['flushall', 'sync', 'sync'])).toEqual(error('ERR syntax error'));
  });
});
