/**
 * Segments in files, written by io_uring past the page cache: the memory that a segment's writer fills is the
 * memory that the device reads. The files are those of `file/`.
 *
 * Group commit: what one turn persisted and is adjacent becomes one write. Each write is durable when it completes
 * (RWF_DSYNC). A few are in flight at a time; what is flushed meanwhile waits together and grows, so under load the
 * writes become as large as what arrives while the device is busy, and an idle medium adds no delay.
 *
 * Writes complete in any order; tickets are reported in theirs:
 *
 *     #queue --flush--> #ready --a place is free--> #writes (oldest first) --the oldest is done--> onPersisted
 */

import fs from 'node:fs';
import { requires } from '../../contracts.js';
import { SynodError } from '../../errors.js';
import { loadAddon } from '../../native/addon.js';
import { acquireUringLoop, type UringLoop } from '../../native/uring-loop.js';
import { probeUring as probe } from '../../native/uring-probe.js';
import { LogDirectory } from '../directory.js';
import { type FileSystem, nodeFileSystem, readFully } from '../file-system.js';
import type {
  Callback,
  LogMedium,
  LogMediumHandler,
  SegmentMemory,
  SegmentSummary,
  StorageKind,
} from '../log-medium.js';
import { closedError, storageError } from '../storage-error.js';
import { type DirectIo, PAGE_BYTES, probeDirectIo } from './direct-io.js';

export interface UringMediumOptions {
  /** The log's directory; made if missing. */
  readonly directory: string;
  /** A multiple of 4096 from 16 KiB to 1 GiB. */
  readonly segmentBytes: number;
  /** Whoever opens it has locked the directory, and unlocks it once it is closed. */
  readonly isLocked?: boolean | undefined;
  /** For tests: calls that fail when they are told to. Log writes do not go through it. */
  readonly fileSystem?: FileSystem;
  /** Writes in flight at most. Default 4. */
  readonly writesMax?: number;
  /** For tests: what writes the log, instead of this thread's ring. */
  readonly device?: FileDevice;
}

/** The part of a ring that writes files. */
export type FileRing = Pick<UringLoop, 'write' | 'flush' | 'hasSockets' | 'release'>;

export interface FileDevice {
  readonly ring: FileRing;
  readonly directIo: DirectIo;
}

/** Some in flight share the device's flushes; more only divide the same bytes. Measured: docs/decisions/0004-io-uring.md. */
const WRITES_MAX_DEFAULT = 4;
/** Released memories kept for the next segment, so that rolling from segment to segment allocates nothing. */
const FREE_MEMORIES_MAX = 2;

/** Null where io_uring can write log files here, else one line that says what blocks it. */
export function probeUring(): string | null {
  return probe('files').obstacle;
}

/** `ERR_SYNOD_STORAGE_UNAVAILABLE` where `probeUring` finds an obstacle. */
export function createUringMedium(options: UringMediumOptions): LogMedium {
  if (options.device !== undefined) return new UringMedium(options, 'a device that was given');
  const { obstacle, description } = probe('files');
  if (obstacle !== null) throw unavailable(obstacle, options.directory);
  return new UringMedium(options, description);
}

function unavailable(obstacle: string, path: string, cause?: unknown): SynodError {
  const message = `storage kind uring: ${obstacle}`;
  return new SynodError('ERR_SYNOD_STORAGE_UNAVAILABLE', message, { cause, path });
}

/** Shared memory with room to begin at a whole page. */
interface Memory {
  readonly buffer: SharedArrayBuffer;
  readonly byteOffset: number;
}

interface LiveSegment {
  readonly memory: SegmentMemory;
  readonly space: Memory;
  readonly fd: number;
  /** Past the page cache. Else one write at a time: an error of writing back is told once per open file, whoever syncs first. */
  readonly isDirect: boolean;
  /** Writes in flight. */
  writes: number;
  /** Persists queued or in flight. The file and the memory are needed as long as there are any. */
  users: number;
  released: boolean;
}

interface Range {
  readonly live: LiveSegment;
  readonly from: number;
  to: number;
  /** The last of the tickets that were merged into this range. */
  ticket: number;
  /** How many there were. */
  persists: number;
  done: boolean;
}

class UringMedium implements LogMedium {
  readonly kind: StorageKind = 'uring';
  readonly reason: string;
  readonly durable = true;
  readonly segmentBytes: number;
  readonly blockBytes: number;

