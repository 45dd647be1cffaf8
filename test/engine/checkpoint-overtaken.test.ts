/**
 * Aim: a checkpoint that this replica catches up by, and that the log overtakes, leaves nothing behind: neither log that is dropped before it is executed,
 * nor a copy that never ends; and nothing of a copy is written any more when the directory is somebody else's. Method: a store whose disk works when
 * the test says so, and a peer that sends frames.
 */

import { beforeEach, describe, expect, it } from 'vitest';
import { BlockWriter } from '../../src/checkpoint/blocks.js';
import { CHECKPOINT_HEADER_BYTES } from '../../src/checkpoint/format.js';
import { writeCheckpointHeader } from '../../src/checkpoint/header.js';
import { crc32c } from '../../src/checksum.js';
import { Checkpoints, type CheckpointsOptions } from '../../src/engine/checkpoints.js';
import type { EngineEvent } from '../../src/engine/engine-types.js';
import type { Link } from '../../src/engine/links.js';
import { Shutdown, type ShutdownOptions } from '../../src/engine/shutdown.js';
import { SynodError } from '../../src/errors.js';
import { SegmentSlots } from '../../src/log/segment-slots.js';
import type { CheckpointFile } from '../../src/storage/checkpoint-store.js';
import { FrameWriter } from '../../src/wire/codec.js';
import { encodeConfiguration } from '../../src/wire/configuration-codec.js';
import { FrameReader } from '../../src/wire/frame-reader.js';
import { silentLogger } from '../application/support.js';

const SLOT = 100;
const NAME = { slot: SLOT, nonceLow: 1, nonceHigh: 2 };

const list = encodeConfiguration({
  number: 1,
  members: [{ number: 1, id: 'b', incarnation: 'b'.repeat(32), address: '127.0.0.1:1' }],
  nextMember: 2,
});

const image = ((): Uint8Array => {
  const { bytes, chain } = writeCheckpointHeader(
    {
      ...{ ...NAME, ballot: 1, createdAtMs: 0, cluster: 'here', replica: 'b' },
      ...{ configuration: list, firstConfiguration: list },
    },
    crc32c,
  );
  const writer = new BlockWriter(chain, crc32c);
  return Buffer.concat([bytes, ...writer.state(new Uint8Array(1000)), ...writer.end()]);
})();
const served = { ...NAME, bytes: image.length };

let chosen: number;
let hasRoom: boolean;
/** What the disk has not done yet. */
let disk: { readonly what: string; readonly work: () => void }[];
let stored: string[];
let removed: number[];
let answerRemoval: (error: SynodError | null) => void;
let now: number;
let installed: number[];
let events: EngineEvent[];
let checkpoints: Checkpoints;
let closed: string[];
let shutdown: Shutdown;

const link = { connection: { send() {} }, peer: { id: 'b' }, sending: [] } as unknown as Link;

const fileOf = (writer: string): CheckpointFile => {
  const push = (what: string, work: () => void): void =>
    void disk.push({
      what,
      work: () => {
        stored.push(`${what} ${writer}`);
        work();
      },
    });
  let bytes = 0;
  return {
    get bytes() {
      return bytes;
    },
    append: (piece, callback) =>
      push('append', () => {
        bytes += piece.length;
        callback(null);
      }),
    commit: (callback) => push('commit', () => callback(null)),
    abandon: (callback) => push('abandon', () => callback(null)),
  };
};

/** The disk works, up to the next of these. */
function work(before?: string): void {
  while (disk.length > 0 && disk[0]!.what !== before) disk.shift()!.work();
}

/** The peer sends these bytes of it. */
function send(from: number, to: number): void {
  const writer = new FrameWriter(crc32c);
  const payload = image.slice(from, to);
  const chunk = { ...NAME, offset: from, bytes: image.length };
  const headerBytes = writer.checkpointChunk(chunk, payload.length, crc32c(payload, 0, payload.length, 0));
  const reader = new FrameReader(crc32c, 1 << 20, () => {});
  const frame = Buffer.concat([writer.bytes.slice(0, headerBytes), payload]);
  reader.push(frame, 0, frame.length, 1);
  checkpoints.onFrame(link, reader.next()!);
}

beforeEach(() => {
  [chosen, hasRoom, now] = [60, true, 0];
  [disk, stored, removed, installed, events, closed] = [[], [], [], [], [], []];
  const segmentSlots = new SegmentSlots();
  for (const [segment, last] of [60, 120, 130].entries()) {
    segmentSlots.add(segment + 1);
    segmentSlots.note(segment + 1, last);
  }
  const parts = {
    crc32c,
    logger: silentLogger,
    schedule: () => {},
    now: () => now,
    emit: (event: EngineEvent) => void events.push(event),
    transport: { close: (done: () => void) => done() },
    medium: {
      remove: (segment: number, done: (error: SynodError | null) => void) => {
        removed.push(segment);
        answerRemoval = done;
      },
      close: (done: () => void) => {
        closed.push('medium');
        done();
      },
    },
    recovered: { state: { index: { dropBelow: () => {} }, segmentSlots } },
    options: { cluster: 'here', limits: { fetchBytesMax: 1 << 20, checkpointBytesPerSecondMax: 1 << 26 } },
  };
  const log = { resident: new Map(), persistedBelow: 3, isIdle: true, hasRoom: () => hasRoom };
  checkpoints = new Checkpoints({
    parts,
    log,
    store: {
      clear: () => {},
      create: (_slot: number, writer: string, callback: (error: null, file: CheckpointFile) => void) =>
        void disk.push({ what: 'create', work: () => callback(null, fileOf(writer)) }),
    },
    notice: null,
    reader: { find: () => ({}), isReading: () => false },
    writer: new FrameWriter(crc32c),
    chosen: () => chosen,
    isUp: () => true,
    links: () => new Map([['b', link]]),
    primary: () => null,
    onProgress: () => {},
    onLost: () => {},
    onInstalled: ({ slot }: { slot: number }) => void installed.push(slot),
  } as unknown as CheckpointsOptions);
  shutdown = new Shutdown({ parts, checkpoints: () => checkpoints } as unknown as ShutdownOptions);
});

