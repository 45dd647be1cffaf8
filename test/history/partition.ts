/**
 * Splits a history into parts that have no key in common. A history is linearizable where each part is (Herlihy and Wing,
 * 1990: the property is local). An operation on several keys joins them: split into one for each key it would say nothing of
 * what it saw at one time.
 */

import type { Operation } from './operation.js';

export interface Partition<Input, Output> {
  /** Sorted; empty where there is one part for everything. */
  readonly keys: readonly string[];
  readonly operations: readonly Operation<Input, Output>[];
}

export function partition<Input, Output>(
  operations: readonly Operation<Input, Output>[],
  keysOf: (input: Input) => readonly string[] | null,
): Partition<Input, Output>[] {
  const parents = new Map<string, string>();
  const rootOf = (key: string): string => {
    let root = key;
    for (let parent = parents.get(root); parent !== undefined && parent !== root; parent = parents.get(root))
      root = parent;
    parents.set(key, root);
    return root;
  };
  for (const { input } of operations) {
    const keys = keysOf(input);
    if (keys === null) return operations.length === 0 ? [] : [{ keys: [], operations }];
    const root = keys.length === 0 ? '' : rootOf(keys[0]!);
    for (const key of keys) parents.set(rootOf(key), root);
  }
  const parts = new Map<string, Operation<Input, Output>[]>();
  const members = new Map<string, string[]>();
  for (const key of parents.keys()) {
    const root = rootOf(key);
    const others = members.get(root);
    if (others === undefined) members.set(root, [key]);
    else others.push(key);
  }
  for (const operation of operations) {
    const [key] = keysOf(operation.input)!;
    // Without a key it influences nothing, and nothing influences it: a part of its own kind.
    const root = key === undefined ? '' : `key ${rootOf(key)}`;
    const part = parts.get(root);
    if (part === undefined) parts.set(root, [operation]);
    else part.push(operation);
  }
  return [...parts].map(([root, part]) => ({
    keys: root === '' ? [] : members.get(root.slice('key '.length))!.sort(),
    operations: part,
  }));
}
