/**
 * The few operations of a history that contradict one another, out of thousands.
 *
 * First the earliest return at which the history has become impossible. Then, for each operation before it: is the
 * history impossible even if that one's outcome were unknown? If so, what it was told is no part of the contradiction. A
 * history with less known of it is never harder to explain, so what is left at the end contradicts itself.
 */

import type { Model, Operation } from './operation.js';
import { Search } from './search.js';

export interface Window<Input, Output> {
  /** In the order of their calls. With any one of them unknown, the rest has an explanation, or none was found in time. */
  readonly operations: readonly Operation<Input, Output>[];
  /** Operations beside them that may have happened, once or never. */
  readonly unknown: readonly Operation<Input, Output>[];
}

/** `visitedMax` bounds all of it: what could not be decided in time stays in the window. */
export function smallestWindow<Input, Output, State>(
  model: Model<Input, Output, State>,
  operations: readonly Operation<Input, Output>[],
  visitedMax: number,
): Window<Input, Output> {
  let left = visitedMax;
  const isImpossible = (candidate: readonly Operation<Input, Output>[]): boolean => {
    if (left <= 0) return false;
    const { verdict, visited } = new Search(model, candidate).run(Math.max(1000, left / 8));
    left -= visited;
    return verdict === 'violation';
  };
  let window = untilFirst(operations, isImpossible);
  const known = window
    .flatMap((operation, index) => (operation.output === undefined ? [] : [index]))
    .sort((a, b) => window[a]!.returnedAt - window[b]!.returnedAt);
  for (let size = Math.ceil(known.length / 2); size >= 1 && left > 0; size = size > 1 ? size >> 1 : 0) {
    for (let from = 0; from < known.length; ) {
      const some = new Set(known.slice(from, from + size));
      const weaker = window.map((operation, index) => (some.has(index) ? forget(operation) : operation));
      if (isImpossible(weaker)) {
        window = weaker;
        known.splice(from, some.size);
      } else {
        from += size;
      }
    }
  }
  return {
    operations: window.filter(({ output }) => output !== undefined),
    unknown: window.filter(({ input, output }) => output === undefined && !model.isRead(input, undefined)),
  };
}

function forget<Input, Output>(operation: Operation<Input, Output>): Operation<Input, Output> {
  return { ...operation, output: undefined, returnedAt: Number.POSITIVE_INFINITY };
}

/** The history as it was known at time `at`. */
function until<Input, Output>(
  operations: readonly Operation<Input, Output>[],
  at: number,
): Operation<Input, Output>[] {
  return operations
    .filter(({ calledAt }) => calledAt <= at)
    .map((operation) => (operation.returnedAt > at ? forget(operation) : operation));
}

function untilFirst<Input, Output>(
  operations: readonly Operation<Input, Output>[],
  isImpossible: (candidate: readonly Operation<Input, Output>[]) => boolean,
): readonly Operation<Input, Output>[] {
  const times = [...new Set(operations.map(({ returnedAt }) => returnedAt))]
    .filter(Number.isFinite)
    .sort((a, b) => a - b);
  let low = 0;
  let high = times.length - 1;
  let found = operations;
  while (low < high) {
    const middle = (low + high) >> 1;
    const candidate = until(operations, times[middle]!);
    if (isImpossible(candidate)) {
      found = candidate;
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return found;
}
