/** Tunables of the key-value server, checked once. */

import { SynodError } from '../errors.js';
import { throwingLater } from '../rethrow.js';
import { type AdministrationOption, administrationKinds } from './administration.js';

export interface KeyValueServerOptions {
  /** Longest command of the log in bytes, and longest request. At most the replica's own bound. Default 1 MiB, as there. */
  readonly commandBytesMax?: number;
  /** Pipelined requests that go into one command of the log, at most. Default 1024. */
  readonly batchOperationsMax?: number;
  /** A batch is closed once it has so many bytes. Default 64 KiB. */
  readonly batchBytes?: number;
  /** Batches of one connection that may be under way at once, each `INFO` and `SYNOD` counted as one. Default 8. */
  readonly batchesPerConnectionMax?: number;
  /** Bytes of commands under way: a connection with more is not read from. Default 1 MiB. */
  readonly connectionOutstandingBytesMax?: number;
  /** The same for all connections together. Default 16 MiB. */
  readonly outstandingBytesMax?: number;
  /**
   * Bytes of replies that wait for a slow reader, or for replies before them: with more, the connection is not read from. At least
   * 64 KiB, for below a socket's own mark it does not tell when it has drained. Default 1 MiB.
   */
  readonly outputPauseBytes?: number;
  /** With more than this the connection is closed. Default 512 MiB. */
  readonly outputBytesMax?: number;
  /** Connections at once; a further one is told so and closed. Default 10,000. */
  readonly connectionsMax?: number;
  /** How long a batch may take in ms, until its clients get an error. Default 10,000. */
  readonly timeoutMs?: number;
  /** How long `close` waits for replies that are under way, in ms. Default 1000. */
  readonly closeTimeoutMs?: number;
  /**
   * From where `SYNOD MEMBER`, `BOOTSTRAP`, `PROMOTE`, `RELINQUISH` and `VERSION RAISE` are taken: connections of this machine to itself (over
   * loopback, or from the address that they lead to), all, or none. Questions are answered everywhere. Default `loopback`.
   *
   * Danger: the service knows no users. With `any`, whoever reaches its port can take members out.
   */
  readonly administration?: AdministrationOption;
  /**
   * Whether the replica was opened with `leases`. With `false`, `SYNOD CONSISTENCY LEASE` is refused; with `true` where there are none, each
   * read behind it is. Default true, as a replica does not tell.
   */
  readonly leases?: boolean;
  /** The issuer's clock that goes into the log: ms since 1970. Default `Date.now`. */
  readonly nowMs?: () => number;
  /** Told what is worth a line in the log. */
  readonly onEvent?: (event: KeyValueServerEvent) => void;
}

/** Something happened that an operator may want to know. `reason` is for people. */
export interface KeyValueServerEvent {
  readonly event: 'connection-cut' | 'connection-refused' | 'listener-failed';
  readonly remote: string;
  readonly reason: string;
}

export type CheckedServerOptions = Required<KeyValueServerOptions>;

/** The codec's lengths end at 256 MiB. */
const COMMAND_BYTES_LIMIT = 128 * 1024 * 1024;

type NumberOption = Exclude<keyof KeyValueServerOptions, 'administration' | 'leases' | 'nowMs' | 'onEvent'>;

/** Default, lowest and highest of each. */
const bounds: Readonly<Record<NumberOption, readonly [number, number, number]>> = {
  commandBytesMax: [1024 * 1024, 1024, COMMAND_BYTES_LIMIT],
  batchOperationsMax: [1024, 1, 65_536],
  batchBytes: [65_536, 1, COMMAND_BYTES_LIMIT],
  batchesPerConnectionMax: [8, 1, 65_536],
  connectionOutstandingBytesMax: [1024 * 1024, 1, Number.MAX_SAFE_INTEGER],
  outstandingBytesMax: [16 * 1024 * 1024, 1, Number.MAX_SAFE_INTEGER],
  outputPauseBytes: [1024 * 1024, 65_536, Number.MAX_SAFE_INTEGER],
  outputBytesMax: [512 * 1024 * 1024, 1, Number.MAX_SAFE_INTEGER],
  connectionsMax: [10_000, 1, 1_000_000],
  timeoutMs: [10_000, 1, 2 ** 31 - 1],
  closeTimeoutMs: [1000, 0, 2 ** 31 - 1],
};

const others: readonly string[] = ['administration', 'leases', 'nowMs', 'onEvent'];

/** @throws SynodError `ERR_SYNOD_OPTION`, whose `path` names the option. */
export function checkServerOptions(options: KeyValueServerOptions): CheckedServerOptions {
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(bounds, name) && !others.includes(name)) refuse(name, 'is not an option');
  }
  const numbers = {} as Record<NumberOption, number>;
  for (const name of Object.keys(bounds) as NumberOption[]) {
    const [byDefault, least, most] = bounds[name];
    const value: unknown = options[name] ?? byDefault;
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least || value > most) {
      refuse(name, `must be an integer from ${least} to ${most}`);
    }
    numbers[name] = value;
  }
  const administration = options.administration ?? 'loopback';
  if (!administrationKinds.includes(administration))
    refuse('administration', `must be one of ${administrationKinds.join(', ')}`);
  const leases = options.leases ?? true;
  if (typeof leases !== 'boolean') refuse('leases', 'must be true or false');
  const nowMs = options.nowMs ?? Date.now;
  const onEvent = options.onEvent ?? (() => {});
  if (typeof nowMs !== 'function') refuse('nowMs', 'must be a function');
  if (typeof onEvent !== 'function') refuse('onEvent', 'must be a function');
  // It is told in the middle of requests: what it throws there would leave half of one to the next connection.
  return Object.freeze({ ...numbers, administration, leases, nowMs, onEvent: throwingLater(onEvent) });
}

function refuse(name: string, what: string): never {
  throw new SynodError('ERR_SYNOD_OPTION', `${name} ${what}`, { path: name });
}
