/**
 * `npm run bench:kv`: the key-value service of three replica processes under redis-benchmark, SET and GET in pipelines, with states of several
 * sizes. Needs redis-benchmark. Each figure is printed with its conditions.
 */

import { disposeAll } from '../test/cluster/support/cluster.js';
import { readArguments } from './arguments.js';
import { middleRun } from './kv-figures.js';
import { hasRedisBenchmark, type KeyValueMeasured, keyValueLabel, measureKeys } from './kv-run.js';

const { keys, json, ...settings } = readArguments('bench:kv', {
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
const MEBIBYTE = 1024 * 1024;

if (!hasRedisBenchmark()) {
  process.stderr.write('bench:kv needs redis-benchmark, of the package redis-tools\n');
  process.exit(2);
}

const tell = (line: string): void => void process.stderr.write(`${line}\n`);

try {
  const measured: KeyValueMeasured[] = [];
  for (const count of keys) measured.push(await measureKeys(count, settings, tell));
  const label = keyValueLabel(settings, measured[0]!);
  const rows = measured.map(({ set, get, residentBytes, ...of }) => ({
    keys: of.keys,
    set: middleRun(set),
    get: middleRun(get),
    residentBytes,
  }));
  const line = ({ keys: count, set, get, residentBytes }: (typeof rows)[number]): string =>
    `| ${count.toLocaleString('en')} | ${Math.round(set.opsPerSecond).toLocaleString('en')} | ${set.p50Ms.toFixed(1)} | ${set.p99Ms.toFixed(1)} | ` +
    `${Math.round(get.opsPerSecond).toLocaleString('en')} | ${get.p50Ms.toFixed(1)} | ${get.p99Ms.toFixed(1)} | ${residentBytes.map((bytes) => Math.round(bytes / MEBIBYTE)).join(' ')} |`;
  process.stdout.write(
    json
      ? `${JSON.stringify({ rows, runs: settings.runs, label })}\n`
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
