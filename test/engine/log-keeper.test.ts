/**
 * Aim: what an idle log holds is told from a write that a crash has interrupted, and the log is never dropped in an order that the next
 * recovery takes for damage. Method: a keeper over a log in memory whose clock and medium are the test's.
 */

import { describe, expect, it } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import { endLog } from '../../src/engine/log-ending.js';
import { LogKeeper } from '../../src/engine/log-keeper.js';
import { HeapPlace } from '../../src/engine/places.js';
import { SynodError } from '../../src/errors.js';
import { RecordKind } from '../../src/log/format.js';
import { DecreeKind } from '../../src/protocol/decree.js';
import type { Callback, LogMedium } from '../../src/storage/log-medium.js';
import { silentLogger } from '../application/support.js';
import { LogRig } from './log-rig.js';

const BALLOT = 0x5_0001;

class KeptLog {
  readonly rig: LogRig;
  readonly keeper: LogKeeper;
  now: number;
  reclaims = true;

  constructor(rig: LogRig, medium: LogMedium = rig.medium, now = 0) {
    this.rig = rig;
    this.now = now;
    this.keeper = new LogKeeper({
      medium,
      log: rig.log,
      recovered: rig.recovered,
      logger: silentLogger,
      now: () => this.now,
      onFull: () => {},
      reclaimTail: () => this.reclaims,
      onMemoryGone: () => {},
    });
    rig.begin();
    this.keeper.dropUnused();
    rig.settle();
  }

  promise(ballot: number): void {
    this.rig.log.append(RecordKind.promise, 1, ballot, 0, null);
    this.rig.log.promised = ballot;
    this.#written();
  }

  accept(slot: number): void {
    const payload = new Uint8Array(40).fill(slot);
    this.rig.log.appendDecree(RecordKind.accept, slot, BALLOT, slot, {
      kind: DecreeKind.commands,
      bytes: payload.length,
      checksum: crc32c(payload, 0, payload.length, 0),
      commands: 1,
      configuration: null,
      source: new HeapPlace([payload]),
    });
    this.#written();
  }

  /** Ticks until `now`; yields the records that came of it. */
  idleUntil(now: number): number {
    const before = this.rig.log.sequence;
    let marks = 0;
    for (; this.now < now; this.now += 10) {
      const { sequence } = this.rig.log;
      this.keeper.mark(this.now);
      if (this.rig.log.sequence > sequence) marks += 1;
      this.rig.log.flush();
      this.rig.settle();
    }
    // A mark, the pad behind it, and, where the sector is begun, the one before it.
    expect(this.rig.log.sequence - before).toBeGreaterThanOrEqual(2 * marks);
    expect(this.rig.log.sequence - before).toBeLessThanOrEqual(3 * marks);
    return marks;
  }

  #written(): void {
    this.keeper.onAppended();
    this.rig.log.flush();
    this.rig.settle();
  }
}

/** Opens what a power cut leaves, after the byte at `at` behind the first record of the segment has decayed. */
function reopenDamaged({ rig }: KeptLog, at: number): LogRig {
  const contents = rig.crash();
  contents.get(rig.log.segment)!.bytes[at]! ^= 0xff;
  return new LogRig({ contents });
}

describe.each([
  ['promise', (log: KeptLog) => log.promise(BALLOT)],
  ['acceptance that is not known to be chosen', (log: KeptLog) => log.accept(1)],
] as const)('behind a durable %s', (_what, write) => {
  it('an idle log writes a mark, by which later damage is told from a torn write', () => {
    const log = new KeptLog(new LogRig({ blockBytes: 512 }));
    log.idleUntil(1000);
    const at = log.rig.log.tail;
    write(log);
    // As far as a reader can tell, the write may have been interrupted.
    expect(reopenDamaged(log, at + 26).recovered.verdict.kind).toBe('torn');
    expect(log.idleUntil(1090), 'too early').toBe(0);
    expect(log.idleUntil(1200)).toBe(1);
    expect(() => reopenDamaged(log, at + 26)).toThrow(/record-damaged/);
  });

  it('one mark is enough, however long the log is idle', () => {
    const log = new KeptLog(new LogRig({ blockBytes: 512 }));
    write(log);
    expect(log.idleUntil(5000)).toBe(1);
    expect(log.rig.log.wantsMark).toBe(false);
  });
});

describe('an idle log', () => {
  it('marks its first record too, though nothing else is ever written', () => {
    const rig = new LogRig();
    const log = new KeptLog(rig, rig.medium, 1000);
    expect(log.idleUntil(1090), 'too early').toBe(0);
    expect(log.idleUntil(5000)).toBe(1);
  });

  it('writes another mark for what was chosen since, and for the record that came behind the last one', () => {
    const log = new KeptLog(new LogRig());
    log.accept(1);
    expect(log.idleUntil(1000)).toBe(1);
    log.rig.log.chosen = 1;
    expect(log.idleUntil(2000)).toBe(1);
    log.promise(BALLOT + 0x1_0000);
    log.promise(BALLOT + 0x2_0000);
    expect(log.idleUntil(3000)).toBe(1);
  });

  it('waits while a write is under way, and for the tail that the application holds', () => {
    const log = new KeptLog(new LogRig());
    log.idleUntil(1000);
    log.rig.log.append(RecordKind.promise, 1, BALLOT, 0, null);
    log.rig.log.flush();
    log.keeper.mark(2000);
    expect(log.rig.log.hasUnpersisted).toBe(false);
    log.rig.settle();
    log.reclaims = false;
    expect(log.idleUntil(3000)).toBe(0);
    log.reclaims = true;
    expect(log.idleUntil(4000)).toBe(1);
  });

  it('needs none where the header of the next segment says as much', () => {
    const log = new KeptLog(new LogRig());
    log.promise(BALLOT);
    expect(log.rig.log.wantsMark).toBe(true);
    log.rig.log.roll();
    expect(log.rig.log.wantsMark).toBe(false);
  });
});

