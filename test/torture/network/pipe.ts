/**
 * One direction of a proxied connection. It keeps the order and loses nothing by itself, as TCP does; it can stand still, be
 * late, flip a bit, or break off in the middle of what it carries. While it stands still, the end of the
 * source is hidden from the sink too: a partition does not tell who died behind it.
 */

import type { Socket } from 'node:net';

/** Held back in memory before the source is no longer read. */
const HELD_BYTES_MAX = 1024 * 1024;

export class Pipe {
  stalled = false;
  delayMs = 0;
  /** Of the next chunk, one bit is flipped: where, as a fraction of its bits. */
  flipAt: number | null = null;
  /** Only this fraction of the next chunk gets through; then the connection is reset. */
  cutAt: number | null = null;

  readonly #source: Socket;
  readonly #sink: Socket;
  readonly #reset: () => void;
  readonly #held: { readonly at: number; readonly bytes: Buffer }[] = [];
  #heldBytes = 0;
  #ended = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(source: Socket, sink: Socket, reset: () => void) {
    this.#source = source;
    this.#sink = sink;
    this.#reset = reset;
    source.on('data', (bytes) => this.#take(bytes));
    source.on('close', () => {
      this.#ended = true;
      this.pump();
    });
    sink.on('drain', () => this.pump());
  }

  /** Sends what is due. To be called when the pipe is changed. */
  pump(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    while (!this.stalled && this.#held.length > 0 && !this.#sink.writableNeedDrain) {
      const { at, bytes } = this.#held[0]!;
      const wait = at - performance.now();
      if (wait > 0) {
        this.#timer = setTimeout(() => this.pump(), wait);
        return;
      }
      this.#held.shift();
      this.#heldBytes -= bytes.length;
      if (!this.#sink.destroyed) this.#sink.write(bytes);
    }
    if (this.#heldBytes < HELD_BYTES_MAX) this.#source.resume();
    if (this.#ended && !this.stalled && this.#held.length === 0) this.#sink.destroySoon();
  }

  drop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#held.length = 0;
  }

  #take(taken: Buffer): void {
    let bytes = taken;
    if (this.flipAt !== null) {
      bytes = Buffer.from(bytes);
      const bit = Math.floor(this.flipAt * bytes.length * 8);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      this.flipAt = null;
    }
    if (this.cutAt !== null) {
      if (!this.#sink.destroyed) this.#sink.write(bytes.subarray(0, Math.floor(this.cutAt * bytes.length)));
      this.cutAt = null;
      this.#reset();
      return;
    }
    this.#held.push({ at: performance.now() + this.delayMs, bytes });
    this.#heldBytes += bytes.length;
    if (this.#heldBytes >= HELD_BYTES_MAX) this.#source.pause();
    this.pump();
  }
}
