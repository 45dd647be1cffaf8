/**
 * Error families. `code` is API and never changes its meaning; `message` is for people.
 *
 * What became of a command is one of three: `committed` is an error only where its result is lost; `not-applied` is certain
 * not to be executed, now or later; `unknown` may or may not have been, and may still be.
 */

export type Outcome = 'not-applied' | 'unknown' | 'committed';

export type ErrorCode =
  /** An option is missing, unknown or out of bounds; `path` names it. */
  | 'ERR_SYNOD_OPTION'
  /** A caller passed an argument that cannot be used; nothing happened. */
  | 'ERR_SYNOD_ARGUMENT'
  /** The replica, the client or the server was closed, before the call or during it. */
  | 'ERR_SYNOD_CLOSED'
  /**
   * The replica takes no part in the cluster: it was taken out of the member set, or is not in it yet. Opened without `members`, it
   * was not bootstrapped yet.
   */
  | 'ERR_SYNOD_INACTIVE'
  /** `bootstrap`: the cluster began with other members than these. Nothing was changed. */
  | 'ERR_SYNOD_BOOTSTRAPPED'
  /**
   * `bootstrap` came to nothing: a member was given another list before (outcome `not-applied`), or time ran out (`unknown`: it
   * goes on as soon as those that the message names are there).
   */
  | 'ERR_SYNOD_BOOTSTRAP_FAILED'
  /** Only the primary can do that; the message names it where it is known. */
  | 'ERR_SYNOD_NOT_PRIMARY'
  /** Another change of the member set was asked for before, and is not settled. */
  | 'ERR_SYNOD_CHANGE_IN_FLIGHT'
  /**
   * The new member set could choose nothing: too few of its members are linked, or newcomers have not caught up; the message names
   * them. Nothing was changed.
   */
  | 'ERR_SYNOD_NO_QUORUM'
  /**
   * Another replica became primary, and the change was not chosen: it never will be; or another member set is in force than
   * `ifNumber` says. With outcome `unknown`, a checkpoint took the place of the decrees that would tell. Look at the member set, and ask
   * again.
   */
  | 'ERR_SYNOD_SUPERSEDED'
  /**
   * More bytes are outstanding than `limits.outstandingBytesMax` (of a client, its `outstandingBytesMax`), or 65,536 reads wait; try again
   * when some have completed.
   */
  | 'ERR_SYNOD_OVERLOADED'
  /**
   * The command was executed, once, but its result is lost: this replica caught up by a checkpoint in between, or the service could not
   * encode it for the client (`encodeResult`, `resultBytesMax`). Only with outcome `committed`.
   */
  | 'ERR_SYNOD_RESULT_LOST'
  /** A text that should be a token (`Replica.token`) is none. */
  | 'ERR_SYNOD_TOKEN'
  /** The call's `timeoutMs` ran out. */
  | 'ERR_SYNOD_TIMEOUT'
  /** The call's `signal` was aborted. `cause` is the signal's reason. */
  | 'ERR_SYNOD_ABORTED'
  /** `promote` did not make this replica primary; the message says why. */
  | 'ERR_SYNOD_NOT_PROMOTED'
  /** `relinquish` found nobody to take over; the message says why. This replica leads on, where it can. */
  | 'ERR_SYNOD_NOT_RELINQUISHED'
  /** `copyCheckpoint`: whoever was asked has no checkpoint. */
  | 'ERR_SYNOD_NO_CHECKPOINT'
  /** `copyCheckpoint` copied nothing; the message says why, and which peer it concerns. Nothing was changed. */
  | 'ERR_SYNOD_NOT_COPIED'
  /** The replica met a fault it must not continue from; `cause` is the fault. Open it again after repair. */
  | 'ERR_SYNOD_FENCED'
  /**
   * The state machine threw from `apply`, `beforeDecree` or `afterDecree`, returned a promise, or did not restore a checkpoint, or cannot;
   * `cause` is what it threw. The replica is fenced, or not opened. Of `read`, `checkpoint` and `copyCheckpoint`: the state machine lacks what the call needs, or made no
   * checkpoint; the replica goes on.
   */
  | 'ERR_SYNOD_STATE_MACHINE'
  /**
   * The disk failed; `cause` has the system error. At a write or sync of the log the replica is fenced. Of `checkpoint` and
   * `copyCheckpoint`: nothing was stored; the replica goes on.
   */
  | 'ERR_SYNOD_STORAGE_FAILED'
  /**
   * There is no space for a checkpoint (`checkpoint`, `copyCheckpoint`), or to open the data directory. Without space for another log
   * segment nothing is rejected: the replica waits, and the `storageFull` event tells of it.
   */
  | 'ERR_SYNOD_STORAGE_FULL'
  /**
   * The log is damaged at a place that was durable once, or no checkpoint is sound that the log continues. `path` is the number of the log
   * segment, the slot of the checkpoint or a file, `offset` the byte in it, where they are known.
   */
  | 'ERR_SYNOD_LOG_CORRUPT'
  /** The data directory belongs to another cluster, replica or format version, or has a log where none is kept, cannot be used, or is in use. */
  | 'ERR_SYNOD_DATA_DIRECTORY'
  /** The storage kind asked for by name cannot be had here; the message says what blocks it. */
  | 'ERR_SYNOD_STORAGE_UNAVAILABLE'
  /** The transport kind asked for by name cannot be had here; the message says what blocks it. */
  | 'ERR_SYNOD_TRANSPORT_UNAVAILABLE'
  /** The listening address cannot be bound. */
  | 'ERR_SYNOD_LISTEN'
  /**
   * `Client.connect` reached no server within `timeoutMs`; the message has what the last one said. Of a peer's address that a replica cannot
   * reach it is in the log alone (`no link to peer`, after ten seconds), and the address is asked again later.
   */
  | 'ERR_SYNOD_CONNECT'
  /** A client lost the server that it had given the command to, for good, before the result came. Outcome `unknown`. */
  | 'ERR_SYNOD_DISCONNECTED'
  /** The addon was asked for and cannot be loaded; the message has the reason and the command that builds it. */
  | 'ERR_SYNOD_NATIVE_UNAVAILABLE'
  /**
   * The cluster goes by a version of the protocol that this build does not speak: the replica is fenced, or not opened. Nothing is lost; a
   * build that speaks it goes on. Of `raiseProtocolVersion`: a member does not speak the version, or it is below the one in force; the message names
   * them, and nothing was changed.
   */
  | 'ERR_SYNOD_VERSION'
  /**
   * Peers refuse this replica for good: its disk is older than what it once acknowledged, or its place was taken. It is fenced. On the wire,
   * also what a server refuses a client with: one of another cluster, one too many, or any while it closes. The client tells the reason in
   * the message of `ERR_SYNOD_CONNECT` or `ERR_SYNOD_DISCONNECTED`.
   */
  | 'ERR_SYNOD_REFUSED'
  /** A contract inside the library was broken: a bug. The replica is fenced. */
  | 'ERR_SYNOD_CONTRACT';

