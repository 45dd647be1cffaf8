/**
 * Aim: a log whose directory can still be lost by a power cut has no segment yet.
 * Method: record the syncs of a medium that starts on a new directory.
 */

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createFileMedium } from '../../src/storage/file/file-medium.js';
import { MediumDriver } from './driver.js';
import { recordSyncs } from './record-syncs.js';

const segmentBytes = 64 * 1024;
let directory: string;

beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'synod-reopen-'));
});
afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

it('the names of the directories above are durable, whoever made them, before there is a first segment', async () => {
  const { synced, fileSystem } = recordSyncs();
  // As left by a process that was killed before it had synced, or by a probe of the path.
  const log = path.join(directory, 'data', 'log');
  fs.mkdirSync(log, { recursive: true });
  const driver = new MediumDriver(createFileMedium({ directory: log, segmentBytes, fileSystem }));
  expect(await driver.start()).toEqual([]);
  expect(synced.slice(0, 2)).toEqual([path.join(directory, 'data'), directory]);
  await driver.close();
});

it('so are those behind a link', async () => {
  const { synced, fileSystem } = recordSyncs();
  const elsewhere = path.join(fs.realpathSync(directory), 'disk');
  fs.mkdirSync(path.join(elsewhere, 'synod'), { recursive: true });
  const link = path.join(directory, 'link');
  fs.symlinkSync(path.join(elsewhere, 'synod'), link);
  const log = path.join(link, 'log');
  const driver = new MediumDriver(createFileMedium({ directory: log, segmentBytes, fileSystem }));
  expect(await driver.start()).toEqual([]);
  // The folder that the link is in, and the one that the folder behind it is in.
  expect(synced).toEqual(expect.arrayContaining([link, directory, elsewhere]));
  await driver.close();
});
