/**
 * What `synod recover` writes down in a data directory: a line before it changes anything, and one when it is done. In between the log may say of
 * slots that they are chosen which nobody chose, and not yet that the replica is alone: it must not be opened like that.
 */

import fs from 'node:fs';
import path from 'node:path';
import { SynodError } from '../errors.js';
import { storageError, systemCode } from '../storage/storage-error.js';

const RECOVERIES_FILE = 'recoveries.jsonl';

export function recoveriesFile(dataDir: string): string {
  return path.join(dataDir, RECOVERIES_FILE);
}

/** What the file's last line says, where that is of a recovery that was begun; null where none was, or the last one is done. */
export function unfinishedRecovery(text: string): Readonly<Record<string, unknown>> | null {
  let last = null as Readonly<Record<string, unknown>> | null;
  // Behind the last line break is what was cut short while it was written. Nothing came of it: whoever wrote it waits until it is durable.
  for (const line of text.split('\n').slice(0, -1)) {
    try {
      last = JSON.parse(line) as typeof last;
    } catch {
      // Cut short too, and another one was put behind it.
    }
  }
  // Builds that wrote one line, at the end, named no state.
  return last?.state === 'begun' ? last : null;
}

/** Yields `ERR_SYNOD_DATA_DIRECTORY` where a recovery was begun in `dataDir` and is not done. The caller has locked it. */
export function refuseUnfinishedRecovery(
  dataDir: string,
  callback: (error: SynodError | null) => void,
): void {
  const file = recoveriesFile(dataDir);
  fs.readFile(file, 'utf8', (error, text) => {
    if (error !== null) {
      const isThere = systemCode(error) !== 'ENOENT';
      callback(isThere ? storageError(error, `cannot read ${file}`, file, 'ERR_SYNOD_DATA_DIRECTORY') : null);
    } else if (unfinishedRecovery(text) === null) callback(null);
    else
      callback(
        new SynodError(
          'ERR_SYNOD_DATA_DIRECTORY',
          `a recovery was begun in ${dataDir} and is not done: run synod recover again, which goes on with it`,
          { path: file },
        ),
      );
  });
}
