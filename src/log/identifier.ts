/** The names of a cluster and a replica, as the headers of segments and checkpoints have them. */

import { IDENTIFIER_BYTES_MAX } from './format.js';

/** The text at `at`, whose length in bytes is the byte at `lengthAt`; null where it is not UTF-8 or the length is out of bounds. */
export function readIdentifier(bytes: Uint8Array, lengthAt: number, at: number): string | null {
  const length = bytes[lengthAt]!;
  if (length < 1 || length > IDENTIFIER_BYTES_MAX) return null;
  try {
    // A copy, because decoders refuse shared memory.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.slice(at, at + length));
  } catch {
    return null;
  }
}
