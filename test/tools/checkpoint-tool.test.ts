/** Aim: what `synod checkpoint` says of a checkpoint is what a replica would find, and only a copy is ever edited. */

import fs, { readFileSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import path from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { CONFIGURATION_COOKIE_BYTES_MAX } from '../../src/limits.js';
import { withMembers } from '../../src/tools/checkpoint-edit.js';
import { bytesOf } from '../application/support.js';
import { member } from './stored-log.js';
import { cleanUp, command, makeRoot, openStored } from './support.js';

afterEach(async () => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
  await cleanUp();
});

/** Two checkpoints, the newest first, of a replica that is still running. */
async function twoCheckpoints() {
  const [stored] = await openStored(makeRoot(), ['a']);
  const { replica, dir } = stored!;
  await replica.replicate(bytesOf('one'));
  const older = await replica.checkpoint();
  await replica.replicate(bytesOf('two'));
  const newer = await replica.checkpoint();
  const file = (slot: number): string =>
    path.join(dir, 'checkpoints', `${slot.toString(16).padStart(16, '0')}.checkpoint`);
  return { dir, older, newer, file, replica };
}

function flip(file: string, offset: number): void {
  const bytes = readFileSync(file);
  bytes[offset]! ^= 1;
  writeFileSync(file, bytes);
}

