/**
 * Aim: the storage kind is one line of the configuration: a data directory written by one kind opens with any other, and
 * has what it had. Method: one cluster goes through the kinds in turn, all replicas at once and then one by one, so that
 * kinds are mixed in between; what was written under each kind is read under all that follow.
 */

import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { disposeAll, TestCluster, type TestReplica } from './support/cluster.js';
import { type Kind, kinds } from './support/kinds.js';
import { Random, runSeed } from './support/random.js';
import { Workload } from './support/workload.js';

const SEGMENT_BYTES = 1024 * 1024;

afterEach(disposeAll);

/** Every kind follows every other one. */
function tour(): Kind[] {
  const [file, ...others] = kinds;
  const stops = [file!, ...others.flatMap((kind) => [kind, file!])];
  if (others.length > 1) stops.push(others[1]!, others[0]!, others[1]!, file!);
  return stops;
}

async function reopen(replica: TestReplica, kind: Kind): Promise<void> {
  if (replica.isAlive) await replica.kill('SIGTERM');
  replica.config.storage = { segmentBytes: SEGMENT_BYTES, ...kind.storage };
  await replica.start();
}

describe('the storage kind is changed', () => {
  it('for all replicas at once, through every kind', async () => {
    // On /dev/shm where there is one: pmem's mapping of ordinary files is for tests, and faster there.
    const root = existsSync('/dev/shm') ? { root: '/dev/shm' } : {};
    const cluster = await TestCluster.start({
      storage: { segmentBytes: SEGMENT_BYTES, kind: 'file' },
      ...root,
    });
    const workload = new Workload(cluster, new Random(runSeed), { valueBytesMax: 4000 });
    const seen: string[] = [];
    for (const kind of tour()) {
      await Promise.all(cluster.replicas.map((replica) => reopen(replica, kind)));
      await cluster.untilReady();
      seen.push(...new Set((await cluster.statuses()).map(({ storage }) => storage.kind)));
      const [before] = await cluster.untilEqual();
      expect(await workload.check(cluster.replicas[0]!), kind.name).toEqual([]);
      workload.start();
      const target = workload.acknowledged + 500;
      await cluster.until('writes', () => workload.acknowledged >= target);
      await workload.stop();
      const statuses = await cluster.untilEqual();
      expect(new Set(statuses.map(({ stateDigest }) => stateDigest)).size).toBe(1);
      expect(statuses[0]!.stateDigest).not.toBe(before!.stateDigest);
    }
    expect(seen).toEqual(tour().map((kind) => kind.storage.kind));
  });

  it('replica by replica, so that kinds are mixed, with a digest that stays', async () => {
    const root = existsSync('/dev/shm') ? { root: '/dev/shm' } : {};
    const cluster = await TestCluster.start({
      storage: { segmentBytes: SEGMENT_BYTES, kind: 'file' },
      ...root,
    });
    const workload = new Workload(cluster, new Random(runSeed + 1));
    workload.start();
    await cluster.until('writes', () => workload.acknowledged >= 500);
    await workload.stop();
    const { stateDigest } = (await cluster.untilEqual())[0]!;
    for (const kind of [...kinds].reverse()) {
      for (const replica of cluster.replicas) {
        await reopen(replica, kind);
        await cluster.untilReady();
        expect((await replica.status()).storage.kind).toBe(kind.storage.kind);
      }
      const statuses = await cluster.untilEqual();
      for (const status of statuses) expect(status.stateDigest).toBe(stateDigest);
    }
    expect(await workload.check(cluster.replicas[1]!)).toEqual([]);
  });
});
