/**
 * `npm run mutants`: do the checks find what they are for? Each mutant is the real code with one known bug in it; the checks
 * that are named with it must find it, and for the bug, not for a slip of the mutant. The code as it is must pass the same
 * checks first. Exit code 1 where anything survives, or dies of something else.
 */

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Arguments, parseArguments, UsageError, usage } from './arguments.js';
import { CANARY, mutants } from './corpus/index.js';
import type { Check, Mutant } from './mutant.js';
import { isFromOutside, leaveOutContracts, mutate, StaleMutantError } from './mutant.js';
import type { Outcome } from './report.js';
import { isKilled, summary, table } from './report.js';
import { schedule, type Task } from './schedule.js';
import { verdictOf } from './verdict.js';
import { describeCheck, Workspace } from './workspace.js';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');

/** The checks of `tasks`, each once and as far as the farthest of them goes. */
function baseline(tasks: readonly Task[]): Check[] {
  const checks: Map<string, Check> = new Map();
  for (const { check } of tasks) {
    const key = describeCheck(check);
    const before = checks.get(key);
    if (before === undefined || reach(check) > reach(before)) checks.set(key, check);
  }
  return [...checks.values()];
}

/** How far the check goes. */
function reach(check: Check): number {
  if ('seeds' in check) return check.seeds;
  return 'statesMax' in check ? check.statesMax : 0;
}

function readSource(file: string): string {
  return readFileSync(path.join(root, 'src', file), 'utf8');
}

/** The files of src/ that are not as they are, for this check. */
function textsOf(mutant: Mutant | null, check: Check): Map<string, string> {
  const texts: Map<string, string> = mutant === null ? new Map() : mutate(mutant, readSource);
  if (isFromOutside(check)) texts.set('contracts.ts', leaveOutContracts(readSource('contracts.ts')));
  return texts;
}

function progress(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Runs `work` on each of `items`, in as many workspaces as there are; begins none at `deadline` or later. */
async function inTurn<Item>(
  items: readonly Item[],
  workspaces: readonly Workspace[],
  deadline: number,
  work: (item: Item, workspace: Workspace, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  await Promise.all(
    workspaces.map(async (workspace) => {
      while (next < items.length && performance.now() < deadline) {
        const index = next;
        next += 1;
        await work(items[index]!, workspace, index);
      }
    }),
  );
}

async function runBaseline(
  checks: readonly Check[],
  workspaces: readonly Workspace[],
  timeoutMs: number,
): Promise<boolean> {
  let good = true;
  await inTurn(checks, workspaces, Number.POSITIVE_INFINITY, async (check, workspace) => {
    await workspace.change(textsOf(null, check));
    const began = performance.now();
    // As it does not end at the first finding, it takes longer than any mutant.
    const verdict = verdictOf(check, await workspace.run(check, timeoutMs * 3));
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    const isGood = verdict.kind === 'survived';
    progress(
      `unchanged code: ${describeCheck(check)}: ${isGood ? 'passes' : `FAILS: ${JSON.stringify(verdict)}`} (${seconds} s)`,
    );
    if (!isGood) good = false;
  });
  return good;
}

async function runMutants(
  tasks: readonly Task[],
  workspaces: readonly Workspace[],
  { timeoutMs, deadline }: { timeoutMs: number; deadline: number },
): Promise<Outcome[]> {
  const outcomes: (Outcome | undefined)[] = new Array(tasks.length);
  let done = 0;
  await inTurn(tasks, workspaces, deadline, async ({ mutant, check }, workspace, index) => {
    await workspace.change(textsOf(mutant, check));
    const began = performance.now();
    const verdict = verdictOf(check, await workspace.run(check, timeoutMs));
    const seconds = (performance.now() - began) / 1000;
    outcomes[index] = { mutant, check, verdict, seconds };
    done += 1;
    const how =
      verdict.kind === 'killed'
        ? `killed, ${verdict.by}${verdict.after && `, ${verdict.after}`}`
        : `${verdict.kind.toUpperCase()}: ${verdict.message}`;
    progress(
      `${done}/${tasks.length} ${mutant.name}: ${describeCheck(check)}: ${how} (${seconds.toFixed(1)} s)`,
    );
  });
  return outcomes.filter((outcome) => outcome !== undefined);
}

async function run(options: Arguments): Promise<number> {
  const tasks = schedule(options, Date.now());
  if (options.list) {
    for (const { mutant, check } of tasks)
      process.stdout.write(`${mutant.name}: ${describeCheck(check)}: ${mutant.mimics}\n`);
    return 0;
  }
  if (tasks.length === 0) throw new UsageError('no mutant is left');
  // All of them first: a stale one is found in a second, not in the middle of the run.
  for (const mutant of mutants) mutate(mutant, readSource);

  const began = performance.now();
  const workspaces: Workspace[] = [];
  try {
    for (let job = 0; job < options.jobs; job += 1) workspaces.push(await Workspace.make(root));
    if (!(await runBaseline(baseline(tasks), workspaces, options.timeoutMs))) return 1;
    const { timeoutMs, minutes } = options;
    const deadline = minutes === null ? Number.POSITIVE_INFINITY : began + minutes * 60_000;
    const outcomes = await runMutants(tasks, workspaces, { timeoutMs, deadline });
    const wallSeconds = Math.round((performance.now() - began) / 100) / 10;
    const failed = outcomes.filter((outcome) => !isKilled(outcome));
    if (options.json) process.stdout.write(`${JSON.stringify(summary(outcomes, wallSeconds))}\n`);
    else process.stdout.write(`${table(outcomes)}\n`);
    const canary = outcomes.find(({ mutant }) => mutant.name === CANARY);
    if (canary !== undefined && !isKilled(canary))
      progress('THE CANARY LIVES: the checks do not check anything');
    for (const { mutant, check } of failed) progress(`not found: ${mutant.name}: ${describeCheck(check)}`);
    const left = tasks.length - outcomes.length;
    progress(
      `${outcomes.length - failed.length} of ${outcomes.length} found, ${failed.length} not, ${wallSeconds} s` +
        (left === 0 ? '' : `; no time was left for ${left} more`),
    );
    return failed.length === 0 ? 0 : 1;
  } finally {
    for (const workspace of workspaces) await workspace.remove();
  }
}

try {
  process.exitCode = await run(parseArguments(process.argv.slice(2)));
} catch (error) {
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message}\n${usage}`);
    process.exitCode = 2;
  } else if (error instanceof StaleMutantError) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  } else throw error;
}
