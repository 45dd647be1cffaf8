/** What became of a mutant under one check, read from what the check printed. */

import type { Check } from './mutant.js';

export type Verdict =
  | {
      readonly kind: 'killed';
      /** The violated property or contract, or the test that failed. */
      readonly by: string;
      /** After how much work: the seed, or the states. */
      readonly after: string;
      readonly message: string;
    }
  /** The check found nothing: a hole in the check. */
  | { readonly kind: 'survived'; readonly message: string }
  /** The check did not do its work: what it says about the mutant counts for nothing. */
  | { readonly kind: 'broken'; readonly message: string };

/** How the process of a check ended. */
export interface Ending {
  /** Null where a signal ended it. */
  readonly exitCode: number | null;
  readonly timedOut: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** Errors of a program that does not do what it says, not of one that does the wrong thing and is caught at it. */
const SLIP = /\b(?:SyntaxError|ReferenceError|TypeError|Maximum call stack)\b/;

export function verdictOf(check: Check, ending: Ending): Verdict {
  if (ending.timedOut) return broken('it did not end in time');
  const report = parse(ending.stdout);
  if (report === null) return broken(`no report, exit code ${ending.exitCode}: ${lastLines(ending)}`);
  const verdict = read(check, report);
  if (verdict.kind === 'killed' && SLIP.test(firstLine(verdict.message)))
    return broken(`the wrong reason: ${verdict.by}: ${firstLine(verdict.message)}`);
  if ((verdict.kind === 'survived') !== (ending.exitCode === 0))
    return broken(`exit code ${ending.exitCode} does not fit its report: ${lastLines(ending)}`);
  return verdict;
}

function read({ check }: Check, report: Report): Verdict {
  switch (check) {
    case 'unit':
      return ofTests(report);
    case 'crash-states':
      return ofCrashStates(report);
    case 'explorer':
      return ofExplorer(report);
    default:
      return ofTool(report);
  }
}

type Report = ToolReport & TestReport & CrashStatesReport & ExplorerReport;

interface CrashStatesReport {
  readonly results?: readonly {
    readonly counts: { readonly images?: number; readonly flips?: number };
    readonly violations: readonly (string | { readonly what: string })[];
  }[];
}

function ofCrashStates({ results }: CrashStatesReport): Verdict {
  if (results === undefined || results.length === 0) return broken('a report without results');
  const done = results
    .map(({ counts }) => (counts.flips === undefined ? `${counts.images} images` : `${counts.flips} flips`))
    .join(', ');
  for (const { violations } of results) {
    const [violation] = violations;
    if (violation === undefined) continue;
    const message = typeof violation === 'string' ? violation : violation.what;
    return { kind: 'killed', by: firstLine(message), after: done, message };
  }
  return { kind: 'survived', message: done };
}

interface ExplorerReport {
  readonly scopes?: readonly {
    readonly states: number;
    readonly depth: number;
    readonly violation: { readonly property: string; readonly message: string } | null;
  }[];
}

function ofExplorer({ scopes }: ExplorerReport): Verdict {
  if (scopes === undefined || scopes.length === 0) return broken('a report without scopes');
  for (const { states, depth, violation } of scopes) {
    if (violation === null) continue;
    const { property, message } = violation;
    return { kind: 'killed', by: property, after: `${states} states, depth ${depth}`, message };
  }
  return { kind: 'survived', message: scopes.map(({ states }) => `${states} states`).join(', ') };
}

interface ToolReport {
  readonly seeds?: number;
  readonly finding?: { readonly seed?: number; readonly name: string; readonly message: string } | null;
}

function ofTool(report: ToolReport): Verdict {
  const { finding, seeds } = report;
  if (finding === undefined) return broken('a report without a finding');
  if (finding === null) return { kind: 'survived', message: `${seeds} seeds` };
  return {
    kind: 'killed',
    by: finding.name,
    after: finding.seed === undefined ? '' : `seed ${finding.seed}`,
    message: finding.message,
  };
}

interface TestReport {
  readonly numTotalTests?: number;
  readonly testResults?: readonly {
    readonly message: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

function ofTests({ numTotalTests, testResults = [] }: TestReport): Verdict {
  if (!numTotalTests) return broken(`no test ran: ${testResults.map(({ message }) => message).join('; ')}`);
  for (const { assertionResults } of testResults) {
    const failed = assertionResults.find(({ status }) => status === 'failed');
    if (failed === undefined) continue;
    const message = failed.failureMessages[0] ?? '';
    // A test that waits for ever may tell of a mutant that hangs, or of a busy machine. (vitest's report names some such errors so.)
    if (/Test timed out|STACK_TRACE_ERROR/.test(message))
      return broken(`"${failed.fullName}" did not end in time`);
    return { kind: 'killed', by: failed.fullName, after: '', message: firstLine(message) };
  }
  return { kind: 'survived', message: `${numTotalTests} tests` };
}

function broken(message: string): Verdict {
  return { kind: 'broken', message };
}

/** The last line that is a JSON object: what a tool prints before it is progress. */
function parse(stdout: string): Report | null {
  const line = stdout.trimEnd().split('\n').at(-1) ?? '';
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? value : null;
  } catch {
    return null;
  }
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0]!;
}

function lastLines({ stdout, stderr }: Ending): string {
  return (stderr || stdout).trimEnd().split('\n').slice(-3).join(' / ').slice(-500);
}
