/** Aim: what a tool says is there to stay, or builds on, has a name that a power cut does not take back. Method: which folders are synced, and when. */

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import path from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { bytesOf } from '../application/support.js';
import { cleanUp, command, makeRoot, openStored } from './support.js';

afterEach(async () => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
  await cleanUp();
});

/** What is synced from now on, and which segments of a log are begun, in order. */
function noteSyncs(): string[] {
  const noted: string[] = [];
  const note = (fd: number): void => void noted.push(fs.readlinkSync(`/proc/self/fd/${fd}`));
  const { fsync, fsyncSync, open } = fs;
  vi.spyOn(fs, 'fsync').mockImplementation((fd, done) => {
    note(fd);
    fsync(fd, done);
  });
  vi.spyOn(fs, 'fsyncSync').mockImplementation((fd) => {
    note(fd);
    fsyncSync(fd);
  });
  vi.spyOn(fs, 'open').mockImplementation(((file: string, flags: string, done: fs.NoParamCallback) => {
    if (file.endsWith('.segment.new')) noted.push('a segment');
    open(file, flags, done);
  }) as never);
  syncBuiltinESMExports();
  return noted;
}

/** Data directory of a closed replica with a checkpoint. */
async function stored(): Promise<string> {
  const [one] = await openStored(fs.realpathSync(makeRoot()), ['a', 'b', 'c']);
  await one!.replica.replicate(bytesOf('one'));
  await one!.replica.checkpoint();
  await one!.replica.close();
  return one!.dir;
}

it('a recovery makes durable the name of the checkpoint that it builds on, and that of its own account, before it writes to the log', async () => {
  const dir = await stored();
  const noted = noteSyncs();
  expect((await command('recover', '--dir', dir)).code).toBe(1);
  expect(noted, 'asked what it would do').not.toContain(dir);
  noted.length = 0;
  expect((await command('recover', '--dir', dir, '--accept-data-loss')).code).toBe(0);
  const before = noted.slice(0, noted.indexOf('a segment'));
  expect(before.length).toBeLessThan(noted.length);
  expect(before).toContain(path.join(dir, 'checkpoints'));
  // Its name is one in the data directory, which is no use before the file has its line.
  const audited = before.indexOf(path.join(dir, 'recoveries.jsonl'));
  expect(audited).toBeGreaterThanOrEqual(0);
  expect(before.slice(audited)).toContain(dir);
});

it('a checkpoint whose members were edited stays, with the folders that were made for it', async () => {
  const dir = await stored();
  const root = fs.realpathSync(makeRoot());
  const noted = noteSyncs();
  const out = path.join(root, 'edited', 'checkpoints');
  expect(
    (await command('checkpoint', 'edit-members', '--dir', dir, '--members', 'a', '--out', out)).code,
  ).toBe(0);
  expect(noted).toEqual(expect.arrayContaining([out, path.join(root, 'edited'), root]));
});
