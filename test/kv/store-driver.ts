/** Drives the store as the state machine does, with requests as arrays of text, and reads its replies. */

import { CommandDecoder, CommandEncoder } from '../../src/kv/command-codec.js';
import { findCommand, fitsArity } from '../../src/kv/command-table.js';
import type { Operation } from '../../src/kv/operations.js';
import { type RespVersion, RespWriter } from '../../src/kv/resp-writer.js';
import { Store } from '../../src/kv/store.js';
import { type ReplyValue, readReplies } from './reply-reader.js';

export type Request = readonly string[];

/** A command of the log with `requests` in it; an array of requests in their place is a transaction. */
export function encode(
  requests: readonly (Request | readonly Request[])[],
  clockMs: number,
  version: RespVersion = 2,
): Uint8Array {
  const encoder = new CommandEncoder();
  encoder.begin(clockMs, version);
  for (const request of requests) {
    if (isTransaction(request)) {
      const queued = new CommandEncoder();
      for (const inner of request) add(queued, inner);
      encoder.transaction(queued);
    } else {
      add(encoder, request);
    }
  }
  return Uint8Array.from(encoder.view());
}

function isTransaction(request: Request | readonly Request[]): request is readonly Request[] {
  return Array.isArray(request[0]);
}

function add(encoder: CommandEncoder, request: Request): void {
  const source = Buffer.from(request.join(''), 'latin1');
  const starts = new Int32Array(request.length);
  const ends = new Int32Array(request.length);
  let at = 0;
  for (const [index, text] of request.entries()) {
    starts[index] = at;
    at += text.length;
    ends[index] = at;
  }
  const command = findCommand(source, 0, ends[0] as number);
  if (command === undefined || !fitsArity(command, request.length)) throw new Error(`no request: ${request}`);
  encoder.operation(command.queuedAs as Operation, source, starts, ends, 1, request.length);
}

export class StoreDriver {
  readonly store: Store;
  readonly writer: RespWriter;
  readonly #decoder = new CommandDecoder();

  constructor(seed: number = 1, replyBytesMax: number = 2 ** 28) {
    this.store = new Store(seed);
    this.writer = new RespWriter(replyBytesMax);
  }

  apply(command: Uint8Array, muted: boolean = false): ReplyValue[] {
    const bytes = Buffer.from(command);
    if (!this.#decoder.decode(bytes, 0, bytes.length)) throw new Error('not decoded');
    this.writer.begin(this.#decoder.version, muted);
    this.store.execute(this.#decoder, bytes, this.writer);
    return readReplies(this.writer.take());
  }

  /** The reply to one request at time `clockMs`. */
  run(request: Request, clockMs: number = 0): ReplyValue {
    return this.apply(encode([request], clockMs))[0] as ReplyValue;
  }
}
