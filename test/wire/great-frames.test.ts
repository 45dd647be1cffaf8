/** Frames that are greater, or in more pieces, than a transport can be expected to lend: they are put together, and its buffers go back at once. */

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

describe('a frame in many pieces', () => {
  const query1 = encode(query, 1);
  const medium = learn(payload.subarray(0, 300_000));
  const bytes = Buffer.concat([encode(medium, 1), query1]);

  /** Pushes pieces of `pieceBytes`, one a turn. Yields the frames, and how many leases were out at most between two turns. */
  function dribble(reader: FrameReader, stream: Uint8Array, pieceBytes: number, released: number[]) {
    const frames: { kind: number; payload: Uint8Array }[] = [];
    const pieces: Uint8Array[] = [];
    let lentMax = 0;
    let lease = 0;
    for (let start = 0; start < stream.length; start += pieceBytes, lease += 1) {
      const piece = Uint8Array.from(stream.subarray(start, Math.min(stream.length, start + pieceBytes)));
      pieces.push(piece);
      reader.push(piece, 0, piece.length, lease);
      for (let frame = reader.next(); frame !== null; frame = reader.next())
        frames.push({ kind: frame.kind, payload: joinPayload(frame) });
      const before = released.length;
      reader.releaseSpent();
      // Others receive into it.
      for (const each of released.slice(before)) pieces[each]!.fill(0xdd);
      lentMax = Math.max(lentMax, lease + 1 - released.length);
    }
    return { frames, lentMax, pieces: lease };
  }

  it.each([
    ['of packets', 1448, 4],
    ['of a few bytes', 5, 4],
    // These are worth their buffers.
    ['of a buffer each', 64 * 1024, 6],
  ])('%s keeps few buffers', (_, pieceBytes, lentMax) => {
    const { reader, released } = makeReader();
    const seen = dribble(reader, bytes, pieceBytes, released);
    expect(seen.frames.map(({ kind }) => kind)).toEqual([FrameKind.learn, FrameKind.statusQuery]);
    expect(Buffer.compare(seen.frames[0]!.payload, medium.payload)).toBe(0);
    expect(seen.lentMax).toBeLessThanOrEqual(lentMax);
    expect([...released].sort((a, b) => a - b)).toEqual(
      Array.from({ length: seen.pieces }, (_, each) => each),
    );
    expect(reader.heldBytes).toBe(0);
  });

  it('keeps no more than a transport lends, however great the pieces', () => {
    const { reader, released } = makeReader();
    const seen = dribble(reader, encode(learn(payload.subarray(0, 1_900_000)), 1), 80_000, released);
    expect(seen.frames).toHaveLength(1);
    expect(seen.lentMax).toBe(18);
  });

  it.each([5, 1448, 64 * 1024])(
    'of %i bytes keeps no buffer where none are lent, and is put together',
    (pieceBytes) => {
      const { reader, released } = makeReader();
      reader.setLending(false);
      const seen = dribble(reader, bytes, pieceBytes, released);
      expect(seen.lentMax).toBe(0);
      expect(Buffer.compare(seen.frames[0]!.payload, medium.payload)).toBe(0);
      expect(seen.frames[1]!.kind).toBe(FrameKind.statusQuery);
    },
  );

  it('that does not get as far as its header holds the bytes, and no buffers', () => {
    const { reader, released } = makeReader();
    for (let at = 0; at < 23; at += 1) {
      reader.push(query1, at, at + 1, at);
      expect(reader.next()).toBe(null);
      reader.releaseSpent();
      expect(at + 1 - released.length).toBeLessThanOrEqual(4);
    }
    expect(reader.heldBytes).toBe(23);
    reader.push(query1, 23, query1.length, 23);
    expect(reader.next()!.kind).toBe(FrameKind.statusQuery);
  });

  it('may be copied whatever there is of it, behind frames that are yet to be dealt with', () => {
    const { reader, released } = makeReader();
    const two = Uint8Array.from(
      Buffer.concat([encode(learn(payload.subarray(0, 50)), 1), encode(medium, 1)]),
    );
    reader.copyHeld();
    reader.push(two, 0, 1000, 0);
    const frame = reader.next()!;
    expect(reader.next()).toBe(null);
    reader.copyHeld();
    const held = reader.heldBytes;
    expect(released).toEqual([]);
    expect(Buffer.compare(joinPayload(frame), payload.subarray(0, 50))).toBe(0);
    reader.releaseSpent();
    expect(released).toEqual([0]);
    reader.copyHeld();
    expect(reader.heldBytes).toBe(held);
    reader.push(two, 1000, two.length, 1);
    expect(Buffer.compare(joinPayload(reader.next()!), medium.payload)).toBe(0);
    reader.releaseSpent();
    reader.drop();
    expect(released).toEqual([0, 1]);
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
