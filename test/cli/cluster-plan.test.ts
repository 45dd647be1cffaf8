/** Aim: configuration files are made once, changed only where the command line says so, and never half written. */

import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ClusterCommand } from '../../src/cli/arguments.js';
import { planCluster, shellWord, shortPath, takenAddresses } from '../../src/cli/cluster-plan.js';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'synod-plan-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const command = (change: Partial<ClusterCommand> = {}): ClusterCommand => ({
  kind: 'cluster',
  replicas: undefined,
  dir,
  storage: undefined,
  allowVolatile: undefined,
  transport: undefined,
  port: undefined,
  restart: false,
  logLevel: 'info',
  ...change,
});

const config = async (id: string) => JSON.parse(await readFile(join(dir, `${id}.json`), 'utf8'));

describe('a fresh folder', () => {
  it('gets three replicas at the default ports', async () => {
    const plan = await planCluster(command());
    expect(plan.fresh).toBe(true);
    expect(plan.replicas.map(({ id, kv, peers }) => [id, kv.port, peers.port])).toEqual([
      ['a', 6401, 7101],
      ['b', 6402, 7102],
      ['c', 6403, 7103],
    ]);
    expect(await config('b')).toEqual({
      cluster: 'local',
      replica: 'b',
      members: [
        { id: 'a', address: '127.0.0.1:7101' },
        { id: 'b', address: '127.0.0.1:7102' },
        { id: 'c', address: '127.0.0.1:7103' },
      ],
      dataDir: join(dir, 'b'),
      storage: { kind: 'auto' },
      transport: { kind: 'auto' },
      kv: { listen: '127.0.0.1:6402' },
    });
    expect(plan.replicas[1]).toMatchObject({ dataDir: join(dir, 'b'), logPath: join(dir, 'b.log') });
    expect((await readdir(dir)).sort()).toEqual(['a.json', 'b.json', 'c.json']);
  });

  it('takes what the command line says', async () => {
    const plan = await planCluster(
      command({
        replicas: 5,
        port: 9000,
        storage: 'pmem',
        allowVolatile: true,
        transport: 'tcp',
        dir: join(dir, 'x', 'y'),
      }),
    );
    expect(plan.replicas.map(({ kv, peers }) => [kv.port, peers.port])).toEqual([
      [9000, 9700],
      [9001, 9701],
      [9002, 9702],
      [9003, 9703],
      [9004, 9704],
    ]);
    const written = JSON.parse(await readFile(join(dir, 'x', 'y', 'e.json'), 'utf8'));
    expect(written).toMatchObject({
      storage: { kind: 'pmem', allowVolatile: true },
      transport: { kind: 'tcp' },
    });
  });
});

describe('a folder with a cluster', () => {
  it('keeps its files as they are, edited or not', async () => {
    await planCluster(command());
    const edited = {
      ...(await config('a')),
      storage: { kind: 'file', segmentBytes: 1048576 },
      electionTimeoutMs: 500,
    };
    await writeFile(join(dir, 'a.json'), JSON.stringify(edited));
    const old = new Date(1000);
    for (const id of ['a', 'b', 'c']) await utimes(join(dir, `${id}.json`), old, old);
    const plan = await planCluster(command());
    expect(plan.fresh).toBe(false);
    expect(await config('a')).toEqual(edited);
    for (const id of ['a', 'b', 'c']) expect((await stat(join(dir, `${id}.json`))).mtime).toEqual(old);
  });

  it('changes just what the command line says', async () => {
    await planCluster(command({ replicas: 5 }));
    await writeFile(join(dir, 'a.json'), JSON.stringify({ ...(await config('a')), electionTimeoutMs: 500 }));
    const plan = await planCluster(command({ port: 9000, storage: 'file' }));
    expect(plan.replicas).toHaveLength(5);
    expect(await config('a')).toMatchObject({
      electionTimeoutMs: 500,
      storage: { kind: 'file' },
      transport: { kind: 'auto' },
    });
    expect((await config('c')).members[4]).toEqual({ id: 'e', address: '127.0.0.1:9704' });
  });

  it('refuses another number of replicas', async () => {
    await planCluster(command());
    await expect(planCluster(command({ replicas: 5 }))).rejects.toThrow(/has a cluster of 3 already/);
    await expect(planCluster(command({ replicas: 3 }))).resolves.toMatchObject({ fresh: false });
  });

  it('refuses files that are wrong, by name, and leaves them', async () => {
    await planCluster(command());
    await writeFile(join(dir, 'b.json'), '{ "cluster": ');
    await expect(planCluster(command({ storage: 'file' }))).rejects.toMatchObject({
      code: 'ERR_SYNOD_OPTION',
      message: expect.stringContaining(join(dir, 'b.json')),
    });
    expect(await readFile(join(dir, 'b.json'), 'utf8')).toBe('{ "cluster": ');
  });

  it('takes files that begin with a byte order mark', async () => {
    await planCluster(command());
    const text = await readFile(join(dir, 'a.json'), 'utf8');
    await writeFile(join(dir, 'a.json'), `\ufeff${text}`);
    expect((await planCluster(command())).replicas.map(({ id }) => id)).toEqual(['a', 'b', 'c']);
  });

  it.each(['a', 'b'])('refuses files among which that of %s is missing, and makes none', async (id) => {
    await planCluster(command({ port: 23_410 }));
    await rm(join(dir, `${id}.json`));
    const before = await readdir(dir);
    await expect(planCluster(command())).rejects.toThrow(new RegExp(`no ${id}\\.json`));
    expect(await readdir(dir)).toEqual(before);
  });

  it('refuses the file of another replica', async () => {
    await planCluster(command());
    await writeFile(join(dir, 'b.json'), JSON.stringify(await config('a')));
    await expect(planCluster(command())).rejects.toThrow(/is for replica a, not b/);
  });
});

describe('taken addresses', () => {
  it('are named with what they are for', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const free = { host: '127.0.0.1', port: 0 };
    const replica = {
      id: 'a',
      kv: free,
      peers: { host: '127.0.0.1', port: address.port },
      dataDir: '',
      configPath: '',
      logPath: '',
    };
    const plan = { cluster: 'x', fresh: true, replicas: [replica] };
    expect(await takenAddresses(plan)).toEqual([`127.0.0.1:${address.port} (peers of a)`]);
    await new Promise((resolve) => server.close(resolve));
    expect(await takenAddresses(plan)).toEqual([]);
  });
});

describe('shortPath', () => {
  it('is relative only where that is shorter', () => {
    expect(shortPath(join(process.cwd(), 'data', 'a'))).toBe(join('data', 'a'));
    expect(shortPath('/x')).toBe('/x');
    expect(shortPath(process.cwd())).toBe(process.cwd());
    expect(relative(process.cwd(), shortPath(dir))).toBe(relative(process.cwd(), dir));
  });
});

describe('shellWord', () => {
  it('is the path itself, or one that a shell takes for one word', () => {
    expect(shellWord('data/a.json')).toBe('data/a.json');
    expect(shellWord('my data/a.json')).toBe("'my data/a.json'");
    for (const text of ["it's", '$HOME', 'a;b', 'a\nb', '*', '~']) {
      const printed = execFileSync('/bin/sh', ['-c', `printf %s ${shellWord(text)}`], { encoding: 'utf8' });
      expect(printed).toBe(text);
    }
  });
});
