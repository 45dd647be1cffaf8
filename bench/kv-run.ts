/** The key-value service of three replica processes under redis-benchmark, with so many keys there before it begins, and drawn from at random. */

import { spawnSync } from 'node:child_process';
import { TestCluster } from '../test/cluster/support/cluster.js';
import { RespClient } from '../test/cluster/support/resp-client.js';
import { type KeyValueRun, keyName, readCsv } from './kv-figures.js';
import { machineLabel } from './label.js';
import { runNative } from './native-program.js';

export interface KeyValueSettings {
  readonly storage: string;
  /** Bytes of a value. */
  readonly size: number;
  /** Connections, all to the primary. */
  readonly clients: number;
  readonly pipeline: number;
  readonly requests: number;
  readonly runs: number;
}

export interface KeyValueMeasured {
  readonly keys: number;
  readonly set: readonly KeyValueRun[];
  readonly get: readonly KeyValueRun[];
  /** Of each process, the primary first. */
  readonly residentBytes: readonly number[];
  readonly storage: string;
}

type Tell = (line: string) => void;

const FILL_KEYS = 500;
const FILLS_OPEN = 8;
const MEBIBYTE = 1024 * 1024;

export function hasRedisBenchmark(): boolean {
  return spawnSync('redis-benchmark', ['--version']).status === 0;
}

export async function measureKeys(
  keys: number,
  settings: KeyValueSettings,
  tell: Tell,
): Promise<KeyValueMeasured> {
  const { storage, runs } = settings;
  const cluster = await TestCluster.plan({
    storage: {
      kind: storage,
      segmentBytes: 64 * MEBIBYTE,
      ...(storage === 'pmem' && { allowVolatile: true }),
    },
  });
  try {
    await cluster.startAll();
    const primary = await cluster.untilReady();
    await fill(primary.kvPort, keys, settings.size, tell);
    const set: KeyValueRun[] = [];
    const get: KeyValueRun[] = [];
    for (let run = 1; run <= runs; run += 1) {
      tell(`${keys.toLocaleString('en')} keys, run ${run} of ${runs}`);
      set.push(await measure(primary.kvPort, 'set', keys, settings));
      get.push(await measure(primary.kvPort, 'get', keys, settings));
    }
    const others = cluster.replicas.filter((replica) => replica !== primary);
    const residentBytes = [primary, ...others].map((replica) => replica.residentBytes());
    const { reason } = (await primary.status()).storage;
    return { keys, set, get, residentBytes, storage: reason };
  } finally {
    await cluster.dispose();
  }
}

export function keyValueLabel(
  { size, clients, pipeline, requests }: KeyValueSettings,
  { storage }: KeyValueMeasured,
): Readonly<Record<string, string | number>> {
  return {
    payload: `values of ${size} B`,
    storage,
    topology: `three replica processes and redis-benchmark on one machine, ${clients} connections to the primary, ${pipeline} requests in a pipeline, ${requests} requests`,
    ...machineLabel(),
  };
}

/** Sets all keys, to values as long as those that redis-benchmark writes. */
async function fill(port: number, keys: number, size: number, tell: Tell): Promise<void> {
  const client = await RespClient.connect(port);
  const value = 'x'.repeat(size);
  let next = 0;
  let toldAt = performance.now();
  const lane = async (): Promise<void> => {
    while (next < keys) {
      const words = ['MSET'];
      for (const end = Math.min(keys, next + FILL_KEYS); next < end; next += 1)
        words.push(keyName(next), value);
      await client.send(...words);
      if (performance.now() - toldAt < 5000) continue;
      toldAt = performance.now();
      tell(`${next.toLocaleString('en')} of ${keys.toLocaleString('en')} keys`);
    }
  };
  try {
    await Promise.all(Array.from({ length: FILLS_OPEN }, lane));
  } finally {
    client.close();
  }
}

async function measure(
  port: number,
  test: 'set' | 'get',
  keys: number,
  { clients, pipeline, requests, size }: KeyValueSettings,
): Promise<KeyValueRun> {
  const text = await runNative('redis-benchmark', [
    ...['-p', `${port}`, '-t', test, '-c', `${clients}`, '-P', `${pipeline}`],
    ...['-n', `${requests}`, '-d', `${size}`, '-r', `${keys}`, '--csv'],
  ]);
  return readCsv(text, test.toUpperCase());
}
