/**
 * Options: what a user chooses, checked once and completely before anything else happens. (The member set that
 * the replicas agree on is called configuration; see docs/glossary.md.)
 *
 * Unknown keys are refused at every level, because a misspelt `electionTimeoutMS` that is silently ignored is
 * found on the worst day. All mistakes are reported in one error.
 */

import { resolve } from 'node:path';
import {
  alertBounds,
  alertBytesBounds,
  CONFIGURATION_BYTES_MAX,
  checkpointBounds,
  checkpointEveryMsBounds,
  clockDriftBounds,
  completeLimits,
  defaultHeartbeatMs,
  electionTimeoutMsBounds,
  HEARTBEATS_PER_ELECTION_TIMEOUT_MIN,
  type Limits,
  limitBounds,
  limitConflicts,
  MEMBERS_MAX,
  MEMBERS_MIN,
  priorityBounds,
  segmentBytesBounds,
} from './limits.js';
import { createLogger, type Logger, logLevels } from './logger.js';
import { OptionChecker } from './option-checker.js';
import type { TlsOptions } from './transport/tls.js';
import type { Address } from './transport/transport.js';

export type StorageOption = 'auto' | 'memory' | 'file' | 'uring' | 'pmem';
export type TransportOption = 'auto' | 'tcp' | 'uring';
export type EngineOption = 'worker' | 'inline';

/** One replica of the cluster. */
export interface MemberOptions {
  /** 1 to 63 characters out of ASCII letters, digits, `.`, `_`, `-`. Never give it to another disk. */
  readonly id: string;
  /** `host:port` or `[ipv6]:port`, where the other replicas reach it. The port is 1 to 65,535. */
  readonly address: string;
}

/** Where a member is now, as `host:port`. `address` is what the member set has, or the options. May take its time, and may fail. */
export type ResolveMember = (member: MemberOptions) => string | Promise<string>;

export interface StorageOptions {
  /**
   * What the log is kept on. `auto` takes the best that works here, for `dataDir`: pmem on a DAX file system,
   * else uring where the kernel allows it, else file, and says why. Any other kind is taken or refused
   * (`ERR_SYNOD_STORAGE_UNAVAILABLE`). file, uring and pmem open each other's logs. Default: auto.
   *
   * Danger: `memory` keeps nothing. A replica that was on memory and is started again is a stranger to its peers.
   */
  readonly kind?: StorageOption | undefined;
  /**
   * Lets pmem use a path that is not DAX (/dev/shm, an ordinary file system). Default: false.
   *
   * Danger: what was acknowledged may be lost with the power, on all replicas at once.
   */
  readonly allowVolatile?: boolean | undefined;
  /**
   * Bytes of one log segment, preallocated. A power of two, 1 MiB to 256 MiB. Default: 64 MiB. May change from
   * start to start: it holds for new segments.
   */
  readonly segmentBytes?: number | undefined;
}

export interface TransportOptions {
  /**
   * How bytes travel. `auto` takes uring where the kernel allows it, else tcp, and says why. The two speak the same
   * bytes, so replicas of one cluster may differ. Default: auto.
   */
  readonly kind?: TransportOption | undefined;
  /**
   * Mutual TLS between the replicas, of version 1.3, on tcp: with it `auto` takes tcp. On all replicas or on none. What is
   * in the files is checked when the replica is opened. Default: none.
   *
   * Danger: without it whoever reaches the port can take part.
   */
  readonly tls?: TlsOptions | undefined;
}

export interface LeadershipOptions {
  /**
   * 0 to 255. A primary hands over to a linked member of a higher priority than its own that has caught up; `setPriority` changes it
   * at run time. With 0 this replica votes, but leads only when promoted. Default: 100.
   *
   * Danger: where only members of priority 0 are left, nobody leads.
   */
  readonly priority?: number | undefined;
  /**
   * Whether this replica stands for election while its state machine still has more decrees to execute than
   * `limits.pipelineDecreesMax`. Default: false.
   */
  readonly standsWhileCatchingUp?: boolean | undefined;
  /**
   * Asked on the application's thread before this replica stands for election, is promoted or takes over. `false`: it does not. A cookie of up to
   * 256 bytes: yes, and every replica that is asked for its vote gets to see it (`acceptFrom`). No answer within a quarter of the election
   * timeout, an error or anything else is a no. A primary that leads is not asked again. Default: yes, without a cookie.
   *
   * Danger: where all applications say no, or block their loops, nobody leads.
   */
  readonly canBecomePrimary?: (() => boolean | Uint8Array | Promise<boolean | Uint8Array>) | undefined;
  /**
   * Asked on the application's thread, once for each other member and cookie: whether that member may have this replica's vote, as candidate and
   * as primary. `false` withholds it, until `setVotes` has the question put again. No answer within a quarter of the election timeout, an error or
   * anything else is a yes, so that a loop that is blocked stops no election. Default: yes.
   *
   * Danger: a primary that a majority does not vote for is replaced; a cluster whose majority votes for nobody stands still.
   */
  readonly acceptFrom?: ((member: string, cookie: Uint8Array) => boolean | Promise<boolean>) | undefined;
}

