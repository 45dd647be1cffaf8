/** Looks up the host of an address. */

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
