/** Conformance of pmem: on /dev/shm and a disk as volatile, and on real DAX with MAP_SYNC where DAX_VM_PMEM names one. */

import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadAddon } from '../../src/native/addon.js';
import { createPmemMedium, probePmem } from '../../src/storage/pmem/pmem-medium.js';
import { describeLogMedium } from './conformance.js';
import { fillPattern, MediumDriver, makeScratch, SEGMENT_BYTES, segmentFiles } from './driver.js';
import { FaultyFileSystem } from './faulty-file-system.js';

const { addon, reason } = loadAddon();
const daxRoot = process.env.DAX_VM_PMEM;

if (addon === null) {
  console.log(`pmem conformance does not run: ${reason}`);
  test('pmem asked for by name without the addon says why', () => {
    expect(() =>
      createPmemMedium({ directory: '/nowhere', segmentBytes: SEGMENT_BYTES, allowVolatile: true }),
    ).toThrow(expect.objectContaining({ code: 'ERR_SYNOD_STORAGE_UNAVAILABLE' }));
    expect(probePmem('/nowhere')).toBe(reason);
  });
} else {
  const roots = ['/dev/shm', undefined].filter((root) => root === undefined || fs.existsSync(root));
  for (const root of roots) {
    describeLogMedium({
      name: `pmem, volatile, on ${root ?? 'a disk'}`,
      hasFiles: true,
      ...(root === undefined ? {} : { root }),
      open: (directory) => createPmemMedium({ directory, segmentBytes: SEGMENT_BYTES, allowVolatile: true }),
    });
  }
  if (daxRoot === undefined) {
    console.log('pmem on real DAX does not run here: DAX_VM_PMEM names no DAX directory');
  } else {
    describeLogMedium({
      name: 'pmem, MAP_SYNC on DAX',
      hasFiles: true,
      root: daxRoot,
      open: (directory) => createPmemMedium({ directory, segmentBytes: SEGMENT_BYTES }),
    });
    test('on DAX it is durable and says how', () => {
      const medium = createPmemMedium({
        directory: path.join(daxRoot, 'probe'),
        segmentBytes: SEGMENT_BYTES,
      });
      expect(medium.durable).toBe(true);
      expect(medium.reason).toContain('MAP_SYNC');
    });
  }

  describe('pmem', () => {
    test.runIf(process.platform === 'linux')(
      'a spare that no segment could be made of gives its space back',
      async () => {
        const scratch = makeScratch();
        const faulty = new FaultyFileSystem();
        const { fileSystem } = faulty;
        const options = {
          directory: scratch.path,
          segmentBytes: SEGMENT_BYTES,
          allowVolatile: true,
          fileSystem,
        };
        const driver = new MediumDriver(createPmemMedium(options));
        await driver.start();
        for (const segment of [1, 2]) driver.medium.release(await driver.create(segment));
        await driver.remove(1);
        faulty.inject({ at: 0, code: 'ENOSPC', matches: (name) => name === 'rename' });
        await expect(driver.create(3)).rejects.toMatchObject({ code: 'ERR_SYNOD_STORAGE_FULL' });
        faulty.inject(null);
        // Of the file that is gone no thread keeps a mapping; that of the other one waits for what is made of it.
        const files = segmentFiles(scratch.path);
        const maps = fs.readFileSync('/proc/self/maps', 'utf8').split('\n');
        expect(files.length).toBe(1);
        expect(maps.filter((line) => line.includes(scratch.path) && line.includes('(deleted)'))).toEqual([]);
        expect(maps.filter((line) => line.includes(scratch.path)).length).toBe(1);
        expect(driver.regionsGone.length).toBe(1);
        await driver.close();
        scratch.dispose();
      },
    );

    test('refuses a path that is not DAX, and leaves nothing there', () => {
      const scratch = makeScratch('/dev/shm');
      expect(() => createPmemMedium({ directory: scratch.path, segmentBytes: SEGMENT_BYTES })).toThrow(
        expect.objectContaining({
          code: 'ERR_SYNOD_STORAGE_UNAVAILABLE',
          message: expect.stringMatching(/not on a DAX file system.*allowVolatile/),
        }),
      );
      expect(probePmem(scratch.path)).toMatch(/not on a DAX/);
      expect(fs.readdirSync(scratch.path)).toEqual([]);
      scratch.dispose();
    });

    test('volatile is said loudly', () => {
      const scratch = makeScratch('/dev/shm');
      const medium = createPmemMedium({
        directory: scratch.path,
        segmentBytes: SEGMENT_BYTES,
        allowVolatile: true,
      });
      expect(medium.durable).toBe(false);
      expect(medium.reason).toMatch(/VOLATILE/);
      expect(medium.reason).toContain(addon.flushInstruction);
      scratch.dispose();
    });

    test('reports from inside flush, one call for a whole turn', async () => {
      const scratch = makeScratch('/dev/shm');
      const driver = new MediumDriver(
        createPmemMedium({ directory: scratch.path, segmentBytes: SEGMENT_BYTES, allowVolatile: true }),
      );
      await driver.start();
      const memory = await driver.create(1);
      const persistsBefore = addon.counters[addon.counterIndex.persists]!;
      const bytesBefore = addon.counters[addon.counterIndex.bytesPersisted]!;
      for (let block = 0; block < 10; block += 1) driver.persist(memory, block * 64, (block + 1) * 64);
      expect(driver.persisted).toEqual([]);
      driver.flush();
      expect(driver.persisted).toEqual([10]);
      expect(addon.counters[addon.counterIndex.persists]! - persistsBefore).toBe(1);
      expect(addon.counters[addon.counterIndex.bytesPersisted]! - bytesBefore).toBe(640);
      await driver.close();
      scratch.dispose();
    });

    test('memory that was released or closed has no bytes left, instead of ending the process', async () => {
      const scratch = makeScratch('/dev/shm');
      const driver = new MediumDriver(
        createPmemMedium({ directory: scratch.path, segmentBytes: SEGMENT_BYTES, allowVolatile: true }),
      );
      await driver.start();
      const [first, second] = [await driver.create(1), await driver.create(2)];
      fillPattern(first, 0, 64, 1);
      expect(() => driver.medium.truncate(1, 0, () => {})).toThrow(/truncate-after-release/);
      driver.medium.release(first);
      expect(first.bytes.length).toBe(0);
      await driver.close();
      expect(second.bytes.length).toBe(0);
      scratch.dispose();
    });
  });
}
