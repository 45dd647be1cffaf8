/**
 * The store: executes operations of the log, deterministically. Replies are written on the way.
 *
 * Time is part of the log: each command carries its issuer's clock, and the store's clock is the highest seen so
 * far. A key is gone once its deadline is not after the store's clock. When its memory is freed (on the next
 * access, or a few at each command) shows in no reply and not in the digest, so replicas may differ in it.
 *
 * An operation changes the store first and replies then, never the other way round: only some replicas write
 * replies, and one that does may find that they do not fit.
 */

// biome-ignore-all lint/correctness/noVoidTypeReturn: a reply ends the work on a request, in one line.

import type { CommandDecoder } from './command-codec.js';
import { matchesGlob } from './glob.js';
import { addIntegers, INT64_MIN, type Integer, parseInteger, parseIntegerText } from './integers.js';
import { type Entry, Keyspace } from './keyspace.js';
import { answersFromState, argumentsOf, Operation, readsOnly } from './operations.js';
import type { RespWriter } from './resp-writer.js';
import { encodeSnapshot, type SnapshotTarget } from './snapshot.js';
import {
  DEADLINE_MS_MAX,
  type ExpireCondition,
  parseExpireCondition,
  parseSetOptions,
  type SetOptions,
} from './write-options.js';

/** Longest value that APPEND makes. Part of what the state machine does: the same on all replicas. */
export const VALUE_BYTES_MAX: number = 64 * 1024 * 1024;

/** Keys freed at each command because their time came: bounds what one command costs. */
const EXPIRED_FREED_MAX = 64;
/** Empty slots that a SCAN passes over for each key it was asked for, at most. */
const SCAN_SLOTS_PER_KEY_MAX = 16;
const SCAN_COUNT_DEFAULT = 10;

const NOT_AN_INTEGER = 'ERR value is not an integer or out of range';
const SYNTAX = 'ERR syntax error';
const OVERFLOW = 'ERR increment or decrement would overflow';
const TOO_LONG = 'ERR string exceeds maximum allowed size (proto-max-bulk-len)';
const REPLY_TOO_LARGE =
  'ERR reply too large: the replies to one batch of commands exceed the limit. A write was executed';

/** Where the arguments of the operation that is being executed lie. */
interface Arguments {
  bytes: Buffer;
  starts: Int32Array;
  ends: Int32Array;
}

export class Store implements SnapshotTarget {
  readonly #keyspace: Keyspace;
  #clockMs = 0;
  #expiredCount = 0;
  #arguments: Arguments = NO_ARGUMENTS;
  #hash = 0;

  /** `seed` may differ between replicas: nothing that can be seen depends on it. */
  constructor(seed: number = 0) {
    this.#keyspace = new Keyspace(seed);
  }

  /** The highest clock that any command carried, in ms since 1970. */
  get clockMs(): number {
    return this.#clockMs;
  }

  /** Keys that exist. */
  get keyCount(): number {
    this.#freeExpired(Number.POSITIVE_INFINITY);
    return this.#keyspace.size;
  }

  /** Keys that exist and have a deadline. */
  get expiringCount(): number {
    this.#freeExpired(Number.POSITIVE_INFINITY);
    return this.#keyspace.expiring;
  }

  /** Keys freed because their time came, since the store was made. */
  get expiredCount(): number {
    return this.#expiredCount;
  }

  /** Equal on stores that ran the same commands: keys, values, deadlines and clock, in 128 bits. */
  digest(): string {
    this.#freeExpired(Number.POSITIVE_INFINITY);
    const { low, high } = this.#keyspace.digest();
    const count = this.#keyspace.size;
    const clock = this.#clockMs;
    return hexadecimal(high, 8) + hexadecimal(low, 8) + hexadecimal(count, 8) + hexadecimal(clock, 12);
  }

