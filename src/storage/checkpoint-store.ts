/**
 * Where a replica keeps its checkpoints: files of a folder, written beside and renamed when they are whole. Knows nothing of
 * what is in them.
 *
 * Two of these may work on one folder, one for each thread of a replica: a file has one writer, and names are only given to
 * files that are whole and durable. Callbacks, none before the call has returned.
 */

import path from 'node:path';
import { CHECKPOINT_SUFFIX } from '../checkpoint/format.js';
import { requires } from '../contracts.js';
import type { SynodError } from '../errors.js';
import {
  type FileSystem,
  nodeFileSystem,
  openDirectory,
  readFully,
  syncAbove,
  syncDirectory,
  writeFully,
} from './file-system.js';
import type { Callback } from './log-medium.js';
import { storageError, systemCode } from './storage-error.js';

/** What is being written has this behind its name. */
const TEMPORARY_SUFFIX = '.new';
const NAME = new RegExp(`^([0-9a-f]{16})\\${CHECKPOINT_SUFFIX}$`);

/** A file that is whole and durable. */
export interface StoredCheckpoint {
  readonly slot: number;
  /** 0 where it could not be opened. */
  readonly bytes: number;
  /** Why it could not be opened. It is listed all the same: the others are of use, and this one may be, later. */
  readonly unopened?: SynodError;
}

/** A file that is being written, from its beginning to its end. One call at a time. */
export interface CheckpointFile {
  /** Bytes written so far. */
  readonly bytes: number;
  append(bytes: Uint8Array, callback: Callback<void>): void;
  /**
   * Makes it durable, and then gives it its name. Where that comes to nothing it is deleted, as by `abandon`; where only the name cannot be made
   * durable, it has it all the same.
   */
  commit(callback: Callback<void>): void;
  /** Deletes it. */
  abandon(callback: Callback<void>): void;
}

/** A file that is being read. It can be read to its end, whoever deletes it meanwhile. */
export interface CheckpointReader {
  /** Reads from `offset` on into `target`; yields the count, less at the end. */
  read(offset: number, target: Uint8Array, callback: Callback<number>): void;
  /** Once; reads that are under way come back before it is closed. */
  close(): void;
}

export interface CheckpointStore {
  /** Makes the folder if need be and yields what is in it, newest first. */
  list(callback: Callback<readonly StoredCheckpoint[]>): void;
  /** Begins a file, `writer` in its name, in the place of one that was left unfinished under it. */
  create(slot: number, writer: string, callback: Callback<CheckpointFile>): void;
  /** Reads from `offset` on into `target`; yields the count, less at the end. `ERR_SYNOD_STORAGE_FAILED` where it is gone. */
  read(slot: number, offset: number, target: Uint8Array, callback: Callback<number>): void;
  /** `ERR_SYNOD_STORAGE_FAILED` where it is gone. */
  open(slot: number, callback: Callback<CheckpointReader>): void;
  remove(slot: number, callback: Callback<void>): void;
  /** Deletes what `writer` left unfinished. */
  clear(writer: string, callback: Callback<void>): void;
}

export function checkpointName(slot: number): string {
  requires(Number.isSafeInteger(slot) && slot >= 0, 'checkpoint-slot', () => String(slot));
  return slot.toString(16).padStart(16, '0') + CHECKPOINT_SUFFIX;
}

/** The slot in a file's name, or null where it is not that of a checkpoint. */
export function parseCheckpointName(name: string): number | null {
  const match = NAME.exec(name);
  if (match === null) return null;
  const slot = Number.parseInt(match[1]!, 16);
  return Number.isSafeInteger(slot) ? slot : null;
}

export class FileCheckpointStore implements CheckpointStore {
  readonly #directory: string;
  readonly #fileSystem: FileSystem;

  constructor(directory: string, fileSystem: FileSystem = nodeFileSystem) {
    this.#directory = path.resolve(directory);
    this.#fileSystem = fileSystem;
  }

