/** Messages to bytes and back, of every kind; and what is refused. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import type { Message, MessageKind } from '../../src/protocol/messages.js';
import { checkFrame, decodeForward, decodeMessage, FrameWriter, joinPayload } from '../../src/wire/codec.js';
import type { Frame } from '../../src/wire/frame.js';
import { FRAME_HEADER_BYTES_MAX, FrameError, FrameField, FrameKind } from '../../src/wire/frame.js';
import { FrameReader } from '../../src/wire/frame-reader.js';
import { anyBytes, anySent, encode, join, type Sent, sentByKind, u32, u64 } from './arbitraries.js';

function readOne(bytes: Uint8Array): Frame {
  const reader = new FrameReader(crc32c, 1 << 20, () => {});
  reader.push(bytes, 0, bytes.length, 0);
  const frame = reader.next();
  expect(frame).not.toBeNull();
  return frame!;
}

/** Without the place of its payload, which is another one at the receiver. */
function plain(message: Message): Message {
  return 'decree' in message ? { ...message, decree: { ...message.decree, source: null } } : message;
}

/** A frame as `encode` makes it, with some bytes of the header changed and the checksum made right again. */
function forge(sent: Sent, change: (view: DataView) => void): Uint8Array {
  const bytes = encode(sent, 1);
  const view = new DataView(bytes.buffer);
  change(view);
  const headerBytes = view.getUint16(FrameField.headerBytes, true);
  const total = view.getUint32(FrameField.total, true);
  view.setUint32(FrameField.checksum, crc32c(bytes, FrameField.version, headerBytes, total), true);
  return bytes;
}

function forgeDecreed(decreeKind: number, commands: number, payload: Uint8Array): Uint8Array {
  const decree = {
    kind: 1,
    bytes: payload.length,
    checksum: 0,
    commands: 1,
    configuration: null,
    source: null,
  } as const;
  const message: Message = { kind: 'learn', slot: 1, ballot: 1, decree: { ...decree } };
  return forge({ message, payload }, (view) => {
    view.setUint32(FrameField.body + 16, decreeKind, true);
    view.setUint32(FrameField.body + 20, commands, true);
  });
}

