/**
 * Aim: a recovery goes on from what its disk has accepted last, keeps all of it whatever size its segments had, and always settles. Method:
 * logs that are written for it, in memory and as files.
 */

import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { segmentBytesFor } from '../../src/engine/log-writer.js';
import type { RecoveredLog } from '../../src/engine/recover.js';
import { SynodError } from '../../src/errors.js';
import { RECORD_HEADER_BYTES, RecordKind, SEGMENT_HEADER_BYTES } from '../../src/log/format.js';
import { type Configuration, givesNumbersOnce } from '../../src/protocol/configuration.js';
import type { DecreeReference } from '../../src/protocol/decree.js';
import type { Callback, SegmentMemory } from '../../src/storage/log-medium.js';
import { createMemoryMedium, type MemoryContents } from '../../src/storage/memory/memory-medium.js';
import { withMembers } from '../../src/tools/checkpoint-edit.js';
import { surveyLog } from '../../src/tools/log-survey.js';
import { openRecovery, planRecovery, type RecoveryPlan, writeRecovery } from '../../src/tools/recover.js';
import { encodeConfiguration } from '../../src/wire/configuration-codec.js';
import { LogRig } from '../engine/log-rig.js';
import {
  a,
  BALLOT,
  b,
  c,
  changeTo,
  commands,
  d,
  INCARNATION,
  KIBIBYTE,
  member,
  one,
  recoveredOf,
  writeLog,
} from './stored-log.js';
import { cleanUp, makeRoot } from './support.js';

afterEach(cleanUp);

/** What a rig writes into a log that begins with configuration `first`, and what is recovered from it. */
function recoveredFrom(
  first: Configuration,
  accepted: readonly DecreeReference[],
  ballot: number = BALLOT,
): { recovered: RecoveredLog; contents: MemoryContents; plan: () => RecoveryPlan } {
  const before = new LogRig({ segmentBytes: 128 * KIBIBYTE });
  before.begin();
  before.log.append(RecordKind.genesis, 1, 0, 0, encodeConfiguration(first));
  for (const [index, one] of accepted.entries()) {
    before.log.appendDecree(RecordKind.accept, 2 + index, ballot, 1 + index, one);
    before.log.promised = ballot;
  }
  before.log.flush();
  before.settle();
  const { recovered } = new LogRig({ contents: before.crash(), versions: { min: 1, max: 3 } });
  return {
    recovered,
    contents: before.crash(),
    plan: () => planRecovery('data', 'test', 'a', INCARNATION, recovered),
  };
}

