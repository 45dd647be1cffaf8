/**
 * Aim: a checkpoint that is damaged, or that the disk does not read, is passed over for the one before it; nothing is deleted for it before there
 * is a newer one, for the disk may have failed for a moment; and what has taken its name meanwhile is never deleted for it. Method: files, and
 * a disk that fails for those that a test names.
 */

import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ApplicationCheckpoints } from '../../src/application/checkpoints.js';
import { CHECKPOINT_HEADER_BYTES } from '../../src/checkpoint/format.js';
import { crc32c } from '../../src/checksum.js';
import type { CheckpointNotice } from '../../src/engine/checkpoints.js';
import { checkpointName, FileCheckpointStore } from '../../src/storage/checkpoint-store.js';
import { type FileSystem, nodeFileSystem } from '../../src/storage/file-system.js';
import { encodeConfiguration } from '../../src/wire/configuration-codec.js';
import { silentLogger, until } from './support.js';

const configuration = encodeConfiguration({
  number: 1,
  members: [{ number: 1, id: 'a', incarnation: '07'.repeat(16), address: '127.0.0.1:1' }],
  nextMember: 2,
});

let folder: string;
let notices: CheckpointNotice[];
/** What is in the newest file before anything befalls it. */
let sound: Buffer;
/** Files that the disk does not open, and how often; and those that it opens and does not read. */
let unopened: Map<string, number>;
let unread: Set<string>;

const fileOf = (slot: number): string => path.join(folder, checkpointName(slot));
const failure = (): NodeJS.ErrnoException => Object.assign(new Error('EIO: injected'), { code: 'EIO' });

function failingFileSystem(): FileSystem {
  const descriptors: Set<number> = new Set();
  return {
    ...nodeFileSystem,
    open: ((file: string, flags: string, callback: (error: Error | null, fd: number) => void) => {
      const times = unopened.get(file) ?? 0;
      if (times > 0) {
        unopened.set(file, times - 1);
        setImmediate(callback, failure(), -1);
        return;
      }
      nodeFileSystem.open(file, flags, (error, fd) => {
        if (unread.has(file)) descriptors.add(fd);
        else descriptors.delete(fd);
        callback(error, fd);
      });
    }) as FileSystem['open'],
    read: ((fd: number, ...rest: never[]) => {
      if (descriptors.has(fd)) setImmediate(rest.at(-1) as unknown as (error: Error) => void, failure());
      else (nodeFileSystem.read as (...all: unknown[]) => void)(fd, ...rest);
    }) as FileSystem['read'],
  };
}

function open(): ApplicationCheckpoints {
  const checkpoints = new ApplicationCheckpoints({
    store: new FileCheckpointStore(folder, failingFileSystem()),
    policy: { everyBytes: 1e9, everyMs: null, retain: 2 },
    ...{ cluster: 'here', replica: 'a', index: 0, count: 1, crc32c, logger: silentLogger },
    drawNonce: () => [1, 2],
    now: () => 0,
    wallNow: () => 0,
    later: (call) => void setImmediate(call),
    stateMachine: {
      apply() {},
      takeCheckpoint: () => [Buffer.from('state')],
      async restore(state: AsyncIterable<Uint8Array>) {
        for await (const _ of state);
      },
    } as never,
    executor: { bytesExecuted: 0, sessions: [], isPaused: false, slotAtWork: 0, restored() {} } as never,
    promised: () => 1,
    onNotice: (notice) => void notices.push(notice),
    onDurable: () => {},
    onMembers: () => {},
    resume: () => {},
    onBroken: (error) => {
      throw error;
    },
  });
  checkpoints.onFirstConfiguration(configuration);
  return checkpoints;
}

const make = (checkpoints: ApplicationCheckpoints, slot: number): Promise<void> =>
  new Promise((resolve, reject) =>
    checkpoints.request(slot, (error) => (error === null ? resolve() : reject(error))),
  );

/** Slots of the files that there are. */
const there = (): number[] =>
  fs
    .readdirSync(folder)
    .sort()
    .map((name) => Number.parseInt(name, 16));

/** Deletions are waited for by nobody. */
const untilThere = (...slots: number[]): Promise<void> =>
  until(`there are ${slots}`, () => there().join() === slots.join());

function damage(slot: number): void {
  const bytes = fs.readFileSync(fileOf(slot));
  bytes[CHECKPOINT_HEADER_BYTES + 20]! ^= 255;
  fs.writeFileSync(fileOf(slot), bytes);
}

/** The engine has copied the newest one from a peer: other bytes of the disk have its name. */
function copyInItsPlace(): void {
  unopened.delete(fileOf(9));
  unread.delete(fileOf(9));
  fs.writeFileSync(fileOf(9), sound);
}

