/**
 * Reads one segment from its first record to the first position that does not hold the record that must come next, and
 * notes what stands there and what the rest of the segment says about it. What it means is `recovery-table.ts`'s
 * business.
 */

import type { Crc32c } from '../checksum.js';
import { requires } from '../contracts.js';
import {
  RECORD_ALIGNMENT,
  RECORD_HEADER_BYTES,
  RECORD_MAGIC,
  RecordKind,
  SEGMENT_HEADER_BYTES,
} from './format.js';
import {
  type ByteView,
  byteView,
  type MutableRecordHeader,
  makeRecordHeader,
  readRecordHeader,
  recordSpan,
} from './record.js';
import type { SegmentHeader } from './segment.js';

/** Why a position does not hold the record that was expected there. */
export type MissingReason =
  /** Zeros. */
  | 'blank'
  /** A record of an older segment that lay in the same space: another nonce. */
  | 'stale-record'
  /** Less than a header is left of the segment. */
  | 'no-room'
  | 'not-a-record'
  | 'bad-header-checksum'
  | 'bad-payload-checksum'
  /** The payload goes on behind the end of the file, though not of the segment. */
  | 'cut-off'
  /** The payload goes on behind the end of the segment. */
  | 'out-of-bounds'
  /** Intact and of this segment, but not the next one. */
  | 'wrong-sequence'
  | 'wrong-chain'
  | 'unsupported-record'
  | 'malformed-record';

/** What intact records behind a position say was durable when they were written. */
export interface DurabilityClaims {
  /** How many intact records there are. */
  readonly count: number;
  /** The highest `durable` among them; 0 where there are none. */
  readonly durableMax: number;
  /** Where the record that says so begins; -1 where there are none. */
  readonly offset: number;
}

export type SegmentEnd =
  /** All records up to `untilSequence` are here. */
  | { readonly kind: 'complete' }
  | { readonly kind: 'missing'; readonly reason: MissingReason; readonly claims: DurabilityClaims };

/**
 * The records of one segment, a column per field; entry `i` has sequence `header.firstSequence + i`. The arrays are longer
 * than `count`. Pad records are in it, so that sequences count up.
 */
export class RecordColumns {
  count = 0;
  /** Offset of the record's header in the segment; the payload is `RECORD_HEADER_BYTES` further. */
  offsets: Uint32Array = new Uint32Array(0);
  kinds: Uint8Array = new Uint8Array(0);
  decreeKinds: Uint8Array = new Uint8Array(0);
  ballots: Float64Array = new Float64Array(0);
  slots: Float64Array = new Float64Array(0);
  chosen: Float64Array = new Float64Array(0);
  payloadBytes: Uint32Array = new Uint32Array(0);
  payloadChecksums: Uint32Array = new Uint32Array(0);
  commandCounts: Uint32Array = new Uint32Array(0);

  clear(): void {
    this.count = 0;
  }

  push(offset: number, header: MutableRecordHeader): void {
    const at = this.count;
    if (at === this.offsets.length) this.#grow(Math.max(128, at * 2));
    this.offsets[at] = offset;
    this.kinds[at] = header.kind;
    this.decreeKinds[at] = header.decreeKind;
    this.ballots[at] = header.ballot;
    this.slots[at] = header.slot;
    this.chosen[at] = header.chosen;
    this.payloadBytes[at] = header.payloadBytes;
    this.payloadChecksums[at] = header.payloadChecksum;
    this.commandCounts[at] = header.commandCount;
    this.count = at + 1;
  }

  #grow(capacity: number): void {
    const grow = <Column extends Uint8Array | Uint32Array | Float64Array>(
      from: Column,
      to: Column,
    ): Column => {
      to.set(from);
      return to;
    };
    this.offsets = grow(this.offsets, new Uint32Array(capacity));
    this.kinds = grow(this.kinds, new Uint8Array(capacity));
    this.decreeKinds = grow(this.decreeKinds, new Uint8Array(capacity));
    this.ballots = grow(this.ballots, new Float64Array(capacity));
    this.slots = grow(this.slots, new Float64Array(capacity));
    this.chosen = grow(this.chosen, new Float64Array(capacity));
    this.payloadBytes = grow(this.payloadBytes, new Uint32Array(capacity));
    this.payloadChecksums = grow(this.payloadChecksums, new Uint32Array(capacity));
    this.commandCounts = grow(this.commandCounts, new Uint32Array(capacity));
  }
}

export interface ScanExpectations {
  /** The segment's own header, read before. */
  readonly header: SegmentHeader;
  /** The next segment's `firstSequence`: records from it on are void here. Infinity for the newest segment. */
  readonly untilSequence: number;
  readonly crc32c: Crc32c;
  /** Filled and handed back in the result; without it new columns are made. */
  readonly columns?: RecordColumns;
}

