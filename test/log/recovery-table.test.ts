/**
 * The decision table: total, and equal to what recovery does. For every combination of facts, and every way in which the
 * place itself can look, segments are built by hand in which these facts hold.
 */

import { describe, expect, it } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import { RECORD_HEADER_BYTES, RecordField, RecordKind, SEGMENT_HEADER_BYTES } from '../../src/log/format.js';
import { byteView, type RecordHeader, recordSpan, writeRecordHeader } from '../../src/log/record.js';
import {
  type EndFacts,
  type Found,
  foundBy,
  isContradiction,
  judgeEnd,
  recoveryRules,
} from '../../src/log/recovery-table.js';
import { type SegmentHeader, writeSegmentHeader } from '../../src/log/segment.js';
import type { MissingReason } from '../../src/log/segment-scan.js';
import { type Images, modelIdentity, recover } from './log-writer-model.js';

const SEGMENT_BYTES = 8192;
const NONCE = 1000;

const reasons = [
  'blank',
  'stale-record',
  'no-room',
  'not-a-record',
  'bad-header-checksum',
  'bad-payload-checksum',
  'cut-off',
  'out-of-bounds',
  'wrong-sequence',
  'wrong-chain',
  'unsupported-record',
  'malformed-record',
] as const satisfies readonly MissingReason[];

const allFacts: EndFacts[] = (['nothing', 'unreadable', 'impossible'] as const).flatMap((found) =>
  (['nowhere', 'same-segment', 'later-segment'] as const).flatMap((claimed) =>
    [false, true].flatMap((leftovers) =>
      (['none', 'next-number', 'after-gap'] as const).map((successor) => ({
        found,
        claimed,
        leftovers,
        successor,
      })),
    ),
  ),
);

function segmentBytes(segment: number, firstSequence: number, durable: number, previous: number): Uint8Array {
  const header: SegmentHeader = {
    segment,
    nonceLow: NONCE + segment,
    nonceHigh: 0,
    firstSequence,
    previous,
    durable,
    promised: 0,
    chosen: 0,
    startNumber: 0,
    segmentBytes: SEGMENT_BYTES,
    blockBytes: 64,
    createdAtMs: 0,
    configuration: new Uint8Array(0),
    ...modelIdentity,
  };
  const bytes = new Uint8Array(SEGMENT_BYTES);
  writeSegmentHeader(bytes, header, crc32c);
  return bytes;
}

function put(
  bytes: Uint8Array,
  at: number,
  change: Partial<RecordHeader>,
  payload = new Uint8Array(0),
): number {
  bytes.set(payload, at + RECORD_HEADER_BYTES);
  const header: RecordHeader = {
    payloadBytes: payload.length,
    payloadChecksum: crc32c(payload, 0, payload.length, 0),
    kind: RecordKind.accept,
    decreeKind: 0,
    group: 0,
    ballot: 1,
    slot: change.sequence ?? 0,
    sequence: 1,
    durable: 0,
    chosen: 0,
    commandCount: 0,
    segmentNonce: NONCE + 1,
    previous: 0,
    ...change,
  };
  return writeRecordHeader(byteView(bytes), at, header, crc32c);
}

/** Records 1 to 3, and at the place of record 4 what `reason` says. Yields the bytes and the place. */
function firstSegment(reason: MissingReason): { bytes: Uint8Array; at: number } {
  const bytes = segmentBytes(1, 1, 0, 0);
  let at = SEGMENT_HEADER_BYTES;
  let chain = 0;
  for (let sequence = 1; sequence <= 3; sequence++) {
    // For `no-room` the third fills the segment to less than a header.
    const isLast = sequence === 3 && reason === 'no-room';
    const payload = new Uint8Array(isLast ? SEGMENT_BYTES - at - RECORD_HEADER_BYTES - 64 : 40).fill(
      sequence,
    );
    chain = put(bytes, at, { sequence, durable: sequence - 1, previous: chain }, payload);
    at += recordSpan(payload.length);
  }
  const next = { sequence: 4, durable: 3, previous: chain };
  const { view } = byteView(bytes);
  const fixChecksum = (): void =>
    view.setUint32(at + RecordField.headerChecksum, crc32c(bytes, at + 8, at + RECORD_HEADER_BYTES, 0), true);
  switch (reason) {
    case 'blank':
    case 'no-room':
      break;
    case 'stale-record':
      put(bytes, at, { ...next, segmentNonce: 5 });
      break;
    case 'not-a-record':
      bytes[at + 20] = 1;
      break;
    case 'bad-header-checksum':
      put(bytes, at, next);
      bytes[at + RecordField.chosen]! ^= 1;
      break;
    case 'bad-payload-checksum':
      put(bytes, at, next, new Uint8Array(40).fill(4));
      bytes[at + RECORD_HEADER_BYTES + 39]! ^= 1;
      break;
    case 'cut-off':
      put(bytes, at, { ...next, payloadBytes: SEGMENT_BYTES - at - RECORD_HEADER_BYTES });
      return { bytes: bytes.subarray(0, SEGMENT_BYTES - 8), at };
    case 'out-of-bounds':
      put(bytes, at, { ...next, payloadBytes: SEGMENT_BYTES - at - RECORD_HEADER_BYTES + 1 });
      break;
    case 'wrong-sequence':
      put(bytes, at, { ...next, sequence: 5 });
      break;
    case 'wrong-chain':
      put(bytes, at, { ...next, previous: chain ^ 1 });
      break;
    case 'unsupported-record':
      put(bytes, at, next);
      view.setUint8(at + RecordField.version, 2);
      fixChecksum();
      break;
    case 'malformed-record':
      put(bytes, at, next);
      view.setUint8(at + RecordField.reserved, 2);
      fixChecksum();
      break;
    default:
      reason satisfies never;
  }
  return { bytes, at };
}

