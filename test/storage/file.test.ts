/** The file medium: conformance, how it groups commits, and what it does when any one of its calls fails. */

import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SynodError } from '../../src/errors.js';
import { createFileMedium } from '../../src/storage/file/file-medium.js';
import { describeLogMedium } from './conformance.js';
import { fillPattern, findDifference, isZero, MediumDriver, makeScratch, SEGMENT_BYTES } from './driver.js';
import { type Fault, FaultyFileSystem } from './faulty-file-system.js';

describeLogMedium({
  name: 'file',
  hasFiles: true,
  open: (directory) => createFileMedium({ directory, segmentBytes: SEGMENT_BYTES }),
});

describe('file medium', () => {
  let scratch: ReturnType<typeof makeScratch>;
  let directory: string;

  beforeEach(() => {
    scratch = makeScratch();
    directory = path.join(scratch.path, 'log');
  });
  afterEach(() => scratch.dispose());

  function make(faulty: FaultyFileSystem = new FaultyFileSystem()): MediumDriver {
    return new MediumDriver(
      createFileMedium({ directory, segmentBytes: SEGMENT_BYTES, fileSystem: faulty.fileSystem }),
    );
  }

  test('ranges queued while a sync is in flight become one write and one sync', async () => {
    const faulty = new FaultyFileSystem();
    const driver = make(faulty);
    await driver.start();
    const memory = await driver.create(1);
    let proceedSync: (() => void) | null = null;
    const syncStarted = new Promise<void>((resolve) => {
      faulty.gate = (name, proceed) => {
        if (name !== 'fdatasync') return proceed();
        proceedSync = proceed;
        resolve();
      };
    });
    faulty.calls.length = 0;
    driver.persist(memory, 0, 4096);
    driver.flush();
    await syncStarted;
    for (let block = 1; block <= 8; block += 1) {
      driver.persist(memory, block * 4096, (block + 1) * 4096);
      driver.flush();
    }
    expect(faulty.calls).toEqual(['write', 'fdatasync']);
    faulty.gate = null;
    proceedSync!();
    await driver.durable(9);
    expect(driver.persisted).toEqual([1, 9]);
    expect(faulty.calls).toEqual(['write', 'fdatasync', 'write', 'fdatasync']);
    await driver.close();
  });

  test('nothing is reported before the sync has returned', async () => {
    const faulty = new FaultyFileSystem();
    const driver = make(faulty);
    await driver.start();
    const memory = await driver.create(1);
    let held: (() => void) | null = null;
    const reached = new Promise<void>((resolve) => {
      faulty.gate = (name, proceed) => {
        if (name === 'fdatasync') {
          held = proceed;
          resolve();
        } else {
          proceed();
        }
      };
    });
    driver.persist(memory, 0, 4096);
    driver.flush();
    await reached;
    await driver.read(1, 0, 4096);
    expect(driver.persisted).toEqual([]);
    held!();
    await driver.durable(1);
    await driver.close();
  });

  test('a segment gets its name when its space is synced, and is there when its name is', async () => {
    const faulty = new FaultyFileSystem();
    const driver = make(faulty);
    await driver.start();
    faulty.calls.length = 0;
    await driver.create(1);
    const steps = faulty.calls.filter((call, at, calls) => call !== calls[at - 1]);
    expect(steps).toEqual(['open', 'write', 'fsync', 'rename', 'open', 'fsync', 'close', 'read']);
    await driver.close();
  });

  test('short writes are continued', async () => {
    const faulty = new FaultyFileSystem();
    const driver = make(faulty);
    await driver.start();
    const memory = await driver.create(1);
    fillPattern(memory, 0, 16384, 1);
    faulty.writeBytesMax = 1000;
    await driver.write(memory, 0, 16384);
    expect(findDifference(await driver.read(1, 0, 16384), 1, 0, 1)).toBe(-1);
    await driver.close();
  });

  test('a range that is not whole pages breaks a contract', async () => {
    const driver = make();
    await driver.start();
    const memory = await driver.create(1);
    expect(() => driver.medium.persist(memory, 0, 64, 1)).toThrow(/persist-in-blocks/);
    await driver.close();
  });

  test('rolling through segments allocates nothing after the first ones', async () => {
    const driver = make();
    await driver.start();
    const buffers = new Set<unknown>();
    let next = driver.create(0);
    for (let segment = 0; segment < 12; segment += 1) {
      const memory = await next;
      next = driver.create(segment + 1);
      if (memory.reference.kind === 'shared') buffers.add(memory.reference.buffer);
      await driver.write(memory, 0, 4096);
      driver.medium.release(memory);
    }
    await next;
    await driver.close();
    expect(buffers.size).toBeLessThanOrEqual(3);
  });

  test.each(['ENOSPC', 'EDQUOT'])(
    'no space (%s) for a segment: a typed error, nothing left, and it works later',
    async (code) => {
      // Each call that takes space, in turn.
      for (let at = 0; at < 4; at += 1) {
        const faulty = new FaultyFileSystem();
        const driver = make(faulty);
        await driver.start();
        const inUse = await driver.create(at * 2);
        const isTaking = (name: string): boolean => ['open', 'write', 'fsync', 'rename'].includes(name);
        faulty.inject({ at, code, matches: isTaking });
        await expect(driver.create(at * 2 + 1)).rejects.toMatchObject({ code: 'ERR_SYNOD_STORAGE_FULL' });
        expect(fs.readdirSync(directory).filter((name) => name.includes(`${at * 2 + 1}.segment`))).toEqual(
          [],
        );
        // What is there goes on.
        await driver.write(inUse, 0, 4096);
        faulty.inject(null);
        expect(isZero((await driver.create(at * 2 + 1)).bytes)).toBe(true);
        await driver.close();
      }
    },
  );

  test('no space while writing a segment that has its space is a failure, not a full disk', async () => {
    const faulty = new FaultyFileSystem();
    const driver = make(faulty);
    await driver.start();
    const memory = await driver.create(1);
    faulty.inject({ at: 0, code: 'ENOSPC' });
    driver.persist(memory, 0, 4096);
    driver.flush();
    expect((await driver.failure()).code).toBe('ERR_SYNOD_STORAGE_FAILED');
    await driver.close();
  });

  test.each(['write', 'fdatasync'])(
    'after a failed %s nothing is reported, written or synced again',
    async (name) => {
      const faulty = new FaultyFileSystem();
      const driver = make(faulty);
      await driver.start();
      const memory = await driver.create(1);
      await driver.write(memory, 0, 4096);
      // Once only: a second try would succeed, and lie.
      faulty.inject({ at: 0, code: 'EIO', matches: (call) => call === name });
      driver.persist(memory, 4096, 8192);
      driver.flush();
      driver.persist(memory, 8192, 12288);
      driver.flush();
      const failure = await driver.failure();
      expect(failure).toMatchObject({ code: 'ERR_SYNOD_STORAGE_FAILED' });
      expect(failure.path).toContain('0000000000000001.segment');
      expect((failure.cause as { code: string }).code).toBe('EIO');
      const callsAfter = faulty.calls.length;
      driver.persist(memory, 12288, 16384);
      driver.flush();
      driver.medium.release(memory);
      await driver.close();
      expect(faulty.calls.slice(callsAfter).filter((call) => call !== 'close')).toEqual([]);
      expect(driver.persisted).toEqual([1]);
      expect(driver.failures.length).toBe(1);
    },
  );

  /** A whole life of a medium; what it acknowledged goes into `acknowledged`. */
  async function live(driver: MediumDriver, acknowledged: Map<number, number>): Promise<void> {
    await driver.start();
    for (let segment = 1; segment <= 3; segment += 1) {
      const memory = await driver.create(segment);
      for (let block = 0; block < 3; block += 1) {
        fillPattern(memory, block * 4096, (block + 1) * 4096, segment);
        await driver.write(memory, block * 4096, (block + 1) * 4096);
        acknowledged.set(segment, block + 1);
      }
      driver.medium.release(memory);
    }
    await driver.read(2, 0, 4096);
    await driver.truncate(2, 12288);
    acknowledged.delete(1);
    await driver.remove(1);
  }

  test('any call may fail, and what was acknowledged is there, and close ends', async () => {
    const counting = new FaultyFileSystem();
    const whole = make(counting);
    await live(whole, new Map());
    await whole.close();
    const total = counting.calls.length;
    expect(total).toBeGreaterThan(50);

    for (let at = 0; at < total; at += 1) {
      for (const lasting of [false, true]) {
        fs.rmSync(directory, { recursive: true, force: true });
        const fault: Fault = { at, code: at % 2 === 0 ? 'EIO' : 'ENOSPC', lasting };
        const faulty = new FaultyFileSystem(fault);
        const driver = make(faulty);
        const acknowledged = new Map<number, number>();
        const outcome = await live(driver, acknowledged).then(
          () => null,
          (error: SynodError) => error,
        );
        const call = `${faulty.calls[at]} (call ${at}${lasting ? ' and all later' : ''})`;
        // A failed close loses nothing that was synced; every other call's failure must come to light.
        const mayPass = faulty.calls[at] === 'close' && !lasting;
        if (outcome === null)
          expect(mayPass || at >= total - 1, `${call} failed without an error`).toBe(true);
        else expect(outcome.code, call).toMatch(/^ERR_SYNOD_(STORAGE_FAILED|STORAGE_FULL|DATA_DIRECTORY)$/);
        await driver.close();

        const again = make();
        const summaries = await again.start();
        for (const [segment, blocks] of acknowledged) {
          const bytes = await again.read(segment, 0, blocks * 4096);
          expect(bytes.length, `${call}, segment ${segment}`).toBe(blocks * 4096);
          expect(findDifference(bytes, segment, 0, segment), `${call}, segment ${segment}`).toBe(-1);
        }
        for (const { bytes } of summaries) expect([12288, SEGMENT_BYTES]).toContain(bytes);
        await again.close();
      }
    }
  }, 120_000);

  test('options out of bounds are refused', () => {
    for (const segmentBytes of [0, 4096, SEGMENT_BYTES + 1, 2 ** 31, Number.NaN, 1.5]) {
      expect(() => createFileMedium({ directory, segmentBytes })).toThrow(
        expect.objectContaining({ code: 'ERR_SYNOD_OPTION', path: 'storage.segmentBytes' }),
      );
    }
  });
});
