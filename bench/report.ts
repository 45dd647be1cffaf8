/**
 * `npm run bench:report`: the canonical set of runs, each beside the limit, into one HTML page with plots and one JSON file. With
 * progress on standard error; `--quick` is a smoke test, whose figures say nothing.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readArguments } from './arguments.js';
import { BenchCluster, type ClusterSettings, type Run } from './cluster-run.js';
import type { Measured } from './comparison.js';
import { figuresOf, labelOf } from './figures.js';
import { type LimitResult, runLimit } from './limit-run.js';
import { svgOf } from './plots.js';
import { pageOf, plotsOf } from './report-page.js';

const { out, runs, seconds, quick, svg } = readArguments('bench:report', {
  out: { kind: 'text', value: 'out/report' },
  runs: { kind: 'number', value: 5, min: 1, max: 101 },
  seconds: { kind: 'number', value: 3, min: 0.1, max: 600 },
  /** A folder for the plots one by one. */
  svg: { kind: 'text', value: '' },
  quick: { kind: 'flag' },
});

const base: ClusterSettings = {
  storage: 'pmem',
  transport: 'auto',
  engine: 'worker',
  replicas: 3,
  load: 'embedded',
  clients: 1,
  size: 64,
  outstanding: 10_000,
  batch: 0,
  rate: 0,
  form: 'packed',
  log: 'trim',
  semiSpace: 0,
  dir: '',
};

interface Plan {
  readonly name: string;
  readonly settings: ClusterSettings;
  readonly event?: 'kill-primary' | 'pause-secondary';
}

function makePlans(): readonly Plan[] {
  const plan = (name: string, more: Partial<ClusterSettings>, event?: Plan['event']): Plan => {
    const settings = { ...base, ...more };
    const dir = settings.storage === 'pmem' ? '/dev/shm' : tmpdir();
    return { name, settings: { ...settings, dir }, ...(event === undefined ? {} : { event }) };
  };
  if (quick)
    return [
      plan('size 64 pmem', { outstanding: 500 }),
      plan('size 64 file', { storage: 'file', batch: 100 }),
    ];
  const plans: Plan[] = [];
  for (const storage of ['pmem', 'uring', 'file']) {
    for (const size of [16, 64, 256, 1024, 4096, 16_384, 65_536]) {
      const outstanding = Math.max(16, Math.min(10_000, Math.floor((16 * 1024 * 1024) / size)));
      plans.push(
        plan(`size ${size} ${storage}`, { storage, size, outstanding, batch: Math.min(500, outstanding) }),
      );
    }
  }
  for (const outstanding of [1, 10, 100, 1000, 10_000])
    plans.push(plan(`outstanding ${outstanding} pmem`, { outstanding }));
  for (const replicas of [1, 3, 5, 7])
    plans.push(plan(`replicas ${replicas} pmem`, { replicas, batch: 500 }));
  plans.push(plan('one by one, inline', { outstanding: 1, engine: 'inline' }));
  for (const storage of ['pmem', 'uring', 'file']) {
    if (storage !== 'pmem') plans.push(plan(`a promise each, ${storage}`, { storage }));
    plans.push(plan(`a promise each, ${storage}, semi-space 64`, { storage, semiSpace: 64 }));
    plans.push(plan(`batches of 1000, ${storage}`, { storage, batch: 1000 }));
    plans.push(plan(`network, a promise each, ${storage}`, { storage, load: 'network', semiSpace: 64 }));
    plans.push(plan(`network, batches of 500, ${storage}`, { storage, load: 'network', batch: 500 }));
  }
  plans.push(plan('one secondary paused', { batch: 500 }, 'pause-secondary'));
  plans.push(
    plan('primary killed', { load: 'network', clients: 1, batch: 100, outstanding: 1000 }, 'kill-primary'),
  );
  return plans;
}

async function measure({ settings, event }: Plan): Promise<Measured['figures'] | null> {
  const cluster = await BenchCluster.open(settings);
  const done: Run[] = [];
  const limits: LimitResult[] = [];
  try {
    await cluster.load(Math.min(1, seconds));
    if (event === 'pause-secondary') cluster.pauseSecondary();
    for (let index = 0; index < (quick || event === 'kill-primary' ? 1 : runs); index += 1) {
      if (event === 'kill-primary') {
        // Its figures are the throughput over time: asked of the clients alone.
        const before = await cluster.run(0.2, false);
        const timer = setTimeout(() => cluster.killPrimary(), (seconds * 1000) / 2);
        const loads = await cluster.load(seconds);
        clearTimeout(timer);
        done.push({ ...before, loads });
        break;
      }
      done.push(await cluster.run(seconds, event === 'pause-secondary'));
      if (
        event === undefined &&
        settings.load === 'embedded' &&
        (settings.batch > 0 || settings.outstanding === 1)
      )
        limits.push(await runLimit({ ...settings, seconds: Math.min(2, seconds) }));
    }
    return figuresOf(done, limits, labelOf(settings, done[0]!));
  } finally {
    cluster.kill();
  }
}

const plans = makePlans();
const entries: Measured[] = [];
const failed: string[] = [];
const began = performance.now();
for (const [index, plan] of plans.entries()) {
  const elapsed = ((performance.now() - began) / 1000).toFixed(0);
  process.stderr.write(`${index + 1} of ${plans.length}, ${elapsed} s: ${plan.name}\n`);
  try {
    const figures = await measure(plan);
    if (figures !== null) entries.push({ name: plan.name, figures });
  } catch (error) {
    // The rest is worth having; the exit code tells.
    failed.push(`${plan.name}: ${(error as Error).message}`);
    process.stderr.write(`FAILED ${failed.at(-1)}\n`);
  }
}
mkdirSync(path.dirname(path.resolve(out)), { recursive: true });
const at = new Date().toISOString();
writeFileSync(`${out}.json`, `${JSON.stringify({ at, runs, seconds, entries, failed }, null, 1)}\n`);
writeFileSync(`${out}.html`, pageOf(entries, failed, at));
if (svg !== '') {
  mkdirSync(svg, { recursive: true });
  for (const { file, plot } of plotsOf(entries)) writeFileSync(path.join(svg, file), svgOf(plot));
}
process.stderr.write(`${out}.html and ${out}.json\n`);
process.exit(failed.length > 0 ? 1 : 0);
