/** The service of the simulated replicas: the real key-value state machine, and word of what it executes. */

import { CommandEncoder } from '../../src/kv/command-codec.js';
import { Operation } from '../../src/kv/operations.js';
import { KeyValueStateMachine } from '../../src/kv/state-machine.js';
import type { Decree, StateMachine } from '../../src/state-machine.js';
import { type ReplyValue, readReplies } from '../kv/reply-reader.js';
import type { KeyValueOutput } from './client.js';

/** Each command ends in an ECHO of its call, in so many digits. */
const CALL_DIGITS = 8;

const operations: Record<string, Operation> = {
  GET: Operation.get,
  SET: Operation.set,
  DEL: Operation.del,
  INCR: Operation.incr,
  APPEND: Operation.append,
  GETSET: Operation.getset,
  SETNX: Operation.setnx,
  MGET: Operation.mget,
  MSET: Operation.mset,
};

const encoder = new CommandEncoder();

/** The command of the log for a request. */
export function encodeCall(words: readonly string[], call: number, clockMs: number): Uint8Array {
  const parts = [...words.slice(1), String(call).padStart(CALL_DIGITS, '0')];
  const source = Buffer.from(parts.join(''), 'latin1');
  const starts = new Int32Array(parts.length);
  const ends = new Int32Array(parts.length);
  let at = 0;
  for (const [index, part] of parts.entries()) {
    starts[index] = at;
    at += part.length;
    ends[index] = at;
  }
  encoder.begin(clockMs, 2);
  encoder.operation(operations[words[0]!]!, source, starts, ends, 0, parts.length - 1);
  encoder.operation(Operation.echo, source, starts, ends, parts.length - 1, parts.length);
  // Not `slice`: that of a buffer copies nothing.
  return Uint8Array.from(encoder.view());
}

/** What the service replied, and the call that it takes it for. */
export function decodeReply(bytes: Uint8Array): { readonly output: KeyValueOutput; readonly call: number } {
  const [output, call] = readReplies(bytes);
  return { output: plain(output!), call: Number(call) };
}

function plain(value: ReplyValue): KeyValueOutput {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'object' && value !== null) {
    if ('simple' in value) return value.simple;
    if ('error' in value) return { error: value.error };
  }
  return value as KeyValueOutput;
}

/** What a read tells: whether the state has in it what a call did, and the last call that it has. */
export interface Seen {
  readonly has: boolean;
  readonly last: number;
}

export interface SimulatedServiceOptions {
  readonly onExecuted: (slot: number, call: number) => void;
  readonly hasExecuted: (call: number) => boolean;
  /** The state holds what these calls did. */
  readonly onRestored: (calls: Iterable<number>) => void;
}

export class SimulatedService implements StateMachine<Uint8Array> {
  readonly #inner = new KeyValueStateMachine();
  readonly appliesDuringCheckpoint = true;
  readonly #options: SimulatedServiceOptions;
  /** Those whose commands were executed. */
  readonly #calls: number[] = [];

  constructor(options: SimulatedServiceOptions) {
    this.#options = options;
  }

  apply(decree: Decree<Uint8Array>): void {
    for (let index = 0; index < decree.count; index += 1) {
      const end = decree.end(index);
      let call = 0;
      for (let at = end - CALL_DIGITS; at < end; at += 1) call = call * 10 + decree.bytes[at]! - 48;
      this.#calls.push(call);
      this.#options.onExecuted(decree.slot, call);
    }
    // It replies on the way: whoever hears of a reply has heard that its command is executed.
    this.#inner.apply(decree);
  }

  read({ call }: { readonly call: number }): Seen {
    return { has: call === 0 || this.#options.hasExecuted(call), last: this.#calls.at(-1) ?? 0 };
  }

  *takeCheckpoint(): Generator<Uint8Array, void, void> {
    const calls = Uint32Array.from([this.#calls.length, ...this.#calls]);
    // Asked for its first piece now: that fixes it.
    const state = this.#inner.takeCheckpoint()[Symbol.iterator]();
    let piece = state.next();
    yield new Uint8Array(calls.buffer);
    for (; !piece.done; piece = state.next()) yield piece.value;
  }

  /** What `restore` does, in one go. */
  load(pieces: readonly Uint8Array[]): void {
    const bytes = Uint8Array.from(Buffer.concat(pieces));
    const [count = 0] = new Uint32Array(bytes.buffer, 0, 1);
    this.#calls.splice(0, this.#calls.length, ...new Uint32Array(bytes.buffer, 4, count));
    this.#inner.load([bytes.subarray(4 + 4 * count)]);
    this.#options.onRestored(this.#calls);
  }

  async restore(): Promise<void> {
    throw new Error('the simulation waits for nothing but its own events');
  }

  digest(): string {
    return `${this.#calls.length} ${this.#inner.digest()}`;
  }
}
