/** The error for an argument that cannot be used. */

import { SynodError } from '../errors.js';

export function badArgument(message: string): SynodError {
  return new SynodError('ERR_SYNOD_ARGUMENT', message, { outcome: 'not-applied' });
}

/** Why options that were given are none, or have one that is none of `keys`; or null. */
export function optionsRefusal(options: unknown, keys: readonly string[]): SynodError | null {
  if (typeof options !== 'object' || options === null)
    return badArgument(`options: expected an object, got ${options === null ? 'null' : typeof options}`);
  // Passed over, a misspelt `timeoutMs` would wait for ever, and `evenIfBehind` be nothing that was asked for.
  for (const key in options)
    if (!keys.includes(key)) {
      const shown = /^\w{1,64}$/.test(key) ? key : JSON.stringify(key.slice(0, 64));
      return badArgument(`${shown}: no such option, there is ${keys.join(', ')}`);
    }
  return null;
}

/** @throws SynodError `ERR_SYNOD_ARGUMENT`. */
export function checkOptions(options: unknown, keys: readonly string[]): void {
  const refusal = optionsRefusal(options, keys);
  if (refusal !== null) throw refusal;
}
