/** The uring medium: conformance on a disk and on a file system in memory, group commit, and failing writes. */

import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadAddon } from '../../src/native/addon.js';
import { createFileMedium } from '../../src/storage/file/file-medium.js';
import { createUringMedium, probeUring } from '../../src/storage/uring/uring-medium.js';
import { createTcpTransport } from '../../src/transport/tcp/tcp-transport.js';
import { createUringTransport } from '../../src/transport/uring/uring-transport.js';
import { Endpoint, joined } from '../transport/endpoint.js';
import { describeLogMedium } from './conformance.js';
import { fillPattern, findDifference, MediumDriver, makeScratch, SEGMENT_BYTES } from './driver.js';
import { FaultyFileSystem } from './faulty-file-system.js';

const obstacle = probeUring();
const MEMORY_ROOT = '/dev/shm';

if (obstacle === null) {
  describeLogMedium({
    name: 'uring',
    hasFiles: true,
    open: (directory) => createUringMedium({ directory, segmentBytes: SEGMENT_BYTES }),
  });
  if (fs.existsSync(MEMORY_ROOT)) {
    describeLogMedium({
      name: 'uring on a file system in memory',
      hasFiles: true,
      root: MEMORY_ROOT,
      open: (directory) => createUringMedium({ directory, segmentBytes: SEGMENT_BYTES, writesMax: 7 }),
    });
  }
  describeOwn();
} else {
  describe('uring medium', () => {
    test('is not run here', async () => {
      console.log(`storage uring is not tested: ${obstacle}`);
      expect(() => createUringMedium({ directory: '/tmp/x', segmentBytes: SEGMENT_BYTES })).toThrow(
        expect.objectContaining({ code: 'ERR_SYNOD_STORAGE_UNAVAILABLE' }),
      );
    });
  });
}

