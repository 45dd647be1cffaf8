/** Aim: a memory that nobody touched yet is made present before the kernel copies into it, a chunk at a time; and no byte changes by it. */

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { loadAddon } from '../../src/native/addon.js';
import { CHUNK_BYTES_MAX, type FileSystem, readFully } from '../../src/storage/file-system.js';

/** More than any allocator keeps for the next one: such a memory comes from the kernel, without pages. */
const FRESH_BYTES = 40 * 1024 * 1024;
const { addon, reason } = loadAddon();
const isHere = process.platform === 'linux' && addon !== null;
if (!isHere) process.stdout.write(`pages are not made present here: ${reason}\n`);

function residentBytes(): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(kilobytes![1]) * 1024;
}

/** A file without an end whose reads touch nothing, and what was resident at each. */
function readInto(target: Uint8Array): number[] {
  const resident: number[] = [];
  const fileSystem = {
    read: (
      _fd: number,
      _target: Uint8Array,
      _at: number,
      bytes: number,
      _position: number,
      done: (error: null, count: number) => void,
    ) => {
      resident.push(residentBytes());
      done(null, bytes);
    },
  } as unknown as FileSystem;
  readFully(fileSystem, 0, target, 0, target.length, 0, (error, count) => {
    expect(error).toBeNull();
    expect(count).toBe(target.length);
  });
  return resident;
}

test.runIf(isHere)('what is read into is present by then, and no more than that', () => {
  const target = new Uint8Array(FRESH_BYTES);
  const before = residentBytes();
  const resident = readInto(target);
  expect(resident.length).toBe(FRESH_BYTES / CHUNK_BYTES_MAX);
  expect(resident[0]! - before).toBeGreaterThan(CHUNK_BYTES_MAX / 2);
  expect(resident[0]! - before).toBeLessThan(10 * CHUNK_BYTES_MAX);
  expect(resident.at(-1)! - before).toBeGreaterThan(FRESH_BYTES * 0.8);
  expect(target.every((byte) => byte === 0)).toBe(true);
});

test('bytes that are there stay as they are', () => {
  const target = new Uint8Array(300_000).map((_, index) => index);
  readInto(target);
  expect(target.every((byte, index) => byte === (index & 255))).toBe(true);
});