  /** The state as it is now, in pieces that are made as they are asked for, whatever is executed meanwhile. */
  snapshot(): Iterable<Uint8Array> {
    return encodeSnapshot(this.#clockMs, this.#keyspace.snapshot());
  }

  // Loading a snapshot into a new store.

  setClock(clockMs: number): void {
    this.#clockMs = clockMs;
  }

  load({ key, value, deadline }: Entry): void {
    const bytes = Buffer.from(key, 'latin1');
    const keyspace = this.#keyspace;
    const slot = keyspace.insert(key, keyspace.hash(bytes, 0, bytes.length), value);
    if (deadline > 0) keyspace.setDeadline(slot, deadline);
  }

  /** Executes what `decoder` decoded of `bytes`. `bytes` may change afterwards. */
  execute(decoder: CommandDecoder, bytes: Buffer, reply: RespWriter): void {
    if (decoder.clockMs > this.#clockMs) this.#clockMs = decoder.clockMs;
    this.#freeExpired(EXPIRED_FREED_MAX);
    this.#runAll(decoder, bytes, reply);
  }

  /**
   * Answers what only reads, and leaves the clock as it is. False where the state cannot tell: an operation does more, or a key's time has
   * come by the reader's clock and not by that of the log, which a command must advance.
   */
  read(decoder: CommandDecoder, bytes: Buffer, reply: RespWriter): boolean {
    for (let index = 0; index < decoder.count; index++)
      if (!answersFromState(decoder.operations[index] as Operation)) return false;
    this.#freeExpired(EXPIRED_FREED_MAX);
    const first = this.#keyspace.firstExpiring();
    if (first >= 0 && this.#keyspace.deadline(first) <= decoder.clockMs) return false;
    this.#runAll(decoder, bytes, reply);
    return true;
  }

  #runAll(decoder: CommandDecoder, bytes: Buffer, reply: RespWriter): void {
    this.#arguments = { bytes, starts: decoder.starts, ends: decoder.ends };
    const count = decoder.count;
    for (let index = 0; index < count; index++) {
      const operation = decoder.operations[index] as Operation;
      if (reply.muted && readsOnly[operation] === 1) continue;
      const before = reply.length;
      if (operation === Operation.transaction) {
        reply.transaction(decoder.nested[index] as number);
      } else {
        const first = decoder.firstArgument[index] as number;
        this.#run(operation, first, (decoder.firstArgument[index + 1] as number) - first, reply);
      }
      if (reply.overflowed) {
        reply.truncate(before);
        reply.overflowError(REPLY_TOO_LARGE);
      }
    }
    this.#arguments = NO_ARGUMENTS;
  }

  /** `at` is the number of the operation's first argument, `count` how many it has. */
  #run(operation: Operation, at: number, count: number, reply: RespWriter): void {
    // What the commands' table checked before they were written; anything else was not written by this library.
    if (argumentsOf[operation] === -1 && count < (LEAST_ARGUMENTS[operation] ?? 0)) {
      reply.error(SYNTAX);
      return;
    }
    switch (operation) {
      case Operation.get:
        return this.#replyValue(this.#find(at), reply);
      case Operation.set:
        return this.#set(at, count, reply);
      case Operation.del:
        return this.#del(at, count, reply);
      case Operation.exists:
        return this.#exists(at, count, reply);
      case Operation.mget:
        reply.array(count);
        for (let index = 0; index < count; index++) this.#replyValue(this.#find(at + index), reply);
        return;
      case Operation.mset:
        return this.#mset(at, count, reply);
      case Operation.append:
        return this.#append(at, reply);
      case Operation.strlen: {
        const slot = this.#find(at);
        return reply.integer(slot < 0 ? 0 : this.#keyspace.value(slot).length);
      }
      case Operation.incr:
        return this.#increment(at, 1, reply);
      case Operation.decr:
        return this.#increment(at, -1, reply);
      case Operation.incrby: {
        const delta = this.#integer(at + 1);
        return delta === undefined ? reply.error(NOT_AN_INTEGER) : this.#increment(at, delta, reply);
      }
      case Operation.decrby: {
        const delta = this.#integer(at + 1);
        if (delta === undefined) return reply.error(NOT_AN_INTEGER);
        if (delta === INT64_MIN) return reply.error('ERR decrement would overflow');
        return this.#increment(at, typeof delta === 'number' ? 0 - delta : -delta, reply);
      }
      case Operation.getdel: {
        const slot = this.#find(at);
        if (slot < 0) return reply.nil();
        const value = this.#keyspace.value(slot);
        this.#keyspace.remove(slot);
        return reply.bulk(value);
      }
      case Operation.getset: {
        const slot = this.#find(at);
        const before = slot < 0 ? null : this.#keyspace.value(slot);
        this.#store(slot, at, at + 1, 0);
        return before === null ? reply.nil() : reply.bulk(before);
      }
      case Operation.setnx: {
        const slot = this.#find(at);
        if (slot < 0) this.#store(slot, at, at + 1, 0);
        return reply.integer(slot < 0 ? 1 : 0);
      }
      case Operation.setex:
        return this.#setWithTimeToLive(at, 1000, 'setex', reply);
      case Operation.psetex:
        return this.#setWithTimeToLive(at, 1, 'psetex', reply);
      case Operation.dbsize:
        return reply.integer(this.keyCount);
      case Operation.keys:
        return this.#replyKeys(this.#text(at), reply);
      case Operation.scan:
        return this.#scan(at, count, reply);
      case Operation.type:
        return reply.simple(this.#find(at) < 0 ? 'none' : 'string');
      case Operation.ttl:
        return this.#replyTimeToLive(at, 1000, reply);
      case Operation.pttl:
        return this.#replyTimeToLive(at, 1, reply);
      case Operation.expire:
        return this.#expire(at, count, 1000, true, 'expire', reply);
      case Operation.pexpire:
        return this.#expire(at, count, 1, true, 'pexpire', reply);
      case Operation.expireat:
        return this.#expire(at, count, 1000, false, 'expireat', reply);
      case Operation.pexpireat:
        return this.#expire(at, count, 1, false, 'pexpireat', reply);
      case Operation.persist: {
        const slot = this.#find(at);
        if (slot < 0 || this.#keyspace.deadline(slot) === 0) return reply.integer(0);
        this.#keyspace.setDeadline(slot, 0);
        return reply.integer(1);
      }
      case Operation.flush:
        if (count > 1 || (count === 1 && !/^(a?sync)$/i.test(this.#text(at)))) return reply.error(SYNTAX);
        this.#keyspace.clear();
        return reply.ok();
      case Operation.ping:
        return count === 0 ? reply.simple('PONG') : this.#replyArgument(at, reply);
      case Operation.echo:
        return this.#replyArgument(at, reply);
      case Operation.nothing:
        return reply.ok();
      case Operation.transaction:
        return;
    }
  }

  /** Slot of the key that argument `index` names, or -1; frees it if its time has come. */
  #find(index: number): number {
    const { bytes, starts, ends } = this.#arguments;
    const start = starts[index] as number;
    const end = ends[index] as number;
    const hash = this.#keyspace.hash(bytes, start, end);
    this.#hash = hash;
    const slot = this.#keyspace.find(bytes, start, end, hash);
    if (slot >= 0 && this.#isDue(slot)) {
      this.#free(slot);
      return -1;
    }
    return slot;
  }

  #isDue(slot: number): boolean {
    const deadline = this.#keyspace.deadline(slot);
    return deadline !== 0 && deadline <= this.#clockMs;
  }

  #free(slot: number): void {
    this.#keyspace.remove(slot);
    this.#expiredCount++;
  }

  #freeExpired(countMax: number): void {
    for (let count = 0; count < countMax; count++) {
      const slot = this.#keyspace.firstExpiring();
      if (slot < 0 || !this.#isDue(slot)) return;
      this.#free(slot);
    }
  }

  /**
   * Writes argument `value` under argument `key`, for which `#find` has just yielded `slot`. `deadline` 0: the
   * key stays. A deadline that has passed already leaves no key.
   */
  #store(slot: number, key: number, value: number, deadline: number): void {
    const keyspace = this.#keyspace;
    if (deadline !== 0 && deadline <= this.#clockMs) {
      if (slot >= 0) keyspace.remove(slot);
      return;
    }
    const text = this.#text(value);
    if (slot >= 0) keyspace.setValue(slot, text);
    const stored = slot >= 0 ? slot : keyspace.insert(this.#text(key), this.#hash, text);
    if (deadline !== 0 || keyspace.expiring > 0) keyspace.setDeadline(stored, deadline);
  }

  #text(index: number): string {
    const { bytes, starts, ends } = this.#arguments;
    return bytes.toString('latin1', starts[index] as number, ends[index] as number);
  }

  #integer(index: number): Integer | undefined {
    const { bytes, starts, ends } = this.#arguments;
    return parseInteger(bytes, starts[index] as number, ends[index] as number);
  }

  #replyValue(slot: number, reply: RespWriter): void {
    if (slot < 0) reply.nil();
    else reply.bulk(this.#keyspace.value(slot));
  }

  #replyArgument(index: number, reply: RespWriter): void {
    const { bytes, starts, ends } = this.#arguments;
    reply.bulkBytes(bytes, starts[index] as number, ends[index] as number);
  }

  #set(at: number, count: number, reply: RespWriter): void {
    if (count === 2) {
      this.#store(this.#find(at), at, at + 1, 0);
      return reply.ok();
    }
    const texts: string[] = [];
    for (let index = 2; index < count; index++) texts.push(this.#text(at + index));
    const options: SetOptions | string = parseSetOptions(texts, this.#clockMs);
    if (typeof options === 'string') return reply.error(options);
    const slot = this.#find(at);
    const before = slot < 0 ? null : this.#keyspace.value(slot);
    const written = slot < 0 ? !options.onlyExisting : !options.onlyMissing;
    if (written) {
      const kept = slot >= 0 && options.keepDeadline ? this.#keyspace.deadline(slot) : 0;
      this.#store(slot, at, at + 1, options.deadline === 0 ? kept : options.deadline);
    }
    if (options.replyBefore) return before === null ? reply.nil() : reply.bulk(before);
    return written ? reply.ok() : reply.nil();
  }

  #setWithTimeToLive(at: number, unitMs: number, command: string, reply: RespWriter): void {
    const amount = this.#integer(at + 1);
    if (amount === undefined) return reply.error(NOT_AN_INTEGER);
    const deadline = Number(amount) * unitMs + this.#clockMs;
    if (amount <= 0 || deadline > DEADLINE_MS_MAX) {
      return reply.error(`ERR invalid expire time in '${command}' command`);
    }
    this.#store(this.#find(at), at, at + 2, deadline);
    reply.ok();
  }

  #del(at: number, count: number, reply: RespWriter): void {
    let removed = 0;
    for (let index = 0; index < count; index++) {
      const slot = this.#find(at + index);
      if (slot < 0) continue;
      this.#keyspace.remove(slot);
      removed++;
    }
    reply.integer(removed);
  }

