/** Restores a checkpoint: reads it from the store, checks every block, and has the state machine take the place of its state. */

import { BlockReader, type SessionEntry } from '../checkpoint/blocks.js';
import { CHECKPOINT_HEADER_BYTES } from '../checkpoint/format.js';
import { type CheckpointHeader, readCheckpointHeader } from '../checkpoint/header.js';
import type { Crc32c } from '../checksum.js';
import { SynodError, textOf } from '../errors.js';
import type { Configuration } from '../protocol/configuration.js';
import type { StateMachine } from '../state-machine.js';
import type { CheckpointStore, StoredCheckpoint } from '../storage/checkpoint-store.js';
import type { Callback } from '../storage/log-medium.js';
import { decodeConfiguration, withCookie } from '../wire/configuration-codec.js';

/** Bytes read at once. */
const READ_BYTES = 1024 * 1024;

/** What a checkpoint says beside the state. */
export interface CheckpointFacts {
  readonly header: CheckpointHeader;
  /** With its cookie once the first piece of state is there. */
  configuration: Configuration;
  readonly firstConfiguration: Configuration;
  readonly sessions: readonly SessionEntry[];
  readonly bytes: number;
}

/**
 * Reads one checkpoint from its beginning to its end, one call at a time. Errors are `ERR_SYNOD_LOG_CORRUPT` where it is damaged or
 * of another cluster, and those of the store.
 */
export class CheckpointReading {
  readonly #store: CheckpointStore;
  readonly #stored: StoredCheckpoint;
  readonly #cluster: string;
  readonly #crc32c: Crc32c;
  #facts: CheckpointFacts | null = null;
  #reader: BlockReader | null = null;
  #offset = CHECKPOINT_HEADER_BYTES;
  #pieces: Uint8Array[] = [];
  /** Read into time after time: fresh memory would cost more than reading. */
  #buffer: Uint8Array | null = null;

  constructor(store: CheckpointStore, stored: StoredCheckpoint, cluster: string, crc32c: Crc32c) {
    this.#store = store;
    this.#stored = stored;
    this.#cluster = cluster;
    this.#crc32c = crc32c;
  }

  /** Everything was read, and is sound. */
  get isComplete(): boolean {
    return this.#reader?.state.kind === 'complete';
  }

