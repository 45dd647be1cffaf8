/** Aim: what `synod checkpoint` says of a checkpoint is what a replica would find, and only a copy is ever edited. */

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { bytesOf } from '../application/support.js';
import { cleanUp, command, makeRoot, openStored } from './support.js';

afterEach(cleanUp);

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
