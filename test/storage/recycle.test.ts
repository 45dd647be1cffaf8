/**
 * Aim: a segment that is made of a removed one's file is as good as a new one, at every moment of its making.
 * Method: the media that keep files, on node:fs with faults; and the mapped medium with its mappings counted.
 */

import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadAddon } from '../../src/native/addon.js';
import type { LogMedium } from '../../src/storage/log-medium.js';
import { createPmemMedium } from '../../src/storage/pmem/pmem-medium.js';
import {
  fillPattern,
  findDifference,
  MediumDriver,
  makeScratch,
  SEGMENT_BYTES,
  segmentFiles,
  startFileMedium,
} from './driver.js';
import { FaultyFileSystem } from './faulty-file-system.js';

let scratch = makeScratch();
beforeEach(() => {
  scratch = makeScratch();
});
afterEach(() => scratch.dispose());

const names = (): string[] => segmentFiles(scratch.path);
const nameOf = (segment: number): string => `${segment.toString(16).padStart(16, '0')}.segment`;
const inodeOf = (name: string): number => fs.statSync(path.join(scratch.path, name)).ino;

const started = (faulty = new FaultyFileSystem()): Promise<MediumDriver> =>
  startFileMedium(scratch.path, faulty.fileSystem);

/** Makes a segment, fills it, and lets go of its memory. */
async function filled(driver: MediumDriver, segment: number): Promise<void> {
  const memory = await driver.create(segment);
  fillPattern(memory, 0, SEGMENT_BYTES, 1);
  await driver.write(memory, 0, SEGMENT_BYTES);
  driver.medium.release(memory);
}

describe('the file of a removed segment', () => {
  test('becomes the next segment, all zeros', async () => {
    const driver = await started();
    await filled(driver, 1);
    const inode = inodeOf(nameOf(1));
    await driver.remove(1);
    expect(names()).toEqual([`${nameOf(1)}.new`]);
    const memory = await driver.create(2);
    expect(names()).toEqual([nameOf(2)]);
    expect(inodeOf(nameOf(2))).toBe(inode);
    expect(memory.bytes.every((byte) => byte === 0)).toBe(true);
    expect((await driver.read(2, 0, SEGMENT_BYTES)).every((byte) => byte === 0)).toBe(true);
    await expect(driver.read(1, 0, 64)).rejects.toMatchObject({ code: 'ERR_SYNOD_STORAGE_FAILED' });
    await driver.close();
  });

  test('is no segment after a restart, and is deleted then', async () => {
    const driver = await started();
    await filled(driver, 1);
    await filled(driver, 2);
    await driver.remove(1);
    await driver.close();
    const again = await started();
    expect(names()).toEqual([nameOf(2)]);
    await again.close();
  });

  test('is kept for four; the space of more is given back, and that of a shorter one', async () => {
    const driver = await started();
    for (let segment = 1; segment <= 7; segment += 1) await filled(driver, segment);
    await driver.truncate(7, 4096);
    for (const segment of [7, 1, 2, 3, 4, 5]) await driver.remove(segment);
    expect(names()).toEqual([...[1, 2, 3, 4].map((segment) => `${nameOf(segment)}.new`), nameOf(6)]);
    await driver.close();
  });

  test('is left alone while somebody reads it', async () => {
    const faulty = new FaultyFileSystem();
    const driver = await started(faulty);
    await filled(driver, 1);
    let goOn = (): void => {};
    faulty.gate = (name, proceed) => {
      if (name === 'read') goOn = proceed;
      else proceed();
    };
    const reading = driver.read(1, 0, SEGMENT_BYTES);
    while (!faulty.calls.slice(-1).includes('read')) await new Promise(setImmediate);
    await driver.remove(1);
    expect(names()).toEqual([]);
    faulty.gate = null;
    goOn();
    expect(findDifference(await reading, 1, 0, 1)).toBe(-1);
    await driver.close();
  });

  test('is not written to before a power cut could no longer give it its name back', async () => {
    const faulty = new FaultyFileSystem();
    const driver = await started(faulty);
    await filled(driver, 1);
    faulty.inject({ at: 0, code: 'EIO', matches: (name) => name === 'fsync' });
    await expect(driver.remove(1)).rejects.toMatchObject({ code: 'ERR_SYNOD_STORAGE_FAILED' });
    faulty.inject(null);
    const left = path.join(scratch.path, `${nameOf(1)}.new`);
    const inode = fs.statSync(left).ino;
    await driver.create(2);
    expect(inodeOf(nameOf(2))).not.toBe(inode);
    expect(fs.readFileSync(left).some((byte) => byte !== 0)).toBe(true);
    await driver.close();
  });

  test('is deleted where the next segment cannot be made of it, at each step', async () => {
    for (const name of ['open', 'write', 'fsync', 'rename']) {
      const faulty = new FaultyFileSystem();
      const driver = await started(faulty);
      await filled(driver, 1);
      await driver.remove(1);
      faulty.inject({ at: 0, code: 'EIO', matches: (call) => call === name });
      await expect(driver.create(2)).rejects.toMatchObject({ code: 'ERR_SYNOD_STORAGE_FAILED' });
      faulty.inject(null);
      expect((await driver.create(2)).bytes.every((byte) => byte === 0)).toBe(true);
      await driver.close();
      fs.rmSync(path.join(scratch.path, nameOf(2)));
    }
  });
});

