/**
 * The log's writing end: lays records out in segment memory, rolls from segment to segment, makes what was written
 * durable once per turn, and knows which segment memories are still in use.
 */

import type { Crc32c } from '../checksum.js';
import { ensures, invariant, requires } from '../contracts.js';
import type { SynodError } from '../errors.js';
import { BLOCK_BYTES_MAX, RECORD_HEADER_BYTES, RecordKind, SEGMENT_HEADER_BYTES } from '../log/format.js';
import type { LogIndex } from '../log/log-index.js';
import { type ByteView, batchEnd, byteView, recordSpan, writeRecordHeader } from '../log/record.js';
import { writeSegmentHeader } from '../log/segment.js';
import type { SegmentSlots } from '../log/segment-slots.js';
import { type DecreeReference, RECORD_BYTES } from '../protocol/decree.js';
import type { LogMedium, SegmentMemory } from '../storage/log-medium.js';
import { HeapPlace, isFrame, LogPlace, TailPlace } from './places.js';
import type { StageTimes } from './stage-times.js';

/** Copies and counts what it copied. */
export type CopyBytes = (
  target: Uint8Array,
  at: number,
  source: Uint8Array,
  start: number,
  end: number,
) => void;

export interface LogWriterOptions {
  readonly medium: LogMedium;
  readonly index: LogIndex;
  readonly segmentSlots: SegmentSlots;
  readonly crc32c: Crc32c;
  readonly copy: CopyBytes;
  readonly cluster: string;
  readonly replica: string;
  readonly diskIncarnation: Uint8Array;
  readonly startNumber: number;
  readonly nextSegment: number;
  readonly nextSequence: number;
  readonly chain: number;
  readonly promised: number;
  readonly chosen: number;
  /** Two random words. */
  readonly drawNonce: () => readonly [number, number];
  readonly now: () => number;
  /** A segment came to be, or could not be made. */
  readonly onSegment: (error: SynodError | null) => void;
  /** A segment became the one that is written to. */
  readonly onMemory: (memory: SegmentMemory) => void;
  readonly times?: StageTimes;
}

interface Pending {
  readonly ticket: number;
  readonly segment: number;
  readonly sequence: number;
  readonly write: number;
}

/** Padding at the end of a batch is less than this. */
const PADDING_MAX = BLOCK_BYTES_MAX + RECORD_HEADER_BYTES;
/** Records without a payload that one turn of the protocol may append. */
const RECORDS_SPARE = 4;
/**
 * Nobody asks room for the promise of a ballot of its own. Kept for three of them, each in a batch of its own, behind all that room is asked
 * for: a replica that is promoted, or whose configuration is chosen, while the next segment is late, would have nowhere to write it.
 */
function reserveOf(blockBytes: number): number {
  return 3 * (RECORD_HEADER_BYTES + blockBytes + RECORD_HEADER_BYTES);
}

/** The most that `records` records take, with `bytes` bytes of payload in all, and what their batches are padded with. */
function roomFor(bytes: number, records: number): number {
  return bytes + records * (RECORD_HEADER_BYTES + 8) + PADDING_MAX;
}

/** The smallest segment that has room for a record with `bytes` bytes of payload. */
export function segmentBytesFor(bytes: number): number {
  const needed = SEGMENT_HEADER_BYTES + roomFor(bytes, 1) + reserveOf(BLOCK_BYTES_MAX);
  return Math.ceil(needed / BLOCK_BYTES_MAX) * BLOCK_BYTES_MAX;
}

export class LogWriter {
  /** Segment memories that may still be read from, by segment. */
  readonly resident: Map<number, SegmentMemory> = new Map();
  /** The highest promised ballot and chosen slot, for headers. */
  promised: number;
  chosen: number;
  /** What `chosen` was when the last record was written. */
  chosenRecorded: number;
  bytesLogged = 0;
  persists = 0;
  /** Where the records may begin that come behind what the application was lent of this segment; 0 where nothing is lent. */
  lentEnd = 0;

  readonly #options: LogWriterOptions;
  readonly #medium: LogMedium;
  readonly #crc32c: Crc32c;
  #memory: SegmentMemory | null = null;
  #view: ByteView | null = null;
  #nonce = 0;
  #tail = 0;
  #flushed = 0;
  #standby: SegmentMemory | null = null;
  #creating = false;
  #nextSegment: number;
  #sequence: number;
  #chain: number;
  #durable: number;
  /** Sequence of the last record that tells something: neither a mark nor a pad. */
  #tellingSequence = 0;
  /** The highest sequence that a header which was written claims to be durable. Not that of a pad: it may lie in the sector that it tells of. */
  #claimed = 0;
  #write = 0;
  #ticket = 0;
  readonly #pending: Pending[] = [];

