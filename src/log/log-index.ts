/**
 * Where the newest record of each slot is: found by slot, in typed arrays (34 bytes a slot), for millions of slots.
 */

import { requires } from '../contracts.js';
import type { RecordKind } from './format.js';

/** What is known of a slot's newest record. */
export interface LogEntry {
  readonly kind: RecordKind;
  readonly decreeKind: number;
  readonly ballot: number;
  readonly segment: number;
  /** Offset of the payload, not of the record, in the segment. */
  readonly payloadOffset: number;
  readonly payloadBytes: number;
  readonly payloadChecksum: number;
  readonly commandCount: number;
}

/** An entry to read into, again and again. */
export type MutableLogEntry = { -readonly [Field in keyof LogEntry]: LogEntry[Field] };

/** An entry of zeros to read into. */
export function makeLogEntry(): MutableLogEntry {
  return {
    kind: 1,
    decreeKind: 0,
    ballot: 0,
    segment: 0,
    payloadOffset: 0,
    payloadBytes: 0,
    payloadChecksum: 0,
    commandCount: 0,
  };
}

/** Small enough that a short log costs little memory, great enough that finding the chunk costs nothing for a long one. */
const CHUNK_SLOTS = 1024;

class Chunk {
  /** 0 where the slot has no record. */
  readonly kinds = new Uint8Array(CHUNK_SLOTS);
  readonly decreeKinds = new Uint8Array(CHUNK_SLOTS);
  readonly ballots = new Float64Array(CHUNK_SLOTS);
  readonly segments = new Float64Array(CHUNK_SLOTS);
  readonly payloadOffsets = new Uint32Array(CHUNK_SLOTS);
  readonly payloadBytes = new Uint32Array(CHUNK_SLOTS);
  readonly payloadChecksums = new Uint32Array(CHUNK_SLOTS);
  readonly commandCounts = new Uint32Array(CHUNK_SLOTS);
  /** Slots with a record. */
  used = 0;
}

/** See the head of this file. Slots are safe integers of at least 0. */
export class LogIndex {
  readonly #chunks = new Map<number, Chunk>();
  /** The chunk used last: neighbours are asked for one after another. */
  #chunk: Chunk | undefined = undefined;
  #chunkNumber = -1;
  #floor = 0;
  #size = 0;
  #lastSlot = -1;

  /** Slots with a record. */
  get size(): number {
    return this.#size;
  }

  /** Slots below this were dropped; `set` ignores them. */
  get floor(): number {
    return this.#floor;
  }

