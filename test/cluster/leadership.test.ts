/**
 * Aim: who leads can be changed under load, and no command fails of it; a primary that stands still is replaced in time.
 * Method: three processes, callers on each of them all the while.
 */

import { afterEach, describe, expect, it } from 'vitest';
import { disposeEmbedded, EmbeddedCluster, type EmbeddedReplica, type Load } from './support/embedded.js';
import { kinds } from './support/kinds.js';

const FILE = kinds.find(({ name }) => name === 'file') ?? kinds[0]!;
const ELECTION_TIMEOUT_MS = 1000;

afterEach(disposeEmbedded);

function start(): Promise<EmbeddedCluster> {
  return EmbeddedCluster.start(FILE, { electionTimeoutMs: ELECTION_TIMEOUT_MS, heartbeatMs: 100 });
}

async function stopLoad(cluster: EmbeddedCluster): Promise<Load[]> {
  const loads = await Promise.all(cluster.replicas.map((replica) => replica.call<Load>('stopLoad')));
  return loads;
}

async function untilPrimary(replica: EmbeddedReplica): Promise<void> {
  const end = performance.now() + 20_000;
  while ((await replica.status()).primary !== replica.options.replica)
    if (performance.now() > end) throw new Error(`${replica.options.replica} does not lead`);
}

describe('the primaryship', () => {
  it('is handed over under load, again and again, and no command fails', async () => {
    const cluster = await start();
    await cluster.untilReady();
    for (const replica of cluster.replicas) await replica.call('startLoad', { lanes: 4, bytes: 64 });
    const leaders: string[] = [];
    for (let round = 0; round < 9; round += 1) {
      const { primary, secondaries } = await cluster.untilReady();
      const to = secondaries[round % 2]!.options.replica;
      expect(await primary.call('relinquish', { to })).toBe(to);
      leaders.push(to);
    }
    const loads = await stopLoad(cluster);
    for (const { acknowledged, failed } of loads) {
      expect(failed).toEqual([]);
      expect(acknowledged).toBeGreaterThan(0);
    }
    expect(new Set(leaders).size).toBeGreaterThan(1);
    const statuses = await cluster.untilEqual();
    expect(new Set(statuses.map(({ stateDigest }) => stateDigest)).size).toBe(1);
    const { secondaries } = await cluster.untilReady();
    await expect(secondaries[0]!.call('relinquish')).rejects.toThrow('ERR_SYNOD_NOT_PRIMARY');
  });

  it('is taken under load by whoever is promoted, which tells so and recovers', async () => {
    const cluster = await start();
    const first = await cluster.untilReady();
    for (const replica of cluster.replicas) await replica.call('startLoad', { lanes: 4, bytes: 64 });
    const [heir] = first.secondaries;
    await heir!.call('promote', { evenIfBehind: true });
    await cluster.untilReady();
    const loads = await stopLoad(cluster);
    expect(loads.flatMap(({ failed }) => failed)).toEqual([]);
    const told = await heir!.call<{ name: string; isPrimary?: boolean; isStable?: boolean }[]>('told');
    const names = told.map(({ name }) => name);
    expect(names.indexOf('recovered')).toBeGreaterThan(names.indexOf('primary'));
    expect(told.at(-1)).toEqual({ name: 'status', isPrimary: true, isStable: true });
    const before = await first.primary.call<{ name: string; isPrimary?: boolean }[]>('told');
    expect(before.filter(({ name }) => name === 'status').at(-1)).toMatchObject({ isPrimary: false });
  });

  it('goes to the member of the highest priority', async () => {
    const cluster = await start();
    const { secondaries } = await cluster.untilReady();
    await secondaries[1]!.call('setPriority', 200);
    await untilPrimary(secondaries[1]!);
  });

  it('goes to another one within two election timeouts where the primary stands still', async () => {
    const cluster = await start();
    const { primary, secondaries } = await cluster.untilReady();
    const began = performance.now();
    primary.signal('SIGSTOP');
    const id = primary.options.replica;
    for (;;) {
      const { role } = await secondaries[0]!.status();
      const other = await secondaries[1]!.status();
      if (role === 'primary' || other.role === 'primary') break;
      expect(performance.now() - began).toBeLessThan(20_000);
    }
    const tookMs = performance.now() - began;
    primary.signal('SIGCONT');
    expect(tookMs).toBeLessThan(2 * ELECTION_TIMEOUT_MS);
    const after = await cluster.untilReady();
    expect(after.primary.options.replica).not.toBe(id);
  });
});
