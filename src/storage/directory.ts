/**
 * The directory of a log: one file per segment, as every medium that keeps files has it. A segment written by one
 * kind of medium opens with the others.
 *
 * Names:
 *   <16 hexadecimal digits>.segment       a segment; its number in the name. Zeros where nothing was written
 *   <16 hexadecimal digits>.segment.new   a segment being made, or one that was removed and whose space is kept for the next
 *                                         one; deleted at the next start. It gets its real name once its whole space
 *                                         is written and synced, so that a segment is never shorter than its medium
 *                                         made it, unless it was truncated after its last write
 *   LOCK, *.owner                         see directory-lock.ts
 * Everything else belongs to others and is left alone.
 */

import path from 'node:path';
import { requires } from '../contracts.js';
import { SynodError } from '../errors.js';
import { SEGMENT_SUFFIX } from '../log/format.js';
import { type DirectoryLock, lockDirectory, lockedByCaller } from './directory-lock.js';
import {
  type FileSystem,
  hasSpace,
  nodeFileSystem,
  readFully,
  rewrite,
  syncAbove,
  syncDirectory,
  writeZeros,
} from './file-system.js';
import type { Callback, SegmentSummary } from './log-medium.js';
import { closedError, storageError, systemCode } from './storage-error.js';

const TEMPORARY_SUFFIX = '.new';
const SEGMENT_NAME = new RegExp(`^([0-9a-f]{16})\\${SEGMENT_SUFFIX}$`);
/** Files kept open for reading though nobody reads: catch-up of a peer walks one segment in many reads. */
const IDLE_FILES_MAX = 4;

/**
 * Files of removed segments that the next ones are made of: their blocks are allocated, their pages are there. Costs a file system, and
 * the kernel, less than half of what a new file does.
 */
const SPARES_MAX = 4;

export const SEGMENT_BYTES_MIN: number = 16 * 1024;
export const SEGMENT_BYTES_MAX: number = 1024 * 1024 * 1024;
/** Segments are whole pages, so that each can be mapped and written with O_DIRECT. */
export const SEGMENT_BYTES_MULTIPLE = 4096;

/** `ERR_SYNOD_OPTION` unless `segmentBytes` is a multiple of 4096 from 16 KiB to 1 GiB. */
export function checkSegmentBytes(segmentBytes: number): void {
  const isGood =
    Number.isSafeInteger(segmentBytes) &&
    segmentBytes >= SEGMENT_BYTES_MIN &&
    segmentBytes <= SEGMENT_BYTES_MAX &&
    segmentBytes % SEGMENT_BYTES_MULTIPLE === 0;
  if (isGood) return;
  const message = `storage.segmentBytes: ${segmentBytes} is not a multiple of 4096 from ${SEGMENT_BYTES_MIN} to ${SEGMENT_BYTES_MAX}`;
  throw new SynodError('ERR_SYNOD_OPTION', message, { path: 'storage.segmentBytes' });
}

export function segmentName(segment: number): string {
  requires(Number.isSafeInteger(segment) && segment >= 0, 'segment-number', () => String(segment));
  return `${segment.toString(16).padStart(16, '0')}${SEGMENT_SUFFIX}`;
}

/** The number in a file's name, or null where it is not that of a segment. */
export function parseSegmentName(name: string): number | null {
  const match = SEGMENT_NAME.exec(name);
  if (match === null) return null;
  const segment = Number.parseInt(match[1]!, 16);
  return Number.isSafeInteger(segment) ? segment : null;
}

interface OpenFile {
  readonly segment: number;
  /** Negative until it is open. */
  fd: number;
  /** Reads and truncations in flight. */
  users: number;
  /** No longer to be found: closed when the last user is done. */
  dropped: boolean;
  /** Called when it is open, or cannot be. */
  waiting: Array<(error: NodeJS.ErrnoException | null) => void>;
}

/** A segment's file, just made. */
export interface MadeFile {
  readonly fd: number;
  /** The removed segment whose file it was; null for a new one. */
  readonly recycled: number | null;
}

