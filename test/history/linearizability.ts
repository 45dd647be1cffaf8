/**
 * Is a history linearizable: does every operation seem to happen at one moment between its call and its return
 * (Herlihy and Wing, 1990)? Part by part (`partition.ts`), each by search (`search.ts`); a violation comes with the few
 * operations that contradict one another (`window.ts`).
 */

import type { Model, Operation } from './operation.js';
import { partition } from './partition.js';
import { Search } from './search.js';
import { smallestWindow, type Window } from './window.js';

export type Verdict<Input, Output> =
  | { readonly kind: 'linearizable'; readonly visited: number }
  | {
      readonly kind: 'violation';
      readonly visited: number;
      /** Of the part that has no explanation. */
      readonly keys: readonly string[];
      readonly window: Window<Input, Output>;
      /** The window, for people. */
      readonly text: string;
    }
  /** The bound was reached with no explanation found and none excluded. */
  | { readonly kind: 'undecided'; readonly visited: number; readonly keys: readonly string[] };

export interface CheckOptions {
  /** Steps of the model, for all parts. What was not decided within them is `undecided`. */
  readonly visitedMax?: number;
  /** Steps to make the window of a violation small with. */
  readonly windowVisitedMax?: number;
}

const VISITED_MAX_DEFAULT = 2_000_000;
const WINDOW_VISITED_MAX_DEFAULT = 1_000_000;
/** Operations of unknown outcome that a text lists; the latest are the likeliest to matter. */
const UNKNOWN_SHOWN_MAX = 8;

export function checkLinearizability<Input, Output, State>(
  model: Model<Input, Output, State>,
  operations: readonly Operation<Input, Output>[],
  options: CheckOptions = {},
): Verdict<Input, Output> {
  const { visitedMax = VISITED_MAX_DEFAULT, windowVisitedMax = WINDOW_VISITED_MAX_DEFAULT } = options;
  let visited = 0;
  let undecided: readonly string[] | null = null;
  const parts = partition(operations, (input) => model.keysOf(input));
  // The small ones first: one that is hard leaves nothing for those behind it.
  parts.sort((a, b) => a.operations.length - b.operations.length);
  for (const part of parts) {
    const result = new Search(model, part.operations).run(visitedMax - visited);
    visited += result.visited;
    if (result.verdict === 'violation') {
      const window = smallestWindow(model, part.operations, windowVisitedMax);
      const text = describe(model, part.keys, window);
      return { kind: 'violation', visited, keys: part.keys, window, text };
    }
    if (result.verdict === 'undecided') undecided ??= part.keys;
  }
  return undecided === null
    ? { kind: 'linearizable', visited }
    : { kind: 'undecided', visited, keys: undecided };
}

function describe<Input, Output, State>(
  model: Model<Input, Output, State>,
  keys: readonly string[],
  { operations, unknown }: Window<Input, Output>,
): string {
  const shown = unknown.slice(-UNKNOWN_SHOWN_MAX);
  const rows = [...operations, ...shown]
    .sort((a, b) => a.calledAt - b.calledAt)
    .map(({ client, input, output, calledAt, returnedAt }) => [
      `client ${client}`,
      `${calledAt}`,
      Number.isFinite(returnedAt) ? `${returnedAt}` : '?',
      model.describe(input, output),
    ]);
  const widths = [0, 1, 2].map((column) => Math.max(0, ...rows.map((row) => row[column]!.length)));
  const lines = rows.map(
    ([client, called, returned, text]) =>
      `  ${client!.padEnd(widths[0]!)}  ${called!.padStart(widths[1]!)} to ${returned!.padStart(widths[2]!)}  ${text}`,
  );
  const about = keys.length === 0 ? 'all keys' : keys.slice(0, 10).join(', ');
  const omitted = unknown.length - shown.length;
  return [
    `no order of these explains them (${about}${keys.length > 10 ? ', ...' : ''}):`,
    ...lines,
    ...(omitted > 0 ? [`  and ${omitted} more that may have happened, or not, change nothing`] : []),
  ].join('\n');
}