export interface SegmentScan {
  readonly header: SegmentHeader;
  readonly records: RecordColumns;
  /** One more than the sequence of the last record found. */
  readonly nextSequence: number;
  /** `headerChecksum` of the last record found. */
  readonly chain: number;
  /** Where the last record found ends, and the next should begin. */
  readonly endOffset: number;
  /** The highest sequence that a record found here says was durable; 0 where there is none. */
  readonly durable: number;
  readonly end: SegmentEnd;
}

/** Scans a segment, given whole: `bytes[0]` is the first byte of its header page. `bytes` may be shorter than the segment. */
export function scanSegment(bytes: Uint8Array, expectations: ScanExpectations): SegmentScan {
  const { header, untilSequence, crc32c } = expectations;
  requires(header.firstSequence <= untilSequence, 'scan-begins-before-end');
  const records = expectations.columns ?? new RecordColumns();
  records.clear();
  const limit = Math.min(bytes.length, header.segmentBytes);
  const source = byteView(bytes.subarray(0, limit));
  const record = makeRecordHeader();
  let at = SEGMENT_HEADER_BYTES;
  let sequence = header.firstSequence;
  let chain = header.previous;
  let durable = 0;
  let reason: MissingReason | null = null;
  while (sequence !== untilSequence) {
    reason = readExpected(source, at, record, header, sequence, chain, crc32c);
    if (reason !== null) break;
    records.push(at, record);
    if (record.durable > durable) durable = record.durable;
    at += recordSpan(record.payloadBytes);
    sequence += 1;
    chain = record.headerChecksum;
  }
  return {
    header,
    records,
    nextSequence: sequence,
    chain,
    endOffset: at,
    durable,
    end:
      reason === null
        ? { kind: 'complete' }
        : { kind: 'missing', reason, claims: findClaims(source.bytes, at, header.nonceLow, crc32c) },
  };
}

/** Null where the expected record is at `at`, whole; else why it is not. */
function readExpected(
  source: ByteView,
  at: number,
  record: MutableRecordHeader,
  header: SegmentHeader,
  sequence: number,
  chain: number,
  crc32c: Crc32c,
): MissingReason | null {
  const reading = readRecordHeader(source, at, record, crc32c);
  switch (reading) {
    case 'empty':
      return 'blank';
    case 'no-room':
    case 'not-a-record':
    case 'bad-header-checksum':
      return reading;
    default:
  }
  if (record.segmentNonce !== header.nonceLow) return 'stale-record';
  if (reading === 'unsupported') return 'unsupported-record';
  if (reading === 'malformed') return 'malformed-record';
  if (record.sequence !== sequence) return 'wrong-sequence';
  if (record.previous !== chain) return 'wrong-chain';
  const payloadAt = at + RECORD_HEADER_BYTES;
  const payloadEnd = payloadAt + record.payloadBytes;
  if (payloadEnd > header.segmentBytes) return 'out-of-bounds';
  if (payloadEnd > source.bytes.length) return 'cut-off';
  // A pad may cover anything that was given up: its content has no checksum.
  if (
    record.kind !== RecordKind.pad &&
    crc32c(source.bytes, payloadAt, payloadEnd, 0) !== record.payloadChecksum
  ) {
    return 'bad-payload-checksum';
  }
  return null;
}

/**
 * Looks for intact record headers from `from` on, at every position where a record can begin: behind damage nothing tells
 * where the next one is, and only some begin at block boundaries. `nonce` null takes those of any segment.
 */
export function findClaims(
  bytes: Uint8Array,
  from: number,
  nonce: number | null,
  crc32c: Crc32c,
): DurabilityClaims {
  const source = byteView(bytes);
  const record = makeRecordHeader();
  const last = bytes.length - RECORD_HEADER_BYTES;
  const begin = Math.ceil(from / RECORD_ALIGNMENT) * RECORD_ALIGNMENT;
  let count = 0;
  let durableMax = 0;
  let offset = -1;
  for (let at = begin; at <= last; at += RECORD_ALIGNMENT) {
    if (source.view.getUint32(at, true) !== RECORD_MAGIC) continue;
    if (readRecordHeader(source, at, record, crc32c) !== 'valid') continue;
    if (nonce !== null && record.segmentNonce !== nonce) continue;
    if (count === 0 || record.durable > durableMax) {
      durableMax = record.durable;
      offset = at;
    }
    count += 1;
  }
  return { count, durableMax, offset };
}
