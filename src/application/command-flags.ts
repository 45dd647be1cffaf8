/** What a caller may ask for a command beside its execution: a decree of its own, and a hand-over behind it. */

import { GroupFlag } from '../engine/group.js';
import type { SynodError } from '../errors.js';
import { badArgument } from './bad-argument.js';
import { waitOptions } from './call-options.js';

export interface FlagOptions {
  readonly exclusive?: boolean | undefined;
  readonly last?: boolean | undefined;
}

/** Of one command. */
export const commandOptions: readonly string[] = [...waitOptions, 'exclusive', 'last', 'context'];
/** Of a batch, the flags with an answer of their own. */
export const batchOptions: readonly string[] = [...waitOptions, 'exclusive', 'last'];

export function flagsRefusal(options: FlagOptions | undefined): SynodError | null {
  if (options === undefined) return null;
  for (const name of ['exclusive', 'last'] as const) {
    const value: unknown = options[name];
    if (value !== undefined && typeof value !== 'boolean')
      return badArgument(`${name}: expected true or false, got ${typeof value}`);
  }
  return options.last === true && options.exclusive === false
    ? badArgument('exclusive: false, but the last command is always exclusive')
    : null;
}

/** A batch is one call for many commands, and has no decree of its own. */
export function batchFlagsRefusal(options: FlagOptions | undefined): SynodError | null {
  const name = options?.exclusive ? 'exclusive' : options?.last ? 'last' : null;
  return name === null ? null : badArgument(`${name}: of single commands only, not of a batch`);
}

/** Of `GroupFlag`. */
export function flagsOf(options: FlagOptions | undefined): number {
  if (options?.last === true) return GroupFlag.exclusive + GroupFlag.last;
  return options?.exclusive === true ? GroupFlag.exclusive : 0;
}
