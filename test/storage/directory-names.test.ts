/**
 * Aim: a log whose directory can still be lost by a power cut has no segment yet.
 * Method: record the syncs of a medium that starts on a new directory.
 */

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { createFileMedium } from '../../src/storage/file/file-medium.js';
import type { FileSystem } from '../../src/storage/file-system.js';
import { MediumDriver } from './driver.js';

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'synod-reopen-'));
const segmentBytes = 64 * 1024;

afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

/** node:fs that remembers the path of every file and folder that was synced, in order. */
function recordSyncs(): { readonly synced: string[]; readonly fileSystem: FileSystem } {
  const opened = new Map<number, string>();
  const synced: string[] = [];
  const fileSystem = {
    ...fs,
    open: (
      file: string,
      flags: fs.OpenMode,
      done: (error: NodeJS.ErrnoException | null, fd: number) => void,
    ) =>
      fs.open(file, flags, (error, fd) => {
        if (error === null) opened.set(fd, file);
        done(error, fd);
      }),
    fsync: (fd: number, done: fs.NoParamCallback) => {
      synced.push(opened.get(fd) ?? '?');
      fs.fsync(fd, done);
    },
  } as unknown as FileSystem;
  return { synced, fileSystem };
}

it('the names of the directories above are durable, whoever made them, before there is a first segment', async () => {
  const { synced, fileSystem } = recordSyncs();
  // As left by a process that was killed before it had synced, or by a probe of the path.
  const log = path.join(directory, 'data', 'log');
  fs.mkdirSync(log, { recursive: true });
  const driver = new MediumDriver(createFileMedium({ directory: log, segmentBytes, fileSystem }));
  expect(await driver.start()).toEqual([]);
  expect(synced.slice(0, 2)).toEqual([path.join(directory, 'data'), directory]);
  await driver.close();
});