beforeEach(async () => {
  folder = fs.mkdtempSync(path.join(tmpdir(), 'synod-damage-'));
  [notices, unopened, unread] = [[], new Map(), new Set()];
  const before = open();
  expect(await before.restored()).toBe(null);
  for (const slot of [5, 9]) await make(before, slot);
  expect(there()).toEqual([5, 9]);
  sound = fs.readFileSync(fileOf(9));
  notices = [];
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

const faults = [
  ['is damaged', () => damage(9)],
  ['is not read by the disk', () => void unread.add(fileOf(9))],
  ['is not even opened', () => void unopened.set(fileOf(9), Number.POSITIVE_INFINITY)],
] as const;

describe.each(faults)('where the newest checkpoint %s', (_what, befall) => {
  beforeEach(befall);

  it('the one before it is restored, and the log behind that is kept', async () => {
    const { restored, notice } = (await open().restored())!;
    expect([restored.slot, notice.newest.slot, notice.keptFrom]).toEqual([5, 5, 5]);
    expect(there()).toEqual([5, 9]);
  });

  it('it is deleted once there is a newer one, and not for an older one', async () => {
    const checkpoints = open();
    await checkpoints.restored();
    await make(checkpoints, 7);
    expect(notices.at(-1)!.keptFrom).toBe(5);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(there()).toEqual([5, 7, 9]);
    await make(checkpoints, 12);
    expect(notices.at(-1)!.keptFrom).toBe(7);
    await untilThere(7, 12);
  });

  it('a good one that was copied takes its name, and is kept as any other', async () => {
    const checkpoints = open();
    await checkpoints.restored();
    copyInItsPlace();
    checkpoints.onCopied(9);
    await until('it is restored', () => notices.length > 0);
    expect(notices).toMatchObject([{ newest: { slot: 9 }, keptFrom: 9 }]);
    await untilThere(9);
    await make(checkpoints, 12);
    expect(notices.at(-1)!.keptFrom).toBe(9);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(there()).toEqual([9, 12]);
  });

  it('a good one that was copied, and waits until its slot is executed, is not deleted for an older one that is made', async () => {
    const checkpoints = open();
    await checkpoints.restored();
    copyInItsPlace();
    const kept: number[] = [];
    checkpoints.adopt({ slot: 9, nonceLow: 1, nonceHigh: 2, bytes: sound.length }, 6, ({ slot }) => {
      kept.push(slot);
    });
    await make(checkpoints, 7);
    checkpoints.afterDecrees(9);
    expect(kept).toEqual([9]);
    expect(notices.at(-1)!.keptFrom).toBe(7);
    await untilThere(7, 9);
    await make(checkpoints, 12);
    await untilThere(9, 12);
  });
});

describe('where no checkpoint is sound', () => {
  it('and the state machine was given a part of one, the log is not executed over that', async () => {
    fs.rmSync(fileOf(5));
    damage(9);
    await expect(open().restored()).rejects.toMatchObject({ code: 'ERR_SYNOD_LOG_CORRUPT', path: '9' });
  });

  it('and the state machine was given nothing, the log may still have everything', async () => {
    fs.rmSync(fileOf(5));
    fs.writeFileSync(fileOf(9), sound.fill(0, 0, 64));
    expect(await open().restored()).toBe(null);
  });
});

describe('a checkpoint that the disk does not read', () => {
  it('is restored at the next start, where that was for a moment', async () => {
    unread.add(fileOf(9));
    expect((await open().restored())!.restored.slot).toBe(5);
    unread.clear();
    expect((await open().restored())!.restored.slot).toBe(9);
  });

  it.each([
    ['read', (): void => void unread.add(fileOf(9))],
    ['opened', (): void => void unopened.set(fileOf(9), Number.POSITIVE_INFINITY)],
    ['opened once', (): void => void unopened.set(fileOf(9), 1)],
  ] as const)('is what the start fails by where no other is sound: not %s', async (_what, fail) => {
    for (const befall of [() => damage(5), () => fs.rmSync(fileOf(5))]) {
      befall();
      fail();
      await expect(open().restored()).rejects.toMatchObject({
        code: 'ERR_SYNOD_STORAGE_FAILED',
        path: fileOf(9),
      });
      unopened.clear();
      unread.clear();
      expect((await open().restored())!.restored.slot).toBe(9);
    }
  });

  it('is kept, and the log behind it, where it is not the newest', async () => {
    unopened.set(fileOf(5), 1);
    const { restored, notice } = (await open().restored())!;
    expect([restored.slot, notice.keptFrom]).toEqual([9, 5]);
    expect(there()).toEqual([5, 9]);
  });
});
