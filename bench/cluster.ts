/**
 * Throughput and latency of a cluster of replica processes on this machine.
 *
 *     npm run bench:cluster -- --storage pmem --size 64 --outstanding 10000 --seconds 5
 *     npm run bench:cluster -- --load network --clients 2 --batch 512 --runs 5 --limit
 *
 * Every figure is printed with its conditions. `--json` prints one object on standard output. Of several runs the median counts;
 * `--limit` takes the same bytes through a bare C++ loop after each one.
 */

import { tmpdir } from 'node:os';
import { readArguments } from './arguments.js';
import { BenchCluster, type ClusterSettings, type Run } from './cluster-run.js';
import { describe, figuresOf, labelOf } from './figures.js';
import { type LimitResult, runLimit } from './limit-run.js';

const values = readArguments('bench:cluster', {
  storage: { kind: 'word', value: 'pmem', words: ['pmem', 'uring', 'file', 'memory', 'auto'] },
  transport: { kind: 'word', value: 'auto', words: ['auto', 'uring', 'tcp'] },
  engine: { kind: 'word', value: 'worker', words: ['worker', 'inline'] },
  load: { kind: 'word', value: 'embedded', words: ['embedded', 'network'] },
  clients: { kind: 'number', value: 1, min: 1, max: 64 },
  size: { kind: 'number', value: 64, min: 1, max: 1024 * 1024 },
  outstanding: { kind: 'number', value: 10_000, min: 1, max: 1_000_000 },
  batch: { kind: 'number', value: 0, min: 0, max: 65_536 },
  /** Commands in a second, whether or not those before are done; 0: as soon as one of those outstanding is. */
  rate: { kind: 'number', value: 0, min: 0, max: 100_000_000 },
  form: { kind: 'word', value: 'packed', words: ['packed', 'array'] },
  log: { kind: 'word', value: 'trim', words: ['trim', 'keep'] },
  /** Megabytes; 0: as Node has it. */
  'semi-space': { kind: 'number', value: 0, min: 0, max: 512 },
  seconds: { kind: 'number', value: 5, min: 0.1, max: 3600 },
  warmup: { kind: 'number', value: 1, min: 0, max: 600 },
  runs: { kind: 'number', value: 1, min: 1, max: 101 },
  replicas: { kind: 'number', value: 3, min: 1, max: 7 },
  dir: { kind: 'text', value: '' },
  limit: { kind: 'flag' },
  paused: { kind: 'flag' },
  json: { kind: 'flag' },
});

if (values.paused && values.replicas < 3) {
  process.stderr.write('--paused needs --replicas 3 or more\n');
  process.exit(2);
}
const dir = values.dir !== '' ? values.dir : values.storage === 'pmem' ? '/dev/shm' : tmpdir();
const settings: ClusterSettings = {
  ...values,
  form: values.form as ClusterSettings['form'],
  log: values.log as ClusterSettings['log'],
  semiSpace: values['semi-space'],
  dir,
};
const limited = {
  ...settings,
  storage: ['uring', 'file'].includes(values.storage) ? values.storage : 'pmem',
};

const cluster = await BenchCluster.open(settings);
const runs: Run[] = [];
const limits: LimitResult[] = [];
try {
  if (values.warmup > 0) await cluster.load(values.warmup);
  if (values.paused) cluster.pauseSecondary();
  for (let index = 0; index < values.runs; index += 1) {
    process.stderr.write(`run ${index + 1} of ${values.runs}\n`);
    runs.push(await cluster.run(values.seconds, values.paused));
    if (values.limit) limits.push(await runLimit({ ...limited, seconds: Math.min(values.seconds, 5) }));
  }
  if (values.paused) cluster.resumeSecondary();
  const figures = figuresOf(runs, limits, labelOf(settings, runs[0]!));
  process.stdout.write(values.json ? `${JSON.stringify(figures)}\n` : describe(figures));
  await cluster.close();
  if (figures.failed > 0) process.exitCode = 1;
} finally {
  cluster.kill();
}
