/**
 * Writes commands into batches for the engine: on a primary straight into the log's memory, else into an outbox.
 * `engine/bridge.ts` has the rules of the game.
 */

import { invariant } from '../contracts.js';
import { BLOCK_COUNT, BlockState, type Bridge, GROUP_HEADER_BYTES } from '../engine/bridge.js';
import { RECORD_HEADER_BYTES } from '../log/format.js';
import { batchEnd, recordSpan } from '../log/record.js';
import { type Memory, memoryOf } from './memory-map.js';

export interface CommandWriterOptions {
  readonly bridge: Bridge;
  readonly blockBytes: number;
  /** A batch that has this many bytes is ended, and the next one begun. */
  readonly batchBytesTarget: number;
  readonly batchCommandsMax: number;
  /** Memory for commands that cannot be written into the log at once is taken in pieces of this size, or greater. */
  readonly chunkBytes: number;
  readonly memory: (segment: number) => Memory;
  /** The engine is told of a chunk of the outbox before anything in it is. */
  readonly onChunk: (chunk: number, buffer: SharedArrayBuffer) => void;
  readonly wakeEngine: () => void;
  /** A burst of commands began: `end` is to be called once the application's present piece of work is done. */
  readonly onBurst: (end: () => void) => void;
  /** The engine's clock, where it is measured how long commands wait for the engine. */
  readonly now?: () => number;
}

interface Batch {
  readonly index: number;
  /** A segment, or `-1 - chunk`. */
  memory: number;
  target: Memory;
  /** Where the commands begin. */
  start: number;
  cursor: number;
  limit: number;
  readonly first: number;
  count: number;
  /** Of `GroupFlag`: then it holds one command. */
  flags: number;
}

interface Chunk {
  readonly id: number;
  readonly memory: Memory;
  /** Sequence number of the last command in it. */
  last: number;
}

const LENGTH_BYTES = 4;

export class CommandWriter {
  readonly #options: CommandWriterOptions;
  readonly #bridge: Bridge;
  #batch: Batch | null = null;
  #inBurst = false;
  #nextIndex = 0;
  #nextSequence = 1;
  /** The grant that `#grantedEnd` belongs to. */
  #epoch = 0;
  #segment = 0;
  #limit = 0;
  /** Where the next batch in granted memory begins. */
  #grantedEnd = 0;
  #chunks: Chunk[] = [];
  #chunk: Chunk | null = null;
  #chunkEnd = 0;
  #chunkCount = 0;
  readonly #endBurst = (): void => this.#finishBurst();

  constructor(options: CommandWriterOptions) {
    this.#options = options;
    this.#bridge = options.bridge;
  }

