/**
 * Segments in memory: for tests and for measuring everything but the disk. Nothing outlives the process; `contents`
 * carries segments from one medium to the next, as a disk would over a restart.
 */

import { requires } from '../../contracts.js';
import { checkSegmentBytes } from '../directory.js';
import type {
  Callback,
  LogMedium,
  LogMediumHandler,
  SegmentMemory,
  SegmentSummary,
  StorageKind,
} from '../log-medium.js';
import { closedError, storageError } from '../storage-error.js';

interface StoredSegment {
  bytes: Uint8Array;
  /** The memory that was given out for it, until released. */
  memory: SegmentMemory | null;
}

/** What a `memory` medium keeps. Opaque; one medium at a time. */
export type MemoryContents = Map<number, StoredSegment>;

export interface MemoryMediumOptions {
  readonly segmentBytes: number;
  /** A power of two from 64 to 4096; 64 if left out. */
  readonly blockBytes?: number;
  /** Kept across media, to be opened again. */
  readonly contents?: MemoryContents;
  /** Calls what it is given later, in order; `setImmediate` if left out. */
  readonly defer?: (call: () => void) => void;
}

/** Released memories kept for the next segment. */
const FREE_MEMORIES_MAX = 2;

export function createMemoryMedium(options: MemoryMediumOptions): LogMedium {
  return new MemoryMedium(options);
}

class MemoryMedium implements LogMedium {
  readonly kind: StorageKind = 'memory';
  readonly reason = 'memory: VOLATILE, nothing outlives the process';
  readonly durable = false;
  readonly segmentBytes: number;
  readonly blockBytes: number;
  readonly #segments: MemoryContents;
  readonly #defer: (call: () => void) => void;
  readonly #free: SharedArrayBuffer[] = [];
  #handler: LogMediumHandler | null = null;
  #queuedTicket = 0;
  #reportedTicket = 0;
  #isClosing = false;
  #pending = 0;
  #isClosed = false;
  #closeCallbacks: Array<Callback<void>> = [];

  constructor(options: MemoryMediumOptions) {
    checkSegmentBytes(options.segmentBytes);
    this.segmentBytes = options.segmentBytes;
    this.blockBytes = options.blockBytes ?? 64;
    this.#segments = options.contents ?? new Map();
    this.#defer = options.defer ?? ((call) => void setImmediate(call));
  }

  start(handler: LogMediumHandler, callback: Callback<readonly SegmentSummary[]>): void {
    requires(this.#handler === null, 'medium-starts-once');
    this.#handler = handler;
    this.#later(callback, () => {
      const summaries = [...this.#segments].map(([segment, { bytes }]) => ({ segment, bytes: bytes.length }));
      callback(
        null,
        summaries.sort((a, b) => a.segment - b.segment),
      );
    });
  }

  create(segment: number, callback: Callback<SegmentMemory>): void {
    requires(!this.#segments.has(segment), 'segment-is-new', () => String(segment));
    if (this.#isClosing) {
      this.#later(callback, () => {});
      return;
    }
    const reused = this.#free.pop();
    let buffer: SharedArrayBuffer;
    try {
      buffer = reused ?? new SharedArrayBuffer(this.segmentBytes);
    } catch (noMemory) {
      const error = storageError(noMemory, `cannot make log segment ${segment}`, 'memory');
      this.#later(callback, () => callback(error));
      return;
    }
    const bytes = new Uint8Array(buffer);
    if (reused !== undefined) bytes.fill(0);
    const memory: SegmentMemory = { segment, bytes, reference: { kind: 'shared', buffer, byteOffset: 0 } };
    this.#segments.set(segment, { bytes, memory });
    this.#later(callback, () => callback(null, memory));
  }

  persist(memory: SegmentMemory, from: number, to: number, ticket: number): void {
    requires(this.#segments.get(memory.segment)?.memory === memory, 'memory-is-live');
    requires(from >= 0 && from <= to && to <= this.segmentBytes, 'persist-range', () => `${from} to ${to}`);
    requires(ticket === this.#queuedTicket + 1 || this.#queuedTicket === 0, 'ticket-follows', () =>
      String(ticket),
    );
    this.#queuedTicket = ticket;
  }

  flush(): void {
    if (this.#isClosing || this.#queuedTicket === this.#reportedTicket) return;
    const ticket = this.#queuedTicket;
    this.#reportedTicket = ticket;
    this.#pending += 1;
    this.#defer(() => {
      this.#handler!.onPersisted(ticket);
      this.#end();
    });
  }

  read(segment: number, offset: number, target: Uint8Array, callback: Callback<number>): void {
    this.#later(callback, () => {
      const stored = this.#segments.get(segment);
      if (stored === undefined) return callback(missing(segment));
      const source = stored.bytes.subarray(offset, offset + target.length);
      target.set(source);
      callback(null, source.length);
    });
  }

  release(memory: SegmentMemory): void {
    const stored = this.#segments.get(memory.segment);
    // A segment may be removed before its memory is released: then only the memory is left to keep.
    if (stored === undefined) {
      this.#keep(memory);
      return;
    }
    requires(stored.memory === memory, 'memory-is-live');
    stored.memory = null;
    if (stored.bytes.length < this.segmentBytes) this.#cut(stored, stored.bytes.length, memory);
  }

  harden(segment: number, _from: number, _to: number, callback: Callback<void>): void {
    this.#later(callback, () => callback(this.#segments.has(segment) ? null : missing(segment)));
  }

  truncate(segment: number, bytes: number, callback: Callback<void>): void {
    this.#later(callback, () => {
      const stored = this.#segments.get(segment);
      if (stored === undefined) return callback(missing(segment));
      if (bytes < stored.bytes.length) {
        if (stored.memory === null) this.#cut(stored, bytes, null);
        else stored.bytes = stored.bytes.subarray(0, bytes);
      }
      callback(null);
    });
  }

  remove(segment: number, callback: Callback<void>): void {
    this.#later(callback, () => {
      if (!this.#segments.delete(segment)) return callback(missing(segment));
      callback(null);
    });
  }

  close(callback: Callback<void>): void {
    if (this.#isClosed) {
      this.#defer(() => callback(null));
      return;
    }
    this.#closeCallbacks.push(callback);
    if (this.#isClosing) return;
    this.flush();
    this.#isClosing = true;
    this.#pending += 1;
    this.#defer(() => this.#end());
  }

  /** Copies what stays, so that the whole segment's memory is free. */
  #cut(stored: StoredSegment, bytes: number, memory: SegmentMemory | null): void {
    stored.bytes = stored.bytes.slice(0, bytes);
    if (memory !== null) this.#keep(memory);
  }

  #keep(memory: SegmentMemory): void {
    if (memory.reference.kind !== 'shared' || this.#free.length >= FREE_MEMORIES_MAX) return;
    if (!this.#free.includes(memory.reference.buffer)) this.#free.push(memory.reference.buffer);
  }

  #later<T>(callback: Callback<T>, call: () => void): void {
    if (this.#isClosing) {
      this.#defer(() => callback(closedError('memory')));
      return;
    }
    this.#pending += 1;
    this.#defer(() => {
      call();
      this.#end();
    });
  }

  #end(): void {
    this.#pending -= 1;
    if (!this.#isClosing || this.#pending > 0) return;
    this.#isClosed = true;
    for (const callback of this.#closeCallbacks.splice(0)) callback(null);
  }
}

function missing(segment: number): ReturnType<typeof storageError> {
  const error = Object.assign(new Error(`ENOENT: no segment ${segment}`), { code: 'ENOENT' });
  return storageError(error, `cannot reach log segment ${segment}`, 'memory');
}
