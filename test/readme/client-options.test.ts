/**
 * Aim: docs/configuration.md has every option of clients and of what serves them, with its default and its bounds. Method: the tables are
 * read, and what they say is tried.
 */

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { checkClientOptions } from '../../src/client/client-options.js';
import { checkServiceOptions } from '../../src/client/service-options.js';

const page = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8');

interface Row {
  readonly name: string;
  readonly byDefault: string;
  readonly bounds: string;
}

/** The first table behind the line. */
function tableBehind(line: string): readonly Row[] {
  const lines = page.split('\n');
  const from = lines.findIndex((each, index) => index > lines.indexOf(line) && each.startsWith('|---'));
  const rows = lines.slice(from + 1, lines.indexOf('', from));
  return rows.map((row) => {
    const [name = '', byDefault = '', bounds = ''] = row.slice(2).split(' | ');
    return { name: name.replaceAll('`', ''), byDefault, bounds };
  });
}

const units: Readonly<Record<string, number>> = { KiB: 1024, MiB: 1024 * 1024, '': 1 };

/** `64 KiB`, `1,000`, `2^53 − 1`; null where it is no number. */
function numberOf(text: string): number | null {
  if (/^2\^\d+ − 1$/.test(text)) return 2 ** Number(text.slice(2, -4)) - 1;
  const [, digits, unit = ''] = /^([\d,]+)(?: (KiB|MiB))?$/.exec(text) ?? [];
  return digits === undefined ? null : Number(digits.replaceAll(',', '')) * units[unit]!;
}

const isTaken = (check: () => unknown): boolean => {
  try {
    check();
    return true;
  } catch {
    return false;
  }
};

type Options = Readonly<Record<string, unknown>>;

describe.each([
  {
    line: '`serveClients(replica, options)`:',
    // A frame has room for a command, whatever bound of the two is tried.
    check: (options: Options): Options =>
      ({
        ...checkServiceOptions({ cluster: 'c', port: 7201, ...roomFor(options), ...options } as never),
      }) as Options,
    defaults: (): Options => ({ ...checkServiceOptions({ cluster: 'c', port: 7201 }) }),
  },
  {
    line: '`Client.connect(options)`:',
    check: (options: Options): Options => ({ ...checkClientOptions({ ...client, ...options } as never) }),
    defaults: (): Options => ({ ...checkClientOptions(client) }),
  },
])('the table behind $line', ({ line, check, defaults }) => {
  const rows = tableBehind(line);
  const numbers = rows.flatMap(({ name, byDefault, bounds }) => {
    const [min, max] = bounds.split(' to ').map(numberOf);
    return min == null || max == null ? [] : [{ name, byDefault, min, max }];
  });

  it('has every option, and no other', () => {
    expect(rows.map(({ name }) => name).sort()).toEqual(Object.keys(defaults()).sort());
    const ofNumbers = Object.entries(defaults()).filter(([, value]) => typeof value === 'number');
    expect(numbers.map(({ name }) => name).sort()).toEqual(ofNumbers.map(([name]) => name).sort());
  });

  it.each(numbers)('has the default and the bounds of $name', ({ name, byDefault, min, max }) => {
    if (byDefault !== 'required') expect(numberOf(byDefault)).toBe(defaults()[name]);
    expect(check({ [name]: min })[name]).toBe(min);
    expect(check({ [name]: max })[name]).toBe(max);
    expect(isTaken(() => check({ [name]: min - 1 }))).toBe(false);
    expect(isTaken(() => check({ [name]: max + 1 }))).toBe(false);
  });
});

const client = { cluster: 'c', servers: [{ id: 'a', address: '127.0.0.1:7201' }] };

function roomFor(options: Options): Options {
  return 'commandBytesMax' in options ? { frameBytesMax: 32 * 1024 * 1024 } : { commandBytesMax: 1 };
}
