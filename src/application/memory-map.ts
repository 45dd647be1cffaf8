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

export type MappedReference = Extract<SegmentMemoryReference, { readonly kind: 'mapped' }>;

export interface MappedFiles {
  /** Opens a segment's memory that is a mapped file of `bytes` bytes. */
  readonly map: (reference: MappedReference, bytes: number) => Uint8Array;
  /** Ends that: the views have no length afterwards. */
  readonly unmap: (bytes: Uint8Array) => void;
}

export class MemoryMap {
  readonly #memories: Map<number, Memory> = new Map();
  readonly #segmentBytes: number;
  readonly #files: MappedFiles;
  /** Mappings are used for one segment after another, until the engine says that they have served their time. */
  readonly #regions: Map<number, Memory> = new Map();
  /** Takes in what the engine has told and was not heard yet. */
  readonly #hear: () => void;

  constructor(segmentBytes: number, files: MappedFiles, hear: () => void) {
    this.#segmentBytes = segmentBytes;
    this.#files = files;
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
    const memory =
      reference.kind === 'shared'
        ? memoryOf(new Uint8Array(reference.buffer, reference.byteOffset, this.#segmentBytes))
        : this.#mapped(reference);
    this.#memories.set(segment, memory);
  }

  #mapped(reference: MappedReference): Memory {
    const { region } = reference;
    const known = region === undefined ? undefined : this.#regions.get(region);
    if (known !== undefined) return known;
    const memory = memoryOf(this.#files.map(reference, this.#segmentBytes));
    if (region !== undefined) this.#regions.set(region, memory);
    return memory;
  }

  addChunk(chunk: number, buffer: SharedArrayBuffer): void {
    this.#memories.set(-1 - chunk, memoryOf(new Uint8Array(buffer)));
  }

  drop(number: number): void {
    this.#memories.delete(number);
  }

  /**
   * Unmapped at once: a thread that executes much and makes little garbage collects none of it for minutes, and the mapping keeps a removed
   * file's space.
   */
  dropRegion(region: number): void {
    const memory = this.#regions.get(region);
    if (memory === undefined) return;
    this.#regions.delete(region);
    this.#files.unmap(memory.bytes);
  }
}
