/**
 * Aim: where a peer is said to be is used for the attempt that it was asked for, and an application that does not answer costs one
 * attempt and no more.
 */

import { describe, expect, it } from 'vitest';
import { AddressResolver } from '../../src/engine/address-resolver.js';
import type { Address } from '../../src/transport/transport.js';

const peer = { id: 'b', address: { host: 'old', port: 1 } };
const first: Address = { host: 'first', port: 2 };

function open() {
  const asked: number[] = [];
  const timers: { timeoutMs: number; call: () => void; stopped: boolean }[] = [];
  const told: [Address | null, string][] = [];
  const resolver = new AddressResolver({
    ask: (request) => void asked.push(request),
    timeoutMs: 1000,
    startTimer: (timeoutMs, call) => {
      const timer = { timeoutMs, call, stopped: false };
      timers.push(timer);
      return () => {
        timer.stopped = true;
      };
    },
  });
  const resolve = (): void => resolver.resolve(peer, (address, reason) => void told.push([address, reason]));
  return { asked, timers, told, resolver, resolve };
}

describe('an address', () => {
  it('is told once, to who asked for it', () => {
    const { asked, timers, told, resolver, resolve } = open();
    resolve();
    expect(asked).toEqual([1]);
    resolver.onAnswer({ request: 2, address: first, reason: '' });
    expect(told).toEqual([]);
    resolver.onAnswer({ request: 1, address: first, reason: '' });
    resolver.onAnswer({ request: 1, address: null, reason: 'late' });
    expect(told).toEqual([[first, '']]);
    expect(timers).toMatchObject([{ timeoutMs: 1000, stopped: true }]);
  });

  it('that is not known is a reason, and the one before is not used', () => {
    const { told, resolver, resolve } = open();
    resolve();
    resolver.onAnswer({ request: 1, address: first, reason: '' });
    resolve();
    resolver.onAnswer({ request: 2, address: null, reason: 'gone' });
    expect(told[1]).toEqual([null, 'gone']);
  });

  it('that does not come in time is the last one, if there was one', () => {
    const { timers, told, resolver, resolve } = open();
    resolve();
    timers[0]!.call();
    expect(told).toEqual([[null, 'its address was not told within 1000 ms']]);
    resolver.onAnswer({ request: 1, address: first, reason: '' });
    expect(told).toHaveLength(1);
    resolve();
    resolver.onAnswer({ request: 2, address: first, reason: '' });
    resolve();
    timers[2]!.call();
    expect(told[2]![0]).toEqual(first);
  });

  it('is told to nobody once it is closed', () => {
    const { timers, told, resolver, resolve } = open();
    resolve();
    resolver.close();
    resolver.onAnswer({ request: 1, address: first, reason: '' });
    expect(timers[0]!.stopped).toBe(true);
    expect(told).toEqual([]);
  });
});
