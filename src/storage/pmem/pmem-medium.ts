/**
 * Segments as mapped files on persistent memory: the log's memory is the log. `persist` needs no system call: the
 * stores' cache lines are written back, and one fence makes a whole turn's ranges durable.
 *
 * That is true where the file is mapped with MAP_SYNC, on a DAX file system. Elsewhere flushed lines reach no more
 * than the page cache: the medium refuses, unless `allowVolatile` says that this is meant (tests,
 * measurements on /dev/shm). Then it is called volatile even if a disk lies behind it.
 */

import fs from 'node:fs';
import path from 'node:path';
import { requires } from '../../contracts.js';
import { SynodError } from '../../errors.js';
import { loadAddon, type NativeAddon } from '../../native/addon.js';
import { LogDirectory } from '../directory.js';
import type { FileSystem } from '../file-system.js';
import type {
  Callback,
  LogMedium,
  LogMediumHandler,
  SegmentMemory,
  SegmentSummary,
  StorageKind,
} from '../log-medium.js';
import { closedError, storageError, systemCode } from '../storage-error.js';

export interface PmemMediumOptions {
  /** The log's directory; made if missing. */
  readonly directory: string;
  /** A multiple of 4096 from 16 KiB to 1 GiB. */
  readonly segmentBytes: number;
  /** Whoever opens it has locked the directory, and unlocks it once it is closed. */
  readonly isLocked?: boolean | undefined;
  /** Takes any file system, and is not durable then. */
  readonly allowVolatile?: boolean;
  /** For tests. */
  readonly fileSystem?: FileSystem;
  /** For tests: what the segments are mapped into, taken to be persistent. */
  readonly memory?: PersistentMemory;
}

/** The part of the addon that maps persistent memory and makes stores to it durable. */
export type PersistentMemory = Pick<
  NativeAddon,
  | 'mapSegment'
  | 'unmapSegment'
  | 'keepRegion'
  | 'openRegion'
  | 'dropRegion'
  | 'flushRange'
  | 'populate'
  | 'flushInstruction'
>;

/** Mappings that nobody uses, and that stay until their files are used again or are gone. */
const IDLE_REGIONS_MAX = 16;

/** Pages touched in one go while a segment is made; about half a millisecond of page faults. */
const POPULATE_BYTES = 2 * 1024 * 1024;

/** `ERR_SYNOD_STORAGE_UNAVAILABLE` where the addon, or DAX (without `allowVolatile`), is missing. */
export function createPmemMedium(options: PmemMediumOptions): LogMedium {
  if (options.memory !== undefined) return new PmemMedium(options, options.memory, null);
  const { addon, reason } = loadAddon();
  if (addon === null) throw unavailable(`storage kind pmem: ${reason}`, options.directory);
  const blocked = probeDax(addon, options.directory);
  if (blocked !== null && options.allowVolatile !== true) {
    throw unavailable(
      `storage kind pmem: ${blocked}; allowVolatile takes it all the same, without durability`,
      options.directory,
    );
  }
  return new PmemMedium(options, addon, blocked);
}

/** Null where the directory (made if missing) is on persistent memory that can be used, else why not, in one line. */
export function probePmem(directory: string): string | null {
  const { addon, reason } = loadAddon();
  return addon === null ? reason : probeDax(addon, directory);
}

/** Maps a small file with MAP_SYNC: nothing else tells for certain. */
function probeDax(addon: NativeAddon, directory: string): string | null {
  const probePath = path.join(directory, `probe-${process.pid}-${Math.random().toString(36).slice(2)}.tmp`);
  try {
    fs.mkdirSync(directory, { recursive: true });
    fs.writeFileSync(probePath, new Uint8Array(4096), { flag: 'wx' });
    const mapped = addon.mapSegment(probePath, 4096, false, true);
    addon.unmapSegment(mapped.bytes);
    return null;
  } catch (error) {
    if (systemCode(error) === 'ENOTSUP') return `${directory} is not on a DAX file system (no MAP_SYNC)`;
    return `${directory} cannot be mapped: ${(error as Error).message}`;
  } finally {
    try {
      fs.rmSync(probePath, { force: true });
    } catch {
      // A directory that cannot be used says so by other errors.
    }
  }
}