const keptLater: EngineEvent = {
  kind: 'copy-settled',
  request: 0,
  outcome: { kind: 'copied', from: '', checkpoint: served },
};

/** Why the application gets no copy of a peer's checkpoint; null where the peer is asked for it. */
function refusalOfACopy(): string | null {
  events = [];
  checkpoints.copy({ kind: 'copy', request: 1, from: 'b' });
  const [event] = events;
  if (event === undefined) return null;
  return event.kind === 'copy-settled' && event.outcome.kind === 'refused' ? event.outcome.reason : '?';
}

describe('a checkpoint that a replica catches up by', () => {
  it('takes the place of the log before it, once it is durable', () => {
    send(0, image.length);
    work();
    checkpoints.tick();
    expect([installed, events, removed]).toEqual([[SLOT], [], [1]]);
  });

  it('has the log dropped from its beginning on: nothing behind a segment that cannot be removed, which is tried again', () => {
    send(0, image.length);
    work();
    checkpoints.tick();
    answerRemoval(new SynodError('ERR_SYNOD_STORAGE_FAILED', 'busy'));
    checkpoints.onNotice({ newest: served, keptFrom: 130 });
    checkpoints.tick();
    expect(removed).toEqual([1]);
    now = 10_000;
    checkpoints.tick();
    expect(removed).toEqual([1, 1]);
    // It is gone; only the folder could not be synced.
    const cause = Object.assign(new Error('no such file'), { code: 'ENOENT' });
    answerRemoval(new SynodError('ERR_SYNOD_STORAGE_FAILED', 'gone', { cause }));
    checkpoints.tick();
    expect(removed).toEqual([1, 1, 2]);
  });

  it('is kept for later where the log overtakes it while it becomes durable: what is not executed yet stays', () => {
    send(0, image.length);
    work('commit');
    chosen = 120;
    work();
    checkpoints.tick();
    expect([installed, events, removed]).toEqual([[], [keptLater], []]);
    // It was executed by now, and what the application keeps begins there.
    checkpoints.onNotice({ newest: served, keptFrom: SLOT });
    checkpoints.tick();
    expect(removed).toEqual([1]);
  });

  it('likewise where it waits for room in the log, and is in nobody’s way', () => {
    hasRoom = false;
    send(0, image.length);
    work();
    expect(refusalOfACopy()).toBe('catching-up');
    events = [];
    chosen = SLOT;
    checkpoints.tick();
    expect([installed, events, removed]).toEqual([[], [keptLater], []]);
    expect(refusalOfACopy()).toBe(null);
  });

  it('is given up where the log overtakes it while it is copied: it lies in nobody’s way', () => {
    send(0, CHECKPOINT_HEADER_BYTES + 10);
    work();
    checkpoints.tick();
    expect(refusalOfACopy()).toBe('catching-up');
    chosen = SLOT - 1;
    checkpoints.tick();
    work();
    expect(stored).not.toContain('abandon copy');
    chosen = SLOT;
    checkpoints.tick();
    work();
    expect(stored.at(-1)).toBe('abandon copy');
    expect(refusalOfACopy()).toBe(null);
  });

  it('likewise while the disk is at work for it', () => {
    send(0, CHECKPOINT_HEADER_BYTES + 10);
    work('append');
    chosen = SLOT;
    checkpoints.tick();
    work();
    expect(stored).toEqual(['append copy', 'abandon copy']);
  });
});

describe('a directory is given away', () => {
  let isClosed: boolean;
  beforeEach(() => {
    isClosed = false;
  });
  const close = (): void =>
    shutdown.now(() => {
      isClosed = true;
    });

  it('at once, where nothing is copied', () => {
    close();
    expect([closed, isClosed]).toEqual([['medium'], true]);
  });

  for (const [under, done] of [
    ['create', ['abandon copy']],
    ['append', ['append copy', 'abandon copy']],
    ['commit', ['append copy', 'commit copy']],
  ] as const)
    it(`when a copy that is at its ${under} is whole, or gone`, () => {
      send(0, image.length);
      work(under);
      close();
      expect(closed).toEqual([]);
      while (disk.length > 0) {
        expect(closed).toEqual([]);
        disk.shift()!.work();
      }
      expect([stored, closed, isClosed]).toEqual([done, ['medium'], true]);
      // The next start finds it: nothing may be written to the log any more.
      expect([installed, events]).toEqual([[], []]);
    });

  it('when a copy that waits for its peer is gone', () => {
    send(0, CHECKPOINT_HEADER_BYTES + 10);
    work();
    close();
    expect(closed).toEqual([]);
    work();
    expect([stored.at(-1), closed]).toEqual(['abandon copy', ['medium']]);
  });

  it('when one that the application asked for is gone', () => {
    chosen = SLOT;
    checkpoints.copy({ kind: 'copy', request: 1, from: 'b' });
    send(0, CHECKPOINT_HEADER_BYTES + 10);
    work();
    close();
    expect(closed).toEqual([]);
    work();
    expect([stored.at(-1), closed]).toEqual(['abandon asked', ['medium']]);
  });

  it('and none is begun by what came with a frame that fenced the replica', () => {
    checkpoints.stop();
    send(0, image.length);
    close();
    expect([disk, closed]).toEqual([[], ['medium']]);
  });
});
