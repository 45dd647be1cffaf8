/** What an engine tells of itself. */

import { formatBallot } from '../protocol/ballot.js';
import type { Configuration } from '../protocol/configuration.js';
import type { Replica } from '../protocol/replica.js';
import type { EngineOptions, EngineParts, EngineStatus } from './engine-types.js';
import type { Links } from './links.js';
import type { LogWriter } from './log-writer.js';
import type { PeerTable } from './peer-table.js';
import { versionInForce, versionsOf } from './versions.js';

export function engineStatus(
  parts: EngineParts,
  core: Replica,
  links: Links,
  peers: PeerTable,
  log: LogWriter,
): EngineStatus {
  const { medium, transport, options, bytesCopied, bridge } = parts;
  return {
    role: core.role,
    primary: peers.idOf(core.primary),
    ballot: formatBallot(core.ballot),
    configuration: core.configuration?.number ?? 0,
    version: {
      inForce: versionInForce(core.configuration),
      ...versionsOf(options),
    },
    chosen: core.chosen,
    storage: { kind: medium.kind, reason: medium.reason, durable: medium.durable },
    transport: { kind: transport.kind, reason: transport.reason },
    peers: [...knownIds(options, core.configuration, links)]
      .filter((id) => id !== options.replica)
      .map((id) => {
        const link = links.up.get(id);
        const versionMax = link?.peer?.versionMax ?? null;
        if (link === undefined || core.role !== 'primary')
          return { id, connected: link !== undefined, lag: null, versionMax };
        const lag = Math.max(0, core.chosen - core.acceptedBy(link.number));
        return { id, connected: true, lag, versionMax };
      }),
    bytesCopied: bytesCopied() + bridge.bytesCopied,
    bytesLogged: log.bytesLogged,
    persists: log.persists,
  };
}

/** The members; before there is a member set, those of the options; and whoever else is linked. */
function knownIds(options: EngineOptions, configuration: Configuration | null, links: Links): Set<string> {
  const members = configuration?.members ?? options.members;
  return new Set([...members.map(({ id }) => id), ...links.up.keys()]);
}
