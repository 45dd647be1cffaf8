/**
 * `npm run turmoil -- --seeds N [--first F] [--json]`: runs seeds F to F + N - 1 and stops at the first that violates something. Progress
 * goes to standard error, the result to standard output. Exit code 1 on a violation.
 */

import { parseArgs } from 'node:util';
import { contracts } from '../../src/contracts.js';
import { runTurmoil, type TurmoilResult, type TurmoilViolation } from './run.js';

const PROGRESS_MS = 5000;
const usage = 'usage: npm run turmoil -- --seeds N [--first F] [--json]';

contracts.level = 'full';

type Sums = Record<keyof TurmoilResult['sums'], number>;

interface Report {
  readonly first: number;
  /** Run to their end, or to the violation. */
  readonly seeds: number;
  readonly simulatedSeconds: number;
  readonly wallSeconds: number;
  readonly sums: Partial<Sums>;
  readonly finding: (TurmoilViolation & { readonly seed: number }) | null;
}

function wholeNumber(option: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least)
    throw new TypeError(`${option} takes a whole number from ${least} on`);
  return value;
}

function run(first: number, count: number): Report {
  const began = performance.now();
  const sums: Partial<Sums> = {};
  let simulatedMs = 0;
  let seeds = 0;
  let toldAt = began;
  let finding: Report['finding'] = null;
  while (seeds < count && finding === null) {
    const seed = first + seeds;
    const result = runTurmoil(seed);
    seeds += 1;
    simulatedMs += result.simulatedMs;
    for (const [key, value] of Object.entries(result.sums) as [keyof Sums, number][])
      sums[key] = (sums[key] ?? 0) + value;
    if (result.violation !== null) finding = { seed, ...result.violation };
    const now = performance.now();
    if (now - toldAt < PROGRESS_MS) continue;
    toldAt = now;
    process.stderr.write(`${seeds} of ${count} seeds in ${Math.round((now - began) / 1000)} s\n`);
  }
  const wallSeconds = Math.round(performance.now() - began) / 1000;
  return { first, seeds, simulatedSeconds: Math.round(simulatedMs / 1000), wallSeconds, sums, finding };
}

function main(): void {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '100' },
      first: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
    },
  });
  const report = run(wholeNumber('--first', values.first, 0), wholeNumber('--seeds', values.seeds, 1));
  const { seeds, finding, sums } = report;
  if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else {
    const told = Object.entries(sums).map(([name, sum]) => `${name} ${sum}`);
    process.stdout.write(`${seeds} seeds: ${told.join(', ')}\n`);
    if (finding === null) process.stdout.write('nothing found\n');
  }
  if (finding === null) return;
  const { seed, message } = finding;
  process.stderr.write(`seed ${seed}: ${message}\nagain: npm run turmoil -- --first ${seed} --seeds 1\n`);
  process.exitCode = 1;
}

try {
  main();
} catch (error) {
  if (!(error instanceof TypeError) || !('code' in error || error.message.startsWith('--'))) throw error;
  process.stderr.write(`${error.message}\n${usage}\n`);
  process.exitCode = 2;
}
