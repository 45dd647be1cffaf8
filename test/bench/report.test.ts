/** Aim: a report shows all that was measured, with what was not and why, and can be compared with another one. */

import { describe, expect, it } from 'vitest';
import { compareReports, readFigures } from '../../bench/comparison.js';
import { logFigures, type ReportContent, stateFigures } from '../../bench/report-figures.js';
import { pageOf, plotsOf } from '../../bench/report-page.js';
import { canonicalPlans } from '../../bench/report-plans.js';

const label = { storage: 'pmem', topology: 'one <machine>' };
const run = (opsPerSecond: number): { opsPerSecond: number; p50Ms: number; p99Ms: number } => ({
  opsPerSecond,
  p50Ms: 1,
  p99Ms: 9,
});

function reportOf(setsPerSecond: number): ReportContent {
  return {
    at: 'today',
    entries: [],
    states: [1000, 1_000_000].flatMap((keys) =>
      stateFigures(
        {
          keys,
          set: [run(setsPerSecond + 1), run(setsPerSecond), run(setsPerSecond - 1)],
          get: [run(500), run(501), run(502)],
          residentBytes: [3 * 1024 * 1024, 2 * 1024 * 1024],
          storage: 'pmem',
        },
        label,
      ),
    ),
    logs: [1, 20].map((gigabytes) =>
      logFigures(`log ${gigabytes} file`, {
        bytesLogged: gigabytes * 1e9,
        commands: gigabytes * 1e6,
        openedSeconds: [gigabytes, gigabytes, gigabytes],
        servingSeconds: [2 * gigabytes, 4 * gigabytes, 3 * gigabytes],
        label,
      }),
    ),
    failed: ['size 64: it broke'],
    leftOut: ['log 100 file: there is no room for it'],
  };
}

describe('a report', () => {
  it('draws states by their keys and logs by their length', () => {
    const plots = new Map(plotsOf(reportOf(400)).map(({ file, plot }) => [file, plot]));
    expect([...plots.keys()]).toEqual(['throughput-by-keys.svg', 'recovery-by-log.svg']);
    expect(plots.get('throughput-by-keys.svg')!.series).toEqual([
      {
        name: 'SET',
        points: [
          [1000, 400],
          [1_000_000, 400],
        ],
      },
      {
        name: 'GET',
        points: [
          [1000, 501],
          [1_000_000, 501],
        ],
      },
    ]);
    expect(plots.get('recovery-by-log.svg')!.series).toEqual([
      {
        name: 'serves',
        points: [
          [1, 3],
          [20, 60],
        ],
      },
      {
        name: 'log is recovered',
        points: [
          [1, 1],
          [20, 20],
        ],
      },
    ]);
  });

  it('has a row for each, what failed and what was left out, and escapes all of it', () => {
    const page = pageOf(reportOf(400));
    for (const text of ['keys 1000 SET', 'keys 1000000 GET', 'log 20 file', '<td>60.00</td>', '<td>3 2</td>'])
      expect(page).toContain(text);
    expect(page).toContain('<strong>Failed:</strong> size 64: it broke');
    expect(page).toContain('Left out: log 100 file: there is no room for it');
    expect(page).toContain('one &lt;machine&gt;');
    expect(page).not.toContain('<machine>');
  });

  it('is compared in states and logs, too', () => {
    const read = (content: ReportContent): ReturnType<typeof readFigures> =>
      readFigures(JSON.parse(JSON.stringify(content)), 'x.json');
    const text = compareReports(read(reportOf(400)), read(reportOf(600)));
    expect(text).toContain('keys 1000 SET: faster; 1.500 times');
    expect(text).toContain('keys 1000 GET: no change beyond noise');
    expect(text).toContain('log 20 file: no change beyond noise');
  });

  it.each(['states', 'logs'])('is refused with %s that have no figures', (list) => {
    expect(() => readFigures({ entries: [], [list]: [{ name: 'one' }] }, 'x.json')).toThrow(`${list}[0]`);
    expect(() => readFigures({ entries: [], [list]: 7 }, 'x.json')).toThrow(`${list} is no list`);
  });
});

describe('the canonical set', () => {
  const plans = canonicalPlans(5);

  it('has each case once', () => {
    const names = plans.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });

  it('goes from 16 B to 64 KiB, 1 to 10,000 outstanding, 1 to 7 replicas, 1 thousand to 10 million keys and 1 to 20 GB', () => {
    const names = new Set(plans.map(({ name }) => name));
    for (const name of [
      ...['size 16 pmem', 'size 65536 file', 'outstanding 1 pmem', 'outstanding 10000 pmem'],
      ...['replicas 1 pmem', 'replicas 7 pmem', 'keys 1000', 'keys 10000000', 'log 1 file', 'log 20 file'],
    ])
      expect(names).toContain(name);
  });
});