function unavailable(message: string, directory: string): SynodError {
  return new SynodError('ERR_SYNOD_STORAGE_UNAVAILABLE', message, { path: directory });
}

type Mapping = Pick<ReturnType<PersistentMemory['mapSegment']>, 'bytes' | 'region'>;

interface MappedMemory extends SegmentMemory {
  readonly region: number;
}

interface Range {
  readonly bytes: Uint8Array;
  readonly from: number;
  to: number;
}

class PmemMedium implements LogMedium {
  readonly kind: StorageKind = 'pmem';
  readonly reason: string;
  readonly durable: boolean;
  readonly segmentBytes: number;
  /** A cache line: what is flushed at once. */
  readonly blockBytes = 64;
  readonly #memory: PersistentMemory;
  /** Looked up once: to find it among all that the addon has takes longer than the call. */
  readonly #flushRange: PersistentMemory['flushRange'];
  readonly #directory: LogDirectory;
  readonly #live = new Map<number, MappedMemory>();
  /** Regions of segments that were released: what is made of the file next needs no mapping, and no page fault. */
  readonly #idle = new Map<number, number>();
  #handler: LogMediumHandler | null = null;
  #queue: Range[] = [];
  #queuedTicket = 0;
  #reportedTicket = 0;
  #unreportedFailure: SynodError | null = null;
  #failure: SynodError | null = null;
  #isClosing = false;

  constructor(options: PmemMediumOptions, memory: PersistentMemory, blocked: string | null) {
    this.#memory = memory;
    this.#flushRange = memory.flushRange;
    this.#directory = new LogDirectory(options);
    this.segmentBytes = options.segmentBytes;
    this.durable = blocked === null;
    this.reason = this.durable
      ? `pmem: MAP_SYNC on DAX, flushed by ${memory.flushInstruction}`
      : `pmem: VOLATILE, emulated by allowVolatile (${blocked}), flushed by ${memory.flushInstruction}`;
  }

  start(handler: LogMediumHandler, callback: Callback<readonly SegmentSummary[]>): void {
    requires(this.#handler === null, 'medium-starts-once');
    this.#handler = handler;
    this.#directory.start(callback);
  }

  create(segment: number, callback: Callback<SegmentMemory>): void {
    requires(!this.#live.has(segment), 'segment-is-new', () => String(segment));
    this.#directory.create(segment, (error, file) => {
      if (error !== null) {
        this.#giveUpGone();
        return callback(error);
      }
      const { fd, recycled } = file!;
      this.#directory.closeFile(fd);
      const segmentPath = this.#directory.segmentPath(segment);
      let mapping: Mapping;
      try {
        mapping =
          this.#takeIdle(recycled) ??
          this.#memory.mapSegment(segmentPath, this.segmentBytes, false, this.durable);
      } catch (mapError) {
        return callback(storageError(mapError, `cannot map log segment ${segment}`, segmentPath));
      }
      const { bytes, region } = mapping;
      // The first store to a page under MAP_SYNC commits the file system's journal: milliseconds, here and not while
      // a decree waits. In slices, so that the loop serves others between.
      const letGo = this.#directory.hold();
      const populate = (from: number): void => {
        if (this.#isClosing) {
          this.#memory.unmapSegment(bytes);
          callback(closedError(this.#directory.path));
          letGo();
          return;
        }
        const to = Math.min(from + POPULATE_BYTES, this.segmentBytes);
        this.#memory.populate(bytes, from, to);
        if (to < this.segmentBytes) return void setImmediate(populate, to);
        const memory: MappedMemory = {
          segment,
          bytes,
          reference: { kind: 'mapped', path: segmentPath, readOnly: false, region },
          region,
        };
        this.#live.set(segment, memory);
        callback(null, memory);
        letGo();
      };
      populate(0);
    });
  }

  #takeIdle(segment: number | null): Mapping | null {
    const region = segment === null ? undefined : this.#idle.get(segment);
    if (region === undefined) return null;
    const bytes = this.#memory.openRegion(region);
    this.#dropIdle(segment!);
    return bytes === null ? null : { bytes, region };
  }

  #dropIdle(segment: number): void {
    const region = this.#idle.get(segment);
    if (region === undefined) return;
    this.#idle.delete(segment);
    this.#memory.dropRegion(region);
  }

