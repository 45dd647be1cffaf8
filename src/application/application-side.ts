/**
 * The application's side of a replica: takes commands, executes what is chosen, and settles every call exactly once.
 * All callbacks: whoever provides the loop, the timers and the engine decides every order. `Replica` puts promises
 * and events around it.
 */

import { ContractViolation } from '../contracts.js';
import type { Bridge } from '../engine/bridge.js';
import type { EngineEvent } from '../engine/engine-types.js';
import { type ErrorCode, type Outcome, SynodError, textOf } from '../errors.js';
import type { Limits } from '../limits.js';
import type { StateMachine } from '../state-machine.js';
import { badArgument } from './bad-argument.js';
import {
  type BatchSource,
  BatchWaiter,
  batchBytes,
  batchCount,
  batchRefusal,
  COMMAND_OVERHEAD_BYTES,
  writeBatch,
} from './batch.js';
import { type CallOptions, limitWait, refusalOf, TIMEOUT_MS_MAX } from './call-options.js';
import { ApplicationCheckpoints, type ApplicationCheckpointsOptions } from './checkpoints.js';
import {
  batchFlagsRefusal,
  batchOptions,
  commandOptions,
  type FlagOptions,
  flagsOf,
  flagsRefusal,
} from './command-flags.js';
import { CommandWriter } from './command-writer.js';
import { Executor } from './executor.js';
import { fencedError } from './fenced-error.js';
import { Membership, type MembershipOptions } from './membership.js';
import { type MappedFiles, MemoryMap } from './memory-map.js';
import { ApplicationReads, type ReadCallOptions, type Reader } from './reads.js';
import { Waiters } from './waiters.js';

export type { CallOptions } from './call-options.js';

/** Whoever gave the command. One of the two is called, once. */
export interface Caller<Result> {
  resolve(result: Result | undefined): void;
  reject(error: SynodError): void;
}

/** The way to the engine, once it is open. */
export interface EngineEnd {
  readonly blockBytes: number;
  wakeEngine(): void;
  sendChunk(chunk: number, buffer: SharedArrayBuffer): void;
  /** Takes in the events that wait behind the present call. */
  hear(): void;
  fence(error: SynodError): void;
}

export interface ApplicationSideOptions<Result> {
  readonly bridge: Bridge;
  readonly stateMachine: StateMachine<Result>;
  readonly limits: Limits;
  readonly segmentBytes: number;
  readonly files: MappedFiles;
  /** Calls back when the piece of work that the application is at is done, before anything else happens to it. */
  readonly afterwards: (call: () => void) => void;
  /** Calls back in a later turn of the application's loop. */
  readonly later: (call: () => void) => void;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** Calls back after `timeoutMs`; yields how to give it up. */
  readonly startTimer: (timeoutMs: number, call: () => void) => () => void;
  /** Stopped for good by a fault; all calls are settled. Told once. */
  readonly onFenced: (error: SynodError) => void;
  /** Every decree up to `slot` was executed. */
  readonly onApplied?: (slot: number) => void;
  /** The engine's clock, where times are measured. */
  readonly engineNow?: () => number;
  /** Who this replica is, and who hears of changes of the member set. */
  readonly membership: Omit<MembershipOptions, 'onRemoved'>;
  /** Reads may be answered by a lease. */
  readonly allowsLeases?: boolean | undefined;
  /** Where the state machine makes and restores checkpoints: how they are kept. */
  readonly checkpoints?: CheckpointSettings;
}

/** What `ApplicationCheckpoints` needs beside what this file has. */
export type CheckpointSettings = Omit<
  ApplicationCheckpointsOptions,
  'stateMachine' | 'executor' | 'promised' | 'later' | 'resume' | 'onBroken' | 'onMembers'
>;

/** A batch of this many bytes is ended and the next begun: many decrees of a middling size keep the pipeline full. */
const BATCH_BYTES_TARGET = 256 * 1024;
const OUTBOX_CHUNK_BYTES = 1024 * 1024;

/** Of a command. */
export interface SubmitOptions extends CallOptions, FlagOptions {
  readonly context?: unknown;
}

