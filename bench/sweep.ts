/**
 * `npm run bench:sweep`: whether a replica, which fixes neither how many decrees are in flight nor how many commands one has, does as well as
 * one whose numbers were chosen for the load. Each setting gets a new cluster; rounds go through all of them, so that what the machine's
 * neighbours do meets all alike. The best of many noisy figures is better than it should be: who is within a tenth of it may well be the best.
 */

import { tmpdir } from 'node:os';
import { readArguments } from './arguments.js';
import { BenchCluster, type ClusterSettings } from './cluster-run.js';
import { figuresOf, labelOf } from './figures.js';
import { describeSweep, type Fixed, nameOf, type SweepRun, summarize } from './sweep-summary.js';

const values = readArguments('bench:sweep', {
  storage: { kind: 'word', value: 'pmem', words: ['pmem', 'uring', 'file', 'memory'] },
  engine: { kind: 'word', value: 'worker', words: ['worker', 'inline'] },
  load: { kind: 'word', value: 'embedded', words: ['embedded', 'network'] },
  clients: { kind: 'number', value: 1, min: 1, max: 64 },
  size: { kind: 'number', value: 64, min: 1, max: 65_536 },
  outstanding: { kind: 'number', value: 10_000, min: 1, max: 1_000_000 },
  batch: { kind: 'number', value: 0, min: 0, max: 65_536 },
  rate: { kind: 'number', value: 0, min: 0, max: 100_000_000 },
  seconds: { kind: 'number', value: 2, min: 0.1, max: 600 },
  warmup: { kind: 'number', value: 1, min: 0, max: 600 },
  rounds: { kind: 'number', value: 3, min: 1, max: 101 },
  /** Lists of the numbers to fix. */
  pipelines: { kind: 'numbers', value: '1,2,4,16,64', min: 1, max: 4096 },
  commands: { kind: 'numbers', value: '64,512,4096,65536', min: 1, max: 65_536 },
  dir: { kind: 'text', value: '' },
  json: { kind: 'flag' },
});

const fixed: readonly Fixed[] = values.pipelines.flatMap((pipelineDecreesMax) =>
  values.commands.map((decreeCommandsMax) => ({ pipelineDecreesMax, decreeCommandsMax })),
);

const settings: ClusterSettings = {
  ...values,
  ...{ transport: 'auto', replicas: 3, semiSpace: 0, form: 'packed', log: 'trim' },
  dir: values.dir !== '' ? values.dir : values.storage === 'pmem' ? '/dev/shm' : tmpdir(),
};
let label: ReturnType<typeof labelOf> | null = null;

async function measure(round: number, one: Fixed | null): Promise<SweepRun> {
  const cluster = await BenchCluster.open(one === null ? settings : { ...settings, limits: one });
  try {
    if (values.warmup > 0) await cluster.load(values.warmup);
    const run = await cluster.run(values.seconds, false);
    label ??= labelOf(settings, run);
    const { opsPerSecond, latencyUs, failed, commandsPerDecree } = figuresOf([run], [], label);
    if (failed > 0) throw new Error(`${failed} calls failed: ${nameOf(one)}`);
    await cluster.close();
    const { p50, p99 } = latencyUs;
    return { round, fixed: one, opsPerSecond, p50Us: p50, p99Us: p99, commandsPerDecree };
  } finally {
    cluster.kill();
  }
}

const runs: SweepRun[] = [];
for (let round = 1; round <= values.rounds; round += 1) {
  for (const one of [null, ...fixed]) {
    const run = await measure(round, one);
    runs.push(run);
    process.stderr.write(
      `round ${round} of ${values.rounds}, ${nameOf(one)}: ${run.opsPerSecond.toLocaleString('en')}/s, p99 ${run.p99Us.toFixed(0)} us\n`,
    );
  }
}
const rows = summarize(runs);
process.stdout.write(
  values.json
    ? `${JSON.stringify({ rows, label })}\n`
    : `${describeSweep(rows)}${Object.entries(label!)
        .map(([key, value]) => `  ${key}: ${value}\n`)
        .join('')}`,
);
