/** Changes JSON as a tree: what comes out is JSON again. */

import { mutateBytes } from './mutators.js';
import type { Random } from './random.js';

type Holder = Record<string, unknown> | unknown[];

const values: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -0,
  1,
  -1,
  0.5,
  7,
  8,
  64,
  4096,
  65_535,
  65_536,
  2 ** 31,
  2 ** 32,
  2 ** 53 - 1,
  2 ** 53,
  1e308,
  '',
  'a',
  'x'.repeat(64),
  'x'.repeat(2000),
  '127.0.0.1:7101',
  '[::1]:7101',
  'auto',
  'memory',
  '\0',
  [],
  {},
  [[]],
  [null],
];
const keys: readonly string[] = [
  '__proto__',
  'constructor',
  'toString',
  'length',
  '',
  'id',
  'kind',
  'logger',
  '0',
];

function holders(value: unknown, found: Holder[] = []): Holder[] {
  if (typeof value !== 'object' || value === null) return found;
  found.push(value as Holder);
  for (const one of Object.values(value)) holders(one, found);
  return found;
}

/** As `JSON.parse` would: `__proto__` is a key like any other. */
function put(holder: Holder, key: string, value: unknown): void {
  Object.defineProperty(holder, key, { value, writable: true, enumerable: true, configurable: true });
}

function changedValue(value: unknown, random: Random): unknown {
  if (typeof value === 'number' && random.chance(0.5))
    return value + random.pick([-1, 1, 0.5, -value, value]);
  if (typeof value === 'string' && random.chance(0.6)) {
    return Buffer.from(mutateBytes(Buffer.from(value), random, [])).toString('latin1');
  }
  return random.pick(values);
}

function changeTree(root: unknown, random: Random): unknown {
  const all = holders(root);
  if (all.length === 0) return changedValue(root, random);
  const holder = random.pick(all);
  const names = Object.keys(holder);
  const name = names.length === 0 ? '0' : random.pick(names);
  const value = (holder as Record<string, unknown>)[name];
  switch (random.below(7)) {
    case 0:
      if (Array.isArray(holder)) holder.splice(Number(name), 1);
      else delete holder[name];
      break;
    case 1:
      if (Array.isArray(holder)) holder.push(random.pick(values));
      else put(holder, random.pick(keys), random.pick(values));
      break;
    case 2:
      // Again, in another place.
      if (Array.isArray(holder)) for (let count = random.below(9); count >= 0; count--) holder.push(value);
      else put(holder, `${name}${random.below(3)}`, value);
      break;
    case 3: {
      const other = random.pick(all);
      const from = Object.values(other);
      if (from.length > 0) put(holder, name, structuredClone(random.pick(from)));
      break;
    }
    case 4:
      put(holder, name, random.chance(0.5) ? [value] : { [name]: value });
      break;
    default:
      put(holder, name, changedValue(value, random));
  }
  return root;
}

/** Changes the tree where the input is JSON, else its bytes. */
export function mutateJson(input: Uint8Array, random: Random): Uint8Array {
  let root: unknown;
  try {
    root = JSON.parse(Buffer.from(input).toString('utf8'));
  } catch {
    return mutateBytes(input, random, []);
  }
  return new Uint8Array(Buffer.from(JSON.stringify(changeTree(root, random)) ?? 'null', 'utf8'));
}