  /** The lowest slot that has a record, or -1 where there is none. */
  get firstSlot(): number {
    return this.nextSlot(this.#floor);
  }

  /** The highest slot that has a record, or -1 where there is none. */
  get lastSlot(): number {
    return this.#size === 0 ? -1 : this.#lastSlot;
  }

  has(slot: number): boolean {
    if (!(slot >= this.#floor)) return false;
    const chunk = this.#find(Math.floor(slot / CHUNK_SLOTS));
    return chunk !== undefined && chunk.kinds[slot % CHUNK_SLOTS] !== 0;
  }

  /** Fills `into` and returns true; returns false and leaves it alone where the slot has no record. */
  get(slot: number, into: MutableLogEntry): boolean {
    if (!(slot >= this.#floor)) return false;
    const chunk = this.#find(Math.floor(slot / CHUNK_SLOTS));
    if (chunk === undefined) return false;
    const at = slot % CHUNK_SLOTS;
    const kind = chunk.kinds[at]!;
    if (kind === 0) return false;
    into.kind = kind as RecordKind;
    into.decreeKind = chunk.decreeKinds[at]!;
    into.ballot = chunk.ballots[at]!;
    into.segment = chunk.segments[at]!;
    into.payloadOffset = chunk.payloadOffsets[at]!;
    into.payloadBytes = chunk.payloadBytes[at]!;
    into.payloadChecksum = chunk.payloadChecksums[at]!;
    into.commandCount = chunk.commandCounts[at]!;
    return true;
  }

  /** The kind of the slot's newest record; 0 where it has none. */
  kindOf(slot: number): RecordKind | 0 {
    if (!(slot >= this.#floor)) return 0;
    const chunk = this.#find(Math.floor(slot / CHUNK_SLOTS));
    return (chunk?.kinds[slot % CHUNK_SLOTS] ?? 0) as RecordKind | 0;
  }

  /** The ballot of the slot's newest record; -1 where it has none. */
  ballotOf(slot: number): number {
    return this.kindOf(slot) === 0 ? -1 : this.#chunk!.ballots[slot % CHUNK_SLOTS]!;
  }

  /** Puts the record in the place of the one that the slot had. Returns false, and does nothing, below the floor. */
  set(
    slot: number,
    kind: RecordKind,
    decreeKind: number,
    ballot: number,
    segment: number,
    payloadOffset: number,
    payloadBytes: number,
    payloadChecksum: number,
    commandCount: number,
  ): boolean {
    requires(Number.isSafeInteger(slot) && slot >= 0, 'index-slot-safe-integer');
    if (slot < this.#floor) return false;
    const number = Math.floor(slot / CHUNK_SLOTS);
    const chunk = this.#find(number) ?? this.#add(number);
    const at = slot % CHUNK_SLOTS;
    if (chunk.kinds[at] === 0) {
      chunk.used += 1;
      this.#size += 1;
      if (slot > this.#lastSlot) this.#lastSlot = slot;
    }
    chunk.kinds[at] = kind;
    chunk.decreeKinds[at] = decreeKind;
    chunk.ballots[at] = ballot;
    chunk.segments[at] = segment;
    chunk.payloadOffsets[at] = payloadOffset;
    chunk.payloadBytes[at] = payloadBytes;
    chunk.payloadChecksums[at] = payloadChecksum;
    chunk.commandCounts[at] = commandCount;
    return true;
  }

  /** Forgets all slots below `slot`. The floor never sinks. */
  dropBelow(slot: number): void {
    requires(Number.isSafeInteger(slot), 'index-slot-safe-integer');
    if (slot <= this.#floor) return;
    const floorChunk = Math.floor(slot / CHUNK_SLOTS);
    for (const [number, chunk] of this.#chunks) {
      if (number > floorChunk) continue;
      if (number < floorChunk) {
        this.#size -= chunk.used;
        this.#chunks.delete(number);
        continue;
      }
      const from = Math.max(0, this.#floor - number * CHUNK_SLOTS);
      for (let at = from; at < slot % CHUNK_SLOTS; at++) {
        if (chunk.kinds[at] === 0) continue;
        chunk.kinds[at] = 0;
        chunk.used -= 1;
        this.#size -= 1;
      }
    }
    this.#chunk = undefined;
    this.#chunkNumber = -1;
    this.#floor = slot;
    if (this.#size === 0) this.#lastSlot = -1;
  }

  /**
   * The first slot of [from, through] without a record, or `through + 1` where all have one. Slots below the floor
   * count as without.
   */
  nextHole(from: number, through: number): number {
    for (let slot = from; slot <= through; slot++) if (!this.has(slot)) return slot;
    return Math.max(from, through + 1);
  }

  /** The lowest slot from `from` on that has a record, or -1. Gaps cost no time, however wide they are. */
  nextSlot(from: number): number {
    for (let slot = Math.max(from, this.#floor); slot <= this.lastSlot; ) {
      const number = Math.floor(slot / CHUNK_SLOTS);
      const chunk = this.#find(number);
      if (chunk === undefined) {
        slot = this.#nextChunkSlot(slot);
        continue;
      }
      for (let at = slot % CHUNK_SLOTS; at < CHUNK_SLOTS; at++)
        if (chunk.kinds[at] !== 0) return number * CHUNK_SLOTS + at;
      slot = (number + 1) * CHUNK_SLOTS;
    }
    return -1;
  }

  #find(number: number): Chunk | undefined {
    if (number === this.#chunkNumber) return this.#chunk;
    const chunk = this.#chunks.get(number);
    if (chunk !== undefined) {
      this.#chunk = chunk;
      this.#chunkNumber = number;
    }
    return chunk;
  }

  #add(number: number): Chunk {
    const chunk = new Chunk();
    this.#chunks.set(number, chunk);
    this.#chunk = chunk;
    this.#chunkNumber = number;
    return chunk;
  }

  /** The first slot of the lowest chunk above the one that `slot` would be in; infinite where there is none. */
  #nextChunkSlot(slot: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const number of this.#chunks.keys()) {
      if (number > Math.floor(slot / CHUNK_SLOTS) && number < next) next = number;
    }
    return next * CHUNK_SLOTS;
  }
}
