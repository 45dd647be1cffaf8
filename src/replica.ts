/** What an application holds: one replica of a cluster, with its state machine. */

import { EventEmitter } from 'node:events';
import { AddressAnswers } from './application/address-answers.js';
import { ApplicationSide } from './application/application-side.js';
import {
  BootstrapCalls,
  type BootstrapOptions,
  type BootstrapResult,
} from './application/bootstrap-calls.js';
import { CheckpointCopies, type CheckpointCopy } from './application/checkpoint-copies.js';
import { lockDataDirectory } from './application/data-directory.js';
import { type DiskAlerts, diskAlertsOf } from './application/disk-alerts.js';
import { type EngineLink, openInline, openWorker } from './application/engine-link.js';
import { fencedError } from './application/fenced-error.js';
import { hostOptions } from './application/host-options.js';
import { LeadershipCalls } from './application/leadership-calls.js';
import { LeadershipHooks } from './application/leadership-hooks.js';
import {
  priorityOrder,
  promoteOrder,
  relinquishOrder,
  timeoutsOrder,
  votesOrder,
} from './application/leadership-orders.js';
import { tellLatecomers, tellListeners } from './application/listeners.js';
import type {
  AskedChange,
  ChangeOptions,
  ChosenChange,
  ConfigurationMember,
  MemberSet,
  MemberSetChange,
} from './application/membership.js';
import type { ReadResult } from './application/reads.js';
import type {
  CopyOptions,
  PromoteOptions,
  RaiseOptions,
  ReadOptions,
  RelinquishOptions,
  ReplicateOptions,
} from './application/replica-calls.js';
import type { ReplicaEvents } from './application/replica-events.js';
import type { ReplicaRole, ReplicaStatus } from './application/replica-status.js';
import { checkStateMachine } from './application/state-machine-check.js';
import { refuseStored, storedCheckpoints } from './application/stored-checkpoints.js';
import { mappedFiles, startTimer } from './application/surroundings.js';
import type { CommandBatch } from './command-batch.js';
import { Bridge } from './engine/bridge.js';
import { machineMs } from './engine/clock.js';
import type { EngineEvent } from './engine/engine-types.js';
import type { MemberHealth } from './engine/health.js';
import type { HostOptions } from './engine/host.js';
import { SynodError } from './errors.js';
import { unthrowing } from './logger.js';
import type { ReplicaOptions, ResolvedOptions } from './options.js';
import { validateOptions } from './options.js';
import type { StateMachine } from './state-machine.js';
import type { Statistics } from './statistics.js';
import { formatToken, type Token } from './token.js';
import { loadTls, type TlsOptions } from './transport/tls.js';

export type { BootstrapOptions, BootstrapResult } from './application/bootstrap-calls.js';
export type { CheckpointCopy } from './application/checkpoint-copies.js';
export type { DiskAlert, DiskAlertKind } from './application/disk-alerts.js';
export type { Consistency, ReadResult } from './application/reads.js';
export type {
  CopyOptions,
  PromoteOptions,
  RaiseOptions,
  ReadOptions,
  RelinquishOptions,
  ReplicateOptions,
} from './application/replica-calls.js';
export type { ReplicaEvents } from './application/replica-events.js';
export type { ReplicaRole, ReplicaStatus } from './application/replica-status.js';
export type { ChangeOptions, ConfigurationMember, MemberSet, MemberSetChange };

