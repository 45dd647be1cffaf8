/**
 * The segment header: who the log belongs to, where in the log the segment begins, and what was known by then, so that
 * the segments before it can be dropped one day.
 */

import type { Crc32c } from '../checksum.js';
import { requires } from '../contracts.js';
import { CONFIGURATION_BYTES_MAX } from '../limits.js';
import {
  BLOCK_BYTES_MAX,
  BLOCK_BYTES_MIN,
  DISK_INCARNATION_BYTES,
  FORMAT_VERSION,
  IDENTIFIER_BYTES_MAX,
  SEGMENT_BYTES_MAX,
  SEGMENT_HEADER_BYTES,
  SEGMENT_MAGIC_HIGH,
  SEGMENT_MAGIC_LOW,
  SegmentField,
} from './format.js';
import { readIdentifier } from './identifier.js';
import { byteView, readUint64, writeUint64 } from './record.js';

/** The fields of a segment header; `SegmentField` has their places. Numbers are safe integers of at least 0. */
export interface SegmentHeader {
  readonly segment: number;
  /** Eight random bytes as two words. Never used before by this replica. */
  readonly nonceLow: number;
  readonly nonceHigh: number;
  /** Sequence of the first record here. What the segment before holds from this sequence on is void, for ever. */
  readonly firstSequence: number;
  /** `headerChecksum` of the record before the first; 0 for the first of the log. */
  readonly previous: number;
  /**
   * The highest sequence known durable when this was written. A segment begun at an open says `firstSequence - 1`: recovery
   * made that so. One begun because the last was full may say less.
   */
  readonly durable: number;
  /** Ballot promised, explicitly or by an acceptance, by the records before. */
  readonly promised: number;
  /** All slots up to this were known chosen. */
  readonly chosen: number;
  /** The newest start number in the records before. */
  readonly startNumber: number;
  readonly segmentBytes: number;
  readonly blockBytes: number;
  /** Milliseconds since 1970. For people: nothing is decided by it. */
  readonly createdAtMs: number;
  /** Sixteen bytes that change when the replica begins on an empty disk. */
  readonly diskIncarnation: Uint8Array;
  /** 1 to 63 bytes of UTF-8 each. */
  readonly cluster: string;
  readonly replica: string;
  /** The configuration in force, as the protocol encodes it; at most 2048 bytes, empty where there was none yet. */
  readonly configuration: Uint8Array;
}

export type SegmentHeaderReading =
  | { readonly kind: 'valid'; readonly header: SegmentHeader }
  /** All zeros: created, never written. */
  | { readonly kind: 'blank' }
  /** Written in part, or damaged: magic number or checksum is wrong, or the page is not all there. */
  | { readonly kind: 'damaged' }
  /** Intact, of a version that this code does not know. */
  | { readonly kind: 'unsupported'; readonly version: number }
  /** Intact, but `field` has a value that no writer writes. */
  | { readonly kind: 'malformed'; readonly field: string };

