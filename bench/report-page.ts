/** The report as one page that needs nothing else. */

import type { Measured } from './comparison.js';
import type { Rate } from './figures.js';
import { escapeText, type Plot, type Series, svgOf } from './plots.js';
import type { ReportContent } from './report-figures.js';

/** Points of the entries whose names are `prefix NUMBER rest`, by what stands behind the number. */
function sweep<Kind extends Rate>(
  entries: readonly Measured<Kind>[],
  prefix: string,
  y: (one: Measured<Kind>) => number,
): Series[] {
  const series = new Map<string, [number, number][]>();
  for (const entry of entries) {
    const match = new RegExp(`^${prefix} ([\\d.]+) (\\S+)$`).exec(entry.name);
    if (match === null) continue;
    const points = series.get(match[2]!) ?? [];
    points.push([Number(match[1]), y(entry)]);
    series.set(match[2]!, points);
  }
  return [...series].map(([name, points]) => ({ name, points: points.sort(([a], [b]) => a - b) }));
}

/** Those for which there is something to show. */
export function plotsOf({ entries, states, logs }: ReportContent): readonly { file: string; plot: Plot }[] {
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
    {
      file: 'throughput-by-keys.svg',
      plot: {
        title: 'Key-value service by keys in it, pmem',
        x: 'keys',
        y: 'requests/s',
        logarithmicX: true,
        series: sweep(states, 'keys', ({ figures }) => figures.opsPerSecond),
      },
    },
    {
      file: 'recovery-by-log.svg',
      plot: {
        title: 'From the start of a killed replica until it serves',
        x: 'GB of log without a checkpoint, commands of 1 KiB',
        y: 'seconds',
        series: [['serves', 'secondsToServing'] as const, ['log is recovered', 'secondsToOpen'] as const].map(
          ([name, figure]) => ({
            name,
            points: sweep(logs, 'log', ({ figures }) => figures[figure]).flatMap(({ points }) => points),
          }),
        ),
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

/** A table whose rows tell their whole label when pointed at. */
function tableOf<Kind extends Rate>(
  all: readonly Measured<Kind>[],
  columns: Readonly<Record<string, (figures: Kind) => string>>,
): string {
  if (all.length === 0) return '';
  const heads = ['case', ...Object.keys(columns)].map((head) => `<th>${escapeText(head)}</th>`);
  const rows = all.map(({ name, figures }) => {
    const label = Object.entries(figures.label)
      .map(([key, value]) => `${key}: ${value}`)
      .join('\n');
    const cells = [name, ...Object.values(columns).map((column) => column(figures))];
    return `<tr title="${escapeText(label)}">${cells.map((cell) => `<td>${escapeText(cell)}</td>`).join('')}</tr>`;
  });
  return `<table><tr>${heads.join('')}</tr>\n${rows.join('\n')}\n</table>`;
}

const MEBIBYTE = 1024 * 1024;
const whole = (value: number): string => Math.round(value).toLocaleString('en');

export function pageOf(content: ReportContent): string {
  const { entries, states, logs, failed, leftOut, at } = content;
  const tables = [
    tableOf(entries, {
      'commands/s': ({ opsPerSecond }) => whole(opsPerSecond),
      'of the limit': ({ limitRatio }) => limitRatio?.toFixed(3) ?? '',
      'p50 us': ({ latencyUs }) => latencyUs.p50.toFixed(0),
      'p99 us': ({ latencyUs }) => latencyUs.p99.toFixed(0),
      'p99.9 us': ({ latencyUs }) => latencyUs.p999.toFixed(0),
      'commands per decree': ({ commandsPerDecree }) => commandsPerDecree.toFixed(0),
      'copied / logged': ({ copiedPerLogged }) => copiedPerLogged.toFixed(2),
      'CPU s per million and replica': ({ cpuSecondsPerMillion }) =>
        cpuSecondsPerMillion.map((one) => one.toFixed(2)).join(' '),
      durability: ({ label }) => String(label.durability),
      engine: ({ label }) => String(label.engine),
      topology: ({ label }) => String(label.topology),
    }),
    tableOf(states, {
      'requests/s': ({ opsPerSecond }) => whole(opsPerSecond),
      'p50 ms': ({ p50Ms }) => p50Ms.toFixed(1),
      'p99 ms': ({ p99Ms }) => p99Ms.toFixed(1),
      'resident MiB, the primary first': ({ residentBytes }) =>
        residentBytes.map((bytes) => whole(bytes / MEBIBYTE)).join(' '),
      storage: ({ label }) => String(label.storage),
      topology: ({ label }) => String(label.topology),
    }),
    tableOf(logs, {
      'seconds to serving': ({ secondsToServing }) => secondsToServing.toFixed(2),
      'until the log is recovered': ({ secondsToOpen }) => secondsToOpen.toFixed(2),
      'GB of log': ({ bytesLogged }) => (bytesLogged / 1e9).toFixed(2),
      'commands executed again/s': ({ opsPerSecond }) => whole(opsPerSecond),
      storage: ({ label }) => String(label.storage),
      topology: ({ label }) => String(label.topology),
    }),
  ];
  const label = [...entries, ...states, ...logs][0]?.figures.label ?? {};
  const machine = ['machine', 'kernel', 'node', 'version']
    .map((key) => `${key}: ${label[key] ?? '?'}`)
    .join(', ');
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Synod: what was measured</title>
<style>body{font:14px sans-serif;margin:2em;max-width:90em}table{border-collapse:collapse;margin:1em 0}td,th{border:1px solid #ccc;padding:3px 8px;text-align:right}td:first-child,td:last-child,th{text-align:left}svg{margin:1em}</style>
</head><body><h1>Synod: what was measured</h1>
<p>${escapeText(at)}. ${escapeText(machine)}. Each row has its whole label when pointed at.</p>
${failed.map((one) => `<p><strong>Failed:</strong> ${escapeText(one)}</p>`).join('\n')}
${leftOut.map((one) => `<p>Left out: ${escapeText(one)}</p>`).join('\n')}
${plotsOf(content)
  .map(({ plot }) => svgOf(plot))
  .join('')}
${tables.join('\n')}
</body></html>
`;
}
