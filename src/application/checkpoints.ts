/**
 * Which checkpoints are made and kept, and going on from one: at the start, and when the engine copied one from a peer
 * because the log does not reach back far enough any more.
 */

import type { Crc32c } from '../checksum.js';
import { ContractViolation } from '../contracts.js';
import type { ServedCheckpoint } from '../engine/checkpoint-server.js';
import type { CheckpointNotice } from '../engine/checkpoints.js';
import type { RestoredCheckpoint } from '../engine/recover.js';
import { SynodError } from '../errors.js';
import type { Logger } from '../logger.js';
import type { Slot } from '../protocol/decree.js';
import type { StateMachine } from '../state-machine.js';
import type { CheckpointStore, StoredCheckpoint } from '../storage/checkpoint-store.js';
import type { Callback } from '../storage/log-medium.js';
import { encodeConfiguration } from '../wire/configuration-codec.js';
import { CheckpointMaker, WRITER_NAME } from './checkpoint-maker.js';
import {
  type CheckpointFacts,
  CheckpointReading,
  type RestoreState,
  restoreByStream,
  restoreCheckpoint,
} from './checkpoint-restore.js';
import { type CheckpointPolicy, CheckpointSchedule } from './checkpoint-schedule.js';
import type { Executor } from './executor.js';

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
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  readonly wallNow: () => number;
  readonly later: (call: () => void) => void;
  readonly stateMachine: StateMachine<never>;
  readonly executor: Executor<never>;
  /** The highest ballot that was promised here. */
  readonly promised: () => number;
  /** For the engine. */
  readonly onNotice: (notice: CheckpointNotice) => void;
  /** A checkpoint became durable, made here or copied. */
  readonly onDurable: (checkpoint: DurableCheckpoint) => void;
  /** How the state machine is given its state; by its `restore`, unless told otherwise. */
  readonly restoreState?: RestoreState;
  /** A member set that is in force behind what was restored. */
  readonly onMembers: (configuration: Uint8Array) => void;
  /** Goes on executing. */
  readonly resume: () => void;
  /** The state machine holds nothing that could be gone on from. */
  readonly onBroken: (error: SynodError) => void;
}

export interface DurableCheckpoint {
  readonly slot: Slot;
  readonly bytes: number;
  readonly source: 'made' | 'copied';
}

/** What was restored before the engine is opened, and what the engine must know of the checkpoints that there are. */
export interface RestoredState {
  readonly restored: RestoredCheckpoint;
  readonly notice: CheckpointNotice;
}

/** One that the application asked for, and whom to tell once it is kept. */
interface Expected {
  readonly slot: Slot;
  readonly done: (kept: StoredCheckpoint) => void;
}

interface Adoption {
  readonly copy: ServedCheckpoint;
  readonly done: (kept: DurableCheckpoint) => void;
}

/** A checkpoint that somebody waits for. */
/** Called with the slot of one that has what was executed up to `slot`. */
interface Waiting {
  readonly slot: Slot;
  readonly done: (error: SynodError | null, slot?: Slot) => void;
}

export class ApplicationCheckpoints {
  readonly #options: ApplicationCheckpointsOptions;
  readonly #maker: CheckpointMaker;
  readonly #schedule: CheckpointSchedule;
  /** Newest first. */
  #kept: readonly StoredCheckpoint[] = [];
  /**
   * Damaged, or could not be read when they were needed; deleted once there is a newer one, and never before: the disk may have failed
   * for a moment, and they are sound.
   */
  #damaged: readonly StoredCheckpoint[] = [];
  /** Of the newest checkpoint, where an older one was restored because it could not be read. */
  #unread: SynodError | null = null;
  /** The state machine holds a part of some checkpoint: neither the state before it nor that of the checkpoint. */
  #isSpoilt = false;
  #configuration: Uint8Array | null = null;
  #firstConfiguration: Uint8Array | null = null;
  #waiting: Waiting[] = [];
  #adoptions: readonly Adoption[] = [];
  /** Whoever waits for one of a slot to be kept. */
  #expected: readonly Expected[] = [];
  /** A checkpoint that was copied is being restored: nothing is executed before that is done. */
  #isRestoring = false;
  #isClosed = false;
  #onIdle: (() => void) | null = null;

