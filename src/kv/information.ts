/** The text of INFO. */

import type { MemberHealth, Statistics } from '../index.js';
import { stageNames } from '../index.js';
import type { ServerStatistics } from './connection.js';
import { REDIS_VERSION } from './local-commands.js';
import type { ReplicaStatusLike } from './replica-like.js';

export interface KeyspaceStatistics {
  readonly keyCount: number;
  readonly expiringCount: number;
  readonly expiredCount: number;
}

export interface InformationSource {
  readonly status: ReplicaStatusLike;
  readonly statistics: ServerStatistics;
  /** Of the replica; null where it tells none. */
  readonly stages: Statistics | null;
  readonly health: readonly MemberHealth[] | null;
  /** What the state machine counts; null where the server was not given it. */
  readonly keyspace: KeyspaceStatistics | null;
  readonly port: number;
  readonly uptimeS: number;
  readonly connectionCount: number;
  readonly outstandingBytes: number;
}

type Lines = readonly (readonly [string, string | number | bigint])[];

const sectionNames = [
  'server',
  'clients',
  'memory',
  'stats',
  'replication',
  'health',
  'stages',
  'keyspace',
] as const;
type SectionName = (typeof sectionNames)[number];

/** `wanted` are section names in lower case; none, or `default`, `all`, `everything`, for every section. */
export function makeInformation(wanted: readonly string[], source: InformationSource): string {
  const everything =
    wanted.length === 0 ||
    wanted.some((name) => name === 'default' || name === 'all' || name === 'everything');
  const parts: string[] = [];
  for (const name of sectionNames) {
    if (!everything && !wanted.includes(name)) continue;
    const lines = sections[name](source).map(([key, value]) => `${key}:${oneLine(String(value))}\r\n`);
    parts.push(`# ${name.charAt(0).toUpperCase()}${name.slice(1)}\r\n${lines.join('')}`);
  }
  return parts.join('\r\n');
}

const sections: Readonly<Record<SectionName, (source: InformationSource) => Lines>> = {
  server: ({ status, port, uptimeS }) => [
    ['redis_version', REDIS_VERSION],
    ['redis_mode', 'standalone'],
    ['server_name', 'synod'],
    ['arch_bits', 64],
    ['process_id', process.pid],
    ['tcp_port', port],
    ['uptime_in_seconds', uptimeS],
    ['uptime_in_days', Math.trunc(uptimeS / 86_400)],
    ['replica', status.replica],
    ['storage', status.storage.kind],
    ['storage_reason', status.storage.reason],
    ['transport', status.transport.kind],
    ['transport_reason', status.transport.reason],
    ['loading', 0],
  ],
  clients: ({ connectionCount }) => [['connected_clients', connectionCount]],
  memory: () => {
    const usage = process.memoryUsage();
    return [
      ['used_memory', usage.heapUsed + usage.external],
      ['used_memory_rss', usage.rss],
      ['maxmemory', 0],
    ];
  },
  stats: ({ statistics, keyspace, outstandingBytes }) => [
    ['total_connections_received', statistics.connectionsReceived],
    ['rejected_connections', statistics.connectionsRefused],
    ['cut_connections', statistics.connectionsCut],
    ['total_commands_processed', statistics.commandsProcessed],
    ['total_batches_replicated', statistics.batchesReplicated],
    ['total_requests_refused', statistics.requestsRefused],
    ['total_net_input_bytes', statistics.bytesReceived],
    ['total_net_output_bytes', statistics.bytesSent],
    ['outstanding_bytes', outstandingBytes],
    ['expired_keys', keyspace?.expiredCount ?? 0],
  ],
  replication: ({ status }) => [
    ['role', status.role === 'primary' ? 'master' : 'slave'],
    ['replica_role', status.role],
    ['primary', status.primary ?? ''],
    ['ballot', typeof status.ballot === 'object' ? JSON.stringify(status.ballot) : String(status.ballot)],
    ['chosen', status.chosen],
    ['applied', status.applied],
    ['state_digest', status.stateDigest ?? ''],
    ['connected_slaves', status.peers.filter((peer) => peer.connected).length],
    ...status.peers.map(
      (peer, index) =>
        [
          `peer${index}`,
          `id=${peer.id},state=${peer.connected ? 'online' : 'offline'},lag=${peer.lag ?? ''}`,
        ] as const,
    ),
  ],
  health: ({ health }) =>
    (health ?? []).map((member, index) => [
      `member${index}`,
      `id=${member.id},connected=${member.connected ? 1 : 0},last_heard_ms=${member.lastHeardMs ?? ''},` +
        `chosen=${member.chosen ?? ''},applied=${member.applied ?? ''},lag=${member.lag ?? ''},` +
        `lag_bytes=${member.lagBytes ?? ''},queued_bytes=${member.queuedBytes},payload=${member.payload ?? ''},` +
        `disk=${member.disk ?? ''}`,
    ]),
  stages: ({ stages }) =>
    stages === null
      ? []
      : [
          ...Object.entries(stages.counters).map(
            ([name, value]) =>
              [name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), value] as const,
          ),
          ...stageNames.map((name) => {
            const { count, mean, p50, p90, p99, p999, max } = stages.stages[name].toJSON();
            return [
              `${name}_us`,
              `count=${count},mean=${mean},p50=${p50},p90=${p90},p99=${p99},p999=${p999},max=${max}`,
            ] as const;
          }),
        ],
  keyspace: ({ keyspace }) =>
    keyspace === null || keyspace.keyCount === 0
      ? []
      : [['db0', `keys=${keyspace.keyCount},expires=${keyspace.expiringCount},avg_ttl=0`]],
};

/** Latin-1 on one line, whatever a reason may contain: the reply is written a byte for each character. */
function oneLine(value: string): string {
  return value.replace(/[\r\n]+/g, ' ').replace(/[^\x20-\xff]/g, '?');
}
