/** Scans of one segment, where `recovery.test.ts` does not come by. */

import { describe, expect, it } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import { ContractViolation } from '../../src/contracts.js';
import { SEGMENT_HEADER_BYTES } from '../../src/log/format.js';
import type { SegmentHeader } from '../../src/log/segment.js';
import { RecordColumns, scanSegment } from '../../src/log/segment-scan.js';

const header: SegmentHeader = {
  segment: 3,
  nonceLow: 1,
  nonceHigh: 2,
  firstSequence: 8,
  previous: 77,
  durable: 7,
  promised: 0,
  chosen: 0,
  startNumber: 1,
  segmentBytes: 65_536,
  blockBytes: 64,
  createdAtMs: 0,
  diskIncarnation: new Uint8Array(16),
  cluster: 'c',
  replica: 'r',
  configuration: new Uint8Array(0),
};
const blank = new Uint8Array(65_536);

describe('a scan', () => {
  it('of a segment without records ends where they would begin, in columns of its own or in those given', () => {
    const columns = new RecordColumns();
    for (const given of [{}, { columns }]) {
      const untilSequence = Number.POSITIVE_INFINITY;
      const scan = scanSegment(blank, { header, untilSequence, crc32c, ...given });
      expect(scan).toMatchObject({ nextSequence: 8, chain: 77, endOffset: SEGMENT_HEADER_BYTES });
      expect(scan.end).toMatchObject({ kind: 'missing', reason: 'blank' });
      expect(scan.records.count).toBe(0);
      expect(scan.records === columns).toBe('columns' in given);
    }
  });

  it('looks for nothing where the next segment begins with the same sequence', () => {
    const scan = scanSegment(blank, { header, untilSequence: 8, crc32c });
    expect(scan.end).toEqual({ kind: 'complete' });
  });

  it('does not go backwards', () => {
    const scan = (): unknown => scanSegment(blank, { header, untilSequence: 7, crc32c });
    expect(scan).toThrow(ContractViolation);
    expect(scan).toThrow('scan-begins-before-end');
  });
});