/** All sets of segments, by name, in which the facts hold and the place looks like `reason`. */
function arrangements(facts: EndFacts, reason: MissingReason): Map<string, { images: Images; at: number }> {
  const found = new Map<string, { images: Images; at: number }>();
  /** What says that record 4 was durable, or is a leftover: by a record (in the segment or later), or a header. */
  for (const leftoverIn of ['same', 'later'] as const) {
    for (const claimBy of ['record', 'header', 'headless'] as const) {
      const { bytes, at } = firstSegment(reason);
      const images: Images = new Map([[1, bytes]]);
      const claim = { sequence: 9, durable: 4 };
      const behind = at + 200 + 8;
      // Behind a full segment there is no room for anything.
      const canBehind = reason !== 'no-room';
      if (facts.leftovers && leftoverIn === 'same') {
        if (!canBehind) continue;
        const isClaim = facts.claimed === 'same-segment';
        put(bytes, behind, isClaim ? claim : { sequence: 7, durable: 3 });
      }
      if (facts.claimed === 'same-segment' && (leftoverIn !== 'same' || !facts.leftovers)) continue;
      if (facts.claimed !== 'later-segment' && claimBy !== 'record') continue;

      const byHeader = facts.claimed === 'later-segment' && claimBy === 'header';
      if (facts.successor !== 'none') {
        const segment = facts.successor === 'next-number' ? 2 : 3;
        const later = segmentBytes(segment, 9, byHeader ? 4 : 3, 77);
        if (facts.claimed === 'later-segment' && claimBy === 'record') {
          put(later, SEGMENT_HEADER_BYTES + 64, { ...claim, sequence: 10, segmentNonce: NONCE + segment });
        }
        images.set(segment, later);
      } else if (facts.claimed === 'later-segment' && claimBy !== 'headless') continue;

      const isHeadlessClaim = facts.claimed === 'later-segment' && claimBy === 'headless';
      if (isHeadlessClaim && !facts.leftovers) continue;
      if (isHeadlessClaim || (facts.leftovers && leftoverIn === 'later')) {
        const segment = facts.successor === 'none' ? 2 : 4;
        const headless = segmentBytes(segment, 20, 3, 0);
        headless[SEGMENT_HEADER_BYTES - 1]! ^= 1;
        put(headless, SEGMENT_HEADER_BYTES, {
          sequence: 20,
          durable: isHeadlessClaim ? 4 : 3,
          segmentNonce: NONCE + segment,
        });
        images.set(segment, headless);
      }
      found.set(`leftover in ${leftoverIn}, claim by ${claimBy}`, { images, at });
    }
  }
  return found;
}

describe('recovery table', () => {
  it('has a rule for every combination, and uses every rule', () => {
    const used = new Set(allFacts.map((facts) => judgeEnd(facts).name));
    expect(allFacts).toHaveLength(54);
    expect([...used].sort()).toEqual(recoveryRules.map(({ name }) => name).sort());
  });

  it('never discards what was durable or is understood by nobody, never halts for a crash', () => {
    for (const facts of allFacts) {
      const { ruling } = judgeEnd(facts);
      const mustHalt =
        facts.claimed !== 'nowhere' || facts.found === 'impossible' || facts.successor === 'after-gap';
      expect(ruling === 'corrupt').toBe(mustHalt);
    }
  });

  it('classifies every way in which a place can look', () => {
    const classes = new Set<Found>(reasons.map(foundBy));
    expect(classes.size).toBe(3);
    expect(() => foundBy('no such reason' as MissingReason)).toThrow('complete-dispatch');
  });

  let built = 0;
  it.each(allFacts)(
    'is what recovery does: $found, claimed $claimed, leftovers $leftovers, successor $successor',
    (facts) => {
      const rule = judgeEnd(facts);
      let count = 0;
      for (const reason of reasons.filter((each) => foundBy(each) === facts.found)) {
        for (const [name, { images, at }] of arrangements(facts, reason)) {
          count += 1;
          const { verdict, records } = recover(images);
          const where = `${reason}, ${name}`;
          expect(records.length, where).toBe(3);
          expect(verdict.kind, where).toBe(rule.ruling);
          if (verdict.kind === 'corrupt') {
            const expected =
              rule.name === 'impossible-record'
                ? ['record-impossible']
                : rule.name === 'segment-lost'
                  ? ['segment-lost']
                  : ['record-damaged', 'segment-header-damaged'];
            expect(expected, where).toContain(verdict.reason);
            if (verdict.reason !== 'segment-header-damaged') {
              expect([verdict.segment, verdict.offset], where).toEqual([1, at]);
            }
          } else {
            expect(verdict.rule, where).toBe(rule.name);
            expect(verdict.nextSequence, where).toBe(4);
            expect(verdict.nextSegment, where).toBe(Math.max(...images.keys()) + 1);
            expect(verdict.line, where).toEqual([{ segment: 1, bytes: at }]);
            expect(verdict.unused, where).toEqual([...images.keys()].filter((segment) => segment !== 1));
            expect(verdict.discarded, where).toEqual(
              rule.ruling === 'torn' ? { segment: 1, offset: at } : null,
            );
          }
        }
      }
      // Every combination that is not contradictory was really tried.
      expect(count > 0).toBe(!isContradiction(facts));
      built += count;
    },
  );

  it('was tried on many logs', () => {
    expect(built).toBeGreaterThan(300);
  });
});
