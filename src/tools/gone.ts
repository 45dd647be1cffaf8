/** Files that a replica which runs deletes while its disk is looked at from outside. */

import { SynodError } from '../errors.js';
import { systemCode } from '../storage/storage-error.js';

export function isGone(error: unknown): boolean {
  return SynodError.is(error) && systemCode(error.cause) === 'ENOENT';
}

/** What `read` yields; null where the file is not there any more. */
export function unlessGone<Result>(read: () => Result): Result | null {
  try {
    return read();
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}
