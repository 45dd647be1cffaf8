/**
 * When checkpoints are made, which are kept, and going on from one: at the start, and when the engine copied one from a peer
 * because the log does not reach back far enough any more.
 */

import type { Crc32c } from '../checksum.js';
import type { ServedCheckpoint } from '../engine/checkpoint-server.js';
import type { CheckpointNotice } from '../engine/checkpoints.js';
import type { RestoredCheckpoint } from '../engine/recover.js';
import { SynodError } from '../errors.js';
import type { Logger } from '../logger.js';
import type { Slot } from '../protocol/decree.js';
import type { StateMachine } from '../state-machine.js';
import type { CheckpointStore, StoredCheckpoint } from '../storage/checkpoint-store.js';
import { CheckpointMaker } from './checkpoint-maker.js';
import { type Restored, restoreCheckpoint } from './checkpoint-restore.js';
import type { Executor } from './executor.js';

export interface CheckpointPolicy {
  /** A checkpoint is made when so many bytes of commands were executed since the last one. */
  readonly everyBytes: number;
  /** So many checkpoints are kept, and the log behind the oldest of them. */
  readonly retain: number;
}

export interface ApplicationCheckpointsOptions {
  readonly store: CheckpointStore;
  readonly policy: CheckpointPolicy;
  readonly cluster: string;
  readonly replica: string;
  /** Of the replicas, so that they do not all make theirs at the same time. */
  readonly index: number;
  readonly count: number;
  readonly crc32c: Crc32c;
  readonly logger: Logger;
  readonly drawNonce: () => readonly [number, number];
  readonly wallNow: () => number;
  readonly later: (call: () => void) => void;
  readonly stateMachine: StateMachine<never>;
  readonly executor: Executor<never>;
  /** The highest ballot that was promised here. */
  readonly promised: () => number;
  /** For the engine. */
  readonly onNotice: (notice: CheckpointNotice) => void;
  /** A checkpoint became durable, made here or copied. */
  readonly onDurable: (slot: Slot, source: 'made' | 'copied') => void;
  /** Goes on executing. */
  readonly resume: () => void;
  /** The state machine holds nothing that could be gone on from. */
  readonly onBroken: (error: SynodError) => void;
}

/** A checkpoint that somebody waits for. */
type Waiting = (error: SynodError | null, slot?: Slot) => void;

export class ApplicationCheckpoints {
  readonly #options: ApplicationCheckpointsOptions;
  readonly #maker: CheckpointMaker;
  /** Newest first. */
  #kept: readonly StoredCheckpoint[] = [];
  #configuration: Uint8Array | null = null;
  #firstConfiguration: Uint8Array | null = null;
  #dueAt: number;
  #waiting: Waiting[] = [];
  /** A checkpoint that was copied is being restored: nothing is executed before that is done. */
  #isRestoring = false;

  constructor(options: ApplicationCheckpointsOptions) {
    const { index, count, policy } = options;
    this.#options = options;
    this.#maker = new CheckpointMaker(options);
    this.#dueAt = policy.everyBytes * (1 + index / count);
  }

  /**
   * Restores the newest checkpoint that is sound. Yields what the engine must know of it; null where there is none. A damaged one is
   * logged and passed over: the log behind the one before it is still there.
   */
  async restoreNewest(): Promise<{ restored: RestoredCheckpoint; notice: CheckpointNotice } | null> {
    const { store, logger, executor } = this.#options;
    await new Promise<void>((resolve) => store.clear('made', () => resolve()));
    const found = await new Promise<readonly StoredCheckpoint[]>((resolve, reject) =>
      store.list((error, list) => (error === null ? resolve(list!) : reject(error))),
    );
    for (const [index, one] of found.entries()) {
      try {
        const restored = await this.#restore(one);
        this.#kept = found.slice(index);
        executor.restored(one.slot, restored.sessions);
        logger.info({ slot: one.slot, bytes: one.bytes }, 'checkpoint restored');
        const { configuration, firstConfiguration } = restored;
        return {
          restored: { slot: one.slot, configuration, firstConfiguration },
          notice: this.#notice(restored),
        };
      } catch (error) {
        const isDamaged = SynodError.is(error) && error.code === 'ERR_SYNOD_LOG_CORRUPT';
        if (!isDamaged) throw asStateMachineError(error);
        logger.error({ error, slot: one.slot }, 'checkpoint is damaged');
      }
    }
    return null;
  }

  onFirstConfiguration(bytes: Uint8Array): void {
    this.#firstConfiguration ??= bytes;
    this.#configuration ??= bytes;
  }

  onConfiguration(bytes: Uint8Array): void {
    this.#configuration = bytes;
  }

  /** Makes one as soon as possible, and calls back when it is durable. */
  request(slot: Slot, done: Waiting): void {
    this.#waiting.push(done);
    this.afterDecrees(slot);
  }

