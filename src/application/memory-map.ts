/** The application thread's view of the engine's memories: log segments, read-back chunks, and its own outbox. */

import { invariant } from '../contracts.js';
import type { SegmentMemoryReference } from '../storage/log-medium.js';

export interface Memory {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

export function memoryOf(bytes: Uint8Array): Memory {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
}

/** Maps the file that is a segment's memory. */
export type MapFile = (path: string, bytes: number, readOnly: boolean) => Uint8Array;

export class MemoryMap {
  readonly #memories: Map<number, Memory> = new Map();
  readonly #segmentBytes: number;
  readonly #mapFile: MapFile;
  /** Takes in what the engine has told and was not heard yet. */
  readonly #hear: () => void;

  constructor(segmentBytes: number, mapFile: MapFile, hear: () => void) {
    this.#segmentBytes = segmentBytes;
    this.#mapFile = mapFile;
    this.#hear = hear;
  }

  /** The memory with that number: a segment's, or `-1 - chunk` for a chunk. */
  get(number: number): Memory {
    let memory = this.#memories.get(number);
    if (memory === undefined) {
      // The engine tells of a memory before it uses it, by a message that may still wait behind this call.
      this.#hear();
      memory = this.#memories.get(number);
      invariant(memory !== undefined, 'memory-told-before-used', () => `${number}`);
    }
    return memory;
  }

  addSegment(segment: number, reference: SegmentMemoryReference): void {
    const bytes =
      reference.kind === 'shared'
        ? new Uint8Array(reference.buffer, reference.byteOffset, this.#segmentBytes)
        : this.#mapFile(reference.path, this.#segmentBytes, reference.readOnly);
    this.#memories.set(segment, memoryOf(bytes));
  }

  addChunk(chunk: number, buffer: SharedArrayBuffer): void {
    this.#memories.set(-1 - chunk, memoryOf(new Uint8Array(buffer)));
  }

  drop(number: number): void {
    this.#memories.delete(number);
  }
}
