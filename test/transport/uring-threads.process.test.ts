/**
 * Threads that own a ring end in every way there is, with receives, sends, dials and log writes in flight, and the
 * process lives. Then the process itself ends that way, and exits as it was told to.
 *
 * The threads run the compiled program: a worker cannot load TypeScript.
 */

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { probeUring } from '../../src/native/uring-probe.js';
import { makeScratch } from '../storage/driver.js';

const { obstacle } = probeUring('sockets');
const isHere = obstacle === null;
if (!isHere) {
  test('threads with a ring are not tested', () => {
    console.log(`threads with a ring are not tested: ${obstacle}`);
    expect(isHere).toBe(false);
  });
}

let scratch = { path: '', dispose: (): void => {} };
beforeAll(() => {
  scratch = makeScratch();
});
afterAll(() => scratch.dispose());

const dist = pathToFileURL(path.resolve('dist')).href;

/** Writes its log and sends to itself without end; `ending` is what it does in the middle of that. */
const busy = (directory: string, ending: string): string => `
  const { parentPort } = require('node:worker_threads');
  (async () => {
    const { createUringTransport } = await import('${dist}/transport/uring/uring-transport.js');
    const { createUringMedium } = await import('${dist}/storage/uring/uring-medium.js');
    const transport = createUringTransport();
    const medium = createUringMedium({ directory: ${JSON.stringify(directory)}, segmentBytes: 1 << 20 });
    let turns = 0;
    let memory = null;
    let ticket = 0;
    const kept = [];
    const write = () => {
      for (let block = 0; block < 16; block += 2) medium.persist(memory, block * 4096, (block + 1) * 4096, ++ticket);
      medium.flush();
    };
    const step = () => {
      turns += 1;
      if (turns === 30) parentPort?.postMessage('busy');
      if (turns > 40) { ${ending} }
    };
    const payload = new Uint8Array(new SharedArrayBuffer(1 << 20));
    const handler = {
      onConnection(connection) {
        for (let index = 0; index < 4; index += 1) connection.send(payload, 100, payload, 0, payload.length);
        // One of them never reads: its sends stay in flight.
        if (connection.id % 3 === 0) connection.setReceiving(false);
      },
      onConnectFailed() {},
      onReceived(connection, bytes, start, end, lease) {
        if (kept.length < 5) kept.push(lease);
        else connection.release(lease);
      },
      onPayloadsSent(connection, count) {
        for (let index = 0; index < count; index += 1) connection.send(payload, 10, payload, 0, 300000);
      },
      onClosed() {},
      onTurnEnd() { transport.flush(); step(); },
    };
    transport.listen(handler, { host: '127.0.0.1', port: 0 }, (error, bound) => {
      if (error) throw error;
      for (let token = 0; token < 6; token += 1) transport.connect(bound, token, 5000);
      transport.connect({ host: '127.0.0.1', port: 1 }, 99, 5000);
    });
    medium.start({ onPersisted() { if (memory !== null) write(); step(); }, onFailure(error) { throw error; } }, (error) => {
      if (error) throw error;
      medium.create(1, (createError, made) => {
        if (createError) throw createError;
        memory = made;
        write();
      });
    });
  })();`;

const endings: Array<[string, string, RegExp]> = [
  ['terminated', '', /^$/],
  ['process.exit', 'process.exit(0);', /^$/],
  ['an uncaught error in a handler', 'throw new Error("on purpose");', /^on purpose$/],
];

for (const [name, ending, expected] of endings) {
  test.runIf(isHere)(
    `30 workers, ended by: ${name}`,
    async () => {
      for (let round = 0; round < 10; round += 1) {
        const workers = [0, 1, 2].map((index) => {
          const directory = path.join(scratch.path, `${name.replaceAll(' ', '-')}-${round}-${index}`);
          return new Worker(busy(directory, ending), { eval: true });
        });
        await Promise.all(
          workers.map(async (worker) => {
            const errors: string[] = [];
            worker.on('error', (error) => errors.push((error as Error).message));
            const exited = new Promise<void>((resolve) => worker.on('exit', () => resolve()));
            const isBusy = new Promise<void>((resolve) => worker.on('message', () => resolve()));
            await Promise.race([isBusy, exited]);
            if (ending === '') await worker.terminate();
            await exited;
            expect(errors.join()).toMatch(expected);
          }),
        );
      }
    },
    120_000,
  );

  test.runIf(isHere)(`processes, ended by: ${name}`, async () => {
    const code = ending === '' ? 'process.kill(process.pid, "SIGTERM");' : ending;
    for (let round = 0; round < 4; round += 1) {
      const directory = path.join(scratch.path, `process-${name.replaceAll(' ', '-')}-${round}`);
      const child = spawn(process.execPath, ['-e', busy(directory, code)], {
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let text = '';
      child.stderr.on('data', (data: Buffer) => {
        text += data.toString();
      });
      const outcome = await new Promise((resolve) =>
        child.on('close', (exitCode, signal) => resolve(signal ?? exitCode)),
      );
      expect(outcome, text).toBe(ending === '' ? 'SIGTERM' : ending.startsWith('throw') ? 1 : 0);
    }
  });
}

test.runIf(isHere)('a process whose transport and medium are closed ends by itself', async () => {
  const directory = path.join(scratch.path, 'ends');
  const child = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `
      import { createUringTransport } from '${dist}/transport/uring/uring-transport.js';
      import { createUringMedium } from '${dist}/storage/uring/uring-medium.js';
      const transport = createUringTransport();
      const medium = createUringMedium({ directory: ${JSON.stringify(directory)}, segmentBytes: 1 << 20 });
      const handler = { onConnection() {}, onConnectFailed() {}, onReceived() {}, onPayloadsSent() {}, onClosed() {}, onTurnEnd() {} };
      transport.listen(handler, { host: '127.0.0.1', port: 0 }, (error) => {
        if (error) throw error;
        medium.start({
          onPersisted() { transport.close(() => medium.close(() => process.stdout.write('closed'))); },
          onFailure(failure) { throw failure; },
        }, () => medium.create(1, (createError, memory) => {
          if (createError) throw createError;
          medium.persist(memory, 0, 4096, 1);
          medium.flush();
        }));
      });`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'], timeout: 60_000 },
  );
  let text = '';
  child.stdout.on('data', (data: Buffer) => {
    text += data.toString();
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  expect({ text, code }).toEqual({ text: 'closed', code: 0 });
  expect(fs.readdirSync(directory).sort()).toEqual(['0000000000000001.segment', 'LOCK']);
});
