/** Aim: what `npm start` runs starts, tells what happens to it, survives its replicas and leaves nothing behind. */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm, rmdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ask, endAll, freeClusterPort, isFree, start, untilTrue } from './processes.js';

let folder: string;
let port: number;
let other: ChildProcess | null = null;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'synod-cluster-'));
  port = await freeClusterPort();
});
afterEach(async () => {
  other?.kill('SIGKILL');
  other = null;
  await endAll();
  await untilTrue('the replicas end with what started them', portsAreFree);
  await rm(folder, { recursive: true, force: true });
});

const ports = () => [0, 1, 2].flatMap((index) => [port + index, port + 700 + index]);
const portsAreFree = async () => (await Promise.all(ports().map(isFree))).every(Boolean);
const cluster = (...more: string[]) => start(['cluster', '--dir', folder, '--port', String(port), ...more]);
const UP = /Ctrl-C closes the cluster/;

/** The table's rows by replica. */
function rows(text: string): Map<string, { role: string; pid: number; kv: number }> {
  const found = text.matchAll(/^ {2}([a-g]) +(\S+) +(\d+) +127\.0\.0\.1:(\d+) /gm);
  return new Map(
    [...found].map(([, id, role, pid, kv]) => [id!, { role: role!, pid: Number(pid), kv: Number(kv) }]),
  );
}

describe('synod cluster', () => {
  it('starts, survives a kill, sees the replica return, closes, and goes on with its data', async () => {
    const first = cluster('--storage', 'file');
    await first.until(UP);
    const table = rows(first.stdout);
    expect([...table.keys()]).toEqual(['a', 'b', 'c']);
    const [primary, row] = [...table].find(([, each]) => each.role === 'primary')!;
    expect(first.stdout).toContain(`redis-cli -p ${port}`);
    expect(first.stdout).toContain(`kill -9 ${row.pid}`);
    expect(await ask(port, 'SET key value')).toBe('+OK');

    process.kill(row.pid, 'SIGKILL');
    const killed = new RegExp(`${primary} was ended by SIGKILL\\. To start it again: node (.*)\n`);
    const command = (await first.until(killed))[1]!;
    const next = (await first.until(new RegExp(`([abc]) is the primary now \\(it was ${primary}\\)`)))[1]!;
    expect(next).not.toBe(primary);
    expect(await ask(table.get(next)!.kv, 'SET key2 value2')).toBe('+OK');

    other = spawn(process.execPath, command.split(' '), { stdio: 'ignore' });
    await first.until(new RegExp(`${primary} is up again`));
    expect(await ask(row.kv, 'GET key2')).toBe('value2');
    const otherExit = new Promise((resolve) => other!.once('exit', resolve));
    other.kill('SIGTERM');
    expect(await otherExit).toBe(0);

    first.child.kill('SIGINT');
    expect(await first.exit).toEqual({ code: 0, signal: null });
    for (const id of ['a', 'b', 'c']) {
      if (id !== primary) expect(first.stdout).toContain(`${id} closed\n`);
    }
    expect(await portsAreFree()).toBe(true);

    const second = cluster();
    await second.until(UP);
    expect(second.stdout).toContain('with the data it had');
    for (const { kv } of rows(second.stdout).values()) expect(await ask(kv, 'GET key')).toBe('value');
    second.child.kill('SIGTERM');
    expect(await second.exit).toEqual({ code: 0, signal: null });
  });

  it('starts a dead replica again with --restart', async () => {
    const run = cluster('--storage', 'memory', '--restart');
    await run.until(UP);
    const [id, { pid }] = [...rows(run.stdout)].find(([, each]) => each.role !== 'primary')!;
    process.kill(pid, 'SIGKILL');
    await run.until(new RegExp(`${id} was ended by SIGKILL\\. Starting it again\\.`));
    await run.until(new RegExp(`${id} is up again`));
    run.child.kill('SIGINT');
    expect((await run.exit).code).toBe(0);
  });

  it('outlives a replica that cannot be started again, and goes on trying', async () => {
    const run = cluster('--storage', 'memory', '--restart');
    await run.until(UP);
    // No file can be opened for its log.
    await rename(join(folder, 'c.log'), join(folder, 'c.old'));
    await mkdir(join(folder, 'c.log'));
    process.kill(rows(run.stdout).get('c')!.pid, 'SIGKILL');
    await run.until(/c could not be started: EISDIR.*Starting it again/);
    await rmdir(join(folder, 'c.log'));
    await run.until(/c is up again/);
    run.child.kill('SIGTERM');
    expect((await run.exit).code).toBe(0);
  });

  it('takes its replicas with it, however it ends', async () => {
    const run = cluster('--storage', 'memory');
    await run.until(UP);
    run.child.kill('SIGKILL');
    await run.exit;
    await untilTrue('the replicas end', portsAreFree);
  });

  it('is closed cleanly by a signal that comes before its replicas listen for any', async () => {
    const run = cluster('--storage', 'memory');
    await run.until(/starting 3 replicas/);
    run.child.kill('SIGINT');
    expect((await run.exit).code).toBe(0);
    expect(run.stdout).not.toMatch(/not close cleanly/);
  });

  it('says which port is taken, and by which of its parts', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port + 701, '127.0.0.1', resolve));
    const run = cluster();
    expect((await run.exit).code).toBe(1);
    expect(run.stderr).toMatch(new RegExp(`in use.*127\\.0\\.0\\.1:${port + 701} \\(peers of b\\)`));
    await new Promise((resolve) => server.close(resolve));
  });

  it('shows why a replica cannot start, and ends the others', async () => {
    // Asked for by name, a DAX file system cannot be had in a temporary folder.
    const run = cluster('--storage', 'pmem');
    expect((await run.exit).code).toBe(1);
    expect(run.stderr).toMatch(/exited with code 1/);
    expect(run.stderr).toMatch(/ERR_SYNOD_(STORAGE|NATIVE)_UNAVAILABLE/);
  });
});