  /** Reads the header. Once, first. The sessions are there once the first piece of state is. */
  open(callback: Callback<CheckpointFacts>): void {
    const { unopened } = this.#stored;
    // Its size is not known: read now, it would seem to have been cut off.
    if (unopened !== undefined) {
      callback(unopened);
      return;
    }
    this.#read(0, new Uint8Array(CHECKPOINT_HEADER_BYTES), (error, page) => {
      if (error !== null) return callback(error);
      const refusal = this.#takeHeader(page!);
      if (refusal !== null) callback(refusal);
      else callback(null, this.#facts!);
    });
  }

  /** Yields the next pieces of state; null behind the last ones. */
  next(callback: Callback<readonly Uint8Array[] | null>): void {
    const { bytes } = this.#stored;
    if (this.#offset >= bytes) {
      if (this.isComplete) callback(null, null);
      else callback(this.#corrupt(bytes, 'it has no end'));
      return;
    }
    this.#buffer ??= new Uint8Array(Math.min(READ_BYTES, bytes));
    const left = bytes - this.#offset;
    this.#read(this.#offset, this.#buffer.subarray(0, left), (error, chunk) => {
      if (error !== null) return callback(error);
      if (chunk!.length === 0) return callback(this.#corrupt(this.#offset, 'it has no end'));
      this.#offset += chunk!.length;
      const found = this.#reader!.push(chunk!);
      if (found.kind === 'damaged') return callback(this.#corrupt(found.offset, found.reason));
      const ready = this.#pieces;
      this.#pieces = [];
      callback(null, ready);
    });
  }

  #takeHeader(page: Uint8Array): SynodError | null {
    const { slot, bytes } = this.#stored;
    const reading = readCheckpointHeader(page, this.#crc32c);
    if (reading.kind !== 'valid') return this.#corrupt(0, `its header is ${reading.kind}`);
    const { header, chain } = reading;
    if (header.slot !== slot) return this.#corrupt(0, `it is that of slot ${header.slot}`);
    if (header.cluster !== this.#cluster) return this.#corrupt(0, `it is of cluster "${header.cluster}"`);
    const configuration = decodeConfiguration(header.configuration);
    const firstConfiguration = decodeConfiguration(header.firstConfiguration);
    if (configuration === null || firstConfiguration === null)
      return this.#corrupt(0, 'it has no configuration');
    const sessions: SessionEntry[] = [];
    const facts = { header, configuration, firstConfiguration, sessions, bytes };
    this.#facts = facts;
    this.#reader = new BlockReader(chain, CHECKPOINT_HEADER_BYTES, this.#crc32c, {
      onCookie: (cookie) => {
        facts.configuration = withCookie(configuration, cookie);
      },
      onSessions: (entries) => {
        for (const entry of entries) sessions.push(entry);
      },
      onState: (state) => void this.#pieces.push(state.slice()),
    });
    return null;
  }

  #read(offset: number, target: Uint8Array, callback: Callback<Uint8Array>): void {
    this.#store.read(this.#stored.slot, offset, target, (error, count) => {
      if (error !== null) callback(error);
      else callback(null, target.subarray(0, count));
    });
  }

  #corrupt(offset: number, reason: string): SynodError {
    const { slot } = this.#stored;
    return new SynodError('ERR_SYNOD_LOG_CORRUPT', `checkpoint of slot ${slot}, byte ${offset}: ${reason}`, {
      path: String(slot),
      offset,
    });
  }
}

/** Hands the state to the state machine, and calls back with what that rejects with, or null. */
export type RestoreState = (
  stateMachine: StateMachine<never>,
  reading: CheckpointReading,
  done: (error: unknown) => void,
) => void;

/** By the state machine's `restore`. */
export const restoreByStream: RestoreState = (stateMachine, reading, done) => {
  const next = (): Promise<readonly Uint8Array[] | null> =>
    new Promise((resolve, reject) =>
      reading.next((error, pieces) => (error === null ? resolve(pieces!) : reject(error))),
    );
  async function* state(): AsyncGenerator<Uint8Array, void, void> {
    for (let pieces = await next(); pieces !== null; pieces = await next()) yield* pieces;
  }
  // Also what `restore` throws before it has a promise.
  const restore = async (): Promise<void> => stateMachine.restore!(state());
  restore().then(
    () => done(null),
    // It may be null, which says that all is well.
    (error: unknown) => done(error ?? new Error(`it rejected with ${error}`)),
  );
};

/**
 * Fails with `ERR_SYNOD_LOG_CORRUPT` where the checkpoint is damaged or of another cluster, `ERR_SYNOD_STORAGE_FAILED` where it
 * cannot be read, `ERR_SYNOD_STATE_MACHINE` where the state machine refuses it. The state machine then holds nothing that can be used.
 */
export function restoreCheckpoint(
  reading: CheckpointReading,
  stateMachine: StateMachine<never>,
  restoreState: RestoreState,
  callback: Callback<CheckpointFacts>,
): void {
  reading.open((openError, facts) => {
    if (openError !== null) return callback(openError);
    restoreState(stateMachine, reading, (error) => {
      if (error !== null) callback(asSynodError(error));
      // A state machine that stopped reading early has not learned whether the rest is sound.
      else if (!reading.isComplete) callback(asSynodError('it did not read all of the state'));
      else callback(null, facts!);
    });
  });
}

function asSynodError(error: unknown): SynodError {
  if (SynodError.is(error)) return error;
  return new SynodError('ERR_SYNOD_STATE_MACHINE', `the state machine restored nothing: ${textOf(error)}`, {
    cause: error,
  });
}