  #exists(at: number, count: number, reply: RespWriter): void {
    let existing = 0;
    for (let index = 0; index < count; index++) if (this.#find(at + index) >= 0) existing++;
    reply.integer(existing);
  }

  #mset(at: number, count: number, reply: RespWriter): void {
    if (count % 2 !== 0) return reply.error("ERR wrong number of arguments for 'mset' command");
    for (let index = 0; index < count; index += 2) {
      this.#store(this.#find(at + index), at + index, at + index + 1, 0);
    }
    reply.ok();
  }

  #append(at: number, reply: RespWriter): void {
    const slot = this.#find(at);
    if (slot < 0) {
      this.#store(slot, at, at + 1, 0);
      const { starts, ends } = this.#arguments;
      return reply.integer((ends[at + 1] as number) - (starts[at + 1] as number));
    }
    const value = this.#keyspace.value(slot);
    const { starts, ends } = this.#arguments;
    const length = value.length + (ends[at + 1] as number) - (starts[at + 1] as number);
    if (length > VALUE_BYTES_MAX) return reply.error(TOO_LONG);
    this.#keyspace.appendValue(slot, this.#text(at + 1));
    reply.integer(length);
  }

  #increment(at: number, delta: Integer, reply: RespWriter): void {
    const slot = this.#find(at);
    const before = slot < 0 ? 0 : parseIntegerText(this.#keyspace.value(slot));
    if (before === undefined) return reply.error(NOT_AN_INTEGER);
    const after = addIntegers(before, delta);
    if (after === undefined) return reply.error(OVERFLOW);
    if (slot < 0) this.#keyspace.insert(this.#text(at), this.#hash, String(after));
    else this.#keyspace.setValue(slot, String(after));
    reply.integer(after);
  }

  #expire(
    at: number,
    count: number,
    unitMs: number,
    relative: boolean,
    command: string,
    reply: RespWriter,
  ): void {
    const texts: string[] = [];
    for (let index = 2; index < count; index++) texts.push(this.#text(at + index));
    const condition: ExpireCondition | string = parseExpireCondition(texts);
    if (typeof condition === 'string') return reply.error(condition);
    const amount = this.#integer(at + 1);
    if (amount === undefined) return reply.error(NOT_AN_INTEGER);
    const deadline = Number(amount) * unitMs + (relative ? this.#clockMs : 0);
    if (Math.abs(deadline) > DEADLINE_MS_MAX) {
      return reply.error(`ERR invalid expire time in '${command}' command`);
    }
    const slot = this.#find(at);
    if (slot < 0) return reply.integer(0);
    const before = this.#keyspace.deadline(slot);
    if (condition.onlyWithout && before !== 0) return reply.integer(0);
    if (condition.onlyWith && before === 0) return reply.integer(0);
    // A key that stays for good counts as one with an infinite deadline.
    if (condition.onlyLater && (before === 0 || deadline <= before)) return reply.integer(0);
    if (condition.onlyEarlier && before !== 0 && deadline >= before) return reply.integer(0);
    if (deadline <= this.#clockMs) this.#keyspace.remove(slot);
    else this.#keyspace.setDeadline(slot, deadline);
    reply.integer(1);
  }

  #replyTimeToLive(at: number, unitMs: number, reply: RespWriter): void {
    const slot = this.#find(at);
    if (slot < 0) return reply.integer(-2);
    const deadline = this.#keyspace.deadline(slot);
    if (deadline === 0) return reply.integer(-1);
    // Half of a millisecond has no room behind the highest integers.
    reply.integer(Math.floor((deadline - this.#clockMs + Math.trunc(unitMs / 2)) / unitMs));
  }

  #replyKeys(pattern: string, reply: RespWriter): void {
    const keyspace = this.#keyspace;
    const found: string[] = [];
    for (let slot = 0; slot < keyspace.slotCount; slot++) {
      if (!keyspace.isUsed(slot) || this.#isDue(slot)) continue;
      const key = keyspace.key(slot);
      if (pattern === '*' || matchesGlob(pattern, key)) found.push(key);
    }
    reply.array(found.length);
    for (const key of found) reply.bulk(key);
  }

  /** The cursor is the number of the slot to go on with; 0 begins and ends. */
  #scan(at: number, count: number, reply: RespWriter): void {
    const cursorText = this.#text(at);
    if (!/^\d{1,20}$/.test(cursorText)) return reply.error('ERR invalid cursor');
    let pattern = '*';
    let wanted = SCAN_COUNT_DEFAULT;
    let typed = true;
    for (let index = 1; index < count; index += 2) {
      const option = this.#text(at + index).toLowerCase();
      if (index + 1 >= count) return reply.error(SYNTAX);
      if (option === 'count') {
        const amount = this.#integer(at + index + 1);
        if (amount === undefined) return reply.error(NOT_AN_INTEGER);
        if (amount < 1) return reply.error(SYNTAX);
        wanted = Number(amount);
      } else if (option === 'match') {
        pattern = this.#text(at + index + 1);
      } else if (option === 'type') {
        typed = this.#text(at + index + 1).toLowerCase() === 'string';
      } else {
        return reply.error(SYNTAX);
      }
    }
    const keyspace = this.#keyspace;
    const found: string[] = [];
    let slot = Number(cursorText);
    let seen = 0;
    const last = Math.min(keyspace.slotCount, slot + wanted * SCAN_SLOTS_PER_KEY_MAX);
    for (; slot < last && seen < wanted; slot++) {
      if (!keyspace.isUsed(slot) || this.#isDue(slot)) continue;
      seen++;
      const key = keyspace.key(slot);
      if (typed && (pattern === '*' || matchesGlob(pattern, key))) found.push(key);
    }
    reply.array(2);
    reply.bulk(slot >= keyspace.slotCount ? '0' : String(slot));
    reply.array(found.length);
    for (const key of found) reply.bulk(key);
  }
}

const NO_ARGUMENTS: Arguments = {
  bytes: Buffer.alloc(0),
  starts: new Int32Array(0),
  ends: new Int32Array(0),
};

/** Fewest arguments of the operations that take any number. */
const LEAST_ARGUMENTS: Partial<Record<Operation, number>> = {
  [Operation.set]: 2,
  [Operation.del]: 1,
  [Operation.exists]: 1,
  [Operation.mget]: 1,
  [Operation.mset]: 2,
  [Operation.scan]: 1,
  [Operation.expire]: 2,
  [Operation.pexpire]: 2,
  [Operation.expireat]: 2,
  [Operation.pexpireat]: 2,
};

function hexadecimal(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
