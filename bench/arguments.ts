/** Arguments of the benchmarks: checked all at once, with a clear message and exit code 2 where one is wrong. */

import { parseArgs } from 'node:util';

export type ArgumentKind =
  | { readonly kind: 'number'; readonly value: number; readonly min: number; readonly max: number }
  | { readonly kind: 'word'; readonly value: string; readonly words: readonly string[] }
  | { readonly kind: 'text'; readonly value: string }
  /** Whole numbers, with commas between. */
  | { readonly kind: 'numbers'; readonly value: string; readonly min: number; readonly max: number }
  | { readonly kind: 'flag' };

type Value<Kind> = Kind extends { kind: 'number' }
  ? number
  : Kind extends { kind: 'numbers' }
    ? readonly number[]
    : Kind extends { kind: 'flag' }
      ? boolean
      : string;

export type Arguments<Kinds> = { readonly [Name in keyof Kinds]: Value<Kinds[Name]> };

/** Exits with code 2 and a message where an argument is unknown or out of bounds. */
export function readArguments<const Kinds extends Readonly<Record<string, ArgumentKind>>>(
  command: string,
  kinds: Kinds,
): Arguments<Kinds> {
  const refuse = (message: string): never => {
    const names = Object.entries(kinds).map(([name, kind]) =>
      kind.kind === 'flag'
        ? `[--${name}]`
        : `[--${name} ${kind.kind === 'word' ? kind.words.join('|') : kind.value}]`,
    );
    process.stderr.write(`${message}\nusage: npm run ${command} -- ${names.join(' ')}\n`);
    process.exit(2);
  };
  const options = Object.fromEntries(
    Object.entries(kinds).map(([name, { kind }]) => [
      name,
      { type: kind === 'flag' ? ('boolean' as const) : ('string' as const) },
    ]),
  );
  let given: Record<string, unknown> = {};
  try {
    given = parseArgs({ options }).values;
  } catch (error) {
    refuse((error as Error).message);
  }
  const values: Record<string, unknown> = {};
  for (const [name, kind] of Object.entries(kinds)) {
    const text = given[name];
    if (kind.kind === 'flag') values[name] = text === true;
    else if (kind.kind === 'number') {
      const value = text === undefined ? kind.value : Number(text);
      if (!(value >= kind.min && value <= kind.max))
        refuse(`--${name} is a number from ${kind.min} to ${kind.max}, not ${String(text)}`);
      values[name] = value;
    } else if (kind.kind === 'numbers') {
      const list = text === undefined ? kind.value : String(text);
      const numbers = list.split(',').map(Number);
      if (!numbers.every((one) => Number.isInteger(one) && one >= kind.min && one <= kind.max))
        refuse(`--${name} is a list of numbers from ${kind.min} to ${kind.max}, not ${list}`);
      values[name] = numbers;
    } else {
      const value = text === undefined ? kind.value : String(text);
      if (kind.kind === 'word' && !kind.words.includes(value))
        refuse(`--${name} is one of ${kind.words.join(', ')}, not ${value}`);
      values[name] = value;
    }
  }
  return values as Arguments<Kinds>;
}
