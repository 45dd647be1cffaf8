/** The contracts around the ring bite. The addon is not the real one, so they do so on every platform. */

import { beforeEach, expect, it, vi } from 'vitest';
import { type NativeUring, uringLayout } from '../../src/native/uring.js';
import { UringLoop } from '../../src/native/uring-loop.js';
import { UringConnection } from '../../src/transport/uring/uring-connection.js';
import { contractOf } from '../protocol/harness.js';

const addon = vi.hoisted(() => ({ createUring: undefined as unknown }));
vi.mock('../../src/native/addon.js', () => ({ requireAddon: () => addon }));

const { eventFields, sendFields, sendRows, stagingBytes, buffersMax, socketsMax } = uringLayout;

/** A ring to which nothing happens but what the test puts into `events`. */
const native = {
  events: new Int32Array(eventFields),
  holds: new Int32Array(buffersMax),
  bytesSent: new Float64Array(socketsMax),
  sends: new Float64Array(sendRows * sendFields),
  staging: new Uint8Array(stagingBytes),
  returns: new Int32Array(buffersMax),
  flush: () => {},
  addressOf: () => undefined,
  close: () => {},
} as unknown as NativeUring;

let wake: (count: number) => void;

beforeEach(() => {
  addon.createUring = (call: typeof wake): NativeUring => {
    wake = call;
    return native;
  };
});

it('uring-probed-before-use: an addon without a ring', () => {
  addon.createUring = undefined;
  expect(contractOf(() => new UringLoop())).toBe('uring-probed-before-use');
});

it('uring-loop-released-once: more often than it was taken', () => {
  const loop = new UringLoop();
  loop.retain();
  loop.release();
  expect(contractOf(() => loop.release())).toBe('uring-loop-released-once');
});

it('uring-release-once: a buffer that nobody holds', () => {
  const loop = new UringLoop();
  expect(contractOf(() => loop.releaseBuffer(3))).toBe('uring-release-once');
});

it('uring-event-known: an event of another addon', () => {
  new UringLoop().retain();
  native.events[0] = 99;
  // Thrown later, when the others were told what happened to them: nothing could catch it here.
  const later = vi.spyOn(globalThis, 'queueMicrotask').mockImplementation(() => {});
  wake(1);
  const [rethrow] = later.mock.calls[0]!;
  later.mockRestore();
  expect(contractOf(rethrow)).toBe('uring-event-known');
});

it('uring-send-range: bytes that are not there', () => {
  const loop = new UringLoop();
  const owner = {} as ConstructorParameters<typeof UringConnection>[5];
  const connection = new UringConnection(1, loop, 0, -1, 65_536, owner);
  const payload = new Uint8Array(10);
  for (const [start, end] of [
    [-1, 5],
    [6, 5],
    [0, 11],
  ])
    expect(contractOf(() => connection.send(new Uint8Array(0), 0, payload, start, end))).toBe(
      'uring-send-range',
    );
});
