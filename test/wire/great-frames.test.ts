/** Frames that are greater than a transport can be expected to lend: they are put together, and its buffers go back at once. */

import { describe, expect, it } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import { joinPayload } from '../../src/wire/codec.js';
import type { Frame } from '../../src/wire/frame.js';
import { FrameKind } from '../../src/wire/frame.js';
import { FrameReader } from '../../src/wire/frame-reader.js';
import { encode, type Sent } from './arbitraries.js';

const BUFFER = 256 * 1024;
const payload = Uint8Array.from({ length: 3 * 1024 * 1024 + 77 }, (_, index) => (index * 31) % 251);

function learn(content: Uint8Array): Sent {
  const checksum = crc32c(content, 0, content.length, 0);
  const decree = {
    kind: 1,
    bytes: content.length,
    checksum,
    commands: 1,
    configuration: null,
    source: null,
  } as const;
  return { message: { kind: 'learn', slot: 1, ballot: 65_537, decree }, payload: content };
}

const great = learn(payload);
const query: Sent = { message: { kind: 'status-query', round: 7 }, payload: new Uint8Array(0) };

function makeReader(): { reader: FrameReader; released: number[] } {
  const released: number[] = [];
  return { reader: new FrameReader(crc32c, 1 << 23, (lease) => released.push(lease)), released };
}

/** Pushes the bytes as buffers of equal size, and takes what is complete after each. */
function feed(reader: FrameReader, bytes: Uint8Array): Frame[] {
  const frames: Frame[] = [];
  for (let start = 0, lease = 0; start < bytes.length; start += BUFFER, lease += 1) {
    reader.push(bytes, start, Math.min(bytes.length, start + BUFFER), lease);
    for (let frame = reader.next(); frame !== null; frame = reader.next()) {
      frames.push(frame);
    }
    reader.releaseSpent();
  }
  return frames;
}

describe('a great frame', () => {
  it('holds no more than one buffer of the transport, and what follows it is read on', () => {
    const bytes = Buffer.concat([encode(query, 1), encode(great, 1), encode(query, 1)]);
    const buffers = Math.ceil(bytes.length / BUFFER);
    const { reader, released } = makeReader();
    let held = 0;
    for (let lease = 0; lease < buffers - 1; lease += 1) {
      reader.push(bytes, lease * BUFFER, (lease + 1) * BUFFER, lease);
      const frame = reader.next();
      expect(frame?.kind ?? null).toBe(lease === 0 ? FrameKind.statusQuery : null);
      expect(reader.next()).toBeNull();
      held += lease === 0 ? BUFFER - encode(query, 1).length : BUFFER;
      expect(reader.heldBytes).toBe(held);
      reader.releaseSpent();
      expect(released.length).toBe(lease + 1);
    }
    reader.push(bytes, (buffers - 1) * BUFFER, bytes.length, buffers - 1);
    const frame = reader.next()!;
    expect(frame.kind).toBe(FrameKind.learn);
    expect(Buffer.compare(joinPayload(frame), payload)).toBe(0);
    expect(reader.next()!.kind).toBe(FrameKind.statusQuery);
    expect(reader.next()).toBeNull();
    expect(reader.heldBytes).toBe(0);
    reader.releaseSpent();
    expect(released).toEqual(Array.from({ length: buffers }, (_, index) => index));
  });

  it('may follow another', () => {
    const bytes = Buffer.concat([encode(great, 1), encode(great, 2), encode(query, 3)]);
    const { reader, released } = makeReader();
    expect(feed(reader, bytes).map((frame) => frame.configuration)).toEqual([1, 2, 3]);
    expect(released.length).toBe(Math.ceil(bytes.length / BUFFER));
  });

  it('that ends with its buffer leaves nothing behind', () => {
    const headerBytes = encode(learn(payload), 1).length - payload.length;
    const whole = learn(payload.subarray(0, 12 * BUFFER - headerBytes));
    const bytes = encode(whole, 1);
    expect(bytes.length % BUFFER).toBe(0);
    const { reader, released } = makeReader();
    expect(feed(reader, bytes)).toHaveLength(1);
    expect(released.length).toBe(12);
    expect(reader.heldBytes).toBe(0);
  });

  it('that is damaged is refused, once it is there', () => {
    const bytes = Uint8Array.from(encode(great, 1));
    bytes[bytes.length - 1]! ^= 1;
    const { reader } = makeReader();
    expect(() => feed(reader, bytes)).toThrow('frame payload checksum');
  });

  it('that will never be complete is dropped with its connection', () => {
    const { reader, released } = makeReader();
    feed(reader, encode(great, 1).subarray(0, 2 * BUFFER));
    expect(reader.heldBytes).toBe(2 * BUFFER);
    reader.drop();
    expect(reader.heldBytes).toBe(0);
    expect(released).toEqual([0, 1]);
    // The same again, with the great frame complete but not taken: its memory was never lent.
    const other = makeReader();
    feed(other.reader, encode(great, 1).subarray(0, 2 * BUFFER));
    other.reader.push(encode(great, 1), 2 * BUFFER, encode(great, 1).length, 2);
    other.reader.drop();
    expect(other.released).toEqual([0, 1, 2]);
  });
});

describe('a bound', () => {
  it('is raised once the peer is known', () => {
    const bytes = encode(great, 1);
    const reader = new FrameReader(crc32c, 4096, () => {});
    reader.push(bytes, 0, bytes.length, 0);
    expect(() => reader.next()).toThrow(`frame of ${bytes.length} bytes, the bound is 4096`);
    reader.setFrameBytesMax(1 << 23);
    expect(reader.next()!.payloadBytes).toBe(payload.length);
  });
});
