/** Bytes of a connection: cut into frames, checked, and decoded to messages. */

import fc from 'fast-check';
import { crc32c } from '../../../src/checksum.js';
import {
  checkFrame,
  decodeCheckpointChunk,
  decodeCheckpointFetch,
  decodeForward,
  decodeMessage,
  decodeReport,
  FrameWriter,
  joinPayload,
} from '../../../src/wire/codec.js';
import {
  FRAME_HEADER_BYTES,
  type Frame,
  FrameError,
  FrameField,
  FrameKind,
  WIRE_VERSION,
} from '../../../src/wire/frame.js';
import { FrameReader } from '../../../src/wire/frame-reader.js';
import { encode, sentByKind } from '../../wire/arbitraries.js';
import { Random } from '../random.js';
import { type FuzzTarget, join, must, type Trace, text, viewOf } from '../target.js';

const FRAME_BYTES_MAX = 64 * 1024;

/** What a kind's body must be long, as docs/wire-format.md has it. */
const bodyBytes: ReadonlyMap<number, number> = new Map([
  [FrameKind.hello, 0],
  [FrameKind.welcome, 0],
  [FrameKind.refusal, 0],
  [FrameKind.statusQuery, 8],
  [FrameKind.statusReply, 28],
  [FrameKind.prepare, 16],
  [FrameKind.promiseEntry, 32],
  [FrameKind.promised, 20],
  [FrameKind.accept, 32],
  [FrameKind.accepted, 24],
  [FrameKind.heartbeat, 24],
  [FrameKind.heartbeatReply, 44],
  [FrameKind.refuse, 16],
  [FrameKind.fetch, 12],
  [FrameKind.learn, 24],
  [FrameKind.fetchEnd, 16],
  [FrameKind.defunct, 8],
  [FrameKind.join, 8],
  [FrameKind.genesis, 0],
  [FrameKind.handOver, 16],
  [FrameKind.handOverDeclined, 8],
  [FrameKind.resign, 8],
  [FrameKind.readQuery, 16],
  [FrameKind.readReply, 24],
  [FrameKind.forward, 20],
  [FrameKind.checkpointFetch, 28],
  [FrameKind.checkpointChunk, 32],
  [FrameKind.report, 28],
]);
const kinds: readonly number[] = [...bodyBytes.keys()];

/** Makes what lies at each frame's place a frame, most of the time. */
export function repairFrames(stream: Uint8Array, random: Random): Uint8Array {
  const view = viewOf(stream);
  for (let at = 0; at + FRAME_HEADER_BYTES <= stream.length; ) {
    const left = stream.length - at;
    if (random.chance(0.95)) view.setUint8(at + FrameField.version, WIRE_VERSION);
    let kind = view.getUint8(at + FrameField.kind);
    if (!bodyBytes.has(kind) && random.chance(0.9)) kind = random.pick(kinds);
    view.setUint8(at + FrameField.kind, kind);
    const headerBytes = FRAME_HEADER_BYTES + (bodyBytes.get(kind) ?? random.below(64));
    if (random.chance(0.95)) view.setUint16(at + FrameField.headerBytes, headerBytes, true);
    let total = view.getUint32(at + FrameField.total, true);
    if ((total < headerBytes || total > left) && random.chance(0.95)) {
      total = Math.min(left, headerBytes + (random.chance(0.5) ? 0 : random.below(64)));
      view.setUint32(at + FrameField.total, total, true);
    }
    if (random.chance(0.03)) {
      // At and beyond the bounds, with a right checksum.
      total = random.pick([FRAME_BYTES_MAX, FRAME_BYTES_MAX + 1, 2 ** 21 + 1, 2 ** 31 - 1, 2 ** 32 - 1]);
      view.setUint32(at + FrameField.total, total, true);
    }
    const used = view.getUint16(at + FrameField.headerBytes, true);
    // Numbers have 53 bits: their upper words are small.
    for (let word = FrameField.body + 4; word + 4 <= Math.min(used, left); word += 8) {
      if (random.chance(0.8)) view.setUint8(at + word + 3, 0);
      if (random.chance(0.8)) view.setUint8(at + word + 2, view.getUint8(at + word + 2) & 31);
    }
    const isWhole = total <= left && used <= total;
    if (isWhole)
      view.setUint32(at + FrameField.payloadChecksum, crc32c(stream, at + used, at + total, 0), true);
    // Also where the length is wrong, or nothing but the checksum would ever refuse it.
    if (used >= FRAME_HEADER_BYTES && used <= left && random.chance(0.98)) {
      const checksum = crc32c(stream, at + FrameField.version, at + used, total);
      view.setUint32(at + FrameField.checksum, checksum, true);
    }
    if (!isWhole || used < FRAME_HEADER_BYTES) return stream;
    at += total;
  }
  return stream;
}

