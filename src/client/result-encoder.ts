/** Results as the frames that carry them to a client. */

import type { Crc32c } from '../checksum.js';
import { textOf } from '../errors.js';
import {
  ANSWER_BYTES_MAX,
  ClientFrameKind,
  HEADER_BYTES,
  LENGTH_BYTES,
  LOST_RESULT,
  RESULTS_BYTES_TARGET,
  sealFrame,
} from './format.js';
import type { EncodeResult } from './service-options.js';

export interface ResultEncoderOptions<Result> {
  readonly encodeResult: EncodeResult<Result>;
  readonly resultBytesMax: number;
  readonly crc32c: Crc32c;
}

const BYTES_FIRST = 64 * 1024;

export class ResultEncoder<Result> {
  readonly #options: ResultEncoderOptions<Result>;
  /** So long that the longest result has room behind every place up to `RESULTS_BYTES_TARGET`, and no longer. */
  readonly #bytesMax: number;
  #bytes = new Uint8Array(BYTES_FIRST);
  #view: DataView = new DataView(this.#bytes.buffer);
  /** Of the answer that is being encoded: the frames that are sealed, and the results in them. */
  #sealed: Uint8Array[] = [];
  #sealedCount = 0;
  #sealedBytes = 0;
  #isMakingRoom = false;

  constructor(options: ResultEncoderOptions<Result>) {
    this.#options = options;
    this.#bytesMax = RESULTS_BYTES_TARGET + LENGTH_BYTES + options.resultBytesMax;
  }

  /**
   * The answer to commands from `first` on: one frame of results, or several, one behind the other. A result that is too long, or that
   * `encodeResult` throws at, is lost alone: `onLost` is told how many are, and why the first of them is.
   *
   * @throws RangeError where all together are longer than `ANSWER_BYTES_MAX`, or there is no memory for them.
   */
  encode(
    first: number,
    results: readonly (Result | undefined)[],
    onLost: (count: number, reason: string) => void,
  ): Uint8Array {
    const { encodeResult, resultBytesMax } = this.#options;
    const { length } = results;
    this.#sealed = [];
    this.#sealedCount = 0;
    this.#sealedBytes = 0;
    this.#isMakingRoom = false;
    let lostCount = 0;
    let reason = '';
    let at = HEADER_BYTES;
    let index = 0;
    while (index < length) {
      try {
        for (; index < length; index += 1) {
          if (at + LENGTH_BYTES + resultBytesMax > this.#bytes.length) at = this.#makeRoom(at, first, index);
          const start = at + LENGTH_BYTES;
          const result = results[index];
          const end = result === undefined ? start : encodeResult(result, this.#bytes, this.#view, start);
          if (!(end >= start && end <= start + resultBytesMax))
            throw new RangeError(`a result of ${end - start} bytes, the bound is ${resultBytesMax}`);
          this.#view.setUint32(at, end - start, true);
          at = end;
        }
      } catch (error) {
        if (this.#isMakingRoom) throw error;
        if (lostCount === 0) reason = String(error instanceof Error ? error : textOf(error));
        lostCount += 1;
        this.#view.setUint32(at, LOST_RESULT, true);
        at += LENGTH_BYTES;
        index += 1;
      }
    }
    if (lostCount > 0) onLost(lostCount, reason);
    if (this.#sealedCount === 0) {
      this.#seal(at, first, length);
      return this.#bytes.slice(0, at);
    }
    this.#keep(at, first, length);
    return this.#joined();
  }

  /** For the next result, which is `index`, of those from `first` on, and begins at `at`. Yields where it begins now. */
  #makeRoom(at: number, first: number, index: number): number {
    this.#isMakingRoom = true;
    const isFull = at > RESULTS_BYTES_TARGET;
    if (isFull) this.#keep(at, first, index);
    const begins = isFull ? HEADER_BYTES : at;
    const needed = begins + LENGTH_BYTES + this.#options.resultBytesMax;
    if (needed > this.#bytes.length) {
      const bytes = new Uint8Array(Math.min(this.#bytesMax, Math.max(needed, 2 * this.#bytes.length)));
      bytes.set(this.#bytes.subarray(0, begins));
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer);
    }
    this.#isMakingRoom = false;
    return begins;
  }

  #seal(end: number, first: number, count: number): void {
    sealFrame(this.#bytes, this.#view, end, ClientFrameKind.results, count, first, 0, this.#options.crc32c);
  }

  /** A frame of the results before `index` that are in none yet. */
  #keep(end: number, first: number, index: number): void {
    if (this.#sealedBytes + end > ANSWER_BYTES_MAX)
      throw new RangeError(`results of more than ${ANSWER_BYTES_MAX} bytes in all`);
    this.#seal(end, first + this.#sealedCount, index - this.#sealedCount);
    this.#sealed.push(this.#bytes.slice(0, end));
    this.#sealedCount = index;
    this.#sealedBytes += end;
  }

  #joined(): Uint8Array {
    const answer = new Uint8Array(this.#sealedBytes);
    let end = 0;
    for (const frame of this.#sealed) {
      answer.set(frame, end);
      end += frame.length;
    }
    this.#sealed = [];
    return answer;
  }
}
