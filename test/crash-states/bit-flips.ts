/**
 * Every single bit of a log turned over, one at a time: whatever it hits, no wrong byte may be served, and no record may
 * disappear but the last one, which says only that what is before it was durable (docs/limits.md).
 */

import type { Crc32c } from '../../src/checksum.js';
import { RECORD_HEADER_BYTES, RecordKind, SEGMENT_HEADER_BYTES } from '../../src/log/format.js';
import { readSegmentHeader } from '../../src/log/segment.js';
import { scanSegment } from '../../src/log/segment-scan.js';
import type { History } from './history.js';
import { cachedImage } from './images.js';
import { recoverSegments, segmentsOf } from './recovery.js';
import { logPath, shapes } from './session.js';
import { World } from './world.js';

export interface FlipCounts {
  bytes: number;
  flips: number;
  /** The log was refused with a typed error. */
  refused: number;
  /** The last batch, the mark, was taken for a torn write. */
  lastDiscarded: number;
  /** The bit means nothing: padding, space between records, space behind the last one. */
  meaningless: number;
  violations: string[];
}

export interface FlipLog {
  readonly segments: Map<number, Uint8Array>;
  readonly history: History;
  /** 1 for each byte that means something, by segment. */
  readonly meaning: ReadonlyMap<number, Uint8Array>;
  /** Where the last batch, the mark, begins. */
  readonly last: { readonly segment: number; readonly offset: number };
}

const SEGMENT_BYTES = shapes.pmem.segmentBytes;
export const VIOLATIONS_MAX = 10;

/** A log of `bytes` bytes, a multiple of a segment's, with a mark at its end, as after a clean close. */
export function makeFlipLog(bytes: number, crc32c: Crc32c): FlipLog {
  const count = bytes / SEGMENT_BYTES;
  const fail = (_world: World, what: string): never => {
    throw new Error(what);
  };
  const world = new World({
    kind: 'pmem',
    crc32c,
    breakage: null,
    nonces: { next: 0 },
    onPoint: () => {},
    onViolation: fail,
  });
  world.open();
  const { session, history } = world;
  world.run(() => {
    for (let size = 0; session.segment < count || session.roomBytes > 7000; size = (size + 397) % 1500) {
      session.choose();
      if (size % 7 === 0) session.promise();
      session.accept(size);
      if (size % 5 === 0) session.flush();
      session.settleBackground();
      // Memory that is given back is not needed for the image: that is the file.
      session.release();
    }
    session.flush();
    session.choose();
  });
  if (session.segment !== count) throw new Error(`the log came to have ${session.segment} segments`);
  const acknowledged = history.acknowledged;
  const last = { segment: session.segment, offset: session.tail };
  world.run(() => {
    session.mark();
    session.flush();
  });
  history.acknowledged = acknowledged;
  const segments = segmentsOf(cachedImage(world.disk, logPath));
  // The segment made ahead is not part of it.
  for (const segment of segments.keys()) if (segment > count) segments.delete(segment);
  for (const [segment, content] of segments) segments.set(segment, content.slice());
  return { segments, history, meaning: meaningOf(segments, crc32c), last };
}

function meaningOf(segments: ReadonlyMap<number, Uint8Array>, crc32c: Crc32c): Map<number, Uint8Array> {
  const meaning = new Map<number, Uint8Array>();
  for (const [segment, bytes] of segments) {
    const reading = readSegmentHeader(bytes, crc32c);
    if (reading.kind !== 'valid') throw new Error(`segment ${segment} has no header`);
    const { records } = scanSegment(bytes, {
      header: reading.header,
      untilSequence: Number.POSITIVE_INFINITY,
      crc32c,
    });
    const marks = new Uint8Array(bytes.length).fill(1, 0, SEGMENT_HEADER_BYTES);
    for (let index = 0; index < records.count; index += 1) {
      const from = records.offsets[index]!;
      const payload = records.kinds[index] === RecordKind.pad ? 0 : records.payloadBytes[index]!;
      marks.fill(1, from, from + RECORD_HEADER_BYTES + payload);
    }
    meaning.set(segment, marks);
  }
  return meaning;
}

export function makeFlipCounts(bytes: number): FlipCounts {
  return { bytes, flips: 0, refused: 0, lastDiscarded: 0, meaningless: 0, violations: [] };
}

/** Flips bits [from, to) of the log, counted through its segments. */
export function flipBits(log: FlipLog, from: number, to: number, crc32c: Crc32c, counts: FlipCounts): void {
  const { segments, history, meaning, last } = log;
  const numbers = [...segments.keys()];
  const lastSequence = history.entries.at(-1)!.sequence;
  for (let bit = from; bit < to && counts.violations.length < VIOLATIONS_MAX; bit += 1) {
    const at = Math.floor(bit / 8);
    const segment = numbers[Math.floor(at / SEGMENT_BYTES)]!;
    const offset = at % SEGMENT_BYTES;
    const bytes = segments.get(segment)!;
    bytes[offset]! ^= 1 << (bit % 8);
    const wrong = judgeFlip();
    if (wrong !== null)
      counts.violations.push(`segment ${segment}, byte ${offset}, bit ${bit % 8}: ${wrong}`);
    bytes[offset]! ^= 1 << (bit % 8);
    counts.flips += 1;

    function judgeFlip(): string | null {
      const isMeant = meaning.get(segment)![offset] === 1;
      const recovery = recoverSegments(segments, history.checkpoint, crc32c);
      if (recovery.kind === 'refused') {
        counts.refused += 1;
        if (!isMeant) return `refused for a byte that means nothing: ${recovery.error.message}`;
        if (
          recovery.error.code === 'ERR_SYNOD_LOG_CORRUPT' ||
          recovery.error.code === 'ERR_SYNOD_DATA_DIRECTORY'
        ) {
          return null;
        }
        return `refused with ${recovery.error.code}`;
      }
      // Everything that was acknowledged before the mark is there, and every byte of every decree is right.
      const { recovered } = recovery;
      const different = history.check(recovered, segments);
      if (different !== null) return different;
      if (recovered.verdict.nextSequence <= lastSequence) {
        counts.lastDiscarded += 1;
        const isLast = segment === last.segment && offset >= last.offset;
        return isLast ? null : 'the last record disappeared for damage that is not in it';
      }
      if (!isMeant) counts.meaningless += 1;
      else if (segment === last.segment && offset >= last.offset) counts.lastDiscarded += 1;
      else return 'not noticed';
      return null;
    }
  }
}
