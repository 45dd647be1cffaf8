/**
 * Aim: chosen decrees reach the application in order, within a window of bytes, from segment memory or read back from the
 * log; what was read back is checked.
 */

import { beforeEach, describe, expect, it } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import { Bridge, type Delivery } from '../../src/engine/bridge.js';
import { Deliveries } from '../../src/engine/deliveries.js';
import { LogReader } from '../../src/engine/log-reader.js';
import type { SynodError } from '../../src/errors.js';
import { makeLogEntry } from '../../src/log/log-index.js';
import { DecreeKind } from '../../src/protocol/decree.js';
import { LogRig } from './log-rig.js';

const DECREE_BYTES = 3000;
const DECREES = 200;

let rig: LogRig;
let bridge: Bridge;
let deliveries: Deliveries;
let chunks: Map<number, SharedArrayBuffer>;
let chunksMost: number;
let chunksTold: number;
let errors: SynodError[];
let reads: number;

beforeEach(() => {
  rig = new LogRig();
  rig.begin();
  bridge = new Bridge();
  chunks = new Map();
  chunksMost = 0;
  errors = [];
  reads = 0;
  chunksTold = 0;
  deliveries = makeDeliveries(10 * DECREE_BYTES);
});

function makeDeliveries(windowBytes: number): Deliveries {
  return new Deliveries({
    bridge,
    reader: new LogReader(rig.medium, rig.recovered.state.index, rig.log.resident, crc32c),
    windowBytes,
    onChunk: (chunk, buffer) => {
      chunks.set(chunk, buffer);
      chunksTold += 1;
      chunksMost = Math.max(chunksMost, chunks.size);
    },
    onChunkGone: (chunk) => void chunks.delete(chunk),
    onRead: (error) => {
      reads += 1;
      if (error !== null) errors.push(error);
    },
  });
}

function appendAndForget(count: number): void {
  for (let slot = 1; slot <= count; slot += 1) rig.accept(slot, DECREE_BYTES);
  rig.forgetSealed();
}

/** Takes the oldest delivery, as the application does, and checks its bytes. */
function takeOne(): Delivery | null {
  const delivery: Delivery = { slot: 0, memory: 0, offset: 0, bytes: 0, commands: 0, kind: 0 };
  if (!bridge.peekDelivery(delivery)) return null;
  if (delivery.kind === DecreeKind.commands) {
    const buffer = delivery.memory < 0 ? chunks.get(-1 - delivery.memory) : undefined;
    const bytes =
      buffer === undefined ? rig.log.resident.get(delivery.memory)!.bytes : new Uint8Array(buffer);
    expect(delivery.bytes).toBe(DECREE_BYTES);
    const payload = bytes.subarray(delivery.offset, delivery.offset + delivery.bytes);
    expect(payload.every((byte) => byte === delivery.slot % 251)).toBe(true);
  }
  bridge.take();
  return delivery;
}

function drain(through: number): number[] {
  const slots: number[] = [];
  for (let round = 0; round < 10_000 && (slots.at(-1) ?? 0) < through && errors.length === 0; round += 1) {
    deliveries.advance(through);
    rig.queue.run();
    for (let one = takeOne(); one !== null; one = takeOne()) slots.push(one.slot);
  }
  return slots;
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

describe('Deliveries', () => {
  it('hands over from segment memory, and stops at the window', () => {
    for (let slot = 1; slot <= 40; slot += 1) rig.accept(slot, DECREE_BYTES);
    expect(deliveries.advance(40)).toBe(true);
    expect(bridge.deliveriesOpen).toBe(10);
    expect(deliveries.advance(40)).toBe(false);
    expect(bridge.takeDeliveryBlocked(), 'who executes wakes the engine').toBe(true);
    takeOne();
    takeOne();
    expect(deliveries.advance(40)).toBe(true);
    expect(bridge.deliveriesOpen).toBe(10);
    expect(drain(40)).toEqual(upTo(40).slice(2));
    expect(reads).toBe(0);
  });

  it('holds the segments that something handed over lies in, and no others', () => {
    for (let slot = 1; slot <= 60; slot += 1) rig.accept(slot, DECREE_BYTES);
    deliveries.advance(60);
    const used = new Set<number>();
    deliveries.addSegments(used);
    expect([...used]).toEqual([rig.memories[0]!.segment]);
    drain(60);
    deliveries.collect();
    const after = new Set<number>();
    deliveries.addSegments(after);
    expect(after.size).toBe(0);
  });

  it('reads back what is no longer in memory, many decrees at a time, and gives the chunks back', () => {
    appendAndForget(DECREES);
    expect(drain(DECREES)).toEqual(upTo(DECREES));
    expect(reads).toBeGreaterThan(3);
    expect(reads).toBeLessThan(DECREES / 5);
    expect(chunksMost).toBeLessThanOrEqual(3);
    expect(chunksTold, 'they are used again').toBeLessThanOrEqual(3);
  });

  it('writes over no chunk before everything in it is executed', () => {
    appendAndForget(DECREES);
    deliveries = makeDeliveries(70 * DECREE_BYTES);
    const slots: number[] = [];
    while (slots.length < DECREES) {
      // As far as the window goes, into several chunks, and only then one of them after the other is executed.
      for (let round = 0; round < 10; round += 1) {
        deliveries.advance(DECREES);
        rig.queue.run();
      }
      for (let count = 0; count < 25; count += 1) {
        const one = takeOne();
        if (one !== null) slots.push(one.slot);
      }
    }
    expect(slots).toEqual(upTo(DECREES));
    expect(chunksMost).toBeGreaterThan(2);
  });

  it('holds no memory for chunks once everything is executed', () => {
    appendAndForget(DECREES);
    drain(DECREES);
    rig.accept(DECREES + 1, DECREE_BYTES);
    expect(drain(DECREES + 1)).toEqual([DECREES + 1]);
    deliveries.collect();
    expect(chunks.size).toBe(0);
  });

  it('passes over decrees without commands, which hold nothing', () => {
    rig.accept(1, DECREE_BYTES);
    rig.accept(2, 0);
    rig.accept(3, 0);
    rig.accept(4, DECREE_BYTES);
    const used = new Set<number>();
    deliveries.advance(4);
    deliveries.addSegments(used);
    expect([...used]).toEqual([rig.log.segment]);
    expect(drain(4)).toEqual([1, 2, 3, 4]);
  });

  it('serves nothing that has decayed', () => {
    appendAndForget(60);
    const entry = makeLogEntry();
    rig.recovered.state.index.get(5, entry);
    rig.contents.get(entry.segment)!.bytes[entry.payloadOffset + 7]! ^= 1;
    expect(drain(60)).toEqual([1, 2, 3, 4]);
    expect(errors).toEqual([
      expect.objectContaining({
        code: 'ERR_SYNOD_LOG_CORRUPT',
        offset: entry.payloadOffset,
        path: String(entry.segment),
      }),
    ]);
  });

  it('breaks a contract where a chosen slot is not in the log', () => {
    rig.accept(1, DECREE_BYTES);
    expect(() => deliveries.advance(2)).toThrow(/chosen-is-in-the-log/);
  });
});
