/**
 * The log's reading end: the payload of any slot, from segment memory where it is still resident, else read back from the
 * medium in chunks that hold many decrees.
 */

import type { Crc32c } from '../checksum.js';
import { SynodError } from '../errors.js';
import type { LogIndex, MutableLogEntry } from '../log/log-index.js';
import { makeLogEntry } from '../log/log-index.js';
import type { StatisticsBoard } from '../statistics.js';
import type { LogMedium, SegmentMemory } from '../storage/log-medium.js';

/** A stretch of one segment that was read back. */
export interface Chunk {
  readonly segment: number;
  readonly start: number;
  readonly end: number;
  readonly bytes: Uint8Array;
}

/** Of a chunk, where nothing else is said: as much as a peer fetches at once. */
export const CHUNK_BYTES: number = 1024 * 1024;

export class LogReader {
  readonly #medium: LogMedium;
  readonly #index: LogIndex;
  readonly #resident: ReadonlyMap<number, SegmentMemory>;
  readonly #crc32c: Crc32c;
  readonly #board: StatisticsBoard | undefined;
  readonly #entry: MutableLogEntry = makeLogEntry();
  /** Segments of the reads in flight. */
  readonly #reading: number[] = [];

  constructor(
    medium: LogMedium,
    index: LogIndex,
    resident: ReadonlyMap<number, SegmentMemory>,
    crc32c: Crc32c,
    board?: StatisticsBoard,
  ) {
    this.#board = board;
    this.#medium = medium;
    this.#index = index;
    this.#resident = resident;
    this.#crc32c = crc32c;
  }

  /** Where the slot's newest decree is. The object is used again by the next call. */
  find(slot: number): MutableLogEntry | null {
    return this.#index.get(slot, this.#entry) ? this.#entry : null;
  }

  /** The segment memory that `entry` lies in, or null where it must be read back. */
  residentBytes(entry: MutableLogEntry): Uint8Array | null {
    return this.#resident.get(entry.segment)?.bytes ?? null;
  }

  /** Whether `entry` lies in `chunk` as a whole. */
  holds(chunk: Chunk | null, entry: MutableLogEntry): chunk is Chunk {
    return (
      chunk !== null &&
      chunk.segment === entry.segment &&
      entry.payloadOffset >= chunk.start &&
      entry.payloadOffset + entry.payloadBytes <= chunk.end
    );
  }

  get segmentBytes(): number {
    return this.#medium.segmentBytes;
  }

  /** The bytes that a chunk from `entry` on has: the payload of `entry` at least, else `most` or what the segment has left. */
  chunkBytes(entry: MutableLogEntry, most: number = CHUNK_BYTES): number {
    return Math.max(entry.payloadBytes, Math.min(most, this.segmentBytes - entry.payloadOffset));
  }

  /** Reads a chunk that begins with the payload of `entry` into `target`, which has as many bytes as `chunkBytes` says. */
  readChunk(
    entry: MutableLogEntry,
    target: Uint8Array,
    callback: (error: SynodError | null, chunk?: Chunk) => void,
  ): void {
    const { segment, payloadOffset, payloadBytes } = entry;
    this.#reading.push(segment);
    this.#medium.read(segment, payloadOffset, target, (error, count) => {
      this.#reading.splice(this.#reading.indexOf(segment), 1);
      this.#board?.count('logReads', 1);
      this.#board?.count('logReadBytes', count ?? 0);
      if (error !== null) callback(error);
      else if (count! < payloadBytes) callback(corrupt(segment, payloadOffset, 'the segment ends before it'));
      else callback(null, { segment, start: payloadOffset, end: payloadOffset + count!, bytes: target });
    });
  }

  /** Whether a read of the segment is in flight: then its file must stay. */
  isReading(segment: number): boolean {
    return this.#reading.includes(segment);
  }

  /** The medium may have decayed since the log was opened: what is read back is checked before it is served. */
  verify(chunk: Chunk, entry: MutableLogEntry): SynodError | null {
    const from = entry.payloadOffset - chunk.start;
    const checksum = this.#crc32c(chunk.bytes, from, from + entry.payloadBytes, 0);
    return checksum === entry.payloadChecksum
      ? null
      : corrupt(entry.segment, entry.payloadOffset, 'its checksum is wrong');
  }
}

function corrupt(segment: number, offset: number, what: string): SynodError {
  return new SynodError(
    'ERR_SYNOD_LOG_CORRUPT',
    `log segment ${segment}: the decree at byte ${offset} is damaged: ${what}`,
    {
      path: String(segment),
      offset,
    },
  );
}
