/** Turns what the system says into the storage errors of this library. */

import { type ErrorCode, SynodError } from '../errors.js';

/** The `code` of a system error (ENOSPC, EIO, ...), or undefined. */
export function systemCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}

/** `ERR_SYNOD_STORAGE_FULL` where space or quota ran out, else `otherwise`. Keeps a `SynodError` as it is. */
export function storageError(
  error: unknown,
  what: string,
  path: string,
  otherwise: ErrorCode = 'ERR_SYNOD_STORAGE_FAILED',
): SynodError {
  if (SynodError.is(error)) return error;
  const code = systemCode(error);
  const message = `${what}: ${error instanceof Error ? error.message : String(error)}`;
  const isFull = code === 'ENOSPC' || code === 'EDQUOT';
  return new SynodError(isFull ? 'ERR_SYNOD_STORAGE_FULL' : otherwise, message, { cause: error, path });
}

/** What every call after `close` gets. */
export function closedError(path: string): SynodError {
  return new SynodError('ERR_SYNOD_CLOSED', 'the log medium is closed', { path });
}

/** The file is not there (any more): where it was to be removed, only the sync of its directory failed. */
export function isNotThere({ cause }: SynodError): boolean {
  return systemCode(cause) === 'ENOENT';
}
