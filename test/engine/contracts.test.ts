/** The contracts of the engine's log and batches bite: each is broken on purpose, by a state that cannot be. */

import { describe, expect, it } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import { BlockState, Bridge } from '../../src/engine/bridge.js';
import { Deliveries } from '../../src/engine/deliveries.js';
import { Grants } from '../../src/engine/grants.js';
import { LogKeeper } from '../../src/engine/log-keeper.js';
import type { LogReader } from '../../src/engine/log-reader.js';
import { LogWriter } from '../../src/engine/log-writer.js';
import { HeapPlace, LogPlace, TailPlace } from '../../src/engine/places.js';
import { recoverLog } from '../../src/engine/recover.js';
import type { SynodError } from '../../src/errors.js';
import { RECORD_HEADER_BYTES, RecordKind, SEGMENT_HEADER_BYTES } from '../../src/log/format.js';
import { LogIndex, makeLogEntry } from '../../src/log/log-index.js';
import { SegmentSlots } from '../../src/log/segment-slots.js';
import type { DecreeReference } from '../../src/protocol/decree.js';
import { DecreeKind } from '../../src/protocol/decree.js';
import type { LogMedium, SegmentMemory, SegmentSummary } from '../../src/storage/log-medium.js';
import { silentLogger } from '../application/support.js';
import { contractOf } from '../protocol/harness.js';
import { LogRig } from './log-rig.js';

const BALLOT = 65_537;

/** Open, with its first record durable. */
function openRig(): LogRig {
  const rig = new LogRig();
  rig.begin();
  return rig;
}

function decree(bytes: number, source: unknown): DecreeReference {
  return { kind: DecreeKind.commands, bytes, checksum: 0, commands: 1, configuration: null, source };
}

function appendDecree(rig: LogRig, one: DecreeReference, write = 1): void {
  rig.log.appendDecree(RecordKind.accept, write, BALLOT, 1, one);
}

function keeperOf(rig: LogRig): LogKeeper {
  return new LogKeeper({
    medium: rig.medium,
    log: rig.log,
    recovered: rig.recovered,
    logger: silentLogger,
    now: () => 0,
    onFull: () => {},
    reclaimTail: () => true,
    onMemoryGone: () => {},
  });
}

type Made = Parameters<LogMedium['create']>[1];

function memoryOf(segment: number): SegmentMemory {
  return { segment, bytes: new Uint8Array(65_536) } as SegmentMemory;
}

/** A writer over a medium that does nothing but what `medium` does. */
function writerOver(medium: Partial<LogMedium>): LogWriter {
  const idle = { segmentBytes: 65_536, persist: () => {}, flush: () => {} };
  return new LogWriter({
    medium: Object.setPrototypeOf(medium, { blockBytes: 64, ...idle }) as LogMedium,
    index: new LogIndex(),
    segmentSlots: new SegmentSlots(),
    crc32c,
    copy: () => {},
    cluster: 'c',
    replica: 'r',
    diskIncarnation: new Uint8Array(16),
    startNumber: 1,
    nextSegment: 0,
    nextSequence: 1,
    chain: 0,
    promised: 0,
    chosen: 0,
    drawNonce: () => [1, 2],
    now: () => 0,
    onSegment: () => {},
    onMemory: () => {},
  });
}

/** Yields one after the other, and the last one for ever. */
function each<T>(...values: T[]): () => T {
  return () => (values.length > 1 ? values.shift()! : values[0]!);
}

