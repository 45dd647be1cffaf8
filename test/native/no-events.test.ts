/** Where the platform has no events (macOS, Windows), a replica with the addon runs all the same: its threads wake each other by messages. */

import { afterEach, expect, test, vi } from 'vitest';
import { createEventIfAny, loadAddon, type NativeAddon, type NativeEvent } from '../../src/native/addon.js';
import { bytesOf, closeAll, openCluster } from '../application/support.js';

afterEach(async () => {
  await closeAll();
  vi.restoreAllMocks();
});

const failing = (code: string) => (): NativeEvent => {
  throw Object.assign(new Error(`${code}: eventfd`), { code });
};

test('an event that cannot be is null, and other failures are failures', () => {
  const event = { fd: 7 } as NativeEvent;
  const addonWith = (createEvent: () => NativeEvent): NativeAddon =>
    ({ createEvent }) as unknown as NativeAddon;
  expect(createEventIfAny(null, () => {})).toBe(null);
  expect(
    createEventIfAny(
      addonWith(() => event),
      () => {},
    ),
  ).toBe(event);
  expect(createEventIfAny(addonWith(failing('ENOSYS')), () => {})).toBe(null);
  expect(() => createEventIfAny(addonWith(failing('EMFILE')), () => {})).toThrow('EMFILE');
});

test('a replica whose engine has a thread of its own opens and replicates without events', async () => {
  const { addon } = loadAddon();
  // Without the addon there are none either.
  if (addon !== null) vi.spyOn(addon, 'createEvent').mockImplementation(failing('ENOSYS'));
  const [alone] = await openCluster(1, { engine: 'worker' });
  const replies = await Promise.all(['x', 'y'].map((text) => alone!.replica.replicate(bytesOf(text))));
  expect(replies).toEqual(['1:x', '2:y']);
});

test('so does one that finds no descriptor left to wake its engine by', async () => {
  const { addon } = loadAddon();
  if (addon !== null) {
    vi.spyOn(addon, 'openEventSender').mockImplementation(() => {
      throw Object.assign(new Error('EMFILE: fcntl'), { code: 'EMFILE' });
    });
  }
  const [alone] = await openCluster(1, { engine: 'worker' });
  expect(await alone!.replica.replicate(bytesOf('x'))).toBe('1:x');
});
