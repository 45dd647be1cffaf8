/**
 * A model of whoever writes a log: the medium with its writes in flight, the layout of batches and segments, and the crash.
 * It keeps what was written and what was acknowledged, so that a test can hold recovery against it.
 */

import { crc32c } from '../../src/checksum.js';
import { RECORD_HEADER_BYTES, RecordKind, SEGMENT_HEADER_BYTES } from '../../src/log/format.js';
import { LogState } from '../../src/log/log-state.js';
import { type ByteView, batchEnd, byteView, recordSpan, writeRecordHeader } from '../../src/log/record.js';
import { type LogIdentity, LogRecovery, type LogVerdict } from '../../src/log/recovery.js';
import { readSegmentHeader, type SegmentHeader, writeSegmentHeader } from '../../src/log/segment.js';

/** Segments by number, as a medium has them. */
export type Images = Map<number, Uint8Array>;

export interface RecordSpec {
  readonly kind: RecordKind;
  readonly ballot?: number;
  readonly slot?: number;
  readonly chosen?: number;
  readonly decreeKind?: number;
  readonly commandCount?: number;
  readonly payload?: Uint8Array;
  /** For a pad: how many bytes are given up, with anything in them. */
  readonly padBytes?: number;
}

/** What is compared between what was written and what was recovered. */
export interface PlainRecord {
  readonly sequence: number;
  readonly segment: number;
  readonly offset: number;
  readonly kind: number;
  readonly ballot: number;
  readonly slot: number;
  readonly chosen: number;
  readonly decreeKind: number;
  readonly commandCount: number;
  /** Hexadecimal; empty for a pad. */
  readonly payload: string;
}

export interface Recovered {
  readonly verdict: LogVerdict;
  readonly records: PlainRecord[];
  readonly state: LogState;
}

const noBytes = new Uint8Array(0);

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** Recovers the log from images, as an engine does from files. */
export function recover(
  images: Images,
  options: { beginning?: 'whole' | 'suffix'; identity?: LogIdentity } = {},
): Recovered {
  const segments = [...images]
    .sort(([left], [right]) => left - right)
    .map(([segment, bytes]) => ({
      segment,
      header: readSegmentHeader(bytes.subarray(0, SEGMENT_HEADER_BYTES), crc32c),
    }));
  const recovery = new LogRecovery({ segments, beginning: 'whole', crc32c, ...options });
  const state = new LogState();
  const records: PlainRecord[] = [];
  for (let segment = recovery.next(); segment !== null; segment = recovery.next()) {
    const bytes = images.get(segment)!;
    const scan = recovery.examine(bytes);
    if (scan === null) continue;
    const { records: columns, header } = scan;
    for (let at = 0; at < columns.count; at++) {
      const payloadAt = columns.offsets[at]! + RECORD_HEADER_BYTES;
      const kind = columns.kinds[at]!;
      records.push({
        sequence: header.firstSequence + at,
        segment,
        offset: columns.offsets[at]!,
        kind,
        ballot: columns.ballots[at]!,
        slot: columns.slots[at]!,
        chosen: columns.chosen[at]!,
        decreeKind: columns.decreeKinds[at]!,
        commandCount: columns.commandCounts[at]!,
        payload:
          kind === RecordKind.pad
            ? ''
            : hex(bytes.subarray(payloadAt, payloadAt + columns.payloadBytes[at]!)),
      });
    }
    state.fold(scan);
  }
  return { verdict: recovery.verdict(), records, state };
}

/** Bytes that mean something: everything else may change without harm. */
export interface MeaningfulRange {
  readonly segment: number;
  readonly from: number;
  readonly to: number;
  /** Sequence of the record; 0 for a segment header. */
  readonly sequence: number;
}

interface Write {
  readonly segment: number;
  readonly from: number;
  readonly to: number;
  /** The last sequence that is durable once this and all writes before it are. */
  readonly lastSequence: number;
  done: boolean;
}

export interface ModelOptions {
  readonly segmentBytes: number;
  readonly blockBytes: number;
  /** What a crash tears at: 512, or 8 for persistent memory. */
  readonly unitBytes: number;
  /** From 0 up to 1, deterministic. */
  readonly random: () => number;
  /** New segments lie in space that older ones used, with stale bytes behind the first page. */
  readonly stale?: boolean;
}

export const modelIdentity = {
  cluster: 'cluster',
  replica: 'replica-a',
  diskIncarnation: Uint8Array.from({ length: 16 }, (_, index) => index + 1),
};