export interface LeaseOptions {
  /**
   * How far a clock of any machine of the cluster may be from the true rate, 0.000001 to 0.2: 0.001 for one part in a thousand. It is
   * the monotonic clock that counts; whatever stops it for a while (a virtual machine that is paused or moved) is beyond any bound.
   */
  readonly clockDriftMax: number;
}

export interface CheckpointOptions {
  /**
   * A checkpoint is made when so many bytes of commands were executed since the last one, 1 MiB to 1 TiB. Default: 256 MiB. The
   * log takes up to about `retain + 1` times as much.
   */
  readonly everyBytes?: number | undefined;
  /**
   * Or when so many milliseconds have passed since the last one and anything was executed, 1,000 to 2,147,483,647. Default: never.
   */
  readonly everyMs?: number | undefined;
  /** Checkpoints that are kept, 1 to 16: an older one serves where the newest is damaged. Default: 2. */
  readonly retain?: number | undefined;
}

/** What the `alert` event tells of. Measured where there is a data directory, one file after another, off the event loop. */
export interface AlertOptions {
  /** The newest checkpoint is larger than so many bytes, 1 to 2^53 - 1. Default: no alert. */
  readonly checkpointBytesMax?: number | undefined;
  /** The files of the log are larger together, spare ones included, 1 to 2^53 - 1. Default: no alert. */
  readonly logBytesMax?: number | undefined;
  /** The file system of the data directory has less space left, 1 to 2^53 - 1. Default: no alert. */
  readonly freeBytesMin?: number | undefined;
  /** Or less than for so many checkpoints like the newest one, 0 to 16; 0 for no alert. Default: 2. */
  readonly freeCheckpointsMin?: number | undefined;
  /** Milliseconds from one measurement to the next, 100 to 3,600,000; each checkpoint has one made too. Default: 10,000. */
  readonly everyMs?: number | undefined;
}

