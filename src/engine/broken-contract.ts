/** What fences a replica whose own code met something that must not be. */

import { ContractViolation } from '../contracts.js';
import { SynodError } from '../errors.js';

export function brokenContract(cause: unknown): SynodError {
  const contract = cause instanceof ContractViolation ? cause.contract : 'unexpected';
  return new SynodError('ERR_SYNOD_CONTRACT', `broken contract "${contract}": ${String(cause)}`, { cause });
}
