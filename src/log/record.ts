/**
 * Record headers: their bytes, and what reading a position may find there. Nothing here allocates per record.
 *
 * A header is stored once, when it is final: on persistent memory a store may become durable at any time, so a
 * header that was put down early and changed later could come back from the dead, with a right checksum.
 */

import type { Crc32c } from '../checksum.js';
import { requires } from '../contracts.js';
import {
  FORMAT_VERSION,
  RECORD_ALIGNMENT,
  RECORD_HEADER_BYTES,
  RECORD_MAGIC,
  RecordField,
  RecordKind,
} from './format.js';

/** The same bytes seen twice, so that neither view is made per record. */
export interface ByteView {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** Both views of `bytes`. */
export function byteView(bytes: Uint8Array): ByteView {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
}

/** The fields of a record, `RecordField` has their meaning. 64-bit fields are safe integers, the rest unsigned. */
export interface RecordHeader {
  readonly payloadBytes: number;
  readonly payloadChecksum: number;
  readonly kind: RecordKind;
  readonly decreeKind: number;
  readonly group: number;
  readonly ballot: number;
  readonly slot: number;
  readonly sequence: number;
  readonly durable: number;
  readonly chosen: number;
  readonly commandCount: number;
  readonly segmentNonce: number;
  readonly previous: number;
}

/** A header to read into, again and again. */
export type MutableRecordHeader = { -readonly [Field in keyof RecordHeader]: RecordHeader[Field] } & {
  /** The link that the next record repeats as `previous`. */
  headerChecksum: number;
};

/** A header of zeros to read into. */
export function makeRecordHeader(): MutableRecordHeader {
  return {
    payloadBytes: 0,
    payloadChecksum: 0,
    kind: RecordKind.pad,
    decreeKind: 0,
    group: 0,
    ballot: 0,
    slot: 0,
    sequence: 0,
    durable: 0,
    chosen: 0,
    commandCount: 0,
    segmentNonce: 0,
    previous: 0,
    headerChecksum: 0,
  };
}

/** What a position was found to hold. Only for `valid` are all fields of the target filled. */
export type RecordReading =
  /** A header, intact and understood. Whether it belongs here is another question. */
  | 'valid'
  /** Zeros, as long as a header. */
  | 'empty'
  /** Less than a header up to the end of the bytes. */
  | 'no-room'
  /** No magic number. */
  | 'not-a-record'
  | 'bad-header-checksum'
  /** Intact, but of a version, kind or group that this code does not know. Nonce and sequence are filled. */
  | 'unsupported'
  /** Intact, but with values that no writer of this version writes. Nonce and sequence are filled. */
  | 'malformed';

/** Bytes from a record's beginning to the beginning of the next. */
export function recordSpan(payloadBytes: number): number {
  return RECORD_HEADER_BYTES + Math.ceil(payloadBytes / RECORD_ALIGNMENT) * RECORD_ALIGNMENT;
}

/**
 * Where the batch whose records end at `offset` must end: at a block boundary, leaving either nothing or room for a
 * pad record's header. The pad's `payloadBytes` is the result less `offset` less the header.
 */
export function batchEnd(offset: number, blockBytes: number): number {
  const end = Math.ceil(offset / blockBytes) * blockBytes;
  if (end === offset || end - offset >= RECORD_HEADER_BYTES) return end;
  return Math.ceil((offset + RECORD_HEADER_BYTES) / blockBytes) * blockBytes;
}

const WORD = 4_294_967_296;
/** High words above this make more than 2^53 - 1. */
const HIGH_WORD_MAX = 0x1f_ffff;
const RECORD_KIND_MIN = 1;
const RECORD_KIND_MAX = 9;

/** Writes a 64-bit field. `value` must be a safe integer of at least 0. */
export function writeUint64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / WORD), true);
}

/** Reads a 64-bit field; -1 where it is more than 2^53 - 1. */
export function readUint64(view: DataView, at: number): number {
  const high = view.getUint32(at + 4, true);
  return high > HIGH_WORD_MAX ? -1 : high * WORD + view.getUint32(at, true);
}

function isUint32(value: number): boolean {
  return value >>> 0 === value;
}

