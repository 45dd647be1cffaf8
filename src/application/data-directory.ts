/** The data directory of a replica has one owner, from before anything in it is read or deleted until nothing is written there any more. */

import fs from 'node:fs';
import { logDirectory } from '../engine/host.js';
import type { ResolvedOptions } from '../options.js';
import { lockDirectory } from '../storage/directory-lock.js';
import { storageError } from '../storage/storage-error.js';
import { refuseUnfinishedRecovery } from './recoveries.js';

/**
 * Yields how to give it back. Nothing where no log is kept there. Rejects with `ERR_SYNOD_DATA_DIRECTORY` where somebody has it, or where a
 * recovery was begun in it and is not done.
 */
export function lockDataDirectory({
  dataDir,
  storage,
}: Pick<ResolvedOptions, 'dataDir' | 'storage'>): Promise<(() => void) | null> {
  if (dataDir === null || storage.kind === 'memory') return Promise.resolve(null);
  const directory = logDirectory(dataDir);
  return new Promise((resolve, reject) =>
    fs.mkdir(directory, { recursive: true }, (makeError) => {
      if (makeError !== null)
        return reject(
          storageError(makeError, 'cannot use the data directory', directory, 'ERR_SYNOD_DATA_DIRECTORY'),
        );
      lockDirectory(directory, (error, lock) => {
        if (error !== null) return reject(error);
        refuseUnfinishedRecovery(dataDir, (unfinished) => {
          if (unfinished === null) return resolve(lock!.unlock);
          lock!.unlock();
          reject(unfinished);
        });
      });
    }),
  );
}
