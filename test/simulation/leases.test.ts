/**
 * Reads by lease are never stale while clocks drift within the bound that was declared, and may be beyond it: so the check can fail, and the
 * bound is what it hangs on. A primary with a slow clock is cut off, and asked by those who do not know.
 */

import { expect, it } from 'vitest';
import { runScript } from './run.js';
import { CLOCK_DRIFT_MAX, drawScript, type Fault, type Script } from './script.js';

const SEEDS = 12;

function scriptOf(seed: number, rate: number): Script {
  const { settings } = drawScript(seed, 'recoverable');
  const electionTimeoutMs = 300;
  const troubleMs = 30 * electionTimeoutMs;
  const { asks: _, flags: __, spares: ___, ...plain } = settings;
  const busy = { clients: 4, thinkMs: 5, burst: 1, timeoutMs: 2 * electionTimeoutMs };
  const quick = {
    network: { ...settings.network, delayMs: [0.05, 1] as [number, number], tail: 0 },
    disk: { ...settings.disk, writeMs: [0.02, 0.5] as [number, number] },
  };
  const limits = { ...settings.limits, outstandingBytesMax: 64 * 1024 };
  const faults: Fault[] = [];
  const order = Array.from({ length: 3 }, (_, index) => index);
  for (let at = 6 * electionTimeoutMs; at < troubleMs; at += 8 * electionTimeoutMs) {
    faults.push({ at, kind: 'drift-clock', target: -1, rate });
    const forMs = 4 * electionTimeoutMs;
    faults.push({ at: at + 1, kind: 'partition', shape: 'isolate', order, around: -1, forMs });
  }
  return {
    seed,
    settings: {
      ...plain,
      ...busy,
      ...quick,
      limits,
      replicas: 3,
      electionTimeoutMs,
      heartbeatMs: 50,
      reads: { everyMs: 3, burst: 1 },
      clockDriftMax: CLOCK_DRIFT_MAX,
      troubleMs,
    },
    faults,
  };
}

it('see everything where a clock is as slow as was declared', { timeout: 120_000 }, () => {
  let answered = 0;
  for (let seed = 1; seed <= SEEDS / 3; seed += 1) {
    const { violation, reads } = runScript(scriptOf(seed, 1 - CLOCK_DRIFT_MAX));
    expect(violation, `seed ${seed}`).toBe(null);
    answered += reads.lease;
  }
  expect(answered).toBeGreaterThan(1000);
});

it('are found stale where it is far slower', { timeout: 120_000 }, () => {
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const { violation } = runScript(scriptOf(seed, 0.2));
    if (violation === null) continue;
    expect(violation.invariant).toBe('no-stale-read');
    expect(violation.detail).toMatch(/^no-stale-read: lease read /);
    return;
  }
  expect.unreachable('no stale read, whatever the clock');
});
