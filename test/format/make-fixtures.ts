/**
 * The logs of the format fixtures. They were written once, by this file, and are never written again: a later version of the
 * code must read what the first one wrote. A new format version gets a new folder.
 *
 *     SYNOD_WRITE_FIXTURES=1 npx vitest run --project unit test/format
 */

import { crc32c } from '../../src/checksum.js';
import { RecordKind } from '../../src/log/format.js';
import {
  type Images,
  LogWriterModel,
  makeRandom,
  type PlainRecord,
  type RecordSpec,
} from '../log/log-writer-model.js';

export interface Fixture {
  readonly name: string;
  readonly images: Images;
  /** What a reader must find. Comes from what was written, not from a reader. */
  readonly expected: {
    readonly verdict: 'clean' | 'torn' | 'corrupt';
    readonly nextSequence: number;
    readonly nextSegment: number;
    readonly records: readonly PlainRecord[];
    readonly state: {
      readonly promised: number;
      readonly startNumber: number;
      readonly chosenThrough: number;
    };
  };
}

function payload(seed: number, bytes: number): Uint8Array {
  const random = makeRandom(seed);
  return Uint8Array.from({ length: bytes }, () => random() * 256);
}

function accept(slot: number, ballot: number, bytes: number, chosen: number): RecordSpec {
  return {
    kind: RecordKind.accept,
    decreeKind: 1,
    slot,
    ballot,
    chosen,
    commandCount: 3,
    payload: payload(slot, bytes),
  };
}

/** Every kind of record, in two segments of small blocks. */
function writeLog(blockBytes: number): LogWriterModel {
  const model = new LogWriterModel({
    segmentBytes: 8192,
    blockBytes,
    unitBytes: 512,
    random: makeRandom(blockBytes),
  });
  model.open();
  model.append([{ kind: RecordKind.start, slot: 1 }]);
  model.append([{ kind: RecordKind.genesis, payload: payload(1000, 61) }]);
  model.append([{ kind: RecordKind.promise, ballot: 65_537 }]);
  model.completeAll();
  model.append([accept(1, 65_537, 200, 0), accept(2, 65_537, 1, 0), accept(3, 65_537, 0, 0)]);
  model.append([{ kind: RecordKind.pad, padBytes: 100 }]);
  model.completeAll();
  model.append([accept(4, 65_537, 333, 2)]);
  model.append([accept(5, 65_537, 300, 3)]);
  model.append([
    { kind: RecordKind.learn, decreeKind: 1, slot: 6, ballot: 131_073, chosen: 4, payload: payload(6, 77) },
  ]);
  model.completeAll();
  model.append([{ kind: RecordKind.promise, ballot: 4_294_967_298 }, accept(7, 4_294_967_298, 55, 6)]);
  model.close(7);
  return model;
}

function expectation(
  verdict: 'clean' | 'torn' | 'corrupt',
  records: readonly PlainRecord[],
  nextSegment: number,
): Fixture['expected'] {
  const last = records.at(-1);
  return {
    verdict,
    nextSequence: (last?.sequence ?? 0) + 1,
    nextSegment,
    records,
    state: {
      promised: Math.max(
        0,
        ...records.map(({ kind, ballot }) =>
          kind === RecordKind.accept || kind === RecordKind.promise ? ballot : 0,
        ),
      ),
      startNumber: 1,
      chosenThrough: Math.max(0, ...records.map(({ chosen }) => chosen)),
    },
  };
}

export function makeFixtures(): Fixture[] {
  const clean = writeLog(512);
  const torn = writeLog(64);
  const durable = torn.history.length;
  torn.append([accept(8, 4_294_967_298, 400, 7), accept(9, 4_294_967_298, 400, 7)]);
  // The first sector of the write came through, and with it the first of its records, which nobody was told of.
  torn.crash((unit) => unit === 0);
  const damaged = writeLog(512);
  const victim = damaged.history.find(({ slot, kind }) => kind === RecordKind.accept && slot === 4)!;
  const images = damaged.images();
  images.get(victim.segment)![victim.offset + 100]! ^= 0x10;
  return [
    {
      name: 'clean',
      images: clean.images(),
      expected: expectation('clean', clean.history, clean.segment + 1),
    },
    {
      name: 'torn',
      images: torn.images(),
      expected: expectation('torn', torn.history.slice(0, durable + 1), torn.segment + 1),
    },
    {
      name: 'corrupt',
      images,
      expected: expectation('corrupt', damaged.history.slice(0, victim.sequence - 1), 0),
    },
  ];
}

/** Fixtures are checked by their checksum too, in case a tool changes line ends or bytes. */
export function fixtureChecksum(bytes: Uint8Array): number {
  return crc32c(bytes, 0, bytes.length, 0);
}
