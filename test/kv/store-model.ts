/** An obviously right store: a Map, with time checked at every access. The real one is compared with it. */

import { error, OK, type ReplyValue } from './reply-reader.js';
import type { Request } from './store-driver.js';

interface Entry {
  value: string;
  deadline: number;
}

const MAX = 2n ** 63n - 1n;
const MIN = -(2n ** 63n);
const notInteger = error('ERR value is not an integer or out of range');
const syntax = error('ERR syntax error');

export class StoreModel {
  clock = 0;
  readonly entries = new Map<string, Entry>();

  advance(clockMs: number): void {
    this.clock = Math.max(this.clock, clockMs);
    for (const [key, { deadline }] of this.entries) {
      if (deadline !== 0 && deadline <= this.clock) this.entries.delete(key);
    }
  }

  /** What is there, for comparison: sorted lines. */
  content(): string[] {
    return [...this.entries].map(([key, { value, deadline }]) => `${key}=${value}@${deadline}`).sort();
  }

  run(request: Request): ReplyValue {
    const [name, ...args] = request as [string, ...string[]];
    const key = args[0] ?? '';
    const entry = this.entries.get(key);
    const value = entry?.value ?? null;
    switch (name.toLowerCase()) {
      case 'get':
        return value;
      case 'set':
        return this.#set(args);
      case 'setnx':
        if (entry === undefined) this.#put(key, args[1] as string, 0);
        return entry === undefined ? 1 : 0;
      case 'setex':
        return this.#setex(args, 1000n, 'setex');
      case 'psetex':
        return this.#setex(args, 1n, 'psetex');
      case 'getset':
        this.#put(key, args[1] as string, 0);
        return value;
      case 'getdel':
        this.entries.delete(key);
        return value;
      case 'del':
      case 'unlink':
        return args.filter((each) => this.entries.delete(each)).length;
      case 'exists':
        return args.filter((each) => this.entries.has(each)).length;
      case 'mget':
        return args.map((each) => this.entries.get(each)?.value ?? null);
      case 'mset':
        if (args.length % 2 === 1) return error("ERR wrong number of arguments for 'mset' command");
        for (let index = 0; index < args.length; index += 2) {
          this.#put(args[index] as string, args[index + 1] as string, 0);
        }
        return OK;
      case 'append':
        if (entry === undefined) this.#put(key, args[1] as string, 0);
        else entry.value += args[1];
        return (this.entries.get(key) as Entry).value.length;
      case 'strlen':
        return value?.length ?? 0;
      case 'incr':
        return this.#increment(key, 1n);
      case 'decr':
        return this.#increment(key, -1n);
      case 'incrby':
      case 'decrby': {
        const delta = integer(args[1] as string);
        if (delta === null) return notInteger;
        if (name.toLowerCase() === 'incrby') return this.#increment(key, delta);
        if (delta === MIN) return error('ERR decrement would overflow');
        return this.#increment(key, -delta);
      }
      case 'dbsize':
        return this.entries.size;
      case 'type':
        return { simple: entry === undefined ? 'none' : 'string' };
      case 'ttl':
      case 'pttl': {
        if (entry === undefined) return -2;
        if (entry.deadline === 0) return -1;
        const left = entry.deadline - this.clock;
        return name.toLowerCase() === 'ttl' ? Math.floor((left + 500) / 1000) : left;
      }
      case 'persist':
        if (entry === undefined || entry.deadline === 0) return 0;
        entry.deadline = 0;
        return 1;
      case 'expire':
        return this.#expire(args, 1000n, true, 'expire');
      case 'pexpire':
        return this.#expire(args, 1n, true, 'pexpire');
      case 'expireat':
        return this.#expire(args, 1000n, false, 'expireat');
      case 'pexpireat':
        return this.#expire(args, 1n, false, 'pexpireat');
      case 'flushall':
      case 'flushdb':
        this.entries.clear();
        return OK;
      case 'ping':
        return args.length === 0 ? { simple: 'PONG' } : key;
      case 'echo':
        return key;
      default:
        throw new Error(`the model does not know ${name}`);
    }
  }

