/**
 * Aim: a log that waits for space leaves what there is to others: to the checkpoint by which it becomes shorter, first of all.
 * Method: node:fs with faults, and a file system that says how much it has.
 */

import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { FileSystem } from '../../src/storage/file-system.js';
import { makeScratch, SEGMENT_BYTES, segmentFiles, startFileMedium } from './driver.js';
import { FaultyFileSystem } from './faulty-file-system.js';

const BLOCK_BYTES = 4096;
const BLOCKS = SEGMENT_BYTES / BLOCK_BYTES;

let scratch = makeScratch();
beforeEach(() => {
  scratch = makeScratch();
});
afterEach(() => scratch.dispose());

/** A medium that the disk was too full for once; `answer` is what its file system says from then on. */
async function refused(answer: Partial<fs.StatsFs> | Error) {
  const faulty = new FaultyFileSystem();
  const statfs = (_place: string, done: (error: Error | null, stats?: Partial<fs.StatsFs>) => void): void => {
    faulty.calls.push('statfs');
    if (answer instanceof Error) setImmediate(done, answer);
    else setImmediate(done, null, { bsize: BLOCK_BYTES, blocks: 1000, ...answer });
  };
  const fileSystem = { ...faulty.fileSystem, statfs } as unknown as FileSystem;
  const driver = await startFileMedium(scratch.path, fileSystem);
  faulty.inject({ at: 0, code: 'ENOSPC', matches: (name) => name === 'write' });
  await expect(driver.create(1)).rejects.toMatchObject({ code: 'ERR_SYNOD_STORAGE_FULL' });
  faulty.inject(null);
  const from = faulty.calls.length;
  return { driver, calls: () => faulty.calls.slice(from) };
}

it('is not filled with what will not fit, once it was full', async () => {
  const answer = { bavail: BLOCKS - 1, bfree: BLOCKS - 1 };
  const { driver, calls } = await refused(answer);
  await expect(driver.create(1)).rejects.toMatchObject({ code: 'ERR_SYNOD_STORAGE_FULL' });
  await expect(driver.create(1)).rejects.toMatchObject({ code: 'ERR_SYNOD_STORAGE_FULL' });
  expect(calls()).toEqual(['statfs', 'statfs']);
  answer.bavail += 1;
  answer.bfree += 1;
  expect((await driver.create(1)).bytes.length).toBe(SEGMENT_BYTES);
  // Whoever has found room does not ask again.
  await driver.create(2);
  expect(calls().filter((name) => name === 'statfs').length).toBe(3);
  await driver.close();
});

it.each([
  ['does not answer', new Error('ENOSYS')],
  ['does not count', { blocks: 0, bavail: 0, bfree: 0 }],
])('is written to where the file system %s', async (_what, answer) => {
  const { driver } = await refused(answer);
  expect((await driver.create(1)).bytes.length).toBe(SEGMENT_BYTES);
  await driver.close();
});

it('counts what is set aside for root where that is who runs', async () => {
  const { driver } = await refused({ bavail: 0, bfree: BLOCKS });
  const isRoot = process.geteuid?.() === 0;
  const outcome = await driver.create(1).then(
    () => 'made',
    (error: { code: string }) => error.code,
  );
  expect(outcome).toBe(isRoot ? 'made' : 'ERR_SYNOD_STORAGE_FULL');
  await driver.close();
});

it('has the space of a removed segment back, though its removal was heard of at the second time only', async () => {
  const faulty = new FaultyFileSystem();
  const driver = await startFileMedium(scratch.path, faulty.fileSystem);
  for (const segment of [1, 2]) driver.medium.release(await driver.create(segment));
  // No descriptor left for a moment: the file has its temporary name, and the folder is not synced.
  faulty.inject({ at: 0, code: 'EMFILE', matches: (name) => name === 'open' });
  await expect(driver.remove(1)).rejects.toMatchObject({ cause: { code: 'EMFILE' } });
  faulty.inject(null);
  await expect(driver.remove(1)).rejects.toMatchObject({ cause: { code: 'ENOENT' } });
  expect(segmentFiles(scratch.path)).toEqual(['0000000000000002.segment']);
  // One whose removal was heard of stays, and becomes the next segment.
  await driver.remove(2);
  await expect(driver.remove(2)).rejects.toMatchObject({ cause: { code: 'ENOENT' } });
  const inode = fs.statSync(path.join(scratch.path, '0000000000000002.segment.new')).ino;
  await driver.create(3);
  expect(fs.statSync(path.join(scratch.path, '0000000000000003.segment')).ino).toBe(inode);
  await driver.close();
});

it('has the space of a removed segment back where the next one cannot even be opened', async () => {
  const faulty = new FaultyFileSystem();
  const driver = await startFileMedium(scratch.path, faulty.fileSystem);
  driver.medium.release(await driver.create(1));
  await driver.remove(1);
  faulty.inject({ at: 0, code: 'EMFILE', matches: (name) => name === 'open' });
  await expect(driver.create(2)).rejects.toMatchObject({ code: 'ERR_SYNOD_STORAGE_FAILED' });
  expect(segmentFiles(scratch.path)).toEqual([]);
  await driver.close();
});
