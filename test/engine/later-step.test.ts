/** Aim: the step that the protocol wanted last comes when it is due, and a load that wants one for each decree has one timer. */

import { describe, expect, it } from 'vitest';
import { LaterStep } from '../../src/engine/later-step.js';

function open() {
  const timers: { at: number; call: () => void }[] = [];
  const due: number[] = [];
  const clock = { now: 100 };
  let timersSet = 0;
  const step = new LaterStep({
    now: () => clock.now,
    later: (afterMs, call) => {
      timersSet += 1;
      timers.push({ at: clock.now + afterMs, call });
    },
    onDue: () => void due.push(clock.now),
  });
  /** Time goes on to `to`, and each timer comes when it is due, or `earlyMs` before. */
  const pass = (to: number, earlyMs = 0): void => {
    while (timers.length > 0 && timers[0]!.at - earlyMs <= to) {
      const timer = timers.shift()!;
      clock.now = Math.max(clock.now, timer.at - earlyMs);
      timer.call();
    }
    clock.now = to;
  };
  return { step, clock, due, pass, timersSet: () => timersSet };
}

describe('a step that is wanted later', () => {
  it('comes when it is due, each time', () => {
    const { step, due, pass } = open();
    step.want(1);
    pass(100.5);
    expect(due).toEqual([]);
    pass(110);
    step.want(2);
    pass(120);
    expect(due).toEqual([101, 112]);
  });

  it('takes the place of the one before: one timer for as long as a load goes on, and one step after it', () => {
    const { step, due, pass, timersSet } = open();
    // A decree every tenth of a millisecond.
    for (let index = 0; index < 100; index += 1) {
      step.want(1);
      pass(100 + (index + 1) / 10);
    }
    expect(due).toEqual([]);
    expect(timersSet()).toBeLessThanOrEqual(12);
    pass(200);
    expect(due).toHaveLength(1);
    expect(due[0]).toBeGreaterThanOrEqual(110.9);
    expect(due[0]).toBeLessThan(111.1);
  });

  it('is not lost, and not waited for without an end, where timers come early', () => {
    const { step, due, pass, timersSet } = open();
    step.want(1);
    pass(200, 1e-13);
    expect(due).toHaveLength(1);
    expect(due[0]).toBeGreaterThanOrEqual(101);
    expect(timersSet()).toBeLessThanOrEqual(3);
  });
});
