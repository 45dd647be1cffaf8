/** Commands that a client sends in one frame, and who waits for them. */

import type { CommandBatch } from '../command-batch.js';
import { SynodError, textOf } from '../errors.js';
import {
  ANSWER_BYTES_MAX,
  type ClientFrame,
  ClientFrameError,
  HEADER_BYTES,
  LENGTH_BYTES,
  LOST_RESULT,
} from './format.js';

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
  /** Result `index` as a view. Allocates one object: use `start` and `end` where that counts. Throws `ERR_SYNOD_ARGUMENT` where there is none. */
  result(index: number): Uint8Array {
    if (!(index >= 0 && index < this.count))
      throw new SynodError('ERR_SYNOD_ARGUMENT', `index: ${textOf(index)}, there are ${this.count} results`);
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

/** Little: of requests with one command each there may be as many under way as commands. */
const BYTES_FIRST = 256;
/** Below this, memory grows faster. */
const SMALL_BYTES_MAX = 4096;

export class Request {
  first = 0;
  count = 0;
  /**
   * For the time limit. Not of the calls: while no server is reached, one request takes those of many turns, and the youngest of them
   * would be given up as early as the oldest.
   */
  sealedAt = 0;
  #bytes: Uint8Array = new Uint8Array(BYTES_FIRST);
  #view: DataView = new DataView(this.#bytes.buffer);
  #end = HEADER_BYTES;
  #waiters: RequestWaiter[] = [];
  /** What has come of an answer in several frames: those frames, and the results and bytes in them. */
  #parts: Results[] = [];
  #received = 0;
  #partBytes = 0;

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

  /** Sequence number of the first command whose result has not come. */
  get next(): number {
    return this.first + this.#received;
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

  /**
   * What the server made of the next of them. Yields whether the results of all have come; then whoever waits has them.
   *
   * @throws ClientFrameError where it is not as many results as it says, or they are more than there are commands.
   */
  take(frame: ClientFrame): boolean {
    const { bytes, view, count } = frame;
    const received = this.#received + count;
    if (count === 0 || received > this.count)
      throw new ClientFrameError(`${received} results of ${this.count} commands`);
    const part = readResults(frame);
    if (count === this.count) {
      this.#settle(bytes, view, part.ends, part.lost);
      return true;
    }
    this.#parts.push(part);
    this.#received = received;
    this.#partBytes += bytes.length;
    if (this.#partBytes > ANSWER_BYTES_MAX)
      throw new ClientFrameError(`results of more than ${ANSWER_BYTES_MAX} bytes in all`);
    if (received < this.count) return false;
    this.#settleParts();
    return true;
  }

  /** On another connection all of them are sent again. */
  dropParts(): void {
    this.#parts = [];
    this.#received = 0;
    this.#partBytes = 0;
  }

  /** In one piece of memory: the results of one batch may have come in several parts. */
  #settleParts(): void {
    const bytes = new Uint8Array(this.#partBytes - this.#parts.length * HEADER_BYTES);
    const ends = new Int32Array(this.count + 1);
    const lost = new Set<number>();
    let at = 0;
    let index = 0;
    for (const part of this.#parts) {
      bytes.set(part.bytes.subarray(HEADER_BYTES), at);
      for (const one of part.lost ?? []) lost.add(index + one);
      for (let own = 1; own < part.ends.length; own += 1) {
        index += 1;
        ends[index] = at + part.ends[own]! - HEADER_BYTES;
      }
      at += part.bytes.length - HEADER_BYTES;
    }
    this.dropParts();
    this.#settle(bytes, new DataView(bytes.buffer), ends, lost.size === 0 ? null : lost);
  }

  #settle(bytes: Uint8Array, view: DataView, ends: Int32Array, lost: ReadonlySet<number> | null): void {
    let index = 0;
    for (const waiter of this.#waiters) {
      if (lost !== null && isAnyLost(lost, index, waiter.count)) {
        waiter.reject(resultLost());
        index += Math.max(1, waiter.count);
      } else if (waiter.count === 0) {
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
      const { length } = this.#bytes;
      const grown = new Uint8Array(Math.max(end, (length < SMALL_BYTES_MAX ? 4 : 2) * length));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#end = end;
    return at;
  }
}

/** The results of one frame. */
interface Results {
  readonly bytes: Uint8Array;
  /** Where each ends; before them, where the first begins. */
  readonly ends: Int32Array;
  /** Those that the service could not encode: they stand here as empty ones. */
  readonly lost: ReadonlySet<number> | null;
}

function readResults({ bytes, view, count }: ClientFrame): Results {
  const ends = new Int32Array(count + 1);
  let lost: Set<number> | null = null;
  let at = HEADER_BYTES;
  ends[0] = at;
  for (let index = 1; index <= count; index += 1) {
    if (at + LENGTH_BYTES > bytes.length) throw new ClientFrameError('results that are cut short');
    const length = view.getUint32(at, true);
    at += LENGTH_BYTES;
    if (length === LOST_RESULT) {
      lost ??= new Set();
      lost.add(index - 1);
    } else at += length;
    ends[index] = at;
  }
  if (at !== bytes.length) throw new ClientFrameError('results that do not fill their frame');
  return { bytes, ends, lost };
}

/** Of a single command (`count` 0), or of a batch. */
function isAnyLost(lost: ReadonlySet<number>, first: number, count: number): boolean {
  // The shorter way, or many small batches and many lost results would be looked at once for each other.
  if (count > lost.size) return [...lost].some((index) => index >= first && index < first + count);
  for (let index = first; index < first + Math.max(1, count); index += 1) if (lost.has(index)) return true;
  return false;
}

function resultLost(): SynodError {
  const message =
    'executed, but the service could not encode the result: it is longer than its resultBytesMax, or its encodeResult threw';
  return new SynodError('ERR_SYNOD_RESULT_LOST', message, { outcome: 'committed' });
}
