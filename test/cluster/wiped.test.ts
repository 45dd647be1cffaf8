/**
 * Aim: a replica that lost its disk, or whose disk was set back to an older copy, is not the replica it was: it does not
 * vote on what it once knew (docs/protocol.md, rule 8). A wiped one is let in again as a new member; a set-back one is
 * refused, with the reason in the log.
 */

import { cp, rm } from 'node:fs/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { disposeAll, TestCluster, type TestReplica } from './support/cluster.js';
import { RespClient } from './support/resp-client.js';

const SILENCE_MS = 2000;

afterEach(disposeAll);

async function fill(replica: TestReplica, prefix: string, count = 300): Promise<void> {
  const client = await RespClient.connect(replica.kvPort);
  await Promise.all(
    Array.from({ length: count }, (_, index) =>
      client.send('SET', `${prefix}:${index}`, `${prefix}${index}`),
    ),
  );
  client.close();
}

async function expectFilled(replica: TestReplica, prefix: string, count = 300): Promise<void> {
  const keys = Array.from({ length: count }, (_, index) => `${prefix}:${index}`);
  expect(await replica.ask('MGET', ...keys)).toEqual(keys.map((_, index) => `${prefix}${index}`));
}

/** The two that are not `id`. */
const others = (cluster: TestCluster, id: string): TestReplica[] =>
  cluster.replicas.filter((replica) => replica.id !== id);

const configurationsOf = async (cluster: TestCluster): Promise<number[]> =>
  (await cluster.statuses()).map(({ configuration }) => configuration);

describe('a replica whose data directory was deleted', () => {
  it.each(['a', 'b', 'c'])('is let in again as a new member: %s', async (id) => {
    const cluster = await TestCluster.start();
    const wiped = cluster.get(id);
    await fill(wiped, 'before');
    await wiped.kill();
    await cluster.untilReady();
    await rm(wiped.dataDir, { recursive: true });
    await wiped.start();
    await cluster.until('configuration 2 on all', async () =>
      (await configurationsOf(cluster)).every((number) => number === 2),
    );
    await cluster.untilReady();
    const statuses = await cluster.untilEqual();
    expect(new Set(statuses.map(({ stateDigest }) => stateDigest)).size).toBe(1);
    await expectFilled(wiped, 'before');

    // It counts again: with one of the others gone, the two left are a majority.
    const [victim, partner] = others(cluster, id) as [TestReplica, TestReplica];
    await victim.kill();
    await cluster.untilReady();
    await fill(wiped, 'after');
    await expectFilled(partner, 'after');
    await expectFilled(partner, 'before');
    await victim.start();
    await cluster.untilReady();
    const all = await cluster.untilEqual();
    expect(new Set(all.map(({ stateDigest }) => stateDigest)).size).toBe(1);
    expect(await configurationsOf(cluster)).toEqual([2, 2, 2]);
  });

  it('does not vote before that, not even where its vote would make a majority', async () => {
    const cluster = await TestCluster.start();
    const [a, b, c] = cluster.replicas as [TestReplica, TestReplica, TestReplica];
    await fill(a, 'before');
    await Promise.all([b.kill(), c.kill()]);
    await rm(c.dataDir, { recursive: true });
    await c.start();
    const client = await RespClient.connect(a.kvPort);
    let answered = false;
    const write = client.send('SET', 'during', '1').then(
      () => {
        answered = true;
      },
      () => {},
    );
    await new Promise((resolve) => setTimeout(resolve, SILENCE_MS));
    expect(answered, 'one member and a stranger are no majority').toBe(false);
    for (const status of await cluster.statuses()) expect(status.primary).toBe(null);
    expect((await c.status()).role).not.toBe('primary');

    await b.start();
    await cluster.until('the stranger is let in', async () =>
      (await configurationsOf(cluster)).every((number) => number === 2),
    );
    await write;
    client.close();
    await expectFilled(c, 'before');
    const statuses = await cluster.untilEqual();
    expect(new Set(statuses.map(({ stateDigest }) => stateDigest)).size).toBe(1);
  });

  it('is let in again and again', async () => {
    const cluster = await TestCluster.start();
    for (const [round, id] of ['c', 'a', 'b', 'c'].entries()) {
      await fill(cluster.get('a'), `round${round}`, 50);
      const wiped = cluster.get(id);
      await wiped.kill();
      await rm(wiped.dataDir, { recursive: true });
      await cluster.untilReady();
      await wiped.start();
      await cluster.until(`configuration ${round + 2} on all`, async () =>
        (await configurationsOf(cluster)).every((number) => number === round + 2),
      );
      await cluster.untilReady();
    }
    // Nobody has its first disk any more; everything is still there.
    for (let round = 0; round < 4; round += 1) await expectFilled(cluster.get('b'), `round${round}`, 50);
  });
});

