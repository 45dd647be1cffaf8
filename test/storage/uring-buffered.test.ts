/**
 * Aim: where writes go through the page cache, a write whose pages did not reach the disk is never reported as durable. The kernel tells an error of
 * writing back once per open file (errseq, `file_check_and_advance_wb_err`): of two synced writes that are under way by one descriptor, one hears of it,
 * and perhaps not the one whose pages were lost. Method: a ring that behaves like that.
 */

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createUringMedium } from '../../src/storage/uring/uring-medium.js';
import { MediumDriver } from './driver.js';

const BLOCK = 4096;
let directory: string;
beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'synod-buffered-'));
});
afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

it('an error of writing back is not taken for that of another write by the same descriptor', async () => {
  /** Writes under way, oldest first. */
  const under: { from: number; done: (code: string | null) => void }[] = [];
  const ring = {
    hasSockets: false,
    flush: () => {},
    release: () => {},
    write: (
      _fd: number,
      _bytes: Uint8Array,
      start: number,
      _end: number,
      _offset: number,
      _synced: boolean,
      done: (code: string | null) => void,
    ) => void under.push({ from: start, done }),
  };
  const directIo = { direct: false, blockBytes: BLOCK, description: 'buffered' };
  const driver = new MediumDriver(
    createUringMedium({
      directory: path.join(directory, 'log'),
      segmentBytes: 16 * BLOCK,
      device: { ring, directIo },
    }),
  );
  await driver.start();
  const memory = await driver.create(1);
  for (const index of [0, 1]) {
    driver.medium.persist(memory, index * BLOCK, (index + 1) * BLOCK, index + 1);
    driver.medium.flush();
  }
  // The pages of the first write are lost. The last of those that are under way looks first, and takes the error; the others see none.
  const hears = under.at(-1)!;
  for (const write of [...under]) if (write !== hears) write.done(null);
  hears.done('EIO');
  expect({ persisted: driver.persisted, failures: driver.failures.length }).toEqual({
    persisted: [],
    failures: 1,
  });
  await driver.close();
});