const trips: readonly (readonly [contract: string, how: string, action: () => unknown])[] = [
  ['bridge-layout', 'memory of another size', () => new Bridge(new SharedArrayBuffer(8))],

  // Log writer.
  [
    'segments-are-written-in-order',
    'a standby with the number of the segment before',
    () => {
      const log = writerOver({ create: (_, callback) => callback(null, memoryOf(3)) });
      log.prepareStandby();
      log.roll();
      log.prepareStandby();
      log.roll();
    },
  ],
  [
    'writes-in-order',
    'a write before the last one',
    () => {
      const rig = openRig();
      rig.log.append(RecordKind.promise, 5, BALLOT, 0, null);
      rig.log.append(RecordKind.promise, 4, BALLOT + 65_536, 0, null);
    },
  ],
  [
    'writes-in-order',
    'a write before the last one',
    () => {
      const rig = openRig();
      rig.log.append(RecordKind.promise, 5, BALLOT, 0, null);
      appendDecree(rig, decree(3, new HeapPlace([new Uint8Array(3)])), 4);
    },
  ],
  [
    'open-slot-resident',
    'a segment that is gone',
    () => appendDecree(openRig(), decree(3, new LogPlace(99, 0))),
  ],
  ['payload-has-a-place', 'nowhere', () => appendDecree(openRig(), decree(3, null))],
  [
    'record-within-segment',
    'a batch that goes on behind the segment',
    () => {
      const rig = openRig();
      const place = new TailPlace(rig.log.tail + RECORD_HEADER_BYTES);
      appendDecree(rig, decree(rig.log.segmentBytes, place));
    },
  ],
  ['record-behind-the-segment-header', 'no segment', () => new LogRig().log.skipTo(SEGMENT_HEADER_BYTES)],
  [
    'chosen-never-lowered',
    'less is chosen than was recorded',
    () => {
      const rig = openRig();
      rig.log.chosen = 5;
      rig.log.append(RecordKind.mark, 0, 0, 5, null);
      rig.log.chosen = 4;
      rig.log.append(RecordKind.mark, 0, 0, 4, null);
    },
  ],
  [
    'batch-ends-a-block',
    'blocks that grow meanwhile',
    () => {
      const medium = { create: (_: number, callback: Made) => callback(null, memoryOf(0)) };
      const log = writerOver(Object.defineProperty(medium, 'blockBytes', { get: each(64, 64, 4096) }));
      log.prepareStandby();
      log.roll();
      log.append(RecordKind.mark, 0, 0, 0, null);
      log.flush();
    },
  ],
  ['durable-only-what-was-written', 'a ticket of no batch', () => openRig().log.onPersisted(99)],
  [
    'release-only-what-is-durable',
    'a segment that is still being written',
    () => {
      const rig = openRig();
      const { segment } = rig.log;
      rig.log.append(RecordKind.mark, 0, 0, 0, null);
      rig.log.roll();
      rig.log.release(segment);
    },
  ],
  [
    'discard-after-the-next-header',
    'before the first record is durable',
    () => keeperOf(new LogRig()).dropUnused(),
  ],

  // Batches.
  [
    'batches-in-order',
    'a batch that begins too late',
    () => {
      const bridge = new Bridge();
      const grants = new Grants(bridge, new LogRig().log, 8192);
      bridge.writeBlock(0, -1, 0, 100, 1, 2);
      bridge.setBlockState(0, BlockState.ready);
      grants.take();
    },
  ],
  [
    'grant-begins-a-block',
    'a tail in the middle of one',
    () => {
      const rig = openRig();
      rig.log.append(RecordKind.mark, 0, 0, 0, null);
      new Grants(new Bridge(), rig.log, 8192).lend();
    },
  ],
  [
    'grant-within-segment',
    'a batch that goes on behind the segment',
    () => {
      const rig = openRig();
      const bridge = new Bridge();
      const grants = new Grants(bridge, rig.log, 8192);
      grants.lend();
      bridge.writeBlock(0, rig.log.segment, rig.log.tail + 112, rig.log.segmentBytes, 1, 1);
      bridge.setBlockState(0, BlockState.ready);
      grants.revoke();
    },
  ],
  [
    'chosen-never-lowered',
    'less is chosen than was handed over',
    () => {
      const { deliveries } = delivering(() => 10);
      deliveries.next = 5;
      deliveries.advance(3);
    },
  ],
  [
    'deliveries-jump-forward',
    'a checkpoint of what was handed over already',
    () => {
      const { deliveries } = delivering(() => 10);
      deliveries.next = 5;
      deliveries.jump(3);
    },
  ],
  [
    'delivered-bytes-add-up',
    'a decree that shrinks meanwhile',
    () => {
      // Read twice by the delivery, once for what is taken off the window later, then for the window.
      const { bridge, deliveries } = delivering(each(10, 10, 10, 5));
      deliveries.advance(1);
      bridge.take();
      deliveries.collect();
    },
  ],
];

/** Of one decree in segment memory, whose length is told by `bytes`. */
function delivering(bytes: () => number): { bridge: Bridge; deliveries: Deliveries } {
  const bridge = new Bridge();
  const entry = Object.defineProperty(
    { ...makeLogEntry(), decreeKind: DecreeKind.commands },
    'payloadBytes',
    {
      get: bytes,
    },
  );
  const reader = { find: () => entry, residentBytes: () => new Uint8Array(100) } as unknown as LogReader;
  const deliveries = new Deliveries({
    bridge,
    reader,
    windowBytes: 1000,
    onChunk: () => {},
    onChunkGone: () => {},
    onRead: () => {},
  });
  return { bridge, deliveries };
}

describe('by a state that cannot be', () => {
  it.each(trips)('%s: %s', (contract, _, action) => {
    expect(contractOf(action)).toBe(contract);
  });
});

describe('recovery', () => {
  it('recovery-asks-for-what-exists: a segment is gone meanwhile', () => {
    const rig = openRig();
    const again = new LogRig({ contents: rig.crash() });
    const segments: SegmentSummary[] = [{ segment: 1, bytes: again.medium.segmentBytes }];
    const medium = {
      ...again.medium,
      read: (segment: number, offset: number, target: Uint8Array, callback: (e: null, n: number) => void) => {
        const { bytes } = again.contents.get(segment)!;
        const part = bytes.subarray(offset, offset + target.length);
        target.set(part);
        segments.length = 0;
        callback(null, part.length);
      },
    } as unknown as LogMedium;
    let error: SynodError | null = null;
    recoverLog(medium, segments, { cluster: 'test', replica: 'a' }, crc32c, (failed) => {
      error = failed;
    });
    expect(error).toMatchObject({ code: 'ERR_SYNOD_CONTRACT' });
    expect(contractOf(() => throwIt(error!.cause))).toBe('recovery-asks-for-what-exists');
  });
});

function throwIt(error: unknown): never {
  throw error;
}