  list(callback: Callback<readonly StoredCheckpoint[]>): void {
    const fail = (error: unknown): void =>
      callback(storageError(error, 'cannot list the checkpoints', this.#directory));
    this.#fileSystem.mkdir(this.#directory, { recursive: true }, (makeError) => {
      if (makeError !== null) return fail(makeError);
      const read = (): void =>
        this.#fileSystem.readdir(this.#directory, (error, names) => {
          if (error !== null) return fail(error);
          const slots = names.map(parseCheckpointName).filter((slot) => slot !== null);
          this.#measure(
            slots.sort((a, b) => b - a),
            [],
            callback,
          );
        });
      // A name that was given by a process that was killed before it had made it durable may be among them: whoever restores from it drops the
      // log behind it, and a power cut would take it back.
      syncDirectory(this.#fileSystem, this.#directory, (syncError) => {
        if (syncError !== null) return fail(syncError);
        syncAbove(this.#fileSystem, this.#directory, (error) => (error === null ? read() : fail(error)));
      });
    });
  }

  create(slot: number, writer: string, callback: Callback<CheckpointFile>): void {
    const temporaryPath = this.#temporaryPath(writer);
    this.#fileSystem.open(temporaryPath, 'w', (error, fd) => {
      if (error !== null) return callback(storageError(error, 'cannot begin a checkpoint', temporaryPath));
      callback(null, new NewFile(this.#fileSystem, this.#directory, temporaryPath, this.#path(slot), fd));
    });
  }

  read(slot: number, offset: number, target: Uint8Array, callback: Callback<number>): void {
    const file = this.#path(slot);
    const fail = (error: unknown): void => callback(storageError(error, 'cannot read a checkpoint', file));
    this.#fileSystem.open(file, 'r', (openError, fd) => {
      if (openError !== null) return fail(openError);
      readFully(this.#fileSystem, fd, target, 0, target.length, offset, (error, count) => {
        this.#fileSystem.close(fd, () => (error === null ? callback(null, count) : fail(error)));
      });
    });
  }

  open(slot: number, callback: Callback<CheckpointReader>): void {
    const file = this.#path(slot);
    this.#fileSystem.open(file, 'r', (error, fd) => {
      if (error !== null) callback(storageError(error, 'cannot read a checkpoint', file));
      else callback(null, new OpenFile(this.#fileSystem, file, fd));
    });
  }

  remove(slot: number, callback: Callback<void>): void {
    this.#unlink(this.#path(slot), callback);
  }

  clear(writer: string, callback: Callback<void>): void {
    this.#unlink(this.#temporaryPath(writer), callback);
  }

  #path(slot: number): string {
    return path.join(this.#directory, checkpointName(slot));
  }

  #temporaryPath(writer: string): string {
    return path.join(this.#directory, writer + CHECKPOINT_SUFFIX + TEMPORARY_SUFFIX);
  }

  #unlink(file: string, callback: Callback<void>): void {
    this.#fileSystem.unlink(file, (error) => {
      if (error === null || systemCode(error) === 'ENOENT') return callback(null);
      callback(storageError(error, 'cannot delete a checkpoint', file));
    });
  }

  #measure(
    slots: readonly number[],
    found: readonly StoredCheckpoint[],
    callback: Callback<readonly StoredCheckpoint[]>,
  ): void {
    const [slot, ...rest] = slots;
    if (slot === undefined) {
      callback(null, found);
      return;
    }
    const file = this.#path(slot);
    this.#fileSystem.open(file, 'r', (openError, fd) => {
      // Deleted since the folder was read.
      if (systemCode(openError) === 'ENOENT') return this.#measure(rest, found, callback);
      const pass = (error: unknown): void => {
        const unopened = storageError(error, 'cannot read a checkpoint', file);
        this.#measure(rest, [...found, { slot, bytes: 0, unopened }], callback);
      };
      if (openError !== null) return pass(openError);
      this.#fileSystem.fstat(fd, (error, stats) => {
        this.#fileSystem.close(fd, () => {
          if (error !== null) return pass(error);
          this.#measure(rest, [...found, { slot, bytes: stats.size }], callback);
        });
      });
    });
  }
}

