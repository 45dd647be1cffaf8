/** Log segments after any damage: judged as the slow reference judges them, and twice alike. */

import { crc32c } from '../../../src/checksum.js';
import { RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES } from '../../../src/log/format.js';
import { byteView, makeRecordHeader, readRecordHeader } from '../../../src/log/record.js';
import { LogRecovery, type LogVerdict } from '../../../src/log/recovery.js';
import { readSegmentHeader } from '../../../src/log/segment.js';
import type { Images } from '../../log/log-writer-model.js';
import { recoverSlowly } from '../../log/recovery-reference.js';
import { mutateImages, repairImages, sampleImages, unpackImages } from '../images.js';
import { type FuzzTarget, must } from '../target.js';

/** Whether there is a header whose checksum holds and whose fields no writer of this version writes. */
function hasStrangeRecord(images: Images): boolean {
  const record = makeRecordHeader();
  for (const bytes of images.values()) {
    const source = byteView(bytes);
    for (let at = SEGMENT_HEADER_BYTES; at + RECORD_HEADER_BYTES <= bytes.length; at += 8) {
      const reading = readRecordHeader(source, at, record, crc32c);
      if (reading === 'malformed' || reading === 'unsupported') return true;
    }
  }
  return false;
}

/** The verdict, and where the records are that the log has: `segment:offset`. Folding them is for `open-log`. */
function judgeImages(images: Images): { verdict: LogVerdict; places: string } {
  const segments = [...images].map(([segment, bytes]) => ({
    segment,
    header: readSegmentHeader(bytes.subarray(0, SEGMENT_HEADER_BYTES), crc32c),
  }));
  const recovery = new LogRecovery({ segments, beginning: 'whole', crc32c });
  const places: string[] = [];
  for (let segment = recovery.next(); segment !== null; segment = recovery.next()) {
    const scan = recovery.examine(images.get(segment)!);
    if (scan === null) continue;
    for (const offset of scan.records.offsets.subarray(0, scan.records.count))
      places.push(`${segment}:${offset}`);
  }
  return { verdict: recovery.verdict(), places: places.join() };
}

/** Why recovery refuses what the reference, which looks at less, would take. */
const stricter: ReadonlySet<string> = new Set([
  'record-impossible',
  'segment-header-impossible',
  'segment-unsupported',
  'segment-foreign',
]);

const payload = (slot: number): Uint8Array => new Uint8Array(20 + slot).fill(slot);

export const recovery: FuzzTarget = {
  name: 'recovery',
  about: 'segments are judged as the reference judges them; what is served was intact; twice is as once',
  inputBytesMax: 24 * 1024,
  guides: ['/src/log/'],
  memoryBytesMax: 128 * 1024 * 1024,
  seeds: () => sampleImages(payload),
  repair: repairImages,
  mutate: mutateImages,
  run(input, trace) {
    const images = unpackImages(input);
    const before = [...images.values()].map((bytes) => bytes.slice());
    const { verdict, places } = judgeImages(images);
    trace(verdict.kind === 'corrupt' ? verdict.reason : verdict.rule);
    must(
      [...images.values()].every((bytes, index) => Buffer.compare(bytes, before[index]!) === 0),
      'recovery changed what it read',
    );
    must(
      JSON.stringify(judgeImages(images).verdict) === JSON.stringify(verdict),
      'judged twice, in two ways',
    );
    // The reference is slow: it is asked about one input in two, the same ones each time.
    if (crc32c(input, 0, input.length, 0) % 2 !== 0) return;
    const slow = recoverSlowly(images);
    if (verdict.kind === 'corrupt') {
      if (!stricter.has(verdict.reason))
        must(
          slow.kind === 'corrupt',
          'corrupt only for recovery',
          () => `${verdict.reason}, ${verdict.detail}`,
        );
      return;
    }
    // The reference counts what an intact record says also where its other fields are none that a writer writes.
    if (hasStrangeRecord(images)) return;
    must(slow.kind === 'sound', 'corrupt only for the reference', () => JSON.stringify(verdict));
    must(places === slow.records.join(), 'other records', () => `${places}; ${slow.records.join()}`);
  },
};
