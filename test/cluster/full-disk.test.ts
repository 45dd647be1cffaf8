/**
 * Aim: a replica whose disk is full says so, stops leading, and goes on when there is space again; the others go on
 * meanwhile, and nothing that was acknowledged is lost. Method: the data directory is a small file system in memory, which
 * only root can mount.
 */

import { spawnSync } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { disposeAll, TestCluster, type TestReplica } from './support/cluster.js';
import { RespClient, RespError } from './support/resp-client.js';

const MEBIBYTE = 1024 * 1024;
const DISK_BYTES = 24 * MEBIBYTE;
const VALUE = 'v'.repeat(20_000);
const mounted: string[] = [];

function mount(folder: string): void {
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', folder]);
  if (status !== 0) throw new Error(String(stderr));
  mounted.push(folder);
}

function whyNot(): string | null {
  if (process.getuid?.() !== 0) return 'mounting needs root';
  const { status, stderr, error } = spawnSync('unshare', [
    '--mount',
    'mount',
    '-t',
    'tmpfs',
    'tmpfs',
    '/mnt',
  ]);
  return status === 0 ? null : `mounting does not work here: ${error?.message ?? String(stderr).trim()}`;
}

const obstacle = whyNot();
if (obstacle !== null) console.log(`the full disk is not tested: ${obstacle}`);

afterEach(async () => {
  // Processes first: what they hold cannot be unmounted.
  const folders = mounted.splice(0);
  await disposeProcesses();
  for (const folder of folders) spawnSync('umount', [folder]);
  await disposeAll();
});

let cluster: TestCluster;
async function disposeProcesses(): Promise<void> {
  await Promise.all(cluster.alive.map((replica) => replica.kill()));
}

/** Writes through `via` until `done`; yields how many were acknowledged, each under its own number. */
async function writeUntil(via: TestReplica, from: number, done: () => boolean): Promise<Set<number>> {
  const acknowledged = new Set<number>();
  const client = await RespClient.connect(via.kvPort);
  let number = from;
  const lane = async (): Promise<void> => {
    while (!done()) {
      const mine = number;
      number += 1;
      try {
        await client.send('SET', `key:${mine}`, `${mine}:${VALUE}`);
        acknowledged.add(mine);
      } catch (error) {
        if (!(error instanceof RespError)) throw error;
      }
    }
  };
  await Promise.all([lane(), lane(), lane(), lane()]);
  client.close();
  return acknowledged;
}

async function expectAll(via: TestReplica, acknowledged: Iterable<number>): Promise<void> {
  const client = await RespClient.connect(via.kvPort);
  for (const number of acknowledged) {
    expect(await client.send('STRLEN', `key:${number}`), `key:${number}`).toBe(`${number}:${VALUE}`.length);
  }
  client.close();
}

async function startWithSmallDisk(id: string, storage: string): Promise<TestReplica> {
  cluster = await TestCluster.plan({ storage: { kind: storage, segmentBytes: MEBIBYTE } });
  const small = cluster.get(id);
  mount(small.dataDir);
  // Something else takes most of the space, and can be deleted.
  await writeFile(join(small.dataDir, 'ballast'), Buffer.alloc(16 * MEBIBYTE));
  await cluster.startAll();
  await cluster.untilReady();
  return small;
}

describe.runIf(obstacle === null)('a replica whose disk is full', () => {
  it.each(['a', 'b', 'c'])('lets the others go on, and goes on with space: %s', async (id) => {
    const small = await startWithSmallDisk(id, 'file');
    const other = cluster.replicas.find((replica) => replica !== small)!;
    let more = 0;
    const acknowledged = await writeUntil(other, 0, () => {
      if (/"event":"storage full"/.test(small.log)) more += 1;
      return more > 400;
    });
    expect(small.log).toMatch(/storage full.*ERR_SYNOD_STORAGE_FULL|ERR_SYNOD_STORAGE_FULL.*storage full/);
    expect(small.isAlive, 'it lives').toBe(true);
    await cluster.until('another one leads', async () => {
      const { primary } = await other.status();
      return primary !== null && primary !== small.id;
    });
    let asked = 0;
    const further = await writeUntil(other, 1_000_000, () => {
      asked += 1;
      return asked > 100;
    });
    expect(further.size).toBeGreaterThan(50);

    await rm(join(small.dataDir, 'ballast'));
    await cluster.until('it has space again', () => /storage has space again/.test(small.log));
    await cluster.untilReady();
    const statuses = await cluster.untilEqual();
    expect(new Set(statuses.map(({ stateDigest }) => stateDigest)).size).toBe(1);
    await expectAll(small, [...acknowledged, ...further]);
  });

  it('waits for space when it is started while full, and can be stopped meanwhile', async () => {
    const small = await startWithSmallDisk('c', 'file');
    const other = cluster.get('a');
    const acknowledged = await writeUntil(other, 0, () => /"event":"storage full"/.test(small.log));
    await small.kill();
    await small.start(false);
    await cluster.until('it finds no space', () => /"event":"storage full"/.test(small.log));
    await small.kill('SIGTERM');
    expect(await small.runs.at(-1)!.exit).toEqual({ code: 0, signal: null });
    expect(small.log).toMatch(/stopped while opening/);

    await small.start(false);
    await cluster.until('it finds no space again', () => /"event":"storage full"/.test(small.log));
    expect(small.log).not.toMatch(/"event":"serving"/);
    await rm(join(small.dataDir, 'ballast'));
    await cluster.until('it serves', () => /"event":"serving"/.test(small.log));
    await cluster.untilReady();
    const statuses = await cluster.untilEqual();
    expect(new Set(statuses.map(({ stateDigest }) => stateDigest)).size).toBe(1);
    await expectAll(small, acknowledged);
  });

  it('keeps what it acknowledged when it is killed while full', async () => {
    const small = await startWithSmallDisk('c', 'file');
    const other = cluster.get('a');
    const acknowledged = await writeUntil(other, 0, () => /"event":"storage full"/.test(small.log));
    await small.kill();
    await rm(join(small.dataDir, 'ballast'));
    await small.start();
    await cluster.untilReady();
    const statuses = await cluster.untilEqual();
    expect(new Set(statuses.map(({ stateDigest }) => stateDigest)).size).toBe(1);
    await cluster.get('b').kill();
    await cluster.untilReady();
    await expectAll(small, acknowledged);
  });
});
