/** What a data directory takes up, and what its file system has left. Asks the disk on the thread pool, and changes nothing. */

import fs from 'node:fs';
import path from 'node:path';
import { parseCheckpointName } from './checkpoint-store.js';
import { checkpointDirectory, logDirectory } from './folders.js';
import type { Callback, StorageKind } from './log-medium.js';
import { storageError } from './storage-error.js';

export interface DiskUsage {
  /** Of all files in the folder of the log, those that wait to be used again included. */
  readonly logBytes: number;
  /** Of the newest checkpoint; 0 where there is none. */
  readonly checkpointBytes: number;
  /** What may still be written to the file system by whoever runs this process. */
  readonly freeBytes: number;
}

export type DiskQuestions = Pick<typeof fs, 'readdir' | 'stat' | 'statfs'>;

type Done = (error: NodeJS.ErrnoException | null, bytes: number) => void;

/** Yields `ERR_SYNOD_STORAGE_FAILED` where the disk does not answer. */
export function measureDisk(
  dataDir: string,
  kind: 'auto' | StorageKind,
  callback: Callback<DiskUsage>,
  fileSystem: DiskQuestions = fs,
): void {
  const log = logDirectory(dataDir);
  const checkpoints = checkpointDirectory(dataDir, kind);
  const fail = (error: NodeJS.ErrnoException): void =>
    callback(storageError(error, 'the size of the data directory cannot be told', dataDir));
  names(fileSystem, log, (logError, files) => {
    if (logError !== null) return fail(logError);
    sizeOf(fileSystem, log, files, (sizeError, logBytes) => {
      if (sizeError !== null) return fail(sizeError);
      names(fileSystem, checkpoints, (error, found) => {
        if (error !== null) return fail(error);
        // The slot stands in the name, in digits of one length.
        const newest = found
          .filter((name) => parseCheckpointName(name) !== null)
          .sort()
          .slice(-1);
        sizeOf(fileSystem, checkpoints, newest, (newestError, checkpointBytes) => {
          if (newestError !== null) return fail(newestError);
          fileSystem.statfs(
            dataDir,
            (statError, { bavail, bsize } = { bavail: 0, bsize: 0 } as fs.StatsFs) => {
              if (statError !== null) fail(statError);
              else callback(null, { logBytes, checkpointBytes, freeBytes: bavail * bsize });
            },
          );
        });
      });
    });
  });
}

/** None where there is no such folder. */
function names(
  fileSystem: DiskQuestions,
  folder: string,
  done: (error: NodeJS.ErrnoException | null, names: readonly string[]) => void,
): void {
  fileSystem.readdir(folder, (error, found) => {
    if (error !== null && error.code !== 'ENOENT') done(error, []);
    else done(null, found ?? []);
  });
}

/** One file after the other: nobody is in a hurry, and the thread pool has other work. */
function sizeOf(
  fileSystem: DiskQuestions,
  folder: string,
  files: readonly string[],
  done: Done,
  before = 0,
): void {
  const [name, ...others] = files;
  if (name === undefined) {
    done(null, before);
    return;
  }
  fileSystem.stat(path.join(folder, name), (error, stats) => {
    // Deleted since it was listed.
    if (error !== null && error.code !== 'ENOENT') done(error, before);
    else sizeOf(fileSystem, folder, others, done, before + (stats?.size ?? 0));
  });
}
