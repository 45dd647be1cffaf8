/** No record of any kind survives a changed byte, whatever the change, or a missing end. */

import { describe, expect, it } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import { RECORD_HEADER_BYTES, RecordKind } from '../../src/log/format.js';
import {
  byteView,
  makeRecordHeader,
  type RecordHeader,
  readRecordHeader,
  writeRecordHeader,
} from '../../src/log/record.js';
import { readWithAByteChanged } from '../every-byte.js';

const payload = new TextEncoder().encode('the payload of a record');

function headerOf(kind: RecordKind): RecordHeader {
  const hasPayload = kind !== RecordKind.pad && kind !== RecordKind.promise && kind !== RecordKind.mark;
  return {
    kind,
    decreeKind: kind === RecordKind.accept || kind === RecordKind.learn ? 1 : 0,
    group: 0,
    payloadBytes: hasPayload ? payload.length : 0,
    payloadChecksum: hasPayload ? crc32c(payload, 0, payload.length, 0) : 0,
    ballot: 5 * 65_536 + 2,
    slot: 0x1_0000_0002,
    sequence: 77,
    durable: 76,
    chosen: 0x1_0000_0001,
    commandCount: hasPayload ? 3 : 0,
    segmentNonce: 0xdead_beef,
    previous: 0xfeed_face,
  };
}

/** The record with its payload, as it stands in a segment. */
function recordOf(kind: RecordKind): Uint8Array {
  const header = headerOf(kind);
  const target = byteView(new Uint8Array(RECORD_HEADER_BYTES + header.payloadBytes));
  writeRecordHeader(target, 0, header, crc32c);
  target.bytes.set(payload.subarray(0, header.payloadBytes), RECORD_HEADER_BYTES);
  return target.bytes;
}

const into = makeRecordHeader();

/** As recovery does: an intact header, and a payload that is all there and has its checksum. */
function isRead(bytes: Uint8Array): boolean {
  if (readRecordHeader(byteView(bytes), 0, into, crc32c) !== 'valid') return false;
  const end = RECORD_HEADER_BYTES + into.payloadBytes;
  if (end > bytes.length) return false;
  return into.kind === RecordKind.pad || crc32c(bytes, RECORD_HEADER_BYTES, end, 0) === into.payloadChecksum;
}

describe.each(Object.entries(RecordKind))('a record of kind %s', (_, kind) => {
  const bytes = recordOf(kind);

  it('is read as it was written', () => {
    expect(isRead(bytes)).toBe(true);
    const { headerChecksum, ...header } = into;
    expect(header).toEqual(headerOf(kind));
    expect(headerChecksum).toBeGreaterThan(0);
  });

  it('is not read with any byte changed to any other', () => {
    expect(readWithAByteChanged(bytes, isRead)).toEqual([]);
  });

  it('is not read while its end is missing, or is zeros', () => {
    for (let length = 0; length < bytes.length; length += 1) {
      expect(isRead(bytes.slice(0, length))).toBe(false);
      const zeroed = bytes.slice().fill(0, length);
      if (zeroed.some((byte, at) => byte !== bytes[at])) expect(isRead(zeroed)).toBe(false);
    }
  });
});
