/** Makes the transport that a configuration asks for. The one place that knows its siblings. */

import { SynodError } from '../errors.js';
import { addonIsDemanded, loadAddon } from '../native/addon.js';
import { createTcpTransport } from './tcp/tcp-transport.js';
import type { TlsMaterial } from './tls.js';
import type { Transport } from './transport.js';
import { createUringTransport } from './uring/uring-transport.js';

/** What a configuration may ask for. `auto` takes uring where it works, else tcp; `reason` says which and why. */
export interface TransportChoice {
  readonly kind: 'auto' | 'tcp' | 'uring';
  /** Bytes lent by one connection beyond which its peer meets back-pressure. Default 4 MiB. */
  readonly receiveBytesMax?: number;
  /** Mutual TLS, which only tcp has. */
  readonly tls?: TlsMaterial;
  readonly onTlsRefused?: (remote: string, reason: string) => void;
}

/**
 * Synchronous, and starts nothing but the ring. Asked for by name and not to be had, it throws
 * `ERR_SYNOD_TRANSPORT_UNAVAILABLE` with what blocks it; so does `auto` where SYNOD_NATIVE=1 demands the addon and
 * there is none.
 */
export function openTransport(choice: TransportChoice): Transport {
  const options = choice.receiveBytesMax === undefined ? {} : { receiveBytesMax: choice.receiveBytesMax };
  const { kind, tls, onTlsRefused } = choice;
  if (tls !== undefined) {
    if (kind === 'uring')
      throw new SynodError('ERR_SYNOD_TRANSPORT_UNAVAILABLE', 'transport uring: it has no TLS');
    const reason =
      kind === 'tcp' ? 'tcp: asked for by name, with TLS' : 'tcp: TLS is asked for, which uring has not';
    return createTcpTransport({
      ...options,
      reason,
      tls,
      ...(onTlsRefused === undefined ? {} : { onTlsRefused }),
    });
  }
  switch (kind) {
    case 'tcp':
      return createTcpTransport({ ...options, reason: 'tcp: asked for by name' });
    case 'uring':
      return createUringTransport(options);
    case 'auto':
      try {
        return createUringTransport(options);
      } catch (error) {
        if (!SynodError.is(error) || (addonIsDemanded() && loadAddon().addon === null)) throw error;
        const obstacle = error.message.replace('transport uring: ', '');
        return createTcpTransport({ ...options, reason: `tcp: io_uring is not to be had (${obstacle})` });
      }
  }
}