export interface SynodErrorDetails {
  readonly cause?: unknown;
  readonly outcome?: Outcome;
  /** Path of the option or of the file that the error is about; of a log segment its number, of a checkpoint its slot. */
  readonly path?: string;
  /** Byte offset in what `path` names. */
  readonly offset?: number;
}

const brand: symbol = Symbol.for('synod.error');

/** Every error that the library reports. Compare `code`, never the message. */
export class SynodError extends Error {
  readonly code: ErrorCode;
  /** What became of the command, where the call had one. */
  readonly outcome: Outcome | undefined;
  readonly path: string | undefined;
  readonly offset: number | undefined;

  constructor(code: ErrorCode, message: string, details: SynodErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'SynodError';
    this.code = code;
    this.outcome = details.outcome;
    this.path = details.path;
    this.offset = details.offset;
    Object.defineProperty(this, brand, { value: true });
  }

  /** Works across two copies of the package in one process, where `instanceof` does not. */
  static is(value: unknown): value is SynodError {
    return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[brand] === true;
  }
}

/**
 * What somebody else's code threw or returned, in words, whatever it is: an object without a prototype cannot become text, and an error on
 * the way to an error would be told to nobody.
 */
export function textOf(value: unknown): string {
  try {
    return value instanceof Error ? `${value.message}` : String(value);
  } catch {
    return `[${typeof value}]`;
  }
}
