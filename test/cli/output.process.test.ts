/** Aim: what a command prints arrives whole, however slowly it is read, or it fails; and nobody who stops reading makes it fail. */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bytesOf } from '../application/support.js';
import { cleanUp, command, makeRoot, openStored } from '../tools/support.js';
import { mainPath } from './processes.js';

let dir: string;

/** A log whose dump is longer than a pipe holds. */
beforeEach(async () => {
  const [stored] = await openStored(makeRoot(), ['a']);
  for (let index = 0; index < 800; index += 1) await stored!.replica.replicate(bytesOf(`command ${index}`));
  await stored!.replica.close();
  dir = stored!.dir;
});
afterEach(cleanUp);

const dump = () =>
  spawn(process.execPath, [mainPath, 'log', 'dump', '--dir', dir, '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });

describe('synod log dump, piped', () => {
  it('waits for a reader who takes a while', async () => {
    const expected = `${(await command('log', 'dump', '--dir', dir, '--json')).lines.join('\n')}\n`;
    expect(expected.length).toBeGreaterThan(128 * 1024);
    const child = dump();
    // Nothing is taken beyond what the pipe and this end hold: as where somebody looks at the first page.
    await delay(4000);
    let printed = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
    });
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(printed).toBe(expected);
  });

  it('ends where the reader goes away', async () => {
    const child = dump();
    await once(child.stdout, 'data');
    child.stdout.destroy();
    expect(await once(child, 'close')).toEqual([0, null]);
  });
});

it.runIf(existsSync('/dev/full'))('fails where there is no space for what it prints', () => {
  const full = openSync('/dev/full', 'w');
  try {
    for (const args of [
      ['log', 'verify'],
      ['log', 'dump', '--json'],
    ]) {
      const { status, stderr } = spawnSync(process.execPath, [mainPath, ...args, '--dir', dir], {
        stdio: ['ignore', full, 'pipe'],
        encoding: 'utf8',
      });
      expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining('ENOSPC') });
    }
  } finally {
    closeSync(full);
  }
});
