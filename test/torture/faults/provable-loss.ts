/**
 * Looks at the files of a log for what can be damaged so that the damage must be found out: what was durable once, and is
 * followed by something that says so (docs/storage-format.md).
 */

import { crc32c } from '../../../src/checksum.js';
import {
  RECORD_HEADER_BYTES,
  RecordKind,
  SEGMENT_HEADER_BYTES,
  SEGMENT_SUFFIX,
} from '../../../src/log/format.js';
import { byteView, makeRecordHeader, readRecordHeader, recordSpan } from '../../../src/log/record.js';
import { readSegmentHeader, type SegmentHeader } from '../../../src/log/segment.js';

export interface SurveyedRecord {
  readonly offset: number;
  /** With its header, without what fills up to the next record. */
  readonly bytes: number;
  readonly kind: RecordKind;
  readonly sequence: number;
  readonly durable: number;
}

export interface SurveyedSegment {
  readonly number: number;
  readonly fileBytes: number;
  readonly header: SegmentHeader;
  /** Those that belong to the log, in order. */
  readonly records: readonly SurveyedRecord[];
}

export function segmentNumber(fileName: string): number | null {
  return fileName.endsWith(SEGMENT_SUFFIX) ? Number.parseInt(fileName, 16) : null;
}

/** The segments that hold records of the log, in order. */
export function surveyLog(images: ReadonlyMap<number, Uint8Array>): SurveyedSegment[] {
  const segments: SurveyedSegment[] = [];
  let end = Number.POSITIVE_INFINITY;
  // From the newest on: each header ends what is in the segments before it.
  for (const [number, image] of [...images].sort(([one], [other]) => other - one)) {
    const reading = readSegmentHeader(image.subarray(0, SEGMENT_HEADER_BYTES), crc32c);
    if (reading.kind !== 'valid' || reading.header.firstSequence >= end) continue;
    const { header } = reading;
    segments.unshift({ number, fileBytes: image.length, header, records: walk(image, header, end) });
    end = header.firstSequence;
  }
  return segments;
}

function walk(image: Uint8Array, header: SegmentHeader, end: number): SurveyedRecord[] {
  const records: SurveyedRecord[] = [];
  const source = byteView(image);
  const record = makeRecordHeader();
  let sequence = header.firstSequence;
  for (let offset = SEGMENT_HEADER_BYTES; sequence < end; sequence += 1) {
    if (readRecordHeader(source, offset, record, crc32c) !== 'valid') break;
    if (record.segmentNonce !== header.nonceLow || record.sequence !== sequence) break;
    const { kind, durable, payloadBytes } = record;
    records.push({ offset, bytes: RECORD_HEADER_BYTES + payloadBytes, kind, sequence, durable });
    offset += recordSpan(payloadBytes);
  }
  return records;
}

/** Bytes of a segment that are changed or gone. */
export interface DamagedRange {
  readonly segment: number;
  readonly from: number;
  readonly to: number;
}

/**
 * The sequence of the first record that the damage takes and that something undamaged says to have been durable, or null. What
 * means nothing does not count: pads, and what is between records.
 */
export function provableLoss(segments: readonly SurveyedSegment[], damage: DamagedRange): number | null {
  const index = segments.findIndex(({ number }) => number === damage.segment);
  const segment = segments[index];
  if (segment === undefined) return null;
  const victim = segment.records.find(
    ({ offset, bytes, kind }) =>
      kind !== RecordKind.pad && offset < damage.to && offset + bytes > damage.from,
  );
  if (victim === undefined) return null;
  const isIntact = ({ offset }: SurveyedRecord): boolean =>
    offset + RECORD_HEADER_BYTES <= damage.from || offset >= damage.to;
  const claims = segments
    .slice(index)
    .flatMap(({ header, records }, distance) => [
      ...(distance > 0 ? [header.durable] : []),
      ...records.filter((record) => distance > 0 || isIntact(record)).map(({ durable }) => durable),
    ]);
  return claims.some((durable) => durable >= victim.sequence) ? victim.sequence : null;
}