export class Replica<Result = unknown, Query = unknown, Answer = unknown>
  extends EventEmitter<ReplicaEvents>
  implements AsyncDisposable
{
  readonly #options: ResolvedOptions;
  readonly #stateMachine: StateMachine<Result, Query, Answer>;
  readonly #bridge = new Bridge();
  readonly #side: ApplicationSide<Result>;
  readonly #leadership = new LeadershipCalls({
    onRole: (status) => this.#tell('role', status),
    onPrimary: (ballot) => this.#tell('primary', { ballot }),
    onRecovered: (slot) => this.#tell('recovered', { slot }),
    onStatus: (status) => this.#tell('status', status),
  });
  readonly #addresses: AddressAnswers | null;
  readonly #bootstraps: BootstrapCalls;
  readonly #copies: CheckpointCopies;
  /** Null where there is no data directory. */
  readonly #alerts: DiskAlerts | null;
  readonly #hooks: LeadershipHooks;
  #link: EngineLink | null = null;
  /** Gives the data directory back. */
  #unlock: (() => void) | null = null;
  #closing: Promise<void> | null = null;
  readonly #clockOffsetMs = machineMs() - performance.now();
  readonly #openedAtMs = performance.now();

  private constructor(options: ResolvedOptions, stateMachine: StateMachine<Result, Query, Answer>) {
    super();
    this.#options = options;
    this.#stateMachine = stateMachine;
    this.#bootstraps = new BootstrapCalls(options.replica);
    const { resolve, logger, leadership } = options;
    this.#alerts = diskAlertsOf(options, startTimer, (alert) => this.#tell('alert', alert));
    this.#copies = new CheckpointCopies({
      replica: options.replica,
      checkpoints: () => this.#side.checkpoints,
      applied: () => this.#bridge.applied,
      send: (order) => this.#link?.copyCheckpoint(order),
      startTimer,
    });
    this.#hooks = new LeadershipHooks({ ...leadership, logger });
    this.#addresses = resolve === null ? null : new AddressAnswers({ resolve, logger });
    this.#side = new ApplicationSide<Result>({
      bridge: this.#bridge,
      stateMachine,
      limits: options.limits,
      segmentBytes: options.storage.segmentBytes,
      files: mappedFiles,
      afterwards: queueMicrotask,
      later: (call) => void setImmediate(call),
      now: () => performance.now(),
      startTimer,
      onFenced: (fault) => {
        this.#leadership.stop(fencedError(fault, 'unknown'));
        this.#bootstraps.rejectAll(fencedError(fault, 'unknown'));
        this.#copies.rejectAll(fencedError(fault));
        // It may come before whoever opens this replica can listen.
        tellLatecomers(this as EventEmitter, 'fenced', fault);
        this.#tell('fenced', fault);
      },
      onApplied: (slot) => this.#leadership.onApplied(slot),
      engineNow: () => this.#engineNow(),
      allowsLeases: options.leases !== null,
      membership: {
        replica: options.replica,
        startsInactive: options.members.length === 0,
        send: (change) => this.#link!.change(change),
        onChange: (change) => this.#tell('configuration', change),
      },
      ...storedCheckpoints(options, stateMachine, {
        onNotice: (notice) => this.#link?.onCheckpoint(notice),
        onDurable: (checkpoint) => {
          this.#alerts?.check();
          this.#tell('checkpoint', checkpoint);
        },
      }),
    });
  }

  /** The engine's clock: times that begin on one thread may end on the other. */
  #engineNow(): number {
    return performance.now() + this.#clockOffsetMs - this.#bridge.statistics.engineOriginMs;
  }

  /**
   * Opens the replica: recovers its log, listens, and joins its peers. Resolves before there is a primary; commands
   * given earlier wait. Rejects with `ERR_SYNOD_OPTION`, `ERR_SYNOD_ARGUMENT` (what is given is no state machine), `ERR_SYNOD_DATA_DIRECTORY`,
   * `ERR_SYNOD_LOG_CORRUPT`, `ERR_SYNOD_STORAGE_UNAVAILABLE`, `ERR_SYNOD_TRANSPORT_UNAVAILABLE`, `ERR_SYNOD_NATIVE_UNAVAILABLE`,
   * `ERR_SYNOD_LISTEN`, `ERR_SYNOD_STORAGE_FULL`, `ERR_SYNOD_STORAGE_FAILED`, `ERR_SYNOD_STATE_MACHINE` (it did not restore a checkpoint, or has no `restore` and there is one),
   * `ERR_SYNOD_VERSION` or `ERR_SYNOD_FENCED` (the engine's thread could not be started, or ended).
   *
   * The cluster begins its life when all members have met once; from then on any majority of them suffices.
   */
  static async open<Result, Query = unknown, Answer = unknown>(
    options: ReplicaOptions,
    stateMachine: StateMachine<Result, Query, Answer>,
  ): Promise<Replica<Result, Query, Answer>> {
    const checked = validateOptions(options);
    const resolved = { ...checked, logger: unthrowing(checked.logger) };
    checkStateMachine(stateMachine);
    const replica = new Replica<Result, Query, Answer>(resolved, stateMachine);
    await replica.#open();
    return replica;
  }

  /** Name of its cluster. */
  get cluster(): string {
    return this.#options.cluster;
  }

  /** Bytes of the longest command that it takes, as `limits` of the options has it. */
  get commandBytesMax(): number {
    return this.#options.limits.commandBytesMax;
  }

  get role(): ReplicaRole {
    return this.#leadership.role;
  }

  /** Id of the primary that this replica knows of, or null. */
  get primary(): string | null {
    return this.#leadership.primary;
  }

  /**
   * Has `command` executed by the state machine of every replica, once, and resolves with what this replica's own
   * state machine replied to it. By then a majority has it on durable storage. Works on any replica: a secondary
   * passes the command on to the primary, and again to the next one should the primary be lost.
   *
   * The bytes are copied before the call returns. Commands of one replica are executed in the order of the calls.
   *
   * Rejects with `ERR_SYNOD_ARGUMENT` (not bytes, or more than `limits.commandBytesMax`), `ERR_SYNOD_OVERLOADED` (more
   * than `limits.outstandingBytesMax` outstanding; not applied), `ERR_SYNOD_INACTIVE` (no member, or none yet: not applied; taken out while
   * the command waited: unknown), `ERR_SYNOD_TIMEOUT` or `ERR_SYNOD_ABORTED` (unknown; not applied where the signal was aborted before the
   * call), `ERR_SYNOD_RESULT_LOST` (committed: executed, but this replica caught up by a checkpoint and does not know the result),
   * `ERR_SYNOD_CLOSED`, `ERR_SYNOD_FENCED` (each with its `outcome`).
   */
  replicate(command: Uint8Array, options?: ReplicateOptions): Promise<Result | undefined> {
    return new Promise((resolve, reject) => this.#side.submit(command, options, { resolve, reject }));
  }

  /**
   * Gives a cluster its first member set: `members`, of which this replica is one. For replicas that were opened without `members`;
   * the others of the list must run too, and be opened without `members` or with the same. Called on any one of them, once or often, it
   * resolves once there is a primary: every member must have been there by then. Replicas that were given the list go on by themselves where the caller does not
   * live to see it.
   *
   * Rejects with `ERR_SYNOD_ARGUMENT`; `ERR_SYNOD_BOOTSTRAPPED` (the cluster began with other members); `ERR_SYNOD_BOOTSTRAP_FAILED`: somebody
   * was given another list before (`not-applied`), or time ran out (`unknown`); `ERR_SYNOD_CLOSED` or `ERR_SYNOD_FENCED`. The list is durable on whoever
   * took it, and a disk never takes another one: to change a list that was wrong, empty the folders of those that hold it.
   */
  async bootstrap(
    members: readonly ConfigurationMember[],
    options: BootstrapOptions = {},
  ): Promise<BootstrapResult> {
    const link = this.#unfencedLink;
    return await this.#bootstraps.order((order) => link.bootstrap(order), members, options);
  }

  /** The member set that is in force behind what was executed here; null before there is one. */
  get configuration(): MemberSet | null {
    return this.#side.membership.current;
  }

  /**
   * Puts `members` into the place of the member set, whatever that was, and resolves with the number of the new set once it is
   * chosen, and so in force from the next slot on. On the primary only; one change at a time. Commands wait for about two round trips.
   *
   * Newcomers must run, and catch up before they count: the call waits ten election timeouts for that. They need no options that
   * name the others. Members that are left out go on as replicas without a vote until they are closed.
   *
   * Rejects with `ERR_SYNOD_ARGUMENT`, `ERR_SYNOD_NOT_PRIMARY`, `ERR_SYNOD_CHANGE_IN_FLIGHT`, `ERR_SYNOD_NO_QUORUM` or
   * `ERR_SYNOD_SUPERSEDED` where nothing was changed; with `ERR_SYNOD_CLOSED` or `ERR_SYNOD_FENCED` where it is unknown what
   * will become of it (see `outcome`), or with `ERR_SYNOD_SUPERSEDED`, outcome unknown, where a checkpoint came in the place of the decrees
   * that would tell. Otherwise it is settled as soon as this replica knows what its slot decided, whoever leads
   * by then.
   */
  async changeConfiguration(
    members: readonly ConfigurationMember[],
    options: ChangeOptions = {},
  ): Promise<number> {
    const chosen = await this.#change((asked) => this.#side.membership.change(members, options, asked));
    return chosen.configuration;
  }

  /**
   * Has the cluster go by a higher version of the protocol, and resolves with the version in force: `version`, or the highest that all members
   * speak (also where that is in force already). For the end of a rolling upgrade: until then members of an older build and of a newer one go by what
   * both speak. There is no way back: an older build is refused from then on. On the primary only; a change of the configuration like
   * `changeConfiguration`, settled like that.
   *
   * Rejects with `ERR_SYNOD_VERSION` where a member does not speak it, or a higher one is in force; with `ERR_SYNOD_NO_QUORUM` where a member is not
   * linked for ten election timeouts; else as `changeConfiguration` does.
   */
  async raiseProtocolVersion(options: RaiseOptions = {}): Promise<number> {
    const chosen = await this.#change((asked) => this.#side.membership.raise(options, asked));
    return chosen.version;
  }

  #change(ask: (asked: AskedChange) => void): Promise<ChosenChange> {
    return new Promise((resolve, reject) => {
      if (this.#link === null || this.#closing !== null)
        throw new SynodError('ERR_SYNOD_CLOSED', 'the replica is closed', { outcome: 'not-applied' });
      void this.#unfencedLink;
      ask({ resolve, reject });
    });
  }

  /**
   * Has many commands executed like `replicate` does one, in their order, by one call with one promise; resolves with their results,
   * in the same order. For load: nothing is allocated per command but the place of its result.
   *
   * It is no transaction. The commands may be spread over several decrees, with others' between them.
   *
   * Rejects as `replicate` does, as a whole: where any of its commands has no known result, the batch has none. `outcome` is then
   * that of all of them: `unknown` where some may have been executed. `ERR_SYNOD_ARGUMENT` also where the batch alone is more than
   * may ever be outstanding.
   */
  replicateBatch(
    commands: readonly Uint8Array[] | CommandBatch,
    options?: Omit<ReplicateOptions, 'exclusive' | 'last' | 'context'>,
  ): Promise<readonly (Result | undefined)[]> {
    return new Promise((resolve, reject) =>
      this.#side.submitBatch(commands, options, {
        resolve: resolve as (results: readonly (Result | undefined)[] | undefined) => void,
        reject,
      }),
    );
  }

  /**
   * Asks this replica's own state machine (`StateMachine.read`), on any replica, without a record in the log, and resolves with its answer and a
   * token of what it saw. What it must see at least is for `options.consistency` to say. It waits, through changes of the primary, until it
   * can be made; it never answers with less. Reads that wait at the same time share their questions to the other replicas. Reads and
   * commands are not ordered among each other: to read what a command did, await the command first.
   *
   * Rejects with `ERR_SYNOD_ARGUMENT`, `ERR_SYNOD_TOKEN` (`after` is no token), `ERR_SYNOD_STATE_MACHINE` (it has no `read`),
   * `ERR_SYNOD_OVERLOADED` (65,536 reads wait), `ERR_SYNOD_TIMEOUT`, `ERR_SYNOD_ABORTED`, `ERR_SYNOD_CLOSED`, `ERR_SYNOD_FENCED`, all with outcome
   * `not-applied`; `ERR_SYNOD_INACTIVE` (no member, or none yet); or with what the state machine threw.
   */
  read(query: Query, options?: ReadOptions): Promise<ReadResult<Answer>> {
    return new Promise((resolve, reject) =>
      this.#side.submitRead(query, options, {
        resolve: (result) => resolve(result as ReadResult<Answer>),
        reject,
      }),
    );
  }

  /**
   * Stands for all that this replica has executed, the commands whose results it has told included. Given to another replica, or to
   * another process, as `{ after: token }`, a read there sees all of it.
   */
  token(): Token {
    return formatToken(this.#bridge.applied);
  }

  /**
   * Makes a checkpoint now, instead of when it is due, and resolves with its slot once it is durable. Commands that were executed
   * before the call are in it; where nothing was executed yet none is made, and it resolves with 0. Rejects with
   * `ERR_SYNOD_STATE_MACHINE` (it makes none, or failed to), `ERR_SYNOD_STORAGE_FULL`, `ERR_SYNOD_STORAGE_FAILED`: the replica goes on all
   * the same; with `ERR_SYNOD_CLOSED` or `ERR_SYNOD_FENCED`.
   */
  checkpoint(): Promise<number> {
    return new Promise((resolve, reject) =>
      this.#side.requestCheckpoint((error, slot) => (error === null ? resolve(slot!) : reject(error))),
    );
  }

  /**
   * Copies the newest checkpoint of a peer, if there is none as new here, and resolves with what is here then: durable, executed up to
   * its slot, and kept like those that are made here. The state machine is not asked, and goes on. One copy at a time.
   *
   * Rejects with `ERR_SYNOD_NO_CHECKPOINT` (whoever was asked has none); `ERR_SYNOD_NOT_COPIED`: no peer is linked, none sent anything of use
   * for 5 seconds, its checkpoint is damaged, another copy is under way, or this replica catches up by a checkpoint, which goes first;
   * `ERR_SYNOD_STORAGE_FULL` or `ERR_SYNOD_STORAGE_FAILED`; `ERR_SYNOD_STATE_MACHINE` (this replica keeps none); `ERR_SYNOD_ARGUMENT`,
   * `ERR_SYNOD_TIMEOUT`, `ERR_SYNOD_ABORTED`, `ERR_SYNOD_CLOSED`, `ERR_SYNOD_FENCED`. The replica goes on all the same, but for the last two.
   */
  async copyCheckpoint(options: CopyOptions = {}): Promise<CheckpointCopy> {
    void this.#unfencedLink;
    return await new Promise((resolve, reject) => this.#copies.copy(options, { resolve, reject }));
  }

  /** What this replica knows and did. Rejects with `ERR_SYNOD_CLOSED`, or `ERR_SYNOD_FENCED` where the engine's thread is gone. */
  async status(): Promise<ReplicaStatus> {
    const link = this.#link;
    if (link === null || this.#closing !== null)
      throw new SynodError('ERR_SYNOD_CLOSED', 'the replica is closed');
    const engine = await link.status();
    // Between two decrees: the digest belongs to just this slot.
    const { applied } = this.#bridge;
    return {
      replica: this.#options.replica,
      ...engine,
      // The engine of a fenced replica tells what it was when it stopped.
      ...(this.#side.fencedRefusal === null ? {} : { role: this.role, primary: this.primary }),
      applied,
      stateDigest: this.#side.isStateWhole ? (this.#stateMachine.digest?.() ?? null) : null,
      outstandingBytes: this.#side.outstandingBytes,
      alerts: this.#alerts?.raised ?? [],
    };
  }

  /**
   * Makes this replica primary, although there may be one: its predecessor's commands are not lost, and go on under this one. Resolves
   * once it leads; at once where it does already.
   *
   * Rejects with `ERR_SYNOD_NOT_PROMOTED`: it is no member, has more to learn or to execute than a pipeline (unless `evenIfBehind`),
   * cannot write to its log, or did not get the promises of a quorum; with `ERR_SYNOD_CLOSED` or `ERR_SYNOD_FENCED`.
   */
  async promote(options: PromoteOptions = {}): Promise<void> {
    const order = promoteOrder(options);
    const link = this.#unfencedLink;
    await this.#leadership.order((one) => link.lead(one), order);
  }

  /**
   * Hands the primaryship over, to member `to` or else to whoever is fit: linked, caught up, with a disk that keeps up, and of the
   * highest priority. Nothing is proposed until the successor has every decree; commands wait meanwhile, and go on under it.
   * Resolves with the id of the primary that there is then. This replica goes on as a secondary.
   *
   * Rejects with `ERR_SYNOD_NOT_PRIMARY`; `ERR_SYNOD_NOT_RELINQUISHED` (nobody took over: this replica leads on);
   * `ERR_SYNOD_ARGUMENT` (no such member); `ERR_SYNOD_CLOSED` or `ERR_SYNOD_FENCED`.
   */
  async relinquish(options: RelinquishOptions = {}): Promise<string> {
    const order = relinquishOrder(options, this.#options.replica);
    const link = this.#unfencedLink;
    return (await this.#leadership.order((one) => link.lead(one), order))!;
  }

  /**
   * Changes this replica's election timeout, 50 to 60,000 milliseconds, from now on; heartbeats keep the same part of it. Set it on
   * every replica: a primary must send heartbeats more often than the most impatient secondary expects. Throws
   * `ERR_SYNOD_ARGUMENT`, `ERR_SYNOD_CLOSED`.
   */
  setElectionTimeout(electionTimeoutMs: number): void {
    const order = timeoutsOrder(electionTimeoutMs, this.#options);
    this.#openLink.lead(order);
  }

  /** Changes `leadership.priority`, 0 to 255, from now on. Throws `ERR_SYNOD_ARGUMENT`, `ERR_SYNOD_CLOSED`. */
  setPriority(priority: number): void {
    const order = priorityOrder(priority);
    this.#openLink.lead(order);
  }

  /**
   * With `false`, this replica gives no other one its vote from now on: no answer to candidates, and none to a primary, which loses a
   * majority that way. It follows, learns, takes commands and may lead all the same. With `true` it votes again. Either has
   * `leadership.acceptFrom` asked anew about every member. Votes that were given stay given. Throws `ERR_SYNOD_ARGUMENT`, `ERR_SYNOD_CLOSED`.
   */
  setVotes(votes: boolean): void {
    const order = votesOrder(votes);
    this.#openLink.lead(order);
  }

  /**
   * What each member told of itself last, in the order of the members; this replica's own is of this moment. Any replica knows it, not
   * only the primary. Rejects as `status` does.
   */
  async health(): Promise<readonly MemberHealth[]> {
    return await this.#openLink.health();
  }

  /**
   * Counts and times since the replica was opened. `later.since(earlier)` tells what came in between, and nobody resets anything for
   * anybody else. Costs some microseconds, and does not ask the engine; works on a closed replica too.
   */
  statistics(): Statistics {
    return this.#bridge.statistics.snapshot(performance.now() - this.#openedAtMs);
  }

  /**
   * Tells the other replicas 64 bits, as `payload` in their `health()`, within 100 ms where they are connected; the last ones count. They
   * are in no log and not durable: 0 again after the next start. Throws `ERR_SYNOD_ARGUMENT` below 0 and from 2^64 on.
   */
  setVotePayload(bits: bigint): void {
    if (typeof bits !== 'bigint' || bits < 0n || bits > 0xffff_ffff_ffff_ffffn)
      throw new SynodError(
        'ERR_SYNOD_ARGUMENT',
        `payload: ${String(bits)}, expected a bigint from 0 to 2^64 - 1`,
      );
    this.#bridge.statistics.payload = bits;
  }

  /**
   * Takes another certificate, key, authorities and fingerprints for connections from now on, without a restart; the files
   * are read again. Connections that stand go on. To put one authority in the place of another: first both in `ca` on all
   * replicas, then the certificates, then the new authority alone.
   *
   * Throws `ERR_SYNOD_OPTION` where something is wrong with them, or where the replica was opened without TLS: nothing has
   * changed then; `ERR_SYNOD_CLOSED`.
   */
  setTls(tls: TlsOptions): void {
    if (this.#link === null || this.#closing !== null)
      throw new SynodError('ERR_SYNOD_CLOSED', 'the replica is closed');
    if (this.#options.transport.tls === null)
      throw new SynodError('ERR_SYNOD_OPTION', 'the replica was opened without TLS', {
        path: 'transport.tls',
      });
    this.#link.setTls(loadTls(tls, this.#options.replica));
  }

  /**
   * Closes: what waits rejects with `ERR_SYNOD_CLOSED`, the log is made durable, files and sockets are given back.
   * Idempotent; resolves when all of it is done.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get #openLink(): EngineLink {
    if (this.#link === null || this.#closing !== null)
      throw new SynodError('ERR_SYNOD_CLOSED', 'the replica is closed');
    return this.#link;
  }

  /** For whoever waits for an answer: the engine of a fenced replica carries nothing out, and says nothing of it. */
  get #unfencedLink(): EngineLink {
    const link = this.#openLink;
    const refusal = this.#side.fencedRefusal;
    if (refusal !== null) throw refusal;
    return link;
  }

  async #open(): Promise<void> {
    const host = hostOptions(this.#options, this.#hooks);
    // Before the checkpoints are looked at: they may be those of a replica that runs, and what it is writing would be deleted.
    this.#unlock = await lockDataDirectory(this.#options);
    try {
      await this.#openEngine(host);
    } catch (error) {
      this.#unlock?.();
      throw error;
    }
  }

  async #openEngine(options: ReturnType<typeof hostOptions>): Promise<void> {
    const { logger, engine } = this.#options;
    const { checkpoints } = this.#side;
    const host: HostOptions = {
      ...options,
      isLocked: this.#unlock !== null,
      keepsCheckpoints: checkpoints !== null,
      checkpoint: checkpoints === null ? await refuseStored(this.#options) : await checkpoints.restored(),
    };
    const handler = { onEvent: (event: EngineEvent) => this.#onEvent(event), onWake: () => this.#side.run() };
    const open = engine === 'worker' ? openWorker : openInline;
    try {
      this.#link = await open(host, this.#bridge, logger, handler);
    } catch (error) {
      throw checkpoints === null ? error : checkpoints.explain(error);
    }
    this.#side.open(this.#link);
    this.#alerts?.check();
    this.#addresses?.open((answer) => this.#link!.onAddress(answer));
    this.#hooks.open((answer) => this.#link!.lead(answer));
  }

  async #close(): Promise<void> {
    this.#alerts?.close();
    const isIdle = new Promise<void>((resolve) => this.#side.beginClose(resolve));
    await this.#link?.close();
    const closed = new SynodError('ERR_SYNOD_CLOSED', 'the replica was closed', { outcome: 'unknown' });
    this.#leadership.stop(closed);
    this.#bootstraps.rejectAll(closed);
    this.#copies.rejectAll(new SynodError('ERR_SYNOD_CLOSED', 'the replica was closed'));
    // Whoever opens the folder next must not meet a writer.
    await isIdle;
    this.#unlock?.();
    this.#side.endClose();
  }

  #onEvent(event: EngineEvent): void {
    switch (event.kind) {
      case 'role':
        this.#side.onEvent(event);
        this.#leadership.onRole(event);
        break;
      case 'resolve':
        void this.#addresses?.onAsked(event);
        break;
      case 'copy-settled':
        this.#copies.onSettled(event);
        break;
      case 'bootstrap-settled':
        this.#bootstraps.onSettled(event);
        break;
      case 'ask-to-lead':
        void this.#hooks.onAskToLead(event);
        break;
      case 'ask-to-vote':
        void this.#hooks.onAskToVote(event);
        break;
      case 'order-answered':
        this.#leadership.onAnswered(event);
        break;
      case 'peer':
        this.#tell('peer', { id: event.id, connected: event.connected });
        break;
      case 'storage-full':
        this.#tell('storageFull', event.full);
        break;
      default:
        this.#side.onEvent(event);
    }
  }

  #tell<Name extends keyof ReplicaEvents>(name: Name, argument: ReplicaEvents[Name][0]): void {
    tellListeners(this as EventEmitter, name, argument);
  }
}
