/** Commands that a client sends in one frame, and who waits for them. */

import type { CommandBatch } from '../command-batch.js';
import type { SynodError } from '../errors.js';
import { type ClientFrame, ClientFrameError, HEADER_BYTES, LENGTH_BYTES } from './format.js';

/** The results of a batch, in the order of its commands, in one piece of memory. */
export class ResultBatch {
  readonly count: number;
  /** What all results lie in. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly #ends: Int32Array;
  readonly #first: number;

  constructor(bytes: Uint8Array, view: DataView, ends: Int32Array, first: number, count: number) {
    this.bytes = bytes;
    this.view = view;
    this.count = count;
    this.#ends = ends;
    this.#first = first;
  }

  /** Where result `index` begins in `bytes`. */
  start(index: number): number {
    return this.#ends[this.#first + index]! + LENGTH_BYTES;
  }
  /** Where result `index` ends in `bytes`. */
  end(index: number): number {
    return this.#ends[this.#first + index + 1]!;
  }
  /** Result `index` as a view. Allocates one object: use `start` and `end` where that counts. */
  result(index: number): Uint8Array {
    return this.bytes.subarray(this.start(index), this.end(index));
  }
}

interface SingleWaiter {
  readonly count: 0;
  readonly resolve: (result: Uint8Array) => void;
  readonly reject: (error: SynodError) => void;
}
interface BatchWaiter {
  /** Commands; a batch of one is a batch. */
  readonly count: number;
  readonly resolve: (results: ResultBatch) => void;
  readonly reject: (error: SynodError) => void;
}
export type RequestWaiter = SingleWaiter | BatchWaiter;

const BYTES_FIRST = 4096;

export class Request {
  first = 0;
  count = 0;
  /** For the time limit: of its oldest command. */
  readonly calledAt: number;
  #bytes: Uint8Array = new Uint8Array(BYTES_FIRST);
  #view: DataView = new DataView(this.#bytes.buffer);
  #end = HEADER_BYTES;
  #waiters: RequestWaiter[] = [];

  constructor(calledAt: number) {
    this.calledAt = calledAt;
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }
  get view(): DataView {
    return this.#view;
  }
  get end(): number {
    return this.#end;
  }
  get last(): number {
    return this.first + this.count - 1;
  }

  add(command: Uint8Array): void {
    const at = this.#reserve(LENGTH_BYTES + command.length);
    this.#view.setUint32(at, command.length, true);
    this.#bytes.set(command, at + LENGTH_BYTES);
    this.count += 1;
  }

  addBatch(batch: CommandBatch): void {
    // It may replace the memory.
    const at = this.#reserve(batch.end);
    this.#bytes.set(batch.bytes.subarray(0, batch.end), at);
    this.count += batch.count;
  }

  /** Waits for the commands that were added last. */
  await(waiter: RequestWaiter): void {
    this.#waiters.push(waiter);
  }

  /** What the server made of them. @throws ClientFrameError where it is not as many results. */
  resolve({ bytes, view, count }: ClientFrame): void {
    if (count !== this.count) throw new ClientFrameError(`${count} results of ${this.count} commands`);
    const ends = new Int32Array(count + 1);
    let at = HEADER_BYTES;
    ends[0] = at;
    for (let index = 1; index <= count; index += 1) {
      if (at + LENGTH_BYTES > bytes.length) throw new ClientFrameError('results that are cut short');
      at += LENGTH_BYTES + view.getUint32(at, true);
      ends[index] = at;
    }
    if (at !== bytes.length) throw new ClientFrameError('results that do not fill their frame');
    let index = 0;
    for (const waiter of this.#waiters) {
      if (waiter.count === 0) {
        // A copy: the frame's memory is not to live as long as one result in it.
        (waiter as SingleWaiter).resolve(bytes.slice(ends[index]! + LENGTH_BYTES, ends[index + 1]!));
        index += 1;
      } else {
        (waiter as BatchWaiter).resolve(new ResultBatch(bytes, view, ends, index, waiter.count));
        index += waiter.count;
      }
    }
    this.#waiters = [];
  }

  reject(error: SynodError): void {
    for (const waiter of this.#waiters) waiter.reject(error);
    this.#waiters = [];
  }

  #reserve(bytes: number): number {
    const at = this.#end;
    const end = at + bytes;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, 2 * this.#bytes.length));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#end = end;
    return at;
  }
}
