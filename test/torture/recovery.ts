/** How long it takes until the service works again: a write through anyone, and a write through everyone. */

import { setTimeout as delay } from 'node:timers/promises';
import type { TortureCluster } from './cluster.js';
import type { ReplicaProcess } from './replica-process.js';

const TRY_MS = 1000;

export interface Recovery {
  /** Until the first replica executed a write that was asked for after the healing. */
  readonly serviceMs: number;
  /** Until every replica did. */
  readonly allMs: number;
}

/** False where it does not within the time, or ended by itself: then it will not. */
async function untilServing(replica: ReplicaProcess, end: number): Promise<boolean> {
  while (performance.now() < end && replica.state !== 'ended') {
    try {
      await replica.ask(TRY_MS, 'SET', `probe:${replica.id}`, '1');
      return true;
    } catch {
      await delay(10);
    }
  }
  return false;
}

/** Yields null where some replica does not execute a write within the time. */
export async function measureRecovery(cluster: TortureCluster, timeoutMs: number): Promise<Recovery | null> {
  const began = performance.now();
  let serviceMs = Number.POSITIVE_INFINITY;
  const served = await Promise.all(
    cluster.replicas.map(async (replica) => {
      const serves = await untilServing(replica, began + timeoutMs);
      if (serves) serviceMs = Math.min(serviceMs, performance.now() - began);
      return serves;
    }),
  );
  return served.every(Boolean) ? { serviceMs, allMs: performance.now() - began } : null;
}

export interface Distribution {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export function distribution(values: readonly number[]): Distribution {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (part: number): number => Math.round(sorted[Math.ceil(part * sorted.length) - 1] ?? 0);
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), max: Math.round(sorted.at(-1) ?? 0) };
}
