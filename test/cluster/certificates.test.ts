/**
 * Aim: processes that serve change their certificates and their authority one by one, on SIGHUP, and no command fails; what cannot be
 * read changes nothing. Method: PEM files that are replaced under clients that write through every replica.
 */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { type Authority, makeAuthority, removeCertificates } from '../transport/certificates.js';
import { disposeAll, TestCluster, type TestReplica } from './support/cluster.js';
import { RespClient } from './support/resp-client.js';

afterEach(disposeAll);
afterAll(removeCertificates);

const pathsOf = ({ folder }: TestCluster, { id }: TestReplica) => ({
  certificate: join(folder, `${id}.pem`),
  key: join(folder, `${id}.key`),
  ca: join(folder, `${id}.ca`),
});

async function issue(
  cluster: TestCluster,
  replica: TestReplica,
  issuer: Authority,
  trusted: readonly Authority[],
): Promise<void> {
  const paths = pathsOf(cluster, replica);
  const { certificate, key } = issuer.issue(`/CN=${replica.id}`);
  await writeFile(paths.certificate, certificate);
  await writeFile(paths.key, key);
  await writeFile(paths.ca, trusted.map((authority) => authority.certificate).join(''));
}

/** Signals the process, and resolves once it has said so. */
async function reload(
  cluster: TestCluster,
  replica: TestReplica,
  said = 'certificates read again',
): Promise<void> {
  const count = (): number => replica.log.split(`"${said}`).length;
  const before = count();
  process.kill(replica.pid, 'SIGHUP');
  await cluster.until(`${replica.id} says "${said}"`, async () => count() > before);
}

async function startTls(authority: Authority): Promise<TestCluster> {
  const cluster = await TestCluster.plan();
  for (const replica of cluster.replicas) {
    await issue(cluster, replica, authority, [authority]);
    const { certificate, key, ca } = pathsOf(cluster, replica);
    replica.config.transport = { kind: 'auto', tls: { certificate, key, ca: [ca] } };
  }
  await cluster.startAll();
  await cluster.untilReady();
  return cluster;
}

const linked = async (replica: TestReplica): Promise<number> =>
  (await replica.status()).peers.filter(({ connected }) => connected).length;

describe('SIGHUP', () => {
  it('puts one authority in the place of another, process by process, and no command fails', async () => {
    const [first, second] = [makeAuthority(), makeAuthority()];
    const cluster = await startTls(first);
    let isOver = false;
    let done = 0;
    const load = cluster.replicas.map(async ({ id, kvPort }) => {
      const client = await RespClient.connect(kvPort);
      // One that fails ends the test.
      for (let count = 1; !isOver; count += 1, done += 1)
        expect(await client.send('INCR', `count ${id}`)).toBe(count);
      client.close();
    });
    const change = async (issuer: Authority, trusted: readonly Authority[]): Promise<void> => {
      for (const replica of cluster.replicas) {
        await issue(cluster, replica, issuer, trusted);
        await reload(cluster, replica);
        const target = done + 30;
        await cluster.until('more commands', async () => done >= target);
      }
    };
    await change(first, [first, second]);
    await change(second, [first, second]);
    await change(second, [second]);
    isOver = true;
    await Promise.all(load);
    // Connections that stood went on with what they began with: a process that is new has only the new ones.
    for (const replica of cluster.replicas) {
      await replica.kill('SIGTERM');
      await replica.start();
      await cluster.until(`${replica.id} is linked`, async () => (await linked(replica)) === 2);
    }
    await cluster.untilReady();
    expect(await cluster.replicas[0]!.ask('INCR', 'count a')).toBeGreaterThan(30);
  });

  it('changes nothing where a file is no certificate, and the process serves on', async () => {
    const authority = makeAuthority();
    const cluster = await startTls(authority);
    const [replica] = cluster.replicas as [TestReplica];
    await writeFile(pathsOf(cluster, replica).certificate, 'none');
    await reload(cluster, replica, 'certificates not read again');
    expect(replica.log).toContain('transport.tls.certificate');
    expect(await replica.ask('INCR', 'count')).toBe(1);
    await issue(cluster, replica, authority, [authority]);
    await reload(cluster, replica);
    expect(await replica.ask('INCR', 'count')).toBe(2);
    expect(replica.isAlive).toBe(true);
  });
});