/** What `Replica.open` takes. A plain object; JSON of it (without `logger`) is the configuration file. */
export interface ReplicaOptions {
  /** Name of the cluster, 1 to 63 characters as an id. Replicas of different clusters refuse each other. */
  readonly cluster: string;
  /** This replica's id, one of `members` where there are any. */
  readonly replica: string;
  /**
   * The first configuration, 1 to 7 replicas, the same on all of them. Ids and addresses are distinct. Without it a replica with an
   * empty disk takes no commands until `bootstrap` was called, on it or on another one, or until a running cluster takes it in
   * (`changeConfiguration`). A disk that knows its cluster needs no list.
   */
  readonly members?: readonly MemberOptions[] | undefined;
  /**
   * The folder that is this replica's disk; made when missing. Relative paths begin at the working directory of the
   * process. Required unless `storage.kind` is memory. No two replicas share one: it is locked while open.
   *
   * Danger: a folder restored from a backup, or copied from another replica, is refused by the peers, since it
   * forgot what it once promised.
   */
  readonly dataDir?: string | undefined;
  /** Where to listen for peers, if not at this replica's address in `members` (`0.0.0.0:7101` in a container). Required without `members`. */
  readonly listen?: string | undefined;
  /**
   * Asked on the application's thread, before each attempt to connect, where a member is: a name in DNS, a directory of services. So a
   * member moves without a change of the member set. A failure counts as a peer that cannot be reached: it is logged, and asked again. An
   * answer that takes longer than four election timeouts (at least 1,000 ms) is too late: the last one is used. Default: its address.
   */
  readonly resolve?: ResolveMember | undefined;
  readonly storage?: StorageOptions | undefined;
  readonly transport?: TransportOptions | undefined;
  /**
   * Where the engine runs: in a worker thread, so that an application that blocks its own event loop causes no
   * election; or inline, on the thread that opens the replica, which saves a thread and needs a loop that never
   * blocks. Default: worker.
   */
  readonly engine?: EngineOption | undefined;
  /**
   * Milliseconds without a sign of the primary after which a secondary stands for election, 50 to 60,000; each
   * wait is drawn at random from one to one and a half of it. Default: 300.
   *
   * Danger: shorter than a pause of the machine or a round trip, and elections follow each other.
   */
  readonly electionTimeoutMs?: number | undefined;
  /** Milliseconds between two signs of an idle primary; at most half of `electionTimeoutMs`. Default: a sixth of it. */
  readonly heartbeatMs?: number | undefined;
  /** Who of the members is to lead, where there is a choice. May differ from replica to replica. */
  readonly leadership?: LeadershipOptions | undefined;
  /**
   * Allows reads with `consistency: 'lease'`, which the primary answers without asking anybody. Members keep their votes back for an election
   * timeout after they heard a primary, and after a start. On all replicas alike, with the same `electionTimeoutMs`; change either only while
   * nobody makes such reads. Default: none.
   *
   * Danger: where a clock drifts further than was said, such a read may be stale.
   */
  readonly leases?: LeaseOptions | undefined;
  /**
   * When checkpoints are made of a state machine that has `takeCheckpoint` and `restore`. The log behind them is dropped; a
   * replica starts from its newest one, and one that was away for long gets one from a peer.
   */
  readonly checkpoints?: CheckpointOptions | undefined;
  /** When the disk is said to be too full: `alert` event, and `status()`. Nothing else comes of it. */
  readonly alerts?: AlertOptions | undefined;
  /** Bounds in bytes and counts; see `Limits` and docs/configuration.md. */
  readonly limits?: { readonly [Name in keyof Limits]?: number | undefined } | undefined;
  /** Takes the replica's events. Default: warnings and worse, one line each, on standard error. */
  readonly logger?: Logger | undefined;
}

export interface ResolvedMember {
  readonly id: string;
  readonly address: Address;
}

/** Options that were checked and completed. Frozen at all levels, the logger apart. */
export interface ResolvedOptions {
  readonly cluster: string;
  readonly replica: string;
  /** In the order given; empty where none were. */
  readonly members: readonly ResolvedMember[];
  /** Absolute; null only where the storage is memory. */
  readonly dataDir: string | null;
  readonly listen: Address;
  readonly resolve: ResolveMember | null;
  readonly storage: {
    readonly kind: StorageOption;
    readonly allowVolatile: boolean;
    readonly segmentBytes: number;
  };
  readonly transport: { readonly kind: TransportOption; readonly tls: TlsOptions | null };
  readonly engine: EngineOption;
  readonly electionTimeoutMs: number;
  readonly heartbeatMs: number;
  readonly leadership: {
    readonly priority: number;
    readonly standsWhileCatchingUp: boolean;
    readonly canBecomePrimary: NonNullable<LeadershipOptions['canBecomePrimary']> | null;
    readonly acceptFrom: NonNullable<LeadershipOptions['acceptFrom']> | null;
  };
  readonly leases: LeaseOptions | null;
  readonly checkpoints: {
    readonly everyBytes: number;
    readonly everyMs: number | null;
    readonly retain: number;
  };
  readonly alerts: {
    readonly checkpointBytesMax: number | null;
    readonly logBytesMax: number | null;
    readonly freeBytesMin: number | null;
    readonly freeCheckpointsMin: number;
    readonly everyMs: number;
  };
  readonly limits: Limits;
  readonly logger: Logger;
}

const storageKinds: readonly StorageOption[] = ['auto', 'memory', 'file', 'uring', 'pmem'];
const transportKinds: readonly TransportOption[] = ['auto', 'tcp', 'uring'];
const engineKinds: readonly EngineOption[] = ['worker', 'inline'];

/** The keys of `ReplicaOptions`. */
export const optionKeys: readonly string[] = [
  'cluster',
  'replica',
  'members',
  'dataDir',
  'listen',
  'resolve',
  'storage',
  'transport',
  'engine',
  'electionTimeoutMs',
  'heartbeatMs',
  'leadership',
  'leases',
  'checkpoints',
  'alerts',
  'limits',
  'logger',
] satisfies readonly (keyof ReplicaOptions)[];

