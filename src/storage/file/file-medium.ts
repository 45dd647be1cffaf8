/**
 * Segments in files, by node:fs alone: works everywhere. A segment's memory is shared memory; `persist` writes it to
 * the file, fdatasync makes it durable, and both run on the thread pool.
 *
 * Group commit: one cycle (write, then sync) is in flight at a time. Whatever is flushed meanwhile waits
 * together and becomes one write and one sync, however many persists it came in. So under load the batch grows by
 * itself to what arrives during one sync, and an idle medium adds no delay.
 */

import { requires } from '../../contracts.js';
import type { SynodError } from '../../errors.js';
import { LogDirectory } from '../directory.js';
import { type FileSystem, readFully, writeFully } from '../file-system.js';
import type {
  Callback,
  LogMedium,
  LogMediumHandler,
  SegmentMemory,
  SegmentSummary,
  StorageKind,
} from '../log-medium.js';
import { closedError, storageError } from '../storage-error.js';

export interface FileMediumOptions {
  /** The log's directory; made if missing. */
  readonly directory: string;
  /** A multiple of 4096 from 16 KiB to 1 GiB. */
  readonly segmentBytes: number;
  /** Whoever opens it has locked the directory, and unlocks it once it is closed. */
  readonly isLocked?: boolean | undefined;
  /** For tests: calls that fail when they are told to. */
  readonly fileSystem?: FileSystem;
}

/** Released memories kept for the next segment, so that rolling from segment to segment allocates nothing. */
const FREE_MEMORIES_MAX = 2;

export function createFileMedium(options: FileMediumOptions): LogMedium {
  return new FileMedium(options);
}

interface LiveSegment {
  readonly memory: SegmentMemory;
  readonly buffer: SharedArrayBuffer;
  readonly fd: number;
  /** Ranges queued or in flight. The file and the memory are needed as long as there are any. */
  users: number;
  released: boolean;
}

interface Range {
  readonly live: LiveSegment;
  readonly from: number;
  to: number;
  /** How many `persist` calls were merged into this range. */
  persists: number;
}

class FileMedium implements LogMedium {
  readonly kind: StorageKind = 'file';
  readonly reason = 'file: buffered writes and fdatasync on the thread pool';
  readonly durable = true;
  readonly segmentBytes: number;
  /** A page: one that was acknowledged is never written again, so that no interrupted write can damage it. */
  readonly blockBytes = 4096;
  readonly #directory: LogDirectory;
  readonly #fileSystem: FileSystem;
  readonly #live = new Map<number, LiveSegment>();
  readonly #free: SharedArrayBuffer[] = [];
  #handler: LogMediumHandler | null = null;
  /** Given to `persist`, waiting for `flush`. */
  #queue: Range[] = [];
  #queuedTicket = 0;
  /** Flushed, waiting for the cycle in flight to end. */
  #ready: Range[] = [];
  #readyTicket = 0;
  #cycleInFlight = false;
  #failure: SynodError | null = null;
  #isClosing = false;
  #closeCallbacks: Array<Callback<void>> = [];
  #isClosed = false;

  constructor(options: FileMediumOptions) {
    this.#directory = new LogDirectory(options);
    this.#fileSystem = this.#directory.fileSystem;
    this.segmentBytes = options.segmentBytes;
  }

