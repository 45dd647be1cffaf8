/** What operators do to a running cluster: primaries told to hand over, others told to lead, members taken out and in again. */

import { setTimeout as delay } from 'node:timers/promises';
import type { TortureCluster } from '../cluster.js';
import type { ReplicaProcess } from '../replica-process.js';
import { type Fault, type FaultKind, pickFree } from './fault.js';

const ASK_MS_MAX = 5000;
const CHANGE_MS_MAX = 30_000;

const noObstacle = (): null => null;

/** Whatever it answers: that it cannot now is an answer too, and so is none. */
async function tell(replica: ReplicaProcess, ...words: readonly string[]): Promise<void> {
  await replica.ask(ASK_MS_MAX, 'SYNOD', ...words).catch(() => {});
}

function told(replica: ReplicaProcess, kind: string, ...words: readonly string[]): Fault {
  return { kind, text: `${kind} ${replica.id}`, inject: () => tell(replica, ...words), heal: async () => {} };
}

const promotion: FaultKind = {
  kind: 'promote',
  weight: 4,
  holdMs: [0, 500],
  obstacle: noObstacle,
  async draw(cluster, random) {
    const id = pickFree(cluster, random);
    const replica = cluster.replicas.find((each) => each.id === id);
    return replica === undefined ? null : told(replica, 'promote', 'PROMOTE');
  },
};

const handOver: FaultKind = {
  kind: 'hand-over',
  weight: 4,
  holdMs: [0, 500],
  obstacle: noObstacle,
  async draw(cluster) {
    const primary = await cluster.primary();
    return primary === null ? null : told(primary, 'hand-over', 'RELINQUISH');
  },
};

/** Ids of the member set in force, as the replica knows it; null where it does not answer. */
async function membersOf(replica: ReplicaProcess): Promise<readonly string[] | null> {
  try {
    const reply = (await replica.ask(ASK_MS_MAX, 'SYNOD', 'MEMBERS')) as string;
    return (JSON.parse(reply) as { members: readonly { id: string }[] }).members.map(({ id }) => id);
  } catch {
    return null;
  }
}

/** Asks whoever leads, again and again: until all that are members know that `id` is one, or none. */
async function change(cluster: TortureCluster, id: string, isMember: boolean): Promise<void> {
  const { network } = cluster;
  const end = performance.now() + CHANGE_MS_MAX;
  while (performance.now() < end) {
    const others = cluster.replicas.filter((replica) => isMember || replica.id !== id);
    const sets = await Promise.all(others.map(membersOf));
    if (sets.every((set) => set?.includes(id) === isMember)) return;
    const primary = await cluster.primary();
    if (primary !== null) {
      if (isMember) await tell(primary, 'MEMBER', 'ADD', id, network.addressOf(primary.id, id));
      else await tell(primary, 'MEMBER', 'REMOVE', id);
    }
    await delay(100);
  }
  throw new Error(
    `"${id}" is ${isMember ? 'no' : 'still a'} member ${CHANGE_MS_MAX} ms after that was asked for`,
  );
}

/** A member of the set, the primary perhaps, is out for a while. Nothing else is wrong meanwhile: fewer hold what was chosen. */
const leave: FaultKind = {
  kind: 'leave',
  weight: 4,
  holdMs: [100, 5000],
  exclusive: true,
  obstacle: ({ network }) =>
    network.kind === 'netns' ? null : 'behind proxies a replica has another address for each of the others',
  async draw(cluster, random) {
    const id = pickFree(cluster, random);
    if (id === null) return null;
    return {
      kind: 'leave',
      text: `leave ${id}`,
      inject: () => change(cluster, id, false),
      heal: () => change(cluster, id, true),
    };
  },
};

export const memberFaults: readonly FaultKind[] = [promotion, handOver, leave];