  constructor(options: ApplicationCheckpointsOptions) {
    const { index, count, policy, now } = options;
    this.#options = options;
    this.#maker = new CheckpointMaker(options);
    this.#schedule = new CheckpointSchedule(policy, index, count, now);
  }

  /** Milliseconds after which `afterDecrees` is to be called, also where nothing was executed; null where that is not needed. */
  get waitMs(): number | null {
    return this.#schedule.waitMs;
  }

  /**
   * Restores the newest checkpoint that is sound. Yields what the engine must know of it; null where there is none. A damaged one, or one
   * that cannot be read, is logged and passed over: the log behind the one before it is still there.
   */
  restoreNewest(callback: Callback<RestoredState | null>): void {
    const { store } = this.#options;
    store.clear(WRITER_NAME, () =>
      store.list((error, found) => {
        if (error !== null) callback(error);
        else this.#restoreFirst(found!, [], null, callback);
      }),
    );
  }

  /** As a promise. */
  restored(): Promise<RestoredState | null> {
    return new Promise((resolve, reject) =>
      this.restoreNewest((error, state) => (error === null ? resolve(state!) : reject(error))),
    );
  }

  /** The first of `found` that is sound; `damaged` are those before it, and `failure` is why it will not do to have none. */
  #restoreFirst(
    found: readonly StoredCheckpoint[],
    damaged: readonly StoredCheckpoint[],
    failure: SynodError | null,
    callback: Callback<RestoredState | null>,
  ): void {
    const { executor, logger } = this.#options;
    const [one, ...older] = found;
    if (one === undefined) {
      // What could not be read may be sound: without it the log would be called damaged, and the disk be given up, for what may pass. And a state
      // machine that was given a part of one must not have the log executed over that, though all of the log may still be there.
      if (failure !== null) callback(failure);
      else callback(null, null);
      return;
    }
    this.#restore(one, (error, facts) => {
      // A damaged sector is found by a checksum, or told of by the disk.
      if (error?.code === 'ERR_SYNOD_LOG_CORRUPT' || error?.code === 'ERR_SYNOD_STORAGE_FAILED') {
        const isUnread = error.code === 'ERR_SYNOD_STORAGE_FAILED';
        logger.error(
          { error, slot: one.slot },
          isUnread ? 'checkpoint cannot be read' : 'checkpoint is damaged',
        );
        if (isUnread) this.#unread ??= error;
        const isFatal = isUnread || this.#isSpoilt;
        this.#restoreFirst(older, [...damaged, one], failure ?? (isFatal ? error : null), callback);
        return;
      }
      if (error !== null) return callback(error);
      this.#kept = found;
      executor.restored(one.slot, facts!.sessions);
      this.#damaged = damaged;
      logger.info({ slot: one.slot, bytes: one.bytes }, 'checkpoint restored');
      const { configuration, firstConfiguration, header } = facts!;
      callback(null, {
        restored: { slot: one.slot, configuration, firstConfiguration, promised: header.ballot },
        notice: this.#notice(facts!),
      });
    });
  }

  /**
   * What the start fails by where `error` came of opening the log. It may lack what lies between the checkpoint that was restored and a newer
   * one, which could not be read: the log is not damaged then, and the disk must not be given up for what may pass.
   */
  explain(error: unknown): unknown {
    const isGap = SynodError.is(error) && error.code === 'ERR_SYNOD_LOG_CORRUPT';
    return isGap && this.#unread !== null ? this.#unread : error;
  }

  /** The state machine is being given another state. */
  get isRestoring(): boolean {
    return this.#isRestoring;
  }

  onFirstConfiguration(bytes: Uint8Array): void {
    this.#firstConfiguration ??= bytes;
    this.#configuration ??= bytes;
    // Without it nothing could begin, and there may be no decree for long.
    if (this.#waiting.length > 0) this.#options.resume();
  }

  onConfiguration(bytes: Uint8Array): void {
    this.#configuration = bytes;
  }

  /** Makes one as soon as possible, and calls back when it is durable. */
  request(slot: Slot, done: Waiting['done']): void {
    const { isExecuting, slotAtWork } = this.#options.executor;
    // In the middle of a decree some of its commands were executed before the call: a checkpoint of the slot before it, which is perhaps
    // being made, lacks them.
    this.#waiting.push({ slot: Math.max(slot, slotAtWork), done });
    // Asked for by the state machine, or by a listener, in the middle of a decree: what is restored from that would pass over the rest of
    // the decree. Behind it there is another look.
    if (!isExecuting && slot > 0) this.afterDecrees(slot);
  }

  /** Between two decrees: the state is that behind `slot`. */
  afterDecrees(slot: Slot): void {
    const { executor, stateMachine } = this.#options;
    if (this.#adoptions.length > 0) this.#adopt(slot);
    if (this.#maker.isAtWork || this.#isRestoring || this.#isClosed) return;
    // Of a state that nothing was executed in there is nothing to keep.
    if (slot === 0 || slot === this.#kept[0]?.slot) {
      this.#settle(null, slot);
      return;
    }
    // It may throw: to whoever asks for one by a call it is not looked at.
    const isAsked =
      this.#waiting.length > 0 || (stateMachine.wantsCheckpoint === true && this.#schedule.grantsWishes);
    if (isAsked || this.#schedule.isDue(executor.bytesExecuted)) this.#begin(slot);
  }

  /**
   * The application asked for this one, and it is durable. It is kept once everything up to its slot is executed here, `applied` of it
   * by now: the log before it is needed until then. Calls back with it, or with one that is newer by then.
   */
  adopt(copy: ServedCheckpoint, applied: Slot, done: (kept: DurableCheckpoint) => void): void {
    this.#adoptions = [...this.#adoptions, { copy, done }];
    this.#adopt(applied);
  }

  /**
   * Calls back with the newest that is kept, once that is of `slot` or a later one. The engine knows of a checkpoint that it caught up by
   * before the state is restored from it, and until then it is of no use here.
   */
  expect(slot: Slot, done: (kept: StoredCheckpoint) => void): void {
    this.#expected = [...this.#expected, { slot, done }];
    this.#tellExpected();
  }

  #tellExpected(): void {
    const [newest] = this.#kept;
    if (newest === undefined || this.#expected.length === 0) return;
    const due = this.#expected.filter(({ slot }) => slot <= newest.slot);
    this.#expected = this.#expected.filter((one) => !due.includes(one));
    for (const { done } of due) done(newest);
  }

  #adopt(applied: Slot): void {
    if (this.#isClosed || this.#isRestoring) return;
    const due = this.#adoptions.filter(({ copy }) => copy.slot <= applied);
    this.#adoptions = this.#adoptions.filter((adoption) => !due.includes(adoption));
    for (const { copy, done } of due) {
      const { slot, bytes } = copy;
      const [newest] = this.#kept;
      if (newest !== undefined && newest.slot > slot) {
        // Made here, or caught up by, while this one was copied.
        this.#removeUnlessKept(slot);
        done({ ...newest, source: 'made' });
        continue;
      }
      this.#keep({ slot, bytes });
      this.#options.logger.info({ slot, bytes }, 'copied checkpoint kept');
      this.#options.onNotice({ newest: copy, keptFrom: this.#kept.at(-1)!.slot });
      const kept = { slot, bytes, source: 'copied' } as const;
      this.#options.onDurable(kept);
      done(kept);
    }
  }

  /** The engine copied the checkpoint: everything else waits until it is restored. */
  onCopied(slot: Slot): void {
    const { store, executor, onBroken, onDurable, resume, logger } = this.#options;
    this.#isRestoring = true;
    // What is being made would be older, and the log between the two was never here. Whoever waits for it is told of the one that is copied.
    this.#maker.stop();
    store.list((listError, found) => {
      if (listError !== null) return onBroken(listError);
      const one = found!.find((stored) => stored.slot === slot);
      if (one === undefined)
        return onBroken(new SynodError('ERR_SYNOD_STORAGE_FAILED', `the checkpoint of slot ${slot} is gone`));
      this.#restore(one, (error, facts) => {
        if (error !== null) return onBroken(error);
        executor.restored(slot, facts!.sessions);
        for (const older of found!) if (older.slot < slot) this.#remove(older.slot);
        this.#kept = [one];
        // The older ones were deleted just now, and one of this slot has lost its name to the copy: named damaged, that would be deleted with
        // the next one that is made, while the log is kept from it on only.
        this.#damaged = this.#damaged.filter((damaged) => damaged.slot > slot);
        logger.info({ slot, bytes: one.bytes }, 'checkpoint restored');
        this.#options.onNotice(this.#notice(facts!));
        this.#isRestoring = false;
        executor.isPaused = false;
        this.#tellExpected();
        onDurable({ slot, bytes: one.bytes, source: 'copied' });
        this.#settle(null, slot);
        resume();
      });
    });
  }

  /** The engine found it damaged when a peer copied it. Another one is made at once: `applied` is the last slot that was executed. */
  onDamaged(slot: Slot, applied: Slot): void {
    const one = this.#kept.find((stored) => stored.slot === slot);
    if (one === undefined) return;
    this.#kept = this.#kept.filter((stored) => stored !== one);
    this.#damaged = [...this.#damaged, one];
    // Why it could not be made is in the log, and the next one is made when it is due.
    this.request(applied, () => {});
  }

  /** What is being made is given up; whoever waits is told so. Calls back once nothing of it is under way any more. */
  close(done: () => void = () => {}): void {
    this.#onIdle = done;
    this.fence(new SynodError('ERR_SYNOD_CLOSED', 'the replica is closed'));
    this.#reportIdle();
  }

  /** None is made or restored any more: the state may be that of no slot. Whoever waits is told `error`. */
  fence(error: SynodError): void {
    this.#isClosed = true;
    this.#settle(error);
    this.#maker.stop();
  }

  #reportIdle(): void {
    if (this.#maker.isAtWork) return;
    const done = this.#onIdle;
    this.#onIdle = null;
    done?.();
  }

  #restore(one: StoredCheckpoint, callback: Callback<CheckpointFacts>): void {
    const { store, stateMachine, cluster, crc32c, restoreState = restoreByStream } = this.#options;
    const reading = new CheckpointReading(store, one, cluster, crc32c);
    const restore: RestoreState = (...given) => {
      this.#isSpoilt = true;
      restoreState(...given);
    };
    restoreCheckpoint(reading, stateMachine, restore, (error, facts) =>
      this.#guard(() => {
        if (this.#isClosed) return;
        if (error !== null) return callback(error);
        this.#isSpoilt = false;
        const { firstConfiguration } = facts!.header;
        const configuration = encodeConfiguration(facts!.configuration);
        this.#configuration = configuration;
        this.#firstConfiguration = firstConfiguration;
        this.#options.onMembers(configuration);
        this.#schedule.onBegun(this.#options.executor.bytesExecuted);
        callback(null, facts!);
      }),
    );
  }

  /** A contract that breaks in a callback would end the process. */
  #guard(action: () => void): void {
    try {
      action();
    } catch (cause) {
      if (!(cause instanceof ContractViolation)) throw cause;
      this.#options.onBroken(new SynodError('ERR_SYNOD_CONTRACT', cause.message, { cause }));
    }
  }

  #begin(slot: Slot): void {
    const { executor, stateMachine, promised } = this.#options;
    const configuration = this.#configuration;
    const firstConfiguration = this.#firstConfiguration;
    // Told by the engine before anything was chosen; the message may still be on its way.
    if (configuration === null || firstConfiguration === null) return;
    const { sessions, bytesExecuted } = executor;
    const began = this.#options.now();
    this.#schedule.onBegun(bytesExecuted);
    const basis = { slot, ballot: promised(), sessions, configuration, firstConfiguration };
    const isBegun = this.#maker.begin(stateMachine, basis, (error, made) =>
      this.#onMade(slot, began, error, made),
    );
    if (!isBegun) {
      this.#schedule.onRefused(bytesExecuted);
      this.#settle(new SynodError('ERR_SYNOD_STATE_MACHINE', 'the state machine makes none now'));
      // It may have closed the replica before it said so, and `close` found it at work.
      this.#reportIdle();
    } else if (this.#maker.isAtWork && stateMachine.appliesDuringCheckpoint !== true)
      executor.isPaused = true;
  }

  #onMade(slot: Slot, began: number, error: SynodError | null, made?: ServedCheckpoint): void {
    const { executor, onNotice, onDurable, logger, now, resume } = this.#options;
    executor.isPaused = this.#isRestoring;
    if (!this.#isClosed) resume();
    if (error === null) this.#schedule.onMade();
    if (error !== null) {
      // Else it was given up here, and says nothing of the next one. Whoever waits was told so, or is told of the one that is copied.
      if (error.code !== 'ERR_SYNOD_CLOSED') {
        logger.error({ error, slot }, 'checkpoint not made');
        this.#schedule.onFailed(executor.bytesExecuted);
        this.#settle(error);
      }
    } else if (this.#isRestoring) {
      // A newer one was copied meanwhile, and the log behind this one was never here. Whoever waits is told of the newer one.
      this.#remove(slot);
    } else if (slot < (this.#kept[0]?.slot ?? 0)) {
      // The one that was copied meanwhile has everything that this one has. If a copy of this very slot came before that, it is kept, and
      // this one took its name.
      this.#removeUnlessKept(slot);
      this.#settle(null, this.#kept[0]!.slot);
    } else {
      const { bytes } = made!;
      logger.info({ slot, bytes, ms: now() - began }, 'checkpoint made');
      this.#keep({ slot, bytes });
      onNotice({ newest: made!, keptFrom: this.#kept.at(-1)!.slot });
      onDurable({ slot, bytes, source: 'made' });
      this.#settle(null, slot);
    }
    this.#reportIdle();
  }

  #keep(made: StoredCheckpoint): void {
    const { retain } = this.#options.policy;
    // One of the same slot has the same name: it took the place of the file that there was.
    const all = [made, ...this.#kept.filter(({ slot }) => slot !== made.slot)];
    // A later one that is damaged may have lost its name to a copy, which waits until its slot is executed.
    const gone = [...all.slice(retain), ...this.#damaged.filter(({ slot }) => slot < made.slot)];
    this.#kept = all.slice(0, retain);
    this.#damaged = this.#damaged.filter(({ slot }) => slot > made.slot);
    for (const { slot } of gone) this.#remove(slot);
    this.#tellExpected();
  }

  #removeUnlessKept(slot: Slot): void {
    if (!this.#kept.some((stored) => stored.slot === slot)) this.#remove(slot);
  }

  #remove(slot: Slot): void {
    this.#options.store.remove(slot, (error) => {
      if (error !== null) this.#options.logger.warn({ error, slot }, 'old checkpoint not deleted');
    });
  }

  /** With a checkpoint: whoever asked when no more than that was executed. For the others another one is made. */
  #settle(error: SynodError | null, slot?: Slot): void {
    const due = this.#waiting.filter((one) => slot === undefined || one.slot <= slot);
    this.#waiting = this.#waiting.filter((one) => !due.includes(one));
    for (const { done } of due) done(error, slot);
  }

  #notice({ header, bytes }: CheckpointFacts): CheckpointNotice {
    const { slot, nonceLow, nonceHigh } = header;
    return { newest: { slot, nonceLow, nonceHigh, bytes }, keptFrom: this.#kept.at(-1)!.slot };
  }
}
