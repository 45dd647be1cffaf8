/**
 * A checkpoint and frames of several kinds, as version 1 wrote them, kept as files: they are read as ever, and what is written today is the same, byte
 * for byte. The files were written once, by this test, and are never written again:
 *
 *     SYNOD_WRITE_FIXTURES=1 npx vitest run --project unit test/format
 */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { BlockReader, BlockWriter, type SessionEntry } from '../../src/checkpoint/blocks.js';
import { CHECKPOINT_HEADER_BYTES } from '../../src/checkpoint/format.js';
import { readCheckpointHeader, writeCheckpointHeader } from '../../src/checkpoint/header.js';
import { crc32c } from '../../src/checksum.js';
import type { DecreeReference } from '../../src/protocol/decree.js';
import type { Message } from '../../src/protocol/messages.js';
import {
  checkFrame,
  decodeForward,
  decodeMessage,
  decodeReport,
  FrameWriter,
  joinPayload,
} from '../../src/wire/codec.js';
import { FrameKind } from '../../src/wire/frame.js';
import { FrameReader } from '../../src/wire/frame-reader.js';

const checkpointFile = fileURLToPath(new URL('./fixtures/v1/checkpoint.bin', import.meta.url));
const framesFile = fileURLToPath(new URL('./fixtures/v1/frames.json', import.meta.url));

const header = {
  slot: 77,
  ballot: 3 * 65_536 + 2,
  nonceLow: 0x01020304,
  nonceHigh: 0x05060708,
  createdAtMs: 1_700_000_000_000,
  cluster: 'fixture',
  replica: 'b',
  configuration: Buffer.from('{"number":2}'),
  firstConfiguration: Buffer.from('{"number":1}'),
};
const sessions: readonly SessionEntry[] = [
  [1, 1, 5],
  [2, 9, 4_294_967_297],
];
const state = Uint8Array.from({ length: 1000 }, (_, index) => (index * 7) % 251);

function writeCheckpoint(): Uint8Array {
  const { bytes, chain } = writeCheckpointHeader(header, crc32c);
  const writer = new BlockWriter(chain, crc32c);
  return Buffer.concat([bytes, ...writer.sessions(sessions), ...writer.state(state), ...writer.end()]);
}

const payload = Buffer.from([1, 0, 0, 0, 65]);
const decree: DecreeReference = {
  kind: 1,
  bytes: payload.length,
  checksum: crc32c(payload, 0, payload.length, 0),
  commands: 1,
  configuration: null,
  source: null,
};
const messages: readonly Message[] = [
  { kind: 'accepted', ballot: 196_610, from: 8, through: 9 },
  { kind: 'refuse', ballot: 196_610, promised: 262_145 },
  { kind: 'fetch', from: 4_294_967_300, bytesMax: 1_048_576 },
  { kind: 'learn', slot: 5, ballot: 65_537, decree },
  { kind: 'fetch-end', through: 5, chosen: 9 },
  { kind: 'defunct', chosen: 9 },
];

function framesNow(): Record<string, string> {
  const writer = new FrameWriter(crc32c);
  const hex = (headerBytes: number, rest: Uint8Array = new Uint8Array(0)): string =>
    Buffer.concat([writer.bytes.subarray(0, headerBytes), rest]).toString('hex');
  const frames: Record<string, string> = {};
  for (const message of messages) {
    const withPayload = 'decree' in message;
    const bytes = withPayload ? payload : new Uint8Array(0);
    frames[message.kind] = hex(
      writer.message(message, 3, bytes.length, withPayload ? decree.checksum : 0),
      bytes,
    );
  }
  const report = { payload: 0x0123_4567_89ab_cdefn, chosen: 9, applied: 8, flags: 1 };
  frames.report = hex(writer.report(report));
  frames.forward = hex(writer.forward(4, 11, 1, payload.length, decree.checksum), payload);
  return frames;
}

if (process.env.SYNOD_WRITE_FIXTURES === '1') {
  if (!existsSync(checkpointFile)) writeFileSync(checkpointFile, writeCheckpoint(), { flag: 'wx' });
  if (!existsSync(framesFile))
    writeFileSync(framesFile, `${JSON.stringify(framesNow(), null, 1)}\n`, { flag: 'wx' });
}

describe('version 1', () => {
  it('has its checkpoints read and written as ever', () => {
    const stored = new Uint8Array(readFileSync(checkpointFile));
    const reading = readCheckpointHeader(stored, crc32c);
    expect(reading.kind).toBe('valid');
    if (reading.kind !== 'valid') return;
    expect(JSON.stringify(reading.header)).toBe(
      JSON.stringify({
        ...header,
        configuration: new Uint8Array(header.configuration),
        firstConfiguration: new Uint8Array(header.firstConfiguration),
      }),
    );
    const pieces: Uint8Array[] = [];
    const found: SessionEntry[] = [];
    const reader = new BlockReader(reading.chain, CHECKPOINT_HEADER_BYTES, crc32c, {
      onCookie: () => {},
      onSessions: (entries) => void found.push(...entries),
      onState: (bytes) => void pieces.push(bytes.slice()),
    });
    reader.push(stored.subarray(CHECKPOINT_HEADER_BYTES));
    expect(reader.state).toEqual({ kind: 'complete', stateBytes: state.length });
    expect(found).toEqual(sessions);
    expect(Buffer.concat(pieces).equals(state)).toBe(true);
    expect(Buffer.from(writeCheckpoint()).equals(stored)).toBe(true);
  });

  it('has its frames read and written as ever', () => {
    const stored = JSON.parse(readFileSync(framesFile, 'utf8')) as Record<string, string>;
    expect(framesNow()).toEqual(stored);
    for (const [name, hex] of Object.entries(stored)) {
      const bytes = new Uint8Array(Buffer.from(hex, 'hex'));
      const reader = new FrameReader(crc32c, 1 << 16, () => {});
      reader.push(bytes, 0, bytes.length, 0);
      const frame = reader.next()!;
      checkFrame(frame);
      const expected = messages.find(({ kind }) => kind === name);
      if (expected !== undefined) {
        const message = decodeMessage(frame);
        if ('decree' in message && 'decree' in expected) {
          expect({ ...message, decree: null }).toEqual({ ...expected, decree: null });
          expect(Buffer.from(joinPayload(frame)).equals(payload)).toBe(true);
        } else expect(message).toEqual(expected);
      } else if (frame.kind === FrameKind.report)
        expect(decodeReport(frame)).toEqual({
          payload: 0x0123_4567_89ab_cdefn,
          chosen: 9,
          applied: 8,
          flags: 1,
        });
      else expect(decodeForward(frame)).toEqual({ session: 4, first: 11, count: 1, flags: 0 });
    }
  });
});