  start(handler: LogMediumHandler, callback: Callback<readonly SegmentSummary[]>): void {
    requires(this.#handler === null, 'medium-starts-once');
    this.#handler = handler;
    this.#directory.start(callback);
  }

  create(segment: number, callback: Callback<SegmentMemory>): void {
    requires(!this.#live.has(segment), 'segment-is-new', () => String(segment));
    this.#directory.create(segment, (error, file) => {
      if (error !== null) return callback(error);
      const { fd } = file!;
      const letGo = this.#directory.hold();
      const finish: Callback<SegmentMemory> = (finishError, made) => {
        if (finishError !== null) {
          this.#directory.closeFile(fd);
          callback(finishError);
        } else {
          callback(null, made);
        }
        letGo();
      };
      const fail = (cause: unknown): void =>
        finish(
          storageError(cause, `cannot make log segment ${segment}`, this.#directory.segmentPath(segment)),
        );
      let buffer: SharedArrayBuffer;
      try {
        buffer = this.#free.pop() ?? new SharedArrayBuffer(this.segmentBytes);
      } catch (noMemory) {
        return fail(noMemory);
      }
      const bytes = new Uint8Array(buffer);
      // The file's zeros, read on the thread pool, wipe a memory that was used before without holding up the event
      // loop, and touch the pages of a new one before the writer does.
      readFully(this.#fileSystem, fd, bytes, 0, bytes.length, 0, (readError, count) => {
        if (readError !== null || count < bytes.length) {
          return fail(readError ?? new Error(`EIO: the new file ends at ${count}`));
        }
        if (this.#isClosing) return finish(closedError(this.#directory.path));
        const memory: SegmentMemory = {
          segment,
          bytes,
          reference: { kind: 'shared', buffer, byteOffset: 0 },
        };
        this.#live.set(segment, { memory, buffer, fd, users: 0, released: false });
        finish(null, memory);
      });
    });
  }

  persist(memory: SegmentMemory, from: number, to: number, ticket: number): void {
    const live = this.#liveOf(memory);
    requires(from >= 0 && from <= to && to <= this.segmentBytes, 'persist-range', () => `${from} to ${to}`);
    requires(
      from % this.blockBytes === 0 && to % this.blockBytes === 0,
      'persist-in-blocks',
      () => `${from} to ${to}`,
    );
    requires(ticket === this.#queuedTicket + 1 || this.#queuedTicket === 0, 'ticket-follows', () =>
      String(ticket),
    );
    this.#queuedTicket = ticket;
    if (this.#failure !== null) return;
    live.users += 1;
    append(this.#queue, { live, from, to, persists: 1 });
  }

  flush(): void {
    if (this.#queue.length === 0) return;
    for (const range of this.#queue) append(this.#ready, range);
    this.#queue = [];
    this.#readyTicket = this.#queuedTicket;
    if (!this.#cycleInFlight) this.#startCycle();
  }

  read(segment: number, offset: number, target: Uint8Array, callback: Callback<number>): void {
    this.#directory.read(segment, offset, target, callback);
  }

  release(memory: SegmentMemory): void {
    const live = this.#liveOf(memory);
    live.released = true;
    this.#retireIfUnused(live);
  }

  harden(segment: number, from: number, to: number, callback: Callback<void>): void {
    this.#directory.harden(segment, from, to, callback);
  }

  truncate(segment: number, bytes: number, callback: Callback<void>): void {
    this.#directory.truncate(segment, bytes, callback);
  }

  remove(segment: number, callback: Callback<void>): void {
    this.#directory.remove(segment, !this.#live.has(segment), callback);
  }

  close(callback: Callback<void>): void {
    if (this.#isClosed) return void setImmediate(callback, null);
    this.#closeCallbacks.push(callback);
    if (this.#isClosing) return;
    this.flush();
    this.#isClosing = true;
    if (!this.#cycleInFlight) this.#closeFiles();
  }

  #liveOf(memory: SegmentMemory): LiveSegment {
    const live = this.#live.get(memory.segment);
    requires(live !== undefined && live.memory === memory && !live.released, 'memory-is-live', () =>
      String(memory.segment),
    );
    return live;
  }

  #startCycle(): void {
    const ranges = this.#ready;
    const ticket = this.#readyTicket;
    this.#ready = [];
    this.#cycleInFlight = true;
    let writesLeft = ranges.length;
    let failed: unknown = null;
    let failedAt = '';
    for (const range of ranges) {
      const { live, from, to } = range;
      writeFully(this.#fileSystem, live.fd, live.memory.bytes, from, to, from, (error) => {
        if (error !== null) {
          failed ??= error;
          failedAt ||= this.#directory.segmentPath(live.memory.segment);
        }
        writesLeft -= 1;
        if (writesLeft > 0) return;
        // Nothing is synced after a failed write, and nothing is written again: see `onFailure`.
        if (failed !== null) this.#endCycle(ranges, ticket, storageFailure(failed, 'a write', failedAt));
        else this.#syncCycle(ranges, ticket);
      });
    }
  }

  #syncCycle(ranges: readonly Range[], ticket: number): void {
    const files = new Set(ranges.map((range) => range.live));
    let syncsLeft = files.size;
    let failure: SynodError | null = null;
    for (const live of files) {
      this.#fileSystem.fdatasync(live.fd, (error) => {
        if (error !== null) {
          failure ??= storageFailure(error, 'a sync', this.#directory.segmentPath(live.memory.segment));
        }
        syncsLeft -= 1;
        if (syncsLeft === 0) this.#endCycle(ranges, ticket, failure);
      });
    }
  }

  #endCycle(ranges: readonly Range[], ticket: number, failure: SynodError | null): void {
    this.#cycleInFlight = false;
    this.#giveBack(ranges);
    if (failure !== null) {
      this.#failure = failure;
      this.#giveBack(this.#ready);
      this.#giveBack(this.#queue);
      this.#ready = [];
      this.#queue = [];
      this.#handler!.onFailure(failure);
    } else {
      // Before the report, which may make the engine take a turn: the disk need not wait for that.
      if (this.#ready.length > 0) this.#startCycle();
      this.#handler!.onPersisted(ticket);
    }
    if (this.#isClosing && !this.#cycleInFlight) this.#closeFiles();
  }

  #giveBack(ranges: readonly Range[]): void {
    for (const { live, persists } of ranges) {
      live.users -= persists;
      this.#retireIfUnused(live);
    }
  }

  #retireIfUnused(live: LiveSegment): void {
    if (!live.released || live.users > 0) return;
    this.#live.delete(live.memory.segment);
    this.#directory.closeFile(live.fd);
    if (this.#free.length < FREE_MEMORIES_MAX) this.#free.push(live.buffer);
  }

  #closeFiles(): void {
    for (const live of this.#live.values()) this.#directory.closeFile(live.fd);
    this.#live.clear();
    this.#directory.close(() => {
      this.#isClosed = true;
      for (const callback of this.#closeCallbacks.splice(0)) callback(null);
    });
  }
}

/** Adds a range, or lengthens the last one that it continues. */
function append(ranges: Range[], range: Range): void {
  const last = ranges[ranges.length - 1];
  if (last !== undefined && last.live === range.live && last.to === range.from) {
    last.to = range.to;
    last.persists += range.persists;
  } else {
    ranges.push(range);
  }
}

/** A full disk under a write of preallocated space is a failure like any other: it is not to be tried again. */
function storageFailure(error: unknown, what: string, path: string): SynodError {
  const failure = storageError(error, `${what} of the log failed`, path);
  if (failure.code === 'ERR_SYNOD_STORAGE_FAILED') return failure;
  return storageError(new Error(failure.message, { cause: error }), `${what} of the log failed`, path);
}
