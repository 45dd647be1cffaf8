/**
 * `npm run bench:memory`: whether processes at full load grow. Resident memory of each replica every ten seconds, what it grew by after the
 * first minute, and how many bytes of JavaScript heap a command costs in each process.
 */

import { tmpdir } from 'node:os';
import { readArguments } from './arguments.js';
import { BenchCluster, type ClusterSettings } from './cluster-run.js';
import { labelOf, median, opsOf } from './figures.js';
import { AllocationCounter } from './garbage.js';

const values = readArguments('bench:memory', {
  storage: { kind: 'word', value: 'pmem', words: ['pmem', 'uring', 'file'] },
  load: { kind: 'word', value: 'embedded', words: ['embedded', 'network'] },
  size: { kind: 'number', value: 64, min: 1, max: 65_536 },
  outstanding: { kind: 'number', value: 10_000, min: 1, max: 1_000_000 },
  batch: { kind: 'number', value: 0, min: 0, max: 65_536 },
  minutes: { kind: 'number', value: 10, min: 0.05, max: 600 },
  json: { kind: 'flag' },
});

/** Between two looks at the processes; the load stands still for a moment at each. */
const LOOK_SECONDS = Math.min(10, values.minutes * 10);
/** What comes later is held against the end of this. */
const WARM_SECONDS = Math.min(60, values.minutes * 20);
const MEBIBYTE = 1024 * 1024;

interface Look {
  readonly atSeconds: number;
  readonly opsPerSecond: number;
  /** Of each replica, the primary first. */
  readonly residentBytes: readonly number[];
  /** Of these, what no file lies behind: without the mapped log, whose length swings with the checkpoints. */
  readonly anonymousBytes: readonly number[];
}

const counters: Map<string, AllocationCounter> = new Map();
const counterOf = (replica: string): AllocationCounter => {
  const counter = counters.get(replica) ?? new AllocationCounter();
  counters.set(replica, counter);
  return counter;
};
const settings: ClusterSettings = {
  ...values,
  ...{ transport: 'auto', engine: 'worker', replicas: 3, clients: 2, semiSpace: 0 },
  rate: 0,
  form: 'packed',
  log: 'trim',
  dir: values.storage === 'pmem' ? '/dev/shm' : tmpdir(),
  onCollection: (replica, line) => counterOf(replica).take(line),
};

const cluster = await BenchCluster.open(settings);
try {
  const { names } = cluster;
  const looks: Look[] = [];
  const began = performance.now();
  let label: ReturnType<typeof labelOf> | null = null;
  let commands = 0;
  let warm: readonly number[] | null = null;
  const allocated = (): number[] => names.map((name) => counterOf(name).bytes);
  while (performance.now() - began < values.minutes * 60_000) {
    const run = await cluster.run(LOOK_SECONDS, false);
    label ??= labelOf(settings, run);
    const atSeconds = (performance.now() - began) / 1000;
    looks.push({
      atSeconds,
      opsPerSecond: opsOf(run),
      residentBytes: run.usage.map(([, after]) => after.residentBytes),
      anonymousBytes: run.usage.map(([, after]) => after.anonymousBytes),
    });
    if (warm !== null) commands += run.loads.reduce((sum, load) => sum + load.commands, 0);
    else if (atSeconds >= WARM_SECONDS) warm = allocated();
    process.stderr.write(
      `${atSeconds.toFixed(0)} s: ${Math.round(opsOf(run)).toLocaleString('en')} commands/s, resident MiB ${looks
        .at(-1)!
        .residentBytes.map((bytes) => (bytes / MEBIBYTE).toFixed(0))
        .join(' ')}\n`,
    );
  }
  const before = warm ?? allocated();
  const bytesPerCommand = allocated().map((bytes, index) => (bytes - before[index]!) / Math.max(1, commands));
  const later = looks.filter(({ atSeconds }) => atSeconds > WARM_SECONDS);
  // Single looks swing with the collector: a few at either end.
  const atEnds = (of: (look: Look) => readonly number[]): { first: number[]; last: number[] } => {
    const [first, last] = [later.slice(0, 5), later.slice(-5)].map((some) =>
      names.map((_, index) => median(some.map((look) => of(look)[index]!))),
    );
    return { first: first!, last: last! };
  };
  const resident = atEnds((look) => look.residentBytes);
  const anonymous = atEnds((look) => look.anonymousBytes);
  const growth = ({ first, last }: typeof resident): number[] =>
    last.map((bytes, index) => bytes - first[index]!);
  const result = {
    residentBytesAfterWarmUp: resident.first,
    residentBytesAtTheEnd: resident.last,
    growthBytes: growth(resident),
    anonymousBytesAfterWarmUp: anonymous.first,
    anonymousBytesAtTheEnd: anonymous.last,
    anonymousGrowthBytes: growth(anonymous),
    heapBytesPerCommand: bytesPerCommand,
    opsPerSecond: median(looks.map(({ opsPerSecond }) => opsPerSecond)),
    minutes: values.minutes,
    looks,
    label: label!,
  };
  const mebibytes = (bytes: readonly number[]): string =>
    bytes.map((one) => (one / MEBIBYTE).toFixed(1)).join('  ');
  if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else
    process.stdout.write(
      [
        `${Math.round(result.opsPerSecond).toLocaleString('en')} commands/s for ${values.minutes} minutes; of each process, the primary first:`,
        `resident MiB after ${WARM_SECONDS.toFixed(0)} s ${mebibytes(resident.first)}, at the end ${mebibytes(resident.last)}, growth ${mebibytes(result.growthBytes)}`,
        `without what files lie behind, as the mapped log: ${mebibytes(anonymous.first)}, ${mebibytes(anonymous.last)}, ${mebibytes(result.anonymousGrowthBytes)}`,
        `bytes of JavaScript heap per command: ${bytesPerCommand.map((bytes) => bytes.toFixed(1)).join('  ')}`,
        ...Object.entries(result.label).map(([key, value]) => `  ${key}: ${value}`),
        '',
      ].join('\n'),
    );
  await cluster.close();
} finally {
  cluster.kill();
}