export interface LogDirectoryOptions {
  /** Made, with its parents, if it is missing. */
  readonly directory: string;
  readonly segmentBytes: number;
  /** Whoever opens it has locked it, and unlocks it once it is closed. */
  readonly isLocked?: boolean | undefined;
  readonly fileSystem?: FileSystem | undefined;
}

/** Callbacks come after the call has returned, each once. After `close` was called: `ERR_SYNOD_CLOSED`. */
export class LogDirectory {
  readonly path: string;
  readonly segmentBytes: number;
  readonly fileSystem: FileSystem;
  readonly #isLocked: boolean;
  #lock: DirectoryLock | null = null;
  /** Segments that exist, with their size in bytes. */
  readonly #segments = new Map<number, number>();
  /** Segments being made. */
  readonly #creating = new Set<number>();
  /** Removed segments whose files are kept under their temporary names, durably so. */
  readonly #spares: number[] = [];
  /** Removed segments that are becoming spares. */
  #retiring = 0;
  /** Removed segments that have their temporary names, but not durably so. */
  readonly #unsynced = new Set<number>();
  /** The last segment could not be made for want of space. */
  #isFull = false;
  /** Files open for reading, least recently used first. */
  readonly #open = new Map<number, OpenFile>();
  /** Calls whose callback is still to come, and files being closed. */
  #pending = 0;
  #isClosing = false;
  #isClosed = false;
  #closeCallbacks: Array<Callback<void>> = [];

  constructor(options: LogDirectoryOptions) {
    checkSegmentBytes(options.segmentBytes);
    this.path = path.resolve(options.directory);
    this.segmentBytes = options.segmentBytes;
    this.#isLocked = options.isLocked ?? false;
    this.fileSystem = options.fileSystem ?? nodeFileSystem;
  }

  segmentPath(segment: number): string {
    return path.join(this.path, segmentName(segment));
  }

  has(segment: number): boolean {
    return this.#segments.has(segment);
  }