/**
 * Checks and completes what a user chose.
 *
 * Throws `ERR_SYNOD_OPTION` with every mistake in the message and the path of the first in `path`
 * (`members[2].address`).
 */
export function validateOptions(input: unknown): ResolvedOptions {
  const check = new OptionChecker();
  const record = check.object(input, '', optionKeys, 'required');
  if (record === null) check.throwIfFailed('wrong options');
  const options = record ?? {};

  const cluster = check.id(options.cluster, 'cluster');
  const replica = check.id(options.replica, 'replica');
  const members = options.members === undefined ? [] : validateMembers(check, options.members);
  const self = members?.find((member) => member.id === replica);
  if (replica !== null && members !== null && members.length > 0 && self === undefined) {
    check.report(
      'replica',
      `the id of one of the members (${members.map((member) => member.id).join(', ')})`,
      replica,
    );
  }

  const resolveMember = options.resolve;
  if (resolveMember !== undefined && typeof resolveMember !== 'function')
    check.report('resolve', 'a function that yields the address of a member', resolveMember);
  const storage = validateStorage(check, options.storage);
  const dataDir = validateDataDir(check, options.dataDir, storage.kind);
  const transport = validateTransport(check, options.transport);
  if (options.members === undefined && options.listen === undefined)
    check.report(
      'listen',
      'an address (it may be missing only where members has that of this replica)',
      undefined,
    );
  const listen = options.listen === undefined ? self?.address : check.address(options.listen, 'listen');
  const engine = check.choice(options.engine, 'engine', engineKinds, 'worker');

  const { min, max, default: electionDefault } = electionTimeoutMsBounds;
  const electionTimeoutMs =
    check.integer(options.electionTimeoutMs, 'electionTimeoutMs', min, max) ?? electionDefault;
  const heartbeatMs =
    check.integer(
      options.heartbeatMs,
      'heartbeatMs',
      1,
      Math.floor(electionTimeoutMs / HEARTBEATS_PER_ELECTION_TIMEOUT_MIN),
    ) ?? defaultHeartbeatMs(electionTimeoutMs);

  const leadership = validateLeadership(check, options.leadership);
  const leases = validateLeases(check, options.leases);
  const checkpoints = validateCheckpoints(check, options.checkpoints);
  const alerts = validateAlerts(check, options.alerts);
  const limits = validateLimits(check, options.limits, storage.segmentBytes);
  const logger = validateLogger(check, options.logger, replica ?? undefined);
  check.throwIfFailed('wrong options');
  return Object.freeze({
    cluster: cluster!,
    replica: replica!,
    members: Object.freeze(
      members!.map((member) => Object.freeze({ id: member.id, address: freezeAddress(member.address) })),
    ),
    dataDir,
    listen: freezeAddress(listen!),
    resolve: (resolveMember as ResolveMember | undefined) ?? null,
    storage: Object.freeze(storage),
    transport: Object.freeze(transport),
    engine,
    electionTimeoutMs,
    heartbeatMs,
    leadership: Object.freeze(leadership),
    leases,
    checkpoints: Object.freeze(checkpoints),
    alerts: Object.freeze(alerts),
    limits: Object.freeze(limits),
    logger,
  });
}

function freezeAddress(address: Address): Address {
  return Object.freeze({ host: address.host, port: address.port });
}

/** What stands around the members of a set, and around the id and the address of each, as `encodeConfiguration` writes them. */
const MEMBER_SET_OVERHEAD_BYTES = 80;
const MEMBER_OVERHEAD_BYTES = 96;
/** Brackets, a colon and a port. */
const ADDRESS_OVERHEAD_BYTES = 8;

