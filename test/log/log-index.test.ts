/** The index against a plain map, over random programs that cross chunk boundaries. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RecordKind } from '../../src/log/format.js';
import { LogIndex, makeLogEntry } from '../../src/log/log-index.js';

const CHUNK = 1024;
/** Slots around the places where something could go wrong. */
const slots = fc
  .tuple(fc.constantFrom(0, CHUNK, 2 * CHUNK, 5 * CHUNK, 2 ** 40), fc.integer({ min: -6, max: 6 }))
  .map(([base, offset]) => Math.max(0, base + offset));

const uint32 = fc.nat(0xffff_ffff);
const entries = fc.record({
  kind: fc.constantFrom<RecordKind>(1, 5),
  decreeKind: fc.nat(255),
  ballot: fc.maxSafeNat(),
  segment: fc.maxSafeNat(),
  payloadOffset: uint32,
  payloadBytes: uint32,
  payloadChecksum: uint32,
  commandCount: uint32,
});
type Entry = typeof entries extends fc.Arbitrary<infer Value> ? Value : never;

function set(index: LogIndex, slot: number, entry: Entry): boolean {
  return index.set(
    slot,
    entry.kind,
    entry.decreeKind,
    entry.ballot,
    entry.segment,
    entry.payloadOffset,
    entry.payloadBytes,
    entry.payloadChecksum,
    entry.commandCount,
  );
}

const steps = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.tuple(fc.constant('set' as const), slots, entries) },
    { weight: 1, arbitrary: fc.tuple(fc.constant('drop' as const), slots, entries) },
  ),
  { maxLength: 60 },
);

const example: Entry = {
  kind: 1,
  decreeKind: 2,
  ballot: 3,
  segment: 4,
  payloadOffset: 5,
  payloadBytes: 6,
  payloadChecksum: 7,
  commandCount: 8,
};

describe('log index', () => {
  it('does what a map does', () => {
    fc.assert(
      fc.property(steps, fc.array(slots), (program, questions) => {
        const index = new LogIndex();
        const model = new Map<number, Entry>();
        let floor = 0;
        for (const [what, slot, entry] of program) {
          if (what === 'set') {
            expect(set(index, slot, entry)).toBe(slot >= floor);
            if (slot >= floor) model.set(slot, entry);
          } else {
            index.dropBelow(slot);
            floor = Math.max(floor, slot);
            for (const each of model.keys()) if (each < floor) model.delete(each);
          }
          expect(index.size).toBe(model.size);
          expect(index.floor).toBe(floor);
          expect(index.firstSlot).toBe(model.size === 0 ? -1 : Math.min(...model.keys()));
          expect(index.lastSlot).toBe(model.size === 0 ? -1 : Math.max(...model.keys()));
        }
        const into = makeLogEntry();
        for (const slot of [...questions, ...model.keys()]) {
          const expected = model.get(slot);
          const before = { ...into };
          expect(index.has(slot)).toBe(expected !== undefined);
          expect(index.kindOf(slot)).toBe(expected?.kind ?? 0);
          expect(index.ballotOf(slot)).toBe(expected?.ballot ?? -1);
          expect(index.get(slot, into)).toBe(expected !== undefined);
          expect(into).toEqual(expected ?? before);
        }
        for (const slot of questions) {
          const later = [...model.keys()].filter((each) => each >= slot);
          expect(index.nextSlot(slot)).toBe(later.length === 0 ? -1 : Math.min(...later));
        }
      }),
      { numRuns: 500 },
    );
  });

  it('finds holes', () => {
    const index = new LogIndex();
    expect(index.nextHole(4, 3)).toBe(4);
    expect(index.nextHole(1, 9)).toBe(1);
    for (const slot of [1, 2, 3, 5, 6, 9]) set(index, slot, example);
    expect(index.nextHole(1, 9)).toBe(4);
    expect(index.nextHole(5, 9)).toBe(7);
    expect(index.nextHole(8, 9)).toBe(8);
    expect(index.nextHole(9, 9)).toBe(10);
    expect(index.nextHole(1, 3)).toBe(4);
    index.dropBelow(3);
    expect(index.nextHole(2, 9)).toBe(2);
    expect(index.nextHole(3, 9)).toBe(4);
  });

  it('finds the next slot over any gap at once', () => {
    const index = new LogIndex();
    expect(index.nextSlot(1)).toBe(-1);
    for (const slot of [3, 2 ** 40, Number.MAX_SAFE_INTEGER]) set(index, slot, example);
    expect(index.nextSlot(1)).toBe(3);
    expect(index.nextSlot(4)).toBe(2 ** 40);
    expect(index.nextSlot(2 ** 40 + 1)).toBe(Number.MAX_SAFE_INTEGER);
  });

  it('asks and answers nothing about slots that cannot be', () => {
    const index = new LogIndex();
    for (const slot of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(index.has(slot)).toBe(false);
      expect(index.get(slot, makeLogEntry())).toBe(false);
      expect(() => set(index, slot, example)).toThrow('index-slot-safe-integer');
    }
    expect(() => set(index, 2 ** 53, example)).toThrow('index-slot-safe-integer');
    expect(() => index.dropBelow(Number.NaN)).toThrow('index-slot-safe-integer');
  });

  it('holds a million slots and lets them go', () => {
    const index = new LogIndex();
    for (let slot = 1; slot <= 1_000_000; slot++) set(index, slot, { ...example, ballot: slot });
    expect(index.size).toBe(1_000_000);
    expect(index.nextHole(1, 1_000_000)).toBe(1_000_001);
    for (let slot = 1; slot <= 1_000_000; slot += 9_973) expect(index.ballotOf(slot)).toBe(slot);
    index.dropBelow(999_999);
    expect([index.size, index.firstSlot, index.lastSlot]).toEqual([2, 999_999, 1_000_000]);
    index.dropBelow(2_000_000);
    expect([index.size, index.firstSlot, index.lastSlot]).toEqual([0, -1, -1]);
  });
});
