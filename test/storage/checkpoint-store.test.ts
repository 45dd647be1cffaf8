/**
 * Aim: a checkpoint has its name only when it is whole and durable; whatever call fails, it is a typed error, and what was there
 * before is still there.
 */

import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SynodError } from '../../src/errors.js';
import {
  type CheckpointFile,
  checkpointName,
  FileCheckpointStore,
  parseCheckpointName,
} from '../../src/storage/checkpoint-store.js';
import { FaultyFileSystem } from './faulty-file-system.js';

let root: string;
let faulty: FaultyFileSystem;
let store: FileCheckpointStore;

beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'synod-checkpoint-store-'));
  faulty = new FaultyFileSystem();
  store = new FileCheckpointStore(path.join(root, 'checkpoints'), faulty.fileSystem);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

type Callback<T> = (error: SynodError | null, value?: T) => void;

/** A call with a callback as a promise; it must not call back before it has returned. */
function call<T>(start: (callback: Callback<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    let returned = false;
    start((error, value) => {
      if (!returned) reject(new Error('called back before the call had returned'));
      else if (error !== null) reject(error);
      else resolve(value as T);
    });
    returned = true;
  });
}

const list = (): Promise<readonly { slot: number; bytes: number }[]> => call((done) => store.list(done));

async function write(slot: number, text: string): Promise<void> {
  const file = await call<CheckpointFile>((done) => store.create(slot, 'made', done));
  for (const part of text.match(/.{1,3}/gs) ?? [])
    await call<void>((done) => file.append(Buffer.from(part), done));
  await call<void>((done) => file.commit(done));
}

const unfinished = (): boolean => existsSync(path.join(root, 'checkpoints', 'made.checkpoint.new'));

describe('a checkpoint that does not get its name', () => {
  for (const failing of ['fsync', 'close', 'rename'] as const)
    it(`because of ${failing} leaves its room to others`, async () => {
      await list();
      const file = await call<CheckpointFile>((done) => store.create(7, 'made', done));
      await call<void>((done) => file.append(Buffer.from('x'), done));
      expect(unfinished()).toBe(true);
      faulty.inject({ at: 0, code: 'ENOSPC', matches: (name) => name === failing });
      await expect(call<void>((done) => file.commit(done))).rejects.toMatchObject({
        code: 'ERR_SYNOD_STORAGE_FULL',
        message: expect.stringContaining(failing),
      });
      expect(readdirSync(path.join(root, 'checkpoints'))).toEqual([]);
    });

  it('because its folder cannot be opened leaves its room to others, and one of the same slot alone', async () => {
    await list();
    for (const there of [[], ['before']]) {
      for (const text of there) await write(7, text);
      const file = await call<CheckpointFile>((done) => store.create(7, 'made', done));
      await call<void>((done) => file.append(Buffer.from('x'), done));
      faulty.inject({ at: 0, code: 'EMFILE', matches: (name) => name === 'open' });
      await expect(call<void>((done) => file.commit(done))).rejects.toThrow('EMFILE');
      faulty.inject(null);
      expect(unfinished()).toBe(false);
      expect(await list()).toEqual(there.map((text) => ({ slot: 7, bytes: text.length })));
    }
  });

  it('is reported by what went wrong first', async () => {
    await list();
    const file = await call<CheckpointFile>((done) => store.create(7, 'made', done));
    const matches = (name: string): boolean => ['fsync', 'close', 'unlink'].includes(name);
    faulty.inject({ at: 0, code: 'ENOSPC', matches, lasting: true });
    await expect(call<void>((done) => file.commit(done))).rejects.toThrow('ENOSPC: injected, fsync');
    expect(faulty.faults).toBe(3);
    expect(unfinished()).toBe(true);
  });

  it('but has it where only the folder was not synced', async () => {
    await list();
    const file = await call<CheckpointFile>((done) => store.create(7, 'made', done));
    await call<void>((done) => file.append(Buffer.from('x'), done));
    faulty.inject({ at: 1, code: 'EIO', matches: (name) => name === 'fsync' });
    await expect(call<void>((done) => file.commit(done))).rejects.toThrow('EIO');
    faulty.inject(null);
    expect(await list()).toEqual([{ slot: 7, bytes: 1 }]);
  });
});