function isUint64(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/**
 * Stores a header at `at`, which must be a multiple of `RECORD_ALIGNMENT`, and returns its checksum, the next record's
 * `previous`. The payload belongs right behind it and is the caller's.
 */
export function writeRecordHeader(
  target: ByteView,
  at: number,
  header: RecordHeader,
  crc32c: Crc32c,
): number {
  const { bytes, view } = target;
  requires(at % RECORD_ALIGNMENT === 0, 'record-aligned');
  requires(
    isUint64(header.ballot) && isUint64(header.slot) && isUint64(header.chosen) && isUint64(header.durable),
    'record-field-safe-integer',
  );
  requires(isUint64(header.sequence) && header.sequence >= 1, 'record-sequence-positive');
  requires(header.durable < header.sequence, 'record-not-durable-before-written');
  requires(
    isUint32(header.payloadBytes) &&
      isUint32(header.payloadChecksum) &&
      isUint32(header.commandCount) &&
      isUint32(header.segmentNonce) &&
      isUint32(header.previous),
    'record-field-32-bits',
  );
  requires(header.kind >= RECORD_KIND_MIN && header.kind <= RECORD_KIND_MAX, 'record-kind-known');
  requires((header.decreeKind & 255) === header.decreeKind, 'record-decree-kind-8-bits');
  requires(header.group === 0, 'record-group-zero');
  requires(header.kind !== RecordKind.pad || header.payloadChecksum === 0, 'record-pad-without-checksum');

  view.setUint32(at + RecordField.magic, RECORD_MAGIC, true);
  view.setUint32(at + RecordField.payloadBytes, header.payloadBytes, true);
  view.setUint32(at + RecordField.payloadChecksum, header.payloadChecksum, true);
  view.setUint8(at + RecordField.version, FORMAT_VERSION);
  view.setUint8(at + RecordField.kind, header.kind);
  view.setUint8(at + RecordField.decreeKind, header.decreeKind);
  view.setUint8(at + RecordField.reserved, 0);
  view.setUint32(at + RecordField.group, header.group, true);
  writeUint64(view, at + RecordField.ballot, header.ballot);
  writeUint64(view, at + RecordField.slot, header.slot);
  writeUint64(view, at + RecordField.sequence, header.sequence);
  writeUint64(view, at + RecordField.durable, header.durable);
  writeUint64(view, at + RecordField.chosen, header.chosen);
  view.setUint32(at + RecordField.commandCount, header.commandCount, true);
  view.setUint32(at + RecordField.segmentNonce, header.segmentNonce, true);
  view.setUint32(at + RecordField.previous, header.previous, true);
  view.setUint32(at + RecordField.reserved2, 0, true);
  const checksum = crc32c(bytes, at + RecordField.payloadBytes, at + RECORD_HEADER_BYTES, 0);
  view.setUint32(at + RecordField.headerChecksum, checksum, true);
  return checksum;
}

/** Reads the header at `at` into `into` and says what was found. Looks at the header alone, not at the payload. */
export function readRecordHeader(
  source: ByteView,
  at: number,
  into: MutableRecordHeader,
  crc32c: Crc32c,
): RecordReading {
  const { bytes, view } = source;
  if (at + RECORD_HEADER_BYTES > bytes.length) return 'no-room';
  const magic = view.getUint32(at + RecordField.magic, true);
  if (magic !== RECORD_MAGIC) return magic === 0 && isBlank(view, at) ? 'empty' : 'not-a-record';
  const checksum = view.getUint32(at + RecordField.headerChecksum, true);
  if (crc32c(bytes, at + RecordField.payloadBytes, at + RECORD_HEADER_BYTES, 0) !== checksum) {
    return 'bad-header-checksum';
  }
  into.headerChecksum = checksum;
  into.segmentNonce = view.getUint32(at + RecordField.segmentNonce, true);
  into.sequence = readUint64(view, at + RecordField.sequence);
  const kind = view.getUint8(at + RecordField.kind);
  into.group = view.getUint32(at + RecordField.group, true);
  if (
    view.getUint8(at + RecordField.version) !== FORMAT_VERSION ||
    kind < RECORD_KIND_MIN ||
    kind > RECORD_KIND_MAX ||
    into.group !== 0
  ) {
    return 'unsupported';
  }
  into.kind = kind as RecordKind;
  into.payloadBytes = view.getUint32(at + RecordField.payloadBytes, true);
  into.payloadChecksum = view.getUint32(at + RecordField.payloadChecksum, true);
  into.decreeKind = view.getUint8(at + RecordField.decreeKind);
  into.ballot = readUint64(view, at + RecordField.ballot);
  into.slot = readUint64(view, at + RecordField.slot);
  into.durable = readUint64(view, at + RecordField.durable);
  into.chosen = readUint64(view, at + RecordField.chosen);
  into.commandCount = view.getUint32(at + RecordField.commandCount, true);
  into.previous = view.getUint32(at + RecordField.previous, true);
  if (
    into.ballot < 0 ||
    into.slot < 0 ||
    into.chosen < 0 ||
    into.durable < 0 ||
    into.sequence < 1 ||
    into.durable >= into.sequence ||
    view.getUint8(at + RecordField.reserved) !== 0 ||
    view.getUint32(at + RecordField.reserved2, true) !== 0 ||
    (kind === RecordKind.pad && into.payloadChecksum !== 0)
  ) {
    return 'malformed';
  }
  return 'valid';
}

function isBlank(view: DataView, at: number): boolean {
  for (let offset = 0; offset < RECORD_HEADER_BYTES; offset += 4) {
    if (view.getUint32(at + offset, true) !== 0) return false;
  }
  return true;
}
