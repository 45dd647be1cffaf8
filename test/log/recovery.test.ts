/**
 * Recovery against single faults and against the ways in which a log comes to be: headers that are no part of the log, a closed
 * log with any bit flipped, torn tails at every byte, and writes in flight that came through in part.
 */

import { describe, expect, it } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import { ContractViolation } from '../../src/contracts.js';
import { RecordKind, SEGMENT_HEADER_BYTES, SegmentField } from '../../src/log/format.js';
import { LogRecovery } from '../../src/log/recovery.js';
import { readSegmentHeader } from '../../src/log/segment.js';
import { type Images, LogWriterModel, makeRandom, modelIdentity, recover } from './log-writer-model.js';
import { recoverSlowly } from './recovery-reference.js';

const BLOCK_BYTES = 64;

function accept(slot: number, bytes: number, ballot = 1) {
  return {
    kind: RecordKind.accept,
    ballot,
    slot,
    chosen: Math.max(0, slot - 1),
    commandCount: 1,
    payload: Uint8Array.from({ length: bytes }, (_, at) => (slot * 7 + at) & 255),
  };
}

function newModel(change: Partial<ConstructorParameters<typeof LogWriterModel>[0]> = {}): LogWriterModel {
  const model = new LogWriterModel({
    segmentBytes: 8192,
    blockBytes: BLOCK_BYTES,
    unitBytes: 512,
    random: makeRandom(1),
    ...change,
  });
  model.open();
  return model;
}

/** A log over several segments, closed in good order: 24 acceptances and a mark. */
function closedLog(): LogWriterModel {
  const model = newModel();
  model.append([{ kind: RecordKind.start, slot: 1 }]);
  model.append([{ kind: RecordKind.genesis, payload: Uint8Array.of(1, 2, 3, 4, 5) }]);
  for (let slot = 1; slot <= 24; slot += 2) {
    model.append([accept(slot, 300), accept(slot + 1, 333)]);
    if (slot % 3 === 0) model.completeAll();
  }
  model.close(24);
  return model;
}

function headersOf(images: Images) {
  return [...images].map(([segment, bytes]) => ({ segment, header: readSegmentHeader(bytes, crc32c) }));
}

/** Changes a segment's header and makes its checksum right again. */
function forgeHeader(
  images: Images,
  segment: number,
  change: (view: DataView, bytes: Uint8Array) => void,
): void {
  const bytes = images.get(segment)!;
  const view = new DataView(bytes.buffer);
  change(view, bytes);
  view.setUint32(SegmentField.checksum, crc32c(bytes, 12, SEGMENT_HEADER_BYTES, 0), true);
}

describe('recovery of a log in good order', () => {
  it('finds nothing in nothing', () => {
    expect(recover(new Map()).verdict).toEqual({
      kind: 'clean',
      rule: 'clean-end',
      nextSequence: 1,
      chain: 0,
      nextSegment: 1,
      line: [],
      unused: [],
      discarded: null,
    });
  });

  it('yields what was written, byte for byte, and the state it adds up to', () => {
    const model = closedLog();
    const { verdict, records, state } = recover(model.media);
    expect(model.media.size).toBeGreaterThanOrEqual(3);
    expect(verdict.kind).toBe('clean');
    expect(records).toEqual(model.history);
    expect(state.index.size).toBe(24);
    expect(state.chosenThrough).toBe(24);
    expect(state.promised).toBe(1);
    expect(state.startNumber).toBe(1);
    expect(state.genesis?.bytes).toBe(5);
    expect(state.nextSequence).toBe(model.nextSequence);
  });

  it('reads segments that were cut to their content', () => {
    const model = closedLog();
    const before = recover(model.media);
    if (before.verdict.kind === 'corrupt') throw new Error('not sound');
    for (const { segment, bytes } of before.verdict.line) {
      model.media.set(segment, model.media.get(segment)!.subarray(0, bytes));
    }
    expect(recover(model.media)).toMatchObject({ verdict: before.verdict, records: before.records });
  });

  it('changes nothing when it is done again and again, opening each time', () => {
    const model = closedLog();
    for (let round = 0; round < 5; round++) {
      const { verdict, records } = model.open();
      expect(verdict.kind).toBe('clean');
      expect(records).toEqual(model.history);
      if (round % 2 === 0) model.completeAll();
      model.crash(() => round === 3);
    }
  });

  it('does not use segments that were begun and never written to', () => {
    const model = closedLog();
    const closed = model.segment;
    for (let round = 1; round <= 3; round++) {
      model.crash(() => true);
      model.open();
      model.completeAll();
      const { verdict } = recover(model.media);
      expect(verdict).toMatchObject({
        kind: 'clean',
        nextSegment: closed + round + 1,
        unused: Array.from({ length: round - 1 }, (_, index) => closed + 1 + index),
      });
    }
  });

  it('is asked and answered in turn', () => {
    const model = closedLog();
    const recovery = new LogRecovery({ segments: headersOf(model.media), beginning: 'whole', crc32c });
    expect(() => recovery.verdict()).toThrow('recovery-finished');
    expect(() => recovery.examine(new Uint8Array(0))).toThrow('recovery-examines-what-it-asked-for');
    expect(recovery.next()).toBe(1);
    expect(recovery.next()).toBe(1);
    recovery.examine(model.media.get(1)!);
    expect(() => recovery.examine(model.media.get(1)!)).toThrow(ContractViolation);
    const segments = headersOf(model.media).reverse();
    expect(() => new LogRecovery({ segments, beginning: 'whole', crc32c })).toThrow(
      'recovery-segments-ascending',
    );
  });
});

