/** What an application holds: one replica of a cluster, with its state machine. */

import { EventEmitter } from 'node:events';
import { CommandWriter } from './application/command-writer.js';
import { type EngineLink, openInline, openWorker } from './application/engine-link.js';
import { Executor } from './application/executor.js';
import { MemoryMap } from './application/memory-map.js';
import { type Waiter, Waiters } from './application/waiters.js';
import { ContractViolation } from './contracts.js';
import { Bridge } from './engine/bridge.js';
import type { EngineEvent } from './engine/engine-types.js';
import type { HostOptions } from './engine/host.js';
import { SynodError } from './errors.js';
import { requireAddon } from './native/addon.js';
import type { ReplicaOptions, ResolvedOptions } from './options.js';
import { validateOptions } from './options.js';
import type { StateMachine } from './state-machine.js';

export type ReplicaRole = 'inactive' | 'learner' | 'secondary' | 'candidate' | 'preparing' | 'primary';

export interface ReplicateOptions {
  /** Gives up waiting. Once submitted, the command may be executed all the same: the outcome is `unknown`. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds to wait, 1 to 2^31 - 1. Default: without end. */
  readonly timeoutMs?: number | undefined;
}

export interface ReplicaStatus {
  /** This replica's id. */
  readonly replica: string;
  readonly role: ReplicaRole;
  /** Id of the primary that this replica knows of, or null. */
  readonly primary: string | null;
  /** `round.member` of the ballot that the primary proposes under; `-` where none is known. */
  readonly ballot: string;
  /** Number of the configuration in force; 0 before the first. */
  readonly configuration: number;
  /** Every slot up to this is known to be chosen. */
  readonly chosen: number;
  /** Every decree up to this slot was executed by the state machine here. */
  readonly applied: number;
  /** The state machine's digest after `applied`; null where it has none. Equal on all replicas at equal `applied`. */
  readonly stateDigest: string | null;
  readonly storage: { readonly kind: string; readonly reason: string; readonly durable: boolean };
  readonly transport: { readonly kind: string; readonly reason: string };
  /** `lag`: slots that the peer has not acknowledged yet; null on replicas that do not know (only the primary does). */
  readonly peers: readonly {
    readonly id: string;
    readonly connected: boolean;
    readonly lag: number | null;
  }[];
  /** Payload bytes copied on their way from callers' and receive buffers into the log. */
  readonly bytesCopied: number;
  /** Payload bytes put in the log. */
  readonly bytesLogged: number;
  /** Times that the log was made durable. */
  readonly persists: number;
  /** Bytes of commands that wait for their results, and 64 for each. */
  readonly outstandingBytes: number;
}

export interface ReplicaEvents {
  /** The role of this replica, or the primary that it knows of, changed. */
  role: [status: { readonly role: ReplicaRole; readonly primary: string | null; readonly ballot: string }];
  /** A link to a peer came up or broke. */
  peer: [peer: { readonly id: string; readonly connected: boolean }];
  /** The storage has no space for another segment (the replica waits, and does not lead), or has space again. */
  storageFull: [full: boolean];
  /** A fault was met that must not be continued from. All calls reject with `ERR_SYNOD_FENCED` from here on. */
  fenced: [error: SynodError];
}

const TIMEOUT_MS_MAX = 0x7fff_ffff;
/** What an outstanding command costs beside its bytes, about; without it small ones would be bounded by nothing. */
const COMMAND_OVERHEAD_BYTES = 64;
/** A batch of this many bytes is ended and the next begun: many decrees of a middling size keep the pipeline full. */
const BATCH_BYTES_TARGET = 256 * 1024;

export class Replica<Result = unknown> extends EventEmitter<ReplicaEvents> implements AsyncDisposable {
  readonly #options: ResolvedOptions;
  readonly #stateMachine: StateMachine<Result>;
  readonly #bridge = new Bridge();
  readonly #waiters = new Waiters<Result>();
  readonly #memories: MemoryMap;
  readonly #executor: Executor<Result>;
  #writer: CommandWriter | null = null;
  #link: EngineLink | null = null;
  #outstandingBytes = 0;
  #role: ReplicaRole = 'inactive';
  #primary: string | null = null;
  #fenced: SynodError | null = null;
  #closing: Promise<void> | null = null;
  #running = false;

