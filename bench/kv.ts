/**
 * `npm run bench:kv`: the key-value service of three replica processes under redis-benchmark, SET and GET in pipelines, with states of several
 * sizes: as many keys are there before it begins, and drawn from at random. Needs redis-benchmark. Each figure is printed with its conditions.
 */

import { spawnSync } from 'node:child_process';
import { disposeAll, TestCluster } from '../test/cluster/support/cluster.js';
import { RespClient } from '../test/cluster/support/resp-client.js';
import { readArguments } from './arguments.js';
import { median } from './figures.js';
import { type KeyValueRun, keyName, readCsv } from './kv-figures.js';
import { machineLabel } from './label.js';
import { runNative } from './native-program.js';

const values = readArguments('bench:kv', {
  storage: { kind: 'word', value: 'pmem', words: ['pmem', 'uring', 'file'] },
  /** A list: one cluster for each. */
  keys: { kind: 'numbers', value: '1000,100000,1000000', min: 1, max: 20_000_000 },
  size: { kind: 'number', value: 3, min: 1, max: 65_536 },
  clients: { kind: 'number', value: 50, min: 1, max: 1000 },
  pipeline: { kind: 'number', value: 64, min: 1, max: 10_000 },
  requests: { kind: 'number', value: 2_000_000, min: 1, max: 1_000_000_000 },
  runs: { kind: 'number', value: 3, min: 1, max: 101 },
  json: { kind: 'flag' },
});
const FILL_KEYS = 500;
const FILLS_OPEN = 8;
const MEBIBYTE = 1024 * 1024;

if (spawnSync('redis-benchmark', ['--version']).status !== 0) {
  process.stderr.write('bench:kv needs redis-benchmark, of the package redis-tools\n');
  process.exit(2);
}

/** Sets all keys, to values as long as those that redis-benchmark writes. */
async function fill(port: number, keys: number): Promise<void> {
  const client = await RespClient.connect(port);
  const value = 'x'.repeat(values.size);
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
      process.stderr.write(`${next.toLocaleString('en')} of ${keys.toLocaleString('en')} keys\n`);
    }
  };
  try {
    await Promise.all(Array.from({ length: FILLS_OPEN }, lane));
  } finally {
    client.close();
  }
}

async function measure(port: number, test: 'set' | 'get', keys: number): Promise<KeyValueRun> {
  const { clients, pipeline, requests, size } = values;
  const text = await runNative('redis-benchmark', [
    ...['-p', `${port}`, '-t', test, '-c', `${clients}`, '-P', `${pipeline}`],
    ...['-n', `${requests}`, '-d', `${size}`, '-r', `${keys}`, '--csv'],
  ]);
  return readCsv(text, test.toUpperCase());
}

interface Row {
  readonly keys: number;
  readonly set: KeyValueRun;
  readonly get: KeyValueRun;
  /** Of each process, the primary first. */
  readonly residentBytes: readonly number[];
  readonly storage: string;
}

function middle(runs: readonly KeyValueRun[]): KeyValueRun {
  const of = (pick: (run: KeyValueRun) => number): number => median(runs.map(pick));
  return {
    opsPerSecond: of((run) => run.opsPerSecond),
    p50Ms: of((run) => run.p50Ms),
    p99Ms: of((run) => run.p99Ms),
  };
}

async function measureKeys(keys: number): Promise<Row> {
  const cluster = await TestCluster.plan({
    storage: {
      kind: values.storage,
      segmentBytes: 64 * MEBIBYTE,
      ...(values.storage === 'pmem' && { allowVolatile: true }),
    },
  });
  await cluster.startAll();
  const primary = await cluster.untilReady();
  await fill(primary.kvPort, keys);
  const sets: KeyValueRun[] = [];
  const gets: KeyValueRun[] = [];
  for (let run = 1; run <= values.runs; run += 1) {
    process.stderr.write(`${keys.toLocaleString('en')} keys, run ${run} of ${values.runs}\n`);
    sets.push(await measure(primary.kvPort, 'set', keys));
    gets.push(await measure(primary.kvPort, 'get', keys));
  }
  const others = cluster.replicas.filter((replica) => replica !== primary);
  const residentBytes = [primary, ...others].map((replica) => replica.residentBytes());
  const { reason } = (await primary.status()).storage;
  await cluster.dispose();
  return { keys, set: middle(sets), get: middle(gets), residentBytes, storage: reason };
}

try {
  const rows: Row[] = [];
  for (const keys of values.keys) rows.push(await measureKeys(keys));
  const label = {
    payload: `values of ${values.size} B`,
    storage: rows[0]!.storage,
    topology: `three replica processes and redis-benchmark on one machine, ${values.clients} connections to the primary, ${values.pipeline} requests in a pipeline, ${values.requests} requests`,
    ...machineLabel(),
  };
  const line = ({ keys, set, get, residentBytes }: Row): string =>
    `| ${keys.toLocaleString('en')} | ${Math.round(set.opsPerSecond).toLocaleString('en')} | ${set.p50Ms.toFixed(1)} | ${set.p99Ms.toFixed(1)} | ` +
    `${Math.round(get.opsPerSecond).toLocaleString('en')} | ${get.p50Ms.toFixed(1)} | ${get.p99Ms.toFixed(1)} | ${residentBytes.map((bytes) => Math.round(bytes / MEBIBYTE)).join(' ')} |`;
  process.stdout.write(
    values.json
      ? `${JSON.stringify({ rows, runs: values.runs, label })}\n`
      : [
          '| keys | SET/s | p50 ms | p99 ms | GET/s | p50 ms | p99 ms | resident MiB |',
          '|---|---|---|---|---|---|---|---|',
          ...rows.map(line),
          ...Object.entries(label).map(([key, value]) => `  ${key}: ${value}`),
          '',
        ].join('\n'),
  );
} finally {
  await disposeAll();
}
