/** The data directory of a replica has one owner, from before anything in it is read or deleted until nothing is written there any more. */

import fs from 'node:fs';
import { SynodError } from '../errors.js';
import type { ResolvedOptions } from '../options.js';
import { parseSegmentName } from '../storage/directory.js';
import { lockDirectory } from '../storage/directory-lock.js';
import { checkpointDirectory, logDirectory } from '../storage/folders.js';
import { storageError } from '../storage/storage-error.js';
import { refuseUnfinishedRecovery } from './recoveries.js';

/**
 * Yields how to give it back; null where there is no directory. Rejects with `ERR_SYNOD_DATA_DIRECTORY` where somebody has it, where a
 * recovery was begun in it and is not done, or where a replica in memory is given a folder that has a log; with `ERR_SYNOD_STORAGE_FULL`
 * where there is no space.
 */
export function lockDataDirectory({
  dataDir,
  storage,
}: Pick<ResolvedOptions, 'dataDir' | 'storage'>): Promise<(() => void) | null> {
  if (dataDir === null) return Promise.resolve(null);
  const directory = logDirectory(dataDir);
  const prepare = storage.kind === 'memory' ? emptyForMemory : refuseUnfinishedRecovery;
  return new Promise((resolve, reject) =>
    fs.mkdir(directory, { recursive: true }, (makeError) => {
      if (makeError !== null) return reject(unusable(makeError, directory));
      lockDirectory(directory, (error, lock) => {
        if (error !== null) return reject(error);
        prepare(dataDir, (refusal) => {
          if (refusal === null) return resolve(lock!.unlock);
          lock!.unlock();
          reject(refusal);
        });
      });
    }),
  );
}

/**
 * What a log in memory left behind is worth nothing: who has its checkpoint and no promises is a learner until others let it in, and alone that
 * is for ever. So it begins as it would without a folder. A log that is there is somebody's whose promises must be kept.
 */
function emptyForMemory(dataDir: string, callback: (refusal: SynodError | null) => void): void {
  const log = logDirectory(dataDir);
  const checkpoints = checkpointDirectory(dataDir, 'memory');
  fs.readdir(log, (readError, names) => {
    if (readError !== null) return callback(unusable(readError, log));
    if (names.some((name) => parseSegmentName(name) !== null))
      return callback(
        new SynodError(
          'ERR_SYNOD_DATA_DIRECTORY',
          `${log} has the log of a replica, which storage.kind memory would not go on with: take the kind that wrote it, or another folder`,
          { path: dataDir },
        ),
      );
    fs.rm(checkpoints, { recursive: true, force: true }, (removeError) =>
      callback(removeError === null ? null : unusable(removeError, checkpoints)),
    );
  });
}

function unusable(error: unknown, directory: string): SynodError {
  return storageError(error, 'cannot use the data directory', directory, 'ERR_SYNOD_DATA_DIRECTORY');
}
