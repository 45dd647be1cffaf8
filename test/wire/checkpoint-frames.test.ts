/** Frames that are no part of the protocol: checkpoints on their way, and what replicas tell of themselves. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import {
  checkFrame,
  decodeCheckpointChunk,
  decodeCheckpointFetch,
  decodeReport,
  FrameWriter,
  joinPayload,
} from '../../src/wire/codec.js';
import { type Frame, FrameError, FrameKind } from '../../src/wire/frame.js';
import { FrameReader } from '../../src/wire/frame-reader.js';
import { anyBytes, join, u32, u64 } from './arbitraries.js';

function read(writer: FrameWriter, headerBytes: number, payload: Uint8Array = new Uint8Array(0)): Frame {
  const bytes = join([writer.bytes.subarray(0, headerBytes), payload]);
  const reader = new FrameReader(crc32c, 1 << 20, () => {});
  reader.push(bytes, 0, bytes.length, 0);
  const frame = reader.next()!;
  checkFrame(frame);
  return frame;
}

test('a fetch of a checkpoint survives the way', () => {
  fc.assert(
    fc.property(u64, u64, u32, u32, u32, (slot, offset, nonceLow, nonceHigh, bytesMax) => {
      const fetch = { slot, offset, nonceLow, nonceHigh, bytesMax };
      const writer = new FrameWriter(crc32c);
      const frame = read(writer, writer.checkpointFetch(fetch));
      expect(frame.kind).toBe(FrameKind.checkpointFetch);
      expect(decodeCheckpointFetch(frame)).toEqual(fetch);
    }),
  );
});

test('a chunk survives the way where it lies within the checkpoint, and is refused where it does not', () => {
  fc.assert(
    fc.property(u64, u32, u32, u32, u32, anyBytes, (slot, offset, behind, nonceLow, nonceHigh, payload) => {
      const writer = new FrameWriter(crc32c);
      const checksum = crc32c(payload, 0, payload.length, 0);
      const send = (bytes: number): Frame => {
        const chunk = { slot, offset, bytes, nonceLow, nonceHigh };
        return read(writer, writer.checkpointChunk(chunk, payload.length, checksum), payload);
      };
      const bytes = offset + payload.length + behind;
      const frame = send(bytes);
      expect(frame.kind).toBe(FrameKind.checkpointChunk);
      if (payload.length === 0 && (slot > 0 || bytes > 0)) {
        expect(() => decodeCheckpointChunk(frame)).toThrow(FrameError);
        return;
      }
      expect(decodeCheckpointChunk(frame)).toEqual({ slot, offset, bytes, nonceLow, nonceHigh });
      expect(joinPayload(frame)).toEqual(payload);
      if (offset + payload.length === 0) return;
      expect(() => decodeCheckpointChunk(send(offset + payload.length - 1))).toThrow(/out of bounds/);
    }),
  );
});

test('that there is no checkpoint survives the way, and nothing else without bytes does', () => {
  const none = { slot: 0, offset: 0, bytes: 0, nonceLow: 0, nonceHigh: 0 };
  const writer = new FrameWriter(crc32c);
  expect(decodeCheckpointChunk(read(writer, writer.checkpointChunk(none, 0, 0)))).toEqual(none);
  for (const wrong of [{ slot: 1 }, { offset: 1 }, { bytes: 1 }]) {
    const frame = read(writer, writer.checkpointChunk({ ...none, ...wrong }, 0, 0));
    expect(() => decodeCheckpointChunk(frame)).toThrow(/out of bounds/);
  }
});

test('a report survives the way', () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 2n ** 64n - 1n), u64, u64, u32, (payload, chosen, applied, flags) => {
      const writer = new FrameWriter(crc32c);
      const frame = read(writer, writer.report({ payload, chosen, applied, flags }));
      expect(frame.kind).toBe(FrameKind.report);
      expect(decodeReport(frame)).toEqual({ payload, chosen, applied, flags });
    }),
  );
});
