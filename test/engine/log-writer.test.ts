/**
 * Aim: what the log writer writes is what recovery reads: appended records, rolled segments, padding, memory lent and taken
 * back; after a crash, at least what was durable and at most what was appended. Method: generated operations over a
 * memory medium that says what is durable; then recovery from a copy of just that.
 */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import { HeapPlace, LogPlace, TailPlace } from '../../src/engine/places.js';
import { RECORD_HEADER_BYTES, RecordKind } from '../../src/log/format.js';
import { makeLogEntry } from '../../src/log/log-index.js';
import { batchEnd } from '../../src/log/record.js';
import type { DecreeReference } from '../../src/protocol/decree.js';
import { DecreeKind } from '../../src/protocol/decree.js';
import { LogRig } from './log-rig.js';

const BALLOT = 0x1_0001;

function decree(bytes: number, fill: number): DecreeReference {
  const payload = new Uint8Array(bytes).fill(fill);
  return {
    kind: DecreeKind.commands,
    bytes,
    checksum: crc32c(payload, 0, bytes, 0),
    commands: 1,
    configuration: null,
    source: new HeapPlace([payload.subarray(0, bytes >> 1), payload.subarray(bytes >> 1)]),
  };
}

/** The payload of a slot, from the medium. */
function payloadOf(rig: LogRig, slot: number): Uint8Array | null {
  const entry = makeLogEntry();
  if (!rig.recovered.state.index.get(slot, entry)) return null;
  const bytes = new Uint8Array(entry.payloadBytes);
  rig.medium.read(entry.segment, entry.payloadOffset, bytes, (error, count) => {
    expect(error).toBe(null);
    expect(count).toBe(bytes.length);
  });
  rig.queue.run();
  expect(crc32c(bytes, 0, bytes.length, 0)).toBe(entry.payloadChecksum);
  return bytes;
}

