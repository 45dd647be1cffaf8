/** Options of a client, checked once. */

import { SynodError } from '../errors.js';
import { ID_PATTERN } from '../limits.js';
import { parseAddress } from '../transport/address.js';
import type { Address } from '../transport/transport.js';
import { FRAME_BYTES_CEILING } from './format.js';

export interface ClientOptions {
  /** Id of the cluster. */
  readonly cluster: string;
  /** Where replicas serve clients: the id of each, and `host:port` of its `serveClients`. */
  readonly servers: readonly { readonly id: string; readonly address: string }[];
  /**
   * Milliseconds for a call, from 1 to 2^31 - 1. Default 10,000. Looked after in ticks of a sixteenth of it, 10 ms at least and 500 ms at
   * most: a call is never given up before its time, and up to two ticks behind it. A server that answers nothing for so long, and for
   * 2 s, is given up.
   */
  readonly timeoutMs?: number;
  /** Milliseconds for a connection to be made. Default 1000. */
  readonly connectTimeoutMs?: number;
  /** Milliseconds that a lost server is tried again, while it has unanswered commands. Default 2000. */
  readonly resumeTimeoutMs?: number;
  /** Bytes of commands that wait for their results, and 64 for each; beyond it `ERR_SYNOD_OVERLOADED`. Default 16 MiB. */
  readonly outstandingBytesMax?: number;
  /** Longest batch with what stands around it. Default 4 MiB, and never more than the server takes. */
  readonly batchBytesMax?: number;
}

export interface CheckedClientOptions extends Required<Omit<ClientOptions, 'servers'>> {
  readonly servers: readonly { readonly id: string; readonly address: Address }[];
}

const TIME_MAX = 2 ** 31 - 1;

/** Default, lowest and highest of each. */
const bounds = {
  timeoutMs: [10_000, 1, TIME_MAX],
  connectTimeoutMs: [1000, 1, TIME_MAX],
  resumeTimeoutMs: [2000, 0, TIME_MAX],
  outstandingBytesMax: [16 * 1024 * 1024, 1, Number.MAX_SAFE_INTEGER],
  batchBytesMax: [4 * 1024 * 1024, 1024, FRAME_BYTES_CEILING],
} as const;

type NumberOption = keyof typeof bounds;

/** @throws SynodError `ERR_SYNOD_OPTION`, whose `path` names the option. */
export function checkClientOptions(options: ClientOptions): CheckedClientOptions {
  if (typeof options !== 'object' || options === null) refuse('options', 'must be an object');
  const known = [...Object.keys(bounds), 'cluster', 'servers'];
  for (const name of Object.keys(options)) if (!known.includes(name)) refuse(name, 'is not an option');
  const numbers = {} as Record<NumberOption, number>;
  for (const name of Object.keys(bounds) as NumberOption[]) {
    const [byDefault, least, most] = bounds[name];
    const value: unknown = options[name] ?? byDefault;
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least || value > most)
      refuse(name, `must be an integer from ${least} to ${most}`);
    numbers[name] = value;
  }
  const { cluster, servers } = options;
  if (typeof cluster !== 'string' || !ID_PATTERN.test(cluster))
    refuse('cluster', 'must be the id of a cluster');
  if (!Array.isArray(servers) || servers.length === 0) refuse('servers', 'must be a list of servers');
  const parsed = servers.map((server: { id?: unknown; address?: unknown } | null, index) => {
    const id = server?.id;
    if (typeof id !== 'string' || !ID_PATTERN.test(id)) refuse(`servers[${index}].id`, 'must be an id');
    const address = typeof server?.address === 'string' ? parseAddress(server.address) : null;
    if (address === null) refuse(`servers[${index}].address`, 'must be "host:port"');
    return { id, address };
  });
  if (new Set(parsed.map(({ id }) => id)).size < parsed.length) refuse('servers', 'has an id twice');
  return { ...numbers, cluster, servers: parsed };
}

function refuse(name: string, what: string): never {
  throw new SynodError('ERR_SYNOD_OPTION', `${name} ${what}`, { path: name });
}
