/** The lock on the data directory, with real processes: refused while the owner lives, free once it was killed. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadAddon } from '../../src/native/addon.js';
import { type DirectoryLock, lockDirectory } from '../../src/storage/directory-lock.js';
import { makeScratch } from './driver.js';

const inUse = expect.objectContaining({ code: 'ERR_SYNOD_DATA_DIRECTORY' });

function lock(directory: string): Promise<DirectoryLock> {
  return new Promise((resolve, reject) => {
    lockDirectory(directory, (error, held) => (error === null ? resolve(held!) : reject(error)));
  });
}

describe('directory lock', () => {
  let scratch: ReturnType<typeof makeScratch>;
  let directory: string;
  const children: ChildProcess[] = [];

  beforeEach(() => {
    scratch = makeScratch();
    directory = scratch.path;
  });
  afterEach(async () => {
    for (const child of children.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    scratch.dispose();
  });

  /** A process that puts down a claim as an owner without the addon does, and stays. */
  async function spawnOwner(kernelLock = false): Promise<ChildProcess> {
    const script = `
      const fs = require('node:fs');
      const text = fs.readFileSync('/proc/self/stat', 'utf8');
      const started = text.slice(text.lastIndexOf(')') + 2).split(' ')[19];
      const namespace = fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim() + ' ' + fs.readlinkSync('/proc/self/ns/pid');
      const claim = { pid: process.pid, started, namespace, kernelLock: ${kernelLock} };
      fs.writeFileSync(process.argv[1] + '/' + process.pid + '-test.owner', JSON.stringify(claim));
      console.log('claimed');
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['-e', script, directory], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    await once(child.stdout!, 'data');
    return child;
  }

  test('one owner in a process, and the next after unlocking', async () => {
    const first = await lock(directory);
    await expect(lock(directory)).rejects.toEqual(inUse);
    first.unlock();
    first.unlock();
    const second = await lock(directory);
    second.unlock();
    expect(fs.readdirSync(directory).filter((name) => name.endsWith('.owner'))).toEqual([]);
  });

  test.skipIf(process.platform !== 'linux')(
    'a living process without the addon keeps it; killed -9, it does not',
    async () => {
      const owner = await spawnOwner();
      await expect(lock(directory)).rejects.toEqual(
        expect.objectContaining({ message: expect.stringContaining(`process ${owner.pid} has it`) }),
      );
      owner.kill('SIGKILL');
      await once(owner, 'exit');
      (await lock(directory)).unlock();
    },
  );

  test.skipIf(process.platform !== 'linux' || loadAddon().addon === null)(
    'a living process keeps it, though somebody deleted the file that it has locked',
    async () => {
      const owner = await spawnOwner(true);
      await expect(lock(directory)).rejects.toThrow(`process ${owner.pid} has it`);
      expect(fs.readdirSync(directory).filter((name) => name.endsWith('.owner'))).toEqual([
        `${owner.pid}-test.owner`,
      ]);
      owner.kill('SIGKILL');
      await once(owner, 'exit');
      (await lock(directory)).unlock();
    },
  );

  test.skipIf(process.platform !== 'linux')(
    'the number of a dead owner, given to another process, does not keep it',
    async () => {
      const stranger = await spawnOwner();
      const name = fs.readdirSync(directory).find((file) => file.endsWith('.owner'))!;
      const claim = JSON.parse(fs.readFileSync(path.join(directory, name), 'utf8')) as { started: string };
      claim.started = String(Number(claim.started) - 1);
      fs.writeFileSync(path.join(directory, name), JSON.stringify(claim));
      (await lock(directory)).unlock();
      expect(stranger.exitCode).toBe(null);
    },
  );

  test('a claim of an earlier boot, or cut short, does not keep it', async () => {
    const other = { pid: process.pid, started: '1', namespace: 'another-boot pid:[1]', kernelLock: false };
    fs.writeFileSync(path.join(directory, '1-a.owner'), JSON.stringify(other));
    fs.writeFileSync(path.join(directory, '2-b.owner'), '{"pi');
    (await lock(directory)).unlock();
    expect(fs.readdirSync(directory).filter((name) => name.endsWith('.owner'))).toEqual([]);
  });

  describe('a claim of another boot', () => {
    const claimPath = (): string => path.join(directory, '4711-a.owner');
    const put = (claim: object): void => fs.writeFileSync(claimPath(), JSON.stringify(claim));
    const other = { pid: 4711, started: '1', namespace: 'another-boot pid:[1]', kernelLock: false };

    /** What this machine calls itself. */
    async function machine(): Promise<unknown> {
      const held = await lock(directory);
      const [name] = fs.readdirSync(directory).filter((file) => file.endsWith('.owner'));
      const claim = JSON.parse(fs.readFileSync(path.join(directory, name!), 'utf8')) as { machine: unknown };
      held.unlock();
      return claim.machine;
    }

    test('on another machine keeps it, and says what to delete', async () => {
      const refusal = { code: 'ERR_SYNOD_DATA_DIRECTORY', path: directory };
      put({ ...other, machine: 'another' });
      await expect(lock(directory)).rejects.toMatchObject(refusal);
      await expect(lock(directory)).rejects.toThrow(`if that one is gone, delete ${claimPath()}`);
      // It tells nothing of where it runs.
      put({ ...other, namespace: null, machine: 'another' });
      await expect(lock(directory)).rejects.toMatchObject(refusal);
      fs.rmSync(claimPath());
      (await lock(directory)).unlock();
    });

    test('on this machine does not keep it', async () => {
      const here = await machine();
      expect(here).toMatch(/^[0-9a-f]{32}$/);
      put({ ...other, machine: here });
      (await lock(directory)).unlock();
      expect(fs.existsSync(claimPath())).toBe(false);
    });
  });

  test.skipIf(process.platform !== 'linux')(
    'a living process of this boot keeps it, and a dead one does not, whatever the machine was called then',
    async () => {
      const owner = await spawnOwner();
      const name = fs.readdirSync(directory).find((file) => file.endsWith('.owner'))!;
      const claim = JSON.parse(fs.readFileSync(path.join(directory, name), 'utf8')) as object;
      fs.writeFileSync(path.join(directory, name), JSON.stringify({ ...claim, machine: 'renamed' }));
      await expect(lock(directory)).rejects.toThrow(`process ${owner.pid} has it`);
      owner.kill('SIGKILL');
      await once(owner, 'exit');
      (await lock(directory)).unlock();
    },
  );

  test.skipIf(process.platform !== 'linux')(
    'a claim of another container of this boot keeps it, and says what to delete',
    async () => {
      const boot = fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
      const claim = { pid: 1, started: '1', namespace: `${boot} pid:[7]`, kernelLock: false };
      const claimPath = path.join(directory, '1-a.owner');
      fs.writeFileSync(claimPath, JSON.stringify(claim));
      await expect(lock(directory)).rejects.toThrow(claimPath);
      if (loadAddon().addon === null) {
        console.log(
          'without the addon, whether an owner with the kernel lock in another container lives cannot be known',
        );
        return;
      }
      // With the kernel's lock in hand, an owner that held it too is gone, wherever it ran.
      fs.writeFileSync(claimPath, JSON.stringify({ ...claim, kernelLock: true }));
      (await lock(directory)).unlock();
    },
  );

  test('of many that come at once at most one gets it, and one does', async () => {
    for (let round = 0; round < 5; round += 1) {
      const outcomes = await Promise.allSettled([1, 2, 3, 4, 5].map(() => lock(directory)));
      const held = outcomes.filter((outcome) => outcome.status === 'fulfilled');
      expect(held.length).toBe(1);
      for (const outcome of held) outcome.value.unlock();
    }
  }, 60_000);

  test('a directory that is not there is an error', async () => {
    await expect(lock(path.join(directory, 'missing'))).rejects.toEqual(inUse);
  });
});
