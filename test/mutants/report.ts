/** The table of what killed which mutant, in Markdown, as docs/testing.md has it. */

import type { Check, Mutant } from './mutant.js';
import type { Verdict } from './verdict.js';
import { describeCheck } from './workspace.js';

export interface Outcome {
  readonly mutant: Mutant;
  readonly check: Check;
  readonly verdict: Verdict;
  readonly seconds: number;
}

export function isKilled({ verdict }: Outcome): boolean {
  return verdict.kind === 'killed';
}

export function table(outcomes: readonly Outcome[]): string {
  const lines = [
    '| mutant | mimics | in | check | found as | after | seconds |',
    '|---|---|---|---|---|---|---|',
  ];
  let before: Mutant | null = null;
  for (const { mutant, check, verdict, seconds } of outcomes) {
    const isSame = mutant === before;
    before = mutant;
    const files = [...new Set(mutant.edits.map(({ file }) => file))].join(', ');
    const found =
      verdict.kind === 'killed'
        ? [verdict.by, verdict.after]
        : [`**${verdict.kind}**: ${verdict.message}`, ''];
    const cells = [
      ...(isSame ? ['', '', ''] : [mutant.name, mutant.mimics, files]),
      describeCheck(check),
      ...found,
      seconds.toFixed(1),
    ];
    lines.push(`| ${cells.map(cell).join(' | ')} |`);
  }
  return lines.join('\n');
}

/** One JSON object for machines. */
export function summary(outcomes: readonly Outcome[], wallSeconds: number): object {
  return {
    mutants: new Set(outcomes.map(({ mutant }) => mutant)).size,
    checks: outcomes.length,
    killed: outcomes.filter(isKilled).length,
    wallSeconds,
    outcomes: outcomes.map(({ mutant, check, verdict, seconds }) => ({
      mutant: mutant.name,
      check: describeCheck(check),
      ...verdict,
      seconds,
    })),
  };
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ').slice(0, 200);
}