describe('segments that do not make one log', () => {
  it.each([
    ['cluster', { cluster: 'other' }],
    ['replica', { replica: 'other' }],
    ['disk', { diskIncarnation: new Uint8Array(16) }],
  ])('refuses the log of another %s', (_, identity) => {
    const model = closedLog();
    expect(recover(model.media, { identity: modelIdentity }).verdict.kind).toBe('clean');
    expect(recover(model.media, { identity }).verdict).toMatchObject({
      kind: 'corrupt',
      reason: 'segment-foreign',
      segment: 1,
    });
  });

  it('refuses a segment of another disk among its own', () => {
    const images = closedLog().images();
    forgeHeader(images, 2, (_, bytes) => {
      bytes[SegmentField.diskIncarnation] = 99;
    });
    expect(recover(images).verdict).toMatchObject({ kind: 'corrupt', reason: 'segment-foreign', segment: 2 });
  });

  it('refuses unknown versions and impossible fields, wherever they are', () => {
    const model = closedLog();
    for (const segment of model.media.keys()) {
      const images = model.images();
      forgeHeader(images, segment, (view) => view.setUint32(SegmentField.version, 2, true));
      expect(recover(images).verdict).toMatchObject({ reason: 'segment-unsupported', segment });
      forgeHeader(images, segment, (view) => {
        view.setUint32(SegmentField.version, 1, true);
        view.setUint32(SegmentField.blockBytes, 3, true);
      });
      expect(recover(images).verdict).toMatchObject({ reason: 'segment-header-impossible', segment });
    }
    const images = model.images();
    forgeHeader(images, 1, (view) => view.setUint32(SegmentField.previous, 3, true));
    expect(recover(images).verdict).toMatchObject({ reason: 'segment-header-impossible', segment: 1 });
  });

  it('refuses a file under another name', () => {
    const images = closedLog().images();
    images.set(9, images.get(3)!);
    images.delete(3);
    expect(recover(images).verdict).toMatchObject({ reason: 'segment-misplaced', segment: 9 });
  });

  it('refuses a segment that does not continue the one before', () => {
    const images = closedLog().images();
    forgeHeader(images, 2, (view) => view.setUint32(SegmentField.previous, 3, true));
    expect(recover(images).verdict).toMatchObject({ reason: 'chain-broken', segment: 2 });
  });

  it('misses every segment that is gone, but the last when it holds nothing that was relied on', () => {
    const model = closedLog();
    const last = Math.max(...model.media.keys());
    for (const segment of model.media.keys()) {
      if (segment === last) continue;
      const images = model.images();
      images.delete(segment);
      expect(recover(images).verdict).toMatchObject({
        kind: 'corrupt',
        reason: segment === 1 ? 'beginning-lost' : expect.stringMatching(/^(segment-lost|record-damaged)$/),
      });
    }
  });

  it('takes a log whose first segments were dropped, if told so', () => {
    const model = closedLog();
    const images = model.images();
    images.delete(1);
    expect(recover(images).verdict).toMatchObject({ reason: 'beginning-lost', segment: 2 });
    const { verdict, records } = recover(images, { beginning: 'suffix' });
    expect(verdict.kind).toBe('clean');
    expect(records).toEqual(model.history.filter(({ segment }) => segment > 1));
    // But not one whose first segment cannot be read.
    images.get(2)![100]! ^= 1;
    expect(recover(images, { beginning: 'suffix' }).verdict).toMatchObject({
      reason: 'segment-header-damaged',
      segment: 2,
    });
  });

  it('takes blank segments at the end, and torn headers, for what a crash leaves of a creation', () => {
    const model = closedLog();
    const images = model.images();
    const last = Math.max(...images.keys());
    images.set(last + 1, new Uint8Array(8192));
    images.set(last + 2, new Uint8Array(0));
    expect(recover(images).verdict).toMatchObject({
      kind: 'clean',
      nextSegment: last + 3,
      unused: [last + 1, last + 2],
    });
    images.get(last + 1)!.set(images.get(last)!.subarray(0, 104));
    expect(recover(images).verdict).toMatchObject({ kind: 'torn', unused: [last + 1, last + 2] });
    const only: Images = new Map([[1, images.get(last + 1)!]]);
    expect(recover(only).verdict).toMatchObject({
      kind: 'torn',
      nextSequence: 1,
      discarded: { segment: 1, offset: 0 },
    });
  });

  it('does not take a damaged first header for a new disk', () => {
    const model = newModel();
    model.append([accept(1, 100)]);
    model.close(1);
    const images = model.images();
    images.get(1)!.fill(0, 0, SEGMENT_HEADER_BYTES);
    expect(recover(images).verdict).toMatchObject({
      kind: 'corrupt',
      reason: 'segment-header-damaged',
      segment: 1,
    });
  });
});

