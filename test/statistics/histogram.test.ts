/** Aim: whatever was recorded, the histogram is right to within its precision, and nothing is lost on the way through merge and since. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HISTOGRAM_WORDS, Histogram, HistogramRecorder } from '../../src/histogram.js';

/** Microseconds, as many small as great ones: 0.1 us to 400 s. */
const durations = fc.array(
  fc.double({ min: -1, max: 8.6, noNaN: true }).map((exponent) => 10 ** exponent),
  { minLength: 1, maxLength: 300 },
);

function recorded(values: readonly number[]): Histogram {
  const recorder = new HistogramRecorder();
  for (const value of values) recorder.record(value / 1000);
  return recorder.snapshot();
}

function exact(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(1, Math.ceil((percent / 100) * sorted.length)) - 1]!;
}

describe('histogram', () => {
  it('knows every percentile to within 3.2 % and a tenth of a microsecond, and the highest exactly', () => {
    fc.assert(
      fc.property(durations, fc.double({ min: 0, max: 100, noNaN: true }), (values, percent) => {
        const histogram = recorded(values);
        expect(histogram.count).toBe(values.length);
        for (const each of [percent, 0, 50, 90, 99, 99.9, 100]) {
          const is = histogram.percentile(each);
          const should = exact(values, each);
          expect(is).toBeGreaterThanOrEqual(should - 0.1);
          expect(is).toBeLessThanOrEqual(should * 1.032 + 0.1);
        }
        expect(Math.abs(histogram.max - Math.max(...values))).toBeLessThanOrEqual(0.0501);
      }),
    );
  });

  it('merges to what one recorder would have recorded, and loses nothing', () => {
    fc.assert(
      fc.property(durations, durations, (one, other) => {
        const merged = recorded(one).merge(recorded(other));
        const whole = recorded([...one, ...other]);
        expect(merged.toJSON()).toEqual(whole.toJSON());
        expect(merged.count).toBe(one.length + other.length);
      }),
    );
  });

  it('tells what came since an earlier snapshot', () => {
    fc.assert(
      fc.property(durations, durations, (before, later) => {
        const recorder = new HistogramRecorder();
        for (const value of before) recorder.record(value / 1000);
        const earlier = recorder.snapshot();
        for (const value of later) recorder.record(value / 1000);
        const since = recorder.snapshot().since(earlier);
        const alone = recorded(later);
        expect(since.count).toBe(later.length);
        for (const percent of [1, 50, 99]) {
          const [is, should] = [since.percentile(percent), alone.percentile(percent)];
          // In the highest bucket both are cut off at their maximum, which a difference knows less exactly.
          if (should < alone.max) expect(is).toBeCloseTo(should, 6);
          else expect(is).toBe(since.max);
        }
        expect(since.max).toBeGreaterThanOrEqual(alone.max - 0.1);
        expect(since.max).toBeLessThanOrEqual(alone.max * 1.032 + 0.1);
      }),
      {
        examples: [
          [
            [30.45, 1],
            [30.35, 1],
          ],
        ],
      },
    );
  });

  it('takes anything for a duration: below 0 as 0, beyond the greatest as that', () => {
    const histogram = recorded([-5, 0, Number.NaN, 1e12]);
    expect(histogram.count).toBe(4);
    expect(histogram.percentile(50)).toBe(0);
    expect(histogram.max).toBeCloseTo(429_496_729.5, 0);
  });

  it('is empty, not undefined, before anything was recorded', () => {
    expect(new Histogram().toJSON()).toEqual({ count: 0, mean: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0 });
  });

  it('takes memory that does not grow', () => {
    const words = new Float64Array(HISTOGRAM_WORDS);
    const recorder = new HistogramRecorder(words);
    for (let value = 0; value < 100_000; value += 1) recorder.record(value * value);
    expect(words.byteLength).toBeLessThan(8192);
    expect(words.slice(0, -2).reduce((sum, count) => sum + count, 0)).toBe(100_000);
  });
});
