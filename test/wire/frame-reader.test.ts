/** Frames out of bytes, however these are cut, and what damaged bytes do. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import { checkFrame, decodeMessage, joinPayload } from '../../src/wire/codec.js';
import { FrameError } from '../../src/wire/frame.js';
import { FrameReader } from '../../src/wire/frame-reader.js';
import { anySent, encode, join, type Sent } from './arbitraries.js';

const BOUND = 4096;

interface Seen {
  readonly kinds: string[];
  readonly payloads: Uint8Array[];
}

function note(seen: Seen, reader: FrameReader): void {
  for (;;) {
    const frame = reader.next();
    if (frame === null) return;
    checkFrame(frame);
    seen.kinds.push(decodeMessage(frame).kind);
    seen.payloads.push(joinPayload(frame));
  }
}

/** Pushes `parts` one by one, each in memory of its own with a margin around it, as receive buffers are. */
function feed(reader: FrameReader, parts: readonly Uint8Array[], seen: Seen, firstLease = 0): void {
  parts.forEach((part, index) => {
    const buffer = new Uint8Array(part.length + 20).fill(0xee);
    buffer.set(part, 7);
    reader.push(buffer, 7, 7 + part.length, firstLease + index);
    note(seen, reader);
  });
}

function cut(bytes: Uint8Array, at: readonly number[]): Uint8Array[] {
  const ends = [...new Set(at.map((one) => one % (bytes.length + 1)))].sort((a, b) => a - b);
  const parts: Uint8Array[] = [];
  let start = 0;
  for (const end of [...ends, bytes.length]) {
    if (end > start) parts.push(bytes.slice(start, end));
    start = end;
  }
  return parts;
}

const acceptPayload = Uint8Array.from({ length: 60 }, (_, index) => (index * 37) % 256);
const accept: Sent = {
  message: {
    kind: 'accept',
    ballot: 3 * 65_536 + 1,
    slot: 0x1_0000_0007,
    chosen: 0x1_0000_0005,
    decree: {
      kind: 1,
      bytes: acceptPayload.length,
      checksum: crc32c(acceptPayload, 0, acceptPayload.length, 0),
      commands: 5,
      configuration: null,
      source: null,
    },
  },
  payload: acceptPayload,
};
const query: Sent = { message: { kind: 'status-query', round: 77 }, payload: new Uint8Array(0) };

