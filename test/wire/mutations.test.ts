/** No frame of any kind survives a changed byte, whatever the change, or a missing end: what is read is what was sent, or nothing. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import type { MessageKind } from '../../src/protocol/messages.js';
import { checkFrame, FrameWriter } from '../../src/wire/codec.js';
import { FrameError, FrameKind } from '../../src/wire/frame.js';
import { FrameReader } from '../../src/wire/frame-reader.js';
import { readWithAByteChanged } from '../every-byte.js';
import { encode, join, sentByKind } from './arbitraries.js';

const BOUND = 1 << 16;
/** More than any header: a reader that waits for a longer header than was sent gets it, and must see what it is. */
const filler = new Uint8Array(256).fill(0xee);

function plainFrame(kind: FrameKind, text: string): Uint8Array {
  const payload = new TextEncoder().encode(text);
  const writer = new FrameWriter(crc32c);
  const headerBytes = writer.plain(kind, 0, payload.length, crc32c(payload, 0, payload.length, 0));
  return join([writer.bytes.subarray(0, headerBytes), payload]);
}

function reportFrame(): Uint8Array {
  const writer = new FrameWriter(crc32c);
  const report = { payload: 0xfedc_ba98_7654_3210n, chosen: 7, applied: 5, flags: 2 };
  return writer.bytes.slice(0, writer.report(report));
}

function forwardFrame(): Uint8Array {
  const payload = new Uint8Array([1, 0, 0, 0, 65, 2, 0, 0, 0, 66, 67]);
  const writer = new FrameWriter(crc32c);
  const checksum = crc32c(payload, 0, payload.length, 0);
  return join([writer.bytes.subarray(0, writer.forward(3, 7, 2, payload.length, checksum)), payload]);
}

/** Of each kind the smallest of a few frames by chance, so that every byte can be tried. */
const frames: Record<string, Uint8Array> = {
  hello: plainFrame(FrameKind.hello, '{"cluster":"c","id":"a"}'),
  welcome: plainFrame(FrameKind.welcome, '{"cluster":"c","id":"b"}'),
  refusal: plainFrame(FrameKind.refusal, '{"reason":"none","isFinal":true}'),
  forward: forwardFrame(),
  report: reportFrame(),
};
for (const kind of Object.keys(sentByKind) as MessageKind[]) {
  const some = fc.sample(sentByKind[kind], { seed: 11, numRuns: 20 }).map((sent) => encode(sent, 5));
  frames[kind] = some.sort((a, b) => a.length - b.length)[0]!;
}

/** True where a frame comes out of the bytes. */
function isRead(bytes: Uint8Array): boolean {
  const reader = new FrameReader(crc32c, BOUND, () => {});
  try {
    reader.push(bytes, 0, bytes.length, 0);
    reader.push(filler, 0, filler.length, 1);
    const frame = reader.next();
    if (frame === null) return false;
    checkFrame(frame);
    return true;
  } catch (error) {
    if (error instanceof FrameError) return false;
    throw error;
  }
}

describe.each(Object.entries(frames))('%s', (_, bytes) => {
  it('is read as it was sent', () => {
    expect(isRead(bytes)).toBe(true);
  });

  it('is not read with any byte changed to any other', () => {
    expect(readWithAByteChanged(bytes, isRead)).toEqual([]);
  });

  it('is not read while its end is missing, nor with that of the next frame', () => {
    for (let length = 0; length < bytes.length; length += 1) {
      const reader = new FrameReader(crc32c, BOUND, () => {});
      reader.push(bytes, 0, length, 0);
      expect(reader.next()).toBeNull();
      const next = join([bytes.subarray(0, length), bytes]);
      if (length > 0) expect(isRead(next)).toBe(false);
    }
  });

  it('is not read with two neighbouring bytes in the wrong order', () => {
    for (let at = 1; at < bytes.length; at += 1) {
      const damaged = bytes.slice();
      [damaged[at - 1], damaged[at]] = [bytes[at]!, bytes[at - 1]!];
      if (damaged[at] !== bytes[at]) expect(isRead(damaged)).toBe(false);
    }
  });
});