describe('a replica whose data directory was set back to an older copy', () => {
  /** Makes a copy, lets the replica acknowledge more, puts the copy back, and starts it. */
  async function setBack(
    cluster: TestCluster,
    replica: TestReplica,
    copyWhile: 'stopped' | 'killed' | 'running',
  ): Promise<void> {
    const copy = `${replica.dataDir}.copy`;
    const partner = others(cluster, replica.id)[0]!;
    await fill(partner, 'before');
    await cluster.untilEqual();
    if (copyWhile === 'stopped') await replica.kill('SIGTERM');
    if (copyWhile === 'killed') await replica.kill();
    await cp(replica.dataDir, copy, { recursive: true });
    if (!replica.isAlive) await replica.start();
    await cluster.untilReady();
    await fill(partner, 'after');
    await cluster.untilEqual();
    await replica.kill();
    await rm(replica.dataDir, { recursive: true });
    await cp(copy, replica.dataDir, { recursive: true });
    await replica.start(false);
  }

  async function expectRefused(cluster: TestCluster, old: TestReplica): Promise<void> {
    await cluster.until('it is refused, and ends', () => !old.isAlive, 15_000);
    expect(old.log).toMatch(/refused by peer.*was set back/);
    expect(old.log).toMatch(/replica fenced.*ERR_SYNOD_REFUSED|ERR_SYNOD_REFUSED.*replica fenced/);
    const reasons = others(cluster, old.id).map((peer) => /peer refused.*was set back/.test(peer.log));
    expect(reasons, 'a peer says why').toContain(true);
    // The others go on, and lose nothing.
    await cluster.untilReady();
    const [first, second] = others(cluster, old.id) as [TestReplica, TestReplica];
    await fill(first, 'later');
    await expectFilled(second, 'after');

    // What helps is to give it up: wiped, it comes back as a new member.
    await rm(old.dataDir, { recursive: true });
    await old.start();
    await cluster.until('it is let in again', async () =>
      (await configurationsOf(cluster)).every((number) => number === 2),
    );
    await expectFilled(old, 'later');
  }

  it.each([
    ['a', 'stopped'],
    ['b', 'killed'],
    ['c', 'stopped'],
    ['c', 'killed'],
  ] as const)('is refused, with the reason in the log: %s, copied while %s', async (id, copyWhile) => {
    const cluster = await TestCluster.start();
    await setBack(cluster, cluster.get(id), copyWhile);
    await expectRefused(cluster, cluster.get(id));
  });

  it('is refused by a primary that it acknowledged more to, also where it was not opened in between', async () => {
    const cluster = await TestCluster.start();
    const primary = await cluster.untilReady();
    const old = others(cluster, primary.id)[0]!;
    await setBack(cluster, old, 'running');
    await expectRefused(cluster, old);
  });

  it('is not suspected when it was only killed and started again, many times', async () => {
    const cluster = await TestCluster.start();
    for (let round = 0; round < 3; round += 1) {
      for (const replica of cluster.replicas) {
        await fill(cluster.get('a'), `round${round}`, 20);
        await replica.kill();
        await replica.start();
        await cluster.untilReady();
      }
    }
    for (const replica of cluster.replicas) expect(replica.logs).not.toMatch(/refused/);
    expect(await configurationsOf(cluster)).toEqual([1, 1, 1]);
  });
});
