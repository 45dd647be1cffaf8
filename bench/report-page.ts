/** The report as one page that needs nothing else. */

import type { Measured } from './comparison.js';
import { escapeText, type Plot, type Series, svgOf } from './plots.js';

/** Points of the entries whose names are `prefix NUMBER rest`, by what stands behind the number. */
function sweep(entries: readonly Measured[], prefix: string, y: (one: Measured) => number): Series[] {
  const series = new Map<string, [number, number][]>();
  for (const entry of entries) {
    const match = new RegExp(`^${prefix} (\\d+) (\\S+)$`).exec(entry.name);
    if (match === null) continue;
    const points = series.get(match[2]!) ?? [];
    points.push([Number(match[1]), y(entry)]);
    series.set(match[2]!, points);
  }
  return [...series].map(([name, points]) => ({ name, points: points.sort(([a], [b]) => a - b) }));
}

/** Those for which there is something to show. */
export function plotsOf(entries: readonly Measured[]): readonly { file: string; plot: Plot }[] {
  const percentiles = ['p50', 'p90', 'p99', 'p999', 'max'] as const;
  const plots: { file: string; plot: Plot }[] = [
    {
      file: 'throughput-by-size.svg',
      plot: {
        title: 'Throughput by size of the command',
        x: 'bytes of a command',
        y: 'commands/s',
        logarithmicX: true,
        logarithmicY: true,
        series: sweep(entries, 'size', ({ figures }) => figures.opsPerSecond),
      },
    },
    {
      file: 'limit-by-size.svg',
      plot: {
        title: 'Share of what the hardware allows',
        x: 'bytes of a command',
        y: 'ratio to the bare loop',
        logarithmicX: true,
        series: sweep(entries, 'size', ({ figures }) => figures.limitRatio ?? Number.NaN).map((one) => ({
          ...one,
          points: one.points.filter(([, y]) => Number.isFinite(y)),
        })),
      },
    },
    {
      file: 'latency-by-load.svg',
      plot: {
        title: 'Latency by load, pmem',
        x: 'commands/s',
        y: 'microseconds',
        logarithmicX: true,
        logarithmicY: true,
        series: (['p50', 'p99', 'p999'] as const).map((name) => ({
          name,
          points: entries
            .filter((entry) => entry.name.startsWith('outstanding '))
            .map(({ figures }): [number, number] => [figures.opsPerSecond, figures.latencyUs[name]])
            .sort(([a], [b]) => a - b),
        })),
      },
    },
    {
      file: 'latency-distribution.svg',
      plot: {
        title: 'Latency: 50, 90, 99, 99.9, 100 per cent',
        x: 'nines (1: half, 5: all)',
        y: 'microseconds',
        logarithmicY: true,
        series: entries
          .filter(({ name }) => /^(outstanding|one by one)/.test(name))
          .map(({ name, figures }) => ({
            name,
            points: percentiles.map((one, index): [number, number] => [index + 1, figures.latencyUs[one]]),
          })),
      },
    },
    {
      file: 'throughput-by-replicas.svg',
      plot: {
        title: 'Throughput by replicas, all on this machine',
        x: 'replicas',
        y: 'commands/s',
        series: sweep(entries, 'replicas', ({ figures }) => figures.opsPerSecond),
      },
    },
  ];
  const killed = entries.find(({ name }) => name === 'primary killed');
  if (killed !== undefined) {
    plots.push({
      file: 'primary-killed.svg',
      plot: {
        title: 'Throughput over time, the primary killed half way',
        x: 'seconds',
        y: 'commands in a tenth of a second',
        series: [
          {
            name: 'network client',
            points: killed.figures.timeline.map((count, index): [number, number] => [index / 10, count]),
          },
        ],
      },
    });
  }
  return plots
    .map(({ file, plot }) => ({
      file,
      plot: { ...plot, series: plot.series.filter(({ points }) => points.length > 0) },
    }))
    .filter(({ plot }) => plot.series.length > 0);
}

export function pageOf(entries: readonly Measured[], failed: readonly string[], at: string): string {
  const cell = (text: string): string => `<td>${escapeText(text)}</td>`;
  const rows = entries.map(({ name, figures }) => {
    const { p50, p99, p999 } = figures.latencyUs;
    const label = Object.entries(figures.label)
      .map(([key, value]) => `${key}: ${value}`)
      .join('\n');
    return `<tr title="${escapeText(label)}">${[
      name,
      figures.opsPerSecond.toLocaleString('en'),
      figures.limitRatio?.toFixed(3) ?? '',
      p50.toFixed(0),
      p99.toFixed(0),
      p999.toFixed(0),
      figures.commandsPerDecree.toFixed(0),
      figures.copiedPerLogged.toFixed(2),
      figures.cpuSecondsPerMillion.map((one) => one.toFixed(2)).join(' '),
      String(figures.label.durability),
      String(figures.label.engine),
      String(figures.label.topology),
    ]
      .map(cell)
      .join('')}</tr>`;
  });
  const heads = [
    'case',
    'commands/s',
    'of the limit',
    'p50 us',
    'p99 us',
    'p99.9 us',
    'commands per decree',
    'copied / logged',
    'CPU s per million and replica',
    'durability',
    'engine',
    'topology',
  ];
  const label = entries[0]?.figures.label ?? {};
  const machine = ['machine', 'kernel', 'node', 'version']
    .map((key) => `${key}: ${label[key] ?? '?'}`)
    .join(', ');
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Synod: what was measured</title>
<style>body{font:14px sans-serif;margin:2em;max-width:90em}table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:3px 8px;text-align:right}td:first-child,td:last-child,th{text-align:left}svg{margin:1em}</style>
</head><body><h1>Synod: what was measured</h1>
<p>${escapeText(at)}. ${escapeText(machine)}. Each row has its whole label when pointed at.</p>
${failed.map((one) => `<p><strong>Failed:</strong> ${escapeText(one)}</p>`).join('\n')}
${plotsOf(entries)
  .map(({ plot }) => svgOf(plot))
  .join('')}
<table><tr>${heads.map((head) => `<th>${escapeText(head)}</th>`).join('')}</tr>
${rows.join('\n')}
</table></body></html>
`;
}
