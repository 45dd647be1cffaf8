import { expect, test } from 'vitest';
import { makeRecordHeader } from '../../src/log/record.js';
import type { SegmentHeader } from '../../src/log/segment.js';
import { RecordColumns, type SegmentScan } from '../../src/log/segment-scan.js';
import { UnprovenTail } from '../../src/log/unproven-tail.js';

/** A segment with records of 80 bytes from sequence `first` on; its header and its records say what is durable. */
function scan(segment: number, first: number, count: number, header: number, durable: number): SegmentScan {
  const records = new RecordColumns();
  for (let at = 0; at < count; at += 1) records.push(4096 + 80 * at, makeRecordHeader());
  return {
    header: { segment, firstSequence: first, durable: header } as SegmentHeader,
    records,
    nextSequence: first + count,
    chain: 0,
    endOffset: 4096 + 80 * count,
    durable,
    end: { kind: 'complete' },
  };
}

function rangesOf(...scans: readonly SegmentScan[]): unknown {
  const tail = new UnprovenTail();
  for (const one of scans) tail.fold(one);
  return tail.ranges().map(({ segment, from, to }) => [segment, from, to]);
}

test('what no record behind it says to be durable is unproven', () => {
  expect(rangesOf(scan(1, 1, 10, 0, 7))).toEqual([[1, 4096 + 80 * 7, 4096 + 80 * 10]]);
});

test('nothing proven: with the header', () => {
  expect(rangesOf(scan(1, 1, 2, 0, 0))).toEqual([[1, 0, 4096 + 160]]);
});

test('a segment that later ones do not prove is there from its first unproven record on', () => {
  const first = scan(1, 1, 10, 0, 7);
  expect(rangesOf(first, scan(2, 11, 3, 9, 9))).toEqual([
    [1, 4096 + 80 * 7, 4096 + 80 * 10],
    [2, 0, 4096 + 80 * 3],
  ]);
});

test('a segment whose header says that all before it is durable proves them', () => {
  expect(rangesOf(scan(1, 1, 10, 0, 2), scan(2, 11, 2, 10, 10))).toEqual([[2, 0, 4096 + 160]]);
  expect(rangesOf(scan(1, 1, 10, 0, 2), scan(2, 11, 2, 10, 12))).toEqual([]);
});

test('segments out of order break a contract', () => {
  expect(() => rangesOf(scan(2, 1, 1, 0, 0), scan(1, 2, 1, 0, 0))).toThrow(/tail-folds-segments-in-order/);
});

test('a segment without records is there with its header', () => {
  expect(rangesOf(scan(1, 1, 10, 0, 10), scan(2, 11, 0, 10, 0))).toEqual([[2, 0, 4096]]);
  expect(rangesOf(scan(1, 1, 10, 0, 10), scan(2, 11, 0, 10, 0), scan(3, 11, 2, 10, 11))).toEqual([
    [3, 4096 + 80, 4096 + 160],
  ]);
});