describe('splits', () => {
  it('at every place of three frames give the same three frames', () => {
    const bytes = join([encode(query, 1), encode(accept, 1), encode(query, 2)]);
    for (let at = 0; at <= bytes.length; at += 1) {
      const seen: Seen = { kinds: [], payloads: [] };
      feed(new FrameReader(crc32c, BOUND, () => {}), cut(bytes, [at]), seen);
      expect(seen.kinds).toEqual(['status-query', 'accept', 'status-query']);
      expect(seen.payloads[1]).toEqual(accept.payload);
    }
  });

  it('into single bytes too', () => {
    const bytes = join([encode(query, 1), encode(accept, 1)]);
    const seen: Seen = { kinds: [], payloads: [] };
    feed(
      new FrameReader(crc32c, BOUND, () => {}),
      [...bytes].map((byte) => new Uint8Array([byte])),
      seen,
    );
    expect(seen.kinds).toEqual(['status-query', 'accept']);
    expect(seen.payloads[1]).toEqual(accept.payload);
  });

  it('by chance, of any frames; every buffer is given back, once, when its frames were dealt with', () => {
    fc.assert(
      fc.property(
        fc.array(anySent, { minLength: 1, maxLength: 6 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        (all, at) => {
          const bytes = join(all.map((sent) => encode(sent, 3)));
          const released: number[] = [];
          const reader = new FrameReader(crc32c, 1 << 16, (lease) => released.push(lease));
          const seen: Seen = { kinds: [], payloads: [] };
          const parts = cut(bytes, at);
          feed(reader, parts, seen);
          expect(seen.kinds).toEqual(all.map(({ message }) => message.kind));
          expect(seen.payloads).toEqual(all.map(({ payload }) => payload));
          expect(reader.heldBytes).toBe(0);
          expect(released).toEqual([]);
          reader.releaseSpent();
          expect(released).toEqual(parts.map((_, index) => index));
          reader.drop();
          expect(released.length).toBe(parts.length);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('buffers', () => {
  it('of an unfinished frame stay lent until it is dropped', () => {
    const released: number[] = [];
    const reader = new FrameReader(crc32c, BOUND, (lease) => released.push(lease));
    const bytes = encode(accept, 1);
    feed(reader, [bytes.slice(0, 40)], { kinds: [], payloads: [] }, 5);
    expect(reader.heldBytes).toBe(40);
    reader.releaseSpent();
    expect(released).toEqual([]);
    reader.drop();
    expect(released).toEqual([5]);
    expect(reader.heldBytes).toBe(0);
    expect(reader.next()).toBeNull();
  });

  it('keep their bytes for the frame until they are given back', () => {
    const reader = new FrameReader(crc32c, BOUND, () => {});
    const bytes = encode(accept, 1);
    reader.push(bytes, 0, bytes.length, 1);
    const frame = reader.next()!;
    expect(frame.payload.map(({ bytes: piece }) => piece)).toEqual([bytes]);
  });
});

/** Feeds `bytes`, then whole frames until the bound is reached, and tells what came of the first frame. */
function outcome(bytes: Uint8Array): 'rejected' | 'same' | 'changed' {
  const reader = new FrameReader(crc32c, BOUND, () => {});
  const filler = encode(query, 1);
  try {
    reader.push(bytes, 0, bytes.length, 0);
    for (let pushed = 0; pushed <= BOUND; pushed += filler.length) {
      const frame = reader.next();
      if (frame !== null) {
        checkFrame(frame);
        const message = decodeMessage(frame);
        const isSame =
          JSON.stringify(message, (key, value) => (key === 'source' ? null : value)) ===
          JSON.stringify(accept.message, (key, value) => (key === 'source' ? null : value));
        return isSame && frame.configuration === 1 ? 'same' : 'changed';
      }
      reader.push(filler, 0, filler.length, 0);
    }
    return 'changed';
  } catch (error) {
    expect(error).toBeInstanceOf(FrameError);
    return 'rejected';
  }
}

describe('damage', () => {
  it('the undamaged frame is read', () => {
    expect(outcome(encode(accept, 1))).toBe('same');
  });

  it('of any single bit is found out', () => {
    const bytes = encode(accept, 1);
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const damaged = bytes.slice();
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      expect({ bit, outcome: outcome(damaged) }).toEqual({ bit, outcome: 'rejected' });
    }
  });

  it('of the header is found out at once: nobody waits for the bytes that a damaged length promises', () => {
    const bytes = encode(query, 1);
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const damaged = bytes.slice();
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      const reader = new FrameReader(crc32c, 1 << 30, () => {});
      reader.push(damaged, 0, damaged.length, 0);
      // A longer header than there is may be waited for: it is bounded by a hundred bytes.
      const longer = new DataView(damaged.buffer).getUint16(10, true) > bytes.length;
      if (longer) reader.push(new Uint8Array(128), 0, 128, 1);
      expect(() => reader.next()).toThrow(FrameError);
    }
  });

  it('of a few bytes anywhere is found out', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 4 }),
        (changes) => {
          const bytes = encode(accept, 1);
          for (const [at, change] of changes) bytes[at % bytes.length]! ^= change;
          fc.pre(!bytes.every((byte, at) => byte === encode(accept, 1)[at]));
          expect(outcome(bytes)).toBe('rejected');
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('bounds', () => {
  it('a frame above the bound is refused by its header alone', () => {
    const bytes = encode(accept, 1);
    const reader = new FrameReader(crc32c, bytes.length - 1, () => {});
    reader.push(bytes, 0, 24, 0);
    expect(() => reader.next()).toThrow(/bound/);
  });

  it('a frame of just the bound is read', () => {
    const bytes = encode(accept, 1);
    const reader = new FrameReader(crc32c, bytes.length, () => {});
    reader.push(bytes, 0, bytes.length, 0);
    expect(reader.next()).not.toBeNull();
  });

  it('the bound can be raised once the peer is known', () => {
    const bytes = encode(accept, 1);
    const reader = new FrameReader(crc32c, 30, () => {});
    reader.setFrameBytesMax(BOUND);
    reader.push(bytes, 0, bytes.length, 0);
    expect(reader.next()).not.toBeNull();
  });

  it('another version is refused by name', () => {
    const bytes = encode(query, 1);
    bytes[8] = 2;
    const reader = new FrameReader(crc32c, BOUND, () => {});
    reader.push(bytes, 0, bytes.length, 0);
    expect(() => reader.next()).toThrow(/version 2/);
  });

  it('garbage is refused within the first bytes, or held within the bound', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 24, maxLength: 400 }), (garbage) => {
        const reader = new FrameReader(crc32c, BOUND, () => {});
        reader.push(garbage, 0, garbage.length, 0);
        try {
          const frame = reader.next();
          expect(frame).toBeNull();
          expect(reader.heldBytes).toBeLessThanOrEqual(BOUND);
        } catch (error) {
          expect(error).toBeInstanceOf(FrameError);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('what other protocols say first is refused', () => {
    for (const text of [
      'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n',
      '*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n',
    ]) {
      const bytes = new TextEncoder().encode(text);
      const reader = new FrameReader(crc32c, BOUND, () => {});
      reader.push(bytes, 0, bytes.length, 0);
      expect(() => reader.next()).toThrow(FrameError);
    }
  });
});
