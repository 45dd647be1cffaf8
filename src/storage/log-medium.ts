/**
 * A log medium keeps the bytes of numbered, fixed-size segments. It knows nothing of records: `log/` lays
 * them out. Four siblings implement it (`memory/`, `file/`, `uring/`, `pmem/`) and never import each other.
 *
 * The writer of a segment stores bytes straight into the segment's memory, an image of the file: position
 * in memory is position in the file. `persist` makes a range of it durable. So a payload is copied once,
 * into memory that is at the same time the source of the log write and of the socket's send (on persistent
 * memory it is the log itself).
 *
 * Callbacks, not promises, and none before the call that asked for it has returned, so that a simulator
 * decides every order.
 */

import type { SynodError } from '../errors.js';

export type StorageKind = 'memory' | 'file' | 'uring' | 'pmem';

/** How another thread of this process opens the same segment memory. Survives `structuredClone`. */
export type SegmentMemoryReference =
  /** `segmentBytes` of `buffer` from `byteOffset` on, which is aligned as the medium needs it. */
  | { readonly kind: 'shared'; readonly buffer: SharedArrayBuffer; readonly byteOffset: number }
  /** The file at `path` is the memory. It is mapped as `region` (the addon's `openRegion`); without one, map it (`mapSegment`). */
  | {
      readonly kind: 'mapped';
      readonly path: string;
      readonly readOnly: boolean;
      readonly region?: number | undefined;
    };

/** The writable memory of one segment, `segmentBytes` long, zeros where nothing was written yet. */
export interface SegmentMemory {
  readonly segment: number;
  readonly bytes: Uint8Array;
  readonly reference: SegmentMemoryReference;
}

export interface SegmentSummary {
  readonly segment: number;
  /** Bytes that can be read; less than `segmentBytes` where the segment was cut to its content. */
  readonly bytes: number;
}

export type Callback<T> = (error: SynodError | null, value?: T) => void;

export interface LogMediumHandler {
  /** Every `persist` with a ticket up to and including `ticket` is durable. Tickets only grow. */
  onPersisted(ticket: number): void;
  /**
   * A write or sync failed. Final: nothing persisted after the last `onPersisted` is durable for certain, the
   * medium takes no more writes and never retries (a failed sync leaves pages that look clean).
   */
  onFailure(error: SynodError): void;
  /** Nothing is made of the region (`SegmentMemoryReference`) any more: whoever mapped it for a segment of before lets go of it. */
  onRegionGone?(region: number): void;
}

export interface LogMedium {
  readonly kind: StorageKind;
  /** Why this kind, in one line for people: what `auto` probed, which flush instruction, which device. */
  readonly reason: string;
  /** False where acknowledged bytes do not outlive the process or the power (memory; pmem on a volatile path). */
  readonly durable: boolean;
  readonly segmentBytes: number;
  /** Ranges given to `persist` begin and end at multiples of this. A power of two from 64 to 4096. */
  readonly blockBytes: number;

  /** Called once, first. Yields the segments that exist, ascending. The directory is locked from here on. */
  start(handler: LogMediumHandler, callback: Callback<readonly SegmentSummary[]>): void;

  /**
   * Makes segment `segment`, all zeros, space reserved, its name durable in the directory; yields its memory.
   * `ERR_SYNOD_STORAGE_FULL` where there is no space: nothing has changed, and it may be asked again later.
   */
  create(segment: number, callback: Callback<SegmentMemory>): void;

  /**
   * Makes bytes [from, to) of the segment's memory durable; reported by `onPersisted(ticket)`. `ticket` is one
   * more than the last. The bytes must not change until then. Several may be in flight.
   */
  persist(memory: SegmentMemory, from: number, to: number, ticket: number): void;

  /**
   * End of the engine's turn: whatever was queued by `persist` goes out now, in as few calls as possible. A medium whose
   * persist is synchronous may report `onPersisted` (or `onFailure`) from inside `flush`.
   */
  flush(): void;

  /** Reads [offset, offset + target.length) of a segment into `target`; yields the count, less at its end. */
  read(segment: number, offset: number, target: Uint8Array, callback: Callback<number>): void;

  /**
   * Bytes [from, to) of a segment that an earlier process wrote are durable afterwards, even where it was told that they could
   * not be made so: they are written again, as they are.
   */
  harden(segment: number, from: number, to: number, callback: Callback<void>): void;

  /** The segment's memory is no longer used by anyone: it may be unmapped or used again. Its bytes stay readable. */
  release(memory: SegmentMemory): void;

  /** Cuts a segment that gets no more writes to its first `bytes` bytes, to give the rest of its space back. */
  truncate(segment: number, bytes: number, callback: Callback<void>): void;

  /** Deletes a segment. */
  remove(segment: number, callback: Callback<void>): void;

  /** Waits for what is in flight, then closes. Idempotent. The handler is not called after the callback. */
  close(callback: Callback<void>): void;
}