describe('what a recovery puts in force', () => {
  const two: Configuration = { number: 2, members: [a, b, c, d], nextMember: 5 };

  it('comes behind a configuration that is accepted and kept, and gives none of its numbers again', () => {
    const { plan } = recoveredFrom(one, [commands(10), changeTo(two)]);
    const { lost, kept, lostFrom, next } = plan();
    expect(next).toEqual({ number: 3, members: [a], nextMember: 5 });
    expect(lost).toEqual(['b', 'c', 'd']);
    expect({ kept, lostFrom }).toEqual({ kept: 2, lostFrom: 3 });
    // The one whose number is kept may come back under it.
    expect(givesNumbersOnce(next, { number: 4, members: [a, d], nextMember: 5 })).toBe(true);
  });

  it('names the members of both configurations: either may have been in force', () => {
    const { plan } = recoveredFrom(one, [changeTo({ number: 2, members: [a, d], nextMember: 5 })]);
    expect(plan().lost).toEqual(['b', 'c', 'd']);
  });

  it('is the survivor under its own number, also where what it has accepted takes it out', () => {
    const { plan } = recoveredFrom(one, [changeTo({ number: 2, members: [b, c], nextMember: 4 })]);
    expect(plan().next).toEqual({ number: 3, members: [a], nextMember: 4 });
  });

  it('is refused where the replica has accepted that another disk takes its place', () => {
    const other = member(4, 'a', '55'.repeat(16));
    const { plan } = recoveredFrom(one, [changeTo({ number: 2, members: [other, b, c], nextMember: 5 })]);
    expect(plan).toThrow(expect.objectContaining({ code: 'ERR_SYNOD_ARGUMENT' }));
  });

  it('tells the ballot by which survivors are compared: more slots under a lower one may have been replaced', () => {
    const cutOff = recoveredFrom(one, [commands(10), commands(11), commands(12)]).plan();
    const other = recoveredFrom(one, [commands(20)], BALLOT + 0x1_0000).plan();
    expect([cutOff, other].map(({ kept, ballot }) => [kept, ballot])).toEqual([
      [3, '1.1'],
      [1, '2.1'],
    ]);
    expect(recoveredFrom(one, []).plan().ballot).toBe(null);
  });

  it('has the cookie of what is in force, or of what is kept behind it', () => {
    const inForce = { ...one, cookie: 'AAAA' };
    expect(recoveredFrom(inForce, []).plan().next.cookie).toBe('AAAA');
    expect(recoveredFrom(inForce, [changeTo({ ...two, cookie: 'BBBB' })]).plan().next.cookie).toBe('BBBB');
    expect(recoveredFrom(inForce, [changeTo(two)]).plan().next).not.toHaveProperty('cookie');
  });

  it('never lowers the version of the protocol, of what is in force or of what is kept', () => {
    const inForce = { ...one, version: 2 };
    expect(recoveredFrom(inForce, []).plan().next).toEqual({
      number: 2,
      members: [a],
      nextMember: 4,
      version: 2,
    });
    expect(recoveredFrom(inForce, [changeTo({ ...two, version: 3 })]).plan().next.version).toBe(3);
    expect(recoveredFrom(one, []).plan().next).not.toHaveProperty('version');
  });
});

it('a checkpoint whose members are edited keeps the version of the protocol', () => {
  const choices = [{ id: 'a', incarnation: null }];
  expect(withMembers({ ...one, version: 2 }, choices)).toEqual({
    number: 2,
    members: [a],
    nextMember: 4,
    version: 2,
  });
  expect(withMembers(one, choices)).not.toHaveProperty('version');
});

/** The payload of the greatest record that `segmentBytes` can hold, were nothing kept for padding. */
function brim(segmentBytes: number): number {
  return segmentBytes - SEGMENT_HEADER_BYTES - RECORD_HEADER_BYTES;
}

describe.each([
  ['that is larger than the first segment', 64 * KIBIBYTE, 100 * KIBIBYTE],
  ['that fills its segment to the brim', 64 * KIBIBYTE, brim(128 * KIBIBYTE)],
])('an accepted decree %s', (_what, firstBytes, decreeBytes) => {
  it('is kept', async () => {
    const dir = makeRoot();
    await writeLog(dir, firstBytes, (log) =>
      log.append(RecordKind.genesis, 1, 0, 0, encodeConfiguration(one)),
    );
    await writeLog(dir, 128 * KIBIBYTE, (log) => {
      log.appendDecree(RecordKind.accept, 1, BALLOT, 1, commands(decreeBytes));
      log.promised = BALLOT;
    });
    expect(surveyLog(dir)).toMatchObject({
      header: { segmentBytes: firstBytes },
      segmentBytesMax: 128 * KIBIBYTE,
    });
    const recovery = await openRecovery(dir);
    expect(recovery.plan).toMatchObject({ kept: 1, lostFrom: 2 });
    await recovery.carryOut();
    await recovery.close();
    // As large as the segments were, or as the decree needs them.
    const newest = readdirSync(path.join(dir, 'log'))
      .filter((name) => name.endsWith('.segment'))
      .sort()
      .at(-1)!;
    expect(statSync(path.join(dir, 'log', newest)).size).toBe(
      Math.max(128 * KIBIBYTE, segmentBytesFor(decreeBytes)),
    );
    const { verdict, state } = surveyLog(dir);
    expect(verdict.kind).toBe('clean');
    expect(state.chosenThrough).toBe(2);
  });
});

