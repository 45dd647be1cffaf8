/** `npm run sim`: runs the simulator. Results on standard output, progress on standard error. Exit status 1 on a violation. */

import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Arguments, parseArguments, usage } from './arguments.js';
import { runInProcesses } from './jobs.js';
import { type RunResult, runScript } from './run.js';
import { drawChurnScript, drawScript, type Script } from './script.js';
import { shrink } from './shrink.js';
import { add, emptyTally, type Failure, type Tally } from './tally.js';

const PROGRESS_MS = 2000;
/** Failures that are shrunk and told of in full. */
const FAILURES_SHOWN = 5;

async function main(argv: readonly string[]): Promise<number> {
  let options: Arguments;
  try {
    options = parseArguments(argv);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${usage}`);
    return 2;
  }
  if (options.script !== null || options.seed !== null) return playOne(options);
  return runMany(options);
}

function playOne({ seed, changes, script: file, mode, reads, trace, json }: Arguments): number {
  const script: Script =
    file !== null
      ? (JSON.parse(readFileSync(file, 'utf8')) as Script)
      : changes > 0
        ? drawChurnScript(seed!, changes)
        : drawScript(seed!, mode, reads);
  const began = performance.now();
  const print = trace ? (line: string): void => void process.stdout.write(`${line}\n`) : null;
  const run = runScript(script, print);
  const wallSeconds = (performance.now() - began) / 1000;
  if (json) {
    const failingSeeds = run.violation === null ? [] : [run.seed];
    process.stdout.write(
      `${JSON.stringify({ seeds: 1, violations: failingSeeds.length, failingSeeds, simulatedSeconds: run.simulatedMs / 1000, wallSeconds, events: run.events, hash: run.hash })}\n`,
    );
  } else process.stdout.write(describeRun(run, wallSeconds));
  return run.violation === null ? 0 : 1;
}

async function runMany({ seeds, first, minutes, jobs, mode, reads, json }: Arguments): Promise<number> {
  const began = performance.now();
  const deadline = began + minutes * 60_000;
  const total = emptyTally();
  let toldAt = began;
  const onTally = (tally: Tally): void => {
    add(total, tally);
    for (const failure of tally.failures) process.stderr.write(`seed ${failure.seed}: ${failure.detail}\n`);
    const now = performance.now();
    if (now - toldAt < PROGRESS_MS) return;
    toldAt = now;
    process.stderr.write(`${describeProgress(total, seeds, now - began)}\n`);
  };
  await runInProcesses({ first, count: seeds, mode, reads }, jobs, deadline, onTally);
  const wallMs = performance.now() - began;
  process.stderr.write(`${describeProgress(total, seeds, wallMs)}\n`);
  const failures = total.failures.sort((a, b) => a.seed - b.seed);
  for (const failure of failures.slice(0, FAILURES_SHOWN)) explain(failure, mode, reads);
  if (json) {
    process.stdout.write(
      `${JSON.stringify({
        seeds: total.seeds,
        violations: failures.length,
        failingSeeds: failures.map(({ seed }) => seed),
        simulatedSeconds: Math.round(total.simulatedMs / 1000),
        wallSeconds: Math.round(wallMs) / 1000,
        events: total.events,
        mode,
        firstSeed: first,
        slots: total.slots,
        commandsCommitted: total.committed,
        readsLinearizable: total.readsLinearizable,
        readsLease: total.readsLease,
        readsAfter: total.readsAfter,
        readsMaxAge: total.readsMaxAge,
        crashes: total.crashes,
        disksReplaced: total.wipes,
        checkpointsMade: total.checkpointsMade,
        checkpointsCopied: total.checkpointsCopied,
        copiesAsked: total.copiesAsked,
        copiesMade: total.copiesMade,
        segmentsDropped: total.segmentsDropped,
        memberChanges: total.changes,
        elections: total.primaries,
        progressInMost: total.progressInMost,
        recoveredInMost: total.recoveredInMost,
      })}\n`,
    );
  } else {
    process.stdout.write(
      `${total.seeds} seeds, ${failures.length} violations, ${(total.simulatedMs / 1000).toFixed(0)} simulated seconds, ` +
        `${total.crashes} crashes, ${total.wipes} new disks, ${total.changes} changes of members, ${total.primaries} elections, ${total.committed} commands, ` +
        `${total.checkpointsMade} checkpoints made, ${total.checkpointsCopied} copied, ${total.segmentsDropped} segments dropped\n`,
    );
  }
  return failures.length === 0 ? 0 : 1;
}

/** Shrinks the script of a failure, keeps it in a file, and says how to play it. */
function explain({ seed, invariant, detail }: Failure, mode: Arguments['mode'], reads: number): void {
  const script = shrink(drawScript(seed, mode, reads), invariant);
  const file = path.join(tmpdir(), `synod-sim-${mode}-${seed}.json`);
  writeFileSync(file, `${JSON.stringify(script, null, 1)}\n`);
  process.stderr.write(
    `\nseed ${seed}: ${detail}\n` +
      `  again:  npm run sim -- --seed ${seed} --mode ${mode} --reads ${reads} --trace\n` +
      `  shrunk: npm run sim -- --script ${file} --trace\n` +
      `  ${script.faults.length} faults left, trouble for ${script.settings.troubleMs.toFixed(0)} ms:\n`,
  );
  for (const fault of script.faults) process.stderr.write(`    ${JSON.stringify(fault)}\n`);
}

function describeProgress(total: Tally, seeds: number, wallMs: number): string {
  const perSecond = total.seeds / (wallMs / 1000);
  return (
    `${total.seeds}/${seeds} seeds, ${total.failures.length} violations, ${perSecond.toFixed(1)} seeds/s, ` +
    `${(total.simulatedMs / wallMs).toFixed(0)} times real time`
  );
}

function describeRun(run: RunResult, wallSeconds: number): string {
  const { violation, peace, ...figures } = run;
  return (
    `${JSON.stringify(figures)}\n` +
    (peace === null ? '' : `peace: ${JSON.stringify(peace)}\n`) +
    `${(run.simulatedMs / 1000 / wallSeconds).toFixed(0)} times real time, trace hash ${run.hash}\n` +
    (violation === null ? 'no violation\n' : `VIOLATION ${violation.detail}\n`)
  );
}

process.exitCode = await main(process.argv.slice(2));
