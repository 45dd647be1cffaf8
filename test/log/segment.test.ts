/** Segment headers: there and back, and every way in which a page is none. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import { ContractViolation } from '../../src/contracts.js';
import { SEGMENT_HEADER_BYTES, SegmentField } from '../../src/log/format.js';
import { readSegmentHeader, type SegmentHeader, writeSegmentHeader } from '../../src/log/segment.js';

const uint32 = fc.nat(0xffff_ffff);
const identifier = fc
  .string({ unit: 'binary', minLength: 1, maxLength: 63 })
  .filter((text) => Buffer.byteLength(text) <= 63);

const headers: fc.Arbitrary<SegmentHeader> = fc
  .record({
    segment: fc.maxSafeNat(),
    nonceLow: uint32,
    nonceHigh: uint32,
    firstSequence: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    previous: uint32,
    durable: fc.maxSafeNat(),
    promised: fc.maxSafeNat(),
    chosen: fc.maxSafeNat(),
    startNumber: fc.maxSafeNat(),
    segmentBytes: fc.integer({ min: 2, max: 65_536 }).map((pages) => pages * 4096),
    blockBytes: fc.constantFrom(64, 128, 256, 512, 1024, 2048, 4096),
    createdAtMs: fc.maxSafeNat(),
    diskIncarnation: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    cluster: identifier,
    replica: identifier,
    configuration: fc.uint8Array({ maxLength: 2048, size: 'max' }),
  })
  .map((header) => ({ ...header, durable: Math.min(header.durable, header.firstSequence - 1) }));

const example: SegmentHeader = {
  segment: 7,
  nonceLow: 0x11111111,
  nonceHigh: 0x22222222,
  firstSequence: 0x1_0000_0001,
  previous: 0x33333333,
  durable: 0x1_0000_0000,
  promised: 5,
  chosen: 6,
  startNumber: 8,
  segmentBytes: 8192,
  blockBytes: 512,
  createdAtMs: 1_700_000_000_000,
  diskIncarnation: new Uint8Array(16).fill(9),
  cluster: 'cluster',
  replica: 'a',
  configuration: Uint8Array.of(1, 2, 3),
};

function page(header: SegmentHeader = example): Uint8Array {
  const bytes = new Uint8Array(8192).fill(0xee);
  writeSegmentHeader(bytes, header, crc32c);
  return bytes;
}

function forge(change: (view: DataView, bytes: Uint8Array) => void): Uint8Array {
  const bytes = page();
  const view = new DataView(bytes.buffer);
  change(view, bytes);
  view.setUint32(SegmentField.checksum, crc32c(bytes, 12, SEGMENT_HEADER_BYTES, 0), true);
  return bytes;
}

describe('segment header', () => {
  it('comes back as it was written', () => {
    fc.assert(
      fc.property(headers, (header) => {
        const bytes = page(header);
        expect(readSegmentHeader(bytes, crc32c)).toEqual({ kind: 'valid', header });
        expect(bytes.subarray(4096).every((byte) => byte === 0xee)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('is read from shared memory and outlives it', () => {
    const shared = new Uint8Array(new SharedArrayBuffer(4096));
    shared.set(page().subarray(0, 4096));
    const reading = readSegmentHeader(shared, crc32c);
    shared.fill(0);
    expect(reading).toEqual({ kind: 'valid', header: example });
  });

  it('notices every flipped bit', () => {
    const bytes = page();
    for (let bit = 0; bit < SEGMENT_HEADER_BYTES * 8; bit++) {
      bytes[bit >>> 3]! ^= 1 << (bit & 7);
      expect(readSegmentHeader(bytes, crc32c).kind).toBe('damaged');
      bytes[bit >>> 3]! ^= 1 << (bit & 7);
    }
    expect(readSegmentHeader(bytes, crc32c).kind).toBe('valid');
  });

  it('tells blank pages and short files', () => {
    expect(readSegmentHeader(new Uint8Array(0), crc32c)).toEqual({ kind: 'blank' });
    expect(readSegmentHeader(new Uint8Array(100), crc32c)).toEqual({ kind: 'blank' });
    expect(readSegmentHeader(new Uint8Array(8192).fill(1, 4096), crc32c)).toEqual({ kind: 'blank' });
    expect(readSegmentHeader(page().subarray(0, 4095), crc32c)).toEqual({ kind: 'damaged' });
    expect(readSegmentHeader(Uint8Array.of(0, 1), crc32c)).toEqual({ kind: 'damaged' });
  });

  it('knows an intact header of another version', () => {
    const bytes = forge((view) => view.setUint32(SegmentField.version, 2, true));
    expect(readSegmentHeader(bytes, crc32c)).toEqual({ kind: 'unsupported', version: 2 });
  });

  it.each([
    ['segment', (view: DataView) => view.setBigUint64(SegmentField.segment, 1n << 53n, true)],
    ['firstSequence', (view: DataView) => view.setBigUint64(SegmentField.firstSequence, 0n, true)],
    ['durable', (view: DataView) => view.setBigUint64(SegmentField.durable, 0x1_0000_0001n, true)],
    ['promised', (view: DataView) => view.setBigUint64(SegmentField.promised, 1n << 63n, true)],
    ['chosen', (view: DataView) => view.setBigUint64(SegmentField.chosen, 1n << 53n, true)],
    ['startNumber', (view: DataView) => view.setBigUint64(SegmentField.startNumber, 1n << 53n, true)],
    ['createdAtMs', (view: DataView) => view.setBigUint64(SegmentField.createdAtMs, 1n << 53n, true)],
    ['blockBytes', (view: DataView) => view.setUint32(SegmentField.blockBytes, 96, true)],
    ['blockBytes', (view: DataView) => view.setUint32(SegmentField.blockBytes, 32, true)],
    ['blockBytes', (view: DataView) => view.setUint32(SegmentField.blockBytes, 8192, true)],
    ['segmentBytes', (view: DataView) => view.setBigUint64(SegmentField.segmentBytes, 4096n, true)],
    ['segmentBytes', (view: DataView) => view.setBigUint64(SegmentField.segmentBytes, 8193n, true)],
    ['segmentBytes', (view: DataView) => view.setBigUint64(SegmentField.segmentBytes, 1n << 29n, true)],
    ['cluster', (view: DataView) => view.setUint8(SegmentField.clusterBytes, 64)],
    ['cluster', (view: DataView) => view.setUint8(SegmentField.cluster, 0xff)],
    ['replica', (view: DataView) => view.setUint8(SegmentField.replicaBytes, 0)],
    ['configuration', (view: DataView) => view.setUint16(SegmentField.configurationBytes, 2049, true)],
  ])('calls an intact header malformed for its %s', (field, change) => {
    expect(readSegmentHeader(forge(change), crc32c)).toEqual({ kind: 'malformed', field });
  });

  it.each([
    ['segment-identifier-length', { cluster: '' }],
    ['segment-identifier-length', { replica: 'ä'.repeat(32) }],
    ['segment-configuration-length', { configuration: new Uint8Array(2049) }],
    ['segment-disk-incarnation-length', { diskIncarnation: new Uint8Array(15) }],
    ['segment-field-in-bounds', { nonceLow: -1 }],
    ['segment-field-in-bounds', { nonceHigh: 2 ** 32 }],
    ['segment-field-in-bounds', { previous: 0.5 }],
    ['segment-field-in-bounds', { durable: example.firstSequence }],
    ['segment-field-in-bounds', { blockBytes: 100 }],
  ])('refuses to write: %s', (contract, change) => {
    const write = () => page({ ...example, ...change });
    expect(write).toThrow(ContractViolation);
    expect(write).toThrow(contract);
  });

  it('refuses memory shorter than a page', () => {
    expect(() => writeSegmentHeader(new Uint8Array(4095), example, crc32c)).toThrow('segment-header-room');
  });
});
