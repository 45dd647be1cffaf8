/** Aim: uring never writes less than a whole sector of the disk. Method: trees as Linux has them in /sys, and this machine. */

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { blockBytesFor } from '../../src/storage/uring/direct-io.js';
import { readSectorBytes } from '../../src/storage/uring/sector-size.js';

let sys: string;

beforeEach(() => {
  sys = fs.mkdtempSync(path.join(os.tmpdir(), 'synod-sys-'));
  fs.mkdirSync(path.join(sys, 'dev/block'), { recursive: true });
});

afterEach(() => {
  fs.rmSync(sys, { recursive: true, force: true });
});

/** A disk with sectors of `text`, and its first partition. */
function addDisk(numbers: string, partition: string, text: string): void {
  const disk = path.join(sys, 'devices/pci/block/vda');
  fs.mkdirSync(path.join(disk, 'queue'), { recursive: true });
  fs.mkdirSync(path.join(disk, 'vda1'));
  fs.writeFileSync(path.join(disk, 'queue/physical_block_size'), text);
  fs.symlinkSync(disk, path.join(sys, 'dev/block', numbers));
  fs.symlinkSync(path.join(disk, 'vda1'), path.join(sys, 'dev/block', partition));
}

describe('the sector of a disk', () => {
  it('is read for the disk and for a partition of it', () => {
    addDisk('254:0', '254:1', '4096\n');
    expect(readSectorBytes(254 * 256, sys)).toBe(4096);
    expect(readSectorBytes(254 * 256 + 1, sys)).toBe(4096);
  });

  it('is found where minor numbers are beyond a byte', () => {
    addDisk('259:300', '259:301', '512\n');
    expect(readSectorBytes((1 << 20) + 259 * 256 + (300 - 256), sys)).toBe(512);
  });

  it('is not known of what is on no disk, or says nothing', () => {
    expect(readSectorBytes(26, sys)).toBe(null);
    addDisk('254:0', '254:1', '\n');
    expect(readSectorBytes(254 * 256, sys)).toBe(null);
    expect(readSectorBytes(254 * 256, path.join(sys, 'nothing'))).toBe(null);
  });
});

describe('blocks of uring', () => {
  it.each([
    ['what the file system wants, where sectors are no larger', 512, 512, 512],
    ['whole sectors of a disk that takes parts of them', 512, 4096, 4096],
    ['a page where sectors are not known', 512, null, 4096],
    ['a page where sectors are no power of two', 512, 3584, 4096],
    ['a page where sectors are larger than any block', 512, 65_536, 4096],
    ['what the file system wants, where that is more', 2048, 512, 2048],
  ])('are %s', (_, wanted, sector, blocks) => {
    expect(blockBytesFor(wanted, sector)).toBe(blocks);
  });
});