describe('round trip', () => {
  for (const kind of Object.keys(sentByKind) as MessageKind[]) {
    it(kind, () => {
      fc.assert(
        fc.property(sentByKind[kind], u32, (sent, configuration) => {
          const bytes = encode(sent, configuration);
          const frame = readOne(bytes);
          checkFrame(frame);
          expect(frame.configuration).toBe(configuration);
          expect(frame.payloadBytes).toBe(sent.payload.length);
          expect(joinPayload(frame)).toEqual(sent.payload);
          expect(plain(decodeMessage(frame))).toEqual(plain(sent.message));
          expect(bytes.length - sent.payload.length).toBeLessThanOrEqual(FRAME_HEADER_BYTES_MAX);
        }),
        { numRuns: 200 },
      );
    });
  }

  it('forward', () => {
    fc.assert(
      fc.property(u64, u64, u32, anyBytes, (session, first, number, payload) => {
        fc.pre(first > 0 && payload.length >= 4);
        const count = 1 + (number % (payload.length >> 2));
        const flags = count === 1 ? [0, 1, 3][number % 3]! : 0;
        const writer = new FrameWriter(crc32c);
        const checksum = crc32c(payload, 0, payload.length, 0);
        const headerBytes = writer.forward(session, first, count, payload.length, checksum, flags);
        const frame = readOne(join([writer.bytes.subarray(0, headerBytes), payload]));
        checkFrame(frame);
        expect(frame.kind).toBe(FrameKind.forward);
        expect(decodeForward(frame)).toEqual({ session, first, count, flags });
      }),
    );
  });

  it('hand-shakes carry nothing but their payload', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(FrameKind.hello, FrameKind.welcome, FrameKind.refusal),
        anyBytes,
        (kind, payload) => {
          const writer = new FrameWriter(crc32c);
          const checksum = crc32c(payload, 0, payload.length, 0);
          const headerBytes = writer.plain(kind, 0, payload.length, checksum);
          const frame = readOne(join([writer.bytes.subarray(0, headerBytes), payload]));
          checkFrame(frame);
          expect(frame.kind).toBe(kind);
          expect(joinPayload(frame)).toEqual(payload);
          expect(() => decodeMessage(frame)).toThrow(FrameError);
        },
      ),
    );
  });

  it('one writer makes one frame after another', () => {
    const writer = new FrameWriter(crc32c);
    fc.assert(
      fc.property(fc.array(anySent, { minLength: 1, maxLength: 10 }), (all) => {
        for (const sent of all) {
          const checksum = crc32c(sent.payload, 0, sent.payload.length, 0);
          const headerBytes = writer.message(sent.message, 1, sent.payload.length, checksum);
          const frame = readOne(join([writer.bytes.subarray(0, headerBytes), sent.payload]));
          expect(plain(decodeMessage(frame))).toEqual(plain(sent.message));
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe('refused', () => {
  const query: Sent = { message: { kind: 'status-query', round: 1 }, payload: new Uint8Array(0) };

  it('a kind that this version does not know', () => {
    for (const kind of [0, 4, 9, 43, 99, 255]) {
      const frame = readOne(forge(query, (view) => view.setUint8(FrameField.kind, kind)));
      expect(() => checkFrame(frame)).toThrow(FrameError);
      expect(() => decodeMessage(frame)).toThrow(FrameError);
    }
  });

  it('a body of another size than its kind has', () => {
    const known = Object.values(FrameKind);
    for (const kind of known) {
      const frame = readOne(forge(query, (view) => view.setUint8(FrameField.kind, kind)));
      const { defunct, handOverDeclined, join, leaseRelease, resign, statusQuery } = FrameKind;
      const fits: number[] = [statusQuery, defunct, join, handOverDeclined, resign, leaseRelease];
      if (fits.includes(kind)) checkFrame(frame);
      else expect(() => checkFrame(frame)).toThrow(FrameError);
    }
  });

  it('a payload where none belongs', () => {
    // A heartbeat has a body of the same size as a learn, which has a payload.
    const bytes = forgeDecreed(1, 1, new Uint8Array([1]));
    expect(() => checkFrame(readOne(bytes))).not.toThrow();
    const view = new DataView(bytes.buffer);
    view.setUint8(FrameField.kind, FrameKind.heartbeat);
    const headerBytes = view.getUint16(FrameField.headerBytes, true);
    const checksum = crc32c(bytes, FrameField.version, headerBytes, bytes.length);
    view.setUint32(FrameField.checksum, checksum, true);
    const frame = readOne(bytes);
    expect(() => checkFrame(frame)).toThrow(FrameError);
  });

  it('numbers beyond 53 bits', () => {
    const frame = readOne(forge(query, (view) => view.setUint32(FrameField.body + 4, 0x20_0000, true)));
    expect(() => decodeMessage(frame)).toThrow(FrameError);
    const largest = readOne(forge(query, (view) => view.setUint32(FrameField.body + 4, 0x1f_ffff, true)));
    expect(decodeMessage(largest)).toEqual({ kind: 'status-query', round: 0x1f_ffff * 0x1_0000_0000 + 1 });
  });

  it('decrees of no kind, of commands without any, and of anything else with some', () => {
    const one = new Uint8Array([1]);
    for (const [kind, commands] of [
      [0, 0],
      [4, 1],
      [1, 0],
      [2, 1],
      [3, 0],
      [3, 1],
    ] as const)
      expect(() => decodeMessage(readOne(forgeDecreed(kind, commands, one)))).toThrow(FrameError);
    expect(decodeMessage(readOne(forgeDecreed(1, 1, one))).kind).toBe('learn');
  });

  it('a first configuration that is none, or not the first', () => {
    const genesis = (text: string): Frame => {
      const payload = new TextEncoder().encode(text);
      const writer = new FrameWriter(crc32c);
      const checksum = crc32c(payload, 0, payload.length, 0);
      const headerBytes = writer.plain(FrameKind.genesis, 0, payload.length, checksum);
      return readOne(join([writer.bytes.subarray(0, headerBytes), payload]));
    };
    const members = `[{"number":1,"id":"a","incarnation":"${'0'.repeat(32)}"}]`;
    expect(decodeMessage(genesis(`{"number":1,"members":${members},"nextMember":2}`)).kind).toBe('genesis');
    expect(() => decodeMessage(genesis(`{"number":2,"members":${members},"nextMember":2}`))).toThrow(
      FrameError,
    );
    expect(() => decodeMessage(genesis('{}'))).toThrow(FrameError);
    expect(() => decodeMessage(genesis(''))).toThrow(FrameError);
  });

  it('a join of what could not be a member: proposed, it would be a configuration that nobody can read', () => {
    const zeros = '0'.repeat(32);
    const sent = (text: string): Sent => ({
      message: { kind: 'join', id: 'a', incarnation: 'b', chosen: 0, former: 0 },
      payload: new TextEncoder().encode(text),
    });
    for (const text of [
      '',
      'a',
      'a b',
      `a ${zeros}0`,
      `a ${zeros.slice(1)}`,
      ` ${zeros}`,
      `\u00e9 ${zeros}`,
      `a ${zeros} 0`,
      `a ${zeros} x`,
      `a ${zeros} 70000`,
      `a ${zeros} 1 1`,
    ])
      expect(() => decodeMessage(readOne(encode(sent(text), 1))), text).toThrow(FrameError);
    expect(decodeMessage(readOne(encode(sent(`a ${zeros} 3`), 1)))).toMatchObject({ former: 3 });
    expect(decodeMessage(readOne(encode(sent(`a ${zeros}`), 1)))).toMatchObject({
      former: 0,
      id: 'a',
      incarnation: zeros,
    });
  });

  it('a forward of nothing, or of more commands than its bytes have lengths for', () => {
    for (const [first, count, payloadBytes, flags] of [
      [0, 1, 8, 0],
      [1, 0, 8, 0],
      [1, 3, 8, 0],
      [1, 3, 11, 0],
      [1, 0xffff_ffff, 8, 0],
      // Flags are of one command, and known.
      [1, 2, 8, 1],
      [1, 1, 8, 2],
      [1, 1, 8, 4],
    ] as const) {
      const writer = new FrameWriter(crc32c);
      const payload = new Uint8Array(payloadBytes);
      const headerBytes = writer.forward(
        1,
        first,
        count,
        payloadBytes,
        crc32c(payload, 0, payloadBytes, 0),
        flags,
      );
      const frame = readOne(join([writer.bytes.slice(0, headerBytes), payload]));
      expect(() => decodeForward(frame), `${count} in ${payloadBytes}, ${flags}`).toThrow(FrameError);
    }
  });

  it('any body by chance: it is a message or a FrameError, never another failure', () => {
    fc.assert(
      fc.property(anySent, fc.uint8Array({ minLength: 40, maxLength: 40 }), (sent, noise) => {
        const bytes = forge(sent, (view) => {
          const headerBytes = view.getUint16(FrameField.headerBytes, true);
          for (let at = FrameField.body; at < headerBytes; at += 1)
            view.setUint8(at, noise[at % noise.length]!);
        });
        const frame = readOne(bytes);
        checkFrame(frame);
        try {
          decodeMessage(frame);
        } catch (error) {
          expect(error).toBeInstanceOf(FrameError);
        }
      }),
      { numRuns: 500 },
    );
  });
});
