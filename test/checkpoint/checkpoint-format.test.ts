/**
 * Aim: a checkpoint comes back as it was written, in pieces of any size; and whatever is done to its bytes, nothing that was not
 * written is ever handed on, and it never passes for complete.
 */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BlockReader,
  type BlockReaderState,
  BlockWriter,
  type SessionEntry,
} from '../../src/checkpoint/blocks.js';
import {
  BLOCK_HEADER_BYTES,
  BLOCK_PAYLOAD_BYTES_MAX,
  CHECKPOINT_HEADER_BYTES,
  CheckpointField,
} from '../../src/checkpoint/format.js';
import {
  type CheckpointHeader,
  readCheckpointHeader,
  writeCheckpointHeader,
} from '../../src/checkpoint/header.js';
import { crc32c } from '../../src/checksum.js';

const header: CheckpointHeader = {
  slot: 7,
  ballot: 65_537,
  nonceLow: 1,
  nonceHigh: 2,
  createdAtMs: 1_700_000_000_000,
  cluster: 'demo',
  replica: 'a',
  configuration: Buffer.from('{"second":true}'),
  firstConfiguration: Buffer.from('{"first":true}'),
};

const sessions: readonly SessionEntry[] = [
  [1, 1, 5],
  [2, 3, Number.MAX_SAFE_INTEGER],
];

function write(state: readonly Uint8Array[], change: Partial<CheckpointHeader> = {}): Uint8Array[] {
  const { bytes, chain } = writeCheckpointHeader({ ...header, ...change }, crc32c);
  const writer = new BlockWriter(chain, crc32c);
  const blocks = [
    ...writer.sessions(sessions),
    ...state.flatMap((piece) => writer.state(piece)),
    ...writer.end(),
  ];
  return [bytes, ...blocks];
}

interface Read {
  readonly end: BlockReaderState | 'no header';
  readonly sessions: SessionEntry[];
  readonly state: Buffer;
  readonly cookies: readonly Buffer[];
}

function read(bytes: Uint8Array, cuts: readonly number[] = []): Read {
  const reading = readCheckpointHeader(bytes, crc32c);
  if (reading.kind !== 'valid')
    return { end: 'no header', sessions: [], state: Buffer.alloc(0), cookies: [] };
  const found: SessionEntry[] = [];
  const pieces: Buffer[] = [];
  const cookies: Buffer[] = [];
  const reader = new BlockReader(reading.chain, CHECKPOINT_HEADER_BYTES, crc32c, {
    onCookie: (bytes) => void cookies.push(Buffer.from(bytes)),
    onSessions: (entries) => void found.push(...entries),
    onState: (state) => void pieces.push(Buffer.from(state)),
  });
  let at = CHECKPOINT_HEADER_BYTES;
  for (const cut of [...cuts, bytes.length]) {
    if (cut <= at) continue;
    reader.push(bytes.subarray(at, cut));
    at = cut;
  }
  return { end: reader.state, sessions: found, state: Buffer.concat(pieces), cookies };
}

const join = (pieces: readonly Uint8Array[]): Buffer => Buffer.concat(pieces);
const states = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 });

/** A state of several blocks, each byte telling where it is from. */
const long = Uint8Array.from({ length: BLOCK_PAYLOAD_BYTES_MAX * 2 + 1000 }, (_, index) => (index * 31) >> 3);

describe('a checkpoint', () => {
  it('comes back, in pieces of any size', () => {
    fc.assert(
      fc.property(states, fc.array(fc.nat(20_000), { maxLength: 8 }), (state, cuts) => {
        const bytes = join(write(state));
        const back = read(
          bytes,
          [...cuts].sort((a, b) => a - b),
        );
        expect(back.end).toEqual({ kind: 'complete', stateBytes: join(state).length });
        expect(back.sessions).toEqual(sessions);
        expect(back.state).toEqual(join(state));
      }),
    );
  });

  it('of several blocks comes back, byte by byte too', () => {
    const pieces = write([long]);
    expect(pieces.length).toBe(1 + 1 + 3 + 1);
    const bytes = join(pieces);
    expect(read(bytes).state.equals(long)).toBe(true);
    const small = join(write([long.subarray(0, 50)]));
    const everywhere = Array.from({ length: small.length }, (_, index) => index);
    expect(read(small, everywhere).state.equals(long.subarray(0, 50))).toBe(true);
  });

  it('has its header back', () => {
    const reading = readCheckpointHeader(write([])[0]!, crc32c);
    expect(reading.kind === 'valid' ? { ...reading.header } : reading).toEqual({
      ...header,
      configuration: new Uint8Array(header.configuration),
      firstConfiguration: new Uint8Array(header.firstConfiguration),
    });
  });
});

