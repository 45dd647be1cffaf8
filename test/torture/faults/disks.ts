/**
 * Faults of disks: full, lost, damaged, set back. No more than one disk is lost at a time, and each is let in again before the
 * next (docs/protocol.md, rule 8).
 */

import { cpSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '../../cluster/support/random.js';
import type { TortureCluster } from '../cluster.js';
import type { ReplicaProcess } from '../replica-process.js';
import { damageKinds, damageLog } from './damage.js';
import { type Fault, type FaultKind, pickFree } from './fault.js';

/** A replica that must not serve has this long to find that out. */
const REFUSED_MS_MAX = 30_000;

/** What a data directory has in it is deleted; the directory itself may be a file system of its own. */
export function wipe(folder: string): void {
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true, force: true });
}

/** A fault of the disk of one replica that ends with a new disk. `inject` may throw: then a check was violated. */
function loss(
  cluster: TortureCluster,
  kind: string,
  replica: ReplicaProcess,
  text: string,
  inject: () => Promise<void>,
): Fault {
  return {
    kind,
    text: `${kind} ${replica.id}${text === '' ? '' : `: ${text}`}`,
    async inject() {
      cluster.busy.add(replica.id);
      cluster.diskLost = replica.id;
      for (const each of cluster.replicas) each.excused.add('refusals');
      await inject();
    },
    async heal() {
      await replica.end('SIGKILL');
      wipe(replica.dataDir);
      replica.start();
      cluster.busy.delete(replica.id);
    },
  };
}

function replicaToLose(cluster: TortureCluster, random: Random): ReplicaProcess | null {
  const id = pickFree(cluster, random);
  if (id === null || cluster.diskLost !== null) return null;
  return cluster.replicas.find((replica) => replica.id === id)!;
}

const losable = ({ replicas }: TortureCluster): string | null =>
  replicas.some(({ config }) => (config.storage as { kind: string }).kind === 'memory')
    ? 'storage memory loses its disk at every end'
    : null;

const wiped: FaultKind = {
  kind: 'wipe',
  weight: 3,
  holdMs: [0, 3000],
  obstacle: losable,
  async draw(cluster, random) {
    const replica = replicaToLose(cluster, random);
    if (replica === null) return null;
    return loss(cluster, 'wipe', replica, '', () => replica.end('SIGKILL'));
  },
};

/** Resolves once it ended by itself without ever having served; throws where it serves, or goes on. */
async function expectRefusal(replica: ReplicaProcess, reason: RegExp, what: string): Promise<void> {
  replica.excused.add('ends');
  const before = replica.said;
  replica.start();
  await replica.untilEnded(REFUSED_MS_MAX).catch((error: Error) => {
    throw new Error(`${what}: ${error.message}`);
  });
  const lines = replica.lastLines.slice(before - replica.said);
  if (!lines.some((line) => reason.test(line)))
    throw new Error(`${what}: ${replica.id} ended without ${reason}\n${lines.join('\n')}`);
}

const damaged: FaultKind = {
  kind: 'damage',
  weight: 3,
  holdMs: [0, 1000],
  obstacle: losable,
  async draw(cluster, random) {
    const replica = replicaToLose(cluster, random);
    const kind = random.pick(damageKinds);
    const signal = random.pick(['SIGKILL', 'SIGTERM'] as const);
    if (replica === null) return null;
    return loss(cluster, 'damage', replica, `${kind} (${signal})`, async () => {
      await replica.end(signal);
      const done = damageLog(join(replica.dataDir, 'log'), kind, random);
      if (done === null) return;
      await expectRefusal(replica, /ERR_SYNOD_LOG_CORRUPT/, `damage (${kind}, ${done})`);
    });
  },
};

/** The disk of an earlier time comes back. All peers must have met the later one, and be there: docs/limits.md. */
const setBack: FaultKind = {
  kind: 'set-back',
  weight: 2,
  holdMs: [0, 500],
  exclusive: true,
  obstacle: losable,
  async draw(cluster, random) {
    const replica = replicaToLose(cluster, random);
    const signal = random.pick(['SIGKILL', 'SIGTERM'] as const);
    if (replica === null) return null;
    return loss(cluster, 'set-back', replica, `copied after ${signal}`, async () => {
      const copy = `${replica.dataDir}.copy`;
      await replica.end(signal);
      rmSync(copy, { recursive: true, force: true });
      cpSync(replica.dataDir, copy, { recursive: true });
      // Word of its end comes to the peers later: asked at once, they tell of the link to the process that is gone.
      const forgotten = await untilPeersWithLink(cluster, replica, 0);
      replica.start();
      const met = forgotten && (await untilPeersWithLink(cluster, replica, cluster.replicas.length - 1));
      await replica.end('SIGKILL');
      // Peers that did not meet the later disk could not know: then it is only lost.
      if (!met) return;
      wipe(replica.dataDir);
      cpSync(copy, replica.dataDir, { recursive: true });
      await expectRefusal(replica, /ERR_SYNOD_REFUSED/, 'an older disk');
    });
  },
};

/** True once so many peers, and no more, have a link to the replica. */
async function untilPeersWithLink(
  cluster: TortureCluster,
  replica: ReplicaProcess,
  peersMet: number,
): Promise<boolean> {
  const end = performance.now() + REFUSED_MS_MAX;
  while (performance.now() < end) {
    const statuses = await cluster.statuses();
    const linked = statuses.filter(({ peers }) =>
      peers.some(({ id, connected }) => id === replica.id && connected),
    );
    if (linked.length === peersMet) return true;
    await delay(50);
  }
  return false;
}

const full: FaultKind = {
  kind: 'full-disk',
  weight: 5,
  holdMs: [2000, 8000],
  obstacle: ({ setting }) => setting.smallDisk.obstacle,
  async draw(cluster, random) {
    const { id, disk } = cluster.setting.smallDisk;
    const replica = cluster.replicas.find((each) => each.id === id);
    const left = random.below(2 * cluster.setting.segmentBytes);
    const killed = random.below(3) === 0;
    const waitMs = random.below(2000);
    if (replica === undefined || disk === null || cluster.busy.has(replica.id)) return null;
    return {
      kind: 'full-disk',
      text: `full-disk ${replica.id}: ${left} bytes left${killed ? ', and killed' : ''}`,
      async inject() {
        cluster.busy.add(replica.id);
        disk.shrink(left);
        if (!killed) return;
        await delay(waitMs);
        await replica.end('SIGKILL');
      },
      async heal() {
        disk.grow();
        if (replica.state === 'ended') replica.start();
        cluster.busy.delete(replica.id);
      },
    };
  },
};

export const diskFaults: readonly FaultKind[] = [wiped, damaged, setBack, full];
