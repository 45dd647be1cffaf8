/** The command line of `npm run mutants`. */

import { parseArgs } from 'node:util';
import { mutants } from './corpus/index.js';
import type { CheckName } from './mutant.js';
import { checkNames } from './mutant.js';

export const usage = `usage: npm run mutants -- [--only NAME]... [--check ${checkNames.join('|')}]
                          [--part K/N] [--jobs N] [--minutes M] [--timeout SECONDS]
                          [--list] [--json]

Puts one known bug at a time into a copy of the code and runs the checks that must find it.
  --only NAME        this mutant; may be given several times
  --check NAME       only what this check must find
  --part K/N         the K-th of N parts, and the canary
  --jobs N           so many at a time; default 1
  --minutes M        begins no other mutant after M minutes, and takes them in random order; default no end
  --timeout SECONDS  for one check of one mutant; default 180
  --list             names them, runs nothing
  --json             one object at the end instead of the table
`;

export interface Arguments {
  readonly only: ReadonlySet<string> | null;
  readonly check: CheckName | null;
  readonly part: { readonly index: number; readonly of: number };
  readonly jobs: number;
  readonly minutes: number | null;
  readonly timeoutMs: number;
  readonly list: boolean;
  readonly json: boolean;
}

export class UsageError extends Error {}

export function parseArguments(parameters: readonly string[]): Arguments {
  const values = parse(parameters);
  for (const name of values.only ?? []) {
    if (!mutants.some((mutant) => mutant.name === name)) throw new UsageError(`there is no mutant "${name}"`);
  }
  const { check } = values;
  if (check !== undefined && !isCheckName(check)) throw new UsageError(`there is no check "${check}"`);
  return {
    only: values.only === undefined ? null : new Set(values.only),
    check: check ?? null,
    part: parsePart(values.part),
    jobs: positive('--jobs', values.jobs),
    minutes: values.minutes === undefined ? null : positive('--minutes', values.minutes),
    timeoutMs: positive('--timeout', values.timeout) * 1000,
    list: values.list,
    json: values.json,
  };
}

function parse(parameters: readonly string[]) {
  try {
    return parseArgs({
      args: [...parameters],
      options: {
        only: { type: 'string', multiple: true },
        check: { type: 'string' },
        part: { type: 'string', default: '1/1' },
        jobs: { type: 'string', default: '1' },
        minutes: { type: 'string' },
        timeout: { type: 'string', default: '180' },
        list: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function isCheckName(name: string): name is CheckName {
  return (checkNames as readonly string[]).includes(name);
}

function parsePart(text: string): { index: number; of: number } {
  const match = /^([0-9]+)\/([0-9]+)$/.exec(text);
  const [index, of] = [Number(match?.[1]), Number(match?.[2])];
  if (!(index >= 1 && index <= of && of <= 100)) throw new UsageError('--part takes K/N, K from 1 to N');
  return { index, of };
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new UsageError(`${option} takes a whole number from 1 on`);
  return value;
}