  readonly #directory: LogDirectory;
  readonly #fileSystem: FileSystem;
  readonly #directIo: DirectIo;
  readonly #writesMax: number;
  readonly #device: FileDevice | null;
  #loop: FileRing | null = null;
  #handler: LogMediumHandler | null = null;
  readonly #live = new Map<number, LiveSegment>();
  readonly #free: Memory[] = [];

  /** Persisted since the last flush. */
  #queue: Range[] = [];
  /** Flushed, waiting for a place. */
  #ready: Range[] = [];
  /** In flight, or done and waiting for an older one; in the order of their tickets. */
  readonly #writes: Range[] = [];
  #writesInFlight = 0;
  #queuedTicket = 0;
  #failure: SynodError | null = null;
  #isClosing = false;
  #isClosed = false;
  readonly #closeCallbacks: Array<Callback<void>> = [];

  constructor(options: UringMediumOptions, description: string) {
    this.#directory = new LogDirectory(options);
    this.#fileSystem = options.fileSystem ?? nodeFileSystem;
    this.#writesMax = options.writesMax ?? WRITES_MAX_DEFAULT;
    this.#device = options.device ?? null;
    this.#directIo = this.#device?.directIo ?? probeDirectIo(this.#directory.path);
    this.segmentBytes = options.segmentBytes;
    this.blockBytes = this.#directIo.blockBytes;
    this.reason = `uring: synced writes by ${description}, ${this.#directIo.description}`;
  }