describe('a flipped bit', () => {
  it('is found wherever it means something, and never cuts the log', { timeout: 300_000 }, () => {
    const model = closedLog();
    const images = model.images();
    const headers = headersOf(images);
    const lastSequence = model.history.findLast(({ kind }) => kind === RecordKind.mark)!.sequence;
    let meaningfulBits = 0;
    let harmlessBits = 0;
    for (const [segment, bytes] of images) {
      // 0: means nothing; else the sequence of the record, or -1 for the header.
      const meaning = new Int32Array(bytes.length);
      for (const range of model.meaningful) {
        if (range.segment === segment)
          meaning.fill(range.sequence === 0 ? -1 : range.sequence, range.from, range.to);
      }
      const index = headers.findIndex((each) => each.segment === segment);
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const at = bit >>> 3;
        const sequence = meaning[at]!;
        // Behind its end, and in what is ruled by one checksum, a sample shows as much.
        if (sequence === 0 && at > model.offset && bit % 7 !== 0) continue;
        if (sequence === -1 && at > 256 && bit % 31 !== 0) continue;
        bytes[at]! ^= 1 << (bit & 7);
        const segments = at < SEGMENT_HEADER_BYTES ? [...headers] : headers;
        if (segments !== headers) segments[index] = { segment, header: readSegmentHeader(bytes, crc32c) };
        const recovery = new LogRecovery({ segments, beginning: 'whole', crc32c });
        let records = 0;
        for (let asked = recovery.next(); asked !== null; asked = recovery.next()) {
          records += recovery.examine(images.get(asked)!)?.records.count ?? 0;
        }
        const { kind } = recovery.verdict();
        bytes[at]! ^= 1 << (bit & 7);
        if (sequence === 0) {
          harmlessBits += 1;
          if (kind === 'corrupt' || records !== model.history.length) {
            expect.fail(`bit ${bit} of segment ${segment} means nothing, but: ${kind}, ${records} records`);
          }
          continue;
        }
        meaningfulBits += 1;
        // Nothing stands behind the closing mark that could tell: it is lost, and with it nothing else.
        const isInMark = sequence >= lastSequence;
        const isRight = isInMark ? kind === 'torn' && records === sequence - 1 : kind === 'corrupt';
        if (!isRight)
          expect.fail(`bit ${bit} of segment ${segment} (record ${sequence}): ${kind}, ${records}`);
      }
    }
    expect(meaningfulBits).toBeGreaterThan(60_000);
    expect(harmlessBits).toBeGreaterThan(1_000);
  });

  it('in the last record of a log without a mark looks like a torn write: the limit of the format', () => {
    const model = newModel();
    model.append([accept(1, 100)]);
    model.completeAll();
    const last = model.history.findLast(({ kind }) => kind === RecordKind.accept)!;
    const images = model.images();
    images.get(last.segment)![last.offset + 90]! ^= 1;
    expect(model.durable).toBeGreaterThanOrEqual(last.sequence);
    expect(recover(images).verdict.kind).toBe('torn');
  });
});

