/**
 * Aim: a process without memory for another segment is told so by an error, instead of ending: it may run other replicas. Method: the
 * runtime refuses shared memory for a moment.
 */

import fs from 'node:fs';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createFileMedium } from '../../src/storage/file/file-medium.js';
import type { LogMedium } from '../../src/storage/log-medium.js';
import { createMemoryMedium } from '../../src/storage/memory/memory-medium.js';
import { createUringMedium, probeUring } from '../../src/storage/uring/uring-medium.js';
import { MediumDriver, makeScratch, SEGMENT_BYTES } from './driver.js';

let scratch = makeScratch();
beforeEach(() => {
  scratch = makeScratch();
});
afterEach(() => {
  vi.unstubAllGlobals();
  scratch.dispose();
});

const options = (): { directory: string; segmentBytes: number } => ({
  directory: scratch.path,
  segmentBytes: SEGMENT_BYTES,
});
const media: readonly (readonly [string, () => LogMedium])[] = [
  ['memory', () => createMemoryMedium({ segmentBytes: SEGMENT_BYTES })],
  ['file', () => createFileMedium(options())],
  ...(probeUring() === null ? [['uring', () => createUringMedium(options())] as const] : []),
];

function openFiles(): number {
  return fs.existsSync('/proc/self/fd') ? fs.readdirSync('/proc/self/fd').length : 0;
}

it.each(media)(
  'no memory for a segment of %s: an error, nothing open, and it works later',
  async (_kind, make) => {
    const driver = new MediumDriver(make());
    await driver.start();
    const inUse = await driver.create(1);
    const open = openFiles();
    vi.stubGlobal(
      'SharedArrayBuffer',
      class {
        constructor() {
          throw new RangeError('Array buffer allocation failed');
        }
      },
    );
    await expect(driver.create(2)).rejects.toMatchObject({
      code: 'ERR_SYNOD_STORAGE_FAILED',
      message: expect.stringContaining('Array buffer allocation failed'),
    });
    vi.unstubAllGlobals();
    await driver.write(inUse, 0, 4096);
    expect((await driver.create(3)).bytes.length).toBe(SEGMENT_BYTES);
    await driver.close();
    expect(openFiles()).toBeLessThanOrEqual(open);
  },
);