  #put(key: string, value: string, deadline: number): void {
    if (deadline !== 0 && deadline <= this.clock) this.entries.delete(key);
    else this.entries.set(key, { value, deadline });
  }

  #increment(key: string, delta: bigint): ReplyValue {
    const entry = this.entries.get(key);
    const before = entry === undefined ? 0n : integer(entry.value);
    if (before === null) return notInteger;
    const after = before + delta;
    if (after > MAX || after < MIN) return error('ERR increment or decrement would overflow');
    if (entry === undefined) this.#put(key, String(after), 0);
    else entry.value = String(after);
    return Number.isSafeInteger(Number(after)) ? Number(after) : after;
  }

  #setex(args: readonly string[], unit: bigint, command: string): ReplyValue {
    const amount = integer(args[1] as string);
    if (amount === null) return notInteger;
    const deadline = amount * unit + BigInt(this.clock);
    if (amount <= 0n || deadline > BigInt(Number.MAX_SAFE_INTEGER)) {
      return error(`ERR invalid expire time in '${command}' command`);
    }
    this.#put(args[0] as string, args[2] as string, Number(deadline));
    return OK;
  }

  #set(args: readonly string[]): ReplyValue {
    const [key, value, ...options] = args as [string, string, ...string[]];
    const given = new Set<string>();
    let time: [string, string] | null = null;
    for (let index = 0; index < options.length; index++) {
      const option = (options[index] as string).toLowerCase();
      if (['nx', 'xx', 'get', 'keepttl'].includes(option)) given.add(option);
      else if (['ex', 'px', 'exat', 'pxat'].includes(option) && time === null && index + 1 < options.length) {
        time = [option, options[++index] as string];
      } else return syntax;
    }
    if ((given.has('nx') && given.has('xx')) || (given.has('keepttl') && time !== null)) return syntax;
    let deadline = 0;
    if (time !== null) {
      const amount = integer(time[1]);
      if (amount === null) return notInteger;
      const at =
        amount * (time[0].startsWith('e') ? 1000n : 1n) + (time[0].endsWith('at') ? 0n : BigInt(this.clock));
      if (amount <= 0n || at > BigInt(Number.MAX_SAFE_INTEGER)) {
        return error("ERR invalid expire time in 'set' command");
      }
      deadline = Number(at);
    }
    const entry = this.entries.get(key);
    const before = entry?.value ?? null;
    const allowed = entry === undefined ? !given.has('xx') : !given.has('nx');
    if (allowed) this.#put(key, value, given.has('keepttl') ? (entry?.deadline ?? 0) : deadline);
    if (given.has('get')) return before;
    return allowed ? OK : null;
  }

  #expire(args: readonly string[], unit: bigint, relative: boolean, command: string): ReplyValue {
    const given = new Set<string>();
    for (const option of args.slice(2)) {
      if (!['nx', 'xx', 'gt', 'lt'].includes(option.toLowerCase()))
        return error(`ERR Unsupported option ${option}`);
      given.add(option.toLowerCase());
    }
    if (given.has('nx') && given.size > 1) {
      return error('ERR NX and XX, GT or LT options at the same time are not compatible');
    }
    if (given.has('gt') && given.has('lt')) {
      return error('ERR GT and LT options at the same time are not compatible');
    }
    const amount = integer(args[1] as string);
    if (amount === null) return notInteger;
    const deadline = amount * unit + (relative ? BigInt(this.clock) : 0n);
    const most = BigInt(Number.MAX_SAFE_INTEGER);
    if (deadline > most || deadline < -most) return error(`ERR invalid expire time in '${command}' command`);
    const entry = this.entries.get(args[0] as string);
    if (entry === undefined) return 0;
    const before = entry.deadline === 0 ? Number.POSITIVE_INFINITY : entry.deadline;
    if (given.has('nx') && entry.deadline !== 0) return 0;
    if (given.has('xx') && entry.deadline === 0) return 0;
    if (given.has('gt') && Number(deadline) <= before) return 0;
    if (given.has('lt') && Number(deadline) >= before) return 0;
    if (deadline <= BigInt(this.clock)) this.entries.delete(args[0] as string);
    else entry.deadline = Number(deadline);
    return 1;
  }
}

function integer(text: string): bigint | null {
  if (!/^(?:0|-?[1-9]\d*)$/.test(text)) return null;
  const value = BigInt(text);
  return value > MAX || value < MIN ? null : value;
}
