import { describe, expect, it } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import { appendRecord } from '../../src/engine/append-record.js';
import { HeapPlace } from '../../src/engine/places.js';
import { readSegmentHeader } from '../../src/log/segment.js';
import type { DecreeReference } from '../../src/protocol/decree.js';
import { DecreeKind } from '../../src/protocol/decree.js';
import type { LogRecord } from '../../src/protocol/effects.js';
import { LogRig } from './log-rig.js';

const empty = new Uint8Array(0);

function noOp(): DecreeReference {
  const checksum = crc32c(empty, 0, 0, 0);
  return {
    kind: DecreeKind.noop,
    bytes: 0,
    checksum,
    commands: 0,
    configuration: null,
    source: new HeapPlace([empty]),
  };
}

const records: readonly (readonly [string, (ballot: number, slot: number) => LogRecord])[] = [
  ['promise', (ballot) => ({ kind: 'promise', ballot })],
  ['acceptance', (ballot, slot) => ({ kind: 'accept', ballot, slot, decree: noOp() })],
];

describe('appendRecord', () => {
  // Otherwise a write that is torn behind the header leaves a promise on the disk of which no record tells.
  it.each(records)('tells in a header of the records before, not of the first %s behind it', (_, make) => {
    const rig = new LogRig({ segmentBytes: 16 * 1024, blockBytes: 4096 });
    rig.log.roll();
    const first = rig.log.segment;
    let ballot = 0;
    // Each flush ends its block: after a few the segment is full.
    while (rig.log.segment === first && ballot < 10) {
      ballot += 1;
      appendRecord(rig.log, make(ballot, ballot), ballot, crc32c);
      if (rig.log.segment !== first) break;
      rig.log.flush();
      rig.settle();
    }
    expect(rig.log.segment).toBe(first + 1);
    expect(promisedInHeader(rig)).toBe(ballot - 1);

    rig.log.flush();
    rig.settle();
    rig.log.roll();
    expect(promisedInHeader(rig)).toBe(ballot);
  });
});

function promisedInHeader(rig: LogRig): number {
  const reading = readSegmentHeader(rig.memories.at(-1)!.bytes, crc32c);
  if (reading.kind !== 'valid') throw new Error(reading.kind);
  return reading.header.promised;
}
