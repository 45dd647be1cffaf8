/** What a power cut may leave of a few events, counted by hand. */

import { describe, expect, test } from 'vitest';
import { Random } from '../properties/random.js';
import { Disk, type DiskEvent, ROOT } from './disk.js';
import { enumerateImages } from './images.js';

const NAME = '0000000000000001.segment';

function imagesOf(events: readonly DiskEvent[], sectorBytes = 512): string[] {
  const disk = new Disk();
  for (const event of events) disk.apply(event);
  const { complete, images } = enumerateImages(disk, [], {
    sectorBytes,
    imagesMax: 1000,
    random: new Random(1),
  });
  expect(complete).toBe(true);
  // The first byte of each sector, or line, is enough to tell.
  return [...images]
    .map(({ image }) =>
      [...image]
        .map(
          ([name, bytes]) => `${name.slice(15, 17)}:${[...bytes].filter((_, at) => at % 64 === 0).join('')}`,
        )
        .join(' '),
    )
    .sort();
}

const create: DiskEvent = { kind: 'create', directory: ROOT, name: NAME, node: 1 };
const syncRoot: readonly DiskEvent[] = [
  { kind: 'sync', node: ROOT, call: 90 },
  { kind: 'done', call: 90 },
];
const write = (call: number, offset: number, length: number, synced = false): DiskEvent => ({
  kind: 'write',
  node: 1,
  call,
  offset,
  bytes: new Uint8Array(length).fill(call),
  synced,
});
const done = (call: number): DiskEvent => ({ kind: 'done', call });
const sync = (call: number): DiskEvent => ({ kind: 'sync', node: 1, call });
const store = (offset: number, value: number): DiskEvent => ({
  kind: 'store',
  node: 1,
  offset,
  bytes: new Uint8Array(8).fill(value),
});

describe('a power cut', () => {
  test('takes a name that was not synced, or not', () => {
    expect(imagesOf([create])).toEqual(['', '1.:']);
    expect(imagesOf([create, ...syncRoot])).toEqual(['1.:']);
  });

  test('takes a new name, or an old one, or both', () => {
    const rename: DiskEvent = {
      kind: 'rename',
      directory: ROOT,
      from: NAME,
      to: NAME.replace('1', '2'),
    };
    expect(imagesOf([create, ...syncRoot, rename])).toEqual(['1.:', '2.:']);
    expect(imagesOf([create, rename])).toEqual(['', '', '1.:', '2.:']);
  });

  test('takes each sector of a write that was not synced, or not', () => {
    const events = [create, ...syncRoot, write(1, 0, 128), done(1)];
    expect(imagesOf(events, 64)).toEqual(['1.:', '1.:01', '1.:1', '1.:11']);
    expect(imagesOf(events, 512)).toEqual(['1.:', '1.:11']);
    expect(imagesOf([...events, sync(2), done(2)], 64)).toEqual(['1.:11']);
  });

  test('takes a write that had not ended when the sync began', () => {
    expect(imagesOf([create, ...syncRoot, write(1, 0, 64), sync(2), done(1), done(2)])).toEqual([
      '1.:',
      '1.:1',
    ]);
    expect(imagesOf([create, ...syncRoot, write(1, 0, 64), done(1), sync(2)])).toEqual(['1.:', '1.:1']);
  });

  test('takes nothing of a synced write once it is done, and nothing with it', () => {
    expect(imagesOf([create, ...syncRoot, write(1, 0, 64, true), write(2, 64, 64), done(1)], 64)).toEqual([
      '1.:1',
      '1.:12',
    ]);
  });

  test('leaves of each line the first of its stores, whatever it leaves of others', () => {
    const sized: readonly DiskEvent[] = [create, ...syncRoot, { kind: 'truncate', node: 1, bytes: 128 }];
    const durable: readonly DiskEvent[] = [...sized, sync(2), done(2)];
    const stores = [store(0, 3), store(8, 4), store(0, 5), store(64, 6)];
    // The first line: nothing, 3, 3 with 4 behind it, 5; the second: nothing or 6.
    expect(imagesOf([...durable, ...stores])).toEqual([
      '1.:00',
      '1.:06',
      '1.:30',
      '1.:30',
      '1.:36',
      '1.:36',
      '1.:50',
      '1.:56',
    ]);
    const fence: DiskEvent = { kind: 'fence', node: 1, from: 0, to: 64 };
    expect(imagesOf([...durable, ...stores, fence])).toEqual(['1.:50', '1.:56']);
  });
});
