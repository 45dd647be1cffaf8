/**
 * The key-value service as one machine, for the linearizability checker: requests as clients send them, replies as
 * they get them. Knows no deadlines; a request that it does not know is a mistake of the test, and thrown.
 *
 * A request on several keys (MGET, MSET, DEL, EXISTS) is one operation on all of them, and joins them into one part of
 * the history: taken apart it would show nothing of a mix of two states. So a workload keeps them to small groups of keys.
 */

import type { Model } from './operation.js';

/** The words of a request, its name first. */
export type KeyValueInput = readonly string[];

/** A status and a bulk string are both a string, nil is null. */
export type KeyValueOutput =
  | string
  | number
  | bigint
  | null
  | { readonly error: string }
  | readonly KeyValueOutput[];

/** Value by key. Never changed, only replaced. */
export type KeyValueState = ReadonlyMap<string, string>;

/**
 * What an error reply says became of the request. `answer`: it was executed, and the error is the output. `unknown`: the
 * operation has no output; of what was executed and has no result (RESULTLOST) that asks for less than it could, and never for
 * too much. `not-executed`: it is no part of the history.
 */
export function outcomeOfError(text: string): 'answer' | 'unknown' | 'not-executed' {
  if (/^(TRYAGAIN|CLUSTERDOWN|ERR not executed)/.test(text)) return 'not-executed';
  return /^(UNKNOWN|RESULTLOST) /.test(text) ? 'unknown' : 'answer';
}

const INTEGER_MAX = 2n ** 63n - 1n;
const INTEGER_MIN = -(2n ** 63n);
const syntaxError = { error: 'ERR syntax error' };
const notAnInteger = { error: 'ERR value is not an integer or out of range' };

interface Result {
  readonly reply: KeyValueOutput;
  readonly state: KeyValueState;
}

type Execute = (state: KeyValueState, words: readonly string[]) => Result;

function put(state: KeyValueState, key: string, value: string): KeyValueState {
  return new Map(state).set(key, value);
}

function remove(state: KeyValueState, key: string): KeyValueState {
  if (!state.has(key)) return state;
  const after = new Map(state);
  after.delete(key);
  return after;
}

function integerOf(text: string): bigint | null {
  if (!/^(?:0|-?[1-9]\d{0,18})$/.test(text)) return null;
  const value = BigInt(text);
  return value > INTEGER_MAX || value < INTEGER_MIN ? null : value;
}

function add(state: KeyValueState, key: string, delta: bigint): Result {
  const before = integerOf(state.get(key) ?? '0');
  if (before === null) return { reply: notAnInteger, state };
  const after = before + delta;
  if (after > INTEGER_MAX || after < INTEGER_MIN)
    return { reply: { error: 'ERR increment or decrement would overflow' }, state };
  return { reply: after, state: put(state, key, `${after}`) };
}

interface SetOptions {
  readonly onlyMissing: boolean;
  readonly onlyExisting: boolean;
  readonly replyBefore: boolean;
}

function setOptions(words: readonly string[]): SetOptions | null {
  const given = new Set(words.slice(2).map((word) => word.toLowerCase()));
  for (const option of given) {
    if (['ex', 'px', 'exat', 'pxat'].includes(option)) throw new Error('the model knows no deadlines');
    if (!['nx', 'xx', 'get', 'keepttl'].includes(option)) return null;
  }
  if (given.has('nx') && given.has('xx')) return null;
  return { onlyMissing: given.has('nx'), onlyExisting: given.has('xx'), replyBefore: given.has('get') };
}

function set(state: KeyValueState, words: readonly string[]): Result {
  const [key, value] = words as [string, string];
  const options = words.length === 2 ? unconditional : setOptions(words);
  if (options === null) return { reply: syntaxError, state };
  const before = state.get(key);
  const isWritten = before === undefined ? !options.onlyExisting : !options.onlyMissing;
  const reply = options.replyBefore ? (before ?? null) : isWritten ? 'OK' : null;
  return { reply, state: isWritten ? put(state, key, value) : state };
}

const unconditional: SetOptions = { onlyMissing: false, onlyExisting: false, replyBefore: false };

function removeAll(state: KeyValueState, words: readonly string[]): Result {
  let after = state;
  for (const key of words) after = remove(after, key);
  return { reply: state.size - after.size, state: after };
}

function setAll(state: KeyValueState, words: readonly string[]): Result {
  if (words.length % 2 === 1)
    return { reply: { error: "ERR wrong number of arguments for 'mset' command" }, state };
  let after = state;
  for (let index = 0; index < words.length; index += 2) after = put(after, words[index]!, words[index + 1]!);
  return { reply: 'OK', state: after };
}

function addGiven(state: KeyValueState, [key, text]: readonly string[], isNegative: boolean): Result {
  const delta = integerOf(text!);
  if (delta === null) return { reply: notAnInteger, state };
  if (!isNegative) return add(state, key!, delta);
  if (delta === INTEGER_MIN) return { reply: { error: 'ERR decrement would overflow' }, state };
  return add(state, key!, -delta);
}

const clear: Execute = () => ({ reply: 'OK', state: new Map() });

