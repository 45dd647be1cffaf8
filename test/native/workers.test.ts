/**
 * Threads that use the addon end in every way there is, with events signalled and memory mapped, and the process lives.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadAddon } from '../../src/native/addon.js';
import { makeScratch } from '../storage/driver.js';

const { addon, path: loadedPath, reason } = loadAddon();
const isHere = addon !== null && process.platform === 'linux';
if (!isHere) {
  test('tests of threads with the addon do not run', () => {
    console.log(`tests of threads with the addon do not run: ${addon === null ? reason : process.platform}`);
    expect(isHere).toBe(false);
  });
}

const addonPath = loadedPath ?? '';
let scratch = { path: '', dispose: (): void => {} };
let mappedPath = '';
beforeAll(() => {
  scratch = makeScratch();
  mappedPath = path.join(scratch.path, 'segment');
  fs.writeFileSync(mappedPath, new Uint8Array(65536));
});
afterAll(() => scratch.dispose());

/** Signals itself without end; `ending` is what it does after it was woken some times. */
const busy = (ending: string): string => `
  const { parentPort, workerData } = require('node:worker_threads');
  const { addonPath, mappedPath } = workerData ?? JSON.parse(process.env.SYNOD_TEST_DATA);
  const addon = require(addonPath);
  const { bytes } = addon.mapSegment(mappedPath, 65536, false, false);
  const dropped = addon.mapSegment(mappedPath, 65536, true, false);
  let calls = 0;
  const senders = [];
  for (let index = 0; index < 4; index += 1) {
    const event = addon.createEvent(() => {
      calls += 1;
      addon.crc32c(bytes, 0, 65536, 0);
      addon.flushRange(bytes, 0, 4096);
      for (const sender of senders) sender.signal();
      if (calls === 50) parentPort?.postMessage('busy');
      if (calls > 50) { ${ending} }
    });
    senders.push(addon.openEventSender(event.fd));
  }
  addon.lockFile(mappedPath + '.lock');
  for (const sender of senders) sender.signal();`;

const endings: Array<[string, string]> = [
  ['terminated', ''],
  ['process.exit', 'process.exit(0);'],
  ['an uncaught error in the callback', 'throw new Error("on purpose");'],
];

for (const [name, ending] of endings) {
  test.runIf(isHere)(
    `30 workers, ended by: ${name}`,
    async () => {
      for (let round = 0; round < 10; round += 1) {
        const workers = [0, 1, 2].map(
          () => new Worker(busy(ending), { eval: true, workerData: { addonPath, mappedPath } }),
        );
        await Promise.all(
          workers.map(async (worker) => {
            const errors: Error[] = [];
            worker.on('error', (error) => errors.push(error as Error));
            // Not events.once: it rejects at an 'error' event, which is expected here.
            const exited = new Promise<void>((resolve) => worker.on('exit', () => resolve()));
            const isBusy = new Promise<void>((resolve) => worker.on('message', () => resolve()));
            await Promise.race([isBusy, exited]);
            if (ending === '') await worker.terminate();
            await exited;
            expect(errors.map((error) => error.message)).toEqual(
              ending.startsWith('throw') ? ['on purpose'] : [],
            );
          }),
        );
      }
    },
    60_000,
  );

  // The main thread cannot be terminated.
  if (ending === '') continue;
  test.runIf(isHere)(`main thread, ended by: ${name}`, async () => {
    const child = spawn(process.execPath, ['-e', busy(ending)], {
      env: { ...process.env, SYNOD_TEST_DATA: JSON.stringify({ addonPath, mappedPath }) },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let printed = '';
    child.stderr.on('data', (text) => {
      printed += text;
    });
    const [code, signal] = await once(child, 'exit');
    expect(signal).toBe(null);
    expect(code, printed).toBe(ending.startsWith('throw') ? 1 : 0);
  });
}

test.runIf(isHere)('an event is signalled from another thread, and outlives the sender', async () => {
  let calls = 0;
  let wake = (): void => {};
  const event = addon!.createEvent(() => {
    calls += 1;
    wake();
  });
  for (let round = 1; round <= 3; round += 1) {
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const code = `
      const { workerData } = require('node:worker_threads');
      const addon = require(workerData.addonPath);
      addon.openEventSender(workerData.fd).signal();`;
    const worker = new Worker(code, { eval: true, workerData: { addonPath, fd: event.fd } });
    await Promise.all([woken, once(worker, 'exit')]);
    expect(calls).toBe(round);
  }
  event.close();
});

test.runIf(isHere)('an unreferenced event lets the process end, a referenced one keeps it', async () => {
  const run = async (code: string): Promise<string> => {
    const child = spawn(
      process.execPath,
      ['-e', `const addon = require(${JSON.stringify(addonPath)}); ${code}`],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    let printed = '';
    child.stdout.on('data', (text) => {
      printed += text;
    });
    const [exitCode] = await once(child, 'close');
    return `${printed.trim()} ${exitCode}`;
  };
  expect(await run('addon.createEvent(() => {}).unref();')).toBe(' 0');
  // Kept alive until the signal that comes from an unreferenced timer.
  const waiting = `
    const event = addon.createEvent(() => { console.log('woken'); event.close(); });
    const sender = addon.openEventSender(event.fd);
    setTimeout(() => sender.signal(), 20).unref();`;
  expect(await run(waiting)).toBe('woken 0');
});

test.runIf(isHere)('counters are separate in each thread', async () => {
  const before = addon!.counters[addon!.counterIndex.bytesCopied]!;
  const code = `
    const { parentPort, workerData } = require('node:worker_threads');
    const addon = require(workerData.addonPath);
    const bytes = new Uint8Array(100);
    addon.copy(bytes, 0, bytes, 0, 100);
    parentPort.postMessage(addon.counters[addon.counterIndex.bytesCopied]);`;
  const worker = new Worker(code, { eval: true, workerData: { addonPath } });
  // Both awaited from the beginning: a worker's last messages may come with its end, in one turn of the loop.
  const [[copied]] = await Promise.all([once(worker, 'message'), once(worker, 'exit')]);
  expect(copied).toBe(100);
  expect(addon!.counters[addon!.counterIndex.bytesCopied]).toBe(before);
});

test.runIf(isHere)(
  'a mapping of one thread is the memory of another, and outlives the thread that made it',
  async () => {
    const source = `
    const { parentPort, workerData } = require('node:worker_threads');
    const addon = require(workerData.addonPath);
    const { bytes, region } = addon.mapSegment(workerData.mappedPath, 65536, false, false);
    addon.keepRegion(region);
    bytes[77] = 7;
    parentPort.once('message', () => parentPort.postMessage(bytes[78]));
    parentPort.postMessage(region);`;
    const worker = new Worker(source, { eval: true, workerData: { addonPath, mappedPath } });
    const [region] = (await once(worker, 'message')) as [number];
    const bytes = addon!.openRegion(region)!;
    expect(bytes[77]).toBe(7);
    bytes[78] = 8;
    worker.postMessage('go on');
    const [answer] = await Promise.all([once(worker, 'message'), once(worker, 'exit')]);
    expect(answer).toEqual([8]);
    expect(bytes[78]).toBe(8);
    expect(fs.readFileSync(mappedPath)[78]).toBe(8);
    addon!.unmapSegment(bytes);
    expect(addon!.openRegion(region)).toBe(null);
  },
);
