/** When the next checkpoint is due: by bytes, by time, and again soon where the state machine made none. */

import { describe, expect, it } from 'vitest';
import { CheckpointSchedule } from '../../src/application/checkpoint-schedule.js';

let now = 0;
const scheduleOf = (everyBytes: number, everyMs: number | null, index = 0, count = 1): CheckpointSchedule =>
  new CheckpointSchedule({ everyBytes, everyMs, retain: 1 }, index, count, () => now);

describe('a checkpoint is due', () => {
  it('when enough bytes were executed since the last one', () => {
    const schedule = scheduleOf(1000, null);
    expect([999, 1000].map((bytes) => schedule.isDue(bytes))).toEqual([false, true]);
    schedule.onBegun(1500);
    expect([2499, 2500].map((bytes) => schedule.isDue(bytes))).toEqual([false, true]);
    expect(schedule.waitMs).toBeNull();
  });

  it('when enough time has passed since the last one, and anything was executed', () => {
    now = 5000;
    const schedule = scheduleOf(1e9, 200);
    expect(schedule.waitMs).toBe(200);
    now += 199;
    expect(schedule.isDue(1)).toBe(false);
    now += 1;
    expect(schedule.isDue(1)).toBe(true);
    schedule.onBegun(1);
    now += 1000;
    expect(schedule.isDue(1)).toBe(false);
    expect(schedule.isDue(2)).toBe(true);
  });

  it('without an idle replica being woken all the time: past due, nothing but a decree makes it due', () => {
    now = 0;
    const schedule = scheduleOf(1e9, 200);
    schedule.onBegun(1);
    let wakes = 0;
    for (; now < 20_000; now += schedule.waitMs!) {
      expect(schedule.isDue(1)).toBe(false);
      wakes += 1;
    }
    expect(wakes).toBeLessThanOrEqual(20_000 / 200 + 1);
    expect(schedule.isDue(2)).toBe(true);
    schedule.onBegun(2);
    expect(schedule.waitMs).toBe(200);
    now += 199.5;
    expect(schedule.waitMs).toBe(1);
  });

  it('at another time on each replica, the first time', () => {
    now = 0;
    const schedules = [0, 1, 2, 3].map((index) => scheduleOf(1000, 400, index, 4));
    expect(schedules.map((one) => one.isDue(1500))).toEqual([true, true, true, false]);
    now = 600;
    expect(schedules.map((one) => one.isDue(1))).toEqual([true, true, true, false]);
  });

  it('soon again where the state machine made none', () => {
    now = 0;
    const schedule = scheduleOf(1600, 160);
    schedule.onBegun(1600);
    schedule.onRefused(1600);
    expect([1699, 1700].map((bytes) => schedule.isDue(bytes))).toEqual([false, true]);
    expect(schedule.waitMs).toBe(10);
  });

  it('soon again where it could not be made; what is only wanted waits longer each time, until one is made', () => {
    now = 0;
    const schedule = scheduleOf(1600, null);
    const pauses: number[] = [];
    for (let round = 0; round < 9; round += 1) {
      schedule.onBegun(1600);
      schedule.onFailed(1600);
      expect([1699, 1700].map((bytes) => schedule.isDue(bytes))).toEqual([false, true]);
      const from = now;
      while (!schedule.grantsWishes) now += 500;
      pauses.push(now - from);
    }
    expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 64, 64, 64].map((seconds) => seconds * 1000));
    schedule.onFailed(1600);
    schedule.onMade();
    expect(schedule.grantsWishes).toBe(true);
    schedule.onFailed(1600);
    now += 1000;
    expect(schedule.grantsWishes).toBe(true);
  });
});
