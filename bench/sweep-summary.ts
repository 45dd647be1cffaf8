/** What a sweep over fixed settings comes to: each beside the replica as it is, in the same round. */

import { median } from './figures.js';

/** What is fixed: decrees in flight, and commands in one decree. Null: as it is by default. */
export interface Fixed {
  readonly pipelineDecreesMax: number;
  readonly decreeCommandsMax: number;
}

/** One run of one setting. */
export interface SweepRun {
  readonly round: number;
  readonly fixed: Fixed | null;
  readonly opsPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly commandsPerDecree: number;
}

export interface SweepRow {
  readonly fixed: Fixed | null;
  /** Medians of its runs. */
  readonly opsPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly commandsPerDecree: number;
  /** Median of the ratios to the default in the same round. */
  readonly opsRatio: number;
  readonly p99Ratio: number;
}

/** The default first, then by throughput. Throws where a round lacks the default. */
export function summarize(runs: readonly SweepRun[]): readonly SweepRow[] {
  const groups: Map<string, SweepRun[]> = new Map();
  for (const run of runs) {
    const name = nameOf(run.fixed);
    groups.set(name, [...(groups.get(name) ?? []), run]);
  }
  const defaults = new Map(groups.get(nameOf(null))?.map((run) => [run.round, run]));
  const rows = [...groups.values()].map((group) => {
    const ratios = (of: (run: SweepRun) => number): number =>
      median(
        group.map((run) => {
          const beside = defaults.get(run.round);
          if (beside === undefined) throw new Error(`round ${run.round} has no run of the default`);
          return of(run) / of(beside);
        }),
      );
    return {
      fixed: group[0]!.fixed,
      opsPerSecond: Math.round(median(group.map((run) => run.opsPerSecond))),
      p50Us: median(group.map((run) => run.p50Us)),
      p99Us: median(group.map((run) => run.p99Us)),
      commandsPerDecree: median(group.map((run) => run.commandsPerDecree)),
      opsRatio: ratios((run) => run.opsPerSecond),
      p99Ratio: ratios((run) => run.p99Us),
    };
  });
  return rows.sort((a, b) => (a.fixed === null ? -1 : b.fixed === null ? 1 : b.opsRatio - a.opsRatio));
}

export function nameOf(fixed: Fixed | null): string {
  return fixed === null
    ? 'as it is'
    : `${fixed.pipelineDecreesMax} in flight, ${fixed.decreeCommandsMax} commands at most`;
}

export function describeSweep(rows: readonly SweepRow[]): string {
  const line = (row: SweepRow): string =>
    `| ${nameOf(row.fixed)} | ${row.commandsPerDecree.toFixed(0)} | ${row.opsPerSecond.toLocaleString('en')} | ${row.opsRatio.toFixed(2)} | ` +
    `${row.p50Us.toFixed(0)} | ${row.p99Us.toFixed(0)} | ${row.p99Ratio.toFixed(2)} |`;
  const fixed = rows.filter((row) => row.fixed !== null);
  const fastest = fixed.reduce((best, row) => (row.opsRatio > best.opsRatio ? row : best), fixed[0]!);
  const promptest = fixed.reduce((best, row) => (row.p99Ratio < best.p99Ratio ? row : best), fixed[0]!);
  return [
    '| setting | commands in a decree | commands/s | of the default | p50 us | p99 us | of the default |',
    '|---|---|---|---|---|---|---|',
    ...rows.map(line),
    '',
    `as it is: ${(100 / fastest.opsRatio).toFixed(0)} % of the throughput of the fastest fixed setting (${nameOf(fastest.fixed)}), ` +
      `${(1 / promptest.p99Ratio).toFixed(2)} times the p99 of the promptest (${nameOf(promptest.fixed)})`,
    '',
  ].join('\n');
}
