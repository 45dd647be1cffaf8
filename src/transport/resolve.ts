/** Looks up the host of an address, and shares the time of a dial among what was found. */

import { lookup } from 'node:dns';
import { isIP } from 'node:net';

/**
 * Yields the numeric addresses of `host` in the order in which to try them, at least one, or the error. A numeric
 * host is its own. The callback comes later in any case.
 */
export function resolveHost(
  host: string,
  callback: (error: NodeJS.ErrnoException | null, addresses: readonly string[]) => void,
): void {
  if (isIP(host) !== 0) {
    setImmediate(callback, null, [host]);
    return;
  }
  lookup(host, { all: true }, (error, found) => {
    if (error !== null) callback(error, []);
    else
      callback(
        null,
        found.map(({ address }) => address),
      );
  });
}

/**
 * Milliseconds for the next of `hosts` addresses that have not been tried, of a dial that ends at `deadline`: one that does not answer leaves the
 * others their share. Null for the last: the end of the dial is its bound.
 */
export function attemptMs(deadline: number, now: number, hosts: number): number | null {
  return hosts > 1 ? Math.max(0, deadline - now) / hosts : null;
}
