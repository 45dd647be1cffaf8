/** `npm run fuzz -- ARGUMENT...` */

import { parseArgs } from 'node:util';

export interface FuzzArguments {
  /** Names; empty for all. */
  readonly targets: readonly string[];
  /** For each target. */
  readonly seconds: number;
  readonly seed: number;
  readonly json: boolean;
  readonly list: boolean;
  /** A file to run once, instead. */
  readonly replay: string | null;
  /** Puts the inputs that were worth keeping beside the source. */
  readonly keep: boolean;
}

export const usage = `usage: npm run fuzz -- [--target NAME]... [--seconds S] [--seed N] [--json] [--keep]
       npm run fuzz -- --target NAME --replay FILE
       npm run fuzz -- --list

  --target NAME   this one only; may be given again. Without it all of them, one after another
  --seconds S     for each target, 0.1 to 86400; 10 if left out
  --seed N        0 to 4294967295; drawn at random and printed if left out
  --replay FILE   runs the target once, on this input
  --keep          the smallest set of inputs that reaches what was reached becomes test/fuzz/corpus/NAME
  --json          one object on standard output
`;

export class ArgumentError extends Error {}

function numberOf(name: string, value: string, min: number, max: number): number {
  const number = Number(value);
  if (value.trim() === '' || !(number >= min && number <= max)) {
    throw new ArgumentError(`--${name} must be a number from ${min} to ${max}, not '${value}'`);
  }
  return number;
}

/** @throws ArgumentError */
export function parseFuzzArguments(values: readonly string[], known: readonly string[]): FuzzArguments {
  let options: ReturnType<typeof read>;
  try {
    options = read(values);
  } catch (error) {
    throw new ArgumentError((error as Error).message);
  }
  const {
    target = [],
    seconds = '10',
    seed,
    json = false,
    list = false,
    replay = null,
    keep = false,
  } = options;
  for (const name of target) {
    if (!known.includes(name)) throw new ArgumentError(`no target '${name}'; there are ${known.join(', ')}`);
  }
  if (replay !== null && target.length !== 1) throw new ArgumentError('--replay needs one --target');
  const number =
    seed === undefined ? Math.floor(Math.random() * 2 ** 32) : numberOf('seed', seed, 0, 2 ** 32 - 1);
  if (!Number.isInteger(number)) throw new ArgumentError('--seed must be a whole number');
  return {
    targets: target,
    seconds: numberOf('seconds', seconds, 0.1, 86_400),
    seed: number,
    json,
    list,
    replay,
    keep,
  };
}

function read(values: readonly string[]) {
  return parseArgs({
    args: [...values],
    options: {
      target: { type: 'string', multiple: true },
      seconds: { type: 'string' },
      seed: { type: 'string' },
      json: { type: 'boolean' },
      list: { type: 'boolean' },
      replay: { type: 'string' },
      keep: { type: 'boolean' },
    },
  }).values;
}