class OpenFile implements CheckpointReader {
  readonly #fileSystem: FileSystem;
  readonly #file: string;
  readonly #fd: number;
  #reads = 0;
  #isClosed = false;

  constructor(fileSystem: FileSystem, file: string, fd: number) {
    this.#fileSystem = fileSystem;
    this.#file = file;
    this.#fd = fd;
  }

  read(offset: number, target: Uint8Array, callback: Callback<number>): void {
    this.#reads += 1;
    readFully(this.#fileSystem, this.#fd, target, 0, target.length, offset, (error, count) => {
      this.#reads -= 1;
      this.#closeIfDone();
      if (error === null) callback(null, count);
      else callback(storageError(error, 'cannot read a checkpoint', this.#file));
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#closeIfDone();
  }

  #closeIfDone(): void {
    // A number that was given back may be another file's by now.
    if (this.#isClosed && this.#reads === 0) this.#fileSystem.close(this.#fd, () => {});
  }
}

class NewFile implements CheckpointFile {
  bytes = 0;
  readonly #fileSystem: FileSystem;
  readonly #directory: string;
  readonly #temporaryPath: string;
  readonly #finalPath: string;
  readonly #fd: number;

  constructor(
    fileSystem: FileSystem,
    directory: string,
    temporaryPath: string,
    finalPath: string,
    fd: number,
  ) {
    this.#fileSystem = fileSystem;
    this.#directory = directory;
    this.#temporaryPath = temporaryPath;
    this.#finalPath = finalPath;
    this.#fd = fd;
  }

  append(bytes: Uint8Array, callback: Callback<void>): void {
    const at = this.bytes;
    writeFully(this.#fileSystem, this.#fd, bytes, 0, bytes.length, at, (error) => {
      if (error !== null) return callback(this.#failure(error));
      this.bytes = at + bytes.length;
      callback(null);
    });
  }

  commit(callback: Callback<void>): void {
    this.#fileSystem.fsync(this.#fd, (syncError) => {
      this.#fileSystem.close(this.#fd, (closeError) => {
        const error = syncError ?? closeError ?? null;
        if (error !== null) return this.#discard(error, callback);
        this.#rename(callback);
      });
    });
  }

  /**
   * The folder is opened before: where no descriptor is left for that, the file could not be deleted any more once it has its name, as it may
   * have taken that of one that is kept.
   */
  #rename(callback: Callback<void>): void {
    openDirectory(this.#fileSystem, this.#directory, (openError, directory) => {
      if (openError !== null) return this.#discard(openError, callback);
      this.#fileSystem.rename(this.#temporaryPath, this.#finalPath, (renameError) => {
        if (renameError !== null) return directory!.close(() => this.#discard(renameError, callback));
        directory!.sync((syncError) => callback(syncError === null ? null : this.#failure(syncError)));
      });
    });
  }

  abandon(callback: Callback<void>): void {
    this.#fileSystem.close(this.#fd, () => {
      this.#fileSystem.unlink(this.#temporaryPath, (error) =>
        callback(error === null || systemCode(error) === 'ENOENT' ? null : this.#failure(error)),
      );
    });
  }

  /** On a disk that has run out of space the next one, and the log, need what this one takes. */
  #discard(error: unknown, callback: Callback<void>): void {
    this.#fileSystem.unlink(this.#temporaryPath, () => callback(this.#failure(error)));
  }

  #failure(error: unknown): ReturnType<typeof storageError> {
    return storageError(error, 'cannot write a checkpoint', this.#finalPath);
  }
}
