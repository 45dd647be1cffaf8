/**
 * Aim: what a restart restores and builds on survives a power cut, also where the process before was killed, or its sync of the folder failed,
 * between giving a checkpoint its name and making the name durable.
 * Method: node:fs that knows which names are durable; killing forgets the process, a power cut takes back the names that are not.
 */

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { SynodError } from '../../src/errors.js';
import { type CheckpointFile, FileCheckpointStore } from '../../src/storage/checkpoint-store.js';
import type { FileSystem } from '../../src/storage/file-system.js';
import { recordSyncs } from './record-syncs.js';

let root: string;
let folder: string;
beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'synod-name-'));
  folder = path.join(root, 'checkpoints');
});
afterEach(() => fs.rmSync(root, { recursive: true, force: true }));

type Done = (error: NodeJS.ErrnoException | null, ...values: unknown[]) => void;

/** Renames that are not durable yet, in whatever process they were made. */
let pending: { folder: string; from: string; to: string }[];
let isKilled: boolean;
let failSyncOf: string | null;

function system(): FileSystem {
  const opened = new Map<number, string>();
  return {
    ...fs,
    open: (
      file: string,
      flags: fs.OpenMode,
      done: (error: NodeJS.ErrnoException | null, fd: number) => void,
    ) =>
      fs.open(file, flags, (error, fd) => {
        if (error === null) opened.set(fd, file);
        done(error, fd);
      }),
    rename: (from: string, to: string, done: Done) =>
      fs.rename(from, to, (error) => {
        if (error === null) pending.push({ folder: path.dirname(to), from, to });
        // The kill comes right here, where the test says so.
        if (!isKilled) done(error);
      }),
    fsync: (fd: number, done: Done) =>
      fs.fsync(fd, (error) => {
        if (opened.get(fd) === failSyncOf) return done(Object.assign(new Error('EIO'), { code: 'EIO' }));
        if (error === null) pending = pending.filter((one) => one.folder !== opened.get(fd));
        done(error);
      }),
  } as unknown as FileSystem;
}

/** Names that were not durable are gone. */
function powerCut(): void {
  for (const { from, to } of pending.reverse()) fs.renameSync(to, from);
  pending = [];
}

type Callback<T> = (error: SynodError | null, value?: T) => void;
const call = <T>(start: (callback: Callback<T>) => void): Promise<T> =>
  new Promise((resolve, reject) =>
    start((error, value) => (error === null ? resolve(value as T) : reject(error))),
  );
const slots = async (store: FileCheckpointStore): Promise<readonly number[]> =>
  (await call<readonly { slot: number }[]>((done) => store.list(done))).map(({ slot }) => slot);

beforeEach(() => {
  [pending, isKilled, failSyncOf] = [[], false, null];
});

async function writeSeven(
  store: FileCheckpointStore,
  commit: (file: CheckpointFile) => Promise<void>,
): Promise<void> {
  expect(await slots(store)).toEqual([]);
  const file = await call<CheckpointFile>((done) => store.create(7, 'copy', done));
  await call<void>((done) => file.append(Buffer.from('x'), done));
  await commit(file);
}

it('a checkpoint that a restart finds is still there after a power cut: its process was killed before the folder was synced', async () => {
  await writeSeven(new FileCheckpointStore(folder, system()), async (file) => {
    isKilled = true;
    file.commit(() => {});
    while (pending.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    isKilled = false;
  });
  // The next process restores it, writes a jump to slot 7 into its log, and drops the log before it.
  expect(await slots(new FileCheckpointStore(folder, system()))).toEqual([7]);
  powerCut();
  expect(await slots(new FileCheckpointStore(folder, system()))).toEqual([7]);
});

it('likewise where the sync of the folder failed', async () => {
  await writeSeven(new FileCheckpointStore(folder, system()), async (file) => {
    failSyncOf = folder;
    await expect(call<void>((done) => file.commit(done))).rejects.toThrow('EIO');
    failSyncOf = null;
  });
  expect(await slots(new FileCheckpointStore(folder, system()))).toEqual([7]);
  powerCut();
  expect(await slots(new FileCheckpointStore(folder, system()))).toEqual([7]);
});

it('the folder is there after a power cut, whoever made it', async () => {
  fs.mkdirSync(folder);
  const { synced, fileSystem } = recordSyncs();
  await slots(new FileCheckpointStore(folder, fileSystem));
  expect(synced).toContain(root);
});
