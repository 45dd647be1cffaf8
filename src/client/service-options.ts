/** Options of the service for clients, checked once. */

import { SynodError } from '../errors.js';
import { ID_PATTERN } from '../limits.js';
import { throwingLater } from '../rethrow.js';
import { FRAME_BYTES_CEILING, HEADER_BYTES } from './format.js';

/**
 * Writes a result into `bytes` (`view` is the same memory) from `at` on, and yields where it ends. There is room for
 * `resultBytesMax` bytes.
 */
export type EncodeResult<Result> = (result: Result, bytes: Uint8Array, view: DataView, at: number) => number;

export interface ClientServiceOptions<Result> {
  /** Id of the cluster: clients of another are refused. */
  readonly cluster: string;
  /** Where to listen. Default 127.0.0.1. The protocol has no authentication: who reaches the port may give commands. */
  readonly host?: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Results as bytes. Default: a Uint8Array as it is. A command without a result has an empty one. */
  readonly encodeResult?: EncodeResult<Result>;
  /** Longest result in bytes. Default 64 KiB. */
  readonly resultBytesMax?: number;
  /** Longest command in bytes. At most the replica's own bound, and by default as there: 1 MiB. */
  readonly commandBytesMax?: number;
  /** Longest frame in bytes: what a client may make the server hold before anything is checked. Default 4 MiB. */
  readonly frameBytesMax?: number;
  /** Bytes of one client's commands under way, and 64 for each: with more, it is not read from. Default 8 MiB. */
  readonly connectionOutstandingBytesMax?: number;
  /** The same for all clients together. Default 32 MiB; keep it below the replica's `outstandingBytesMax`. */
  readonly outstandingBytesMax?: number;
  /**
   * Bytes of results that wait for a slow reader, and are to be expected for what it has under way: with more, it is not read from.
   * Default 1 MiB.
   */
  readonly outputPauseBytes?: number;
  /**
   * Bytes of results that wait for a slow reader: with more, it is cut off before it is sent another answer. As much as `outputPauseBytes` and
   * `keptBytesMax` may wait always. Default 512 MiB.
   */
  readonly outputBytesMax?: number;
  /** Bytes of results kept for one client until it has acknowledged them. Without them it cannot resume. Default 8 MiB. */
  readonly keptBytesMax?: number;
  /** Sessions at once, with a connection and without one, and about as many connections. Default 1000. */
  readonly sessionsMax?: number;
  /** How long a session waits for its client to come back, in ms. Default 10,000. */
  readonly sessionTimeoutMs?: number;
  /** How long `close` waits for results that are under way, in ms. Default 1000. */
  readonly closeTimeoutMs?: number;
  /** Told what is worth a line in the log. */
  readonly onEvent?: (event: ClientServiceEvent) => void;
}

/** Something happened that an operator may want to know. `reason` is for people. */
export interface ClientServiceEvent {
  readonly event: 'connection-cut' | 'connection-refused' | 'result-lost' | 'listener-failed';
  readonly remote: string;
  readonly reason: string;
}

export type CheckedServiceOptions<Result> = Required<ClientServiceOptions<Result>>;

const KIBIBYTE = 1024;
const MEBIBYTE = 1024 * KIBIBYTE;
const TIME_MAX = 2 ** 31 - 1;
const COUNT_MAX = Number.MAX_SAFE_INTEGER;

/** Default, lowest and highest of each. */
const bounds = {
  port: [0, 0, 65_535],
  resultBytesMax: [64 * KIBIBYTE, 1, 16 * MEBIBYTE],
  commandBytesMax: [MEBIBYTE, 1, 16 * MEBIBYTE],
  frameBytesMax: [4 * MEBIBYTE, 64 * KIBIBYTE, FRAME_BYTES_CEILING],
  connectionOutstandingBytesMax: [8 * MEBIBYTE, 1, COUNT_MAX],
  outstandingBytesMax: [32 * MEBIBYTE, 1, COUNT_MAX],
  outputPauseBytes: [MEBIBYTE, 64 * KIBIBYTE, COUNT_MAX],
  outputBytesMax: [512 * MEBIBYTE, 64 * KIBIBYTE, COUNT_MAX],
  keptBytesMax: [8 * MEBIBYTE, 0, COUNT_MAX],
  sessionsMax: [1000, 1, 1_000_000],
  sessionTimeoutMs: [10_000, 1, TIME_MAX],
  closeTimeoutMs: [1000, 0, TIME_MAX],
} as const;

type NumberOption = keyof typeof bounds;

/** @throws SynodError `ERR_SYNOD_OPTION`, whose `path` names the option. */
export function checkServiceOptions<Result>(
  options: ClientServiceOptions<Result>,
): CheckedServiceOptions<Result> {
  if (typeof options !== 'object' || options === null) refuse('options', 'must be an object');
  const functions = ['encodeResult', 'onEvent'] as const;
  const known = [...Object.keys(bounds), ...functions, 'cluster', 'host'];
  for (const name of Object.keys(options)) if (!known.includes(name)) refuse(name, 'is not an option');
  for (const name of functions) {
    if (options[name] !== undefined && typeof options[name] !== 'function')
      refuse(name, 'must be a function');
  }
  const numbers = {} as Record<NumberOption, number>;
  for (const name of Object.keys(bounds) as NumberOption[]) {
    const [byDefault, least, most] = bounds[name];
    const value: unknown = options[name] ?? (name === 'port' ? undefined : byDefault);
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least || value > most)
      refuse(name, `must be an integer from ${least} to ${most}`);
    numbers[name] = value;
  }
  if (numbers.commandBytesMax + HEADER_BYTES + 4 > numbers.frameBytesMax)
    refuse('frameBytesMax', 'must have room for a command of commandBytesMax');
  const { cluster, host = '127.0.0.1' } = options;
  if (typeof cluster !== 'string' || !ID_PATTERN.test(cluster))
    refuse('cluster', 'must be the id of a cluster');
  if (typeof host !== 'string' || host === '') refuse('host', 'must be a name or an address');
  return {
    ...numbers,
    cluster,
    host,
    encodeResult: options.encodeResult ?? encodeBytes,
    onEvent: throwingLater(options.onEvent ?? (() => {})),
  };
}

function encodeBytes(result: unknown, bytes: Uint8Array, _view: DataView, at: number): number {
  if (!(result instanceof Uint8Array))
    throw new TypeError('a result that is no Uint8Array needs encodeResult');
  if (result.length > bytes.length - at)
    throw new RangeError(`a result of ${result.length} bytes, there is room for ${bytes.length - at}`);
  bytes.set(result, at);
  return at + result.length;
}

function refuse(name: string, what: string): never {
  throw new SynodError('ERR_SYNOD_OPTION', `${name} ${what}`, { path: name });
}
