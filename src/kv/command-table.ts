/** The commands that clients can send: names, how many arguments, and what becomes of each. */

import { Operation } from './operations.js';

/** Commands that a connection answers by itself, without the log. */
export type LocalCommand =
  | 'ping'
  | 'echo'
  | 'hello'
  | 'auth'
  | 'select'
  | 'client'
  | 'command'
  | 'config'
  | 'info'
  | 'synod'
  | 'quit'
  | 'multi'
  | 'exec'
  | 'discard'
  | 'watch'
  | 'unwatch';

export interface CommandSpecification {
  /** In lower case, as error replies give it. */
  readonly name: string;
  /** Arguments with the name: exactly this many, or, below 0, at least so many. */
  readonly arity: number;
  /** What goes into the log, or null. */
  readonly operation: Operation | null;
  /** What the connection does, or null. */
  readonly local: LocalCommand | null;
  /** What may stand in a transaction although it is no operation of the log: the operation to put there. */
  readonly queuedAs: Operation | null;
  readonly flags: readonly string[];
  readonly firstKey: number;
  readonly lastKey: number;
  readonly keyStep: number;
}

function logged(
  name: string,
  arity: number,
  operation: Operation,
  flags: string,
  keys: readonly [number, number, number],
): CommandSpecification {
  return {
    name,
    arity,
    operation,
    local: null,
    queuedAs: operation,
    flags: flags.split(' '),
    firstKey: keys[0],
    lastKey: keys[1],
    keyStep: keys[2],
  };
}

function local(
  name: string,
  arity: number,
  command: LocalCommand,
  queuedAs: Operation | null = null,
): CommandSpecification {
  return {
    name,
    arity,
    operation: null,
    local: command,
    queuedAs,
    flags: ['fast'],
    firstKey: 0,
    lastKey: 0,
    keyStep: 0,
  };
}

const ONE_KEY = [1, 1, 1] as const;
const ALL_KEYS = [1, -1, 1] as const;
const PAIRS = [1, -1, 2] as const;
const NO_KEY = [0, 0, 0] as const;

export const commands: readonly CommandSpecification[] = [
  logged('get', 2, Operation.get, 'readonly fast', ONE_KEY),
  logged('set', -3, Operation.set, 'write denyoom', ONE_KEY),
  logged('del', -2, Operation.del, 'write', ALL_KEYS),
  logged('unlink', -2, Operation.del, 'write fast', ALL_KEYS),
  logged('exists', -2, Operation.exists, 'readonly fast', ALL_KEYS),
  logged('mget', -2, Operation.mget, 'readonly fast', ALL_KEYS),
  logged('mset', -3, Operation.mset, 'write denyoom', PAIRS),
  logged('append', 3, Operation.append, 'write denyoom fast', ONE_KEY),
  logged('strlen', 2, Operation.strlen, 'readonly fast', ONE_KEY),
  logged('incr', 2, Operation.incr, 'write denyoom fast', ONE_KEY),
  logged('decr', 2, Operation.decr, 'write denyoom fast', ONE_KEY),
  logged('incrby', 3, Operation.incrby, 'write denyoom fast', ONE_KEY),
  logged('decrby', 3, Operation.decrby, 'write denyoom fast', ONE_KEY),
  logged('getdel', 2, Operation.getdel, 'write fast', ONE_KEY),
  logged('getset', 3, Operation.getset, 'write denyoom fast', ONE_KEY),
  logged('setnx', 3, Operation.setnx, 'write denyoom fast', ONE_KEY),
  logged('setex', 4, Operation.setex, 'write denyoom', ONE_KEY),
  logged('psetex', 4, Operation.psetex, 'write denyoom', ONE_KEY),
  logged('dbsize', 1, Operation.dbsize, 'readonly fast', NO_KEY),
  logged('keys', 2, Operation.keys, 'readonly', NO_KEY),
  logged('scan', -2, Operation.scan, 'readonly', NO_KEY),
  logged('type', 2, Operation.type, 'readonly fast', ONE_KEY),
  logged('ttl', 2, Operation.ttl, 'readonly fast', ONE_KEY),
  logged('pttl', 2, Operation.pttl, 'readonly fast', ONE_KEY),
  logged('expire', -3, Operation.expire, 'write fast', ONE_KEY),
  logged('pexpire', -3, Operation.pexpire, 'write fast', ONE_KEY),
  logged('expireat', -3, Operation.expireat, 'write fast', ONE_KEY),
  logged('pexpireat', -3, Operation.pexpireat, 'write fast', ONE_KEY),
  logged('persist', 2, Operation.persist, 'write fast', ONE_KEY),
  logged('flushall', -1, Operation.flush, 'write', NO_KEY),
  logged('flushdb', -1, Operation.flush, 'write', NO_KEY),
  local('ping', -1, 'ping', Operation.ping),
  local('echo', 2, 'echo', Operation.echo),
  local('select', 2, 'select', Operation.nothing),
  local('unwatch', 1, 'unwatch', Operation.nothing),
  local('hello', -1, 'hello'),
  local('auth', -2, 'auth'),
  local('client', -2, 'client'),
  local('command', -1, 'command'),
  local('config', -2, 'config'),
  local('info', -1, 'info'),
  local('synod', -2, 'synod'),
  local('quit', -1, 'quit'),
  local('multi', 1, 'multi'),
  local('exec', 1, 'exec'),
  local('discard', 1, 'discard'),
  local('watch', -2, 'watch'),
];

const NAME_BYTES_MAX = 16;
/** With the factors in `placeOf`, no two of the names above share a place; checked at load. */
const PLACES = 256;

const places: (CommandSpecification | undefined)[] = new Array<CommandSpecification | undefined>(PLACES).fill(
  undefined,
);

/** Of the length and the outer letters, in any case, of bytes [start, end), which are 2 at least. */
function placeOf(bytes: Uint8Array, start: number, end: number): number {
  const sum =
    end -
    start +
    ((bytes[start] as number) & 31) * 31 +
    ((bytes[start + 1] as number) & 31) * 3 +
    ((bytes[end - 2] as number) & 31) * 53 +
    ((bytes[end - 1] as number) & 31) * 19;
  return sum & (PLACES - 1);
}

for (const command of commands) {
  const name = Buffer.from(command.name);
  const place = placeOf(name, 0, name.length);
  const holder = places[place];
  if (holder !== undefined) throw new Error(`${command.name} and ${holder.name} share a place in the table`);
  places[place] = command;
}

/** The command that bytes [start, end) name in any case, or `undefined`. Allocates nothing. */
export function findCommand(bytes: Uint8Array, start: number, end: number): CommandSpecification | undefined {
  const length = end - start;
  if (length < 2 || length > NAME_BYTES_MAX) return undefined;
  const command = places[placeOf(bytes, start, end)];
  if (command === undefined || command.name.length !== length) return undefined;
  const name = command.name;
  for (let index = 0; index < length; index++) {
    const code = bytes[start + index] as number;
    const lower = code >= 65 && code <= 90 ? code + 32 : code;
    if (name.charCodeAt(index) !== lower) return undefined;
  }
  return command;
}

/** The command of that name in any case. */
export function commandNamed(name: string): CommandSpecification | undefined {
  const lower = name.toLowerCase();
  return commands.find((command) => command.name === lower);
}

/** True where a request of `count` arguments, the name among them, is long enough and not too long. */
export function fitsArity(command: CommandSpecification, count: number): boolean {
  return command.arity < 0 ? count >= -command.arity : count === command.arity;
}
