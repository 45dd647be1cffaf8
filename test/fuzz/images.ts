/**
 * Log segments as one input: for each its number (u8), the length of its file in units of 8 bytes (u16), and its bytes, where
 * runs of zeros take three bytes (0, and their count as u16), so that header pages are short.
 */

import { crc32c } from '../../src/checksum.js';
import {
  FORMAT_VERSION,
  RECORD_HEADER_BYTES,
  RECORD_MAGIC,
  RecordField,
  SEGMENT_HEADER_BYTES,
  SEGMENT_MAGIC_HIGH,
  SEGMENT_MAGIC_LOW,
  SegmentField,
} from '../../src/log/format.js';
import { recordSpan } from '../../src/log/record.js';
import { type Images, LogWriterModel, makeRandom, type RecordSpec } from '../log/log-writer-model.js';
import type { Random } from './random.js';
import { viewOf } from './target.js';

const SEGMENTS_MAX = 5;
const SEGMENT_BYTES_MAX = 16 * 1024;

export function packImages(images: Images): Uint8Array {
  const packed: number[] = [];
  for (const [number, bytes] of images) {
    packed.push(number & 255, (bytes.length >> 3) & 255, bytes.length >> 11);
    for (let at = 0; at < bytes.length; ) {
      const byte = bytes[at]!;
      packed.push(byte);
      at += 1;
      if (byte !== 0) continue;
      let count = 1;
      while (at < bytes.length && bytes[at] === 0 && count < 65_535) {
        count += 1;
        at += 1;
      }
      packed.push(count & 255, count >> 8);
    }
  }
  return Uint8Array.from(packed);
}

/** Never fails: what is missing is zeros, what is too much is cut off. */
export function unpackImages(packed: Uint8Array): Images {
  const images: Images = new Map();
  for (let at = 0; at + 3 <= packed.length && images.size < SEGMENTS_MAX; ) {
    const number = packed[at]!;
    const length = Math.min(SEGMENT_BYTES_MAX, (packed[at + 1]! | (packed[at + 2]! << 8)) * 8);
    const bytes = new Uint8Array(length);
    at += 3;
    for (let filled = 0; filled < length && at < packed.length; ) {
      const byte = packed[at]!;
      if (byte === 0) {
        filled += Math.max(1, (packed[at + 1] ?? 0) | ((packed[at + 2] ?? 0) << 8));
        at += 3;
      } else {
        bytes[filled] = byte;
        filled += 1;
        at += 1;
      }
    }
    images.set(number, bytes);
  }
  return new Map([...images].sort(([left], [right]) => left - right));
}

/** Mends the checksums, the nonces and the chain of what looks like records, most of the time. */
export function repairImages(packed: Uint8Array, random: Random): Uint8Array {
  const images = unpackImages(packed);
  let chain = 0;
  let sequence = 1;
  for (const [number, bytes] of images) {
    const view = viewOf(bytes);
    if (bytes.length < SEGMENT_HEADER_BYTES) continue;
    if (random.chance(0.95)) {
      if (random.chance(0.9)) view.setUint8(SegmentField.segment, number);
      view.setUint32(SegmentField.magicLow, SEGMENT_MAGIC_LOW, true);
      view.setUint32(SegmentField.magicHigh, SEGMENT_MAGIC_HIGH, true);
      if (random.chance(0.95)) view.setUint32(SegmentField.version, FORMAT_VERSION, true);
      if (random.chance(0.8)) view.setUint32(SegmentField.previous, chain, true);
      if (random.chance(0.8)) view.setUint32(SegmentField.firstSequence, sequence, true);
      const checksum = crc32c(bytes, SegmentField.version, SEGMENT_HEADER_BYTES, 0);
      view.setUint32(SegmentField.checksum, checksum, true);
    }
    const nonce = view.getUint32(SegmentField.nonceLow, true);
    sequence = view.getUint32(SegmentField.firstSequence, true);
    for (let at = SEGMENT_HEADER_BYTES; at + RECORD_HEADER_BYTES <= bytes.length; ) {
      const payloadBytes = view.getUint32(at + RecordField.payloadBytes, true);
      const isRecord = view.getUint32(at + RecordField.magic, true) === RECORD_MAGIC;
      const end = at + RECORD_HEADER_BYTES + payloadBytes;
      if (!isRecord || end > bytes.length) break;
      if (random.chance(0.95)) view.setUint32(at + RecordField.segmentNonce, nonce, true);
      if (random.chance(0.95)) view.setUint32(at + RecordField.sequence, sequence, true);
      if (random.chance(0.95)) view.setUint32(at + RecordField.previous, chain, true);
      if (random.chance(0.9)) view.setUint8(at + RecordField.reserved, 0);
      if (random.chance(0.9)) view.setUint8(at + RecordField.version, FORMAT_VERSION);
      const isPad = view.getUint8(at + RecordField.kind) === 7;
      const payload = isPad ? 0 : crc32c(bytes, at + RECORD_HEADER_BYTES, end, 0);
      if (random.chance(0.9)) view.setUint32(at + RecordField.payloadChecksum, payload, true);
      const checksum = crc32c(bytes, at + RecordField.payloadBytes, at + RECORD_HEADER_BYTES, 0);
      if (random.chance(0.98)) view.setUint32(at + RecordField.headerChecksum, checksum, true);
      chain = view.getUint32(at + RecordField.headerChecksum, true);
      sequence += 1;
      at += recordSpan(payloadBytes);
    }
  }
  return packImages(images);
}