  /** Nothing is made of its file. Each thread that mapped it must let go, or the memory stays, and where the file is gone its space. */
  #giveUpIdle(segment: number): void {
    const region = this.#idle.get(segment);
    if (region === undefined) return;
    this.#dropIdle(segment);
    this.#handler?.onRegionGone?.(region);
  }

  /** A spare that no segment could be made of is deleted, and nobody tells which one it was. */
  #giveUpGone(): void {
    for (const segment of [...this.#idle.keys()])
      if (!this.#directory.has(segment) && !this.#directory.isSpare(segment)) this.#giveUpIdle(segment);
  }

  persist(memory: SegmentMemory, from: number, to: number, ticket: number): void {
    requires(this.#live.get(memory.segment) === memory, 'memory-is-live', () => String(memory.segment));
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
    const last = this.#queue[this.#queue.length - 1];
    if (last !== undefined && last.bytes === memory.bytes && last.to === from) last.to = to;
    else this.#queue.push({ bytes: memory.bytes, from, to });
  }

  flush(): void {
    if (!this.#isClosing) this.#flushAndReport();
  }

  read(segment: number, offset: number, target: Uint8Array, callback: Callback<number>): void {
    this.#directory.read(segment, offset, target, callback);
  }

  release(memory: SegmentMemory): void {
    const live = this.#live.get(memory.segment);
    requires(live === memory, 'memory-is-live', () => String(memory.segment));
    // What waits for a flush must not be unmapped before, nor be other bytes then.
    this.#flushQueue();
    this.#live.delete(memory.segment);
    const { region } = live!;
    const isKept = this.#idle.size < IDLE_REGIONS_MAX;
    if (isKept) {
      this.#idle.set(memory.segment, region);
      this.#memory.keepRegion(region);
    }
    // Whoever still has the bytes must not write into what is made of the file next.
    this.#memory.unmapSegment(memory.bytes);
    if (!isKept) this.#handler?.onRegionGone?.(region);
  }

  harden(segment: number, from: number, to: number, callback: Callback<void>): void {
    this.#directory.harden(segment, from, to, callback);
  }

  truncate(segment: number, bytes: number, callback: Callback<void>): void {
    // A store, or a read, beyond the end of a mapped file ends the process.
    requires(!this.#live.has(segment), 'truncate-after-release', () => String(segment));
    this.#giveUpIdle(segment);
    this.#directory.truncate(segment, bytes, callback);
  }

  remove(segment: number, callback: Callback<void>): void {
    this.#directory.remove(segment, !this.#live.has(segment), (error) => {
      // Where the file is gone, the mapping would keep its space.
      if (!this.#directory.isSpare(segment)) this.#giveUpIdle(segment);
      callback(error);
    });
  }

  close(callback: Callback<void>): void {
    if (!this.#isClosing) {
      this.#isClosing = true;
      const letGo = this.#directory.hold();
      setImmediate(() => {
        this.#flushAndReport();
        letGo();
      });
    }
    this.#directory.close((error) => {
      for (const memory of this.#live.values()) this.#memory.unmapSegment(memory.bytes);
      for (const segment of [...this.#idle.keys()]) this.#dropIdle(segment);
      this.#live.clear();
      callback(error);
    });
  }

  #flushAndReport(): void {
    if (this.#queuedTicket === this.#reportedTicket || this.#failure !== null) return;
    const ticket = this.#queuedTicket;
    this.#flushQueue();
    // Set by the line before, or by a `release`, which may not report.
    const failure = this.#unreportedFailure;
    if (failure !== null) {
      this.#failure = failure;
      this.#handler!.onFailure(failure);
      return;
    }
    this.#reportedTicket = ticket;
    this.#handler!.onPersisted(ticket);
  }

  #flushQueue(): void {
    const queue = this.#queue;
    this.#queue = [];
    if (this.#unreportedFailure !== null) return;
    try {
      // One range almost always: the turn's records lie behind one another.
      const flushRange = this.#flushRange;
      for (const { bytes, from, to } of queue) flushRange(bytes, from, to);
    } catch (error) {
      this.#unreportedFailure = storageError(error, 'a flush of the log failed', this.#directory.path);
    }
  }
}
