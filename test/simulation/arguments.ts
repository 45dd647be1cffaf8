/** The command line of the simulator. */

import { parseArgs } from 'node:util';
import type { Mode } from './script.js';

export const usage = `usage: npm run sim -- [--seed S | --seeds N [--first F] | --script FILE]

  --seed S        runs seed S, prints its trace hash and what happened
  --changes N     with --seed: one long run in which the members are changed about N times, under faults all the while
  --seeds N       runs N seeds (default 100)
  --first F       from seed F on (default 1)
  --minutes M     ends after M minutes at the latest
  --jobs J        in J processes (default 1)
  --mode MODE     recoverable (default): faults that the cluster can stand, then peace in which it must recover;
                  unbounded: any number of faults, and frames that come twice, late or out of order; safety only
  --reads N       readers in every run, who make N reads of each consistency at once
  --script FILE   plays a script that a failed run left
  --json          prints one object
  --trace         prints everything that happens (with --seed or --script)
`;

export interface Arguments {
  readonly seed: number | null;
  /** 0 where the run is the seed's own. */
  readonly changes: number;
  readonly seeds: number;
  readonly first: number;
  readonly minutes: number;
  readonly jobs: number;
  readonly mode: Mode;
  readonly reads: number;
  readonly script: string | null;
  readonly json: boolean;
  readonly trace: boolean;
}

/** Throws an `Error` with what is wrong. */
export function parseArguments(argv: readonly string[]): Arguments {
  const { values } = parseArgs({
    args: [...argv],
    strict: true,
    options: {
      seed: { type: 'string' },
      seeds: { type: 'string' },
      changes: { type: 'string' },
      first: { type: 'string' },
      minutes: { type: 'string' },
      jobs: { type: 'string' },
      mode: { type: 'string' },
      reads: { type: 'string' },
      script: { type: 'string' },
      json: { type: 'boolean' },
      trace: { type: 'boolean' },
    },
  });
  const chosen = [values.seed, values.seeds, values.script].filter((value) => value !== undefined);
  if (chosen.length > 1) throw new Error('--seed, --seeds and --script exclude one another');
  if (values.trace && values.seed === undefined && values.script === undefined)
    throw new Error('--trace needs --seed or --script');
  if (values.changes !== undefined && (values.seed === undefined || values.mode !== undefined))
    throw new Error('--changes needs --seed, and no --mode');
  const mode = values.mode ?? 'recoverable';
  if (mode !== 'recoverable' && mode !== 'unbounded') throw new Error(`--mode: ${mode}`);
  return {
    seed: values.seed === undefined ? null : whole('--seed', values.seed, 0),
    changes: whole('--changes', values.changes ?? '0', 0),
    seeds: whole('--seeds', values.seeds ?? '100', 1),
    first: whole('--first', values.first ?? '1', 0),
    minutes: number('--minutes', values.minutes ?? '1e9'),
    jobs: whole('--jobs', values.jobs ?? '1', 1),
    mode,
    reads: whole('--reads', values.reads ?? '0', 0),
    script: values.script ?? null,
    json: values.json ?? false,
    trace: values.trace ?? false,
  };
}

function whole(name: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least || text.trim() === '')
    throw new Error(`${name}: expected a whole number of at least ${least}, got "${text}"`);
  return value;
}

function number(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`${name}: expected a number above 0, got "${text}"`);
  return value;
}
