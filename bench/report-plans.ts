/** The canonical set: what a report measures. */

import { tmpdir } from 'node:os';
import type { ClusterSettings } from './cluster-run.js';
import type { KeyValueSettings } from './kv-run.js';
import type { RecoverySettings } from './recovery-run.js';

/** A cluster under load. */
export interface ClusterPlan {
  readonly kind: 'cluster';
  readonly name: string;
  readonly settings: ClusterSettings;
  readonly event?: 'kill-primary' | 'pause-secondary';
}

/** The key-value service with so many keys. */
export interface StatePlan {
  readonly kind: 'state';
  readonly name: string;
  readonly keys: number;
  readonly settings: KeyValueSettings;
}

/** A replica that recovers a log of so many bytes. */
export interface LogPlan {
  readonly kind: 'log';
  readonly name: string;
  readonly settings: RecoverySettings;
}

export type Plan = ClusterPlan | StatePlan | LogPlan;

const base: ClusterSettings = {
  storage: 'pmem',
  transport: 'auto',
  engine: 'worker',
  replicas: 3,
  load: 'embedded',
  clients: 1,
  size: 64,
  outstanding: 10_000,
  batch: 0,
  rate: 0,
  form: 'packed',
  log: 'trim',
  semiSpace: 0,
  dir: '',
};

function cluster(name: string, more: Partial<ClusterSettings>, event?: ClusterPlan['event']): ClusterPlan {
  const settings = { ...base, ...more };
  const dir = settings.storage === 'pmem' ? '/dev/shm' : tmpdir();
  return {
    kind: 'cluster',
    name,
    settings: { ...settings, dir },
    ...(event === undefined ? {} : { event }),
  };
}

function state(keys: number, requests: number, runs: number): StatePlan {
  const settings = { storage: 'pmem', size: 3, clients: 50, pipeline: 64, requests, runs };
  return { kind: 'state', name: `keys ${keys}`, keys, settings };
}

/** Commands of 1 KiB: with smaller ones the time is that of the state machine. */
function log(gigabytes: number, runs: number): LogPlan {
  const settings = { storage: 'file', gigabytes, size: 1024, runs, dir: '' };
  return { kind: 'log', name: `log ${gigabytes} file`, settings };
}

/** A smoke test. */
export function quickPlans(): readonly Plan[] {
  return [
    cluster('size 64 pmem', { outstanding: 500 }),
    cluster('size 64 file', { storage: 'file', batch: 100 }),
    state(100, 1000, 1),
    log(0.01, 1),
  ];
}

export function canonicalPlans(runs: number): readonly Plan[] {
  const plans: Plan[] = [];
  for (const storage of ['pmem', 'uring', 'file']) {
    for (const size of [16, 64, 256, 1024, 4096, 16_384, 65_536]) {
      const outstanding = Math.max(16, Math.min(10_000, Math.floor((16 * 1024 * 1024) / size)));
      plans.push(
        cluster(`size ${size} ${storage}`, { storage, size, outstanding, batch: Math.min(500, outstanding) }),
      );
    }
  }
  for (const outstanding of [1, 10, 100, 1000, 10_000])
    plans.push(cluster(`outstanding ${outstanding} pmem`, { outstanding }));
  for (const replicas of [1, 3, 5, 7])
    plans.push(cluster(`replicas ${replicas} pmem`, { replicas, batch: 500 }));
  plans.push(cluster('one by one, inline', { outstanding: 1, engine: 'inline' }));
  for (const storage of ['pmem', 'uring', 'file']) {
    if (storage !== 'pmem') plans.push(cluster(`a promise each, ${storage}`, { storage }));
    plans.push(cluster(`a promise each, ${storage}, semi-space 64`, { storage, semiSpace: 64 }));
    plans.push(cluster(`batches of 1000, ${storage}`, { storage, batch: 1000 }));
    plans.push(cluster(`network, a promise each, ${storage}`, { storage, load: 'network', semiSpace: 64 }));
    plans.push(cluster(`network, batches of 500, ${storage}`, { storage, load: 'network', batch: 500 }));
  }
  plans.push(cluster('one secondary paused', { batch: 500 }, 'pause-secondary'));
  plans.push(
    cluster('primary killed', { load: 'network', clients: 1, batch: 100, outstanding: 1000 }, 'kill-primary'),
  );
  for (const keys of [1000, 10_000, 100_000, 1_000_000, 10_000_000])
    plans.push(state(keys, 1_000_000, Math.min(3, runs)));
  for (const gigabytes of [1, 2, 5, 10, 20])
    plans.push(log(gigabytes, gigabytes <= 5 ? Math.min(3, runs) : 1));
  return plans;
}
