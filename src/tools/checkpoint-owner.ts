/** Whose checkpoints a folder holds: a tool that writes there must be alone, as whoever restores from them drops the log behind them. */

import { existsSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { lockDirectory } from '../storage/directory-lock.js';
import { checkpointDirectory, logDirectory } from '../storage/folders.js';
import { systemCode } from '../storage/storage-error.js';

/**
 * Where `folder` is that of the checkpoints of `dataDir`, or of the data directory around it, locks that one's log, and yields how to give it
 * back. Rejects with `ERR_SYNOD_DATA_DIRECTORY` where it is in use.
 */
export async function lockOwner(folder: string, dataDir: string): Promise<() => void> {
  const target = resolved(folder);
  // A folder of checkpoints may be a link to another disk: then it is not the one around it that has a log.
  const owner = [dataDir, path.dirname(path.resolve(folder)), path.dirname(target)].find(
    (each) => existsSync(logDirectory(each)) && resolved(checkpointDirectory(each)) === target,
  );
  if (owner === undefined) return () => {};
  return await new Promise((resolve, reject) =>
    lockDirectory(logDirectory(resolved(owner)), (error, lock) =>
      error === null ? resolve(lock!.unlock) : reject(error),
    ),
  );
}

/** Without links, also where its last parts do not exist yet. */
function resolved(file: string): string {
  try {
    return realpathSync(file);
  } catch (error) {
    const absolute = path.resolve(file);
    const above = path.dirname(absolute);
    if (systemCode(error) !== 'ENOENT' || above === absolute) return absolute;
    return path.join(resolved(above), path.basename(absolute));
  }
}