  start(handler: LogMediumHandler, callback: Callback<readonly SegmentSummary[]>): void {
    requires(this.#handler === null, 'medium-starts-once');
    this.#handler = handler;
    if (!this.#isClosing) {
      try {
        this.#loop = this.#device?.ring ?? acquireUringLoop();
      } catch (error) {
        const reason = unavailable((error as Error).message, this.#directory.path, error);
        setImmediate(callback, reason);
        return;
      }
    }
    this.#directory.start(callback);
  }

  create(segment: number, callback: Callback<SegmentMemory>): void {
    requires(!this.#live.has(segment), 'segment-is-new', () => String(segment));
    this.#directory.create(segment, (error, made) => {
      if (error !== null) return callback(error);
      const bufferedFd = made!.fd;
      const segmentPath = this.#directory.segmentPath(segment);
      const letGo = this.#directory.hold();
      const finish: Callback<SegmentMemory> = (finishError, memory) => {
        if (finishError !== null) callback(finishError);
        else callback(null, memory);
        letGo();
      };
      const fail = (cause: unknown, fd: number): void => {
        this.#directory.closeFile(fd);
        finish(storageError(cause, `cannot make log segment ${segment}`, segmentPath));
      };
      this.#openDirect(segmentPath, bufferedFd, (openError, fd) => {
        if (openError !== null) return fail(openError, bufferedFd);
        let space: Memory;
        try {
          space = this.#free.pop() ?? this.#allocate();
        } catch (noMemory) {
          if (fd !== bufferedFd) this.#directory.closeFile(bufferedFd);
          return fail(noMemory, fd);
        }
        const bytes = new Uint8Array(space.buffer, space.byteOffset, this.segmentBytes);
        // The file's zeros, read on the thread pool, wipe a memory that was used before without holding up the event
        // loop, and touch the pages of a new one before the writer does.
        readFully(this.#fileSystem, bufferedFd, bytes, 0, bytes.length, 0, (readError, count) => {
          if (fd !== bufferedFd) this.#directory.closeFile(bufferedFd);
          if (readError !== null || count < bytes.length) {
            return fail(readError ?? new Error(`EIO: the new file ends at ${count}`), fd);
          }
          if (this.#isClosing) return fail(closedError(this.#directory.path), fd);
          const reference = { kind: 'shared', ...space } as const;
          const memory: SegmentMemory = { segment, bytes, reference };
          const isDirect = fd !== bufferedFd;
          this.#live.set(segment, { memory, space, fd, isDirect, writes: 0, users: 0, released: false });
          finish(null, memory);
        });
      });
    });
  }

  /** Yields the descriptor to write by: past the page cache where that can be had, else the one there is. */
  #openDirect(
    segmentPath: string,
    bufferedFd: number,
    done: (error: NodeJS.ErrnoException | null, fd: number) => void,
  ): void {
    if (!this.#directIo.direct) {
      done(null, bufferedFd);
      return;
    }
    const flags = fs.constants.O_RDWR | fs.constants.O_DIRECT;
    this.#fileSystem.open(segmentPath, flags, (error, fd) => {
      if (error === null) done(null, fd);
      else done(error.code === 'EINVAL' ? null : error, bufferedFd);
    });
  }

  #allocate(): Memory {
    const buffer = new SharedArrayBuffer(this.segmentBytes + PAGE_BYTES);
    const past = loadAddon().addon?.addressModulo?.(new Uint8Array(buffer), PAGE_BYTES) ?? 0;
    return { buffer, byteOffset: (PAGE_BYTES - past) % PAGE_BYTES };
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
    append(this.#queue, { live, from, to, ticket, persists: 1, done: false });
  }

  flush(): void {
    if (this.#queue.length === 0) return;
    for (const range of this.#queue) append(this.#ready, range);
    this.#queue = [];
    this.#startWrites();
    // Sockets on the same ring are flushed after the log in each turn: both then go out in one call. And if they are not,
    // the ring submits by itself when this thread comes back to its loop.
    if (this.#loop !== null && !this.#loop.hasSockets) this.#loop.flush();
  }

  #startWrites(): void {
    const loop = this.#loop!;
    let started = 0;
    while (started < this.#ready.length && this.#writesInFlight < this.#writesMax) {
      const range = this.#ready[started] as Range;
      const { live, from, to } = range;
      if (!live.isDirect && live.writes > 0) break;
      started += 1;
      live.writes += 1;
      this.#writes.push(range);
      this.#writesInFlight += 1;
      if (from === to) setImmediate(() => this.#onWritten(range, null));
      else
        loop.write(live.fd, live.memory.bytes, from, to, from, true, (code) => this.#onWritten(range, code));
    }
    if (started > 0) this.#ready.splice(0, started);
  }

  #onWritten(range: Range, code: string | null): void {
    this.#writesInFlight -= 1;
    range.live.writes -= 1;
    range.done = true;
    this.#giveBack(range);
    if (this.#failure === null) {
      if (code !== null) this.#fail(range, code);
      else {
        // Before the report, which may make the engine take a turn: the device need not wait for that.
        this.#startWrites();
        this.#report();
      }
    }
    if (this.#isClosing && this.#writesInFlight === 0) this.#closeFiles();
  }

  #report(): void {
    let count = 0;
    while (count < this.#writes.length && (this.#writes[count] as Range).done) count += 1;
    if (count === 0) return;
    const { ticket } = this.#writes[count - 1] as Range;
    this.#writes.splice(0, count);
    this.#handler!.onPersisted(ticket);
  }

  #fail(range: Range, code: string): void {
    const segmentPath = this.#directory.segmentPath(range.live.memory.segment);
    const cause = Object.assign(new Error(`${code}: a synced write by io_uring`), { code });
    const message = `a write of the log failed: ${cause.message}`;
    this.#failure = new SynodError('ERR_SYNOD_STORAGE_FAILED', message, {
      cause,
      path: segmentPath,
      offset: range.from,
    });
    for (const waiting of [...this.#ready, ...this.#queue]) this.#giveBack(waiting);
    this.#ready = [];
    this.#queue = [];
    this.#writes.length = 0;
    this.#handler!.onFailure(this.#failure);
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
    if (this.#writesInFlight === 0) this.#closeFiles();
  }

  #liveOf(memory: SegmentMemory): LiveSegment {
    const live = this.#live.get(memory.segment);
    requires(live !== undefined && live.memory === memory && !live.released, 'memory-is-live', () =>
      String(memory.segment),
    );
    return live;
  }

  #giveBack(range: Range): void {
    range.live.users -= range.persists;
    this.#retireIfUnused(range.live);
  }

  #retireIfUnused(live: LiveSegment): void {
    if (!live.released || live.users > 0) return;
    this.#live.delete(live.memory.segment);
    this.#directory.closeFile(live.fd);
    if (this.#free.length < FREE_MEMORIES_MAX) this.#free.push(live.space);
  }

  #closeFiles(): void {
    for (const live of this.#live.values()) this.#directory.closeFile(live.fd);
    this.#live.clear();
    this.#directory.close(() => {
      this.#isClosed = true;
      this.#loop?.release();
      this.#loop = null;
      for (const callback of this.#closeCallbacks.splice(0)) callback(null);
    });
  }
}

/** Adds a range, or lengthens the last one that it continues. */
function append(ranges: Range[], range: Range): void {
  const last = ranges[ranges.length - 1];
  if (last !== undefined && last.live === range.live && last.to === range.from) {
    last.to = range.to;
    last.ticket = range.ticket;
    last.persists += range.persists;
  } else {
    ranges.push(range);
  }
}
