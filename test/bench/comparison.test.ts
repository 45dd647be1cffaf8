/** Aim: a change is told where there is one, noise is not, and `benchmark` cannot fail in silence. */

import { describe, expect, it } from 'vitest';
import { compareRuns, readFigures } from '../../bench/comparison.js';
import type { Figures } from '../../bench/figures.js';
import { svgOf } from '../../bench/plots.js';
import { measure } from '../../bench/suite.js';

const figures = (runs: readonly number[], limitRatios?: readonly number[]): Figures =>
  ({ runs, opsPerSecond: runs[0], label: {}, ...(limitRatios ? { limitRatios } : {}) }) as unknown as Figures;

describe('compareRuns', () => {
  it.each([
    [[100, 101, 102], [120, 121, 122], 'faster'],
    [[100, 101, 102], [80, 81, 82], 'slower'],
    [[100, 101, 102], [103, 104, 104], 'no change beyond noise'],
    [[100, 150, 80], [120, 121, 122], 'no change beyond noise'],
    [[100], [200], 'too few runs'],
  ] as const)('says of %j and %j: %s', (before, after, verdict) => {
    expect(compareRuns(figures(before), figures(after)).verdict).toBe(verdict);
  });

  it('goes by the ratios to the limit where both have them', () => {
    const before = figures([100, 100, 100], [0.1, 0.1, 0.1]);
    expect(compareRuns(before, figures([50, 50, 50], [0.2, 0.2, 0.2])).verdict).toBe('faster');
  });
});

describe('readFigures', () => {
  it.each([null, {}, [], { entries: [{}] }, { runs: [] }, 'text'])('refuses %j', (json) => {
    expect(() => readFigures(json, 'x.json')).toThrow('x.json');
  });
});

describe('measure', () => {
  it.each([true, false])('fails where the case fails, asynchronous: %s', async (isAsync) => {
    let calls = 0;
    const run = (): unknown => {
      calls += 1;
      if (calls <= 1) return isAsync ? Promise.resolve() : undefined;
      if (isAsync) return Promise.reject(new Error('the case failed'));
      throw new Error('the case failed');
    };
    await expect(measure({ name: 'bad', isAsync, run }, 0.01)).rejects.toThrow('the case failed');
  });

  it('measures', async () => {
    const { nsPerOperation, samples } = await measure({ name: 'good', run: () => Math.sqrt(2) }, 0.01);
    expect(nsPerOperation).toBeGreaterThan(0);
    expect(samples).toBeGreaterThan(4);
  });
});

describe('svgOf', () => {
  it('escapes what people write, and has numbers only', () => {
    const svg = svgOf({
      title: '<b> & "c"',
      x: 'x',
      y: 'y',
      logarithmicX: true,
      series: [
        {
          name: 's',
          points: [
            [1, 0],
            [1000, 5],
          ],
        },
      ],
    });
    expect(svg).toContain('&lt;b&gt; &amp; &quot;c&quot;');
    expect(svg).not.toContain('NaN');
  });
});
