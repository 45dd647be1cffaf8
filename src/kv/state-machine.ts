/** The key-value service's state machine: runs the log's commands through the store. */

import { randomInt } from 'node:crypto';
import type { Decree, StateMachine } from '../state-machine.js';
import { CommandDecoder } from './command-codec.js';
import { RespWriter } from './resp-writer.js';
import { SnapshotReader } from './snapshot.js';
import { Store } from './store.js';

/** Bytes of replies to one command of the log; a reply that does not fit becomes an error reply. */
export const REPLY_BYTES_MAX_DEFAULT: number = 256 * 1024 * 1024;

export interface KeyValueStateMachineOptions {
  /** See `REPLY_BYTES_MAX_DEFAULT`. May differ between replicas: it does not touch the state. */
  readonly replyBytesMax?: number;
}

/** The result of a command is the run of RESP replies to its operations, in their order. */
export type Reply = Uint8Array;

export class KeyValueStateMachine implements StateMachine<Reply, Uint8Array, Reply | null> {
  readonly appliesDuringCheckpoint = true;
  #store: Store = makeStore();
  readonly #decoder: CommandDecoder = new CommandDecoder();
  readonly #writer: RespWriter;
  #commandCount = 0;
  #operationCount = 0;
  #malformedCount = 0;

  constructor(options: KeyValueStateMachineOptions = {}) {
    this.#writer = new RespWriter(options.replyBytesMax ?? REPLY_BYTES_MAX_DEFAULT);
  }

  /** What `INFO` shows of the state. Costs time where many keys have expired since the last command. */
  statistics(): {
    readonly keyCount: number;
    readonly expiringCount: number;
    readonly expiredCount: number;
    readonly commandCount: number;
    readonly operationCount: number;
    readonly malformedCount: number;
    readonly clockMs: number;
  } {
    const store = this.#store;
    return {
      keyCount: store.keyCount,
      expiringCount: store.expiringCount,
      expiredCount: store.expiredCount,
      commandCount: this.#commandCount,
      operationCount: this.#operationCount,
      malformedCount: this.#malformedCount,
      clockMs: store.clockMs,
    };
  }

  apply(decree: Decree<Reply>): void {
    const decoder = this.#decoder;
    const writer = this.#writer;
    const bytes = asBuffer(decree.bytes);
    for (let index = 0; index < decree.count; index++) {
      const awaited = decree.isAwaited(index);
      this.#commandCount++;
      if (decoder.decode(bytes, decree.start(index), decree.end(index))) {
        this.#operationCount += decoder.count;
        writer.begin(decoder.version, !awaited);
        this.#store.execute(decoder, bytes, writer);
      } else {
        // Bytes that no codec of this version wrote are refused, the same on every replica, and change nothing.
        this.#malformedCount++;
        writer.begin(2, !awaited);
        writer.error('ERR malformed command in the log, nothing was executed');
      }
      if (awaited) decree.reply(index, writer.take());
    }
  }

  /**
   * Answers a command of the log that only reads, from the state as it is; null where that cannot be: then it must go through the log
   * (see `Store.read`).
   */
  read(command: Uint8Array): Reply | null {
    const bytes = asBuffer(command);
    const writer = this.#writer;
    if (!this.#decoder.decode(bytes, 0, bytes.length)) return null;
    writer.begin(this.#decoder.version, false);
    return this.#store.read(this.#decoder, bytes, writer) ? writer.take() : null;
  }

  takeCheckpoint(): Iterable<Uint8Array> {
    return this.#store.snapshot();
  }

  async restore(state: AsyncIterable<Uint8Array>): Promise<void> {
    const store = makeStore();
    const reader = new SnapshotReader(store);
    for await (const piece of state) reader.push(piece);
    reader.end();
    this.#store = store;
  }

  /** The same as `restore`, where all pieces are at hand. */
  load(pieces: Iterable<Uint8Array>): void {
    const store = makeStore();
    const reader = new SnapshotReader(store);
    for (const piece of pieces) reader.push(piece);
    reader.end();
    this.#store = store;
  }

  /** Costs time in proportion to the keys written since it was last asked for. */
  digest(): string {
    return this.#store.digest();
  }
}

function makeStore(): Store {
  return new Store(randomInt(2 ** 48 - 1));
}

/** The same memory as a `Buffer`, whose methods read text from it without a view for each argument. */
function asBuffer(bytes: Uint8Array): Buffer {
  if (Buffer.isBuffer(bytes)) return bytes;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
