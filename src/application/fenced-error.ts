/** What calls are told of a replica that a fault has stopped for good. */

import { type Outcome, SynodError } from '../errors.js';

/** `outcome`: of what was asked for, where the call has one. */
export function fencedError(fault: SynodError, outcome?: Outcome): SynodError {
  return new SynodError('ERR_SYNOD_FENCED', `the replica is fenced: ${fault.message}`, {
    cause: fault,
    ...(outcome === undefined ? {} : { outcome }),
  });
}
