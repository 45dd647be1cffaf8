/** What a run of a cluster comes to: figures with their label. */

import type { ClusterSettings, Run } from './cluster-run.js';
import { machineLabel } from './label.js';
import type { Percentiles } from './percentiles.js';

/** What is there of everything that was measured, so that it can be compared with another time. */
export interface Rate {
  readonly opsPerSecond: number;
  /** Of each run. */
  readonly runs: readonly number[];
  /** Of each run, the ratio to the limit, taken in turns with it. */
  readonly limitRatios?: readonly number[];
  readonly label: Readonly<Record<string, string | number>>;
}

export interface Figures extends Rate {
  readonly latencyUs: Percentiles;
  /** Median of the ratios to the limit; with `--limit`. */
  readonly limitRatio?: number;
  readonly limitOpsPerSecond?: number;
  readonly failed: number;
  readonly bytesCopied: number;
  readonly bytesLogged: number;
  readonly copiedPerLogged: number;
  readonly commandsPerDecree: number;
  readonly syncsPerDecree: number;
  /** Of the primary's process; what goes through io_uring is not among them. */
  readonly readAndWriteCallsPerDecree: number;
  readonly contextSwitchesPerDecree: number;
  /** Of each replica's process, the primary first. */
  readonly cpuSecondsPerMillion: readonly number[];
  /** Of all clients together. */
  readonly clientCpuSecondsPerMillion: number;
  /** Of each replica's process, what its resident memory grew by in the run. */
  readonly residentGrowthBytes: readonly number[];
  readonly timeline: readonly number[];
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function opsOf({ loads }: Run): number {
  return loads.reduce((sum, { commands, seconds }) => sum + commands / seconds, 0);
}

export function labelOf(settings: ClusterSettings, run: Run): Figures['label'] {
  const { storage, transport } = run.status[1];
  const { load, batch, form, clients, replicas } = settings;
  const commands = form === 'packed' ? 'commands written in place' : 'commands of their own';
  const where =
    load === 'embedded' ? "load in the primary's process" : `load from ${clients} client processes`;
  const how = batch === 0 ? 'a promise per command' : `${batch} ${commands} per call, one promise each`;
  return {
    payload: `${settings.size} B`,
    outstanding: settings.outstanding,
    rate: settings.rate === 0 ? 'as fast as it goes' : `${settings.rate} commands a second are given`,
    durability: storage.durable ? 'durable' : 'VOLATILE',
    storage: storage.reason,
    transport: transport.reason,
    topology: `${replicas} replica processes on one machine, ${where}, ${how}`,
    engine: settings.engine,
    log: settings.log === 'keep' ? 'kept whole' : 'dropped behind checkpoints',
    semiSpace: settings.semiSpace === 0 ? 'as Node has it' : `--max-semi-space-size=${settings.semiSpace}`,
    ...machineLabel(),
  };
}

/** Of the run whose throughput is the median of all. */
export function figuresOf(
  runs: readonly Run[],
  limits: readonly { readonly opsPerSecond: number }[],
  label: Figures['label'],
): Figures {
  const all = runs.map(opsOf);
  const middle = [...runs].sort((a, b) => opsOf(a) - opsOf(b))[Math.floor((runs.length - 1) / 2)]!;
  const [before, after] = middle.status;
  const commands = middle.loads.reduce((sum, load) => sum + load.commands, 0);
  if (commands === 0) throw new Error('not one command was executed');
  const decrees = Math.max(1, after.chosen - before.chosen);
  const [primary] = middle.usage;
  const slowest = (name: keyof Percentiles): number =>
    Math.max(...middle.loads.map(({ latencyUs }) => latencyUs[name]));
  const bytesLogged = after.bytesLogged - before.bytesLogged;
  const bytesCopied = after.bytesCopied - before.bytesCopied;
  const ratios = limits.map(({ opsPerSecond }, index) => all[index]! / opsPerSecond);
  const firstTenth = Math.min(...middle.loads.map(({ timeline }) => timeline.firstTenth));
  const timeline: number[] = [];
  for (const { timeline: one } of middle.loads) {
    for (const [index, count] of one.done.entries()) {
      const at = one.firstTenth - firstTenth + index;
      timeline[at] = (timeline[at] ?? 0) + count;
    }
  }
  return {
    opsPerSecond: Math.round(median(all)),
    latencyUs: {
      p50: slowest('p50'),
      p90: slowest('p90'),
      p99: slowest('p99'),
      p999: slowest('p999'),
      max: slowest('max'),
    },
    ...(limits.length === 0
      ? {}
      : {
          limitRatio: median(ratios),
          limitOpsPerSecond: Math.round(median(limits.map(({ opsPerSecond }) => opsPerSecond))),
          limitRatios: ratios,
        }),
    runs: all.map(Math.round),
    failed: middle.loads.reduce((sum, load) => sum + load.failed, 0),
    bytesCopied,
    bytesLogged,
    copiedPerLogged: bytesCopied / Math.max(1, bytesLogged),
    commandsPerDecree: commands / decrees,
    syncsPerDecree: (after.persists - before.persists) / decrees,
    readAndWriteCallsPerDecree: (primary![1].readsAndWrites - primary![0].readsAndWrites) / decrees,
    contextSwitchesPerDecree: (primary![1].contextSwitches - primary![0].contextSwitches) / decrees,
    cpuSecondsPerMillion: middle.usage.map(
      ([from, to]) => ((to.cpuSeconds - from.cpuSeconds) * 1e6) / commands,
    ),
    clientCpuSecondsPerMillion: (middle.clientCpuSeconds * 1e6) / commands,
    residentGrowthBytes: middle.usage.map(([from, to]) => to.residentBytes - from.residentBytes),
    timeline: Array.from(timeline, (count) => count ?? 0),
    label,
  };
}

export function describe(figures: Figures): string {
  const { p50, p90, p99, p999, max } = figures.latencyUs;
  const round = (value: number): string => value.toFixed(value < 100 ? 1 : 0);
  const { limitRatio, limitOpsPerSecond } = figures;
  return [
    `${figures.opsPerSecond.toLocaleString('en')} commands/s (runs: ${figures.runs.map((one) => one.toLocaleString('en')).join(', ')})`,
    `latency us: p50 ${round(p50)}  p90 ${round(p90)}  p99 ${round(p99)}  p99.9 ${round(p999)}  max ${round(max)}`,
    ...(limitRatio === undefined
      ? []
      : [`${limitRatio.toFixed(3)} of the limit, ${limitOpsPerSecond!.toLocaleString('en')} commands/s`]),
    ...(figures.failed === 0 ? [] : [`${figures.failed} calls FAILED`]),
    `${figures.commandsPerDecree.toFixed(1)} commands per decree, bytes copied / logged ${figures.copiedPerLogged.toFixed(3)}`,
    `per decree, on the primary: ${figures.syncsPerDecree.toFixed(2)} syncs, ${figures.readAndWriteCallsPerDecree.toFixed(2)} calls of read and write, ${figures.contextSwitchesPerDecree.toFixed(2)} context switches`,
    `CPU seconds per million commands and process: ${figures.cpuSecondsPerMillion.map((one) => one.toFixed(2)).join('  ')}; clients together ${figures.clientCpuSecondsPerMillion.toFixed(2)}`,
    ...Object.entries(figures.label).map(([key, value]) => `  ${key}: ${value}`),
    '',
  ].join('\n');
}