describe('LogWriter', () => {
  it('moves a decree to its place in the log, copied once, in blocks', () => {
    const rig = new LogRig({ blockBytes: 512 });
    rig.begin();
    expect(rig.log.tail % 512).toBe(0);
    const one = decree(100, 3);
    rig.log.appendDecree(RecordKind.accept, 1, BALLOT, 1, one);
    expect(one.source).toBeInstanceOf(LogPlace);
    const { segment, offset } = one.source as LogPlace;
    expect(rig.log.resident.get(segment)!.bytes.subarray(offset, offset + 100)).toEqual(
      new Uint8Array(100).fill(3),
    );
    expect(rig.copied.bytes).toBe(100);
    expect(rig.log.bytesLogged).toBe(100);
    expect(rig.log.hasUnpersisted).toBe(true);
    rig.log.flush();
    expect(rig.log.isIdle).toBe(false);
    rig.settle();
    expect(rig.log.isIdle).toBe(true);
    expect(rig.durableWrite).toBe(1);
    expect(rig.log.tail % 512).toBe(0);
  });

  it('takes a decree that lies at the tail without a copy, and nowhere else', () => {
    const rig = new LogRig();
    rig.begin();
    const memory = rig.memories[0]!.bytes;
    const offset = rig.log.tail + RECORD_HEADER_BYTES;
    memory.fill(9, offset, offset + 40);
    const inPlace = { ...decree(40, 9), source: new TailPlace(offset) };
    rig.log.appendDecree(RecordKind.accept, 1, BALLOT, 1, inPlace);
    expect(rig.copied.bytes).toBe(0);
    const misplaced = { ...decree(40, 9), source: new TailPlace(rig.log.tail) };
    expect(() => rig.log.appendDecree(RecordKind.accept, 2, BALLOT, 2, misplaced)).toThrow(
      /batch-lies-at-the-tail/,
    );
  });

  it('says what fits, and rolls by itself where it does not', () => {
    const rig = new LogRig();
    expect(rig.log.segment).toBe(-1);
    expect(rig.log.hasRoom(1000)).toBe(true);
    expect(rig.log.fits(1000)).toBe(false);
    rig.begin();
    const first = rig.log.segment;
    let slot = 0;
    while (rig.log.segment === first) {
      slot += 1;
      rig.log.appendDecree(RecordKind.accept, slot, BALLOT, slot, decree(5000, slot));
    }
    expect(rig.log.hasStandby).toBe(false);
    while (rig.log.fits(5000)) {
      slot += 1;
      rig.log.appendDecree(RecordKind.accept, slot, BALLOT, slot, decree(5000, slot));
    }
    expect(rig.log.hasRoom(5000)).toBe(false);
    expect(() => rig.log.roll()).toThrow(/roll-needs-standby/);
    expect(rig.log.persistedBelow).toBe(first);
    rig.log.flush();
    rig.settle();
    expect(rig.log.hasRoom(5000)).toBe(true);
    expect(rig.log.persistedBelow).toBe(rig.log.segment);
    expect([...rig.log.resident.keys()]).toEqual([first, rig.log.segment]);
    expect(() => rig.log.release(rig.log.segment)).toThrow(/release-what-is-not-written-to/);
    rig.log.release(first);
    expect(() => rig.log.release(first)).toThrow(/release-what-is-not-written-to/);
  });

  it('passes over bytes that it gives up', () => {
    const rig = new LogRig();
    rig.begin();
    rig.memories[0]!.bytes.fill(0xaa, rig.log.tail, rig.log.tail + 4096);
    const end = batchEnd(rig.log.tail + 1000, 64);
    expect(() => rig.log.skipTo(rig.log.tail + 1)).toThrow(/skip-within-segment/);
    rig.log.skipTo(end);
    expect(rig.log.tail).toBe(end);
    rig.log.appendDecree(RecordKind.accept, 1, BALLOT, 1, decree(10, 1));
    rig.log.flush();
    rig.settle();
    const after = new LogRig({ contents: rig.crash() });
    expect(after.recovered.verdict.kind).toBe('clean');
    expect(payloadOf(after, 1)).toEqual(new Uint8Array(10).fill(1));
  });
});

type Operation =
  | { readonly kind: 'accept' | 'learn'; readonly bytes: number }
  | { readonly kind: 'promise' }
  | { readonly kind: 'mark' }
  | { readonly kind: 'skip'; readonly bytes: number }
  | { readonly kind: 'flush' }
  | { readonly kind: 'settle' | 'settle-one' }
  | { readonly kind: 'crash'; readonly lucky: number };

const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('accept' as const), bytes: fc.integer({ min: 0, max: 6000 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('learn' as const), bytes: fc.integer({ min: 0, max: 300 }) }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'promise' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'mark' as const }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('skip' as const), bytes: fc.integer({ min: 1, max: 3000 }) }),
  },
  { weight: 4, arbitrary: fc.constant({ kind: 'flush' as const }) },
  { weight: 3, arbitrary: fc.constant({ kind: 'settle' as const }) },
  { weight: 3, arbitrary: fc.constant({ kind: 'settle-one' as const }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('crash' as const), lucky: fc.nat() }) },
);