  constructor(options: LogWriterOptions) {
    this.#options = options;
    this.#medium = options.medium;
    this.#crc32c = options.crc32c;
    this.#nextSegment = options.nextSegment;
    this.#sequence = options.nextSequence - 1;
    this.#durable = this.#sequence;
    this.#chain = options.chain;
    this.promised = options.promised;
    this.chosen = options.chosen;
    this.chosenRecorded = options.chosen;
  }

  get segment(): number {
    return this.#memory?.segment ?? -1;
  }
  get tail(): number {
    return this.#tail;
  }
  get segmentBytes(): number {
    return this.#medium.segmentBytes;
  }
  get blockBytes(): number {
    return this.#medium.blockBytes;
  }
  /** Sequence of the last record. */
  get sequence(): number {
    return this.#sequence;
  }
  /** Sequence of the last record that is known durable. */
  get durable(): number {
    return this.#durable;
  }
  get hasUnpersisted(): boolean {
    return this.#tail > this.#flushed;
  }
  /** What is on its way to the medium for longest; 0 where nothing is. Tickets only grow. */
  get oldestTicket(): number {
    return this.#pending[0]?.ticket ?? 0;
  }
  get isIdle(): boolean {
    return this.#pending.length === 0 && !this.hasUnpersisted;
  }
  get hasStandby(): boolean {
    return this.#standby !== null;
  }
  /**
   * Nothing in the log claims yet that its last record is durable, or says that what is known chosen is. What a mark says of itself needs
   * no other mark: an idle log is written to once.
   */
  get wantsMark(): boolean {
    return this.#tellingSequence > this.#claimed || this.chosenRecorded < this.chosen;
  }