describe('a checkpoint store', () => {
  it('lists what is whole, newest first, and reads it', async () => {
    expect(await list()).toEqual([]);
    await write(5, 'five');
    await write(300, 'three hundred');
    writeFileSync(path.join(root, 'checkpoints', 'made.checkpoint.new'), 'half');
    writeFileSync(path.join(root, 'checkpoints', 'unknown'), 'x');
    expect(await list()).toEqual([
      { slot: 300, bytes: 13 },
      { slot: 5, bytes: 4 },
    ]);
    const target = new Uint8Array(20);
    expect(await call<number>((done) => store.read(300, 6, target, done))).toBe(7);
    expect(Buffer.from(target.subarray(0, 7)).toString()).toBe('hundred');
  });

  it.each(['open', 'fstat'])(
    'lists what it cannot open beside the others, and says why: %s',
    async (name) => {
      await list();
      for (const slot of [5, 300]) await write(slot, 'x');
      faulty.calls.length = 0;
      const sound = await list();
      expect(sound).toEqual([300, 5].map((slot) => ({ slot, bytes: 1 })));
      const last = faulty.calls.filter((call) => call === name).length - 1;
      const unopened = expect.objectContaining({
        code: 'ERR_SYNOD_STORAGE_FAILED',
        message: expect.stringContaining(name),
      });
      faulty.inject({ at: last - 1, code: 'EIO', matches: (call) => call === name });
      expect(await list()).toEqual([{ slot: 300, bytes: 0, unopened }, sound[1]]);
      faulty.inject({ at: last, code: 'EIO', matches: (call) => call === name });
      expect(await list()).toEqual([sound[0], { slot: 5, bytes: 0, unopened }]);
      expect(await list()).toEqual(sound);
    },
  );

  it('gives a name only at the end, and none to what was abandoned', async () => {
    await list();
    const file = await call<CheckpointFile>((done) => store.create(7, 'made', done));
    await call<void>((done) => file.append(Buffer.from('x'), done));
    expect(await list()).toEqual([]);
    await call<void>((done) => file.abandon(done));
    expect(readdirSync(path.join(root, 'checkpoints'))).toEqual([]);
  });

  it('syncs the file before its name, and the name before it says so', async () => {
    await list();
    faulty.calls.length = 0;
    await write(1, 'x');
    const calls = faulty.calls.filter((name) => ['fsync', 'rename'].includes(name));
    expect(calls).toEqual(['fsync', 'rename', 'fsync']);
  });

  it('removes, also what is not there, and clears what was left unfinished', async () => {
    await list();
    await write(1, 'x');
    writeFileSync(path.join(root, 'checkpoints', 'copy.checkpoint.new'), 'half');
    for (let round = 0; round < 2; round += 1) {
      await call<void>((done) => store.remove(1, done));
      await call<void>((done) => store.clear('copy', done));
      expect(readdirSync(path.join(root, 'checkpoints'))).toEqual([]);
    }
    await expect(call((done) => store.read(1, 0, new Uint8Array(1), done))).rejects.toMatchObject({
      code: 'ERR_SYNOD_STORAGE_FAILED',
    });
  });

  it('reports every failing call, and keeps what was there', async () => {
    await list();
    await write(1, 'before');
    for (let at = 0; at < 20; at += 1) {
      faulty.inject({ at, code: at % 2 === 0 ? 'ENOSPC' : 'EIO' });
      const failed = await write(2, 'after').then(
        () => null,
        (error: SynodError) => error.code,
      );
      const wasHit = faulty.faults > at;
      faulty.inject(null);
      if (failed === null) {
        expect(wasHit).toBe(false);
        break;
      }
      expect(failed).toBe(at % 2 === 0 ? 'ERR_SYNOD_STORAGE_FULL' : 'ERR_SYNOD_STORAGE_FAILED');
      expect((await list()).some(({ slot, bytes }) => slot === 1 && bytes === 6)).toBe(true);
    }
    expect(faulty.faults).toBeGreaterThan(5);
  });
});

it('names and slots go together', () => {
  for (const slot of [0, 1, 255, Number.MAX_SAFE_INTEGER])
    expect(parseCheckpointName(checkpointName(slot))).toBe(slot);
  for (const name of ['1.checkpoint', `${'0'.repeat(16)}.segment`, `${'f'.repeat(16)}.checkpoint`, ''])
    expect(parseCheckpointName(name)).toBeNull();
  expect(() => checkpointName(-1)).toThrow('checkpoint-slot');
});
