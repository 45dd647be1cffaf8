/** Folding records into an acceptor's state: each kind of record, which record wins for a slot, and the contracts. */

import { describe, expect, it } from 'vitest';
import { RECORD_HEADER_BYTES, RecordKind, SEGMENT_HEADER_BYTES } from '../../src/log/format.js';
import { LogIndex, makeLogEntry } from '../../src/log/log-index.js';
import { LogState } from '../../src/log/log-state.js';
import { makeRecordHeader, type RecordHeader } from '../../src/log/record.js';
import type { SegmentHeader } from '../../src/log/segment.js';
import { RecordColumns, type SegmentScan } from '../../src/log/segment-scan.js';
import { modelIdentity } from './log-writer-model.js';

function scan(records: readonly Partial<RecordHeader>[], header: Partial<SegmentHeader> = {}): SegmentScan {
  const columns = new RecordColumns();
  let at = SEGMENT_HEADER_BYTES;
  for (const record of records) {
    columns.push(at, { ...makeRecordHeader(), ...record });
    at += RECORD_HEADER_BYTES + 8;
  }
  const whole: SegmentHeader = {
    segment: 1,
    nonceLow: 1,
    nonceHigh: 1,
    firstSequence: 1,
    previous: 0,
    durable: 0,
    promised: 0,
    chosen: 0,
    startNumber: 0,
    segmentBytes: 8192,
    blockBytes: 64,
    createdAtMs: 0,
    configuration: new Uint8Array(0),
    ...modelIdentity,
    ...header,
  };
  return {
    header: whole,
    records: columns,
    nextSequence: whole.firstSequence + records.length,
    chain: 1000 + whole.segment,
    endOffset: at,
    durable: 0,
    end: { kind: 'complete' },
  };
}

function fold(...records: readonly Partial<RecordHeader>[]): LogState {
  const state = new LogState();
  state.fold(scan(records));
  return state;
}

const { accept, learn, promise, mark, start, genesis, pad, jump, list } = RecordKind;