  /** Makes the directory if need be, locks it, clears what an interrupted `create` left, lists the segments, ascending. */
  start(callback: Callback<readonly SegmentSummary[]>): void {
    const done = this.#begin(callback);
    if (done === null) return;
    this.fileSystem.mkdir(this.path, { recursive: true }, (makeError) => {
      if (makeError !== null) return done(this.#unusable(makeError));
      const lockIt = this.#isLocked ? lockedByCaller : (this.fileSystem.lock ?? lockDirectory);
      lockIt(this.path, (lockError, lock) => {
        if (lockError !== null) return done(lockError);
        this.#lock = lock!;
        this.fileSystem.readdir(this.path, (listError, names) => {
          if (listError !== null) return this.#giveUp(listError, done);
          // The first segment was made after this, so where there is one, it was done.
          if (names.some((name) => parseSegmentName(name) !== null)) return this.#startClear(names, 0, done);
          syncAbove(this.fileSystem, this.path, (syncError) => {
            if (syncError !== null) return this.#giveUp(syncError, done);
            this.#startClear(names, 0, done);
          });
        });
      });
    });
  }

  /** The segment was removed, and the next one is made of its file. */
  isSpare(segment: number): boolean {
    return this.#spares.includes(segment);
  }

  /**
   * Makes a segment file full of zeros, its space written, its name durable; yields its descriptor, open for reading
   * and writing, which the caller closes by `closeFile`. Where it fails, nothing is left behind.
   */
  create(segment: number, callback: Callback<MadeFile>): void {
    requires(!this.#segments.has(segment) && !this.#creating.has(segment), 'segment-is-new', () =>
      String(segment),
    );
    const finalPath = this.segmentPath(segment);
    const done = this.#begin(callback);
    if (done === null) return;
    this.#creating.add(segment);
    this.#unsynced.delete(segment);
    const { fileSystem } = this;
    const recycled = this.#spares.shift() ?? null;
    const temporaryPath = (recycled === null ? finalPath : this.segmentPath(recycled)) + TEMPORARY_SUFFIX;

    let fd = -1;
    /** The name that the file has at the moment. */
    let currentPath = temporaryPath;
    const fail = (error: NodeJS.ErrnoException): void => {
      this.#creating.delete(segment);
      this.#isFull = systemCode(error) === 'ENOSPC';
      const report = (): void => done(storageError(error, `cannot make log segment ${segment}`, finalPath));
      // The first error is the one to tell. What cannot be deleted now is deleted at the next start, or was never
      // durable; its space counts until then.
      const unlink = (): void => fileSystem.unlink(currentPath, report);
      if (fd >= 0) fileSystem.close(fd, unlink);
      else if (recycled !== null) unlink();
      else report();
    };

    this.#openNew(temporaryPath, recycled !== null, (openError, opened) => {
      if (openError !== null) return fail(openError);
      fd = opened;
      writeZeros(fileSystem, fd, this.segmentBytes, (writeError) => {
        if (writeError !== null) return fail(writeError);
        fileSystem.fsync(fd, (syncError) => {
          if (syncError !== null) return fail(syncError);
          fileSystem.rename(temporaryPath, finalPath, (renameError) => {
            if (renameError !== null) return fail(renameError);
            currentPath = finalPath;
            syncDirectory(fileSystem, this.path, (directoryError) => {
              if (directoryError !== null) return fail(directoryError);
              this.#creating.delete(segment);
              this.#isFull = false;
              this.#segments.set(segment, this.segmentBytes);
              done(null, { fd, recycled });
            });
          });
        });
      });
    });
  }

  /**
   * Opens the file that a segment is made of. A full disk is asked for one again and again: filled to its last byte each time, it would have
   * no room for the checkpoint by which the log becomes shorter, nor for anybody else.
   */
  #openNew(
    temporaryPath: string,
    isRecycled: boolean,
    done: (error: NodeJS.ErrnoException | null, fd: number) => void,
  ): void {
    const open = (): void => this.fileSystem.open(temporaryPath, isRecycled ? 'r+' : 'w+', done);
    if (isRecycled || !this.#isFull) {
      open();
      return;
    }
    hasSpace(this.fileSystem, this.path, this.segmentBytes, (has) => {
      if (has) open();
      else done(Object.assign(new Error('ENOSPC: less space than a segment takes'), { code: 'ENOSPC' }), -1);
    });
  }

  /** Closes what `create` opened. The directory's `close` waits for it. */
  closeFile(fd: number): void {
    this.#pending += 1;
    this.fileSystem.close(fd, () => {
      // Whatever was acknowledged was synced before: an error here loses nothing.
      this.#end();
    });
  }

  read(segment: number, offset: number, target: Uint8Array, callback: Callback<number>): void {
    const done = this.#begin(callback);
    if (done === null) return;
    const failure = (error: unknown): void =>
      done(storageError(error, `cannot read log segment ${segment}`, this.segmentPath(segment)));
    this.#withFile(segment, failure, (file, release) => {
      readFully(this.fileSystem, file.fd, target, 0, target.length, offset, (error, count) => {
        release();
        if (error !== null) return failure(error);
        done(null, count);
      });
    });
  }

  /** See `LogMedium.harden`. */
  harden(segment: number, from: number, to: number, callback: Callback<void>): void {
    const done = this.#begin(callback);
    if (done === null) return;
    const failure = (error: unknown): void =>
      done(storageError(error, `cannot write log segment ${segment} again`, this.segmentPath(segment)));
    this.#withFile(segment, failure, (file, release) => {
      rewrite(this.fileSystem, file.fd, from, to, (error) => {
        release();
        if (error !== null) return failure(error);
        done(null);
      });
    });
  }

  truncate(segment: number, bytes: number, callback: Callback<void>): void {
    const done = this.#begin(callback);
    if (done === null) return;
    const failure = (error: unknown): void =>
      done(storageError(error, `cannot truncate log segment ${segment}`, this.segmentPath(segment)));
    const sizeBefore = this.#segments.get(segment);
    // Growing it would make a segment look longer than what was written.
    if (sizeBefore !== undefined && bytes >= sizeBefore) return void setImmediate(done, null);
    this.#withFile(segment, failure, (file, release) => {
      this.fileSystem.ftruncate(file.fd, bytes, (truncateError) => {
        if (truncateError !== null) {
          release();
          return failure(truncateError);
        }
        this.#segments.set(segment, bytes);
        this.fileSystem.fsync(file.fd, (syncError) => {
          release();
          if (syncError !== null) return failure(syncError);
          done(null);
        });
      });
    });
  }

  /** `mayKeep`: nobody has the file open, or mapped, for writing. */
  remove(segment: number, mayKeep: boolean, callback: Callback<void>): void {
    const done = this.#begin(callback);
    if (done === null) return;
    const segmentPath = this.segmentPath(segment);
    const failure = (error: unknown): void =>
      done(storageError(error, `cannot delete log segment ${segment}`, segmentPath));
    const file = this.#open.get(segment);
    const isRead = file !== undefined && file.users > 0;
    const isWhole = this.#segments.get(segment) === this.segmentBytes;
    if (file !== undefined) this.#drop(file);
    const isKept = mayKeep && isWhole && !isRead && this.#spares.length + this.#retiring < SPARES_MAX;
    const finish = (error: NodeJS.ErrnoException | null): void => {
      if (error !== null) {
        if (isKept) this.#retiring -= 1;
        if (error.code === 'ENOENT') this.#syncGone(segment, (syncError) => failure(syncError ?? error));
        else failure(error);
        return;
      }
      this.#segments.delete(segment);
      syncDirectory(this.fileSystem, this.path, (syncError) => {
        if (isKept) this.#retiring -= 1;
        if (syncError !== null) {
          if (isKept) this.#unsynced.add(segment);
          return failure(syncError);
        }
        // Not before: a power cut would give the segment its name back, and zeros in the place of what it holds.
        if (isKept) this.#spares.push(segment);
        done(null);
      });
    };
    if (isKept) {
      this.#retiring += 1;
      this.fileSystem.rename(segmentPath, segmentPath + TEMPORARY_SUFFIX, finish);
    } else this.fileSystem.unlink(segmentPath, finish);
  }

  /** It was removed before, and only the sync failed: whoever hears that it is gone goes on as if it could not come back. */
  #syncGone(segment: number, done: (error: NodeJS.ErrnoException | null) => void): void {
    syncDirectory(this.fileSystem, this.path, (error) => {
      // No segment is made of its file, which gives its space back.
      if (error !== null || !this.#unsynced.delete(segment)) done(error);
      else this.fileSystem.unlink(this.segmentPath(segment) + TEMPORARY_SUFFIX, () => done(null));
    });
  }

  /** Makes `close` wait until what it gives is called: for a medium's own work on the directory's files. */
  hold(): () => void {
    this.#pending += 1;
    return () => this.#end();
  }

  /** Waits for every call in flight, then closes files and unlocks. Idempotent. */
  close(callback: Callback<void>): void {
    if (this.#isClosed) return void setImmediate(callback, null);
    this.#closeCallbacks.push(callback);
    if (this.#isClosing) return;
    this.#isClosing = true;
    for (const file of [...this.#open.values()]) this.#drop(file);
    this.#pending += 1;
    setImmediate(() => this.#end());
  }

  /** Counts the call as in flight until its callback, which ends it. Null where the directory is closed. */
  #begin<T>(callback: Callback<T>): Callback<T> | null {
    if (this.#isClosing) {
      setImmediate(callback, closedError(this.path));
      return null;
    }
    this.#pending += 1;
    return (error, value) => {
      // The callback may make the next call: it comes first, or a close that waits would think that all is done.
      if (value === undefined) callback(error);
      else callback(error, value);
      this.#end();
    };
  }

  #end(): void {
    this.#pending -= 1;
    if (!this.#isClosing || this.#pending > 0 || this.#isClosed) return;
    this.#isClosed = true;
    this.#lock?.unlock();
    this.#lock = null;
    for (const callback of this.#closeCallbacks.splice(0)) callback(null);
  }

  #unusable(error: unknown): SynodError {
    return storageError(error, 'cannot use the data directory', this.path, 'ERR_SYNOD_DATA_DIRECTORY');
  }

  #giveUp(error: unknown, done: Callback<never>): void {
    this.#lock?.unlock();
    this.#lock = null;
    done(this.#unusable(error));
  }

  #startClear(names: readonly string[], index: number, done: Callback<readonly SegmentSummary[]>): void {
    if (index === names.length) {
      this.#startList(names, 0, done);
      return;
    }
    const name = names[index]!;
    const isLeftOver =
      name.endsWith(TEMPORARY_SUFFIX) && parseSegmentName(name.slice(0, -TEMPORARY_SUFFIX.length)) !== null;
    if (!isLeftOver) {
      this.#startClear(names, index + 1, done);
      return;
    }
    this.fileSystem.unlink(path.join(this.path, name), (error) => {
      if (error !== null) return this.#giveUp(error, done);
      this.#startClear(names, index + 1, done);
    });
  }

  #startList(names: readonly string[], index: number, done: Callback<readonly SegmentSummary[]>): void {
    if (index === names.length) {
      const summaries = [...this.#segments].map(([segment, bytes]) => ({ segment, bytes }));
      done(
        null,
        summaries.sort((a, b) => a.segment - b.segment),
      );
      return;
    }
    const segment = parseSegmentName(names[index]!);
    if (segment === null) {
      this.#startList(names, index + 1, done);
      return;
    }
    const segmentPath = path.join(this.path, names[index]!);
    this.fileSystem.open(segmentPath, 'r', (openError, fd) => {
      if (openError !== null) return this.#giveUp(openError, done);
      const close = (error: NodeJS.ErrnoException | null, next: () => void): void =>
        this.fileSystem.close(fd, () => (error === null ? next() : this.#giveUp(error, done)));
      this.fileSystem.fstat(fd, (statError, stats) => {
        // A directory of that name is not ours.
        if (statError !== null || !stats.isFile()) {
          return close(statError, () => this.#startList(names, index + 1, done));
        }
        close(null, () => {
          this.#segments.set(segment, stats.size);
          this.#startList(names, index + 1, done);
        });
      });
    });
  }

  #withFile(
    segment: number,
    failure: (error: unknown) => void,
    use: (file: OpenFile, release: () => void) => void,
  ): void {
    let file = this.#open.get(segment);
    if (file === undefined) {
      file = { segment, fd: -1, users: 0, dropped: false, waiting: [] };
      this.#openFile(file);
    } else {
      this.#open.delete(segment);
    }
    this.#open.set(segment, file);
    file.users += 1;
    const found = file;
    const release = (): void => {
      found.users -= 1;
      this.#closeIfUnused(found);
      this.#closeIdle();
    };
    if (found.fd >= 0) {
      use(found, release);
      return;
    }
    found.waiting.push((error) => {
      if (error === null) return use(found, release);
      found.users -= 1;
      failure(error);
    });
  }

  #openFile(file: OpenFile): void {
    this.fileSystem.open(this.segmentPath(file.segment), 'r+', (error, fd) => {
      if (error === null) file.fd = fd;
      else if (this.#open.get(file.segment) === file) this.#open.delete(file.segment);
      for (const resume of file.waiting.splice(0)) resume(error);
    });
  }

  #drop(file: OpenFile): void {
    this.#open.delete(file.segment);
    file.dropped = true;
    this.#closeIfUnused(file);
  }

  #closeIfUnused(file: OpenFile): void {
    if (!file.dropped || file.users > 0 || file.fd < 0) return;
    const fd = file.fd;
    file.fd = -1;
    this.closeFile(fd);
  }

  #closeIdle(): void {
    if (this.#open.size <= IDLE_FILES_MAX) return;
    for (const file of this.#open.values()) {
      if (file.users > 0) continue;
      this.#drop(file);
      return;
    }
  }
}
