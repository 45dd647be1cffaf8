/** What is asked for on the command line. */

import { parseArgs } from 'node:util';
import type { Scope } from './scope.js';
import { quick, scopes } from './scopes.js';

export interface Request {
  readonly scopes: readonly Scope[];
  readonly statesMax: number;
  readonly minutes: number;
  readonly json: boolean;
}

export const usage: string = `usage: npm run explore -- [--scope NAME[,NAME...]] [--states-max N] [--minutes M] [--json]

Goes through every state that the real protocol code can come to within a scope, and checks each.

  --scope       which scopes; "all" (default), "quick" (small versions of all, for each change), or names of these:
${[...scopes, ...quick].map(({ name, about }) => `                  ${name.padEnd(21)} ${about}`).join('\n')}
  --states-max  stops a scope at so many states, unfinished
  --minutes     stops everything after so many minutes, unfinished
  --json        one object on stdout instead of a table

Exit status: 0 where nothing is violated, 1 where something is (the shortest way there is printed), 2 for bad arguments, 3 where a
scope does not lead where it says that it begins.
`;

/** Throws an `Error` that says what is wrong. */
export function parseRequest(argv: readonly string[]): Request | 'help' {
  const { values } = parseArgs({
    args: [...argv],
    strict: true,
    options: {
      scope: { type: 'string', default: 'all' },
      'states-max': { type: 'string' },
      minutes: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return 'help';
  return {
    scopes: values.scope.split(',').flatMap(named),
    statesMax: positive('--states-max', values['states-max']),
    minutes: positive('--minutes', values.minutes),
    json: values.json,
  };
}

function named(name: string): readonly Scope[] {
  if (name === 'all') return scopes;
  if (name === 'quick') return quick;
  const scope = [...scopes, ...quick].find((one) => one.name === name);
  if (scope === undefined) throw new Error(`--scope: there is no scope "${name}"`);
  return [scope];
}

function positive(option: string, text: string | undefined): number {
  if (text === undefined) return Number.POSITIVE_INFINITY;
  const value = Number(text);
  if (!(value > 0)) throw new Error(`${option}: "${text}" is not a number above 0`);
  return value;
}