/** Runs operations, crash after crash, and compares each recovery with what was appended and what was durable. */
function runOperations(operations: readonly Operation[], blockBytes: number): void {
  let rig = new LogRig({ blockBytes });
  rig.begin();
  let ballot = BALLOT;
  let write = 0;
  let slot = 0;
  let starts = 1;
  /** By write: the slot, its payload; or the ballot promised. */
  let appended: { write: number; slot: number; fill: number; bytes: number; promised: number }[] = [];
  const surviving = new Map<number, { fill: number; bytes: number }>();
  for (const one of [
    ...operations,
    { kind: 'flush' },
    { kind: 'settle' },
    { kind: 'crash', lucky: 0 },
  ] as Operation[]) {
    const bytes = 'bytes' in one ? one.bytes : 0;
    if (!rig.log.hasRoom(bytes, 2) && one.kind !== 'crash') rig.settle();
    switch (one.kind) {
      case 'accept':
      case 'learn': {
        write += 1;
        slot += 1;
        const kind = one.kind === 'accept' ? RecordKind.accept : RecordKind.learn;
        if (kind === RecordKind.learn) rig.log.chosen = Math.max(rig.log.chosen, slot - 1);
        rig.log.appendDecree(kind, write, ballot, slot, decree(bytes, slot % 251));
        if (kind === RecordKind.accept) rig.log.promised = ballot;
        appended.push({
          write,
          slot,
          fill: slot % 251,
          bytes,
          promised: kind === RecordKind.accept ? ballot : 0,
        });
        break;
      }
      case 'promise':
        write += 1;
        ballot += 0x1_0000;
        rig.log.promised = ballot;
        rig.log.append(RecordKind.promise, write, ballot, 0, null);
        appended.push({ write, slot: 0, fill: 0, bytes: 0, promised: ballot });
        break;
      case 'mark':
        rig.log.append(RecordKind.mark, write, 0, rig.log.chosen, null);
        break;
      case 'skip': {
        if (!rig.log.fits(bytes + 2 * 4096)) break;
        rig.memories.at(-1)!.bytes.fill(0xee, rig.log.tail, rig.log.tail + bytes);
        rig.log.skipTo(batchEnd(rig.log.tail + RECORD_HEADER_BYTES + bytes, blockBytes));
        break;
      }
      case 'flush':
        rig.log.flush();
        break;
      case 'settle':
        rig.settle();
        break;
      case 'settle-one':
        rig.settleOne();
        break;
      case 'crash': {
        const durable = rig.durableWrite;
        const contents = rig.crash(one.lucky);
        rig = new LogRig({ blockBytes, contents });
        const { state, protocol } = rig.recovered;
        expect(state.startNumber).toBe(starts);
        let promised = 0;
        for (const record of appended) {
          // No write is half there: everything up to the last durable one, nothing that was not appended.
          if (record.write > durable) continue;
          if (record.slot > 0) surviving.set(record.slot, record);
          promised = Math.max(promised, record.promised);
        }
        expect(protocol.promised).toBeGreaterThanOrEqual(promised);
        for (const [at, { fill, bytes: length }] of surviving) {
          const payload = payloadOf(rig, at);
          expect(payload, `slot ${at}`).not.toBe(null);
          expect(Buffer.compare(payload!, Buffer.alloc(length, fill))).toBe(0);
        }
        expect(state.index.lastSlot).toBeLessThanOrEqual(slot);
        slot = Math.max(0, state.index.lastSlot);
        for (let at = 1; at <= slot; at += 1) {
          const record = appended.find((candidate) => candidate.slot === at) ?? surviving.get(at)!;
          surviving.set(at, record);
        }
        ballot = Math.max(ballot, protocol.promised);
        write = 0;
        appended = [];
        rig.begin();
        starts += 1;
        break;
      }
      default:
        one satisfies never;
    }
  }
}

