/** The simulator runs: some seeds in each mode pass, and the same seed is the same run, here and in another process. */

import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { runSeed } from './run.js';

test.each(['recoverable', 'unbounded'] as const)('seeds pass: %s', (mode) => {
  let committed = 0;
  for (let seed = 1; seed <= 25; seed += 1) {
    const run = runSeed(seed, mode);
    expect(run.violation, `seed ${seed}`).toBeNull();
    committed += run.committed;
  }
  expect(committed).toBeGreaterThan(200);
});

test('the same seed is the same run', () => {
  expect(runSeed(7, 'recoverable')).toEqual(runSeed(7, 'recoverable'));
  expect(runSeed(7, 'recoverable').hash).not.toBe(runSeed(8, 'recoverable').hash);
});

test('in another process too', { timeout: 120_000 }, () => {
  const output = execFileSync(process.execPath, ['scripts/tool.mjs', 'simulation', '--seed', '7', '--json'], {
    encoding: 'utf8',
  });
  expect((JSON.parse(output) as { hash: string }).hash).toBe(runSeed(7, 'recoverable').hash);
});
