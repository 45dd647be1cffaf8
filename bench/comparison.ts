/** Compares what was measured before and after. */

import type { Figures, Rate } from './figures.js';

export interface Measured<Kind extends Rate = Figures> {
  readonly name: string;
  readonly figures: Kind;
}

/** The figures of a report, or of one run of bench:cluster. Throws where `json` is neither. */
export function readFigures(json: unknown, file: string): readonly Measured<Rate>[] {
  const value = json as { entries?: unknown; states?: unknown; logs?: unknown } | null;
  const isFigures = (one: unknown): one is Rate => {
    const { runs, opsPerSecond, label } = (one ?? {}) as Partial<Rate>;
    return Array.isArray(runs) && runs.length > 0 && typeof opsPerSecond === 'number' && label !== undefined;
  };
  if (isFigures(value)) return [{ name: 'run', figures: value }];
  if (!Array.isArray(value?.entries)) throw new Error(`${file}: no report, and no run of bench:cluster`);
  return (['entries', 'states', 'logs'] as const).flatMap((list) => {
    // A report of before there were these has none.
    const entries = value[list] ?? [];
    if (!Array.isArray(entries)) throw new Error(`${file}: ${list} is no list`);
    return entries.map((entry: { name?: unknown; figures?: unknown }, index) => {
      if (typeof entry?.name !== 'string' || !isFigures(entry.figures))
        throw new Error(`${file}: ${list}[${index}] has no name or no figures`);
      return { name: entry.name, figures: entry.figures };
    });
  });
}

const RATIO_MIN = 0.05;

export type Verdict = 'faster' | 'slower' | 'no change beyond noise' | 'too few runs';

/** Where a ratio to the limit was taken in turns with each run, that is compared: it has the machine's moods taken out. */
export function compareRuns(before: Rate, after: Rate): { verdict: Verdict; ratio: number; of: string } {
  const byLimit = before.limitRatios !== undefined && after.limitRatios !== undefined;
  const one = byLimit ? before.limitRatios! : before.runs;
  const other = byLimit ? after.limitRatios! : after.runs;
  const middle = (values: readonly number[]): number =>
    [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
  const ratio = middle(other) / middle(one);
  const of = byLimit ? 'share of the limit' : 'commands/s';
  if (one.length < 3 || other.length < 3) return { verdict: 'too few runs', ratio, of };
  const isFaster = Math.min(...other) > Math.max(...one) && ratio > 1 + RATIO_MIN;
  const isSlower = Math.max(...other) < Math.min(...one) && ratio < 1 - RATIO_MIN;
  return { verdict: isFaster ? 'faster' : isSlower ? 'slower' : 'no change beyond noise', ratio, of };
}

export function compareReports(before: readonly Measured<Rate>[], after: readonly Measured<Rate>[]): string {
  const lines: string[] = [];
  for (const { name, figures } of after) {
    const old = before.find((one) => one.name === name);
    if (old === undefined) {
      lines.push(`${name}: only in the second`);
      continue;
    }
    const { verdict, ratio, of } = compareRuns(old.figures, figures);
    lines.push(
      `${name}: ${verdict}; ${ratio.toFixed(3)} times the ${of} (${old.figures.runs.length} and ${figures.runs.length} runs)`,
    );
    for (const key of Object.keys(figures.label)) {
      const [was, is] = [old.figures.label[key], figures.label[key]];
      const matters = !['loadBefore', 'storage'].includes(key);
      if (matters && was !== is) lines.push(`    ${key}: ${was} and ${is}: not the same conditions`);
    }
  }
  for (const { name } of before) {
    if (!after.some((one) => one.name === name)) lines.push(`${name}: only in the first`);
  }
  return `${lines.join('\n')}\n`;
}
