/** The checkpoint store of one thread of a process on a simulated disk. Every call and every answer is a step at which it may die. */

import {
  type CheckpointFile,
  type CheckpointReader,
  type CheckpointStore,
  checkpointName,
  parseCheckpointName,
  type StoredCheckpoint,
} from '../../src/storage/checkpoint-store.js';
import type { Callback } from '../../src/storage/log-medium.js';
import { storageError } from '../../src/storage/storage-error.js';
import type { Random } from '../properties/random.js';
import type { CheckpointFileBytes } from './checkpoint-folder.js';
import type { Disk } from './disk.js';
import type { EventQueue } from './event-queue.js';
import { cut } from './slab.js';
import type { Thread } from './thread.js';

export interface SimulatedStoreOptions {
  readonly disk: Disk;
  readonly events: EventQueue;
  readonly thread: Thread;
  readonly random: Random;
  readonly onStep: () => void;
}

type Failure = 'EIO' | 'ENOSPC';

export class SimulatedCheckpointStore implements CheckpointStore {
  readonly #options: SimulatedStoreOptions;

  constructor(options: SimulatedStoreOptions) {
    this.#options = options;
  }

  list(callback: Callback<readonly StoredCheckpoint[]>): void {
    this.#answer(() => {
      const found: StoredCheckpoint[] = [];
      for (const [name, { bytes }] of this.#options.disk.checkpoints.files) {
        const slot = parseCheckpointName(name);
        if (slot !== null) found.push({ slot, bytes: bytes.length });
      }
      callback(
        null,
        found.sort((a, b) => b.slot - a.slot),
      );
    });
  }

  create(slot: number, writer: string, callback: Callback<CheckpointFile>): void {
    this.#write((failure) => {
      if (failure !== null) callback(error(failure));
      else callback(null, this.#newFile(`${writer}.new`, checkpointName(slot)));
    });
  }

  read(slot: number, offset: number, target: Uint8Array, callback: Callback<number>): void {
    this.#answer(() => {
      const file = this.#options.disk.checkpoints.files.get(checkpointName(slot));
      if (file === undefined) return callback(error('ENOENT'));
      const part = file.bytes.subarray(offset, offset + target.length);
      target.set(part);
      callback(null, part.length);
    });
  }

  open(slot: number, callback: Callback<CheckpointReader>): void {
    this.#answer(() => {
      const file = this.#options.disk.checkpoints.files.get(checkpointName(slot));
      if (file === undefined) return callback(error('ENOENT'));
      callback(null, {
        read: (offset, target, done) =>
          this.#answer(() => {
            const part = file.bytes.subarray(offset, offset + target.length);
            target.set(part);
            done(null, part.length);
          }),
        close: () => {},
      });
    });
  }

  remove(slot: number, callback: Callback<void>): void {
    this.#answer(() => {
      this.#options.disk.checkpoints.remove(checkpointName(slot));
      callback(null);
    });
  }

  clear(writer: string, callback: Callback<void>): void {
    this.#answer(() => {
      this.#options.disk.checkpoints.remove(`${writer}.new`);
      callback(null);
    });
  }

  #newFile(temporaryName: string, finalName: string): CheckpointFile {
    const { checkpoints } = this.#options.disk;
    const file: CheckpointFileBytes = checkpoints.create(temporaryName);
    return {
      get bytes() {
        return file.bytes.length;
      },
      append: (bytes, callback) => {
        const more = cut(bytes.length);
        more.set(bytes);
        this.#write((failure) => {
          if (failure !== null) return callback(error(failure));
          const joined = cut(file.bytes.length + more.length);
          joined.set(file.bytes);
          joined.set(more, file.bytes.length);
          file.bytes = joined;
          callback(null);
        });
      },
      commit: (callback) => {
        // Sync of the file, the name, sync of the folder: it may end behind each of them.
        this.#write((failure) => {
          if (failure === 'EIO') return callback(error(failure));
          file.synced = file.bytes.length;
          this.#answer(() => {
            checkpoints.rename(temporaryName, finalName);
            this.#answer(() => {
              checkpoints.sync();
              callback(null);
            });
          });
        });
      },
      abandon: (callback) => {
        this.#answer(() => {
          checkpoints.remove(temporaryName);
          callback(null);
        });
      },
    };
  }

  #write(call: (failure: Failure | null) => void): void {
    const { disk, events } = this.#options;
    this.#answer(() => {
      if (disk.failsNext) {
        disk.failsNext = false;
        call('EIO');
      } else call(events.now < disk.fullUntil ? 'ENOSPC' : null);
    });
  }

  #answer(call: () => void): void {
    const { disk, events, random, thread, onStep } = this.#options;
    onStep();
    const at = Math.max(events.now + random.between(0.01, 0.5), disk.stalledUntil);
    // A thread that is dead runs nothing.
    events.at(at, () =>
      thread.run(() => {
        onStep();
        call();
      }),
    );
  }
}

function error(code: string): ReturnType<typeof storageError> {
  return storageError(Object.assign(new Error(code), { code }), 'cannot use a checkpoint', 'simulated');
}
