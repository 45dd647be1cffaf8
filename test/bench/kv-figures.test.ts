/** Aim: what redis-benchmark prints is read by its heads, and anything else is refused. */

import { expect, it } from 'vitest';
import { keyName, readCsv } from '../../bench/kv-figures.js';

const heads =
  '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"';
const line = '"SET","302709.25","8.335","1.000","7.767","12.000","15.000","20.000"';

it('takes the figures of the test that was asked for', () => {
  expect(readCsv(`WARNING: something\n${heads}\n${line}\n`, 'SET')).toEqual({
    opsPerSecond: 302_709.25,
    p50Ms: 7.767,
    p99Ms: 15,
  });
});

it.each(['', heads, `${heads}\n${line.replace('SET', 'GET')}`, `"test"\n"SET"`])('refuses %j', (text) => {
  expect(() => readCsv(text, 'SET')).toThrow('no figures of SET');
});

it('names keys as redis-benchmark does', () => {
  expect(keyName(42)).toBe('key:000000000042');
});