describe('a recovery that is written to a medium', () => {
  /** `create` in the place of the medium's own: how many were asked for before, and what it does itself. */
  type Create = (count: number, create: () => void, callback: Callback<SegmentMemory>) => void;

  async function written(
    segmentBytes: number,
    accepted: readonly DecreeReference[],
    create: Create = (_count, make) => make(),
  ): Promise<RecoveredLog> {
    const { contents, recovered, plan } = recoveredFrom(one, accepted);
    const medium = createMemoryMedium({ segmentBytes, blockBytes: 4096, contents });
    const events = {
      onPersisted: (_ticket: number): void => {},
      onFailure: (_error: SynodError): void => {},
    };
    const handler = { onPersisted: (ticket: number) => events.onPersisted(ticket), onFailure: () => {} };
    await new Promise<void>((resolve) => medium.start(handler, () => resolve()));
    const original = medium.create.bind(medium);
    let count = 0;
    medium.create = (segment, callback) => {
      count += 1;
      create(count - 1, () => original(segment, callback), callback);
    };
    await writeRecovery(medium, recovered, plan(), events);
    const segments = [...contents].map(([segment, { bytes }]) => ({ segment, bytes: bytes.length }));
    const again = await recoveredOf(medium, segments);
    await new Promise<void>((resolve) => medium.close(() => resolve()));
    return again;
  }

  const full = (callback: Callback<SegmentMemory>): void =>
    void setImmediate(() => callback(new SynodError('ERR_SYNOD_STORAGE_FULL', 'full')));

  it('rejects where no segment has room for a decree that is kept', async () => {
    const [tooLarge] = [commands(60 * KIBIBYTE)];
    await expect(written(64 * KIBIBYTE, [commands(10), tooLarge!])).rejects.toMatchObject({
      code: 'ERR_SYNOD_DATA_DIRECTORY',
      message: expect.stringContaining(`slot 2 of the log in data has ${60 * KIBIBYTE} bytes`),
    });
  });

  it('rejects where there is no space for what it has to write', async () => {
    for (const failing of [0, 1])
      await expect(
        written(64 * KIBIBYTE, [commands(40 * KIBIBYTE), commands(40 * KIBIBYTE)], (count, make, callback) =>
          count === failing ? full(callback) : make(),
        ),
      ).rejects.toMatchObject({ code: 'ERR_SYNOD_STORAGE_FULL' });
  });

  it('is done where all of it is written, and only the segment that was made ahead has no space', async () => {
    const again = await written(64 * KIBIBYTE, [commands(10)], (count, make, callback) =>
      count === 1 ? full(callback) : make(),
    );
    expect(again.protocol).toMatchObject({ chosen: 2, configuration: { number: 2 } });
  });

  it('waits for a segment that has room for the mark', async () => {
    const configurationBytes = encodeConfiguration({ number: 2, members: [a], nextMember: 4 }).length;
    // Behind the record of the start and its padding, the decree and the configuration leave what a record needs, which is less than a mark does.
    const segmentBytes = 64 * KIBIBYTE;
    const startEnd = SEGMENT_HEADER_BYTES + 4096;
    const behind = segmentBytesFor(0) - SEGMENT_HEADER_BYTES;
    const left = segmentBytes - startEnd - 2 * RECORD_HEADER_BYTES - configurationBytes - behind;
    let marked = false;
    const again = await written(segmentBytes, [commands(left)], (count, make) => {
      if (count === 1)
        setTimeout(() => {
          marked = true;
          make();
        }, 20);
      else make();
    });
    expect(marked).toBe(true);
    expect(again.protocol.chosen).toBe(2);
  });
});

it('a segment of that size has room for a decree, and a smaller one has not', () => {
  for (const bytes of [0, 1, 4000, 100_000]) {
    const needed = segmentBytesFor(bytes);
    expect(needed % 4096).toBe(0);
    for (const [segmentBytes, hasRoom] of [
      [Math.max(needed, 16 * KIBIBYTE), true],
      [needed - 4096, false],
    ] as const) {
      if (segmentBytes < 16 * KIBIBYTE) continue;
      expect(
        new LogRig({ segmentBytes, blockBytes: 4096 }).log.hasRoom(bytes),
        `${bytes} in ${segmentBytes}`,
      ).toBe(hasRoom);
    }
  }
});