  /**
   * Copies `command`; yields its sequence number, or 0 where the ring of batches is full. A command with flags (`GroupFlag`)
   * gets a batch of its own: what comes behind it goes into the next one, also if that is in the same burst.
   */
  write(command: Uint8Array, flags = 0): number {
    const needed = LENGTH_BYTES + command.length;
    if (!this.#inBurst) this.#beginBurst();
    if (flags !== 0) this.#endBatch();
    const batch = this.#batchFor(needed);
    if (batch === null) return 0;
    const { cursor, target } = batch;
    target.view.setUint32(cursor, command.length, true);
    target.bytes.set(command, cursor + LENGTH_BYTES);
    batch.cursor = cursor + needed;
    batch.count += 1;
    batch.flags = flags;
    if (flags !== 0) this.#endBatch();
    this.#bridge.bytesCopied += command.length;
    const sequence = this.#nextSequence;
    this.#nextSequence = sequence + 1;
    return sequence;
  }

  /** The sequence number that the next command gets. */
  get nextSequence(): number {
    return this.#nextSequence;
  }

  /** Whether commands of `bytes` bytes in all can be written now, as far as can be told: none is refused half way. */
  hasRoom(bytes: number, count: number): boolean {
    const needed = this.#blocksOf(bytes, count);
    for (let index = 0; index <= needed; index += 1) {
      if (this.#bridge.blockState(this.#nextIndex + index) !== BlockState.free) return false;
    }
    return true;
  }

  /** Whether there is ever room for commands of `bytes` bytes in all. */
  canHold(bytes: number, count: number): boolean {
    return this.#blocksOf(bytes, count) < BLOCK_COUNT / 2;
  }

  /** Two batches in a row hold more than one's target, or one would have held both; and some room for revocations. */
  #blocksOf(bytes: number, count: number): number {
    const { batchBytesTarget, batchCommandsMax } = this.#options;
    const perTarget = Math.ceil((bytes + count * LENGTH_BYTES) / batchBytesTarget);
    return 2 * perTarget + Math.ceil(count / batchCommandsMax) + 4;
  }

  /**
   * Copies commands that lie in `source` one after another, each behind its length, up to `end`. Yields how many it
   * wrote: less than `count` where the ring of batches is full.
   */
  writePacked(source: Uint8Array, view: DataView, end: number, count: number): number {
    let at = 0;
    let left = count;
    while (left > 0) {
      if (!this.#inBurst) this.#beginBurst();
      const batch = this.#batchFor(LENGTH_BYTES + view.getUint32(at, true));
      if (batch === null) break;
      const room = batch.limit - batch.cursor;
      const countMax = Math.min(left, this.#options.batchCommandsMax - batch.count);
      let taken = countMax;
      let next = end;
      if (end - at > room || countMax < left) {
        next = at;
        for (taken = 0; taken < countMax; taken += 1) {
          const behind = next + LENGTH_BYTES + view.getUint32(next, true);
          if (behind - at > room) break;
          next = behind;
        }
      }
      const whole = at === 0 && next === source.length;
      batch.target.bytes.set(whole ? source : source.subarray(at, next), batch.cursor);
      batch.cursor += next - at;
      batch.count += taken;
      this.#bridge.bytesCopied += next - at - taken * LENGTH_BYTES;
      this.#nextSequence += taken;
      left -= taken;
      at = next;
    }
    return count - left;
  }

  /** The present batch if it has room for `needed` bytes more, else the next one; null where there is none. */
  #batchFor(needed: number): Batch | null {
    const batch = this.#batch;
    if (batch !== null) {
      if (batch.cursor + needed <= batch.limit && batch.count < this.#options.batchCommandsMax) return batch;
      this.#endBatch();
    }
    return this.#beginBatch(needed);
  }

  /** What is written from here on goes into another batch. */
  #endBatch(): void {
    if (this.#batch !== null) this.#finishBatch();
    this.#batch = null;
  }

  #beginBurst(): void {
    this.#inBurst = true;
    this.#options.onBurst(this.#endBurst);
    const batch = this.#batch;
    // Taken by the engine since, or taken back: a new one.
    if (batch !== null && !(this.#hasSpare && this.#claim(batch.index, BlockState.ready))) this.#batch = null;
  }

  #finishBurst(): void {
    this.#inBurst = false;
    if (this.#batch !== null) this.#finishBatch();
    if (this.#bridge.takeEngineAsleep()) this.#options.wakeEngine();
  }

  #beginBatch(needed: number): Batch | null {
    const bridge = this.#bridge;
    const index = this.#nextIndex;
    // First the block, then the grant: see the head of bridge.ts for what breaks the other way round.
    if (bridge.blockState(index + 1) !== BlockState.free || !this.#claim(index, BlockState.free)) return null;
    this.#nextIndex = index + 1;
    bridge.stampBlock(index, this.#options.now?.() ?? 0);
    let batch = this.#placeInGrant(index, needed);
    // The block may have been revoked, and the memory granted anew, before the grant was read: then nobody knows that
    // this batch lies there.
    if (batch === null || bridge.blockState(index) !== BlockState.writing)
      batch = this.#placeInOutbox(index, needed);
    this.#batch = batch;
    return batch;
  }

  #claim(index: number, from: number): boolean {
    return this.#bridge.changeBlockState(index, from, BlockState.writing);
  }

  /** A block for the batch to move to, should the engine take back the memory that it lies in. */
  get #hasSpare(): boolean {
    return this.#bridge.blockState(this.#nextIndex) === BlockState.free;
  }

  #placeInGrant(index: number, needed: number): Batch | null {
    const bridge = this.#bridge;
    const epoch = bridge.grantEpoch;
    if (epoch === 0) return null;
    if (epoch !== this.#epoch) {
      this.#epoch = epoch;
      this.#segment = bridge.grantSegment;
      this.#grantedEnd = bridge.grantStart;
    }
    // It may be extended meanwhile. If it is that of a later grant by now, this batch's block was revoked.
    this.#limit = bridge.grantLimit;
    const start = this.#grantedEnd + RECORD_HEADER_BYTES + GROUP_HEADER_BYTES;
    if (start + needed > this.#limit) return null;
    const limit = Math.min(this.#limit, start + Math.max(this.#options.batchBytesTarget, needed));
    return {
      index,
      memory: this.#segment,
      target: this.#options.memory(this.#segment),
      start,
      cursor: start,
      limit,
      first: this.#nextSequence,
      count: 0,
      flags: 0,
    };
  }

  #placeInOutbox(index: number, needed: number): Batch {
    const bytes = Math.max(this.#options.batchBytesTarget, needed);
    let chunk = this.#chunk;
    if (chunk === null || this.#chunkEnd + bytes > chunk.memory.bytes.length) {
      chunk = this.#takeChunk(bytes);
      this.#chunk = chunk;
      this.#chunkEnd = 0;
    }
    return {
      index,
      memory: -1 - chunk.id,
      target: chunk.memory,
      start: this.#chunkEnd,
      cursor: this.#chunkEnd,
      limit: this.#chunkEnd + bytes,
      first: this.#nextSequence,
      count: 0,
      flags: 0,
    };
  }

  /** A chunk that the engine no longer needs, or a new one. Their bytes are bounded by what may be outstanding. */
  #takeChunk(bytes: number): Chunk {
    const { released } = this.#bridge;
    const used = this.#chunks.find(
      (chunk) => chunk !== this.#chunk && chunk.last <= released && chunk.memory.bytes.length >= bytes,
    );
    if (used !== undefined) return used;
    // Of few sizes: of commands that grow little by little each would find the chunks before it too small, and those stay for good.
    const { chunkBytes } = this.#options;
    const buffer = new SharedArrayBuffer(
      chunkBytes * 2 ** Math.ceil(Math.log2(Math.max(1, bytes / chunkBytes))),
    );
    const chunk: Chunk = { id: this.#chunkCount, memory: memoryOf(new Uint8Array(buffer)), last: 0 };
    this.#chunkCount += 1;
    this.#chunks.push(chunk);
    this.#options.onChunk(chunk.id, buffer);
    return chunk;
  }

  #finishBatch(): void {
    const batch = this.#batch!;
    const bridge = this.#bridge;
    const { index, memory, start, cursor, count, first, flags } = batch;
    bridge.writeBlock(index, memory, start, cursor - start, count, first, flags);
    this.#noteEnd(batch);
    if (bridge.changeBlockState(index, BlockState.writing, BlockState.ready)) return;
    // The engine took the memory back in the middle of the burst. The bytes are still there: they go to the outbox.
    invariant(bridge.blockState(index) === BlockState.revoked, 'burst-ended-or-revoked');
    const again = this.#nextIndex;
    invariant(this.#hasSpare, 'block-for-a-revoked-batch');
    this.#nextIndex = again + 1;
    bridge.stampBlock(again, this.#options.now?.() ?? 0);
    const moved = this.#placeInOutbox(again, cursor - start);
    moved.target.bytes.set(batch.target.bytes.subarray(start, cursor), moved.start);
    // From here on the engine may give the segment's memory away.
    bridge.setBlockState(index, BlockState.free);
    bridge.bytesCopied += cursor - start;
    const place: Batch = { ...moved, first, count, flags, cursor: moved.start + cursor - start };
    this.#noteEnd(place);
    bridge.writeBlock(again, place.memory, place.start, cursor - start, count, first, flags);
    // Not by way of `writing`, or it could be revoked like the one before it.
    bridge.setBlockState(again, BlockState.ready);
    this.#batch = place;
  }

  #noteEnd({ memory, start, cursor, first, count }: Batch): void {
    if (memory < 0) {
      this.#chunkEnd = cursor;
      this.#chunk!.last = first + count - 1;
    } else if (memory === this.#segment) {
      const record = start - GROUP_HEADER_BYTES - RECORD_HEADER_BYTES;
      this.#grantedEnd = batchEnd(
        record + recordSpan(GROUP_HEADER_BYTES + cursor - start),
        this.#options.blockBytes,
      );
    }
  }
}
