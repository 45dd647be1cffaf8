/** What must be true at a quiet point, when nothing is wrong and no client asks. Each check yields what it found. */

import type { Status } from '../cluster/support/cluster.js';
import { keyValueModel } from '../history/kv-model.js';
import { checkLinearizability } from '../history/linearizability.js';
import { serialKeys } from './clients.js';
import type { TortureCluster } from './cluster.js';
import { type History, type Recorded, serialOf } from './history.js';
import type { ReplicaProcess } from './replica-process.js';

export type CheckName =
  | 'fault-effect'
  | 'recovery'
  | 'convergence'
  | 'state-digest'
  | 'linearizability'
  | 'serials'
  | 'replies'
  | 'durability'
  | 'logs-and-ends'
  | 'memory'
  | 'descriptors';

export const checkNames: readonly CheckName[] = [
  'fault-effect',
  'recovery',
  'convergence',
  'state-digest',
  'linearizability',
  'serials',
  'replies',
  'durability',
  'logs-and-ends',
  'memory',
  'descriptors',
];

export interface Finding {
  readonly check: CheckName;
  readonly text: string;
}

const READ_MS_MAX = 20_000;
const KEYS_PER_READ = 200;
/** Of the search for an order, for one quiet point. */
const VISITED_MAX = 20_000_000;
const TEXT_MAX = 4000;

export function checkDigests(statuses: readonly Status[]): Finding[] {
  const digests = new Set(statuses.map(({ applied, stateDigest }) => `${applied} ${stateDigest}`));
  if (digests.size === 1) return [];
  const text = statuses.map(({ replica, applied, stateDigest }) => `${replica} ${applied} ${stateDigest}`);
  return [{ check: 'state-digest', text: `states differ: ${text.join(', ')}` }];
}

async function readAll(
  replica: ReplicaProcess,
  keys: readonly string[],
): Promise<Map<string, string | null>> {
  const values = new Map<string, string | null>();
  for (let from = 0; from < keys.length; from += KEYS_PER_READ) {
    const some = keys.slice(from, from + KEYS_PER_READ);
    const reply = (await replica.ask(READ_MS_MAX, 'MGET', ...some)) as (string | null)[];
    some.forEach((key, index) => {
      values.set(key, reply[index] ?? null);
    });
  }
  return values;
}

/** What windows left behind, kept until the end of the cluster: written once, and never changed again. */
export class Ledger {
  /** Null: nothing is there. */
  readonly #values: Map<string, string | null> = new Map();
  /** Keys with an operation of unknown outcome, which may happen later. */
  readonly #uncertain = new Set<string>();

  get size(): number {
    return this.#values.size;
  }

  keep(values: ReadonlyMap<string, string | null>, operations: readonly Recorded[]): void {
    for (const { input, output } of operations)
      if (output === undefined) for (const key of keyValueModel.keysOf(input) ?? []) this.#uncertain.add(key);
    for (const [key, value] of values) this.#values.set(key, value);
  }

  compare(values: ReadonlyMap<string, string | null>): Finding[] {
    return [...this.#values]
      .filter(([key, value]) => !this.#uncertain.has(key) && values.get(key) !== value)
      .slice(0, 10)
      .map(([key, value]) => ({
        check: 'durability' as const,
        text: `${key} was ${value} at an earlier quiet point and is ${values.get(key)}`,
      }));
  }

  async check(replica: ReplicaProcess): Promise<Finding[]> {
    return this.compare(await readAll(replica, [...this.#values.keys()]));
  }
}

/** Reads everything of the windows through `replica`, and judges the history with it. Forgets it then. */
export async function checkHistory(
  history: History,
  replica: ReplicaProcess,
  ledger: Ledger,
): Promise<Finding[]> {
  const operations = history.operations.splice(0);
  const keys = [...new Set(operations.flatMap(({ input }) => keyValueModel.keysOf(input) ?? []))];
  const calledAt = performance.now();
  const values = await readAll(replica, keys);
  const returnedAt = performance.now();
  // What is there now is part of the history: so nothing that was acknowledged is missing.
  const reads = [...values].map(
    ([key, output]): Recorded => ({ client: -1, input: ['GET', key], output, calledAt, returnedAt }),
  );
  const found = judge([...operations, ...reads]);
  ledger.keep(values, operations);

  const serials = await readAll(replica, serialKeys);
  const current = new Map([...serials].map(([key, value]) => [key, serialOf(value)]));
  for (const { rule, key, text } of history.serials.settle(current, performance.now()))
    found.push({ check: 'serials', text: `${rule} of ${key}: ${text}` });
  for (const text of history.staleReads.splice(0)) found.push({ check: 'serials', text });
  for (const text of history.oddReplies.splice(0)) found.push({ check: 'replies', text });
  return found;
}

export function judge(operations: readonly Recorded[]): Finding[] {
  const verdict = checkLinearizability(keyValueModel, operations, { visitedMax: VISITED_MAX });
  switch (verdict.kind) {
    case 'linearizable':
      return [];
    case 'violation':
      return [{ check: 'linearizability', text: verdict.text.slice(0, TEXT_MAX) }];
    case 'undecided':
      return [
        {
          check: 'linearizability',
          text: `undecided after ${verdict.visited} steps: ${verdict.keys.join(', ')}`,
        },
      ];
  }
}

/** What replicas said, and how they ended, as far as no fault since the last quiet point explains it. */
export function checkLogs(replicas: readonly ReplicaProcess[]): Finding[] {
  return replicas.flatMap((replica) => {
    const found = replica.findings
      .splice(0)
      .filter(({ excuse }) => excuse === null || !replica.excused.has(excuse));
    replica.excused.clear();
    return found.map(({ text }) => ({
      check: 'logs-and-ends' as const,
      text: `${replica.id}: ${text.slice(0, TEXT_MAX)}`,
    }));
  });
}

export interface UsageMaxima {
  residentBytes: number;
  descriptors: number;
}

/** Notes how much the processes hold, and finds those that hold more than the bounds. */
export function checkUsage(cluster: TortureCluster, maxima: UsageMaxima, bounds: UsageMaxima): Finding[] {
  const found: Finding[] = [];
  for (const replica of cluster.replicas) {
    const usage = replica.usage();
    if (usage === null) continue;
    maxima.residentBytes = Math.max(maxima.residentBytes, usage.residentBytes);
    maxima.descriptors = Math.max(maxima.descriptors, usage.descriptors);
    const mebibytes = Math.round(usage.residentBytes / 1024 / 1024);
    if (usage.residentBytes > bounds.residentBytes)
      found.push({ check: 'memory', text: `${replica.id} holds ${mebibytes} MiB` });
    if (usage.descriptors > bounds.descriptors)
      found.push({ check: 'descriptors', text: `${replica.id} has ${usage.descriptors} file descriptors` });
  }
  return found;
}
