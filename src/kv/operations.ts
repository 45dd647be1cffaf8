/**
 * What can stand in the log. The numbers and argument counts are part of the log's format (version 1 of
 * command-codec.ts): they are never changed and never used again. Arguments are kept as the client sent them and
 * judged when the operation is executed, as Redis does for queued commands.
 */

export const Operation = {
  get: 1,
  set: 2,
  del: 3,
  exists: 4,
  mget: 5,
  mset: 6,
  append: 7,
  strlen: 8,
  incr: 9,
  decr: 10,
  incrby: 11,
  decrby: 12,
  getdel: 13,
  getset: 14,
  setnx: 15,
  setex: 16,
  psetex: 17,
  dbsize: 18,
  keys: 19,
  scan: 20,
  type: 21,
  ttl: 22,
  pttl: 23,
  expire: 24,
  pexpire: 25,
  expireat: 26,
  pexpireat: 27,
  persist: 28,
  flush: 29,
  /** The next operations, as many as its count says, are one transaction: their replies are one array. */
  transaction: 60,
  /** Commands without state that were queued in a transaction. */
  ping: 61,
  echo: 62,
  nothing: 63,
} as const;
export type Operation = (typeof Operation)[keyof typeof Operation];

/** Any number of arguments; the count is written in front of them. */
export const VARIADIC: number = -1;
/** No such operation. */
export const UNKNOWN: number = -2;
/** A count of operations follows instead of arguments. */
export const TRANSACTION: number = -3;

/** How many arguments stand behind the operation code, without a count, or one of the above. */
export const argumentsOf: Int8Array = new Int8Array(256).fill(UNKNOWN);
/** 1 where the operation only reads, so that a replica where nobody waits for its result may skip it. */
export const readsOnly: Uint8Array = new Uint8Array(256);

function define(operation: Operation, count: number, reads: boolean): void {
  argumentsOf[operation] = count;
  readsOnly[operation] = reads ? 1 : 0;
}

/** What a read of the state as it is can answer: only reading, and not by the clock, which the log alone advances. */
export function answersFromState(operation: Operation): boolean {
  return readsOnly[operation] === 1 && operation !== Operation.ttl && operation !== Operation.pttl;
}

define(Operation.get, 1, true);
define(Operation.set, VARIADIC, false);
define(Operation.del, VARIADIC, false);
define(Operation.exists, VARIADIC, true);
define(Operation.mget, VARIADIC, true);
define(Operation.mset, VARIADIC, false);
define(Operation.append, 2, false);
define(Operation.strlen, 1, true);
define(Operation.incr, 1, false);
define(Operation.decr, 1, false);
define(Operation.incrby, 2, false);
define(Operation.decrby, 2, false);
define(Operation.getdel, 1, false);
define(Operation.getset, 2, false);
define(Operation.setnx, 2, false);
define(Operation.setex, 3, false);
define(Operation.psetex, 3, false);
define(Operation.dbsize, 0, true);
define(Operation.keys, 1, true);
define(Operation.scan, VARIADIC, true);
define(Operation.type, 1, true);
define(Operation.ttl, 1, true);
define(Operation.pttl, 1, true);
define(Operation.expire, VARIADIC, false);
define(Operation.pexpire, VARIADIC, false);
define(Operation.expireat, VARIADIC, false);
define(Operation.pexpireat, VARIADIC, false);
define(Operation.persist, 1, false);
define(Operation.flush, VARIADIC, false);
define(Operation.transaction, TRANSACTION, false);
define(Operation.ping, VARIADIC, true);
define(Operation.echo, 1, true);
define(Operation.nothing, 0, true);
