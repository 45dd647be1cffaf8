/**
 * Seeded runs of a whole cluster of real protocol replicas under faults. Aim: whatever happens, no property of
 * `checker.ts` breaks; and when peace returns, the cluster gets on with its work.
 *
 * `SEEDS=20000 npx vitest run --project unit test/properties/cluster.test.ts` runs more seeds, `SEED=17` one of them,
 * and `SEED=17 TRACE=1` prints everything that happens in it.
 */

import { expect, it } from 'vitest';
import type { RunResult } from './world.js';
import { runSeed } from './world.js';

const only = process.env.SEED;
const first = only === undefined ? Number(process.env.FIRST_SEED ?? 1) : Number(only);
const count = only === undefined ? Number(process.env.SEEDS ?? 600) : 1;
const PARTS = 10;

function runAndReport(seed: number): RunResult {
  const lines: string[] = [];
  const trace = process.env.TRACE === undefined ? {} : { trace: (line: () => string) => lines.push(line()) };
  try {
    return runSeed(seed, trace);
  } catch (error) {
    const command = `SEED=${seed} TRACE=1 npx vitest run --project unit test/properties/cluster.test.ts`;
    throw new Error(`seed ${seed}: ${String(error)}\n    to repeat: ${command}`, { cause: error });
  } finally {
    for (const line of lines) process.stderr.write(`${line}\n`);
  }
}

const totals = { slots: 0, crashes: 0, wipes: 0, primaries: 0, configurations: 0, turns: 0, recoveredIn: 0 };

for (let part = 0; part < Math.min(PARTS, count); part += 1) {
  const from = first + Math.floor((count * part) / PARTS);
  const to = Math.max(from + (count < PARTS ? 1 : 0), first + Math.floor((count * (part + 1)) / PARTS));
  it(`keeps every property and makes progress in peace: seeds ${from} to ${to - 1}`, {
    timeout: 3_600_000,
  }, () => {
    for (let seed = from; seed < to; seed += 1) {
      const result = runAndReport(seed);
      for (const key of Object.keys(totals) as (keyof typeof totals)[]) totals[key] += result[key];
      totals.recoveredIn = Math.max(totals.recoveredIn - result.recoveredIn, result.recoveredIn);
    }
  });
}

it.runIf(count >= 100)('does what it is for: elections, crashes, lost disks and decrees in the runs', () => {
  expect(totals.slots / count).toBeGreaterThan(50);
  expect(totals.crashes / count).toBeGreaterThan(2);
  expect(totals.wipes / count).toBeGreaterThan(0.2);
  expect(totals.primaries / count).toBeGreaterThan(3);
  expect(totals.configurations / count).toBeGreaterThan(1.05);
});

it('gives the same run for the same seed', () => {
  const once = { ...runSeed(first) };
  expect(runSeed(first)).toEqual(once);
});
