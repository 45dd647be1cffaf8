/** What of a replica's options its engine is given. Plain data: it may go to a thread of its own. */

import type { HostOptions } from '../engine/host.js';
import type { ResolvedOptions } from '../options.js';
import { loadTls } from '../transport/tls.js';
import type { LeadershipHooks } from './leadership-hooks.js';

/** Without what is known only once the data directory is this replica's. Throws `ERR_SYNOD_OPTION` where the files of TLS are wrong. */
export function hostOptions(
  options: ResolvedOptions,
  { asksToLead, asksToVote }: Pick<LeadershipHooks, 'asksToLead' | 'asksToVote'>,
): Omit<HostOptions, 'isLocked' | 'keepsCheckpoints' | 'checkpoint'> {
  const {
    logger: _logger,
    engine: _engine,
    checkpoints: _checkpoints,
    members,
    transport,
    resolve,
    leadership,
    ...rest
  } = options;
  const { priority, standsWhileCatchingUp } = leadership;
  const { kind, tls } = transport;
  return {
    ...rest,
    members: members.map(({ id, address }) => ({ id, address })),
    transport: { kind },
    tls: tls === null ? null : loadTls(tls, options.replica),
    asksForAddresses: resolve !== null,
    leadership: { priority, standsWhileCatchingUp, asksToLead, asksToVote },
  };
}