/** The members that are right, or null where the list itself is not usable. */
function validateMembers(check: OptionChecker, value: unknown): ResolvedMember[] | null {
  if (!Array.isArray(value) || value.length < MEMBERS_MIN || value.length > MEMBERS_MAX) {
    check.report('members', `a list of ${MEMBERS_MIN} to ${MEMBERS_MAX} members`, value);
    return null;
  }
  const members: ResolvedMember[] = [];
  const pathById = new Map<string, string>();
  const pathByAddress = new Map<string, string>();
  let complete = true;
  // By index: `entries` of an array with holes would skip them in `forEach`, and a hole is a mistake.
  for (let index = 0; index < value.length; index += 1) {
    const path = `members[${index}]`;
    const member = check.object(value[index], path, ['id', 'address'], 'required');
    if (member === null) {
      complete = false;
      continue;
    }
    const id = check.id(member.id, `${path}.id`);
    const address = check.address(member.address, `${path}.address`);
    if (id === null || address === null) {
      complete = false;
      continue;
    }
    const sameId = pathById.get(id);
    if (sameId !== undefined) check.report(`${path}.id`, `an id of its own (${sameId} has it too)`, id);
    const key = `${address.host.toLowerCase()} ${address.port}`;
    const sameAddress = pathByAddress.get(key);
    if (sameAddress !== undefined) {
      check.report(`${path}.address`, `an address of its own (${sameAddress} has it too)`, member.address);
    }
    if (sameId === undefined) pathById.set(id, `${path}.id`);
    if (sameAddress === undefined) pathByAddress.set(key, `${path}.address`);
    members.push({ id, address });
  }
  // The first member set has room for these in the headers of segments and checkpoints, beside numbers and incarnations.
  const bytes = members.reduce(
    (sum, { id, address }) => sum + id.length + address.host.length + ADDRESS_OVERHEAD_BYTES,
    0,
  );
  const bytesMax =
    CONFIGURATION_BYTES_MAX - MEMBER_SET_OVERHEAD_BYTES - members.length * MEMBER_OVERHEAD_BYTES;
  if (bytes > bytesMax)
    check.report('members', `ids and addresses of at most ${bytesMax} bytes together`, bytes);
  // Without all of them, "not among the members" would be one mistake reported as two.
  return complete ? members : null;
}

function validateStorage(check: OptionChecker, value: unknown): ResolvedOptions['storage'] {
  const storage = check.object(value, 'storage', ['kind', 'allowVolatile', 'segmentBytes']) ?? {};
  const kind = check.choice(storage.kind, 'storage.kind', storageKinds, 'auto');
  const allowVolatile = check.flag(storage.allowVolatile, 'storage.allowVolatile');
  const { min, max } = segmentBytesBounds;
  let segmentBytes = check.integer(storage.segmentBytes, 'storage.segmentBytes', min, max);
  if (segmentBytes !== undefined && (segmentBytes & (segmentBytes - 1)) !== 0) {
    check.report('storage.segmentBytes', `a power of two from ${min} to ${max}`, segmentBytes);
    segmentBytes = undefined;
  }
  return { kind, allowVolatile, segmentBytes: segmentBytes ?? segmentBytesBounds.default };
}

function validateTransport(check: OptionChecker, value: unknown): ResolvedOptions['transport'] {
  const transport = check.object(value, 'transport', ['kind', 'tls']) ?? {};
  const kind = check.choice(transport.kind, 'transport.kind', transportKinds, 'auto');
  if (transport.tls === undefined) return { kind, tls: null };
  const keys = ['certificate', 'key', 'ca', 'fingerprints'];
  const tls = check.object(withoutValues(transport.tls), 'transport.tls', keys);
  for (const key of tls === null ? [] : ['certificate', 'key', 'ca']) {
    if (!(key in tls!)) check.report(`transport.tls.${key}`, 'PEM text or a path', undefined);
  }
  if (kind === 'uring') {
    check.report('transport.kind', '"tcp" or "auto" (uring has no TLS)', kind);
  }
  // What the texts hold is checked by who reads the files.
  return { kind, tls: transport.tls as TlsOptions };
}

/** A message must not show a private key, not even one that stands in the wrong place. */
function withoutValues(value: unknown): unknown {
  if (typeof value === 'string') return '(not shown)';
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.keys(value).map((key) => [key, '(not shown)']));
}

function validateLeadership(check: OptionChecker, value: unknown): ResolvedOptions['leadership'] {
  const names = ['priority', 'standsWhileCatchingUp', 'canBecomePrimary', 'acceptFrom'];
  const leadership = check.object(value, 'leadership', names) ?? {};
  const hook = (name: 'canBecomePrimary' | 'acceptFrom'): unknown => {
    const given = leadership[name];
    if (given !== undefined && typeof given !== 'function')
      check.report(`leadership.${name}`, 'a function', given);
    return given ?? null;
  };
  const { min, max, default: otherwise } = priorityBounds;
  return {
    priority: check.integer(leadership.priority, 'leadership.priority', min, max) ?? otherwise,
    standsWhileCatchingUp: check.flag(leadership.standsWhileCatchingUp, 'leadership.standsWhileCatchingUp'),
    canBecomePrimary: hook('canBecomePrimary') as ResolvedOptions['leadership']['canBecomePrimary'],
    acceptFrom: hook('acceptFrom') as ResolvedOptions['leadership']['acceptFrom'],
  };
}

