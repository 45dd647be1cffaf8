/** What a fault is: drawn from the seed, injected, healed after a while. */

import type { Random } from '../../cluster/support/random.js';
import type { TortureCluster } from '../cluster.js';

export interface Fault {
  readonly kind: string;
  /** What exactly, for people: `kill b`. */
  readonly text: string;
  inject(): Promise<void>;
  /** Undoes it, and resolves when what it hurt is on its way again. */
  heal(): Promise<void>;
}

export interface FaultKind {
  readonly kind: string;
  /** How often it is drawn, against the others. */
  readonly weight: number;
  /** Between injection and healing. */
  readonly holdMs: readonly [number, number];
  /** Nothing else may be wrong meanwhile: what is promised depends on it (docs/limits.md). */
  readonly exclusive?: boolean;
  /** Why it cannot be had with this cluster, or null. */
  obstacle(cluster: TortureCluster): string | null;
  /** Null where there is nobody that it could be done to now. */
  draw(cluster: TortureCluster, random: Random): Promise<Fault | null>;
}

/** One that no other fault is at work on, or null. */
export function pickFree(cluster: TortureCluster, random: Random): string | null {
  const free = cluster.replicas.filter(({ id }) => !cluster.busy.has(id));
  return free.length === 0 ? null : random.pick(free).id;
}

/** In an order that the seed decides. */
export function shuffled<Item>(items: readonly Item[], random: Random): Item[] {
  const rest = [...items];
  const order: Item[] = [];
  while (rest.length > 0) order.push(rest.splice(random.below(rest.length), 1)[0]!);
  return order;
}

/** As a fraction of a span whose ends lie powers apart: small ones as often as great ones. */
export function drawLogarithmic(min: number, max: number, random: Random): number {
  return min * (max / min) ** random.next();
}
