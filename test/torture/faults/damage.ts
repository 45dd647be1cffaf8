/** Damaged logs: what a replica's files lose while it is stopped, so that it must refuse to start. */

import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RecordKind, SEGMENT_HEADER_BYTES } from '../../../src/log/format.js';
import type { Random } from '../../cluster/support/random.js';
import {
  type DamagedRange,
  provableLoss,
  type SurveyedSegment,
  segmentNumber,
  surveyLog,
} from './provable-loss.js';

export type DamageKind = 'flip' | 'zero' | 'truncate' | 'remove' | 'header';

export const damageKinds: readonly DamageKind[] = ['flip', 'zero', 'truncate', 'remove', 'header'];

const SECTOR_BYTES = 512;
const TRIES = 50;

/** All segment files of a log's folder. */
export function readImages(folder: string): Map<number, Uint8Array> {
  const images = new Map<number, Uint8Array>();
  for (const name of readdirSync(folder)) {
    const number = segmentNumber(name);
    if (number !== null) images.set(number, new Uint8Array(readFileSync(join(folder, name))));
  }
  return images;
}

export function segmentFile(folder: string, number: number): string {
  return join(folder, `${number.toString(16).padStart(16, '0')}.segment`);
}

function drawRange(
  kind: DamageKind,
  segments: readonly SurveyedSegment[],
  random: Random,
): DamagedRange | null {
  const segment = random.pick(segments);
  const records = segment.records.filter((record) => record.kind !== RecordKind.pad);
  if (records.length === 0) return null;
  const record = random.pick(records);
  const at = record.offset + random.below(record.bytes);
  switch (kind) {
    case 'flip':
      return { segment: segment.number, from: at, to: at + 1 };
    case 'zero': {
      const from = Math.max(SEGMENT_HEADER_BYTES, Math.floor(at / SECTOR_BYTES) * SECTOR_BYTES);
      return { segment: segment.number, from, to: from + SECTOR_BYTES };
    }
    case 'truncate':
      return { segment: segment.number, from: at, to: segment.fileBytes };
    case 'remove':
    case 'header':
      // A log without its first segment is one whose beginning was dropped, which other rules are about.
      return segment === segments[0] ? null : { segment: segment.number, from: 0, to: segment.fileBytes };
  }
}

/**
 * Damages the log in `folder` in a way that must be found out at the next opening. Yields what was done, or null where there is
 * nothing to damage so.
 */
export function damageLog(folder: string, kind: DamageKind, random: Random): string | null {
  const images = readImages(folder);
  const segments = surveyLog(images);
  if (segments.length === 0) return null;
  for (let tries = 0; tries < TRIES; tries += 1) {
    const range = drawRange(kind, segments, random);
    const lost = range === null ? null : provableLoss(segments, range);
    if (range === null || lost === null) continue;
    const bytes = images.get(range.segment)!;
    const path = segmentFile(folder, range.segment);
    const where = `segment ${range.segment}, bytes ${range.from} to ${range.to}: record ${lost} is lost`;
    switch (kind) {
      case 'flip':
        bytes[range.from]! ^= 1 << random.below(8);
        break;
      case 'zero':
        // Zeros over zeros are no damage.
        if (bytes.subarray(range.from, range.to).every((byte) => byte === 0)) continue;
        bytes.fill(0, range.from, range.to);
        break;
      case 'truncate':
        truncateSync(path, range.from);
        return where;
      case 'remove':
        rmSync(path);
        return where;
      case 'header': {
        const at = random.below(SEGMENT_HEADER_BYTES);
        bytes[at]! ^= 1 << random.below(8);
        break;
      }
    }
    writeFileSync(path, bytes);
    return where;
  }
  return null;
}