/** A small generator of random numbers, the same everywhere. */
export function makeRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export class LogWriterModel {
  readonly options: ModelOptions;
  /** What outlives a crash. */
  readonly media: Images = new Map();
  /** Every record of the log as it is now, by ascending sequence. */
  history: PlainRecord[] = [];
  /** Everything up to this was acknowledged. */
  durable = 0;
  meaningful: MeaningfulRange[] = [];
  writes: Write[] = [];
  readonly #memory: Images = new Map();
  readonly #retired: Uint8Array[] = [];
  #segment = 0;
  #at = 0;
  #nonce = 0;
  #nextSequence = 1;
  #chain = 0;
  #promised = 0;

  constructor(options: ModelOptions) {
    this.options = options;
  }

  get segment(): number {
    return this.#segment;
  }

  get offset(): number {
    return this.#at;
  }

  get nextSequence(): number {
    return this.#nextSequence;
  }

  /** Recovers from the media and begins the next segment. Yields what was recovered. */
  open(): Recovered {
    const recovered = recover(this.media, { identity: modelIdentity });
    const { verdict } = recovered;
    if (verdict.kind === 'corrupt') return recovered;
    this.#nextSequence = verdict.nextSequence;
    this.#chain = verdict.chain;
    this.durable = verdict.nextSequence - 1;
    this.history = this.history.slice(0, this.durable);
    this.meaningful = this.meaningful.filter(
      ({ segment, sequence }) =>
        sequence < verdict.nextSequence && verdict.line.some((use) => use.segment === segment),
    );
    this.#begin(verdict.nextSegment);
    return recovered;
  }

  /** Lays a batch out and puts it in flight. A batch that has no room goes to a new segment. */
  append(specs: readonly RecordSpec[]): void {
    const { segmentBytes, blockBytes } = this.options;
    const span = specs.reduce((sum, spec) => sum + recordSpan(spec.padBytes ?? spec.payload?.length ?? 0), 0);
    if (batchEnd(this.#at + span, blockBytes) > segmentBytes) this.#begin(this.#segment + 1);
    const from = this.#at;
    const memory = byteView(this.#memory.get(this.#segment)!);
    for (const spec of specs) this.#put(memory, spec);
    const end = batchEnd(this.#at, blockBytes);
    if (end > segmentBytes) throw new Error('the batch is larger than a segment');
    if (end > this.#at) {
      this.#put(memory, { kind: RecordKind.pad, padBytes: end - this.#at - RECORD_HEADER_BYTES });
    }
    this.#write(from, this.#at);
  }

  /** A mark that nothing but it follows, durable: what an idle or closing log has at its end. */
  close(chosen: number): void {
    this.completeAll();
    this.append([{ kind: RecordKind.mark, chosen }]);
    this.completeAll();
  }

  /** One write in flight becomes durable, whatever the order. */
  complete(index: number): void {
    const pending = this.writes.filter((write) => !write.done);
    const write = pending[index % pending.length];
    if (write === undefined) return;
    write.done = true;
    const memory = this.#memory.get(write.segment)!;
    this.media.get(write.segment)!.set(memory.subarray(write.from, write.to), write.from);
    while (this.writes[0]?.done) this.durable = this.writes.shift()!.lastSequence;
  }

  completeAll(): void {
    while (this.writes.length > 0) this.complete(0);
  }

  /** Units that writes in flight would have made durable, in the order in which `crash` asks for them. */
  unitsInFlight(): number {
    const { unitBytes } = this.options;
    return this.writes
      .filter((write) => !write.done)
      .reduce((sum, { from, to }) => sum + Math.ceil(to / unitBytes) - Math.floor(from / unitBytes), 0);
  }

  /** Power goes: of the writes in flight, the units for which `keeps` says so are durable. */
  crash(keeps: (unit: number) => boolean): void {
    this.tear(this.media, keeps);
    this.writes = [];
    this.#memory.clear();
  }

  /** What a crash would do to these images of the media. */
  tear(images: Images, keeps: (unit: number) => boolean): void {
    const { unitBytes } = this.options;
    let unit = 0;
    for (const { segment, from, to, done } of this.writes) {
      if (done) continue;
      const memory = this.#memory.get(segment)!;
      const media = images.get(segment)!;
      for (let at = Math.floor(from / unitBytes) * unitBytes; at < to; at += unitBytes) {
        const begin = Math.max(at, from);
        const end = Math.min(at + unitBytes, to);
        if (keeps(unit++)) media.set(memory.subarray(begin, end), begin);
      }
    }
  }

  /** Removes segments that recovery said hold nothing. Only after the new header is durable. */
  remove(segments: readonly number[]): void {
    for (const segment of segments) {
      this.#retired.push(this.media.get(segment)!);
      this.media.delete(segment);
    }
  }

  /** A copy of the media, to do harm to. */
  images(): Images {
    return new Map([...this.media].map(([segment, bytes]) => [segment, bytes.slice()]));
  }

  #begin(segment: number): void {
    const { segmentBytes, blockBytes, random, stale } = this.options;
    const media = new Uint8Array(segmentBytes);
    if (stale === true) {
      const older = this.#retired.at(-1) ?? [...this.media.values()][0];
      if (older !== undefined)
        media.set(older.subarray(SEGMENT_HEADER_BYTES, segmentBytes), SEGMENT_HEADER_BYTES);
    }
    this.media.set(segment, media);
    const memory = media.slice();
    this.#memory.set(segment, memory);
    this.#segment = segment;
    this.#nonce = Math.floor(random() * 4_294_967_296);
    const header: SegmentHeader = {
      segment,
      nonceLow: this.#nonce,
      nonceHigh: Math.floor(random() * 4_294_967_296),
      firstSequence: this.#nextSequence,
      previous: this.#chain,
      durable: this.durable,
      promised: this.#promised,
      chosen: 0,
      startNumber: 0,
      segmentBytes,
      blockBytes,
      createdAtMs: 0,
      configuration: noBytes,
      ...modelIdentity,
    };
    writeSegmentHeader(memory, header, crc32c);
    this.meaningful.push({ segment, from: 0, to: SEGMENT_HEADER_BYTES, sequence: 0 });
    this.#at = SEGMENT_HEADER_BYTES;
    this.#write(0, SEGMENT_HEADER_BYTES);
  }

  #write(from: number, to: number): void {
    const last = this.writes.at(-1);
    // Now and then the header page goes out together with the first batch, as one write.
    if (last !== undefined && from === SEGMENT_HEADER_BYTES && last.segment === this.#segment && !last.done) {
      if (this.options.random() < 0.5) {
        this.writes[this.writes.length - 1] = { ...last, to, lastSequence: this.#nextSequence - 1 };
        return;
      }
    }
    this.writes.push({ segment: this.#segment, from, to, lastSequence: this.#nextSequence - 1, done: false });
  }

  #put(memory: ByteView, spec: RecordSpec): void {
    const { random } = this.options;
    const payload = spec.payload ?? noBytes;
    const payloadAt = this.#at + RECORD_HEADER_BYTES;
    const payloadBytes = spec.padBytes ?? payload.length;
    if (spec.kind === RecordKind.pad) {
      // What is given up may hold anything, older records of this very segment included.
      const garbage = memory.bytes.slice(SEGMENT_HEADER_BYTES, SEGMENT_HEADER_BYTES + payloadBytes);
      if (random() < 0.5) for (let at = 0; at < garbage.length; at++) garbage[at] = random() * 256;
      memory.bytes.set(garbage, payloadAt);
    } else {
      memory.bytes.set(payload, payloadAt);
    }
    const header = {
      payloadBytes,
      payloadChecksum: spec.kind === RecordKind.pad ? 0 : crc32c(payload, 0, payload.length, 0),
      kind: spec.kind,
      decreeKind: spec.decreeKind ?? 0,
      group: 0,
      ballot: spec.ballot ?? 0,
      slot: spec.slot ?? 0,
      sequence: this.#nextSequence,
      durable: this.durable,
      chosen: spec.chosen ?? 0,
      commandCount: spec.commandCount ?? 0,
      segmentNonce: this.#nonce,
      previous: this.#chain,
    };
    this.#chain = writeRecordHeader(memory, this.#at, header, crc32c);
    this.#promised = Math.max(this.#promised, header.ballot);
    this.history.push({
      sequence: header.sequence,
      segment: this.#segment,
      offset: this.#at,
      kind: header.kind,
      ballot: header.ballot,
      slot: header.slot,
      chosen: header.chosen,
      decreeKind: header.decreeKind,
      commandCount: header.commandCount,
      payload: hex(payload),
    });
    this.meaningful.push({
      segment: this.#segment,
      from: this.#at,
      to: payloadAt + (spec.kind === RecordKind.pad ? 0 : payloadBytes),
      sequence: header.sequence,
    });
    this.#nextSequence += 1;
    this.#at += recordSpan(payloadBytes);
  }
}
