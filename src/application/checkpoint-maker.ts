/**
 * Makes checkpoints of the state machine: takes its pieces one after another, never more than the disk takes, while the
 * application goes on with other things.
 */

import { BlockWriter, type SessionEntry } from '../checkpoint/blocks.js';
import { type CheckpointHeader, writeCheckpointHeader } from '../checkpoint/header.js';
import type { Crc32c } from '../checksum.js';
import type { ServedCheckpoint } from '../engine/checkpoint-server.js';
import { SynodError, textOf } from '../errors.js';
import { CONFIGURATION_BYTES_MAX } from '../limits.js';
import type { Slot } from '../protocol/decree.js';
import type { StateMachine } from '../state-machine.js';
import type { CheckpointFile, CheckpointStore } from '../storage/checkpoint-store.js';
import { splitCookie } from '../wire/configuration-codec.js';

/** The name of the unfinished file in the store. */
export const WRITER_NAME = 'made';
/** After this many bytes of state the disk is waited for. */
const SLICE_BYTES = 1024 * 1024;

export interface CheckpointMakerOptions {
  readonly store: CheckpointStore;
  readonly crc32c: Crc32c;
  readonly cluster: string;
  readonly replica: string;
  readonly drawNonce: () => readonly [number, number];
  /** Milliseconds since 1970. */
  readonly wallNow: () => number;
  /** Calls back in a later turn of the application's loop. */
  readonly later: (call: () => void) => void;
}

/** What the state at this slot is to be put down with. */
export interface CheckpointBasis {
  readonly slot: Slot;
  readonly ballot: number;
  readonly sessions: readonly SessionEntry[];
  readonly configuration: Uint8Array;
  readonly firstConfiguration: Uint8Array;
}

type Done = (error: SynodError | null, made?: ServedCheckpoint) => void;
type Pieces = Iterator<Uint8Array> | AsyncIterator<Uint8Array>;

export class CheckpointMaker {
  readonly #options: CheckpointMakerOptions;
  #making: Making | null = null;
  /**
   * The state machine is being asked, and may call for another checkpoint, or close the replica, before it answers. Without this the one
   * begins a second checkpoint in the same file, and the other finds nothing at work: the file is written to after `close`.
   */
  #isBeginning = false;
  /** `stop` came while the state machine was being asked. */
  #isStopped = false;

  constructor(options: CheckpointMakerOptions) {
    this.#options = options;
  }

  get isAtWork(): boolean {
    return this.#isBeginning || this.#making !== null;
  }

  /**
   * Begins. The state machine is asked for its first piece before this returns: that is when it fixes what the state is. False where it
   * makes none now.
   */
  begin(stateMachine: StateMachine<never>, basis: CheckpointBasis, done: Done): boolean {
    const { store, crc32c, cluster, replica, drawNonce, wallNow } = this.#options;
    let pieces: Pieces;
    let first: ReturnType<Pieces['next']>;
    this.#isBeginning = true;
    this.#isStopped = false;
    try {
      const state = stateMachine.takeCheckpoint?.() ?? null;
      if (state === null) return false;
      pieces = Symbol.asyncIterator in state ? state[Symbol.asyncIterator]() : state[Symbol.iterator]();
      first = pieces.next();
      // It may be rejected before the file is open, and is never looked at where that fails: without anybody who hears of it, a promise
      // that is rejected ends the process.
      if (isPending(first)) first.then(undefined, () => {});
    } catch (cause) {
      this.#isBeginning = false;
      done(refused(cause));
      return true;
    } finally {
      this.#isBeginning = false;
    }
    const [nonceLow, nonceHigh] = drawNonce();
    const { slot, ballot, firstConfiguration } = basis;
    const { configuration, cookie } = splitCookie(basis.configuration, CONFIGURATION_BYTES_MAX);
    const header: CheckpointHeader = {
      slot,
      ballot,
      nonceLow,
      nonceHigh,
      createdAtMs: wallNow(),
      cluster,
      replica,
      configuration,
      firstConfiguration,
    };
    const { bytes, chain } = writeCheckpointHeader(header, crc32c);
    const writer = new BlockWriter(chain, crc32c);
    const making = new Making(writer, pieces, this.#options.later, (error) => {
      if (this.#making === making) this.#making = null;
      if (error !== null) done(error);
      else done(null, { slot, nonceLow, nonceHigh, bytes: making.fileBytes });
    });
    this.#making = making;
    if (this.#isStopped) this.stop();
    store.create(slot, WRITER_NAME, (error, file) => {
      if (error !== null) making.fail(error);
      else making.start(file!, [bytes, ...writer.cookie(cookie), ...writer.sessions(basis.sessions)], first);
    });
    return true;
  }

  /** What is being made is of no use any more: it ends, mostly with `ERR_SYNOD_CLOSED`, once the disk has answered. */
  stop(): void {
    this.#isStopped = true;
    this.#making?.giveUp(new SynodError('ERR_SYNOD_CLOSED', 'the checkpoint was given up'));
  }
}

class Making {
  readonly #writer: BlockWriter;
  readonly #pieces: Pieces;
  readonly #later: (call: () => void) => void;
  readonly #done: (error: SynodError | null) => void;
  #file: CheckpointFile | null = null;
  #blocks: Uint8Array[] = [];
  #error: SynodError | null = null;
  #over = false;
  /** The state machine has promised the next piece. */
  #isAsking = false;