/** Changes a field of a record or of a header, a payload, or the order of segments. */
export function mutateImages(packed: Uint8Array, random: Random): Uint8Array {
  const images = unpackImages(packed);
  const numbers = [...images.keys()];
  if (numbers.length === 0) return packed;
  const number = random.pick(numbers);
  const bytes = images.get(number)!;
  const view = viewOf(bytes);
  const places: number[] = [];
  for (let at = SEGMENT_HEADER_BYTES; at + RECORD_HEADER_BYTES <= bytes.length; at += 8) {
    if (view.getUint32(at, true) === RECORD_MAGIC) places.push(at);
  }
  const small = (): number =>
    random.pick([0, 1, 2, 3, 5, 255, 65_535, 65_536, 0x1f_ffff, 0xffff_ffff, random.below(9)]);
  switch (random.below(8)) {
    case 0: {
      const at = random.pick(Object.values(SegmentField));
      if (at + 4 <= bytes.length) view.setUint32(at, small(), true);
      break;
    }
    case 1:
    case 2: {
      if (places.length === 0) break;
      const at = random.pick(places) + (random.pick(Object.values(RecordField)) & ~3);
      view.setUint32(at, small(), true);
      break;
    }
    case 3:
      if (places.length > 0) bytes[random.pick(places) + RecordField.kind] = random.below(9);
      break;
    case 4: {
      // A record once more behind the last one, or in the place of another.
      if (places.length < 2) break;
      const from = random.pick(places);
      const to = random.pick(places);
      bytes.copyWithin(to, from, from + RECORD_HEADER_BYTES + random.below(64));
      break;
    }
    case 5:
      images.delete(number);
      images.set(random.below(6), bytes);
      break;
    case 6:
      images.set(number, bytes.slice(0, random.below(bytes.length + 1) & ~7));
      break;
    default: {
      const from = random.below(bytes.length >> 3) * 8;
      bytes.fill(0, from, from + random.pick([8, 64, 512, 4096]));
    }
  }
  return packImages(new Map([...images].sort(([left], [right]) => left - right)));
}

/** Lives of a log, some of which ended with a crash. `payloadOf` makes the payload of a slot's decree. */
export function sampleImages(payloadOf: (slot: number) => Uint8Array): Uint8Array[] {
  return [1, 2, 3, 4].map((seed) => {
    const random = makeRandom(seed);
    const model = new LogWriterModel({
      segmentBytes: 8192,
      blockBytes: 64,
      unitBytes: 64,
      random,
      stale: seed > 2,
    });
    model.open();
    let slot = 0;
    const genesis = new TextEncoder().encode(
      JSON.stringify({
        number: 1,
        members: [{ number: 1, id: 'a', incarnation: '1'.repeat(32) }],
        nextMember: 2,
      }),
    );
    model.append([
      { kind: 5, slot: 1 },
      { kind: 6, payload: genesis },
    ]);
    for (let round = 0; round < 3 + seed; round++) {
      const specs: RecordSpec[] = [];
      for (let count = 0; count < 3; count++) {
        slot += 1;
        specs.push({
          kind: 1,
          decreeKind: 1,
          slot,
          ballot: 257,
          chosen: slot - 1,
          commandCount: 1,
          payload: payloadOf(slot),
        });
      }
      specs.push({ kind: 2, ballot: 257 + round * 256 });
      model.append(specs);
      if (random() < 0.6) model.completeAll();
      if (seed > 1 && random() < 0.4) {
        model.crash(() => random() < 0.5);
        model.open();
        slot = model.history.filter(({ kind }) => kind === 1).length;
      }
    }
    if (seed !== 3) model.close(slot);
    return packImages(model.images());
  });
}
