/** The error for an argument that cannot be used. */

import { SynodError } from '../errors.js';

export function badArgument(message: string): SynodError {
  return new SynodError('ERR_SYNOD_ARGUMENT', message, { outcome: 'not-applied' });
}

/** Why options that were given are none, or null. */
export function optionsRefusal(options: unknown): SynodError | null {
  if (typeof options === 'object' && options !== null) return null;
  return badArgument(`options: expected an object, got ${options === null ? 'null' : typeof options}`);
}

/** @throws SynodError `ERR_SYNOD_ARGUMENT`. */
export function checkOptions(options: unknown): void {
  const refusal = optionsRefusal(options);
  if (refusal !== null) throw refusal;
}
