/**
 * Aim: what recovery is going to see is durable before it sees it. A process that was killed between write and sync leaves
 * bytes in the page cache; acting on them (a promise, an acceptance) and then losing them with the power breaks rule 1.
 * Method: count the syncs of each segment file while a medium starts on a directory that has some.
 */

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { createFileMedium } from '../../src/storage/file/file-medium.js';
import type { FileSystem } from '../../src/storage/file-system.js';
import type { LogMedium, SegmentMemory } from '../../src/storage/log-medium.js';

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'synod-reopen-'));
const segmentBytes = 64 * 1024;
const handler = { onPersisted: () => {}, onFailure: () => {} };

afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

function start(medium: LogMedium): Promise<number> {
  return new Promise((resolve, reject) => {
    medium.start(handler, (error, segments) => (error === null ? resolve(segments!.length) : reject(error)));
  });
}

function create(medium: LogMedium, segment: number): Promise<SegmentMemory> {
  return new Promise((resolve, reject) => {
    medium.create(segment, (error, memory) => (error === null ? resolve(memory!) : reject(error)));
  });
}

const close = (medium: LogMedium): Promise<void> => new Promise((resolve) => medium.close(() => resolve()));

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

it('every segment that is there is synced before start yields it', async () => {
  const first = createFileMedium({ directory, segmentBytes });
  await start(first);
  await create(first, 1);
  await create(first, 2);
  await close(first);

  const { synced, fileSystem } = recordSyncs();
  const second = createFileMedium({ directory, segmentBytes, fileSystem });
  expect(await start(second)).toBe(2);
  expect(
    synced
      .map((file) => path.basename(file))
      .filter((name) => name.endsWith('.segment'))
      .sort(),
  ).toEqual(['0000000000000001.segment', '0000000000000002.segment']);
  await close(second);
});

it('the names of the directories above are durable, whoever made them, before there is a first segment', async () => {
  const { synced, fileSystem } = recordSyncs();
  // As left by a process that was killed before it had synced, or by a probe of the path.
  const log = path.join(directory, 'data', 'log');
  fs.mkdirSync(log, { recursive: true });
  const medium = createFileMedium({ directory: log, segmentBytes, fileSystem });
  expect(await start(medium)).toBe(0);
  expect(synced.slice(0, 2)).toEqual([path.join(directory, 'data'), directory]);
  await close(medium);
});
