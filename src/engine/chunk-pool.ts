/**
 * Memory for what is read back from the log, shared with the application. It is used again: the first touch of a page, with the kernel's fault
 * and zeros, costs more than reading what comes into it.
 */

export interface PooledChunk {
  readonly id: number;
  readonly buffer: SharedArrayBuffer;
}

export interface ChunkPoolOptions {
  /** Of each chunk, but for those that must have more. */
  readonly chunkBytes: number;
  /** The application is told of a chunk before anything in it is handed over, and when it is gone. */
  readonly onChunk: (id: number, buffer: SharedArrayBuffer) => void;
  readonly onChunkGone: (id: number) => void;
}

export class ChunkPool {
  readonly #options: ChunkPoolOptions;
  #next = 0;
  readonly #taken: Map<number, PooledChunk> = new Map();
  #free: PooledChunk[] = [];

  constructor(options: ChunkPoolOptions) {
    this.#options = options;
  }

  get isEmpty(): boolean {
    return this.#taken.size === 0;
  }

  /** A chunk of `bytes` bytes or more, to be written over. */
  take(bytes: number): PooledChunk {
    const { chunkBytes, onChunk } = this.#options;
    let chunk = bytes <= chunkBytes ? this.#free.pop() : undefined;
    if (chunk === undefined) {
      chunk = { id: this.#next, buffer: new SharedArrayBuffer(Math.max(bytes, chunkBytes)) };
      this.#next += 1;
      onChunk(chunk.id, chunk.buffer);
    }
    this.#taken.set(chunk.id, chunk);
    return chunk;
  }

  /** Only these are still in use. Once none is, no memory is held either. */
  keep(used: ReadonlySet<number>): void {
    const { chunkBytes, onChunkGone } = this.#options;
    for (const [id, chunk] of this.#taken) {
      if (used.has(id)) continue;
      this.#taken.delete(id);
      if (chunk.buffer.byteLength > chunkBytes) onChunkGone(id);
      else this.#free.push(chunk);
    }
    if (this.#taken.size > 0) return;
    for (const { id } of this.#free) onChunkGone(id);
    this.#free = [];
  }
}
