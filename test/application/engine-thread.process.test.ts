/**
 * Aim: a thread for the engine that cannot be started, that ends while the engine is opened, or later: what the caller is told, and that
 * nothing is left behind. Method: one replica in this process, whose `Worker` the tests change; and processes, where Node's own options do.
 */

import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import threads, { type WorkerOptions } from 'node:worker_threads';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { openWorker } from '../../src/application/engine-link.js';
import { MemoryMap } from '../../src/application/memory-map.js';
import { Bridge } from '../../src/engine/bridge.js';
import type { HostOptions } from '../../src/engine/host.js';
import type { Replica, ReplicaOptions } from '../../src/index.js';
import {
  bytesOf,
  closeAll,
  codeOf,
  freePorts,
  openCluster,
  silentLogger,
  uncaughtDuring,
  until,
} from './support.js';

afterEach(closeAll);

const openAlone = async (options: Partial<ReplicaOptions> = {}): Promise<Replica<string>> =>
  (await openCluster(1, { engine: 'worker', ...options }))[0]!.replica;

/** The threads that are started until the test is over, each with `more` in its options. */
function threadsStarted(more: WorkerOptions = {}): threads.Worker[] {
  const started: threads.Worker[] = [];
  const { Worker } = threads;
  threads.Worker = class extends Worker {
    constructor(file: string | URL, options: WorkerOptions = {}) {
      super(file, { ...options, ...more });
      started.push(this);
    }
  };
  syncBuiltinESMExports();
  onTestFinished(() => {
    threads.Worker = Worker;
    syncBuiltinESMExports();
  });
  return started;
}

function folder(): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'synod-thread-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}

const program = (port: number): string => `
  import { Replica } from ${JSON.stringify(path.resolve('dist/index.js'))};
  const members = [{ id: 'a', address: '127.0.0.1:${port}' }];
  const stateMachine = { apply: (decree) => decree.reply(0, 'executed') };
  try {
    const options = { cluster: 'here', replica: 'a', members, storage: { kind: 'memory' }, transport: { kind: 'tcp' } };
    const replica = await Replica.open(options, stateMachine);
    console.log(await replica.replicate(Buffer.from('x')));
    await replica.close();
  } catch (error) {
    console.log(error.code);
  }`;
const run = async (args: readonly string[]): Promise<string> =>
  (await promisify(execFile)(process.execPath, args, { timeout: 20_000 })).stdout.trim();

describe('a thread', () => {
  it('that cannot be started leaves no descriptor behind', async () => {
    // What cannot be copied to a thread is refused by its constructor, as Node's permissions are.
    const options = { replica: 'a', uncopied: () => {} } as unknown as HostOptions;
    const handler = { onEvent: () => {}, onWake: () => {} };
    const open = (): Promise<unknown> => openWorker(options, new Bridge(), silentLogger, handler);
    expect(await codeOf(open())).toBe('ERR_SYNOD_FENCED');
    const before = readdirSync('/proc/self/fd').length;
    for (let count = 0; count < 10; count += 1) await codeOf(open());
    await until('descriptors closed', () => readdirSync('/proc/self/fd').length <= before);
  });

  it('whose engine does not open tells why, also an application that is busy', async () => {
    const [port] = await freePorts(1);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    for (const busyMs of [1, 100, 400]) {
      let code = '';
      void codeOf(openAlone({ listen: `127.0.0.1:${port}` })).then((settled) => {
        code = settled;
      });
      while (code === '') {
        await new Promise(setImmediate);
        for (const end = performance.now() + busyMs; performance.now() < end; );
      }
      expect(code, `busy for ${busyMs} ms`).toBe('ERR_SYNOD_LISTEN');
    }
  });

  it('that fails while the engine is opened has ended when the caller hears of it', async () => {
    const hook = path.join(folder(), 'hook.cjs');
    writeFileSync(
      hook,
      `process.once('exit', () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300));
       setTimeout(() => { throw new Error('as asked'); });`,
    );
    let hasEnded = false;
    const started = threadsStarted({ execArgv: ['--require', hook] });
    const opening = codeOf(openAlone({ dataDir: folder(), storage: { kind: 'file' } }));
    await until('a thread', () => started.length > 0);
    started[0]!.once('exit', () => {
      hasEnded = true;
    });
    expect(await opening).toBe('ERR_SYNOD_FENCED');
    expect(hasEnded).toBe(true);
  });

  it('that ends later fences the replica, and what is asked from then on says so', async () => {
    const started = threadsStarted();
    const replica = await openAlone();
    await replica.replicate(bytesOf('x'));
    const fenced = new Promise((resolve) => replica.once('fenced', ({ code }) => resolve(code)));
    await started[0]!.terminate();
    expect(await fenced).toBe('ERR_SYNOD_FENCED');
    expect(await codeOf(replica.status())).toBe('ERR_SYNOD_FENCED');
    expect(await codeOf(replica.health())).toBe('ERR_SYNOD_FENCED');
    expect(await codeOf(replica.replicate(bytesOf('y')))).toBe('ERR_SYNOD_FENCED not-applied');
    await replica.close();
    expect(await codeOf(replica.status())).toBe('ERR_SYNOD_CLOSED');
  });
});

