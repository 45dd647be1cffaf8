/** Aim: a sweep compares within a round, and never with the best of another moment. */

import { expect, it } from 'vitest';
import { describeSweep, type Fixed, type SweepRun, summarize } from '../../bench/sweep-summary.js';

const shallow: Fixed = { pipelineDecreesMax: 1, decreeCommandsMax: 64 };
const deep: Fixed = { pipelineDecreesMax: 64, decreeCommandsMax: 4096 };

function run(round: number, fixed: Fixed | null, opsPerSecond: number, p99Us: number): SweepRun {
  return { round, fixed, opsPerSecond, p50Us: p99Us / 2, p99Us, commandsPerDecree: 10 };
}

const runs = [
  run(1, null, 1000, 100),
  run(1, shallow, 500, 50),
  run(1, deep, 1100, 200),
  // The machine was twice as fast for everybody.
  run(2, null, 2000, 50),
  run(2, shallow, 1000, 25),
  run(2, deep, 2400, 100),
];

it('takes the ratios within each round', () => {
  const rows = summarize(runs);
  expect(rows.map(({ fixed }) => fixed)).toEqual([null, deep, shallow]);
  expect(rows.map(({ opsRatio }) => opsRatio)).toEqual([1, expect.closeTo(1.15), 0.5]);
  expect(rows.map(({ p99Ratio }) => p99Ratio)).toEqual([1, 2, 0.5]);
  expect(rows.map(({ opsPerSecond }) => opsPerSecond)).toEqual([1500, 1750, 750]);
});

it('says how near the default comes to the best of each', () => {
  const text = describeSweep(summarize(runs));
  expect(text).toContain('| as it is | 10 | 1,500 | 1.00 | 38 | 75 | 1.00 |');
  expect(text).toContain(
    'as it is: 87 % of the throughput of the fastest fixed setting (64 in flight, 4096 commands at most)',
  );
  expect(text).toContain('2.00 times the p99 of the promptest (1 in flight, 64 commands at most)');
});

it('refuses a round without the default', () => {
  expect(() => summarize([run(1, null, 1, 1), run(2, deep, 1, 1)])).toThrow(
    'round 2 has no run of the default',
  );
});
