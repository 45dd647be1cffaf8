/** What an engine tells of itself. */

import { formatBallot } from '../protocol/ballot.js';
import type { Replica } from '../protocol/replica.js';
import type { EngineParts, EngineStatus } from './engine-types.js';
import type { Links } from './links.js';
import type { LogWriter } from './log-writer.js';
import type { PeerTable } from './peer-table.js';

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
    chosen: core.chosen,
    storage: { kind: medium.kind, reason: medium.reason, durable: medium.durable },
    transport: { kind: transport.kind, reason: transport.reason },
    peers: options.members
      .filter((member) => member.id !== options.replica)
      .map(({ id }) => {
        const link = links.up.get(id);
        if (link === undefined || core.role !== 'primary')
          return { id, connected: link !== undefined, lag: null };
        return { id, connected: true, lag: Math.max(0, core.chosen - core.acceptedBy(link.number)) };
      }),
    bytesCopied: bytesCopied() + bridge.bytesCopied,
    bytesLogged: log.bytesLogged,
    persists: log.persists,
  };
}