function validateLeases(check: OptionChecker, value: unknown): LeaseOptions | null {
  if (value === undefined) return null;
  const leases = check.object(value, 'leases', ['clockDriftMax']);
  const { min, max } = clockDriftBounds;
  const drift = leases?.clockDriftMax;
  if (typeof drift === 'number' && drift >= min && drift <= max)
    return Object.freeze({ clockDriftMax: drift });
  if (leases !== null) check.report('leases.clockDriftMax', `a number, ${min} to ${max}`, drift);
  return null;
}

function validateCheckpoints(check: OptionChecker, value: unknown): ResolvedOptions['checkpoints'] {
  const checkpoints = check.object(value, 'checkpoints', ['everyBytes', 'everyMs', 'retain']) ?? {};
  const bounded = (name: 'everyBytes' | 'retain'): number => {
    const { min, max, default: otherwise } = checkpointBounds[name];
    return check.integer(checkpoints[name], `checkpoints.${name}`, min, max) ?? otherwise;
  };
  const { min, max } = checkpointEveryMsBounds;
  const everyMs = check.integer(checkpoints.everyMs, 'checkpoints.everyMs', min, max) ?? null;
  return { everyBytes: bounded('everyBytes'), everyMs, retain: bounded('retain') };
}

const alertKeys = [
  'checkpointBytesMax',
  'logBytesMax',
  'freeBytesMin',
  'freeCheckpointsMin',
  'everyMs',
] as const satisfies readonly (keyof AlertOptions)[];

function validateAlerts(check: OptionChecker, value: unknown): ResolvedOptions['alerts'] {
  const alerts = check.object(value, 'alerts', alertKeys) ?? {};
  const read = (name: keyof AlertOptions, { min, max }: { min: number; max: number }): number | null =>
    check.integer(alerts[name], `alerts.${name}`, min, max) ?? null;
  const { freeCheckpointsMin, everyMs } = alertBounds;
  return {
    checkpointBytesMax: read('checkpointBytesMax', alertBytesBounds),
    logBytesMax: read('logBytesMax', alertBytesBounds),
    freeBytesMin: read('freeBytesMin', alertBytesBounds),
    freeCheckpointsMin: read('freeCheckpointsMin', freeCheckpointsMin) ?? freeCheckpointsMin.default,
    everyMs: read('everyMs', everyMs) ?? everyMs.default,
  };
}

function validateDataDir(check: OptionChecker, value: unknown, kind: StorageOption): string | null {
  if (value === undefined) {
    if (kind !== 'memory')
      check.report('dataDir', 'a path (it may be missing only where storage.kind is "memory")', value);
    return null;
  }
  if (typeof value !== 'string' || value === '' || value.includes('\0')) {
    check.report('dataDir', 'a path', value);
    return null;
  }
  return resolve(value);
}

function validateLimits(check: OptionChecker, value: unknown, segmentBytes: number): Limits {
  const names = Object.keys(limitBounds) as (keyof Limits)[];
  const input = check.object(value, 'limits', names) ?? {};
  const chosen: { -readonly [Name in keyof Limits]?: number | undefined } = {};
  let wrong = false;
  for (const name of names) {
    const { min, max } = limitBounds[name];
    chosen[name] = check.integer(input[name], `limits.${name}`, min, max);
    wrong ||= input[name] !== undefined && chosen[name] === undefined;
  }
  const limits = completeLimits(chosen, segmentBytes);
  // Relations are worth reading only once each bound by itself is right.
  if (!wrong) {
    for (const conflict of limitConflicts(limits, segmentBytes)) {
      check.report(`limits.${conflict.name}`, conflict.expected, limits[conflict.name]);
    }
  }
  return limits;
}

function validateLogger(check: OptionChecker, value: unknown, replica: string | undefined): Logger {
  if (value === undefined)
    return createLogger({ ...(replica === undefined ? {} : { replica }), level: 'warn' });
  const logger = value as Partial<Record<string, unknown>> | null;
  const complete =
    typeof logger === 'object' &&
    logger !== null &&
    logLevels.every((level) => typeof logger[level] === 'function');
  if (!complete) check.report('logger', `an object with the methods ${logLevels.join(', ')}`, value);
  return value as Logger;
}