describe('nothing that was not written is handed on', () => {
  it('whichever bit flips', () => {
    const original = join(write([long.subarray(0, 100)]));
    const bytes = Uint8Array.from(original);
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      const back = read(bytes);
      expect(back.end === 'no header' || back.end.kind !== 'complete', `bit ${bit}`).toBe(true);
      expect(back.state.equals(original.subarray(0, 0)) || back.state.equals(long.subarray(0, 100))).toBe(
        true,
      );
      bytes[bit >> 3]! ^= 1 << (bit & 7);
    }
  }, 60_000);

  it('wherever it is cut off, and whatever stands behind it', () => {
    const bytes = join(write([long.subarray(0, 100)]));
    for (let length = 0; length < bytes.length; length += 1) {
      const { end } = read(bytes.subarray(0, length));
      expect(end === 'no header' || end.kind === 'open', `${length}`).toBe(true);
    }
    expect(read(join([bytes, new Uint8Array(1)])).end).toMatchObject({
      kind: 'damaged',
      offset: bytes.length,
    });
  });

  it('when blocks are left out, doubled, exchanged, or from another checkpoint', () => {
    const pieces = write([long]);
    const other = write([long], { nonceLow: 9 });
    const arranged: readonly (readonly Uint8Array[])[] = [
      ...pieces.slice(1).map((_, index) => pieces.filter((_, at) => at !== index + 1)),
      ...pieces
        .slice(1)
        .map((piece, index) => [...pieces.slice(0, index + 1), piece, ...pieces.slice(index + 1)]),
      [pieces[0]!, pieces[1]!, pieces[3]!, pieces[2]!, ...pieces.slice(4)],
      [...pieces.slice(0, 3), other[3]!, ...pieces.slice(4)],
      [pieces[0]!, ...other.slice(1)],
    ];
    for (const arrangement of arranged) {
      const back = read(join(arrangement));
      expect(back.end === 'no header' ? '' : back.end.kind).not.toBe('complete');
      expect(back.state.equals(long.subarray(0, back.state.length))).toBe(true);
    }
  });

  it('a length that is a lie makes nobody wait for it, nor hold it', () => {
    const bytes = join(write([long.subarray(0, 100)]));
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    for (const length of [0, BLOCK_PAYLOAD_BYTES_MAX + 1, 0xffff_ffff]) {
      view.setUint32(CHECKPOINT_HEADER_BYTES + 4, length, true);
      const { end } = read(bytes.subarray(0, CHECKPOINT_HEADER_BYTES + BLOCK_HEADER_BYTES));
      expect(end).toMatchObject({ kind: 'damaged', offset: CHECKPOINT_HEADER_BYTES });
    }
  });
});

describe('a header', () => {
  it('of another version says so, and one with impossible values too', () => {
    const reseal = (change: (view: DataView) => void): unknown => {
      const bytes = Uint8Array.from(write([])[0]!);
      const view = new DataView(bytes.buffer);
      change(view);
      view.setUint32(CheckpointField.checksum, crc32c(bytes, CheckpointField.version, bytes.length, 0), true);
      return readCheckpointHeader(bytes, crc32c);
    };
    expect(reseal((view) => view.setUint32(CheckpointField.version, 2, true))).toEqual({
      kind: 'unsupported',
      version: 2,
    });
    for (const [field, change] of [
      ['cluster', (view: DataView) => view.setUint8(CheckpointField.clusterBytes, 64)],
      ['replica', (view: DataView) => view.setUint8(CheckpointField.replica, 0xff)],
      ['configuration', (view: DataView) => view.setUint16(CheckpointField.configurationBytes, 0, true)],
      [
        'firstConfiguration',
        (view: DataView) => view.setUint16(CheckpointField.firstConfigurationBytes, 2049, true),
      ],
      ['slot', (view: DataView) => view.setUint32(CheckpointField.slot + 4, 0xffff_ffff, true)],
    ] as const) {
      expect(reseal(change)).toEqual({ kind: 'malformed', field });
    }
  });

  it.each([
    [{ slot: -1 }, 'checkpoint-field-safe-integer'],
    [{ cluster: '' }, 'checkpoint-identifier-length'],
    [{ configuration: new Uint8Array(2049) }, 'checkpoint-configuration-length'],
  ])('is not written with %j', (change, contract) => {
    expect(() => writeCheckpointHeader({ ...header, ...change }, crc32c)).toThrow(contract);
  });
});

describe('a cookie', () => {
  const withCookie = (cookie: Uint8Array): Buffer => {
    const { bytes, chain } = writeCheckpointHeader(header, crc32c);
    const writer = new BlockWriter(chain, crc32c);
    const blocks = [...writer.cookie(cookie), ...writer.sessions(sessions), ...writer.end()];
    return Buffer.concat([bytes, ...blocks]);
  };

  it.each([1, 8192])('of %i bytes comes before everything else, in whatever pieces', (length) => {
    const cookie = Buffer.alloc(length, 7);
    const found = read(withCookie(cookie), [CHECKPOINT_HEADER_BYTES + 5, CHECKPOINT_HEADER_BYTES + 17]);
    expect(found.end).toEqual({ kind: 'complete', stateBytes: 0 });
    expect(found.cookies).toEqual([cookie]);
    expect(found.sessions).toEqual(sessions);
  });

  it('that is damaged is not handed on', () => {
    const bytes = withCookie(Buffer.alloc(100, 7));
    bytes[CHECKPOINT_HEADER_BYTES + 50]! ^= 1;
    const found = read(bytes);
    expect(found.end).toMatchObject({ kind: 'damaged', reason: 'a wrong checksum' });
    expect(found.cookies).toEqual([]);
  });

  it('is written first and once, and within its bounds', () => {
    const cookie = new Uint8Array(1);
    const writer = new BlockWriter(0, crc32c);
    expect(writer.cookie(null)).toEqual([]);
    expect(() => writer.cookie(new Uint8Array(0))).toThrow('checkpoint-cookie-length');
    expect(() => writer.cookie(new Uint8Array(8193))).toThrow('checkpoint-cookie-length');
    writer.cookie(cookie);
    expect(() => writer.cookie(cookie)).toThrow('checkpoint-cookie-first');
    writer.sessions(sessions);
    expect(() => writer.sessions(sessions)).toThrow('checkpoint-sessions-first');
  });
});

it('a writer keeps the order of blocks', () => {
  const writer = new BlockWriter(0, crc32c);
  writer.state(new Uint8Array(1));
  expect(() => writer.sessions(sessions)).toThrow('checkpoint-sessions-first');
  writer.end();
  expect(() => writer.end()).toThrow('checkpoint-ends-once');
  expect(() => writer.state(new Uint8Array(1))).toThrow('checkpoint-ends-once');
});