describe('log state', () => {
  it('is nothing at first', () => {
    const state = fold();
    expect(state).toMatchObject({
      promised: 0,
      startNumber: 0,
      chosenThrough: 0,
      genesis: null,
      nextSequence: 1,
    });
    expect(state.index.size).toBe(0);
  });

  it('promises the highest ballot of promises and acceptances, not of learned decrees', () => {
    expect(fold({ kind: promise, ballot: 5 }, { kind: promise, ballot: 3 }).promised).toBe(5);
    expect(fold({ kind: promise, ballot: 5 }, { kind: accept, ballot: 7, slot: 1 }).promised).toBe(7);
    expect(fold({ kind: learn, ballot: 9, slot: 1 }).promised).toBe(0);
  });

  it('takes what is chosen from any record', () => {
    for (const kind of Object.values(RecordKind)) expect(fold({ kind, chosen: 4 }).chosenThrough).toBe(4);
    expect(
      fold({ kind: mark, chosen: 4 }, { kind: accept, slot: 9, ballot: 1, chosen: 2 }).chosenThrough,
    ).toBe(4);
  });

  it('takes the highest start number', () => {
    expect(
      fold({ kind: start, slot: 3 }, { kind: start, slot: 4 }, { kind: mark, slot: 99 }).startNumber,
    ).toBe(4);
  });

  it('knows where the genesis is, and that a pad is nothing', () => {
    const state = fold(
      { kind: pad, slot: 7, ballot: 7, payloadBytes: 3 },
      { kind: genesis, payloadBytes: 8, payloadChecksum: 77 },
    );
    expect(state.genesis).toEqual({
      segment: 1,
      offset: SEGMENT_HEADER_BYTES + 2 * RECORD_HEADER_BYTES + 8,
      bytes: 8,
      checksum: 77,
    });
    expect(state.index.size).toBe(0);
    expect(state.promised).toBe(0);
  });

  it('indexes what acceptances and learned decrees say', () => {
    const record = {
      kind: accept,
      slot: 12,
      ballot: 3,
      decreeKind: 2,
      payloadBytes: 8,
      payloadChecksum: 9,
      commandCount: 4,
    };
    const into = makeLogEntry();
    expect(fold(record).index.get(12, into)).toBe(true);
    expect(into).toEqual({
      kind: accept,
      decreeKind: 2,
      ballot: 3,
      segment: 1,
      payloadOffset: SEGMENT_HEADER_BYTES + RECORD_HEADER_BYTES,
      payloadBytes: 8,
      payloadChecksum: 9,
      commandCount: 4,
    });
  });

  // Kind and ballot of two records for one slot, and which of them stands.
  it.each([
    ['accept', 3, 'accept', 3, 'second'],
    ['accept', 3, 'accept', 4, 'second'],
    ['accept', 4, 'accept', 3, 'broken'],
    ['accept', 4, 'learn', 3, 'second'],
    ['accept', 3, 'learn', 3, 'second'],
    ['accept', 3, 'learn', 4, 'second'],
    ['learn', 4, 'accept', 3, 'first'],
    ['learn', 3, 'accept', 3, 'second'],
    ['learn', 3, 'accept', 4, 'second'],
    ['learn', 4, 'learn', 3, 'second'],
    ['learn', 3, 'learn', 4, 'second'],
  ] as const)('%s under %i, then %s under %i: %s', (kind, ballot, laterKind, laterBallot, stands) => {
    const run = () =>
      fold(
        { kind: RecordKind[kind], slot: 5, ballot, commandCount: 1 },
        { kind: RecordKind[laterKind], slot: 5, ballot: laterBallot, commandCount: 2 },
      );
    if (stands === 'broken') {
      expect(run().fault).toEqual({
        kind: 'corrupt',
        reason: 'record-impossible',
        segment: 1,
        offset: expect.any(Number),
        detail: `slot 5 was accepted under ballot ${laterBallot} after ${ballot}`,
      });
      return;
    }
    const state = run();
    const into = makeLogEntry();
    state.index.get(5, into);
    expect(into.commandCount).toBe(stands === 'first' ? 1 : 2);
    expect(into.ballot).toBe(stands === 'first' ? ballot : laterBallot);
  });

  it('goes on from segment to segment, and takes what headers say', () => {
    const state = new LogState();
    const configuration = Uint8Array.of(1, 2);
    state.fold(
      scan([{ kind: accept, slot: 8, ballot: 6 }], {
        segment: 3,
        firstSequence: 50,
        promised: 5,
        chosen: 7,
        startNumber: 2,
        configuration,
      }),
    );
    expect(state).toMatchObject({
      promised: 6,
      chosenThrough: 7,
      startNumber: 2,
      nextSequence: 51,
      chain: 1003,
    });
    state.fold(
      scan([{ kind: accept, slot: 9, ballot: 6 }], {
        segment: 6,
        firstSequence: 51,
        previous: 1003,
        promised: 9,
      }),
    );
    expect(state).toMatchObject({ promised: 9, nextSequence: 52, chain: 1006 });
    expect(state.configuration).toEqual(configuration);
    expect([state.index.firstSlot, state.index.lastSlot]).toEqual([8, 9]);
  });

  it.each([
    ['state-folds-segments-in-order', { segment: 1, firstSequence: 2, previous: 1001 }],
    ['state-folds-without-gap', { segment: 2, firstSequence: 3, previous: 1001 }],
    ['state-folds-one-chain', { segment: 2, firstSequence: 2, previous: 1002 }],
  ])('requires %s', (contract, header) => {
    const state = fold({ kind: mark });
    expect(() => state.fold(scan([], header))).toThrow(contract);
  });

  it('a jump makes earlier records of its slots absent: what was accepted there may have lost', () => {
    const state = fold(
      { kind: accept, slot: 3, ballot: 9, chosen: 2 },
      { kind: accept, slot: 4, ballot: 9, chosen: 2 },
      { kind: jump, slot: 3, chosen: 2 },
      { kind: learn, slot: 3, ballot: 9, chosen: 3 },
    );
    expect(state.chosenThrough).toBe(3);
    expect([2, 3, 4].map((slot) => state.index.has(slot))).toEqual([false, false, true]);
    expect(state.promised).toBe(9);
  });

  it('has the list that a first configuration is to be drawn up for, beside that configuration', () => {
    const state = fold(
      { kind: start, slot: 1 },
      { kind: list, payloadBytes: 40, payloadChecksum: 7 },
      { kind: genesis, payloadBytes: 90, payloadChecksum: 8 },
    );
    expect(state.list).toMatchObject({ bytes: 40, checksum: 7 });
    expect(state.genesis).toMatchObject({ bytes: 90, checksum: 8 });
    expect(fold({ kind: start, slot: 1 }).list).toBe(null);
  });

  it('passes over slots below the floor of the index', () => {
    const index = new LogIndex();
    index.dropBelow(10);
    const state = new LogState(index);
    state.fold(
      scan([
        { kind: accept, slot: 9, ballot: 1 },
        { kind: accept, slot: 10, ballot: 1 },
      ]),
    );
    expect(index.size).toBe(1);
    expect(index.has(9)).toBe(false);
  });
});