  private constructor(options: ResolvedOptions, stateMachine: StateMachine<Result>) {
    super();
    this.#options = options;
    this.#stateMachine = stateMachine;
    const memories = new MemoryMap(
      options.storage.segmentBytes,
      (path, bytes, readOnly) => requireAddon().mapSegment(path, bytes, readOnly, false).bytes,
      () => this.#link?.hear(),
    );
    this.#memories = memories;
    this.#executor = new Executor<Result>({
      bridge: this.#bridge,
      stateMachine,
      memory: (number) => memories.get(number),
      reply: (sequence, result) => {
        const waiter = this.#waiters.take(sequence);
        if (waiter === undefined) return;
        this.#outstandingBytes -= waiter.bytes;
        waiter.resolve(result);
      },
      settle: (sequence) =>
        this.#waiters.settle(sequence, (waiter) => {
          this.#outstandingBytes -= waiter.bytes;
          waiter.resolve(undefined);
        }),
      wakeEngine: () => this.#link?.wakeEngine(),
    });
  }

  /**
   * Opens the replica: recovers its log, listens, and joins its peers. Resolves before there is a primary; commands
   * given earlier wait. Rejects with `ERR_SYNOD_OPTION`, `ERR_SYNOD_DATA_DIRECTORY`, `ERR_SYNOD_LOG_CORRUPT`,
   * `ERR_SYNOD_STORAGE_UNAVAILABLE`, `ERR_SYNOD_TRANSPORT_UNAVAILABLE`, `ERR_SYNOD_LISTEN` or
   * `ERR_SYNOD_STORAGE_FAILED`.
   *
   * The cluster begins its life when all members have met once; from then on any majority of them suffices.
   */
  static async open<Result>(
    options: ReplicaOptions,
    stateMachine: StateMachine<Result>,
  ): Promise<Replica<Result>> {
    const resolved = validateOptions(options);
    const replica = new Replica<Result>(resolved, stateMachine);
    await replica.#open();
    return replica;
  }

  get role(): ReplicaRole {
    return this.#role;
  }

  /** Id of the primary that this replica knows of, or null. */
  get primary(): string | null {
    return this.#primary;
  }

  /**
   * Has `command` executed by the state machine of every replica, once, and resolves with what this replica's own
   * state machine replied to it. By then a majority has it on durable storage. Works on any replica: a secondary
   * passes the command on to the primary, and again to the next one should the primary be lost.
   *
   * The bytes are copied before the call returns. Commands of one replica are executed in the order of the calls.
   *
   * Rejects with `ERR_SYNOD_ARGUMENT` (not bytes, or more than `limits.commandBytesMax`), `ERR_SYNOD_OVERLOADED` (more
   * than `limits.outstandingBytesMax` outstanding; not applied), `ERR_SYNOD_TIMEOUT` or `ERR_SYNOD_ABORTED` (outcome
   * unknown), `ERR_SYNOD_CLOSED`, `ERR_SYNOD_FENCED` (each with its `outcome`).
   */
  replicate(command: Uint8Array, options?: ReplicateOptions): Promise<Result | undefined> {
    const refusal = this.#refusal(command, options);
    if (refusal !== null) return Promise.reject(refusal);
    const bytes = command.length + COMMAND_OVERHEAD_BYTES;
    const sequence = this.#writer!.write(command);
    if (sequence === 0) return Promise.reject(this.#overloaded());
    this.#outstandingBytes += bytes;
    return new Promise((resolve, reject) => {
      const waiter: Waiter<Result> = { resolve, reject, bytes };
      this.#waiters.add(sequence, waiter);
      if (options !== undefined && (options.signal !== undefined || options.timeoutMs !== undefined)) {
        this.#limit(sequence, options, resolve, reject, bytes);
      }
    });
  }

  /** What this replica knows and did. Rejects with `ERR_SYNOD_CLOSED`. */
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
      applied,
      stateDigest: this.#stateMachine.digest?.() ?? null,
      outstandingBytes: this.#outstandingBytes,
    };
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

  async #open(): Promise<void> {
    const { logger, members, engine, ...rest } = this.#options;
    const host: HostOptions = { ...rest, members: members.map(({ id, address }) => ({ id, address })) };
    const handler = { onEvent: (event: EngineEvent) => this.#onEvent(event), onWake: () => this.#run() };
    const open = engine === 'worker' ? openWorker : openInline;
    const link = await open(host, this.#bridge, logger, handler);
    this.#link = link;
    this.#writer = new CommandWriter({
      bridge: this.#bridge,
      blockBytes: link.blockBytes,
      batchBytesTarget: Math.min(BATCH_BYTES_TARGET, this.#options.limits.decreeBytesMax / 2),
      batchCommandsMax: this.#options.limits.decreeCommandsMax,
      memory: (segment) => this.#memories.get(segment),
      onChunk: (chunk, buffer) => link.sendChunk(chunk, buffer),
      wakeEngine: () => link.wakeEngine(),
    });
    this.#run();
  }

  async #close(): Promise<void> {
    const link = this.#link;
    const error = new SynodError('ERR_SYNOD_CLOSED', 'the replica was closed', { outcome: 'unknown' });
    if (link !== null) await link.close();
    this.#rejectAll(error);
  }

  /** Executes what was delivered; a long backlog in slices, so that the application's loop turns in between. */
  #run(): void {
    if (this.#running) return;
    this.#running = true;
    const bridge = this.#bridge;
    bridge.setApplicationAsleep(false);
    let more = false;
    try {
      if (this.#fenced === null && this.#closing === null) more = this.#executor.run();
    } catch (cause) {
      const isOurs = cause instanceof ContractViolation;
      const error = new SynodError(
        isOurs ? 'ERR_SYNOD_CONTRACT' : 'ERR_SYNOD_STATE_MACHINE',
        isOurs ? cause.message : `the state machine threw at slot ${bridge.applied + 1}: ${String(cause)}`,
        { cause },
      );
      this.#link?.fence(error);
      this.#fence(error);
    }
    this.#running = false;
    if (more) setImmediate(() => this.#run());
    else {
      bridge.setApplicationAsleep(true);
      // The engine looked before this thread said that it sleeps.
      if (
        bridge.deliveriesOpen > 0 &&
        this.#fenced === null &&
        this.#closing === null &&
        bridge.takeApplicationAsleep()
      ) {
        setImmediate(() => this.#run());
      }
    }
  }

  #onEvent(event: EngineEvent): void {
    switch (event.kind) {
      case 'memory':
        this.#memories.addSegment(event.segment, event.reference);
        break;
      case 'memory-gone':
        this.#memories.drop(event.segment);
        break;
      case 'chunk':
        this.#memories.addChunk(event.chunk, event.buffer);
        break;
      case 'chunk-gone':
        this.#memories.drop(-1 - event.chunk);
        break;
      case 'role':
        this.#role = event.role;
        this.#primary = event.primary;
        this.#tell('role', { role: event.role, primary: event.primary, ballot: event.ballot });
        break;
      case 'peer':
        this.#tell('peer', { id: event.id, connected: event.connected });
        break;
      case 'storage-full':
        this.#tell('storageFull', event.full);
        break;
      case 'fenced':
        this.#fence(event.error);
        break;
      default:
        event satisfies never;
    }
  }

  #fence(error: SynodError): void {
    if (this.#fenced !== null || this.#closing !== null) return;
    this.#fenced = error;
    this.#rejectAll(
      new SynodError('ERR_SYNOD_FENCED', `the replica is fenced: ${error.message}`, {
        cause: error,
        outcome: 'unknown',
      }),
    );
    this.#tell('fenced', error);
  }

  /** Listeners are the application's: what they throw must not end up in the engine. */
  #tell<Name extends keyof ReplicaEvents>(name: Name, argument: ReplicaEvents[Name][0]): void {
    try {
      (this.emit as (name: string, argument: unknown) => boolean).call(this, name, argument);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  #rejectAll(error: SynodError): void {
    this.#waiters.drain((waiter) => waiter.reject(error));
    this.#outstandingBytes = 0;
  }

  #refusal(command: Uint8Array, options: ReplicateOptions | undefined): SynodError | null {
    if (this.#closing !== null || this.#writer === null) {
      return new SynodError('ERR_SYNOD_CLOSED', 'the replica is closed', { outcome: 'not-applied' });
    }
    if (this.#fenced !== null) {
      const message = `the replica is fenced: ${this.#fenced.message}`;
      return new SynodError('ERR_SYNOD_FENCED', message, { cause: this.#fenced, outcome: 'not-applied' });
    }
    if (!(command instanceof Uint8Array)) {
      return new SynodError('ERR_SYNOD_ARGUMENT', `command: expected a Uint8Array, got ${typeof command}`, {
        outcome: 'not-applied',
      });
    }
    const { commandBytesMax, outstandingBytesMax } = this.#options.limits;
    if (command.length > commandBytesMax) {
      return new SynodError(
        'ERR_SYNOD_ARGUMENT',
        `command: ${command.length} bytes, the bound is ${commandBytesMax}`,
        {
          outcome: 'not-applied',
        },
      );
    }
    const outstandingBytes = this.#outstandingBytes + command.length + COMMAND_OVERHEAD_BYTES;
    // One command is always taken, also where the bound is just its size.
    if (outstandingBytes > outstandingBytesMax && this.#outstandingBytes > 0) return this.#overloaded();
    if (options === undefined) return null;
    const { timeoutMs, signal } = options;
    if (signal !== undefined && typeof signal?.addEventListener !== 'function') {
      return new SynodError('ERR_SYNOD_ARGUMENT', `signal: expected an AbortSignal, got ${typeof signal}`, {
        outcome: 'not-applied',
      });
    }
    if (
      timeoutMs !== undefined &&
      !(typeof timeoutMs === 'number' && timeoutMs >= 1 && timeoutMs <= TIMEOUT_MS_MAX)
    ) {
      return new SynodError(
        'ERR_SYNOD_ARGUMENT',
        `timeoutMs: ${timeoutMs}, expected 1 to ${TIMEOUT_MS_MAX}`,
        {
          outcome: 'not-applied',
        },
      );
    }
    if (signal?.aborted) {
      return new SynodError('ERR_SYNOD_ABORTED', 'aborted', { cause: signal.reason, outcome: 'not-applied' });
    }
    return null;
  }

  #overloaded(): SynodError {
    const { outstandingBytesMax } = this.#options.limits;
    return new SynodError(
      'ERR_SYNOD_OVERLOADED',
      `${this.#outstandingBytes} bytes are outstanding, the bound is ${outstandingBytesMax}`,
      { outcome: 'not-applied' },
    );
  }

  /** The command stays outstanding, and its bytes counted, until it was executed: only the caller waits no more. */
  #limit(
    sequence: number,
    { signal, timeoutMs }: ReplicateOptions,
    resolve: (result: Result | undefined) => void,
    reject: (error: Error) => void,
    bytes: number,
  ): void {
    let timer: NodeJS.Timeout | undefined;
    const done = (): void => {
      if (timer !== undefined) clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
    const onAbort = (): void => {
      done();
      reject(new SynodError('ERR_SYNOD_ABORTED', 'aborted', { cause: signal?.reason, outcome: 'unknown' }));
    };
    if (timeoutMs !== undefined) {
      timer = setTimeout(() => {
        done();
        reject(
          new SynodError('ERR_SYNOD_TIMEOUT', `no result within ${timeoutMs} ms`, { outcome: 'unknown' }),
        );
      }, timeoutMs);
    }
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#waiters.add(sequence, {
      resolve: (result) => {
        done();
        resolve(result);
      },
      reject: (error) => {
        done();
        reject(error);
      },
      bytes,
    });
  }
}
