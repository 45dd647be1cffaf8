/** Aim: a replay that writes a checkpoint spoils none of a replica's, in whatever words it is told of the folder. */

import fs from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { readCheckpoint } from '../../src/tools/checkpoint-survey.js';
import { replay } from '../../src/tools/replay.js';
import { bytesOf, until } from '../application/support.js';
import { Counter } from './counter.mjs';
import { cleanUp, makeRoot, openStored } from './support.js';

afterEach(cleanUp);

/** A replica that runs, with a log that says of its commands that they are chosen. */
async function running() {
  const root = makeRoot();
  const [stored] = await openStored(root, ['a']);
  for (let index = 0; index < 5; index += 1) await stored!.replica.replicate(bytesOf(`command ${index}`));
  await until(
    'the log says so',
    async () => (await replay(new Counter(), { dataDir: stored!.dir })).commands >= 5,
  );
  return { root, ...stored!, folder: path.join(stored!.dir, 'checkpoints') };
}

/** Its checkpoint comes in two parts, with a while between them. */
function slowCounter() {
  let goOn = (): void => {};
  let ask = (): void => {};
  const wait = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const asked = new Promise<void>((resolve) => {
    ask = resolve;
  });
  const takeCheckpoint = async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.from('5 ');
    ask();
    await wait;
    yield Buffer.from('1');
  };
  return { machine: Object.assign(new Counter(), { takeCheckpoint }) as unknown as Counter, asked, goOn };
}

const inUse = { code: 'ERR_SYNOD_DATA_DIRECTORY', message: expect.stringContaining('in use') };

describe('beside a replica that runs', () => {
  it('no checkpoint is written among its own, by whatever path', async () => {
    const { root, dir, folder } = await running();
    const [link, linkedDir] = [path.join(root, 'link'), path.join(root, 'linked-directory')];
    fs.symlinkSync(folder, link);
    fs.symlinkSync(dir, linkedDir);
    const paths = [
      folder,
      `${folder}/`,
      path.relative('.', folder),
      link,
      path.join(linkedDir, 'checkpoints'),
    ];
    for (const writeCheckpoint of paths)
      await expect(
        replay(new Counter(), { dataDir: dir, writeCheckpoint }),
        writeCheckpoint,
      ).rejects.toMatchObject(inUse);
    // Nor among those of another one that runs.
    const closed = await running();
    await closed.replica.close();
    await expect(
      replay(new Counter(), { dataDir: closed.dir, writeCheckpoint: folder }),
    ).rejects.toMatchObject(inUse);
    expect(fs.readdirSync(folder)).toEqual([]);
  });

  it('no checkpoint is written among its own where they are on another disk', async () => {
    const { root, dir, folder, replica } = await running();
    await replica.close();
    const elsewhere = path.join(root, 'elsewhere');
    fs.renameSync(folder, elsewhere);
    fs.symlinkSync(elsewhere, folder);
    await openStored(root, ['a']);
    for (const writeCheckpoint of [folder, elsewhere])
      await expect(
        replay(new Counter(), { dataDir: dir, writeCheckpoint }),
        writeCheckpoint,
      ).rejects.toMatchObject(inUse);
  });

  it('one is written elsewhere', async () => {
    const { root, dir } = await running();
    const out = path.join(root, 'out', 'checkpoints');
    const report = await replay(new Counter(), { dataDir: dir, writeCheckpoint: out });
    expect(report.checkpoint).toBeGreaterThanOrEqual(5);
  });
});

it('the replica is not opened while a replay writes among its checkpoints, and is behind it', async () => {
  const { root, dir, folder, replica, machine } = await running();
  const digest = machine.digest();
  await replica.close();
  const slow = slowCounter();
  const replayed = replay(slow.machine as never, { dataDir: dir, writeCheckpoint: folder });
  await slow.asked;
  await expect(openStored(root, ['a'])).rejects.toMatchObject(inUse);
  slow.goOn();
  expect((await replayed).checkpoint).toBeGreaterThanOrEqual(5);
  const [name] = fs.readdirSync(folder);
  expect(readCheckpoint(path.join(folder, name!)).verdict).toBe('sound');
  fs.rmSync(path.join(folder, name!));
  const [again] = await openStored(root, ['a']);
  await until('it has executed its log', () => again!.machine.digest() === digest);
});

it('what a replay has not finished has another name than what a replica has not', async () => {
  const { root, dir } = await running();
  const out = path.join(root, 'out');
  const slow = slowCounter();
  const replayed = replay(slow.machine as never, { dataDir: dir, writeCheckpoint: out });
  await slow.asked;
  expect(fs.readdirSync(out)).toEqual(['replayed.checkpoint.new']);
  slow.goOn();
  await replayed;
});