const { addon, reason } = loadAddon();
if (addon === null) {
  test('mappings are not used again here', () => {
    console.log(`mappings that are used again are not tested: ${reason}`);
    expect(reason).not.toBe('');
  });
} else {
  describe('the mapping of a removed segment', () => {
    /** A mapped medium, and how often it has mapped and unmapped. */
    function counted(): { medium: LogMedium; counts: { mapped: number; dropped: number } } {
      const counts = { mapped: 0, dropped: 0 };
      const medium = createPmemMedium({
        directory: scratch.path,
        segmentBytes: SEGMENT_BYTES,
        memory: {
          flushInstruction: addon!.flushInstruction,
          mapSegment: (...args) => {
            counts.mapped += 1;
            const [file, bytes, isReadOnly] = args;
            return { ...addon!.mapSegment(file, bytes, isReadOnly, false) };
          },
          unmapSegment: (bytes) => addon!.unmapSegment(bytes),
          keepRegion: (region) => addon!.keepRegion(region),
          openRegion: (region) => addon!.openRegion(region),
          dropRegion: (region) => {
            counts.dropped += 1;
            addon!.dropRegion(region);
          },
          flushRange: (...args) => addon!.flushRange(...args),
          populate: (...args) => addon!.populate(...args),
        },
        allowVolatile: true,
      });
      return { medium, counts };
    }

    const isMapped = (name: string): boolean =>
      fs.readFileSync('/proc/self/maps', 'utf8').includes(path.join(scratch.path, name));

    test('is that of the next one, and holds zeros', async () => {
      const { medium, counts } = counted();
      const driver = new MediumDriver(medium);
      await driver.start();
      const before = await driver.create(1);
      await driver.write(before, 0, 4096);
      medium.release(before);
      // What was released can be written by nobody, though it is mapped.
      expect(before.bytes.length).toBe(0);
      await driver.remove(1);
      const memory = await driver.create(2);
      expect(counts).toEqual({ mapped: 1, dropped: 1 });
      expect(driver.regionsGone).toEqual([]);
      expect(memory.bytes.length).toBe(SEGMENT_BYTES);
      expect(memory.bytes.every((byte) => byte === 0)).toBe(true);
      expect(memory.reference).toEqual({ ...before.reference, path: path.join(scratch.path, nameOf(2)) });
      fillPattern(memory, 0, 4096, 7);
      await driver.write(memory, 0, 4096);
      expect(findDifference(await driver.read(2, 0, 4096), 2, 0, 7)).toBe(-1);
      await driver.close();
      if (process.platform === 'linux') expect(isMapped('')).toBe(false);
    });

    test('ends with the file, and where there are too many', async () => {
      const { medium, counts } = counted();
      const driver = new MediumDriver(medium);
      await driver.start();
      for (let segment = 1; segment <= 18; segment += 1) await filled(driver, segment);
      // Regions are numbered as they are mapped.
      const [first] = driver.regionsGone as [number];
      expect(driver.regionsGone).toEqual([first, first + 1]);
      if (process.platform === 'linux')
        expect([1, 16, 17, 18].map((segment) => isMapped(nameOf(segment)))).toEqual([
          true,
          true,
          false,
          false,
        ]);
      for (let segment = 1; segment <= 5; segment += 1) await driver.remove(segment);
      // The fifth file is gone, and its mapping with it.
      expect(counts).toEqual({ mapped: 18, dropped: 1 });
      expect(driver.regionsGone).toEqual([first, first + 1, first - 12]);
      await driver.close();
      expect(counts).toEqual({ mapped: 18, dropped: 16 });
      if (process.platform === 'linux') expect(isMapped('')).toBe(false);
    });
  });
}
