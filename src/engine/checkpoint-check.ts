/**
 * Reads a checkpoint along with a peer that copies it from its beginning: what the disk has damaged is found by its owner, who can make
 * another. The peer, who finds it too, could only ask somebody else.
 */

import { type BlockHandler, BlockReader } from '../checkpoint/blocks.js';
import { CHECKPOINT_HEADER_BYTES } from '../checkpoint/format.js';
import { readCheckpointHeader } from '../checkpoint/header.js';
import type { Crc32c } from '../checksum.js';

const ignore: BlockHandler = { onSessions: () => {}, onCookie: () => {}, onState: () => {} };

export class CheckpointCheck {
  readonly #bytes: number;
  readonly #crc32c: Crc32c;
  #reader: BlockReader | null = null;
  /** Everything before it was read in order; infinite where that cannot be said. */
  #next = 0;

  /** `bytes`: of the whole checkpoint. */
  constructor(bytes: number, crc32c: Crc32c) {
    this.#bytes = bytes;
    this.#crc32c = crc32c;
  }

  /** What is wrong with the bytes that were read at `offset`; null where they are sound, or do not follow those before. */
  take(offset: number, chunk: Uint8Array): string | null {
    if (offset !== this.#next) {
      // What was read before is asked for again; or something was left out.
      if (offset > this.#next) this.#next = Number.POSITIVE_INFINITY;
      return null;
    }
    let body = chunk;
    if (this.#reader === null) {
      // Whoever asks for so little takes no checkpoint: its own check needs the header in one piece too.
      if (chunk.length < CHECKPOINT_HEADER_BYTES) {
        this.#next = Number.POSITIVE_INFINITY;
        return null;
      }
      const reading = readCheckpointHeader(chunk, this.#crc32c);
      if (reading.kind !== 'valid') return `its header is ${reading.kind}`;
      this.#reader = new BlockReader(reading.chain, CHECKPOINT_HEADER_BYTES, this.#crc32c, ignore);
      body = chunk.subarray(CHECKPOINT_HEADER_BYTES);
    }
    this.#next = offset + chunk.length;
    const state = this.#reader.push(body);
    if (state.kind === 'damaged') return `byte ${state.offset}: ${state.reason}`;
    return this.#next === this.#bytes && state.kind !== 'complete' ? 'it has no end' : null;
  }
}