describe('a thread that has something to wait for when its engine is closed', () => {
  /** As when nobody answers where a host is. */
  const hookFile = (): string => {
    const hook = path.join(folder(), 'hook.cjs');
    writeFileSync(hook, "if (!require('node:worker_threads').isMainThread) setTimeout(() => {}, 60_000);\n");
    return hook;
  };

  it('does not keep the replica from being closed, nor opened again', async () => {
    const started = threadsStarted({ execArgv: ['--require', hookFile()] });
    onTestFinished(async () => {
      for (const thread of started) await thread.terminate();
    });
    const options = { dataDir: folder(), storage: { kind: 'file' } } as const;
    for (const result of ['1:x', '2:x']) {
      const replica = await openAlone(options);
      expect(await replica.replicate(bytesOf('x'))).toBe(result);
      const began = performance.now();
      await replica.close();
      expect(performance.now() - began).toBeLessThan(10_000);
    }
    expect(started).toHaveLength(2);
  });

  it('does not keep the process alive', async () => {
    const [port] = await freePorts(1);
    const file = path.join(folder(), 'program.mjs');
    writeFileSync(file, program(port!));
    expect(await run(['--require', hookFile(), file])).toBe('executed');
  });
});

it('a message of the thread that cannot be taken in fences the replica, and ends no process', async () => {
  const adding = vi.spyOn(MemoryMap.prototype, 'addSegment').mockImplementation(() => {
    throw new Error('no room for another mapping');
  });
  onTestFinished(() => adding.mockRestore());
  const caught = await uncaughtDuring(async () => {
    const replica = await openAlone();
    const fenced = new Promise((resolve) => replica.once('fenced', ({ code }) => resolve(code)));
    expect(await codeOf(replica.replicate(bytesOf('x')))).toMatch(/^ERR_SYNOD_FENCED/);
    expect(await fenced).toBe('ERR_SYNOD_CONTRACT');
    await replica.close();
  });
  expect(caught).toEqual([]);
});

describe('a process', () => {
  it('whose program is given as text can have one', async () => {
    const [port] = await freePorts(1);
    expect(await run(['--input-type=module', '--eval', program(port!)])).toBe('executed');
  });

  it('that may have no threads is told so, and ends by itself', async () => {
    const [port] = await freePorts(1);
    const file = path.join(folder(), 'program.mjs');
    writeFileSync(file, program(port!));
    const permission = process.allowedNodeEnvironmentFlags.has('--permission')
      ? '--permission'
      : '--experimental-permission';
    const granted = ['--allow-fs-read=*', '--allow-fs-write=*', '--allow-addons', '--allow-net'];
    const allowed = granted.filter((flag) =>
      process.allowedNodeEnvironmentFlags.has(flag.replace(/=.*/, '')),
    );
    expect(await run([permission, ...allowed, file])).toBe('ERR_SYNOD_FENCED');
  });
});