export const messageSamples = (): Uint8Array[] =>
  Object.values(sentByKind).flatMap((sent) =>
    fc.sample(sent, { seed: 7, numRuns: 2 }).map((each) => encode(each, 3)),
  );

interface Result {
  readonly frames: readonly string[];
  readonly error: string | null;
}

/** Asked again here: a frame with another checksum must not come through. */
function checkChecksums({ view, payload, payloadBytes, payloadChecksum }: Frame): void {
  const header = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const total = view.byteLength + payloadBytes;
  must(view.getUint32(FrameField.total, true) === total, 'a frame of another length');
  must(
    crc32c(header, FrameField.version, header.length, total) === view.getUint32(FrameField.checksum, true),
    'a header with another checksum',
  );
  const joined = join(payload.map(({ bytes, start, end }) => bytes.subarray(start, end)));
  must(joined.length === payloadBytes, 'a payload of another length');
  must(crc32c(joined, 0, joined.length, 0) === payloadChecksum, 'a payload with another checksum');
}

/** All frames of the stream, given in pieces of the lengths that `cut` yields. */
function readAll(stream: Uint8Array, cut: () => number, onFrame: (frame: Frame) => void): Result {
  const lent = new Set<number>();
  let leases = 0;
  const reader = new FrameReader(crc32c, FRAME_BYTES_MAX, (lease) => {
    must(lent.delete(lease), 'a lease came back that was not lent', () => String(lease));
  });
  const frames: string[] = [];
  let error: string | null = null;
  let at = 0;
  try {
    while (at < stream.length) {
      const count = Math.min(stream.length - at, cut());
      // A receive buffer of its own: what lies around the piece is not the peer's.
      const buffer = new Uint8Array(count + 16).fill(0xa5);
      buffer.set(stream.subarray(at, at + count), 8);
      at += count;
      lent.add(leases);
      reader.push(buffer, 8, 8 + count, leases++);
      for (let frame = reader.next(); frame !== null; frame = reader.next()) {
        frames.push(
          [
            frame.kind,
            frame.configuration,
            Buffer.from(frame.view.buffer, frame.view.byteOffset, frame.view.byteLength).toString('hex'),
            Buffer.from(joinPayload(frame)).toString('hex'),
          ].join(' '),
        );
        checkChecksums(frame);
        onFrame(frame);
      }
      reader.releaseSpent();
      must(reader.heldBytes <= at, 'more is held than came', () => `${reader.heldBytes} of ${at}`);
    }
  } catch (thrown) {
    if (!(thrown instanceof FrameError)) throw thrown;
    error = thrown.message;
  }
  reader.drop();
  must(lent.size === 0, 'leases did not come back', () => [...lent].join());
  return { frames, error };
}

