/** Aim: what a data directory takes up is told as it is, also while files come and go; and that it cannot be told is told. */

import fs, { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { checkpointName } from '../../src/storage/checkpoint-store.js';
import { type DiskQuestions, type DiskUsage, measureDisk } from '../../src/storage/disk-usage.js';

let root = '';
const measure = (fileSystem?: DiskQuestions): Promise<DiskUsage> =>
  new Promise((resolve, reject) =>
    measureDisk(
      root,
      'auto',
      (error, usage) => (error === null ? resolve(usage!) : reject(error)),
      fileSystem,
    ),
  );

beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'synod-usage-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

it('counts all files of the log, and the newest checkpoint', async () => {
  mkdirSync(path.join(root, 'log'));
  mkdirSync(path.join(root, 'checkpoints'));
  for (const [name, bytes] of [
    ['log/a', 100],
    ['log/b.new', 50],
    [`checkpoints/${checkpointName(9)}`, 7],
    [`checkpoints/${checkpointName(16)}`, 8],
    [`checkpoints/${checkpointName(17)}.made.new`, 900],
  ] as const)
    writeFileSync(path.join(root, name), Buffer.alloc(bytes));
  const { logBytes, checkpointBytes, freeBytes } = await measure();
  expect([logBytes, checkpointBytes]).toEqual([150, 8]);
  const { bavail, bsize, blocks } = statfsSync(root);
  // Others write to the same disk.
  expect(Math.abs(freeBytes - bavail * bsize)).toBeLessThan((blocks * bsize) / 10);
});

it('takes what is not there for nothing', async () => {
  expect(await measure()).toMatchObject({ logBytes: 0, checkpointBytes: 0 });
  const gone = {
    ...fs,
    readdir: (_folder: string, done: (error: null, names: string[]) => void) => done(null, ['gone']),
  } as unknown as DiskQuestions;
  expect(await measure(gone)).toMatchObject({ logBytes: 0, checkpointBytes: 0 });
});

it.each(['readdir', 'stat', 'statfs'] as const)(
  'says that it cannot be told, where %s fails',
  async (call) => {
    mkdirSync(path.join(root, 'log'));
    writeFileSync(path.join(root, 'log', 'a'), 'x');
    const broken = {
      ...fs,
      [call]: (_path: string, done: (error: Error) => void) =>
        done(Object.assign(new Error('EIO: as asked'), { code: 'EIO' })),
    } as unknown as DiskQuestions;
    await expect(measure(broken)).rejects.toMatchObject({ code: 'ERR_SYNOD_STORAGE_FAILED', path: root });
  },
);