  constructor(
    writer: BlockWriter,
    pieces: Pieces,
    later: (call: () => void) => void,
    done: (error: SynodError | null) => void,
  ) {
    this.#writer = writer;
    this.#pieces = pieces;
    this.#later = later;
    this.#done = done;
  }

  get fileBytes(): number {
    return this.#file?.bytes ?? 0;
  }

  start(file: CheckpointFile, blocks: readonly Uint8Array[], first: ReturnType<Pieces['next']>): void {
    this.#file = file;
    this.#blocks.push(...blocks);
    this.#guard(() => this.#take(first));
  }

  /** The file could not be begun. */
  fail(error: SynodError): void {
    this.#stop(error);
  }

  /** Noticed when the disk has answered; the state machine, which may never answer, is not waited for. */
  giveUp(error: SynodError): void {
    this.#error ??= error;
    if (this.#isAsking && this.#file !== null) this.#end();
  }

  #take(result: ReturnType<Pieces['next']>): void {
    if (isPending(result)) {
      this.#isAsking = true;
      const answer = (action: () => void): void => {
        this.#isAsking = false;
        this.#guard(action);
      };
      result.then(
        (piece) => answer(() => this.#add(piece)),
        (cause: unknown) => answer(() => this.#stop(refused(cause))),
      );
    } else this.#guard(() => this.#add(result));
  }

  /** Takes pieces until there is enough to write. */
  #add(first: IteratorResult<Uint8Array>): void {
    let result: IteratorResult<Uint8Array> = first;
    const before = this.#writer.stateBytes;
    while (!result.done) {
      if (!(result.value instanceof Uint8Array)) {
        this.#stop(refused('a piece is no Uint8Array'));
        return;
      }
      this.#blocks.push(...this.#writer.state(result.value));
      if (this.#writer.stateBytes - before >= SLICE_BYTES) {
        this.#write(false);
        return;
      }
      const next = this.#pieces.next();
      if (isPending(next)) {
        this.#take(next);
        return;
      }
      result = next;
    }
    this.#blocks.push(...this.#writer.end());
    this.#write(true);
  }

  #write(isLast: boolean): void {
    const block = this.#blocks.shift();
    if (block === undefined) {
      if (!isLast) this.#later(() => this.#guard(() => this.#take(this.#pieces.next())));
      else this.#file!.commit((error) => this.#finish(error));
      return;
    }
    this.#file!.append(block, (error) => {
      if (error !== null) this.#stop(error);
      else this.#guard(() => this.#write(isLast));
    });
  }

  /** Whatever the state machine throws ends the checkpoint, and nothing else. */
  #guard(action: () => void): void {
    if (this.#over) return;
    if (this.#error !== null) {
      this.#end();
      return;
    }
    try {
      action();
    } catch (cause) {
      this.#stop(refused(cause));
    }
  }

  #stop(error: SynodError): void {
    this.#error ??= error;
    this.#end();
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    // A generator that was begun frees what it holds.
    try {
      const returned: unknown = this.#pieces.return?.();
      if (returned instanceof Promise) returned.catch(() => {});
    } catch {}
    const error = this.#error!;
    if (this.#file === null) this.#done(error);
    else this.#file.abandon(() => this.#done(error));
  }

  #finish(error: SynodError | null): void {
    if (this.#over) return;
    this.#over = true;
    this.#done(error);
  }
}

function isPending(result: ReturnType<Pieces['next']>): result is Promise<IteratorResult<Uint8Array>> {
  return 'then' in result;
}

function refused(cause: unknown): SynodError {
  return new SynodError('ERR_SYNOD_STATE_MACHINE', `the state machine made no checkpoint: ${textOf(cause)}`, {
    cause,
  });
}
