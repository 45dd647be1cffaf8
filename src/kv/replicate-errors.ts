/**
 * What a client is told when its commands did not come back from the log. The first word says what became of
 * them: TRYAGAIN and CLUSTERDOWN, certainly not executed; UNKNOWN, perhaps executed, or still to be; RESULTLOST, executed.
 */

import { SynodError } from '../errors.js';

export function errorReplyOf(error: unknown): string {
  if (!SynodError.is(error)) {
    const message = error instanceof Error ? error.message : String(error);
    return `UNKNOWN the command may or may not have been executed: ${message}`;
  }
  if (error.outcome === 'committed') return `RESULTLOST ${error.message} (${error.code})`;
  if (error.outcome !== 'not-applied' && error.code !== 'ERR_SYNOD_ARGUMENT') {
    return `UNKNOWN the command may or may not have been executed: ${error.message} (${error.code})`;
  }
  if (error.code === 'ERR_SYNOD_ARGUMENT') return `ERR not executed: ${error.message} (${error.code})`;
  if (error.code === 'ERR_SYNOD_OVERLOADED') {
    return `TRYAGAIN not executed, too much is under way: ${error.message} (${error.code})`;
  }
  return `CLUSTERDOWN not executed: ${error.message} (${error.code})`;
}