describe('synod checkpoint', () => {
  it('shows and verifies what a replica has stored, beside it', async () => {
    const { dir, older, newer } = await twoCheckpoints();
    const shown = await command('checkpoint', 'show', '--dir', dir, '--json');
    expect(shown.code).toBe(0);
    const reports = shown.lines.map((line) => JSON.parse(line));
    expect(
      reports.map(({ slot, verdict, cluster, replica, sessions }) => [
        slot,
        verdict,
        cluster,
        replica,
        sessions,
      ]),
    ).toEqual([
      [newer, 'sound', 'tools', 'a', 1],
      [older, 'sound', 'tools', 'a', 1],
    ]);
    expect(reports[0].configuration.members.map(({ id }: { id: string }) => id)).toEqual(['a']);
    const verified = await command('checkpoint', 'verify', '--dir', dir);
    expect(verified.lines.map((line) => line.split(' ')[0])).toEqual(['sound', 'sound']);
    expect((await command('checkpoint', 'latest', '--dir', dir, '--json')).json().slot).toBe(newer);
    expect(
      (await command('checkpoint', 'latest', '--dir', dir, '--slot', String(older), '--json')).json().slot,
    ).toBe(older);
  });

  it('fails where one is damaged, in its header, a block or its end, and takes the one before for the latest', async () => {
    const { dir, older, newer, file } = await twoCheckpoints();
    const whole = readFileSync(file(newer));
    for (const offset of [0, 20, 8192 + 3, 8192 + 20, whole.length - 1]) {
      flip(file(newer), offset);
      const { code, lines } = await command('checkpoint', 'verify', '--dir', dir);
      expect(code, `byte ${offset}`).toBe(1);
      expect(lines[0]).toMatch(/^damaged .*checkpoint .+/);
      expect((await command('checkpoint', 'latest', '--dir', dir, '--json')).json().slot).toBe(older);
      writeFileSync(file(newer), whole);
    }
    writeFileSync(file(newer), whole.subarray(0, whole.length - 8));
    expect((await command('checkpoint', 'verify', '--dir', dir)).code).toBe(1);
  });

  it('finds the one of a slot by its name, also where its header is damaged', async () => {
    const { dir, older, newer, file } = await twoCheckpoints();
    flip(file(newer), 20);
    const { code, lines } = await command('checkpoint', 'verify', '--dir', dir, '--slot', String(newer));
    expect({ code, lines }).toEqual({ code: 1, lines: [expect.stringMatching(/^damaged .*header/)] });
    expect((await command('checkpoint', 'verify', '--dir', dir, '--slot', String(older))).code).toBe(0);
    expect((await command('checkpoint', 'verify', '--dir', dir, '--slot', '999')).errors[0]).toMatch(/999/);
  });

  it('passes over one that the replica deletes meanwhile', async () => {
    const { dir, older, newer, file } = await twoCheckpoints();
    const { openSync } = fs;
    const deleteAtOpen = (deleted: string): void => {
      vi.spyOn(fs, 'openSync').mockImplementation((...args: Parameters<typeof openSync>) => {
        if (args[0] === deleted) fs.rmSync(deleted);
        return openSync(...args);
      });
      syncBuiltinESMExports();
    };
    deleteAtOpen(file(older));
    const { code, lines } = await command('checkpoint', 'show', '--dir', dir, '--json');
    expect({ code, slots: lines.map((line) => JSON.parse(line).slot) }).toEqual({ code: 0, slots: [newer] });
    deleteAtOpen(file(newer));
    expect((await command('checkpoint', 'verify', '--dir', dir)).errors[0]).toMatch(/no checkpoint in/);
  });

  it('edits the members of a checkpoint into another folder', async () => {
    const { dir, newer, file } = await twoCheckpoints();
    const before = readFileSync(file(newer));
    const out = path.join(makeRoot(), 'edited', 'checkpoints');
    const added = `b=${'1f'.repeat(16)}`;
    const edited = await command(
      'checkpoint',
      'edit-members',
      '--dir',
      dir,
      '--members',
      `a,${added}`,
      '--out',
      out,
      '--json',
    );
    expect(edited.errors).toEqual([]);
    expect(edited.json()).toMatchObject({
      slot: newer,
      verdict: 'sound',
      configuration: {
        number: 2,
        nextMember: 3,
        members: [
          { number: 1, id: 'a' },
          { number: 2, id: 'b' },
        ],
      },
    });
    expect(readFileSync(file(newer)).equals(before)).toBe(true);
    // The state is the same, block by block.
    expect((await command('checkpoint', 'verify', '--dir', path.dirname(out))).code).toBe(0);
    const again = await command('checkpoint', 'edit-members', '--dir', dir, '--members', 'a', '--out', out);
    expect(again).toMatchObject({ code: 1 });
    expect(again.errors[0]).toMatch(/cannot write/);
    for (const wrong of ['c', 'a,a', 'a=xyz'])
      expect(
        (await command('checkpoint', 'edit-members', '--dir', dir, '--members', wrong, '--out', makeRoot()))
          .code,
        wrong,
      ).toBe(1);
  });

  it.each([10, CONFIGURATION_COOKIE_BYTES_MAX])('keeps a cookie of %i bytes', async (bytes) => {
    const { dir, replica } = await twoCheckpoints();
    const cookie = Buffer.alloc(bytes, 7);
    await replica.changeConfiguration(replica.configuration!.members, { cookie });
    await replica.replicate(bytesOf('three'));
    const slot = await replica.checkpoint();
    const out = path.join(makeRoot(), 'checkpoints');
    const edited = await command(
      'checkpoint',
      'edit-members',
      '--dir',
      dir,
      '--members',
      `a,b=${'1f'.repeat(16)}`,
      '--out',
      out,
      '--json',
    );
    expect(edited.json()).toMatchObject({
      slot,
      verdict: 'sound',
      configuration: { number: 3, members: [{ id: 'a' }, { id: 'b' }], cookie: cookie.toString('base64') },
    });
  });

  it('edits none into the folder of a replica that runs', async () => {
    const { dir } = await twoCheckpoints();
    const [other] = await openStored(makeRoot(), ['b']);
    const out = path.join(other!.dir, 'checkpoints');
    const refused = await command('checkpoint', 'edit-members', '--dir', dir, '--members', 'a', '--out', out);
    expect(refused.code).toBe(1);
    expect(refused.errors[0]).toMatch(/in use.*ERR_SYNOD_DATA_DIRECTORY/);
    expect(fs.readdirSync(out)).toEqual([]);
  });

  it('gives a copy its name when it is whole, and tells of a disk that takes no more of it', async () => {
    const { dir, newer, file } = await twoCheckpoints();
    const out = path.join(makeRoot(), 'checkpoints');
    const target = path.join(out, path.basename(file(newer)));
    const editing = () => command('checkpoint', 'edit-members', '--dir', dir, '--members', 'a', '--out', out);
    const { renameSync, rmSync, writeSync } = fs;
    const early: string[] = [];
    let isRenamed = false;
    // Where it is killed at one of these calls, what is there stays.
    const note = (call: string): void => {
      if (!isRenamed && fs.existsSync(target)) early.push(call);
    };
    vi.spyOn(fs, 'rmSync').mockImplementation((...args: Parameters<typeof rmSync>) => {
      note('rmSync');
      rmSync(...args);
    });
    const writes = vi.spyOn(fs, 'writeSync').mockImplementation(((...args: Parameters<typeof writeSync>) => {
      note('writeSync');
      return writeSync(...args);
    }) as never);
    vi.spyOn(fs, 'renameSync').mockImplementation((...args: Parameters<typeof renameSync>) => {
      note('renameSync');
      isRenamed = true;
      renameSync(...args);
    });
    syncBuiltinESMExports();
    expect((await editing()).code).toBe(0);
    expect({ early, isRenamed, isWritten: writes.mock.calls.length > 1 }).toEqual({
      early: [],
      isRenamed: true,
      isWritten: true,
    });
    rmSync(target);
    for (const [code, expected] of [
      ['ENOSPC', 'ERR_SYNOD_STORAGE_FULL'],
      ['EIO', 'ERR_SYNOD_STORAGE_FAILED'],
    ] as const) {
      writes.mockImplementation(() => {
        throw Object.assign(new Error(`${code}: write`), { code });
      });
      syncBuiltinESMExports();
      const failed = await editing();
      expect(failed.code).toBe(1);
      expect(failed.errors[0]).toContain(`cannot write ${target}.new`);
      expect(failed.errors[0]).toContain(expected);
      expect(fs.readdirSync(out)).toEqual([]);
    }
  });

  it('refuses members that a configuration has no room for', () => {
    const address = `${'h'.repeat(250)}:1`;
    const members = ['a', 'b', 'c', 'd', 'e'].map((id, index) => ({
      ...member(index + 1, id.repeat(20), '1f'.repeat(16)),
      address,
    }));
    const present = members.map(({ id }) => ({ id, incarnation: null }));
    const added = ['f', 'g'].map((id) => ({ id: id.repeat(63), incarnation: '2f'.repeat(16) }));
    const current = { number: 1, members, nextMember: 6 };
    expect(withMembers(current, present)).toEqual({ number: 2, members, nextMember: 6 });
    expect(() => withMembers(current, [...present, ...added])).toThrow(
      expect.objectContaining({ code: 'ERR_SYNOD_ARGUMENT' }),
    );
  });

  it('says what is wrong with the command line', async () => {
    for (const args of [
      [],
      ['none'],
      ['show'],
      ['show', '--dir', ''],
      ['latest', '--dir', 'x', '--slot', 'one'],
      ['edit-members', '--dir', 'x'],
      ['show', '--dir', 'x', '--out', 'y'],
      ['show', '--dir', 'x', '--what'],
    ])
      expect((await command('checkpoint', ...args)).code, args.join(' ')).toBe(2);
    expect(await command('checkpoint', 'show', '--dir', makeRoot())).toMatchObject({ code: 1 });
    expect((await command('checkpoint', '--help')).code).toBe(0);
  });
});
