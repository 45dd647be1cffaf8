/**
 * Aim: the application is woken at once for what somebody waits for, and once for many decrees that nobody waits for; never not at all.
 */

import { beforeEach, describe, expect, it } from 'vitest';
import { Bridge, type Delivery } from '../../src/engine/bridge.js';
import { DeliveryWake } from '../../src/engine/delivery-wake.js';

let bridge: Bridge;
let timers: (() => void)[];
let wakes: number;
let state: { accepted: number; isPrimary: boolean; ownBatches: unknown[]; openBytes: number };
let wake: DeliveryWake;
let slot: number;

beforeEach(() => {
  bridge = new Bridge();
  bridge.setApplicationAsleep(true);
  timers = [];
  wakes = 0;
  slot = 0;
  state = { accepted: 1, isPrimary: false, ownBatches: [], openBytes: 0 };
  wake = new DeliveryWake({
    bridge,
    accepted: () => ({ size: state.accepted }),
    isPrimary: () => state.isPrimary,
    ownBatches: state.ownBatches,
    openBytes: () => state.openBytes,
    later: (_, call) => void timers.push(call),
    wakeApplication: () => {
      wakes += 1;
    },
  });
});

function deliver(): void {
  slot += 1;
  bridge.deliver(slot, 0, 0, 100, 1, 1);
  wake.onDelivered();
}

/** The application executes all and sleeps again. */
function execute(): void {
  const delivery: Delivery = { slot: 0, memory: 0, offset: 0, bytes: 0, commands: 0, kind: 0 };
  while (bridge.peekDelivery(delivery)) {
    bridge.applied = delivery.slot;
    bridge.take();
  }
  bridge.setApplicationAsleep(true);
}

describe('what nobody waits for', () => {
  it('wakes the application once, after a while', () => {
    for (let count = 0; count < 50; count += 1) deliver();
    expect(wakes).toBe(0);
    expect(timers).toHaveLength(1);
    timers.shift()!();
    expect(wakes).toBe(1);
    execute();
    expect(bridge.applied).toBe(50);
    deliver();
    expect(timers).toHaveLength(1);
    timers.shift()!();
    expect(wakes).toBe(2);
  });

  it('wakes nobody where the application has found it meanwhile', () => {
    deliver();
    execute();
    timers.shift()!();
    expect(wakes).toBe(0);
  });

  it('does not wait beyond what the application executes in one go', () => {
    for (let count = 0; count < 256; count += 1) deliver();
    expect(wakes).toBe(1);
    execute();
    state.openBytes = 1024 * 1024;
    deliver();
    expect(wakes).toBe(2);
  });
});

describe('the application is woken at once', () => {
  it('on a primary', () => {
    state.isPrimary = true;
    deliver();
    expect(wakes).toBe(1);
  });

  it('where no other decree is under way, which would bring word of more', () => {
    state.accepted = 0;
    deliver();
    expect(wakes).toBe(1);
  });

  it('while commands of its own are under way', () => {
    state.ownBatches.push({});
    deliver();
    expect(wakes).toBe(1);
  });

  it.each(['read', 'lease-read'] as const)('for a %s that waits for a slot', (kind) => {
    bridge.answerReads(1, 1, kind);
    deliver();
    expect(wakes).toBe(1);
    execute();
    deliver();
    expect(wakes).toBe(1);
  });

  it('for what came while it waited for something else', () => {
    deliver();
    state.isPrimary = true;
    deliver();
    expect(wakes).toBe(1);
    execute();
    timers.shift()!();
    expect(wakes).toBe(1);
  });
});