/** An opened log of segments 1 and 3, with 2 unused; what is to be removed waits for the test's answer. */
function withUnused(): { log: KeptLog; removals: { segment: number; done: Callback<void> }[] } {
  const before = new LogRig();
  before.begin();
  before.accept(1, 10);
  const contents = before.crash();
  contents.set(2, { bytes: new Uint8Array(64 * 1024), memory: null });
  const rig = new LogRig({ contents });
  expect(rig.recovered.verdict.unused).toEqual([2]);
  const removals: { segment: number; done: Callback<void> }[] = [];
  const medium: LogMedium = Object.create(rig.medium, {
    remove: { value: (segment: number, done: Callback<void>) => void removals.push({ segment, done }) },
    truncate: { value: () => {} },
  });
  return { log: new KeptLog(rig, medium), removals };
}

function failure(code: string): SynodError {
  const cause = Object.assign(new Error(code), { code });
  return new SynodError('ERR_SYNOD_STORAGE_FAILED', code, { cause });
}

describe('an unused segment', () => {
  it('keeps the log before it from being dropped until it is gone, and its removal is tried again', () => {
    const { log, removals } = withUnused();
    const { segmentSlots } = log.rig.recovered.state;
    expect(removals.map(({ segment }) => segment)).toEqual([2]);
    expect(segmentSlots.droppable(100), 'under way').toBeNull();
    log.now = 1000;
    log.keeper.tick(log.now);
    expect(removals.length, 'asked for twice at once').toBe(1);
    removals[0]!.done(failure('ENOSPC'));
    expect(segmentSlots.droppable(100), 'failed').toBeNull();
    log.keeper.tick(10_900);
    expect(removals.length).toBe(1);
    log.keeper.tick(11_000);
    expect(removals.map(({ segment }) => segment)).toEqual([2, 2]);
    removals[1]!.done(null);
    expect(segmentSlots.droppable(100)).toEqual({ segment: 1, next: 3 });
    log.keeper.tick(100_000);
    expect(removals.length).toBe(2);
  });

  it('is gone where the medium does not find it any more', () => {
    const { log, removals } = withUnused();
    removals[0]!.done(failure('EIO'));
    log.keeper.tick(20_000);
    removals[1]!.done(failure('ENOENT'));
    expect(log.rig.recovered.state.segmentSlots.droppable(100)).toEqual({ segment: 1, next: 3 });
    log.keeper.tick(100_000);
    expect(removals.length).toBe(2);
  });
});

describe.each([64, 512, 4096])('with blocks of %i bytes', (blockBytes) => {
  const SECTOR_BYTES = 4096;

  /** Opens what a power cut leaves, where all of the sector was lost that the byte before `end` of the last segment is in. */
  function reopenWithoutSector(rig: LogRig, end: number): LogRig {
    const contents = rig.crash();
    const sector = Math.floor((end - 1) / SECTOR_BYTES) * SECTOR_BYTES;
    contents.get(rig.log.segment)!.bytes.fill(0xa5, sector, sector + SECTOR_BYTES);
    return new LogRig({ contents, blockBytes });
  }

  it('the mark of an idle log does not go with the sector of what it tells of', () => {
    const log = new KeptLog(new LogRig({ blockBytes }));
    log.idleUntil(1000);
    log.promise(BALLOT);
    const end = log.rig.log.tail - blockBytes + 1;
    expect(log.idleUntil(1200)).toBe(1);
    expect(() => reopenWithoutSector(log.rig, end)).toThrow(/record/);
  });

  it('nor does that of a clean close', () => {
    const log = new KeptLog(new LogRig({ blockBytes }));
    log.idleUntil(1000);
    log.promise(BALLOT);
    const end = log.rig.log.tail - blockBytes + 1;
    const isEnded = endLog(log.rig.log, () => 0);
    for (let index = 0; index < 5 && !isEnded(); index += 1) log.rig.settle();
    expect(isEnded()).toBe(true);
    expect(() => reopenWithoutSector(log.rig, end)).toThrow(/record/);
  });

  it('at the very end of a segment it begins the next one', () => {
    const log = new KeptLog(new LogRig({ blockBytes }));
    log.idleUntil(1000);
    log.rig.log.prepareStandby();
    log.promise(BALLOT);
    const { segment, segmentBytes } = log.rig.log;
    // Nor does a header fit behind what was given up of a grant.
    log.rig.log.skipTo(segmentBytes - (blockBytes === 64 ? 64 : 0));
    log.rig.log.flush();
    log.rig.settle();
    expect(log.idleUntil(1200)).toBe(1);
    expect(log.rig.log.segment).toBe(segment + 1);
  });
});
