/**
 * `npm run bench:report`: the canonical set of runs, each beside the limit, into one HTML page with plots and one JSON file. With
 * progress on standard error; `--quick` is a smoke test, whose figures say nothing.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { disposeAll } from '../test/cluster/support/cluster.js';
import { readArguments } from './arguments.js';
import { BenchCluster, type Run } from './cluster-run.js';
import type { Measured } from './comparison.js';
import { figuresOf, labelOf } from './figures.js';
import { hasRedisBenchmark, keyValueLabel, measureKeys } from './kv-run.js';
import { type LimitResult, runLimit } from './limit-run.js';
import { svgOf } from './plots.js';
import { hasRoom, measureRecovery } from './recovery-run.js';
import {
  type LogFigures,
  logFigures,
  type ReportContent,
  type StateFigures,
  stateFigures,
} from './report-figures.js';
import { pageOf, plotsOf } from './report-page.js';
import {
  type ClusterPlan,
  canonicalPlans,
  type LogPlan,
  type Plan,
  quickPlans,
  type StatePlan,
} from './report-plans.js';

const { out, runs, seconds, quick, svg, only } = readArguments('bench:report', {
  out: { kind: 'text', value: 'out/report' },
  runs: { kind: 'number', value: 5, min: 1, max: 101 },
  seconds: { kind: 'number', value: 3, min: 0.1, max: 600 },
  /** A folder for the plots one by one. */
  svg: { kind: 'text', value: '' },
  /** Cases whose names have this in them. */
  only: { kind: 'text', value: '' },
  quick: { kind: 'flag' },
});

const tell = (line: string): void => void process.stderr.write(`${line}\n`);
const entries: Measured[] = [];
const states: Measured<StateFigures>[] = [];
const logs: Measured<LogFigures>[] = [];
const failed: string[] = [];
const leftOut: string[] = [];

async function measureCluster({ settings, event }: ClusterPlan): Promise<Measured['figures']> {
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

async function measureState({ name, keys, settings }: StatePlan): Promise<void> {
  if (!hasRedisBenchmark()) {
    leftOut.push(`${name}: there is no redis-benchmark, of the package redis-tools`);
    return;
  }
  const measured = await measureKeys(keys, settings, tell);
  states.push(...stateFigures(measured, keyValueLabel(settings, measured)));
}

async function measureLog({ name, settings }: LogPlan): Promise<void> {
  if (hasRoom(settings)) logs.push(logFigures(name, await measureRecovery(settings, tell)));
  else leftOut.push(`${name}: there is no room for it`);
}

async function measure(plan: Plan): Promise<void> {
  if (plan.kind === 'state') await measureState(plan);
  else if (plan.kind === 'log') await measureLog(plan);
  else entries.push({ name: plan.name, figures: await measureCluster(plan) });
}

const plans = (quick ? quickPlans() : canonicalPlans(runs)).filter(({ name }) => name.includes(only));
if (plans.length === 0) {
  tell(`no case has "${only}" in its name`);
  process.exit(2);
}
const began = performance.now();
for (const [index, plan] of plans.entries()) {
  const elapsed = ((performance.now() - began) / 1000).toFixed(0);
  tell(`${index + 1} of ${plans.length}, ${elapsed} s: ${plan.name}`);
  try {
    await measure(plan);
  } catch (error) {
    // The rest is worth having; the exit code tells.
    failed.push(`${plan.name}: ${(error as Error).message}`);
    tell(`FAILED ${failed.at(-1)}`);
  }
}
await disposeAll();
for (const one of leftOut) tell(`left out: ${one}`);
const content: ReportContent = { at: new Date().toISOString(), entries, states, logs, failed, leftOut };
mkdirSync(path.dirname(path.resolve(out)), { recursive: true });
writeFileSync(`${out}.json`, `${JSON.stringify({ runs, seconds, ...content }, null, 1)}\n`);
writeFileSync(`${out}.html`, pageOf(content));
if (svg !== '') {
  mkdirSync(svg, { recursive: true });
  for (const { file, plot } of plotsOf(content)) writeFileSync(path.join(svg, file), svgOf(plot));
}
tell(`${out}.html and ${out}.json`);
process.exit(failed.length > 0 ? 1 : 0);