const requests: Readonly<Record<string, Execute>> = {
  get: (state, [key]) => ({ reply: state.get(key!) ?? null, state }),
  mget: (state, keys) => ({ reply: keys.map((key) => state.get(key) ?? null), state }),
  strlen: (state, [key]) => ({ reply: state.get(key!)?.length ?? 0, state }),
  exists: (state, keys) => ({ reply: keys.filter((key) => state.has(key)).length, state }),
  type: (state, [key]) => ({ reply: state.has(key!) ? 'string' : 'none', state }),
  dbsize: (state) => ({ reply: state.size, state }),
  set,
  setnx: (state, [key, value]) =>
    state.has(key!) ? { reply: 0, state } : { reply: 1, state: put(state, key!, value!) },
  getset: (state, [key, value]) => ({ reply: state.get(key!) ?? null, state: put(state, key!, value!) }),
  getdel: (state, [key]) => ({ reply: state.get(key!) ?? null, state: remove(state, key!) }),
  mset: setAll,
  del: removeAll,
  unlink: removeAll,
  append: (state, [key, value]) => {
    const after = (state.get(key!) ?? '') + value!;
    return { reply: after.length, state: put(state, key!, after) };
  },
  incr: (state, [key]) => add(state, key!, 1n),
  decr: (state, [key]) => add(state, key!, -1n),
  incrby: (state, words) => addGiven(state, words, false),
  decrby: (state, words) => addGiven(state, words, true),
  flushall: clear,
  flushdb: clear,
};

/** These change nothing, whatever they reply. */
const reads: ReadonlySet<string> = new Set(['get', 'mget', 'strlen', 'exists', 'type', 'dbsize']);
/** These are about keys that they do not name. */
const ofAllKeys: ReadonlySet<string> = new Set(['dbsize', 'flushall', 'flushdb']);
const ofManyKeys: ReadonlySet<string> = new Set(['mget', 'exists', 'del', 'unlink']);

function nameOf(input: KeyValueInput): string {
  const name = input[0]!.toLowerCase();
  if (requests[name] === undefined) throw new Error(`the model does not know ${input[0]}`);
  return name;
}

/** True where a request with this reply wrote nothing. */
function isRead(input: KeyValueInput, output: KeyValueOutput | undefined): boolean {
  const name = nameOf(input);
  if (reads.has(name)) return true;
  if (output === undefined) return false;
  if (output !== null && typeof output === 'object' && 'error' in output) return true;
  switch (name) {
    case 'del':
    case 'unlink':
    case 'setnx':
      return output === 0;
    case 'getdel':
      return output === null;
    case 'set': {
      const options = setOptions(input.slice(1));
      if (options === null) return true;
      if (!options.replyBefore) return output === null;
      return output === null ? options.onlyExisting : options.onlyMissing;
    }
    default:
      return false;
  }
}

/** Integers beyond what a `number` holds may come as the nearest one. */
function isSame(a: KeyValueOutput, b: KeyValueOutput): boolean {
  if (a === b) return true;
  if (a === null || b === null) return false;
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, index) => isSame(item, b[index]));
  if (typeof a === 'object' && typeof b === 'object')
    return 'error' in a && 'error' in b && a.error === b.error;
  if (typeof a === 'object' || typeof b === 'object') return false;
  return typeof a !== 'string' && typeof b !== 'string' && typeof a !== typeof b && Number(a) === Number(b);
}

function textOf(output: KeyValueOutput | undefined): string {
  if (output === undefined) return '?';
  if (output === null) return 'nil';
  if (Array.isArray(output)) return `[${output.map(textOf).join(' ')}]`;
  if (typeof output === 'object') return (output as { readonly error: string }).error;
  return shorten(`${output}`);
}

function shorten(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 28)}...${text.slice(-28)} (${text.length})`;
}

export const keyValueModel: Model<KeyValueInput, KeyValueOutput, KeyValueState> = {
  initial: new Map(),

  step(state, input, output) {
    const result = requests[nameOf(input)]!(state, input.slice(1));
    return output === undefined || isSame(result.reply, output) ? result.state : null;
  },

  stateKey(state) {
    if (state.size === 0) return '';
    const entries = [...state].map(([key, value]) => `${key.length}.${value.length} ${key}${value}`);
    return entries.length === 1 ? entries[0]! : entries.sort().join('');
  },

  keysOf(input) {
    const name = nameOf(input);
    if (ofAllKeys.has(name)) return null;
    if (ofManyKeys.has(name)) return input.slice(1);
    if (name === 'mset') return input.slice(1).filter((_, index) => index % 2 === 0);
    return [input[1]!];
  },

  inputKey(input) {
    return input.map((word) => `${word.length} ${word}`).join('');
  },

  overwrites(input) {
    const name = nameOf(input);
    const isBlind =
      name === 'set' ? input.length === 3 : ['mset', 'del', 'unlink', 'getset', 'getdel'].includes(name);
    return isBlind ? (this.keysOf(input) ?? []) : [];
  },

  isRead,

  describe(input, output) {
    const request = input.map(shorten).join(' ');
    return `${request} -> ${textOf(output)}`;
  },
};
