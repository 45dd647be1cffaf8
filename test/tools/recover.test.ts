/** Aim: after the loss of a majority one survivor goes on with everything that its disk holds, only when told to, and leaves a record of it. */

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { surveyLog } from '../../src/tools/log-survey.js';
import { bytesOf, until } from '../application/support.js';
import { cleanUp, command, makeRoot, openStored } from './support.js';

afterEach(cleanUp);

/** Three replicas that executed `count` commands and were closed; `withCheckpoint`: the survivor has one. */
async function lostMajority(count: number, withCheckpoint: boolean) {
  const root = makeRoot();
  const members = await openStored(root, ['a', 'b', 'c']);
  for (let index = 0; index < count; index += 1)
    await members[0]!.replica.replicate(bytesOf(`command ${index}`));
  await until('all have it', () => members.every(({ machine }) => machine.count === count));
  if (withCheckpoint) await members[0]!.replica.checkpoint();
  const digest = members[0]!.machine.digest();
  await Promise.all(members.map(({ replica }) => replica.close()));
  return { root, dir: path.join(root, 'a'), digest };
}

describe.each([false, true])('synod recover, with a checkpoint: %s', (withCheckpoint) => {
  it('makes the survivor the only member, with all that it had, and writes that down', async () => {
    const { root, dir, digest } = await lostMajority(25, withCheckpoint);
    const recovered = await command('recover', '--dir', dir, '--accept-data-loss', '--json');
    expect(recovered.errors).toEqual([]);
    expect(recovered.code).toBe(0);
    expect(recovered.json()).toMatchObject({
      replica: 'a',
      lost: ['b', 'c'],
      holes: 0,
      next: { number: 2, members: [{ id: 'a' }] },
    });
    const audit = readFileSync(path.join(dir, 'recoveries.jsonl'), 'utf8').trim().split('\n');
    expect(audit.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({ state: 'begun', replica: 'a', lost: ['b', 'c'] }),
      expect.objectContaining({ state: 'done', replica: 'a', lost: ['b', 'c'] }),
    ]);
    expect(surveyLog(dir).verdict.kind).toBe('clean');
    // Alone, with nobody else running: it leads, holds what it held, and takes commands.
    const [alone] = await openStored(root, ['a', 'b', 'c'], ['a']);
    await until('it has executed its log', () => alone!.machine.digest() === digest);
    expect(await alone!.replica.replicate(bytesOf('and on'))).toBe(26);
    expect((await alone!.replica.status()).configuration).toBe(2);
    await alone!.replica.close();
    const [again] = await openStored(root, ['a', 'b', 'c'], ['a']);
    expect(await again!.replica.replicate(bytesOf('after a restart'))).toBe(27);
  });
});

describe('synod recover', () => {
  it('without its flag says what may be lost, and changes nothing', async () => {
    const { root, dir } = await lostMajority(5, false);
    const planned = await command('recover', '--dir', dir);
    expect(planned.code).toBe(1);
    expect(planned.lines.join('\n')).toMatch(/LOST: whatever was chosen from slot \d+ on by b, c/);
    expect(planned.errors).toEqual(['synod: nothing was changed; --accept-data-loss does it']);
    expect(existsSync(path.join(dir, 'recoveries.jsonl'))).toBe(false);
    const members = await openStored(root, ['a', 'b', 'c']);
    expect(await members[1]!.replica.replicate(bytesOf('on'))).toBe(6);
    expect((await members[1]!.replica.status()).configuration).toBe(1);
  });

  it('keeps what the survivor has accepted, though it does not know it to be chosen', async () => {
    const root = makeRoot();
    const members = await openStored(root, ['a', 'b', 'c']);
    await members[0]!.replica.replicate(bytesOf('first'));
    await until('one primary', () => new Set(members.map(({ replica }) => replica.primary)).size === 1);
    const primary = members.find(({ replica }) => replica.role === 'primary')!;
    await Promise.all(members.filter((one) => one !== primary).map(({ replica }) => replica.close()));
    // Nobody is left to accept it but the primary, whose own disk has it.
    const before = (await primary.replica.statistics()).counters.logWrites;
    const lonely = expect(primary.replica.replicate(bytesOf('lonely'))).rejects.toMatchObject({
      outcome: 'unknown',
    });
    await until('it is in the log', () => primary.replica.statistics().counters.logWrites > before);
    await primary.replica.close();
    await lonely;
    const { dir, id } = primary;
    expect((await command('recover', '--dir', dir, '--json')).json()).toMatchObject({ kept: 1, holes: 0 });
    await command('recover', '--dir', dir, '--accept-data-loss');
    const [alone] = await openStored(root, ['a', 'b', 'c'], [id]);
    expect(await alone!.replica.replicate(bytesOf('next'))).toBe(3);
  });

  it('refuses a replica that runs, and a directory without one', async () => {
    const [stored] = await openStored(makeRoot(), ['a']);
    await stored!.replica.replicate(bytesOf('one'));
    const { code, errors } = await command('recover', '--dir', stored!.dir, '--accept-data-loss');
    expect(code).toBe(1);
    expect(errors[0]).toMatch(/ERR_SYNOD_DATA_DIRECTORY/);
    expect((await command('recover', '--dir', makeRoot(), '--accept-data-loss')).code).toBe(1);
    expect((await command('recover')).code).toBe(2);
  });
});
