/** Faults of processes: ended in several ways, stopped for a while, started again, also with other settings. */

import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '../../cluster/support/random.js';
import { configure, describeSetting, drawSetting, type TortureCluster } from '../cluster.js';
import { drawLogarithmic, type Fault, type FaultKind, pickFree, shuffled } from './fault.js';

const noObstacle = (): null => null;

/** Takes replicas for a fault from injection to healing. */
function onReplicas(
  cluster: TortureCluster,
  kind: string,
  ids: readonly string[],
  inject: (ids: readonly string[]) => Promise<unknown>,
  heal: (ids: readonly string[]) => Promise<unknown>,
): Fault {
  return {
    kind,
    text: `${kind} ${ids.join(' ')}`,
    async inject() {
      for (const id of ids) cluster.busy.add(id);
      await inject(ids);
    },
    async heal() {
      await heal(ids);
      for (const id of ids) cluster.busy.delete(id);
    },
  };
}

function ended(
  cluster: TortureCluster,
  kind: string,
  ids: readonly string[],
  signal: 'SIGKILL' | 'SIGTERM',
): Fault {
  const chosen = cluster.replicas.filter(({ id }) => ids.includes(id));
  return onReplicas(
    cluster,
    kind,
    ids,
    () => Promise.all(chosen.map((replica) => replica.end(signal))),
    async () => {
      for (const replica of chosen) if (replica.state === 'ended') replica.start();
    },
  );
}

async function one(
  cluster: TortureCluster,
  random: Random,
  make: (id: string) => Fault,
): Promise<Fault | null> {
  const id = pickFree(cluster, random);
  return id === null ? null : make(id);
}

/** As many as asked for, or null where others are busy. */
function several(cluster: TortureCluster, random: Random, count: number): readonly string[] | null {
  const free = shuffled(
    cluster.replicas.filter(({ id }) => !cluster.busy.has(id)),
    random,
  );
  return free.length < count ? null : free.slice(0, count).map(({ id }) => id);
}

const kill: FaultKind = {
  kind: 'kill',
  weight: 5,
  holdMs: [50, 6000],
  obstacle: noObstacle,
  draw: (cluster, random) => one(cluster, random, (id) => ended(cluster, 'kill', [id], 'SIGKILL')),
};

const killPrimary: FaultKind = {
  kind: 'kill-primary',
  weight: 5,
  holdMs: [50, 6000],
  obstacle: noObstacle,
  async draw(cluster) {
    const primary = await cluster.primary();
    return primary === null ? null : ended(cluster, 'kill-primary', [primary.id], 'SIGKILL');
  },
};

const killMajority: FaultKind = {
  kind: 'kill-majority',
  weight: 3,
  holdMs: [50, 4000],
  obstacle: noObstacle,
  async draw(cluster, random) {
    const ids = several(cluster, random, cluster.majority);
    return ids === null ? null : ended(cluster, 'kill-majority', ids, 'SIGKILL');
  },
};

const killAll: FaultKind = {
  kind: 'kill-all',
  weight: 3,
  holdMs: [0, 3000],
  obstacle: noObstacle,
  async draw(cluster, random) {
    const ids = several(cluster, random, cluster.replicas.length);
    return ids === null ? null : ended(cluster, 'kill-all', ids, 'SIGKILL');
  },
};

const stop: FaultKind = {
  kind: 'stop',
  weight: 3,
  holdMs: [0, 5000],
  obstacle: noObstacle,
  draw: (cluster, random) => one(cluster, random, (id) => ended(cluster, 'stop', [id], 'SIGTERM')),
};

/** Killed again and again, also before it serves. */
const crashLoop: FaultKind = {
  kind: 'crash-loop',
  weight: 2,
  holdMs: [0, 500],
  obstacle: noObstacle,
  draw(cluster, random) {
    const waits = Array.from({ length: 3 + random.below(4) }, () => drawLogarithmic(20, 2000, random));
    return one(cluster, random, (id) => {
      const replica = cluster.replicas.find((each) => each.id === id)!;
      return onReplicas(
        cluster,
        'crash-loop',
        [id],
        async () => {
          for (const wait of waits) {
            await replica.end('SIGKILL');
            replica.start();
            await delay(wait);
          }
          await replica.end('SIGKILL');
        },
        async () => replica.start(),
      );
    });
  },
};

/** Stands still, and finds its clock advanced. */
const pause: FaultKind = {
  kind: 'pause',
  weight: 4,
  holdMs: [0, 0],
  obstacle: noObstacle,
  async draw(cluster, random) {
    // One, or as many as there are free: a majority that stands still too.
    const ids = several(
      cluster,
      random,
      random.below(4) === 0 ? 1 + random.below(cluster.replicas.length) : 1,
    );
    const holdMs = drawLogarithmic(10, 20_000, random);
    if (ids === null) return null;
    const chosen = cluster.replicas.filter(({ id }) => ids.includes(id));
    const fault = onReplicas(
      cluster,
      'pause',
      ids,
      async () => {
        for (const replica of chosen) replica.pause();
        await delay(holdMs);
      },
      async () => {
        for (const replica of chosen) replica.resume();
      },
    );
    return { ...fault, text: `${fault.text} for ${Math.round(holdMs)} ms` };
  },
};

/** Opened again by another kind of storage, over another kind of transport: the log is the same. */
const otherSettings: FaultKind = {
  kind: 'other-settings',
  weight: 3,
  holdMs: [0, 2000],
  obstacle: ({ setting }) =>
    new Set(setting.choices.storages).size > 1 ? null : 'there is one kind of storage only in this run',
  async draw(cluster, random) {
    const id = pickFree(cluster, random);
    const setting = drawSetting(cluster.setting.choices, random);
    const signal = random.pick(['SIGKILL', 'SIGTERM'] as const);
    if (id === null) return null;
    const replica = cluster.replicas.find((each) => each.id === id)!;
    const fault = onReplicas(
      cluster,
      'other-settings',
      [id],
      () => replica.end(signal),
      async () => {
        configure(replica, setting, cluster.setting);
        replica.start();
      },
    );
    return { ...fault, text: `${fault.text}: ${describeSetting(setting)} (${signal})` };
  },
};

export const processFaults: readonly FaultKind[] = [
  kill,
  killPrimary,
  killMajority,
  killAll,
  stop,
  crashLoop,
  pause,
  otherSettings,
];
