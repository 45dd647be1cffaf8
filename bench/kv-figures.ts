/** What redis-benchmark says of itself, and how it names keys. */

import { median } from './figures.js';

export interface KeyValueRun {
  readonly opsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** As redis-benchmark draws them with `-r`: so all that it asks for are there. */
export function keyName(index: number): string {
  return `key:${String(index).padStart(12, '0')}`;
}

/** The line of `test` in what `--csv` prints. Throws where there is none. */
export function readCsv(text: string, test: string): KeyValueRun {
  const rows = text
    .split('\n')
    .filter((line) => line.startsWith('"'))
    .map((line) => line.split(',').map((cell) => cell.replaceAll('"', '')));
  const [heads, ...lines] = rows;
  const cells = lines.find(([name]) => name === test);
  const cell = (head: string): number => Number(cells?.[heads?.indexOf(head) ?? -1] ?? Number.NaN);
  const run = { opsPerSecond: cell('rps'), p50Ms: cell('p50_latency_ms'), p99Ms: cell('p99_latency_ms') };
  if (!Object.values(run).every((value) => value >= 0))
    throw new Error(`redis-benchmark printed no figures of ${test}: ${text.slice(0, 200)}`);
  return run;
}

/** The median of each figure. */
export function middleRun(runs: readonly KeyValueRun[]): KeyValueRun {
  const of = (pick: (run: KeyValueRun) => number): number => median(runs.map(pick));
  return {
    opsPerSecond: of((run) => run.opsPerSecond),
    p50Ms: of((run) => run.p50Ms),
    p99Ms: of((run) => run.p99Ms),
  };
}
