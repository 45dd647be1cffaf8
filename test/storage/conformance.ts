/**
 * What every log medium must do. Run against each sibling by its own test file.
 *
 * Method: the real medium in a scratch directory, driven through its interface only; what was reported durable is read
 * back through a second medium that is opened after the first was closed.
 */

import fs from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { LogMedium, SegmentMemory } from '../../src/storage/log-medium.js';
import {
  fillPattern,
  findDifference,
  isZero,
  MediumDriver,
  makeScratch,
  patternByte,
  SEGMENT_BYTES,
} from './driver.js';

export interface MediumFactory {
  /** For the titles of the tests. */
  readonly name: string;
  /** A new medium on `directory`, with segments of `SEGMENT_BYTES`. Called again for the same directory to reopen it. */
  open(directory: string): LogMedium;
  /** Whether segments are files in the directory, locked for one owner. */
  readonly hasFiles: boolean;
  /** Where scratch directories are made; a disk if left out. */
  readonly root?: string;
}

export function describeLogMedium(factory: MediumFactory): void {
  describe(`log medium: ${factory.name}`, () => {
    let scratch: ReturnType<typeof makeScratch>;
    let directory: string;
    const drivers: MediumDriver[] = [];

    beforeEach(() => {
      scratch = makeScratch(factory.root);
      directory = path.join(scratch.path, 'deep', 'log');
    });

    afterEach(async () => {
      for (const driver of drivers.splice(0)) if (!driver.closed) await driver.close();
      scratch.dispose();
    });

    function make(): MediumDriver {
      const driver = new MediumDriver(factory.open(directory));
      drivers.push(driver);
      return driver;
    }

    async function open(): Promise<MediumDriver> {
      const driver = make();
      await driver.start();
      return driver;
    }

    test('says what it is', () => {
      const { medium } = make();
      expect(medium.reason).toContain(medium.kind);
      expect(medium.segmentBytes).toBe(SEGMENT_BYTES);
      expect([64, 128, 256, 512, 1024, 2048, 4096]).toContain(medium.blockBytes);
    });

    test('begins empty', async () => {
      expect(await make().start()).toEqual([]);
    });

    test('a new segment is zeros, in memory and when read', async () => {
      const driver = await open();
      const memory = await driver.create(1);
      expect(memory.segment).toBe(1);
      expect(memory.bytes.length).toBe(SEGMENT_BYTES);
      expect(isZero(memory.bytes)).toBe(true);
      expect(isZero(await driver.read(1, 0, SEGMENT_BYTES))).toBe(true);
      if (memory.reference.kind === 'shared') {
        expect(memory.reference.buffer).toBeInstanceOf(SharedArrayBuffer);
        const sameBytes = new Uint8Array(memory.reference.buffer, memory.reference.byteOffset, SEGMENT_BYTES);
        memory.bytes[7] = 77;
        expect(sameBytes[7]).toBe(77);
      } else {
        expect(fs.statSync(memory.reference.path).size).toBe(SEGMENT_BYTES);
      }
      expect(structuredClone(memory.reference)).toEqual(memory.reference);
    });

    test('what was persisted reads back, here and after reopening', async () => {
      const driver = await open();
      const { blockBytes } = driver.medium;
      const memory = await driver.create(3);
      fillPattern(memory, 0, 3 * blockBytes, 1);
      await driver.write(memory, 0, 3 * blockBytes);
      expect(findDifference(await driver.read(3, 0, 3 * blockBytes), 3, 0, 1)).toBe(-1);
      await driver.close();

      const again = make();
      expect(await again.start()).toEqual([{ segment: 3, bytes: SEGMENT_BYTES }]);
      expect(findDifference(await again.read(3, 0, 3 * blockBytes), 3, 0, 1)).toBe(-1);
      expect(isZero(await again.read(3, 3 * blockBytes, SEGMENT_BYTES - 3 * blockBytes))).toBe(true);
    });

    test('the whole segment can be persisted at once', async () => {
      const driver = await open();
      const memory = await driver.create(1);
      fillPattern(memory, 0, SEGMENT_BYTES, 2);
      await driver.write(memory, 0, SEGMENT_BYTES);
      await driver.close();
      const again = await open();
      expect(findDifference(await again.read(1, 0, SEGMENT_BYTES), 1, 0, 2)).toBe(-1);
    });

    test('reads end at the end of the segment', async () => {
      const driver = await open();
      await driver.create(1);
      expect((await driver.read(1, SEGMENT_BYTES - 100, 300)).length).toBe(100);
      expect((await driver.read(1, SEGMENT_BYTES, 10)).length).toBe(0);
      expect((await driver.read(1, 5, 0)).length).toBe(0);
    });

    test('a segment that does not exist is an error to read, harden, truncate and remove', async () => {
      const driver = await open();
      const storageFailed = expect.objectContaining({ code: 'ERR_SYNOD_STORAGE_FAILED' });
      await expect(driver.read(9, 0, 10)).rejects.toEqual(storageFailed);
      await expect(driver.harden(9, 0, 10)).rejects.toEqual(storageFailed);
      await expect(driver.truncate(9, 0)).rejects.toEqual(storageFailed);
      await expect(driver.remove(9)).rejects.toEqual(storageFailed);
    });

    test('a segment is not made twice', async () => {
      const driver = await open();
      await driver.create(1);
      expect(() => driver.medium.create(1, () => {})).toThrow(/segment-is-new/);
    });

    test('tickets are cumulative over several persists in flight', async () => {
      const driver = await open();
      const { blockBytes } = driver.medium;
      const memory = await driver.create(1);
      const blocks = Math.min(64, SEGMENT_BYTES / blockBytes);
      for (let block = 0; block < blocks; block += 1) {
        fillPattern(memory, block * blockBytes, (block + 1) * blockBytes, 4);
        driver.persist(memory, block * blockBytes, (block + 1) * blockBytes);
        if (block % 3 === 0) driver.flush();
      }
      driver.flush();
      await driver.durable(blocks);
      expect(driver.persisted).toEqual([...driver.persisted].sort((a, b) => a - b));
      expect(new Set(driver.persisted).size).toBe(driver.persisted.length);
      expect(findDifference(await driver.read(1, 0, blocks * blockBytes), 1, 0, 4)).toBe(-1);
    });

    test('persists of two segments in one flush', async () => {
      const driver = await open();
      const { blockBytes } = driver.medium;
      const [first, second] = [await driver.create(1), await driver.create(2)];
      fillPattern(first, 0, blockBytes, 5);
      fillPattern(second, 0, blockBytes, 6);
      driver.persist(first, 0, blockBytes);
      driver.persist(second, 0, blockBytes);
      driver.flush();
      await driver.durable(2);
      expect(findDifference(await driver.read(1, 0, blockBytes), 1, 0, 5)).toBe(-1);
      expect(findDifference(await driver.read(2, 0, blockBytes), 2, 0, 6)).toBe(-1);
    });

    test('an empty range counts as a ticket', async () => {
      const driver = await open();
      const memory = await driver.create(1);
      await driver.write(memory, 0, 0);
      expect(driver.persistedTicket).toBe(1);
    });

    test('flush with nothing queued reports nothing', async () => {
      const driver = await open();
      driver.flush();
      const memory = await driver.create(1);
      await driver.write(memory, 0, driver.medium.blockBytes);
      driver.flush();
      await driver.close();
      expect(driver.persisted).toEqual([1]);
    });

    test('released memory is used again, as zeros, and the segment stays readable', async () => {
      const driver = await open();
      const { blockBytes } = driver.medium;
      for (let segment = 1; segment <= 6; segment += 1) {
        const memory = await driver.create(segment);
        expect(isZero(memory.bytes)).toBe(true);
        fillPattern(memory, 0, SEGMENT_BYTES, segment);
        await driver.write(memory, 0, blockBytes);
        driver.medium.release(memory);
      }
      for (let segment = 1; segment <= 6; segment += 1) {
        expect(findDifference(await driver.read(segment, 0, blockBytes), segment, 0, segment)).toBe(-1);
      }
    });

    test('released with a persist in flight: it still becomes durable, and nobody else gets the memory before', async () => {
      const driver = await open();
      const { blockBytes } = driver.medium;
      const memory = await driver.create(1);
      fillPattern(memory, 0, blockBytes, 9);
      driver.persist(memory, 0, blockBytes);
      driver.flush();
      driver.medium.release(memory);
      const next = await driver.create(2);
      expect(isZero(next.bytes)).toBe(true);
      await driver.durable(1);
      expect(findDifference(await driver.read(1, 0, blockBytes), 1, 0, 9)).toBe(-1);
    });

    test('released with a persist queued: it becomes durable with the next flush', async () => {
      const driver = await open();
      const { blockBytes } = driver.medium;
      const memory = await driver.create(1);
      fillPattern(memory, 0, blockBytes, 9);
      driver.persist(memory, 0, blockBytes);
      driver.medium.release(memory);
      expect(driver.persisted).toEqual([]);
      driver.flush();
      await driver.durable(1);
      await driver.close();
      const again = await open();
      expect(findDifference(await again.read(1, 0, blockBytes), 1, 0, 9)).toBe(-1);
    });

    test('released memory takes no more persists', async () => {
      const driver = await open();
      const memory = await driver.create(1);
      driver.medium.release(memory);
      expect(() => driver.medium.persist(memory, 0, 64, 1)).toThrow(/memory-is-live/);
      expect(() => driver.medium.release(memory)).toThrow(/memory-is-live/);
    });

    test('truncate keeps the beginning, over a reopening too, and never lengthens', async () => {
      const driver = await open();
      const { blockBytes } = driver.medium;
      const memory = await driver.create(1);
      fillPattern(memory, 0, 4096, 3);
      await driver.write(memory, 0, Math.max(4096, blockBytes));
      driver.medium.release(memory);
      await driver.truncate(1, 4096);
      expect((await driver.read(1, 0, SEGMENT_BYTES)).length).toBe(4096);
      await driver.truncate(1, SEGMENT_BYTES);
      expect((await driver.read(1, 0, SEGMENT_BYTES)).length).toBe(4096);
      await driver.close();
      const again = make();
      expect(await again.start()).toEqual([{ segment: 1, bytes: 4096 }]);
      const bytes = await again.read(1, 0, SEGMENT_BYTES);
      expect(bytes.length).toBe(4096);
      expect(findDifference(bytes, 1, 0, 3)).toBe(-1);
    });

    test('what an earlier process wrote is as it was, and can be made durable again', async () => {
      const driver = await open();
      const memory = await driver.create(1);
      fillPattern(memory, 0, 2 * 4096, 3);
      await driver.write(memory, 0, 2 * 4096);
      await driver.close();
      const again = make();
      await again.start();
      await again.harden(1, 0, 2 * 4096);
      await again.harden(1, 4096 + 80, 4096 + 90);
      const bytes = await again.read(1, 0, SEGMENT_BYTES);
      expect(findDifference(bytes.subarray(0, 2 * 4096), 1, 0, 3)).toBe(-1);
      expect(isZero(bytes.subarray(2 * 4096))).toBe(true);
    });

    test('a removed segment is gone, and its number can be used again', async () => {
      const driver = await open();
      const memory = await driver.create(1);
      await driver.create(2);
      await driver.write(memory, 0, 4096);
      await driver.read(1, 0, 100);
      driver.medium.release(memory);
      await driver.remove(1);
      await expect(driver.read(1, 0, 10)).rejects.toThrow();
      expect(isZero((await driver.create(1)).bytes)).toBe(true);
      await driver.remove(2);
      await driver.close();
      expect(await make().start()).toEqual([{ segment: 1, bytes: SEGMENT_BYTES }]);
    });

    test('segments are listed in ascending order of large and small numbers', async () => {
      const driver = await open();
      const numbers = [255, 16, 1, 4_294_967_296, Number.MAX_SAFE_INTEGER, 0];
      for (const number of numbers) await driver.create(number);
      await driver.close();
      const listed = (await make().start()).map(({ segment }) => segment);
      expect(listed).toEqual([...numbers].sort((a, b) => a - b));
    });

    test('segments are made and read at the same time', async () => {
      const driver = await open();
      const memories = await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map((segment) => driver.create(segment)));
      for (const memory of memories) {
        fillPattern(memory, 0, 4096, memory.segment);
        driver.persist(memory, 0, 4096);
      }
      driver.flush();
      await driver.durable(memories.length);
      const reads = await Promise.all(
        [...memories, ...memories].map(({ segment }) =>
          driver.read(segment, 0, 4096).then((bytes) => ({ segment, bytes })),
        ),
      );
      for (const { segment, bytes } of reads) expect(findDifference(bytes, segment, 0, segment)).toBe(-1);
    });

    test('close waits for what is in flight, and can be called twice', async () => {
      const driver = await open();
      const { blockBytes } = driver.medium;
      const memory = await driver.create(1);
      fillPattern(memory, 0, 2 * blockBytes, 8);
      driver.persist(memory, 0, blockBytes);
      driver.flush();
      driver.persist(memory, blockBytes, 2 * blockBytes);
      const creating = driver.create(2).then(
        () => 'made',
        (error: { code: string }) => error.code,
      );
      await Promise.all([driver.close(), driver.close()]);
      expect(driver.persistedTicket).toBe(2);
      expect(['made', 'ERR_SYNOD_CLOSED']).toContain(await creating);
      await driver.close();
      const again = await open();
      expect(findDifference(await again.read(1, 0, 2 * blockBytes), 1, 0, 8)).toBe(-1);
    });

    test('every call after close fails with a code', async () => {
      const driver = await open();
      await driver.create(1);
      await driver.close();
      const closed = expect.objectContaining({ code: 'ERR_SYNOD_CLOSED' });
      await expect(driver.create(2)).rejects.toEqual(closed);
      await expect(driver.read(1, 0, 1)).rejects.toEqual(closed);
      await expect(driver.harden(1, 0, 1)).rejects.toEqual(closed);
      await expect(driver.truncate(1, 0)).rejects.toEqual(closed);
      await expect(driver.remove(1)).rejects.toEqual(closed);
      driver.flush();
    });

    test('closes without having been started', async () => {
      await make().close();
    });

    test('wrong ranges, tickets and starts break a contract', async () => {
      const driver = await open();
      const memory = await driver.create(1);
      const persist = (from: number, to: number, ticket: number) => () =>
        driver.medium.persist(memory, from, to, ticket);
      expect(persist(0, SEGMENT_BYTES + 4096, 1)).toThrow(/persist-range/);
      expect(persist(4096, 0, 1)).toThrow(/persist-range/);
      expect(persist(-4096, 0, 1)).toThrow(/persist-range/);
      persist(0, 4096, 1)();
      expect(persist(4096, 8192, 3)).toThrow(/ticket-follows/);
      driver.flush();
      await driver.durable(1);
      expect(() => driver.medium.start({ onPersisted() {}, onFailure() {} }, () => {})).toThrow(
        /medium-starts-once/,
      );
    });

    test('any sequence of persists over any segments reads back as it was when durable', async () => {
      const { blockBytes } = make().medium;
      const blocks = SEGMENT_BYTES / blockBytes;
      const step = fc.record({
        segment: fc.integer({ min: 0, max: 2 }),
        lengthBlocks: fc.integer({ min: 1, max: Math.max(1, Math.floor(blocks / 8)) }),
        flush: fc.boolean(),
        wait: fc.boolean(),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 24 }), async (steps) => {
          directory = path.join(scratch.path, `run-${Math.random().toString(36).slice(2)}`);
          const driver = await open();
          const memories: SegmentMemory[] = [];
          for (const segment of [0, 1, 2]) memories.push(await driver.create(segment));
          const filled = [0, 0, 0];
          for (const { segment, lengthBlocks, flush, wait } of steps) {
            const from = filled[segment]!;
            const to = Math.min(SEGMENT_BYTES, from + lengthBlocks * blockBytes);
            fillPattern(memories[segment]!, from, to, segment);
            const ticket = driver.persist(memories[segment]!, from, to);
            filled[segment] = to;
            if (flush || wait) driver.flush();
            if (wait) await driver.durable(ticket);
          }
          driver.flush();
          await driver.durable(driver.lastTicket);
          await driver.close();
          const again = await open();
          for (const segment of [0, 1, 2]) {
            const bytes = await again.read(segment, 0, SEGMENT_BYTES);
            expect(findDifference(bytes.subarray(0, filled[segment]!), segment, 0, segment)).toBe(-1);
            expect(isZero(bytes.subarray(filled[segment]!))).toBe(true);
          }
          await again.close();
        }),
        { numRuns: 15 },
      );
    });

    if (!factory.hasFiles) return;

    test('the directory has one owner at a time', async () => {
      const driver = await open();
      await expect(make().start()).rejects.toEqual(
        expect.objectContaining({ code: 'ERR_SYNOD_DATA_DIRECTORY' }),
      );
      await driver.create(1);
      await driver.close();
      expect((await make().start()).length).toBe(1);
    });

    test('foreign files are left alone, leftovers of an interrupted create are cleared', async () => {
      fs.mkdirSync(directory, { recursive: true });
      const foreign = [
        'README',
        '12.segment',
        '000000000000000G.segment',
        'ffffffffffffffff.segment',
        'x.new',
      ];
      for (const name of foreign) fs.writeFileSync(path.join(directory, name), 'mine');
      fs.mkdirSync(path.join(directory, '0000000000000007.segment'));
      fs.writeFileSync(path.join(directory, '0000000000000001.segment.new'), 'half');
      const driver = make();
      expect(await driver.start()).toEqual([]);
      await driver.create(1);
      await driver.close();
      const names = fs.readdirSync(directory);
      for (const name of foreign) expect(names).toContain(name);
      expect(names).toContain('0000000000000001.segment');
      expect(names).not.toContain('0000000000000001.segment.new');
    });

    test('a segment file is named by its number and holds what was persisted', async () => {
      const driver = await open();
      const memory = await driver.create(0xabc);
      fillPattern(memory, 0, 4096, 1);
      await driver.write(memory, 0, 4096);
      await driver.close();
      const bytes = fs.readFileSync(path.join(directory, '0000000000000abc.segment'));
      expect(bytes.length).toBe(SEGMENT_BYTES);
      expect(bytes[0]).toBe(patternByte(0xabc, 0, 1));
      expect(findDifference(bytes.subarray(0, 4096), 0xabc, 0, 1)).toBe(-1);
    });

    test('a directory that cannot be one is an error that names it', async () => {
      fs.mkdirSync(path.dirname(directory), { recursive: true });
      fs.writeFileSync(directory, 'a file');
      const started = (async () => make().start())();
      await expect(started).rejects.toMatchObject({ path: directory });
    });
  });
}