  /** Has a segment made ahead, so that rolling never waits. */
  prepareStandby(): void {
    if (this.#standby !== null || this.#creating) return;
    this.#creating = true;
    this.#medium.create(this.#nextSegment, (error, memory) => {
      this.#creating = false;
      if (error === null && memory !== undefined) {
        this.#standby = memory;
        this.#nextSegment += 1;
      }
      this.#options.onSegment(error);
    });
  }

  /**
   * Whether records with `bytes` bytes of payload in all, `records` of them, can be appended without waiting. What is lent counts
   * as used: it may have to be given up, with all that the application has put there.
   */
  hasRoom(bytes: number, records = 1): boolean {
    const needed = roomFor(bytes, records) + reserveOf(this.blockBytes);
    const from = Math.max(this.#tail, this.lentEnd);
    if (this.#memory !== null && from + needed <= this.segmentBytes) return true;
    return this.#standby !== null && SEGMENT_HEADER_BYTES + needed <= this.segmentBytes;
  }

  /** So many bytes of records can be appended without waiting, in whatever pieces; some records more are allowed for. */
  get room(): number {
    const from = Math.max(this.#tail, this.lentEnd);
    const begun = this.#memory === null ? 0 : this.segmentBytes - from;
    const standby = this.#standby === null ? 0 : this.segmentBytes - SEGMENT_HEADER_BYTES;
    return Math.max(begun, standby) - roomFor(0, RECORDS_SPARE) - reserveOf(this.blockBytes);
  }

  /** The greatest payload that a record can have. Who accepts it must be able to adopt it, so it leaves of `room` what the protocol counts beside it. */
  get payloadBytesMax(): number {
    const standby = this.segmentBytes - SEGMENT_HEADER_BYTES - roomFor(0, RECORDS_SPARE);
    return standby - reserveOf(this.blockBytes) - 2 * RECORD_BYTES;
  }

  /** Whether `bytes` more fit into the segment that is written to. */
  fits(bytes: number): boolean {
    return this.#memory !== null && this.#tail + bytes + PADDING_MAX <= this.segmentBytes;
  }

  /** Ends the segment: what follows goes to the standby. */
  roll(): void {
    requires(this.#standby !== null, 'roll-needs-standby');
    if (this.#memory !== null) this.#persist();
    const memory = this.#standby;
    // Recovery takes a missing number for a lost segment, and a lower one for an older one.
    requires(memory.segment > this.segment, 'segments-are-written-in-order');
    this.#standby = null;
    const [nonceLow, nonceHigh] = this.#options.drawNonce();
    const { cluster, replica, diskIncarnation, startNumber } = this.#options;
    writeSegmentHeader(
      memory.bytes,
      {
        segment: memory.segment,
        nonceLow,
        nonceHigh,
        firstSequence: this.#sequence + 1,
        previous: this.#chain,
        durable: this.#durable,
        promised: this.promised,
        chosen: this.chosen,
        startNumber,
        segmentBytes: this.segmentBytes,
        blockBytes: this.blockBytes,
        createdAtMs: this.#options.now(),
        diskIncarnation,
        cluster,
        replica,
        configuration: new Uint8Array(0),
      },
      this.#crc32c,
    );
    this.#claimed = this.#durable;
    this.#memory = memory;
    this.#view = byteView(memory.bytes);
    this.#nonce = nonceLow;
    this.#flushed = 0;
    this.#tail = SEGMENT_HEADER_BYTES;
    this.resident.set(memory.segment, memory);
    this.#options.segmentSlots.add(memory.segment);
    this.#options.onMemory(memory);
  }

  /** An acceptance or a learned decree. Moves `decree.source` to its place in the log. */
  appendDecree(kind: 1 | 4, write: number, ballot: number, slot: number, decree: DecreeReference): void {
    const { source } = decree;
    requires(write === 0 || write >= this.#write, 'writes-in-order', () => `${write} after ${this.#write}`);
    if (!(source instanceof TailPlace)) this.#makeRoom(decree.bytes);
    const offset = this.#tail + RECORD_HEADER_BYTES;
    const { bytes } = this.#memory!;
    if (source instanceof TailPlace) {
      invariant(source.offset === offset, 'batch-lies-at-the-tail');
    } else if (source instanceof LogPlace) {
      const from = this.resident.get(source.segment);
      invariant(from !== undefined, 'open-slot-resident', () => `slot ${slot}`);
      this.#options.copy(bytes, offset, from.bytes, source.offset, source.offset + decree.bytes);
    } else if (source instanceof HeapPlace) {
      let at = offset;
      for (const part of source.parts) {
        this.#options.copy(bytes, at, part, 0, part.length);
        at += part.length;
      }
    } else if (isFrame(source)) {
      let at = offset;
      for (const piece of source.payload) {
        this.#options.copy(bytes, at, piece.bytes, piece.start, piece.end);
        at += piece.end - piece.start;
      }
    } else invariant(decree.bytes === 0, 'payload-has-a-place');
    const segment = this.#memory!.segment;
    this.#header(kind, decree.kind, ballot, slot, decree.commands, decree.bytes, decree.checksum, write);
    this.bytesLogged += decree.bytes;
    if (decree.bytes > 0) decree.source = new LogPlace(segment, offset);
    this.#options.segmentSlots.note(segment, slot);
    this.#options.index.set(
      slot,
      kind,
      decree.kind,
      ballot,
      segment,
      offset,
      decree.bytes,
      decree.checksum,
      decree.commands,
    );
  }

  /** Any other record. */
  append(kind: RecordKind, write: number, ballot: number, slot: number, payload: Uint8Array | null): void {
    const payloadBytes = payload?.length ?? 0;
    requires(write === 0 || write >= this.#write, 'writes-in-order', () => `${write} after ${this.#write}`);
    this.#makeRoom(payloadBytes);
    if (payload !== null) this.#memory!.bytes.set(payload, this.#tail + RECORD_HEADER_BYTES);
    const checksum = payload === null ? 0 : this.#crc32c(payload, 0, payloadBytes, 0);
    this.#header(kind, 0, ballot, slot, 0, payloadBytes, checksum, write);
  }

  /** A checkpoint holds all up to `slot`: what the log has of it is not asked for any more, now and after a restart. */
  appendJump(write: number, slot: number): void {
    this.append(RecordKind.jump, write, 0, slot, null);
    this.#options.index.dropBelow(slot + 1);
  }

  /** Gives up the bytes from the tail to `offset`, whatever is in them. */
  skipTo(offset: number): void {
    requires(
      offset >= this.#tail + RECORD_HEADER_BYTES && offset <= this.segmentBytes,
      'skip-within-segment',
    );
    this.#header(RecordKind.pad, 0, 0, 0, 0, offset - this.#tail - RECORD_HEADER_BYTES, 0, this.#write);
  }

  /** Pads to the end of the block, so that the next record begins one. */
  padToBlock(): void {
    if (this.#memory === null) return;
    const end = batchEnd(this.#tail, this.blockBytes);
    if (end > this.#tail) this.skipTo(end);
  }

  /** A mark is padded twice: to another sector, and to the end of its own block. */
  get hasRoomForMark(): boolean {
    return this.hasRoom(2 * BLOCK_BYTES_MAX);
  }

  /**
   * Says of all before it that it is durable. In another sector, of which a medium may have many blocks: one that decays must not take a record
   * and also its mark, or the record would be taken for torn.
   */
  appendMark(write: number): void {
    const sector = batchEnd(this.#tail, BLOCK_BYTES_MAX);
    // At the very end of a segment no pad fits: the mark begins the next one.
    if (this.#memory !== null && sector > this.#tail && sector <= this.segmentBytes) this.skipTo(sector);
    this.append(RecordKind.mark, write, 0, this.chosen, null);
  }

  /** End of turn: everything appended is on its way to the medium. */
  flush(): void {
    if (this.#memory !== null) this.#persist();
    this.#medium.flush();
  }

  /** Yields the highest write that became durable, or -1 where none did. */
  onPersisted(ticket: number): number {
    requires(ticket <= this.#ticket, 'durable-only-what-was-written');
    let write = -1;
    this.#options.times?.onWritten(ticket);
    while (this.#pending.length > 0 && this.#pending[0]!.ticket <= ticket) {
      const pending = this.#pending.shift()!;
      this.#durable = pending.sequence;
      write = pending.write;
    }
    ensures(this.#durable <= this.#sequence, 'durable-only-what-was-written');
    return write;
  }

  /** The segments whose every byte is durable, other than the one that is written to. */
  get persistedBelow(): number {
    return this.#pending[0]?.segment ?? this.segment;
  }

  release(segment: number): void {
    const memory = this.resident.get(segment);
    requires(memory !== undefined && segment !== this.segment, 'release-what-is-not-written-to');
    requires(segment < this.persistedBelow, 'release-only-what-is-durable');
    this.resident.delete(segment);
    this.#medium.release(memory);
  }

  #makeRoom(bytes: number): void {
    if (this.#memory !== null && this.#tail + recordSpan(bytes) + PADDING_MAX <= this.segmentBytes) return;
    this.roll();
  }

  #header(
    kind: RecordKind,
    decreeKind: number,
    ballot: number,
    slot: number,
    commandCount: number,
    payloadBytes: number,
    payloadChecksum: number,
    write: number,
  ): void {
    requires(this.#tail >= SEGMENT_HEADER_BYTES, 'record-behind-the-segment-header');
    requires(this.chosen >= this.chosenRecorded, 'chosen-never-lowered');
    this.#sequence += 1;
    this.#chain = writeRecordHeader(
      this.#view!,
      this.#tail,
      {
        payloadBytes,
        payloadChecksum,
        kind,
        decreeKind,
        group: 0,
        ballot,
        slot,
        sequence: this.#sequence,
        durable: this.#durable,
        chosen: this.chosen,
        commandCount,
        segmentNonce: this.#nonce,
        previous: this.#chain,
      },
      this.#crc32c,
    );
    this.chosenRecorded = this.chosen;
    if (kind !== RecordKind.pad) this.#claimed = this.#durable;
    if (kind !== RecordKind.mark && kind !== RecordKind.pad) this.#tellingSequence = this.#sequence;
    // A record that nobody waits for has write 0: the report of the one before it must not get lost.
    if (write > 0) this.#write = write;
    this.#tail += recordSpan(payloadBytes);
    invariant(this.#tail <= this.segmentBytes, 'record-within-segment');
  }

  #persist(): void {
    if (this.#tail === this.#flushed) return;
    this.padToBlock();
    ensures(this.#tail % this.blockBytes === 0, 'batch-ends-a-block');
    this.#ticket += 1;
    this.persists += 1;
    this.#pending.push({
      ticket: this.#ticket,
      segment: this.#memory!.segment,
      sequence: this.#sequence,
      write: this.#write,
    });
    this.#options.times?.onWrite(this.#ticket, this.#tail - this.#flushed);
    this.#medium.persist(this.#memory!, this.#flushed, this.#tail, this.#ticket);
    this.#flushed = this.#tail;
  }
}