  /** Between two decrees: the state is that behind `slot`. */
  afterDecrees(slot: Slot): void {
    if (this.#maker.isAtWork || this.#isRestoring || slot === 0) return;
    if (slot === this.#kept[0]?.slot) this.#settle(null, slot);
    else if (this.#waiting.length > 0 || this.#options.executor.bytesExecuted >= this.#dueAt)
      this.#begin(slot);
  }

  /** The engine copied the checkpoint: everything else waits until it is restored. */
  onCopied(slot: Slot): void {
    const { store, executor, onBroken, onDurable, resume, logger } = this.#options;
    // What is being made would be older, and the log between the two was never here.
    this.#maker.stop();
    this.#isRestoring = true;
    const restore = async (): Promise<void> => {
      const found = await new Promise<readonly StoredCheckpoint[]>((resolve, reject) =>
        store.list((error, list) => (error === null ? resolve(list!) : reject(error))),
      );
      const one = found.find((stored) => stored.slot === slot);
      if (one === undefined)
        throw new SynodError('ERR_SYNOD_STORAGE_FAILED', `the checkpoint of slot ${slot} is gone`);
      const restored = await this.#restore(one);
      executor.restored(slot, restored.sessions);
      for (const older of found) if (older.slot < slot) this.#remove(older.slot);
      this.#kept = [one];
      logger.info({ slot, bytes: one.bytes }, 'checkpoint restored');
      this.#options.onNotice(this.#notice(restored));
    };
    restore().then(
      () => {
        this.#isRestoring = false;
        executor.isPaused = false;
        onDurable(slot, 'copied');
        resume();
      },
      (error: unknown) => onBroken(asStateMachineError(error)),
    );
  }

  /** What is being made is given up; whoever waits is told so. */
  close(): void {
    this.#maker.stop();
    this.#settle(new SynodError('ERR_SYNOD_CLOSED', 'the replica is closed'));
  }

  async #restore(one: StoredCheckpoint): Promise<Restored> {
    const { store, stateMachine, cluster, crc32c } = this.#options;
    const restored = await restoreCheckpoint(store, one, stateMachine, cluster, crc32c);
    const { configuration, firstConfiguration } = restored.header;
    this.#configuration = configuration;
    this.#firstConfiguration = firstConfiguration;
    this.#scheduleNext();
    return restored;
  }

  #begin(slot: Slot): void {
    const { executor, stateMachine, promised, onNotice, onDurable, logger } = this.#options;
    const configuration = this.#configuration;
    const firstConfiguration = this.#firstConfiguration;
    // Told by the engine before anything was chosen; the message may still be on its way.
    if (configuration === null || firstConfiguration === null) return;
    const { sessions } = executor;
    const began = this.#options.wallNow();
    const done = (error: SynodError | null, made?: ServedCheckpoint): void => {
      executor.isPaused = this.#isRestoring;
      this.#options.resume();
      if (error !== null) {
        if (error.code !== 'ERR_SYNOD_CLOSED') logger.error({ error, slot }, 'checkpoint not made');
        this.#settle(error);
        return;
      }
      logger.info({ slot, bytes: made!.bytes, ms: this.#options.wallNow() - began }, 'checkpoint made');
      this.#keep({ slot, bytes: made!.bytes });
      onNotice({ newest: made!, keptFrom: this.#kept.at(-1)!.slot });
      onDurable(slot, 'made');
      this.#settle(null, slot);
    };
    this.#scheduleNext();
    const basis = { slot, ballot: promised(), sessions, configuration, firstConfiguration };
    const isBegun = this.#maker.begin(stateMachine, basis, done);
    if (!isBegun) this.#settle(new SynodError('ERR_SYNOD_STATE_MACHINE', 'the state machine makes none now'));
    else if (this.#maker.isAtWork && stateMachine.appliesDuringCheckpoint !== true) executor.isPaused = true;
  }

  #scheduleNext(): void {
    this.#dueAt = this.#options.executor.bytesExecuted + this.#options.policy.everyBytes;
  }

  #keep(made: StoredCheckpoint): void {
    const all = [made, ...this.#kept.filter(({ slot }) => slot < made.slot)];
    this.#kept = all.slice(0, this.#options.policy.retain);
    for (const { slot } of all.slice(this.#options.policy.retain)) this.#remove(slot);
  }

  #remove(slot: Slot): void {
    this.#options.store.remove(slot, (error) => {
      if (error !== null) this.#options.logger.warn({ error, slot }, 'old checkpoint not deleted');
    });
  }

  #settle(error: SynodError | null, slot?: Slot): void {
    for (const done of this.#waiting.splice(0)) done(error, slot);
  }

  #notice({ header, bytes }: Restored): CheckpointNotice {
    const { slot, nonceLow, nonceHigh } = header;
    return { newest: { slot, nonceLow, nonceHigh, bytes }, keptFrom: this.#kept.at(-1)!.slot };
  }
}

function asStateMachineError(error: unknown): SynodError {
  if (SynodError.is(error)) return error;
  return new SynodError('ERR_SYNOD_STATE_MACHINE', `the state machine restored nothing: ${String(error)}`, {
    cause: error,
  });
}
