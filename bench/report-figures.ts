/** What a report is made of: runs of clusters, and beside them states of several sizes and logs of several lengths. */

import type { Measured } from './comparison.js';
import { median, type Rate } from './figures.js';
import { middleRun } from './kv-figures.js';
import type { KeyValueMeasured } from './kv-run.js';
import type { RecoveryMeasured } from './recovery-run.js';

/** Of the key-value service: requests a second. */
export interface StateFigures extends Rate {
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of each process, the primary first. */
  readonly residentBytes: readonly number[];
}

/** Of a replica that was killed: commands that it executes again a second, until it serves. */
export interface LogFigures extends Rate {
  readonly bytesLogged: number;
  readonly secondsToServing: number;
  readonly secondsToOpen: number;
}

export interface ReportContent {
  readonly at: string;
  readonly entries: readonly Measured[];
  readonly states: readonly Measured<StateFigures>[];
  readonly logs: readonly Measured<LogFigures>[];
  readonly failed: readonly string[];
  /** What could not be measured here, and why. */
  readonly leftOut: readonly string[];
}

export function stateFigures(
  { keys, set, get, residentBytes }: KeyValueMeasured,
  label: Rate['label'],
): readonly Measured<StateFigures>[] {
  return [['SET', set] as const, ['GET', get] as const].map(([test, runs]) => ({
    name: `keys ${keys} ${test}`,
    figures: { ...middleRun(runs), runs: runs.map(({ opsPerSecond }) => opsPerSecond), residentBytes, label },
  }));
}

export function logFigures(name: string, measured: RecoveryMeasured): Measured<LogFigures> {
  const { bytesLogged, commands, openedSeconds, servingSeconds, label } = measured;
  const runs = servingSeconds.map((seconds) => commands / seconds);
  return {
    name,
    figures: {
      opsPerSecond: median(runs),
      runs,
      bytesLogged,
      secondsToServing: median(servingSeconds),
      secondsToOpen: median(openedSeconds),
      label,
    },
  };
}