function describeOwn(): void {
  describe('uring medium', () => {
    let scratch: ReturnType<typeof makeScratch>;
    let directory: string;

    beforeEach(() => {
      scratch = makeScratch();
      directory = path.join(scratch.path, 'log');
    });
    afterEach(() => scratch.dispose());

    const counter = (name: 'persists' | 'bytesPersisted' | 'systemCalls'): number => {
      const addon = loadAddon().addon!;
      return addon.counters[addon.counterIndex[name]] as number;
    };

    test('memory begins at a whole page', async () => {
      const driver = new MediumDriver(createUringMedium({ directory, segmentBytes: SEGMENT_BYTES }));
      await driver.start();
      for (let segment = 0; segment < 3; segment += 1) {
        const { bytes } = await driver.create(segment);
        expect(loadAddon().addon!.addressModulo!(bytes, 4096)).toBe(0);
      }
      await driver.close();
    });

    test('adjacent persists of one turn become one write', async () => {
      const driver = new MediumDriver(createUringMedium({ directory, segmentBytes: SEGMENT_BYTES }));
      await driver.start();
      const { blockBytes } = driver.medium;
      const memory = await driver.create(1);
      const [persists, bytes] = [counter('persists'), counter('bytesPersisted')];
      for (let block = 0; block < 10; block += 1) {
        driver.persist(memory, block * blockBytes, (block + 1) * blockBytes);
      }
      driver.flush();
      await driver.durable(10);
      expect(counter('persists') - persists).toBe(1);
      expect(counter('bytesPersisted') - bytes).toBe(10 * blockBytes);
      expect(driver.persisted).toEqual([10]);
      await driver.close();
    });

    test('what is flushed while writes are in flight waits together', async () => {
      const driver = new MediumDriver(
        createUringMedium({ directory, segmentBytes: SEGMENT_BYTES, writesMax: 1 }),
      );
      await driver.start();
      const { blockBytes } = driver.medium;
      const memory = await driver.create(1);
      const persists = counter('persists');
      for (let block = 0; block < 10; block += 1) {
        driver.persist(memory, block * blockBytes, (block + 1) * blockBytes);
        driver.flush();
      }
      await driver.durable(10);
      expect(counter('persists') - persists).toBe(2);
      expect(driver.persisted).toEqual([1, 10]);
      await driver.close();
    });

    test('a log written by uring opens with file, and back', async () => {
      const first = new MediumDriver(createUringMedium({ directory, segmentBytes: SEGMENT_BYTES }));
      await first.start();
      const memory = await first.create(5);
      fillPattern(memory, 0, 8192, 1);
      await first.write(memory, 0, 8192);
      await first.close();
      const second = new MediumDriver(createFileMedium({ directory, segmentBytes: SEGMENT_BYTES }));
      expect(await second.start()).toEqual([{ segment: 5, bytes: SEGMENT_BYTES }]);
      expect(findDifference(await second.read(5, 0, 8192), 5, 0, 1)).toBe(-1);
      const next = await second.create(6);
      fillPattern(next, 0, 4096, 2);
      await second.write(next, 0, 4096);
      await second.close();
      const third = new MediumDriver(createUringMedium({ directory, segmentBytes: SEGMENT_BYTES }));
      expect((await third.start()).length).toBe(2);
      expect(findDifference(await third.read(6, 0, 4096), 6, 0, 2)).toBe(-1);
      await third.close();
    });

    /** A segment that can be written, and one whose descriptor is opened for reading alone: each write to it fails. */
    async function openWithFailing() {
      const faulty = new FaultyFileSystem();
      const open = faulty.fileSystem.open as unknown as (...args: unknown[]) => void;
      let readOnly = false;
      const fileSystem = {
        ...faulty.fileSystem,
        open: (file: string, flags: number | string, callback: unknown) =>
          open(file, readOnly && typeof flags === 'number' ? fs.constants.O_RDONLY : flags, callback),
      } as typeof faulty.fileSystem;
      const driver = new MediumDriver(
        createUringMedium({ directory, segmentBytes: SEGMENT_BYTES, fileSystem }),
      );
      await driver.start();
      const good = await driver.create(1);
      readOnly = true;
      const bad = await driver.create(2);
      return { driver, good, bad };
    }

    test('a write that ends before an older one is not reported: the older one may yet fail', async () => {
      const { driver, good, bad } = await openWithFailing();
      // Out of a callback of the file system, `setImmediate`, by which an empty range ends, comes before any completion.
      await new Promise<void>((resolve) => {
        fs.stat(directory, () => {
          driver.persist(bad, 0, driver.medium.blockBytes);
          driver.flush();
          driver.persist(good, 0, 0);
          driver.flush();
          resolve();
        });
      });
      expect(await driver.failure()).toMatchObject({ code: 'ERR_SYNOD_STORAGE_FAILED' });
      expect(driver.persisted).toEqual([]);
      await driver.close();
    });

    test('a failed write is final: told once, nothing reported and nothing written after it', async () => {
      const { driver, good, bad } = await openWithFailing();
      const { blockBytes } = driver.medium;
      await driver.write(good, 0, blockBytes);
      driver.persist(bad, 0, blockBytes);
      driver.flush();
      driver.persist(good, blockBytes, 2 * blockBytes);
      driver.flush();
      driver.persist(bad, blockBytes, 2 * blockBytes);
      driver.flush();
      const failure = await driver.failure();
      expect(failure).toMatchObject({ code: 'ERR_SYNOD_STORAGE_FAILED', offset: 0 });
      expect(failure.path).toContain('0000000000000002.segment');
      expect((failure.cause as { code: string }).code).toBe('EBADF');
      driver.persist(good, 2 * blockBytes, 3 * blockBytes);
      driver.flush();
      driver.medium.release(good);
      await driver.close();
      expect(driver.persisted).toEqual([1]);
      expect(driver.failures.length).toBe(1);
    });

    test('any call of making a segment may fail: nothing is left open, and it works later', async () => {
      const open: number[] = [];
      for (let at = 0; at < 12; at += 1) {
        const faulty = new FaultyFileSystem();
        const driver = new MediumDriver(
          createUringMedium({ directory, segmentBytes: SEGMENT_BYTES, fileSystem: faulty.fileSystem }),
        );
        await driver.start();
        faulty.inject({ at, code: 'EIO' });
        const outcome = await driver.create(at).then(
          () => 'made',
          (error: { code: string }) => error.code,
        );
        if (faulty.faults > 0 && faulty.calls[faulty.calls.length - 1] !== 'close') {
          expect(outcome).toBe('ERR_SYNOD_STORAGE_FAILED');
        }
        faulty.inject(null);
        const memory = await driver.create(at + 100);
        await driver.write(memory, 0, driver.medium.blockBytes);
        await driver.close();
        fs.rmSync(directory, { recursive: true });
        // The ring's descriptor goes when the loop has let go of it.
        for (let turn = 0; turn < 3; turn += 1) await new Promise(setImmediate);
        open.push(fs.readdirSync('/proc/self/fd').length);
      }
      expect(open.at(-1)).toBe(open[0]);
    });

    test('shares the ring with sockets: a turn’s write and messages leave in one call', async () => {
      const near = new Endpoint(createUringTransport());
      const far = new Endpoint(createTcpTransport());
      await Promise.all([near.listen(), far.listen()]);
      const [there, here] = await joined(near, far);
      const driver = new MediumDriver(createUringMedium({ directory, segmentBytes: SEGMENT_BYTES }));
      await driver.start();
      const { blockBytes } = driver.medium;
      const memory = await driver.create(1);
      fillPattern(memory, 0, blockBytes, 1);
      driver.persist(memory, 0, blockBytes);
      near.send(there, new Uint8Array(8), memory.bytes, 0, blockBytes);
      const calls = counter('systemCalls');
      driver.flush();
      near.flush();
      expect(counter('systemCalls') - calls).toBe(1);
      await driver.durable(1);
      await far.until(() => far.bytesFrom(here) === blockBytes + 8);
      // Without a flush of the transport the write goes out all the same.
      driver.persist(memory, blockBytes, 2 * blockBytes);
      driver.flush();
      await driver.durable(2);
      await Promise.all([near.close(), far.close()]);
      driver.persist(memory, 2 * blockBytes, 3 * blockBytes);
      driver.flush();
      await driver.durable(3);
      await driver.close();
      expect([...near.violations, ...far.violations]).toEqual([]);
    });
  });
}