/** A message must say the same when it is encoded and decoded again. */
function checkMessage(frame: Frame, trace: Trace): void {
  try {
    checkFrame(frame);
    if (frame.kind < FrameKind.statusQuery) return;
    if (frame.kind === FrameKind.forward) {
      const group = decodeForward(frame);
      must(group.count > 0 && group.first > 0, 'an empty group was let through');
      must(4 * group.count <= frame.payloadBytes, 'more commands than bytes for their lengths');
      trace('forward');
      return;
    }
    if (frame.kind > FrameKind.forward) {
      checkOther(frame);
      trace(`kind ${frame.kind}`);
      if (frame.kind !== FrameKind.resign) return;
    }
    const message = decodeMessage(frame);
    trace(message.kind);
    for (const [name, value] of Object.entries(message))
      if (typeof value === 'number')
        must(Number.isSafeInteger(value), 'a number that is none', () => `${name} ${value}`);
    const payload = joinPayload(frame);
    const writer = new FrameWriter(crc32c);
    const headerBytes = writer.message(message, frame.configuration, payload.length, frame.payloadChecksum);
    const bytes = join([writer.bytes.subarray(0, headerBytes), payload]);
    const reader = new FrameReader(crc32c, FRAME_BYTES_MAX, () => {});
    reader.push(bytes, 0, bytes.length, 0);
    const again = decodeMessage(reader.next()!);
    must(plain(again) === plain(message), 'decode(encode(message)) is another message', () => plain(again));
  } catch (error) {
    if (!(error instanceof FrameError)) throw error;
    trace(`refused ${frame.kind} ${error.message.replace(/\d+/g, 'N')}`);
  }
}

/** Frames that are no message of the protocol. */
function checkOther(frame: Frame): void {
  switch (frame.kind) {
    case FrameKind.checkpointFetch: {
      const { slot, offset, bytesMax } = decodeCheckpointFetch(frame);
      for (const number of [slot, offset, bytesMax])
        must(Number.isSafeInteger(number), 'a number that is none');
      break;
    }
    case FrameKind.checkpointChunk: {
      const { slot, offset, bytes } = decodeCheckpointChunk(frame);
      must(Number.isSafeInteger(slot) && offset + frame.payloadBytes <= bytes, 'a chunk behind the end');
      must(Number.isSafeInteger(bytes), 'a length that is none');
      break;
    }
    case FrameKind.report: {
      const { chosen, applied } = decodeReport(frame);
      must(Number.isSafeInteger(chosen) && Number.isSafeInteger(applied), 'a slot that is none');
      break;
    }
  }
}

function plain(message: object): string {
  return JSON.stringify(message, (key, value: unknown) => (key === 'source' ? undefined : value));
}

export const frames: FuzzTarget = {
  name: 'frames',
  about:
    'frames are cut alike however the bytes arrive, leases come back, messages round-trip, else FrameError',
  inputBytesMax: 3 * 1024,
  guides: ['/src/wire/'],
  dictionary: [
    text('{"number":1,"members":['),
    text('"incarnation":"'),
    text('0123456789abcdef0123456789abcdef'),
    text(' '),
  ],
  seeds() {
    const samples = messageSamples();
    const all = samples.map((sample) => join([new Uint8Array([1]), sample]));
    return [...all, join([new Uint8Array([9]), ...samples.slice(0, 6)])];
  },
  repair(input, random) {
    repairFrames(input.subarray(1), random);
    return input;
  },
  run(input, trace) {
    const stream = input.subarray(1);
    const whole = readAll(
      stream,
      () => stream.length,
      (frame) => checkMessage(frame, trace),
    );
    const random = new Random(input[0] ?? 0);
    const most = random.pick([1, 7, 30, 200]);
    const cut = readAll(
      stream,
      () => 1 + random.below(most),
      () => {},
    );
    must(cut.error === whole.error, 'the error depends on the cuts', () => `${cut.error}, ${whole.error}`);
    must(cut.frames.join() === whole.frames.join(), 'the frames depend on the cuts');
    trace(`${whole.frames.length > 3 ? 'many' : whole.frames.length} ${whole.error?.replace(/\d+/g, 'N')}`);
  },
};
