/** Record headers: there and back, each field at its place, and every way in which a position is no record. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import { ContractViolation } from '../../src/contracts.js';
import { RECORD_HEADER_BYTES, RecordField, RecordKind } from '../../src/log/format.js';
import {
  batchEnd,
  byteView,
  makeRecordHeader,
  type RecordHeader,
  readRecordHeader,
  recordSpan,
  writeRecordHeader,
} from '../../src/log/record.js';

const uint32 = fc.oneof(fc.nat(0xffff_ffff), fc.constantFrom(0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff));
const uint64 = fc.oneof(
  fc.maxSafeNat(),
  fc.constantFrom(0, 1, 0xffff_ffff, 0x1_0000_0000, Number.MAX_SAFE_INTEGER),
);

const headers: fc.Arbitrary<RecordHeader> = fc
  .record({
    payloadBytes: uint32,
    payloadChecksum: uint32,
    kind: fc.constantFrom(...Object.values(RecordKind)),
    decreeKind: fc.nat(255),
    group: fc.constant(0),
    ballot: uint64,
    slot: uint64,
    sequence: uint64.filter((value) => value >= 1),
    durable: uint64,
    chosen: uint64,
    commandCount: uint32,
    segmentNonce: uint32,
    previous: uint32,
  })
  .map((header) => ({
    ...header,
    payloadChecksum: header.kind === RecordKind.pad ? 0 : header.payloadChecksum,
    durable: Math.min(header.durable, header.sequence - 1),
  }));

const example: RecordHeader = {
  payloadBytes: 100,
  payloadChecksum: 0x0a0b0c0d,
  kind: RecordKind.accept,
  decreeKind: 3,
  group: 0,
  ballot: 0x1_0000_0002,
  slot: 0x3_0000_0004,
  sequence: 0x5_0000_0006,
  durable: 0x5_0000_0005,
  chosen: 9,
  commandCount: 11,
  segmentNonce: 0xdeadbeef,
  previous: 0xfeedface,
};

/** Stores 8, 32 or 64 bits into an intact header and makes its checksum right again. */
function forge(change: (view: DataView) => void): Uint8Array {
  const target = byteView(new Uint8Array(RECORD_HEADER_BYTES));
  writeRecordHeader(target, 0, example, crc32c);
  change(target.view);
  target.view.setUint32(RecordField.headerChecksum, crc32c(target.bytes, 8, RECORD_HEADER_BYTES, 0), true);
  return target.bytes;
}

function read(bytes: Uint8Array, at = 0): string {
  return readRecordHeader(byteView(bytes), at, makeRecordHeader(), crc32c);
}

