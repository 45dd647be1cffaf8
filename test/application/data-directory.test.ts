/**
 * Aim: one folder is one replica's. A log in memory never takes the place of one that is kept, leaves nothing that another one would go on
 * with, and begins anew each time; and a folder whose log was dropped behind checkpoints is told from a damaged one.
 */

import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Decree, Replica, type StateMachine, type StorageOption } from '../../src/index.js';
import { bytesOf, codeOf, freePorts, silentLogger } from './support.js';

class Adder implements StateMachine<number> {
  total = 0;

  apply(decree: Decree<number>): void {
    for (const command of decree) {
      this.total += Number(Buffer.from(command.bytes).toString());
      command.reply(this.total);
    }
  }
  takeCheckpoint(): Iterable<Uint8Array> {
    return [Buffer.from(`${this.total}`)];
  }
  async restore(state: AsyncIterable<Uint8Array>): Promise<void> {
    const pieces: Uint8Array[] = [];
    for await (const piece of state) pieces.push(piece);
    this.total = Number(Buffer.concat(pieces).toString());
  }
}

let folder = '';
let address = '';
const opened: Replica<number>[] = [];

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'synod-folder-'));
  const [port] = await freePorts(1);
  address = `127.0.0.1:${port}`;
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((replica) => replica.close()));
  rmSync(folder, { recursive: true, force: true });
});

async function open(
  kind: StorageOption,
  stateMachine: StateMachine<number> = new Adder(),
): Promise<Replica<number>> {
  const replica = await Replica.open(
    {
      ...{ cluster: 'here', replica: 'a', members: [{ id: 'a', address }], dataDir: folder },
      ...{ engine: 'inline', logger: silentLogger },
      storage: { kind, segmentBytes: 1024 * 1024 },
      transport: { kind: 'tcp' },
    },
    stateMachine,
  );
  opened.push(replica);
  return replica;
}

const add = (replica: Replica<number>, number: number): Promise<number | undefined> =>
  replica.replicate(bytesOf(`${number}`), { timeoutMs: 20_000 });

it('a log in memory does not take the place of one that is kept', async () => {
  const kept = await open('file');
  await add(kept, 7);
  expect(await codeOf(open('memory'))).toMatch(/^ERR_SYNOD_DATA_DIRECTORY/);
  await kept.close();
  await expect(open('memory')).rejects.toMatchObject({
    code: 'ERR_SYNOD_DATA_DIRECTORY',
    path: folder,
    message: expect.stringContaining('has the log of a replica'),
  });
  expect(await add(await open('file'), 1)).toBe(8);
});

it('what a log in memory left is nothing to one that is kept, nor to the next in memory', async () => {
  const first = await open('memory');
  await add(first, 100);
  expect(await first.checkpoint()).toBeGreaterThan(0);
  // It is in use, in memory or not.
  expect(await codeOf(open('file'))).toMatch(/^ERR_SYNOD_DATA_DIRECTORY/);
  await first.close();

  const second = await open('memory');
  expect(await add(second, 5)).toBe(5);
  expect(await second.checkpoint()).toBeGreaterThan(0);
  await second.close();

  expect(await add(await open('file'), 1)).toBe(1);
});

it('a folder with checkpoints is not opened for a state machine that restores none, and nothing is called damaged', async () => {
  const first = await open('file');
  await add(first, 3);
  await first.checkpoint();
  await first.close();
  const bare = { apply: (): void => {} };
  await expect(open('file', bare)).rejects.toMatchObject({
    code: 'ERR_SYNOD_STATE_MACHINE',
    path: path.join(folder, 'checkpoints'),
    message: expect.stringContaining('no `restore`'),
  });
  expect(await add(await open('file'), 1)).toBe(4);
});

it('where no checkpoints are made, no folder is made for them', async () => {
  const replica = await open('file', { apply: (decree) => decree.reply(0, 1) });
  expect(await add(replica, 1)).toBe(1);
  expect(existsSync(path.join(folder, 'checkpoints'))).toBe(false);
  expect(readdirSync(folder)).toEqual(['log']);
});