describe('a torn tail', () => {
  it('is cut off at whatever byte it ends', { timeout: 120_000 }, () => {
    const model = newModel();
    model.append([accept(1, 200), accept(2, 60)]);
    model.completeAll();
    const before = model.images().get(1)!;
    const from = model.offset;
    model.append([accept(3, 150), { kind: RecordKind.promise, ballot: 9 }, accept(4, 33, 9)]);
    model.completeAll();
    const after = model.images().get(1)!;
    for (let cut = from; cut <= model.offset; cut++) {
      const bytes = before.slice();
      bytes.set(after.subarray(from, cut), from);
      const { verdict, records } = recover(new Map([[1, bytes]]));
      const whole = model.meaningful.filter(({ sequence, to }) => sequence > 0 && to <= cut).length;
      // The last bytes of what is written may be zeros: then nothing is missing though it was not written.
      expect(records.length).toBeGreaterThanOrEqual(whole);
      expect(records).toEqual(model.history.slice(0, records.length));
      expect(verdict.kind).not.toBe('corrupt');
      // The file may also end there.
      const short = recover(new Map([[1, after.slice(0, cut)]]));
      expect(short.verdict.kind).not.toBe('corrupt');
      expect(short.records.length).toBe(whole);
    }
  });

  it.each([
    ['in one segment', 200],
    ['over the end of a segment', 1500],
  ])(
    'is cut off whichever sectors of the writes in flight came through, %s',
    { timeout: 120_000 },
    (_, firstBytes) => {
      const model = newModel({ blockBytes: 512 });
      model.append([accept(1, firstBytes)]);
      model.append([accept(2, 1000)]);
      model.completeAll();
      const durable = model.durable;
      const segment = model.segment;
      model.append([accept(3, 300), accept(4, 400)]);
      model.append([accept(5, 200)]);
      model.append([accept(6, 100)]);
      const start = model.images();
      const memory = model.history.slice();
      const units = model.unitsInFlight();
      expect(model.segment > segment).toBe(firstBytes > 1000);
      // Few enough for all subsets; one sector is the least that there is of each write.
      expect(units).toBeLessThanOrEqual(12);
      const subsets = 2 ** units;
      const lengths = new Set<number>();
      for (let subset = 0; subset < subsets; subset++) {
        const keeps = (unit: number): boolean => ((subset >>> unit) & 1) === 1;
        const images: Images = new Map([...start].map(([segment, bytes]) => [segment, bytes.slice()]));
        model.tear(images, keeps);
        const { verdict, records } = recover(images);
        expect(verdict.kind).not.toBe('corrupt');
        expect(records.length).toBeGreaterThanOrEqual(durable);
        expect(records).toEqual(memory.slice(0, records.length));
        lengths.add(records.length);
        // The slow one is slow: every seventh subset shows whether they agree.
        if (subset % 7 !== 0) continue;
        const slow = recoverSlowly(images);
        expect(slow.records).toEqual(records.map(({ segment, offset }) => `${segment}:${offset}`));
      }
      // The subsets really led to different logs: from nothing more than durable to everything.
      expect(lengths).toContain(durable);
      expect(lengths).toContain(memory.length);
    },
  );
});
