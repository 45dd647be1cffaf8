/** The command line of `npm run torture`. */

import { resolve } from 'node:path';
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { mainPath } from '../cli/processes.js';

export type PartitionChoice = 'auto' | 'netns' | 'proxy';
export type StorageChoice = 'mixed' | 'file' | 'uring' | 'pmem' | 'memory';

export interface TortureOptions {
  readonly minutes: number;
  readonly seed: number;
  /** Null: drawn for each generation. */
  readonly replicas: 3 | 5 | null;
  readonly storage: StorageChoice;
  readonly partitions: PartitionChoice;
  /** Operations per second, of all clients together, at most. */
  readonly rate: number;
  /** Only faults of these kinds; null: all that are possible here. */
  readonly faults: readonly string[] | null;
  readonly json: boolean;
  readonly keep: boolean;
  /** The compiled command line that is tortured. */
  readonly program: string;
}

/** The command line is wrong: one line for people, exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export const usage = `usage: npm run torture -- --minutes M [OPTION...]

Runs clusters of real processes under load, hurts them in ways drawn from a seed, and checks what clients were told.

  --minutes M         how long, from 0.1 to 1440 (a fraction is allowed)
  --seed S            the faults and the clients' choices (default: drawn, and printed)
  --replicas 3|5      of each cluster (default: drawn)
  --storage KIND      file, uring, pmem, memory, or mixed (default): drawn for each replica, changed at restarts
  --partitions HOW    netns (network namespaces, needs root), proxy, or auto (default): both in turn where possible
  --rate N            operations per second at most, from 10 to 20000 (default 500)
  --faults K,K,...    only these kinds of faults (default: all that are possible here)
  --program FILE      the compiled command line to torture (default: dist/cli/main.js)
  --keep              keep logs and data also when nothing was found
  --json              one JSON object on standard output instead of a summary

Exit code: 0 without a violation, 1 with one (logs and data are kept, and said where), 2 for a wrong command line.
`;

const options = {
  minutes: { type: 'string' },
  seed: { type: 'string' },
  replicas: { type: 'string' },
  storage: { type: 'string', default: 'mixed' },
  partitions: { type: 'string', default: 'auto' },
  rate: { type: 'string', default: '500' },
  faults: { type: 'string' },
  program: { type: 'string', default: mainPath },
  keep: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} satisfies ParseArgsConfig['options'];

function number(name: string, text: string, min: number, max: number, whole = true): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= min && value <= max) || (whole && !Number.isInteger(value)))
    throw new UsageError(
      `--${name} takes a ${whole ? 'whole ' : ''}number from ${min} to ${max}, not "${text}"`,
    );
  return value;
}

function oneOf<Choice extends string>(name: string, text: string, choices: readonly Choice[]): Choice {
  const found = choices.find((choice) => choice === text);
  if (found === undefined) throw new UsageError(`--${name} takes ${choices.join(', ')}, not "${text}"`);
  return found;
}

/** The command that does the same again: the same plan of faults, though not the same moments. */
export function commandOf(options: TortureOptions): string {
  const { minutes, seed, replicas, storage, partitions, rate, faults } = options;
  const words = [`--minutes ${minutes}`, `--seed ${seed}`, `--rate ${rate}`];
  if (replicas !== null) words.push(`--replicas ${replicas}`);
  if (storage !== 'mixed') words.push(`--storage ${storage}`);
  if (partitions !== 'auto') words.push(`--partitions ${partitions}`);
  if (faults !== null) words.push(`--faults ${faults.join(',')}`);
  return `npm run torture -- ${words.join(' ')}`;
}

/** Null where help is asked for. `kinds` are the kinds of faults that there are. */
export function parseTorture(
  words: readonly string[],
  kinds: readonly string[],
  drawSeed: () => number,
): TortureOptions | null {
  let values: ReturnType<typeof parseArgs<{ options: typeof options }>>['values'];
  try {
    values = parseArgs({ args: [...words], options, strict: true, allowPositionals: false }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  if (values.help) return null;
  if (values.minutes === undefined) throw new UsageError('--minutes is missing');
  const faults = values.faults?.split(',') ?? null;
  for (const kind of faults ?? []) oneOf('faults', kind, kinds);
  return {
    minutes: number('minutes', values.minutes, 0.1, 1440, false),
    seed: values.seed === undefined ? drawSeed() : number('seed', values.seed, 0, 0xffff_ffff),
    replicas:
      values.replicas === undefined
        ? null
        : (Number(oneOf('replicas', values.replicas, ['3', '5'])) as 3 | 5),
    storage: oneOf('storage', values.storage, ['mixed', 'file', 'uring', 'pmem', 'memory']),
    partitions: oneOf('partitions', values.partitions, ['auto', 'netns', 'proxy']),
    rate: number('rate', values.rate, 10, 20_000),
    faults,
    json: values.json,
    keep: values.keep,
    program: resolve(values.program),
  };
}