describe('LogWriter and recoverLog', () => {
  it.each([64, 512, 4096])('agree over crashes, blocks of %i bytes', (blockBytes) => {
    fc.assert(
      fc.property(fc.array(operation, { minLength: 1, maxLength: 120, size: 'max' }), (operations) =>
        runOperations(operations, blockBytes),
      ),
      { numRuns: 100 },
    );
  });

  it('have written again what nothing says is durable, before anything is built on it', () => {
    const rig = new LogRig();
    rig.begin();
    expect(rig.hardened).toEqual([]);
    rig.log.appendDecree(RecordKind.accept, 1, BALLOT, 1, decree(100, 3));
    rig.log.flush();
    rig.settle();
    const provenEnd = rig.log.tail;
    // This one says that the others are durable, and nothing says that it is.
    rig.log.appendDecree(RecordKind.accept, 2, BALLOT, 2, decree(100, 4));
    rig.log.flush();
    const { segment, tail } = rig.log;

    const again = new LogRig({ contents: rig.crash(1) });
    expect(again.hardened).toEqual([{ segment, from: provenEnd, to: tail }]);
    again.begin();
    expect(new LogRig({ contents: again.crash() }).hardened.map((range) => range.segment)).not.toContain(
      segment,
    );
  });

  it('refuse the log of another replica', () => {
    const rig = new LogRig();
    rig.begin();
    expect(() => new LogRig({ contents: rig.crash(), replica: 'b' })).toThrow(
      expect.objectContaining({ code: 'ERR_SYNOD_DATA_DIRECTORY' }),
    );
    expect(() => new LogRig({ contents: rig.crash(), cluster: 'other' })).toThrow(
      expect.objectContaining({ code: 'ERR_SYNOD_DATA_DIRECTORY' }),
    );
  });

  it('refuse, without throwing into the medium, a log that says more is chosen than it has', () => {
    const rig = new LogRig();
    rig.begin();
    rig.log.chosen = Number.MAX_SAFE_INTEGER;
    rig.log.appendDecree(RecordKind.accept, 1, BALLOT, 1, decree(20, 1));
    rig.log.flush();
    rig.settle();
    expect(() => new LogRig({ contents: rig.crash() })).toThrow(
      expect.objectContaining({
        code: 'ERR_SYNOD_LOG_CORRUPT',
        message: expect.stringContaining('slot 2 is chosen, but has no decree'),
      }),
    );
  });

  it('refuse likewise a log with acceptances that no acceptor gives', () => {
    const rig = new LogRig();
    rig.begin();
    for (const ballot of [BALLOT + 1, BALLOT]) {
      rig.log.appendDecree(RecordKind.accept, 1, ballot, 1, decree(20, 1));
      rig.log.flush();
      rig.settle();
    }
    expect(() => new LogRig({ contents: rig.crash() })).toThrow(
      expect.objectContaining({
        code: 'ERR_SYNOD_LOG_CORRUPT',
        message: expect.stringContaining('record-impossible'),
      }),
    );
  });

  it('open a log with a slot far ahead of all others in no time', () => {
    const rig = new LogRig();
    rig.begin();
    const configuration = new TextEncoder().encode(
      JSON.stringify({
        number: 1,
        members: [{ number: 1, id: 'a', incarnation: '0'.repeat(32) }],
        nextMember: 2,
      }),
    );
    rig.log.append(RecordKind.genesis, 0, 0, 0, configuration);
    const far = Number.MAX_SAFE_INTEGER - 1;
    rig.log.appendDecree(RecordKind.accept, 1, BALLOT, far, decree(20, 1));
    rig.log.flush();
    rig.settle();
    const { protocol } = new LogRig({ contents: rig.crash() }).recovered;
    expect([...protocol.accepted.keys()]).toEqual([far]);
  });

  it('never take a damaged durable record for a torn tail', () => {
    const rig = new LogRig();
    rig.begin();
    for (let slot = 1; slot <= 20; slot += 1) {
      rig.log.appendDecree(RecordKind.accept, slot, BALLOT, slot, decree(200, slot));
      rig.log.flush();
      rig.settle();
    }
    const entry = makeLogEntry();
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 18 }), fc.integer({ min: 0, max: 199 }), (slot, at) => {
        rig.recovered.state.index.get(slot, entry);
        const contents = rig.crash();
        contents.get(entry.segment)!.bytes[entry.payloadOffset + at]! ^= 0x10;
        expect(() => new LogRig({ contents })).toThrow(
          expect.objectContaining({ code: 'ERR_SYNOD_LOG_CORRUPT' }),
        );
      }),
      { numRuns: 50 },
    );
  });
});