describe('record header', () => {
  it('comes back as it was written, at any aligned place, shared memory or not', () => {
    fc.assert(
      fc.property(headers, fc.nat(9), fc.boolean(), (header, place, shared) => {
        const room = RECORD_HEADER_BYTES + 80;
        const target = byteView(shared ? new Uint8Array(new SharedArrayBuffer(room)) : new Uint8Array(room));
        const before = target.bytes.slice();
        const at = place * 8;
        const headerChecksum = writeRecordHeader(target, at, header, crc32c);
        const into = makeRecordHeader();
        expect(readRecordHeader(target, at, into, crc32c)).toBe('valid');
        expect(into).toEqual({ ...header, headerChecksum });
        // Nothing outside was touched.
        const after = target.bytes.slice();
        after.fill(0, at, at + RECORD_HEADER_BYTES);
        expect(after).toEqual(before);
      }),
      { numRuns: 2000 },
    );
  });

  it('has each field where the format says', () => {
    const target = byteView(new Uint8Array(RECORD_HEADER_BYTES));
    writeRecordHeader(target, 0, example, crc32c);
    const { view } = target;
    expect(Buffer.from(target.bytes.subarray(0, 4)).toString('latin1')).toBe('REC1');
    expect(view.getUint32(8, true)).toBe(100);
    expect(view.getUint32(12, true)).toBe(0x0a0b0c0d);
    expect([...target.bytes.subarray(16, 20)]).toEqual([1, RecordKind.accept, 3, 0]);
    expect(view.getBigUint64(24, true)).toBe(0x1_0000_0002n);
    expect(view.getBigUint64(32, true)).toBe(0x3_0000_0004n);
    expect(view.getBigUint64(40, true)).toBe(0x5_0000_0006n);
    expect(view.getBigUint64(48, true)).toBe(0x5_0000_0005n);
    expect(view.getBigUint64(56, true)).toBe(9n);
    expect(view.getUint32(64, true)).toBe(11);
    expect(view.getUint32(68, true)).toBe(0xdeadbeef);
    expect(view.getUint32(72, true)).toBe(0xfeedface);
  });

  it('notices every flipped bit', () => {
    const bytes = forge(() => undefined);
    for (let bit = 0; bit < RECORD_HEADER_BYTES * 8; bit++) {
      bytes[bit >>> 3]! ^= 1 << (bit & 7);
      expect(read(bytes)).toBe(bit < 32 ? 'not-a-record' : 'bad-header-checksum');
      bytes[bit >>> 3]! ^= 1 << (bit & 7);
    }
    expect(read(bytes)).toBe('valid');
  });

  it('tells zeros, garbage and the end of the bytes apart', () => {
    const bytes = new Uint8Array(200);
    expect(read(bytes)).toBe('empty');
    expect(read(bytes, 120)).toBe('empty');
    expect(read(bytes, 128)).toBe('no-room');
    for (let at = 0; at < RECORD_HEADER_BYTES; at++) {
      bytes[at] = 1;
      expect(read(bytes)).toBe('not-a-record');
      bytes[at] = 0;
    }
    bytes[RECORD_HEADER_BYTES] = 1;
    expect(read(bytes)).toBe('empty');
  });

  it.each([
    ['version', (view: DataView) => view.setUint8(RecordField.version, 2)],
    ['kind 0', (view: DataView) => view.setUint8(RecordField.kind, 0)],
    ['kind 10', (view: DataView) => view.setUint8(RecordField.kind, 10)],
    ['group', (view: DataView) => view.setUint32(RecordField.group, 1, true)],
  ])('calls an intact header unsupported for its %s', (_, change) => {
    expect(read(forge(change))).toBe('unsupported');
  });

  it.each([
    ['reserved', (view: DataView) => view.setUint8(RecordField.reserved, 1)],
    ['reserved2', (view: DataView) => view.setUint32(RecordField.reserved2, 1, true)],
    ['sequence 0', (view: DataView) => view.setBigUint64(RecordField.sequence, 0n, true)],
    ['durable', (view: DataView) => view.setBigUint64(RecordField.durable, 0x5_0000_0006n, true)],
    ['ballot', (view: DataView) => view.setBigUint64(RecordField.ballot, 1n << 53n, true)],
    ['slot', (view: DataView) => view.setBigUint64(RecordField.slot, 1n << 53n, true)],
    ['chosen', (view: DataView) => view.setBigUint64(RecordField.chosen, (1n << 64n) - 1n, true)],
    ['sequence', (view: DataView) => view.setBigUint64(RecordField.sequence, 1n << 53n, true)],
    ['checksum of a pad', (view: DataView) => view.setUint8(RecordField.kind, RecordKind.pad)],
  ])('calls an intact header malformed for its %s', (_, change) => {
    expect(read(forge(change))).toBe('malformed');
  });

  it.each([
    ['record-aligned', {}, 4],
    ['record-field-safe-integer', { ballot: 2 ** 53 }, 0],
    ['record-field-safe-integer', { slot: -1 }, 0],
    ['record-field-safe-integer', { chosen: 1.5 }, 0],
    ['record-field-safe-integer', { durable: Number.NaN }, 0],
    ['record-sequence-positive', { sequence: 0, durable: 0 }, 0],
    ['record-not-durable-before-written', { durable: example.sequence }, 0],
    ['record-field-32-bits', { payloadBytes: 2 ** 32 }, 0],
    ['record-field-32-bits', { previous: -1 }, 0],
    ['record-field-32-bits', { segmentNonce: 0.5 }, 0],
    ['record-kind-known', { kind: 10 as RecordKind }, 0],
    ['record-decree-kind-8-bits', { decreeKind: 256 }, 0],
    ['record-group-zero', { group: 1 }, 0],
    ['record-pad-without-checksum', { kind: RecordKind.pad }, 0],
  ])('refuses to write: %s %o', (contract, change, at) => {
    const target = byteView(new Uint8Array(200));
    const write = () => writeRecordHeader(target, at, { ...example, ...change }, crc32c);
    expect(write).toThrow(ContractViolation);
    expect(write).toThrow(contract);
    expect(target.bytes).toEqual(new Uint8Array(200));
  });
});

describe('layout', () => {
  it('aligns the next record', () => {
    expect(recordSpan(0)).toBe(80);
    expect(recordSpan(1)).toBe(88);
    expect(recordSpan(8)).toBe(88);
    expect(recordSpan(9)).toBe(96);
  });

  it('ends batches at blocks, with nothing or a pad record in the gap', () => {
    for (let block = 64; block <= 4096; block *= 2) {
      for (let offset = 4096; offset <= 4096 + 3 * block; offset += 8) {
        const end = batchEnd(offset, block);
        const gap = end - offset;
        expect(end % block).toBe(0);
        expect(gap === 0 || gap >= RECORD_HEADER_BYTES).toBe(true);
        // No block more than needed.
        expect(gap).toBeLessThan(RECORD_HEADER_BYTES + block);
      }
    }
  });
});
