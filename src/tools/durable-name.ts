/** Names in folders, for tools that tell somebody that a file is there to stay. */

import path from 'node:path';
import { nodeFileSystem, syncAbove } from '../storage/file-system.js';
import { storageError } from '../storage/storage-error.js';

/** Makes the name of `file` durable, and those of all folders above it. Rejects with `ERR_SYNOD_STORAGE_FAILED`. */
export function makeNameDurable(file: string): Promise<void> {
  return new Promise((resolve, reject) =>
    syncAbove(nodeFileSystem, path.resolve(file), (error) =>
      error === null
        ? resolve()
        : reject(storageError(error, `cannot make the name of ${file} durable`, file)),
    ),
  );
}
