/**
 * Aim: an operator changes the members of a running cluster, and who leads it, with the command line, and no acknowledged write is
 * lost. Method: real processes under load; every command is one of `synod`'s own, with its exit code.
 */

import { afterEach, describe, expect, it } from 'vitest';
import { start } from '../cli/processes.js';
import { disposeAll, TestCluster, type TestReplica } from './support/cluster.js';
import { Random, runSeed } from './support/random.js';
import { Workload } from './support/workload.js';

afterEach(disposeAll);

interface Told {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function synod(...args: readonly string[]): Promise<Told> {
  const run = start(args);
  const { code } = await run.exit;
  return { code, stdout: run.stdout.trim(), stderr: run.stderr.trim() };
}

const at = (replica: TestReplica): string[] => ['--config', replica.configPath];
const place = ({ id, peerPort }: TestReplica): string => `${id}=127.0.0.1:${peerPort}`;

describe('the command line', () => {
  it('begins a cluster of replicas that know nobody', async () => {
    const cluster = await TestCluster.plan({ replicas: 3, storage: { kind: 'file' } });
    for (const { config, peerPort } of cluster.replicas) {
      delete config.members;
      config.listen = `127.0.0.1:${peerPort}`;
    }
    const [a, b, c] = cluster.replicas as [TestReplica, TestReplica, TestReplica];
    await Promise.all([a, b].map((replica) => replica.start()));
    expect((await b.status()).role).toBe('inactive');
    await expect(b.ask('SET', 'k', 'v')).rejects.toThrow(/ERR_SYNOD_INACTIVE/);
    const members = cluster.replicas.map(place);
    const asked = synod('bootstrap', ...members, ...at(b), '--json');
    await c.start();
    const begun = await asked;
    expect(begun).toMatchObject({ code: 0, stderr: expect.not.stringContaining('unknown') });
    expect(JSON.parse(begun.stdout)).toMatchObject({ number: 1, changed: true });
    await cluster.untilReady();
    expect(await c.ask('SET', 'k', 'v')).toBe('OK');
    expect((await synod('bootstrap', ...members, ...at(a))).stdout).toMatch(/^member set 1, as it was/);
    const other = await synod('bootstrap', place(a), place(b), ...at(a));
    expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining('ERR_SYNOD_BOOTSTRAPPED') });
    // Their disks know the cluster now: nobody has to be told again.
    await Promise.all(cluster.replicas.map((replica) => replica.kill()));
    await cluster.startAll();
    await cluster.untilReady();
    expect(await b.ask('GET', 'k')).toBe('v');
  });

  it('adds, replaces and removes members under load, and moves the primaryship', async () => {
    const cluster = await TestCluster.plan({ replicas: 5, storage: { kind: 'file' } });
    const [a, b, c, d, e] = cluster.replicas as [
      TestReplica,
      TestReplica,
      TestReplica,
      TestReplica,
      TestReplica,
    ];
    const three = (a.config.members as object[]).slice(0, 3);
    for (const { config } of [a, b, c]) config.members = three;
    await Promise.all([a, b, c].map((replica) => replica.start()));
    let primary = await cluster.untilReady();
    const workload = new Workload(cluster, new Random(runSeed));
    workload.start();

    const other = [a, b, c].find((replica) => replica !== primary)!;
    const elsewhere = await synod('member', 'add', place(d), ...at(other));
    expect(elsewhere.code).toBe(1);
    expect(elsewhere.stderr).toMatch(new RegExp(`the primary is "${primary.id}".*ERR_SYNOD_NOT_PRIMARY`));
    // Nobody is there yet: refused, after the others had their chance to connect.
    const early = await synod('member', 'add', place(d), ...at(primary));
    expect(early).toMatchObject({ code: 1, stdout: '' });
    expect(early.stderr).toMatch(/not linked, or not caught up: d \(ERR_SYNOD_NO_QUORUM\)/);

    await d.start();
    const added = await synod('member', 'add', place(d), ...at(primary));
    expect(added).toMatchObject({ code: 0, stderr: '' });
    expect(added.stdout.split('\n')).toHaveLength(5);
    primary = await cluster.untilReady();
    await e.start();
    const replaced = await synod('member', 'replace', d.id, place(e), ...at(primary), '--json');
    expect(replaced.code).toBe(0);
    expect(JSON.parse(replaced.stdout)).toMatchObject({ number: 3, changed: true });

    await cluster.until('e follows', async () => (await e.status()).role === 'secondary');
    expect(await synod('promote', ...at(e))).toMatchObject({ code: 0, stdout: 'e is the primary' });
    expect((await synod('relinquish', '--to', a.id, ...at(e))).stdout).toBe('a is the primary');
    const removed = await synod('member', 'remove', b.id, ...at(a), '--json');
    expect(removed.code).toBe(0);
    expect((JSON.parse(removed.stdout) as { members: { id: string }[] }).members.map(({ id }) => id)).toEqual(
      ['a', 'c', 'e'],
    );
    expect((await synod('member', 'remove', b.id, ...at(a))).stderr).toMatch(/"b" is not in the member set/);

    await workload.stop();
    expect(workload.acknowledged).toBeGreaterThan(0);
    await Promise.all([b, d].map((replica) => replica.kill('SIGTERM')));
    await cluster.untilReady();
    expect(await workload.check(e)).toEqual([]);
    const listed = await synod('member', 'list', ...at(e));
    expect(listed).toMatchObject({ code: 0, stderr: '' });
    expect(listed.stdout).toMatch(/^member set 4\n {2}a .*\n {2}c .*\n {2}e /);
  });
});