function isSafe(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/** The name of the first field whose value is out of bounds, or null. */
function fieldOutOfBounds(header: SegmentHeader): string | null {
  const { blockBytes, segmentBytes } = header;
  if (!isSafe(header.segment)) return 'segment';
  if (header.nonceLow >>> 0 !== header.nonceLow) return 'nonceLow';
  if (header.nonceHigh >>> 0 !== header.nonceHigh) return 'nonceHigh';
  if (!isSafe(header.firstSequence) || header.firstSequence < 1) return 'firstSequence';
  if (header.previous >>> 0 !== header.previous) return 'previous';
  if (!isSafe(header.durable) || header.durable >= header.firstSequence) return 'durable';
  if (!isSafe(header.promised)) return 'promised';
  if (!isSafe(header.chosen)) return 'chosen';
  if (!isSafe(header.startNumber)) return 'startNumber';
  if (!isSafe(header.createdAtMs)) return 'createdAtMs';
  if (blockBytes < BLOCK_BYTES_MIN || blockBytes > BLOCK_BYTES_MAX || (blockBytes & (blockBytes - 1)) !== 0) {
    return 'blockBytes';
  }
  if (
    !isSafe(segmentBytes) ||
    segmentBytes <= SEGMENT_HEADER_BYTES ||
    segmentBytes > SEGMENT_BYTES_MAX ||
    segmentBytes % BLOCK_BYTES_MAX !== 0
  ) {
    return 'segmentBytes';
  }
  return null;
}

const encoder = new TextEncoder();

function writeIdentifier(bytes: Uint8Array, lengthAt: number, at: number, text: string): void {
  const encoded = encoder.encode(text);
  requires(encoded.length >= 1 && encoded.length <= IDENTIFIER_BYTES_MAX, 'segment-identifier-length');
  bytes[lengthAt] = encoded.length;
  bytes.set(encoded, at);
}

/** Writes the header into the first 4096 bytes of `bytes`, the memory of the segment. */
export function writeSegmentHeader(bytes: Uint8Array, header: SegmentHeader, crc32c: Crc32c): void {
  requires(bytes.length >= SEGMENT_HEADER_BYTES, 'segment-header-room');
  const wrong = fieldOutOfBounds(header);
  requires(wrong === null, 'segment-field-in-bounds', () => String(wrong));
  requires(header.diskIncarnation.length === DISK_INCARNATION_BYTES, 'segment-disk-incarnation-length');
  requires(header.configuration.length <= CONFIGURATION_BYTES_MAX, 'segment-configuration-length');

  const { view } = byteView(bytes);
  bytes.fill(0, 0, SEGMENT_HEADER_BYTES);
  view.setUint32(SegmentField.magicLow, SEGMENT_MAGIC_LOW, true);
  view.setUint32(SegmentField.magicHigh, SEGMENT_MAGIC_HIGH, true);
  view.setUint32(SegmentField.version, FORMAT_VERSION, true);
  writeUint64(view, SegmentField.segment, header.segment);
  view.setUint32(SegmentField.nonceLow, header.nonceLow, true);
  view.setUint32(SegmentField.nonceHigh, header.nonceHigh, true);
  writeUint64(view, SegmentField.firstSequence, header.firstSequence);
  view.setUint32(SegmentField.previous, header.previous, true);
  view.setUint32(SegmentField.blockBytes, header.blockBytes, true);
  writeUint64(view, SegmentField.durable, header.durable);
  writeUint64(view, SegmentField.promised, header.promised);
  writeUint64(view, SegmentField.chosen, header.chosen);
  writeUint64(view, SegmentField.startNumber, header.startNumber);
  writeUint64(view, SegmentField.segmentBytes, header.segmentBytes);
  writeUint64(view, SegmentField.createdAtMs, header.createdAtMs);
  bytes.set(header.diskIncarnation, SegmentField.diskIncarnation);
  writeIdentifier(bytes, SegmentField.clusterBytes, SegmentField.cluster, header.cluster);
  writeIdentifier(bytes, SegmentField.replicaBytes, SegmentField.replica, header.replica);
  view.setUint16(SegmentField.configurationBytes, header.configuration.length, true);
  bytes.set(header.configuration, SegmentField.configuration);
  view.setUint32(SegmentField.checksum, headerChecksum(bytes, crc32c), true);
}

function headerChecksum(bytes: Uint8Array, crc32c: Crc32c): number {
  return crc32c(bytes, SegmentField.version, SEGMENT_HEADER_BYTES, 0);
}

function isBlank(page: Uint8Array): boolean {
  for (let at = 0; at < page.length; at++) if (page[at] !== 0) return false;
  return true;
}

/** Reads the header from a segment's first page. `bytes` may be shorter where the file is. Keeps nothing of `bytes`. */
export function readSegmentHeader(bytes: Uint8Array, crc32c: Crc32c): SegmentHeaderReading {
  const page = bytes.subarray(0, SEGMENT_HEADER_BYTES);
  if (isBlank(page)) return { kind: 'blank' };
  if (page.length < SEGMENT_HEADER_BYTES) return { kind: 'damaged' };
  const { view } = byteView(page);
  if (
    view.getUint32(SegmentField.magicLow, true) !== SEGMENT_MAGIC_LOW ||
    view.getUint32(SegmentField.magicHigh, true) !== SEGMENT_MAGIC_HIGH ||
    view.getUint32(SegmentField.checksum, true) !== headerChecksum(page, crc32c)
  ) {
    return { kind: 'damaged' };
  }
  const version = view.getUint32(SegmentField.version, true);
  if (version !== FORMAT_VERSION) return { kind: 'unsupported', version };
  const cluster = readIdentifier(page, SegmentField.clusterBytes, SegmentField.cluster);
  if (cluster === null) return { kind: 'malformed', field: 'cluster' };
  const replica = readIdentifier(page, SegmentField.replicaBytes, SegmentField.replica);
  if (replica === null) return { kind: 'malformed', field: 'replica' };
  const configurationBytes = view.getUint16(SegmentField.configurationBytes, true);
  if (configurationBytes > CONFIGURATION_BYTES_MAX) return { kind: 'malformed', field: 'configuration' };
  const header: SegmentHeader = {
    segment: readUint64(view, SegmentField.segment),
    nonceLow: view.getUint32(SegmentField.nonceLow, true),
    nonceHigh: view.getUint32(SegmentField.nonceHigh, true),
    firstSequence: readUint64(view, SegmentField.firstSequence),
    previous: view.getUint32(SegmentField.previous, true),
    durable: readUint64(view, SegmentField.durable),
    promised: readUint64(view, SegmentField.promised),
    chosen: readUint64(view, SegmentField.chosen),
    startNumber: readUint64(view, SegmentField.startNumber),
    segmentBytes: readUint64(view, SegmentField.segmentBytes),
    blockBytes: view.getUint32(SegmentField.blockBytes, true),
    createdAtMs: readUint64(view, SegmentField.createdAtMs),
    diskIncarnation: page.slice(
      SegmentField.diskIncarnation,
      SegmentField.diskIncarnation + DISK_INCARNATION_BYTES,
    ),
    cluster,
    replica,
    configuration: page.slice(SegmentField.configuration, SegmentField.configuration + configurationBytes),
  };
  const wrong = fieldOutOfBounds(header);
  return wrong === null ? { kind: 'valid', header } : { kind: 'malformed', field: wrong };
}
