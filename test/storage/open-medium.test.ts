/** What `openMedium` picks, and what it says; the log of one kind opened with the others. */

import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadAddon } from '../../src/native/addon.js';
import type { StorageKind } from '../../src/storage/log-medium.js';
import { openMedium } from '../../src/storage/open-medium.js';
import { probeUring } from '../../src/storage/uring/uring-medium.js';
import { fillPattern, findDifference, isZero, MediumDriver, makeScratch, SEGMENT_BYTES } from './driver.js';

const { addon, reason } = loadAddon();
const uringBlocked = addon === null ? reason : probeUring();
if (uringBlocked !== null) console.log(`tests of kind uring do not run: ${uringBlocked}`);
if (addon === null) console.log(`tests of kind pmem do not run: ${reason}`);

const kindsWithFiles: StorageKind[] = [
  'file',
  ...(uringBlocked === null ? (['uring'] as const) : []),
  ...(addon === null ? [] : (['pmem'] as const)),
];

describe('openMedium', () => {
  let scratch: ReturnType<typeof makeScratch>;
  let directory: string;
  beforeEach(() => {
    scratch = makeScratch();
    directory = path.join(scratch.path, 'log');
  });
  afterEach(() => scratch.dispose());

  test('auto takes the best that works and says why not a better one', async () => {
    const medium = openMedium({ kind: 'auto', directory, segmentBytes: SEGMENT_BYTES });
    expect(medium.reason).toMatch(/^auto: /);
    expect(medium.durable).toBe(true);
    if (addon === null) {
      expect(medium.kind).toBe('file');
      expect(medium.reason).toContain(reason);
    } else if (medium.kind !== 'pmem') {
      expect(medium.kind).toBe(uringBlocked === null ? 'uring' : 'file');
      expect(medium.reason).toMatch(/no pmem: .*not on a DAX file system/);
      if (uringBlocked !== null) expect(medium.reason).toContain(uringBlocked);
    }
    const driver = new MediumDriver(medium);
    await driver.start();
    const memory = await driver.create(1);
    await driver.write(memory, 0, 4096);
    await driver.close();
  });

  test('each kind by name is that kind', () => {
    for (const kind of ['memory', ...kindsWithFiles] as const) {
      const medium = openMedium({ kind, directory, segmentBytes: SEGMENT_BYTES, allowVolatile: true });
      expect(medium.kind).toBe(kind);
      expect(medium.segmentBytes).toBe(SEGMENT_BYTES);
    }
  });

  test('a kind that cannot be had throws what blocks it, and nothing falls back', () => {
    const unavailable = expect.objectContaining({ code: 'ERR_SYNOD_STORAGE_UNAVAILABLE' });
    if (addon === null) {
      const open = (kind: StorageKind) => () =>
        openMedium({ kind, directory, segmentBytes: SEGMENT_BYTES, allowVolatile: true });
      expect(open('pmem')).toThrow(unavailable);
      expect(open('uring')).toThrow(unavailable);
      expect(open('uring')).toThrow(reason);
    } else {
      const volatile = fs.existsSync('/dev/shm') ? makeScratch('/dev/shm') : scratch;
      expect(() =>
        openMedium({ kind: 'pmem', directory: volatile.path, segmentBytes: SEGMENT_BYTES }),
      ).toThrow(unavailable);
      volatile.dispose();
    }
  });

  test('options out of bounds are refused by every kind', () => {
    for (const kind of ['auto', 'memory', ...kindsWithFiles] as const) {
      expect(() => openMedium({ kind, directory, segmentBytes: 5000, allowVolatile: true }), kind).toThrow(
        expect.objectContaining({ code: 'ERR_SYNOD_OPTION' }),
      );
    }
  });

  const pairs = kindsWithFiles.flatMap((first) => kindsWithFiles.map((second) => [first, second] as const));
  test.each(pairs)('a log written by %s opens with %s, and goes on', async (first, second) => {
    const open = async (kind: StorageKind): Promise<MediumDriver> => {
      const driver = new MediumDriver(
        openMedium({ kind, directory, segmentBytes: SEGMENT_BYTES, allowVolatile: true }),
      );
      await driver.start();
      return driver;
    };
    const writer = await open(first);
    const memory = await writer.create(1);
    fillPattern(memory, 0, 8192, 1);
    await writer.write(memory, 0, 8192);
    const cut = await writer.create(2);
    fillPattern(cut, 0, 4096, 2);
    await writer.write(cut, 0, 4096);
    writer.medium.release(cut);
    await writer.truncate(2, 4096);
    await writer.close();

    const reader = new MediumDriver(
      openMedium({ kind: second, directory, segmentBytes: SEGMENT_BYTES, allowVolatile: true }),
    );
    expect(await reader.start()).toEqual([
      { segment: 1, bytes: SEGMENT_BYTES },
      { segment: 2, bytes: 4096 },
    ]);
    expect(findDifference(await reader.read(1, 0, 8192), 1, 0, 1)).toBe(-1);
    expect(isZero(await reader.read(1, 8192, SEGMENT_BYTES - 8192))).toBe(true);
    expect(findDifference(await reader.read(2, 0, SEGMENT_BYTES), 2, 0, 2)).toBe(-1);
    const next = await reader.create(3);
    fillPattern(next, 0, 4096, 3);
    await reader.write(next, 0, 4096);
    await reader.close();
    const back = await open(first);
    expect(findDifference(await back.read(3, 0, 4096), 3, 0, 3)).toBe(-1);
    await back.close();
  });
});
