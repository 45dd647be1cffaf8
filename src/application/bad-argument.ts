/** The error for an argument that cannot be used. */

import { SynodError } from '../errors.js';

export function badArgument(message: string): SynodError {
  return new SynodError('ERR_SYNOD_ARGUMENT', message, { outcome: 'not-applied' });
}
