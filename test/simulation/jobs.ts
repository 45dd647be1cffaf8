/** Runs many seeds, in this process or in several. */

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { runSeed } from './run.js';
import type { Mode } from './script.js';
import { add, addRun, emptyTally, type Tally } from './tally.js';

export interface Seeds {
  readonly first: number;
  readonly count: number;
  readonly mode: Mode;
  /** Of each kind at once; 0 for few. */
  readonly reads: number;
}

/** Failures of a run beyond these are not looked for: they are one and the same, most likely. */
const FAILURES_MAX = 50;
const SLICE_SEEDS = 50;

/** Runs them here, until `deadline` (as `performance.now()` has it). */
export function runHere(
  { first, count, mode, reads }: Seeds,
  deadline: number,
  onTally: (tally: Tally) => void,
): void {
  const last = first + count;
  for (let seed = first; seed < last && performance.now() < deadline; ) {
    const tally = emptyTally();
    const end = Math.min(last, seed + SLICE_SEEDS);
    for (; seed < end && performance.now() < deadline; seed += 1) addRun(tally, runSeed(seed, mode, reads));
    onTally(tally);
  }
}

type ToWorker = { readonly seeds: Seeds; readonly forMs: number };

/**
 * The garbage of many short runs: with more room less of it is ever looked at. One thread: each core has a process of its own, and
 * helpers of the collector and of the compiler would only take turns with it. Small functions are optimised when they are hot, and no
 * sooner: what a seed calls a hundred times is compiled anew for the next one.
 */
const WORKER_FLAGS = [
  '--max-bytecode-size-for-early-opt=0',
  '--min-semi-space-size=64',
  '--max-semi-space-size=128',
  '--single-threaded',
  '--enable-source-maps',
];

/** Runs them in `jobs` processes, a slice at a time. */
export async function runInProcesses(
  seeds: Seeds,
  jobs: number,
  deadline: number,
  onTally: (tally: Tally) => void,
): Promise<void> {
  let next = seeds.first;
  const last = seeds.first + seeds.count;
  let failures = 0;
  const give = (child: ChildProcess): void => {
    const count = Math.min(SLICE_SEEDS, last - next);
    if (count <= 0 || performance.now() >= deadline || failures > FAILURES_MAX) {
      child.disconnect();
      return;
    }
    const message: ToWorker = {
      seeds: { ...seeds, first: next, count },
      forMs: deadline - performance.now(),
    };
    next += count;
    child.send(message);
  };
  const ended = Array.from({ length: jobs }, () => {
    const child = fork(fileURLToPath(new URL('worker.js', import.meta.url)), { execArgv: WORKER_FLAGS });
    child.on('message', (tally: Tally) => {
      failures += tally.failures.length;
      onTally(tally);
      give(child);
    });
    const end = new Promise<void>((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', (code) =>
        code === 0 ? resolve() : reject(new Error(`a job ended with code ${code}`)),
      );
    });
    give(child);
    return end;
  });
  await Promise.all(ended);
}

/** The other end: one slice after the other, each answered by its tally. */
export function serveJobs(): void {
  process.on('message', ({ seeds, forMs }: ToWorker) => {
    const total = emptyTally();
    runHere(seeds, performance.now() + forMs, (tally) => add(total, tally));
    process.send!(total);
  });
}
