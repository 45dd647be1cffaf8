import { describe, expect, it } from 'vitest';
import { DiskHealth } from '../../src/engine/disk-health.js';

/** Ticks every 10 ms, with the write that is under way at each. */
function run(health: DiskHealth, from: number, to: number, ticket: number, canAppend = true): boolean[] {
  const seen: boolean[] = [];
  for (let now = from; now <= to; now += 10) seen.push(health.isStalled(ticket, canAppend, now, 100));
  return seen;
}

describe('the health of the disk', () => {
  it('is bad once one write is under way for too long', () => {
    const health = new DiskHealth();
    run(health, 0, 50, 0);
    expect(run(health, 60, 150, 1).includes(true)).toBe(false);
    expect(run(health, 160, 160, 1)).toEqual([true]);
    expect(run(health, 170, 170, 2)).toEqual([false]);
  });

  it('is good while writes become durable, or there is none', () => {
    const health = new DiskHealth();
    expect(run(health, 0, 1000, 0).includes(true)).toBe(false);
    for (let ticket = 1; ticket < 50; ticket += 1) {
      const from = 1000 + ticket * 50;
      expect(run(health, from, from + 40, ticket).includes(true)).toBe(false);
    }
  });

  it('is bad once there is no room for too long', () => {
    const health = new DiskHealth();
    run(health, 0, 0, 0);
    expect(run(health, 10, 100, 0, false).includes(true)).toBe(false);
    expect(run(health, 110, 110, 0, false)).toEqual([true]);
  });

  it('is not judged by a pause of the process', () => {
    const health = new DiskHealth();
    run(health, 0, 50, 1);
    expect(run(health, 5000, 5090, 1).includes(true)).toBe(false);
    expect(run(health, 5100, 5100, 1)).toEqual([true]);
  });
});
