/** Aim: of a checkpoint that the disk does not give any more a tool says as much as of a damaged one, and goes on with the one before it. */

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import path from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { CHECKPOINT_HEADER_BYTES, CHECKPOINT_VERSION, CheckpointField } from '../../src/checkpoint/format.js';
import { crc32c } from '../../src/checksum.js';
import { replay } from '../../src/tools/replay.js';
import { bytesOf } from '../application/support.js';
import { Counter } from './counter.mjs';
import { cleanUp, command, makeRoot, openStored } from './support.js';

afterEach(async () => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
  await cleanUp();
});

/** A closed replica with two checkpoints, and commands behind each. */
async function twoCheckpoints() {
  const [stored] = await openStored(makeRoot(), ['a', 'b', 'c']);
  const { replica, dir, machine } = stored!;
  const slots: number[] = [];
  for (const text of ['one', 'two']) {
    await replica.replicate(bytesOf(text));
    slots.push(await replica.checkpoint());
  }
  await replica.replicate(bytesOf('three'));
  const digest = machine.digest();
  await replica.close();
  const names = fs.readdirSync(path.join(dir, 'checkpoints')).sort();
  const [older, newest] = names.map((name) => path.join(dir, 'checkpoints', name));
  return { dir, digest, slots, older: older!, newest: newest! };
}

/** Its first page can be read, and what is behind that cannot. */
function losesSectors(file: string): void {
  const { readSync } = fs;
  vi.spyOn(fs, 'readSync').mockImplementation(((fd: number, ...rest: unknown[]) => {
    if (Number(rest[3]) > 0 && fs.readlinkSync(`/proc/self/fd/${fd}`) === fs.realpathSync(file))
      throw Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' });
    return (readSync as (...args: unknown[]) => number)(fd, ...rest);
  }) as never);
  syncBuiltinESMExports();
}

it('the newest checkpoint is called unread where the disk does not give it, and the one before it is the latest', async () => {
  const { dir, digest, slots, newest } = await twoCheckpoints();
  losesSectors(newest);
  const verified = await command('checkpoint', 'verify', '--dir', dir);
  expect(verified.code).toBe(1);
  expect(verified.lines).toEqual([expect.stringMatching(/^unread .*EIO/), expect.stringMatching(/^sound/)]);
  expect((await command('checkpoint', 'latest', '--dir', dir, '--json')).json().slot).toBe(slots[0]);
  expect(await replay(new Counter(), { dataDir: dir })).toMatchObject({ from: slots[0], digest });
});

it('a recovery does not go on without a checkpoint that the disk may give again', async () => {
  const { dir, newest } = await twoCheckpoints();
  losesSectors(newest);
  const refused = await command('recover', '--dir', dir, '--accept-data-loss');
  expect(refused.code).toBe(1);
  expect(refused.errors[0]).toMatch(/cannot be read .*move it away.*ERR_SYNOD_STORAGE_FAILED/);
  expect(fs.existsSync(path.join(dir, 'recoveries.jsonl'))).toBe(false);
  vi.restoreAllMocks();
  syncBuiltinESMExports();
  fs.renameSync(newest, path.join(dir, 'away'));
  expect((await command('recover', '--dir', dir, '--json')).json()).toMatchObject({ replica: 'a', holes: 0 });
});

it('a recovery does not go on without a checkpoint of a later format, which a newer build would restore', async () => {
  const { dir, slots, newest } = await twoCheckpoints();
  const bytes = fs.readFileSync(newest);
  bytes.writeUInt32LE(CHECKPOINT_VERSION + 1, CheckpointField.version);
  const checksum = crc32c(bytes, CheckpointField.version, CHECKPOINT_HEADER_BYTES, 0);
  bytes.writeUInt32LE(checksum, CheckpointField.checksum);
  fs.writeFileSync(newest, bytes);
  const verified = await command('checkpoint', 'verify', '--dir', dir);
  expect(verified.lines[0]).toMatch(/^unread .*format version 2 is not known here/);
  expect(verified.code).toBe(1);
  expect((await command('checkpoint', 'latest', '--dir', dir, '--json')).json().slot).toBe(slots[0]);
  const refused = await command('recover', '--dir', dir, '--accept-data-loss');
  expect(refused.code).toBe(1);
  expect(refused.errors[0]).toMatch(/format version 2.*move it away/);
  expect(fs.existsSync(path.join(dir, 'recoveries.jsonl'))).toBe(false);
});

it('neither a recovery nor a replay takes a folder that cannot be read for one that is not there', async () => {
  const { dir, digest } = await twoCheckpoints();
  const folder = path.join(dir, 'checkpoints');
  const away = path.join(dir, 'on another disk');
  fs.renameSync(folder, away);
  // A disk that is not mounted; and what is no folder.
  for (const spoil of [
    () => fs.symlinkSync(path.join(dir, 'nowhere'), folder),
    () => fs.writeFileSync(folder, ''),
  ]) {
    spoil();
    const refused = await command('recover', '--dir', dir, '--accept-data-loss');
    expect(refused.code).toBe(1);
    expect(refused.errors[0]).toMatch(/no checkpoints in .*ERR_SYNOD_DATA_DIRECTORY/);
    expect(fs.existsSync(path.join(dir, 'recoveries.jsonl'))).toBe(false);
    await expect(replay(new Counter(), { dataDir: dir })).rejects.toMatchObject({
      code: 'ERR_SYNOD_DATA_DIRECTORY',
    });
    fs.rmSync(folder);
  }
  fs.symlinkSync(away, folder);
  expect(await replay(new Counter(), { dataDir: dir })).toMatchObject({ digest });
});

it('a recovery refuses a checkpoint of another cluster', async () => {
  const { dir, newest } = await twoCheckpoints();
  const [other] = await openStored(makeRoot(), ['a'], ['a'], { cluster: 'other' });
  while ((await other!.replica.replicate(bytesOf('command')))! < 9);
  const slot = await other!.replica.checkpoint();
  const name = `${slot.toString(16).padStart(16, '0')}.checkpoint`;
  fs.copyFileSync(path.join(other!.dir, 'checkpoints', name), path.join(path.dirname(newest), name));
  const refused = await command('recover', '--dir', dir, '--accept-data-loss');
  expect(refused.code).toBe(1);
  expect(refused.errors[0]).toMatch(/of cluster "other".*ERR_SYNOD_DATA_DIRECTORY/);
  expect(fs.existsSync(path.join(dir, 'recoveries.jsonl'))).toBe(false);
});