export class ApplicationSide<Result> {
  readonly #options: ApplicationSideOptions<Result>;
  readonly #waiters = new Waiters<Result>();
  readonly #memories: MemoryMap;
  readonly #executor: Executor<Result>;
  readonly #reads: ApplicationReads;
  readonly membership: Membership;
  /** Null where the state machine has none. */
  readonly checkpoints: ApplicationCheckpoints | null;
  #engine: EngineEnd | null = null;
  #writer: CommandWriter | null = null;
  #outstandingBytes = 0;
  #fenced: SynodError | null = null;
  /** Id of the primary, where it is known. */
  #primary: string | null = null;
  #closing = false;
  #running = false;
  #stopTimer: (() => void) | null = null;

  constructor(options: ApplicationSideOptions<Result>) {
    this.#options = options;
    this.#memories = new MemoryMap(options.segmentBytes, options.files, () => this.#engine?.hear());
    this.membership = new Membership({
      ...options.membership,
      decreeBytesMax: options.limits.decreeBytesMax,
      onRemoved: (error) => {
        this.#rejectWaiting(error);
        this.#reads.rejectAll(error);
      },
    });
    this.#executor = new Executor<Result>({
      bridge: options.bridge,
      stateMachine: options.stateMachine,
      memory: (number) => this.#memories.get(number),
      reply: (sequence, result) => {
        const waiter = this.#waiters.take(sequence);
        if (waiter === undefined) return;
        this.#outstandingBytes -= waiter.bytes;
        waiter.resolve(result, sequence);
      },
      contextOf: (sequence) => this.#waiters.contextOf(sequence),
      settle: (through) =>
        this.#waiters.settle(through, (waiter, sequence) => {
          this.#outstandingBytes -= waiter.bytes;
          waiter.resolve(undefined, sequence);
        }),
      wakeEngine: () => this.#engine?.wakeEngine(),
      onConfiguration: (bytes) => {
        this.checkpoints?.onConfiguration(bytes);
        this.membership.onExecuted(bytes);
      },
      onCheckpoint: (slot) => this.checkpoints?.onCopied(slot),
    });
    this.#reads = this.#makeReads();
    this.checkpoints = options.checkpoints === undefined ? null : this.#makeCheckpoints(options.checkpoints);
  }

  #makeReads(): ApplicationReads {
    const { bridge, stateMachine, afterwards, startTimer, now, allowsLeases } = this.#options;
    return new ApplicationReads({
      bridge,
      allowsLeases,
      stateMachine: stateMachine as StateMachine<never>,
      isRestoring: () => this.checkpoints?.isRestoring ?? false,
      wakeEngine: () => this.#engine?.wakeEngine(),
      afterwards,
      startTimer,
      now,
      runSoon: () => this.run(),
    });
  }

  #makeCheckpoints(settings: CheckpointSettings): ApplicationCheckpoints {
    const { bridge, later, stateMachine } = this.#options;
    return new ApplicationCheckpoints({
      ...settings,
      later,
      stateMachine: stateMachine as StateMachine<never>,
      executor: this.#executor as unknown as Executor<never>,
      promised: () => bridge.promised,
      onMembers: (configuration) => this.membership.onExecuted(configuration),
      resume: () => {
        this.#rejectLost();
        later(() => this.run());
      },
      onBroken: (error) => this.#break(error),
    });
  }

  /** Has a checkpoint made of the state as it is now, or a little later, and calls back when it is durable. */
  requestCheckpoint(done: (error: SynodError | null, slot?: number) => void): void {
    if (this.#closing || this.#engine === null)
      done(new SynodError('ERR_SYNOD_CLOSED', 'the replica is closed'));
    else if (this.#fenced !== null) done(this.fencedRefusal!);
    else if (this.checkpoints === null)
      done(new SynodError('ERR_SYNOD_STATE_MACHINE', 'the state machine makes no checkpoints'));
    else {
      const { bridge, later } = this.#options;
      this.checkpoints.request(bridge.applied, done);
      // Behind what waits to be executed: only then is it certain that there is nothing.
      if (bridge.applied === 0) later(() => this.run());
    }
  }

  /** A checkpoint that was copied tells that own commands were executed, but not with what results. */
  #rejectLost(): void {
    this.#waiters.settle(this.#options.bridge.resolved, (waiter, sequence) => {
      this.#outstandingBytes -= waiter.bytes;
      waiter.reject(
        new SynodError('ERR_SYNOD_RESULT_LOST', 'executed, but its result is not known here', {
          outcome: 'committed',
        }),
        sequence,
      );
    });
  }

  /**
   * The state is that of a slot. It is not where the state machine threw in the middle of a decree, and while it is given another state, or
   * once it refused that.
   */
  get isStateWhole(): boolean {
    return !this.#executor.isExecuting && !(this.checkpoints?.isRestoring ?? false);
  }

  get outstandingBytes(): number {
    return this.#outstandingBytes;
  }

  /** The engine is open: commands are taken from here on. */
  open(engine: EngineEnd): void {
    const { bridge, limits, afterwards, later, engineNow } = this.#options;
    this.#engine = engine;
    this.#writer = new CommandWriter({
      bridge,
      blockBytes: engine.blockBytes,
      batchBytesTarget: Math.min(BATCH_BYTES_TARGET, limits.decreeBytesMax / 2),
      batchCommandsMax: limits.decreeCommandsMax,
      chunkBytes: Math.min(OUTBOX_CHUNK_BYTES, limits.outstandingBytesMax),
      memory: (segment) => this.#memories.get(segment),
      onChunk: (chunk, buffer) => engine.sendChunk(chunk, buffer),
      wakeEngine: () => engine.wakeEngine(),
      onBurst: afterwards,
      ...(engineNow === undefined ? {} : { now: engineNow }),
    });
    // Not at once: whoever opened it must be able to listen before the state machine may throw.
    later(() => this.run());
    this.#watchTime();
  }

  /** Takes a command. `caller` hears of it exactly once; at once where it is refused. */
  submit(command: Uint8Array, options: SubmitOptions | undefined, caller: Caller<Result>): void {
    const refusal = this.#refusal(command, options) ?? flagsRefusal(options);
    if (refusal !== null) {
      caller.reject(refusal);
      return;
    }
    const sequence = this.#writer!.write(command, flagsOf(options));
    if (sequence === 0) {
      caller.reject(this.#overloaded());
      return;
    }
    const bytes = command.length + COMMAND_OVERHEAD_BYTES;
    this.#outstandingBytes += bytes;
    const { resolve, reject } = isLimited(options) ? this.#limit(options, caller) : caller;
    this.#waiters.add(sequence, { resolve, reject, bytes, context: options?.context });
  }

  /** Takes commands that stand together. `caller` hears of all at once, exactly once; at once where they are refused. */
  submitBatch(
    commands: BatchSource,
    options: (CallOptions & FlagOptions) | undefined,
    caller: Caller<readonly (Result | undefined)[]>,
  ): void {
    const refusal =
      this.#stateRefusal() ??
      batchRefusal(commands, this.#options.limits, this.#writer!) ??
      batchFlagsRefusal(options) ??
      refusalOf(options, batchOptions);
    if (refusal !== null) {
      caller.reject(refusal);
      return;
    }
    const count = batchCount(commands);
    if (count === 0) {
      caller.resolve([]);
      return;
    }
    const bytes = batchBytes(commands) + count * COMMAND_OVERHEAD_BYTES;
    const overloaded = this.#outstandingBytes + bytes > this.#options.limits.outstandingBytesMax;
    if (overloaded || !this.#writer!.hasRoom(batchBytes(commands), count)) {
      caller.reject(this.#overloaded());
      return;
    }
    const first = this.#writer!.nextSequence;
    const written = writeBatch(this.#writer!, commands);
    if (written === 0) {
      caller.reject(this.#overloaded());
      return;
    }
    this.#outstandingBytes += bytes;
    const limited = isLimited(options) ? this.#limit(options, caller) : caller;
    const waiter = new BatchWaiter<Result>(first, written, bytes, limited);
    if (written < count) waiter.cut(this.#overloaded('unknown'));
    this.#waiters.addRun(first, written, waiter);
  }

  /** Takes a read. `caller` hears of it exactly once; at once where it is refused. */
  submitRead(query: unknown, options: ReadCallOptions | undefined, caller: Reader<unknown>): void {
    const refusal = this.#stateRefusal();
    if (refusal === null) this.#reads.submit(query, options, caller);
    else caller.reject(refusal);
  }

  /** Executes what was delivered; a long backlog in slices, so that the application's loop turns in between. */
  run(): void {
    // An engine on this thread wakes before it is open: a fault could not stop it then.
    if (this.#running || this.#engine === null) return;
    this.#running = true;
    const { bridge, later, engineNow } = this.#options;
    bridge.setApplicationAsleep(false);
    let more = false;
    try {
      if (this.#isOpen) {
        const before = bridge.applied;
        more = this.#executor.run();
        if (engineNow !== undefined && bridge.applied > before)
          bridge.statistics.executed(before + 1, bridge.applied, engineNow());
        this.checkpoints?.afterDecrees(bridge.applied);
        this.#options.onApplied?.(bridge.applied);
        this.#reads.run();
      }
    } catch (cause) {
      this.#break(faultOf(cause, bridge.applied + 1));
    } finally {
      this.#running = false;
    }
    if (more) later(() => this.run());
    else {
      bridge.setApplicationAsleep(true);
      // The engine looked before this thread said that it sleeps.
      const isDue = (bridge.deliveriesOpen > 0 && !this.#executor.isPaused) || this.#reads.isDue;
      if (isDue && this.#isOpen && bridge.takeApplicationAsleep()) later(() => this.run());
    }
  }

  /** What the engine tells beside what goes over the bridge. */
  onEvent(event: EngineEvent): void {
    switch (event.kind) {
      case 'memory':
        this.#memories.addSegment(event.segment, event.reference);
        break;
      case 'memory-gone':
        this.#memories.drop(event.segment);
        break;
      case 'region-gone':
        this.#memories.dropRegion(event.region);
        break;
      case 'chunk':
        this.#memories.addChunk(event.chunk, event.buffer);
        break;
      case 'chunk-gone':
        this.#memories.drop(-1 - event.chunk);
        break;
      case 'fenced':
        this.#fence(event.error);
        break;
      case 'first-configuration':
        this.checkpoints?.onFirstConfiguration(event.bytes);
        this.membership.onExecuted(event.bytes);
        break;
      case 'checkpoint-damaged':
        this.checkpoints?.onDamaged(event.slot, this.#options.bridge.applied);
        break;
      case 'configuration':
        this.membership.onEngine(event.bytes, event.recovered);
        break;
      case 'change-settled':
        this.membership.onSettled(event.request, event.outcome, this.#primary);
        break;
      case 'role':
        this.#primary = event.primary;
        break;
      case 'resolve':
      case 'copy-settled':
      case 'bootstrap-settled':
      case 'ask-to-lead':
      case 'ask-to-vote':
      case 'peer':
      case 'storage-full':
      case 'order-answered':
        break;
      default:
        event satisfies never;
    }
  }

  /** Takes no more commands, and executes nothing more. Calls back once no checkpoint is being written any more. */
  beginClose(done: () => void = () => {}): void {
    this.#closing = true;
    this.#stopTimer?.();
    if (this.checkpoints === null) done();
    else this.checkpoints.close(done);
  }

  /** Checkpoints that are due by time are made also where nothing is executed any more. */
  #watchTime(): void {
    const waitMs = this.checkpoints?.waitMs ?? null;
    if (waitMs === null || !this.#isOpen) return;
    this.#stopTimer = this.#options.startTimer(Math.min(waitMs, TIMEOUT_MS_MAX), () => {
      this.run();
      this.#watchTime();
    });
  }

  /** The engine is closed: whoever still waits waits in vain. */
  endClose(): void {
    this.#rejectAll('ERR_SYNOD_CLOSED', 'the replica was closed');
  }

  get #isOpen(): boolean {
    return this.#fenced === null && !this.#closing;
  }

  /** Nothing can be executed any more. */
  #break(error: SynodError): void {
    this.#engine?.fence(error);
    this.#fence(error);
  }

  #fence(error: SynodError): void {
    if (!this.#isOpen) return;
    this.#fenced = error;
    const { code, message } = fencedError(error);
    this.#rejectAll(code, message, error);
    this.checkpoints?.fence(fencedError(error));
    this.#options.onFenced(error);
  }

  #rejectAll(code: ErrorCode, message: string, cause?: SynodError): void {
    const error = new SynodError(code, message, { cause, outcome: 'unknown' });
    this.membership.rejectAll(error);
    this.#rejectWaiting(error);
    this.#reads.rejectAll(new SynodError(code, message, { cause, outcome: 'not-applied' }));
  }

  #rejectWaiting(error: SynodError): void {
    this.#waiters.drain((waiter, sequence) => waiter.reject(error, sequence));
    this.#outstandingBytes = 0;
  }

  /** What is given to a fenced replica is refused with this; null where it is not fenced. */
  get fencedRefusal(): SynodError | null {
    return this.#fenced === null ? null : fencedError(this.#fenced, 'not-applied');
  }

  #stateRefusal(): SynodError | null {
    if (this.#closing || this.#writer === null)
      return new SynodError('ERR_SYNOD_CLOSED', 'the replica is closed', { outcome: 'not-applied' });
    return this.fencedRefusal ?? this.membership.refusal;
  }

  #refusal(command: Uint8Array, options: CallOptions | undefined): SynodError | null {
    const refusal = this.#stateRefusal();
    if (refusal !== null) return refusal;
    if (!(command instanceof Uint8Array))
      return badArgument(`command: expected a Uint8Array, got ${typeof command}`);
    const { commandBytesMax, outstandingBytesMax } = this.#options.limits;
    if (command.length > commandBytesMax)
      return badArgument(`command: ${command.length} bytes, the bound is ${commandBytesMax}`);
    const outstandingBytes = this.#outstandingBytes + command.length + COMMAND_OVERHEAD_BYTES;
    // One command is always taken, also where the bound is just its size.
    if (outstandingBytes > outstandingBytesMax && this.#outstandingBytes > 0) return this.#overloaded();
    return refusalOf(options, commandOptions);
  }

  #overloaded(outcome: Outcome = 'not-applied'): SynodError {
    const { outstandingBytesMax } = this.#options.limits;
    return new SynodError(
      'ERR_SYNOD_OVERLOADED',
      `${this.#outstandingBytes} bytes are outstanding, the bound is ${outstandingBytesMax}`,
      { outcome },
    );
  }

  /** The command stays outstanding, and its bytes counted, until it was executed: only the caller waits no more. */
  #limit<Value>(options: CallOptions, caller: Caller<Value>): Caller<Value> {
    let isSettled = false;
    /** False where the caller heard already. */
    const finish = (): boolean => {
      if (isSettled) return false;
      isSettled = true;
      stop();
      return true;
    };
    const resolve = (result: Value | undefined): void => {
      if (finish()) caller.resolve(result);
    };
    const reject = (error: SynodError): void => {
      if (finish()) caller.reject(error);
    };
    const { startTimer } = this.#options;
    const stop = limitWait(options, { startTimer, missing: 'no result', about: UNKNOWN, giveUp: reject });
    return { resolve, reject };
  }
}

/** `cause` was thrown while the decree of `slot` was executed. */
function faultOf(cause: unknown, slot: number): SynodError {
  if (cause instanceof SynodError && cause.code === 'ERR_SYNOD_LOG_CORRUPT') return cause;
  if (cause instanceof ContractViolation)
    return new SynodError('ERR_SYNOD_CONTRACT', cause.message, { cause });
  return new SynodError(
    'ERR_SYNOD_STATE_MACHINE',
    `the state machine threw at slot ${slot}: ${textOf(cause)}`,
    { cause },
  );
}

const UNKNOWN = { outcome: 'unknown' } as const;

function isLimited(options: CallOptions | undefined): options is CallOptions {
  return options !== undefined && (options.signal !== undefined || options.timeoutMs !== undefined);
}
