/**
 * Checks what came from outside, value by value, and collects every mistake with its path, for the options of a
 * replica and for configuration files.
 */

import { inspect, types } from 'node:util';
import { SynodError } from './errors.js';
import { ID_LENGTH_MAX, ID_PATTERN } from './limits.js';
import { parseAddress } from './transport/address.js';
import type { Address } from './transport/transport.js';

const idWords = `1 to ${ID_LENGTH_MAX} characters out of ASCII letters, digits, ".", "_", "-"`;
const addressWords = '"host:port" or "[ipv6]:port" with a port from 1 to 65535';

/** What is no options at all may have any number of mistakes: a message that names them all helps nobody. */
const MISTAKES_NAMED_MAX = 32;

/** A value as it is shown in a message: one line, bounded, and without what may be a private key, wherever it stands. */
export function describeValue(value: unknown): string {
  let text: string;
  try {
    text = inspect(value, {
      depth: 1,
      customInspect: false,
      getters: false,
      maxArrayLength: 8,
      maxStringLength: 80,
      breakLength: Number.POSITIVE_INFINITY,
      compact: true,
    }).replaceAll('\n', ' ');
  } catch {
    // It asks the value for its Symbol.toStringTag all the same.
    return 'what cannot be shown';
  }
  if (text.includes('-----BEGIN')) return '(not shown: PEM)';
  return text.length > 160 ? `${text.slice(0, 157)}...` : text;
}

/** Collects the mistakes of an input, each with its path. Shared with what reads configuration files. */
export class OptionChecker {
  readonly #mistakes: { readonly path: string; readonly text: string }[] = [];
  #unnamed = 0;

  report(path: string, expected: string, value: unknown): void {
    if (this.#isFull) this.#unnamed += 1;
    else this.#mistakes.push({ path, text: `${path}: expected ${expected}, got ${describeValue(value)}` });
  }

  get #isFull(): boolean {
    return this.#mistakes.length >= MISTAKES_NAMED_MAX;
  }

  get failed(): boolean {
    return this.#mistakes.length > 0;
  }

  /** Throws all mistakes as one error, whose `path` is that of the first. */
  throwIfFailed(subject: string): void {
    const first = this.#mistakes[0];
    if (first === undefined) return;
    const texts = this.#mistakes.map((mistake) => mistake.text);
    if (this.#unnamed > 0) texts.push(`and ${this.#unnamed} more`);
    throw new SynodError('ERR_SYNOD_OPTION', `${subject}: ${texts.join('; ')}`, { path: first.path });
  }

  /** The value as an object whose keys are all known, or null. Undefined counts as an empty one, unless required. */
  object(
    value: unknown,
    path: string,
    keys: readonly string[],
    presence: 'optional' | 'required' = 'optional',
  ): Record<string, unknown> | null {
    if (value === undefined && presence === 'optional') return {};
    if (!isRecord(value)) {
      this.report(path === '' ? 'options' : path, 'an object', value);
      return null;
    }
    const record = value;
    // Also those that it inherits: their values count like its own.
    for (const key in record) {
      if (keys.includes(key)) continue;
      if (this.#isFull) {
        this.#unnamed += 1;
        continue;
      }
      const near = nearest(key, keys);
      const hint = near === null ? `one of ${keys.join(', ')}` : `"${near}"`;
      this.report(join(path, key), `no such key (did you mean ${hint}?)`, record[key]);
    }
    return record;
  }

  id(value: unknown, path: string): string | null {
    if (typeof value === 'string' && ID_PATTERN.test(value)) return value;
    this.report(path, idWords, value);
    return null;
  }

  address(value: unknown, path: string, portMin: 0 | 1 = 1): Address | null {
    const address = typeof value === 'string' ? parseAddress(value) : null;
    if (address !== null && address.port >= portMin) return address;
    this.report(path, portMin === 1 ? addressWords : addressWords.replace('from 1', 'from 0'), value);
    return null;
  }

  choice<T extends string>(value: unknown, path: string, choices: readonly T[], otherwise: T): T {
    if (value === undefined) return otherwise;
    const found = choices.find((choice) => choice === value);
    if (found === undefined) {
      this.report(path, `one of ${choices.map((choice) => `"${choice}"`).join(', ')}`, value);
      return otherwise;
    }
    return found;
  }

  flag(value: unknown, path: string): boolean {
    if (value === undefined) return false;
    if (typeof value !== 'boolean') this.report(path, 'true or false', value);
    return value === true;
  }

  /** A safe integer within the bounds; undefined where it is missing or wrong. */
  integer(value: unknown, path: string, min: number, max: number): number | undefined {
    if (value === undefined) return undefined;
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max)
      return value;
    this.report(path, `an integer from ${min} to ${max}`, value);
    return undefined;
  }
}

/** A promise or a Map has no keys that could be wrong: whatever was meant by it would be passed over. */
function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const { isPromise, isMap, isSet, isDate, isRegExp, isBoxedPrimitive } = types;
  return ![isPromise, isMap, isSet, isDate, isRegExp, isBoxedPrimitive].some((isOther) => isOther(value));
}

function join(path: string, key: string): string {
  const named = /^[A-Za-z_$][A-Za-z0-9_$]{0,63}$/.test(key) ? key : null;
  if (named === null) return `${path}[${describeValue(key)}]`;
  return path === '' ? named : `${path}.${named}`;
}

/** The known key that differs least from a misspelt one, if any is near. */
function nearest(key: string, keys: readonly string[]): string | null {
  let best: string | null = null;
  let bestDistance = 3;
  for (const candidate of keys) {
    const distance = editDistance(key.slice(0, 64).toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

function editDistance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= left.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= right.length; j += 1) {
      const substituted = row[j - 1]! + (left[i - 1] === right[j - 1] ? 0 : 1);
      next.push(Math.min(substituted, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[right.length]!;
}
