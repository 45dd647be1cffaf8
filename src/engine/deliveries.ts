/**
 * Hands chosen decrees to the application, in order, within a window of bytes. What is no longer in segment memory is
 * read back from the log: at start, and when the application lags behind.
 */

import { ensures, requires } from '../contracts.js';
import type { SynodError } from '../errors.js';
import { type Bridge, CHECKPOINT_DELIVERY } from './bridge.js';
import type { CatchUpPace } from './catch-up-pace.js';
import { ChunkPool } from './chunk-pool.js';
import type { Chunk, LogReader } from './log-reader.js';

export interface DeliveriesOptions {
  readonly bridge: Bridge;
  readonly reader: LogReader;
  /** Bytes that are handed over and not executed yet. */
  readonly windowBytes: number;
  /** The chunk's memory, for the application, before anything in it is handed over. */
  readonly onChunk: (chunk: number, buffer: SharedArrayBuffer) => void;
  readonly onChunkGone: (chunk: number) => void;
  readonly onRead: (error: SynodError | null) => void;
  /** Where what was missed is to be executed no faster than the others can bear. */
  readonly pace?: CatchUpPace;
  /** Where it is measured how long the application takes. */
  readonly now?: () => number;
}

/** Read back at once. */
const CHUNK_BYTES = 4 * 1024 * 1024;
/** The place of a decree without commands. */
const NOWHERE = Number.POSITIVE_INFINITY;

interface ReadBack extends Chunk {
  readonly id: number;
}

export class Deliveries {
  /** The next slot to hand over. */
  next = 1;

  readonly #options: DeliveriesOptions;
  /** What was handed over and not executed yet, oldest first. */
  #open: { memory: number; bytes: number }[] = [];
  #openBytes = 0;
  readonly #pool: ChunkPool;
  /** What was read back last, while there may be more in it to hand over. */
  #chunk: ReadBack | null = null;
  /** The chunk that is being read into. */
  #reading: number | null = null;
  /** Slot of a checkpoint that the application is to restore before anything else; 0 where there is none. */
  #checkpoint = 0;

  constructor(options: DeliveriesOptions) {
    this.#options = options;
    const { reader, onChunk, onChunkGone } = options;
    const chunkBytes = Math.min(CHUNK_BYTES, reader.segmentBytes);
    this.#pool = new ChunkPool({ chunkBytes, onChunk, onChunkGone });
  }

  /** What was handed over and, as far as is known, not executed yet. */
  get openBytes(): number {
    return this.#openBytes;
  }

  /** Instead of the decrees up to `slot`, their state is handed over. */
  jump(slot: number): void {
    requires(slot >= this.next, 'deliveries-jump-forward');
    this.#checkpoint = slot;
    this.next = slot + 1;
    this.#options.pace?.begin();
  }

  /** Hands over what it can, up to slot `through`; true if that is anything. */
  advance(through: number): boolean {
    this.collect();
    const { bridge, reader, windowBytes, pace } = this.#options;
    pace?.turn(this.next, through, this.#checkpoint === 0 && this.#open.length === 0);
    const before = this.#checkpoint > 0 ? 0 : this.next;
    const now = through >= this.next ? (this.#options.now?.() ?? 0) : 0;
    requires(through >= this.next - 1, 'chosen-never-lowered');
    if (this.#checkpoint > 0) {
      if (!bridge.canDeliver) return false;
      bridge.deliver(this.#checkpoint, 0, 0, 0, 0, CHECKPOINT_DELIVERY);
      this.#open.push({ memory: NOWHERE, bytes: 0 });
      this.#checkpoint = 0;
    }
    while (
      this.next <= through &&
      bridge.canDeliver &&
      (this.#openBytes < windowBytes || this.#open.length === 0) &&
      (pace === undefined || pace.mayHandOver)
    ) {
      const slot = this.next;
      const entry = reader.find(slot);
      requires(entry !== null, 'chosen-is-in-the-log', () => `slot ${slot}`);
      bridge.statistics.handingOver(slot, now);
      if (entry.payloadBytes === 0) {
        bridge.deliver(slot, 0, 0, 0, 0, entry.decreeKind);
        this.#open.push({ memory: NOWHERE, bytes: 0 });
      } else if (reader.residentBytes(entry) !== null) {
        bridge.deliver(
          slot,
          entry.segment,
          entry.payloadOffset,
          entry.payloadBytes,
          entry.commandCount,
          entry.decreeKind,
        );
        this.#open.push({ memory: entry.segment, bytes: entry.payloadBytes });
        this.#openBytes += entry.payloadBytes;
      } else {
        const chunk = this.#chunk;
        if (!reader.holds(chunk, entry)) {
          this.#readBack(slot);
          break;
        }
        const damaged = reader.verify(chunk, entry);
        if (damaged !== null) {
          this.#options.onRead(damaged);
          break;
        }
        const id = (chunk as ReadBack).id;
        bridge.deliver(
          slot,
          -1 - id,
          entry.payloadOffset - chunk.start,
          entry.payloadBytes,
          entry.commandCount,
          entry.decreeKind,
        );
        this.#open.push({ memory: -1 - id, bytes: entry.payloadBytes });
        this.#openBytes += entry.payloadBytes;
      }
      pace?.onHandedOver(entry.payloadBytes);
      this.next += 1;
    }
    if (this.next > through) this.#chunk = null;
    else if (this.#reading === null) bridge.setDeliveryBlocked();
    return this.next > before;
  }

  /** Notes what was executed since. */
  collect(): void {
    const done = this.#open.length - this.#options.bridge.deliveriesOpen;
    if (done <= 0) return;
    for (let index = 0; index < done; index += 1) this.#openBytes -= this.#open[index]!.bytes;
    this.#open.splice(0, done);
    ensures(this.#openBytes >= 0, 'delivered-bytes-add-up');
    this.#keepChunks();
  }

  /** Adds the segments that something handed over and not executed lies in. */
  addSegments(used: Set<number>): void {
    for (const { memory } of this.#open) if (memory >= 0 && memory !== NOWHERE) used.add(memory);
  }

  #readBack(slot: number): void {
    if (this.#reading !== null) return;
    const { reader, onRead } = this.#options;
    const entry = reader.find(slot)!;
    const wanted = reader.chunkBytes(entry, CHUNK_BYTES);
    const { id, buffer } = this.#pool.take(wanted);
    this.#chunk = null;
    this.#reading = id;
    reader.readChunk(entry, new Uint8Array(buffer, 0, wanted), (error, chunk) => {
      this.#reading = null;
      if (error === null) this.#chunk = { ...chunk!, id };
      onRead(error);
    });
  }

  /** What was handed over out of a chunk is read there until it is executed: then, and no sooner, it may be written over. */
  #keepChunks(): void {
    if (this.#pool.isEmpty) return;
    const used = new Set<number>();
    for (const { memory } of this.#open) if (memory < 0) used.add(-1 - memory);
    if (this.#chunk !== null) used.add(this.#chunk.id);
    if (this.#reading !== null) used.add(this.#reading);
    this.#pool.keep(used);
  }
}
