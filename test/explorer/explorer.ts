/** Breadth first through all states of a scope, each once; so what is violated is found by a shortest way. */

import { Violation } from '../properties/checker.js';
import type { ClusterOptions } from './cluster.js';
import { Cluster } from './cluster.js';
import type { Code } from './node-table.js';
import type { Scope } from './scope.js';
import { StateSet } from './state-set.js';
import { tell } from './trace.js';

export interface Limits {
  readonly statesMax: number;
  readonly deadline: number;
}

export interface Progress {
  readonly states: number;
  /** Reached, and not yet gone on from. */
  readonly waiting: number;
  readonly depth: number;
  readonly nodeStates: number;
  readonly bytes: number;
}

export interface Exploration {
  readonly states: number;
  readonly transitions: number;
  readonly depth: number;
  /** False where a limit came first: then some states were not gone on from. */
  readonly complete: boolean;
  /** States of single replicas, and steps of them that the protocol was run for. */
  readonly nodeStates: number;
  readonly nodeSteps: number;
  /** Steps that were run again by another way and compared. */
  readonly audited: number;
  /** The most slots that were chosen in one state. */
  readonly slotsChosen: number;
  readonly violation: {
    readonly property: string;
    readonly message: string;
    readonly trace: readonly string[];
  } | null;
}

interface Found {
  readonly node: number;
  readonly code: Code;
  readonly violation: Violation;
}

const REPORT_EVERY = 2 ** 16;

export function explore(
  scope: Scope,
  options: ClusterOptions & { readonly onProgress?: (progress: Progress) => void },
  { statesMax, deadline }: Limits = {
    statesMax: Number.POSITIVE_INFINITY,
    deadline: Number.POSITIVE_INFINITY,
  },
): Exploration {
  const cluster = begin(scope, options);
  if (cluster instanceof Violation) return stillborn(cluster);
  const states = new StateSet(cluster.width);
  states.add(cluster.initial, 0);
  const words = new Uint32Array(cluster.width);
  let transitions = 0;
  let depth = 0;
  /** The states of this depth end here. */
  let levelEnd = 1;
  let current = 0;
  let found: Found | null = null;
  const visit = (node: number, code: Code, violation: Violation | null): void => {
    transitions += 1;
    if (violation === null) states.add(cluster.next, current);
    else found ??= { node, code, violation };
  };
  for (; current < states.size && found === null; current += 1) {
    if (current === levelEnd) {
      depth += 1;
      levelEnd = states.size;
    }
    if (current % REPORT_EVERY === 0) {
      options.onProgress?.({
        states: states.size,
        waiting: states.size - current,
        depth,
        nodeStates: cluster.table.size,
        bytes: states.bytes,
      });
      if (Date.now() >= deadline) break;
    }
    if (states.size >= Math.min(statesMax, scope.statesMax ?? statesMax)) break;
    states.read(current, words);
    cluster.visit(words, visit);
  }
  const complete = current === states.size && found === null;
  const { size: nodeStates, computed: nodeSteps, audited } = cluster.table;
  return {
    states: states.size,
    transitions,
    depth,
    complete,
    nodeStates,
    nodeSteps,
    audited,
    slotsChosen: cluster.slotsChosen,
    violation: describeViolation(cluster, states, current - 1, found),
  };
}

/** Even the way to the first state of a scope may violate something. Throws `OpeningError` where there is no such way. */
function begin(scope: Scope, options: ClusterOptions): Cluster | Violation {
  try {
    return new Cluster(scope, options);
  } catch (error) {
    if (error instanceof Violation) return error;
    throw error;
  }
}

function stillborn({ property, message }: Violation): Exploration {
  const trace = ['on the way to the first state of the scope', `=> ${message}`];
  return {
    states: 0,
    transitions: 0,
    depth: 0,
    complete: false,
    nodeStates: 0,
    nodeSteps: 0,
    audited: 0,
    slotsChosen: 0,
    violation: { property, message, trace },
  };
}

/** The way to the violation, step by step. */
function describeViolation(
  cluster: Cluster,
  states: StateSet,
  last: number,
  found: Found | null,
): Exploration['violation'] {
  if (found === null) return null;
  const path: number[] = [];
  for (let at = last; at !== 0; at = states.parent(at)) path.push(at);
  path.push(0);
  path.reverse();
  const words = new Uint32Array(cluster.width);
  const after = new Uint32Array(cluster.width);
  const trace: string[] = [];
  for (const [index, at] of path.entries()) {
    states.read(at, words);
    const next = path[index + 1];
    let taken: readonly [number, Code] = [found.node, found.code];
    if (next !== undefined) {
      states.read(next, after);
      cluster.visit(words, (node, code, broken) => {
        if (broken === null && cluster.next.every((word, i) => word === after[i])) taken = [node, code];
      });
    }
    const [first, ...rest] = tell(cluster, words, ...taken);
    trace.push(`${`${index + 1}.`.padEnd(4)}${first}`, ...rest.map((line) => `      ${line}`));
  }
  const { property, message } = found.violation;
  trace.push(`=> ${message}`);
  return { property, message, trace };
}
