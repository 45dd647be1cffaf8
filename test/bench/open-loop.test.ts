/** Aim: the open loop gives as many calls as it should, and counts all the time that they were due. */

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { atRate } from '../../bench/open-loop.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Of a service that answers at once, but not from `from` to `until`. */
async function run(
  lanes: number,
  from: number,
  until: number,
): Promise<{ times: number[]; openMost: number }> {
  const times: number[] = [];
  const began = performance.now();
  let open = 0;
  let openMost = 0;
  const done = atRate({
    perSecond: 2000,
    lanes,
    isOver: () => performance.now() >= began + 1000,
    give: async (since) => {
      open += 1;
      openMost = Math.max(openMost, open);
      const at = performance.now() - began;
      if (at >= from && at < until) await new Promise((resolve) => setTimeout(resolve, until - at));
      open -= 1;
      times.push(performance.now() - since);
    },
  });
  await vi.advanceTimersByTimeAsync(2000);
  await done;
  return { times, openMost };
}

describe('an open loop', () => {
  it('gives what is due, and no more', async () => {
    const { times } = await run(1000, 0, 0);
    expect(times.length).toBeGreaterThanOrEqual(1990);
    expect(times.length).toBeLessThanOrEqual(2000);
    expect(Math.max(...times)).toBeLessThanOrEqual(1);
  });

  it('has every call that was due in a halt wait for its end', async () => {
    const { times } = await run(1000, 300, 500);
    expect(times.length).toBeGreaterThanOrEqual(1990);
    expect(times.filter((ms) => ms > 50).length).toBeGreaterThanOrEqual(290);
  });

  it('keeps to its bound of open calls, and times those that had to wait for it all the same', async () => {
    const { times, openMost } = await run(10, 300, 500);
    expect(openMost).toBe(10);
    expect(times.filter((ms) => ms > 50).length).toBeGreaterThanOrEqual(290);
  });
});
