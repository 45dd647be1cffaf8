/** Asks a running replica how it is: `SYNOD STATUS` on the port of its key-value service. */

import type { Address } from '../transport/transport.js';
import { AskError, ask } from './ask.js';

/** What the command line reads of a status; there may be more in it. */
export interface StatusReport {
  readonly replica: string;
  readonly role: string;
  readonly primary: string | null;
  readonly chosen: number;
  readonly applied: number;
  readonly storage: { readonly kind: string; readonly reason: string };
  readonly transport: { readonly kind: string; readonly reason: string };
  readonly [key: string]: unknown;
}

/** The status of the replica whose key-value service is at `address`. Rejects with `AskError`. */
export async function fetchStatus(address: Address, timeoutMs: number): Promise<StatusReport> {
  const value = await ask(address, ['SYNOD', 'STATUS'], timeoutMs);
  if (
    typeof value !== 'object' ||
    value === null ||
    typeof (value as { replica?: unknown }).replica !== 'string'
  ) {
    throw new AskError('the answer is not a status');
  }
  return value as StatusReport;
}
