/** Where a decree's payload is: what the engine keeps in `DecreeReference.source`. */

import type { Frame } from '../wire/frame.js';

/** In the log. */
export class LogPlace {
  readonly segment: number;
  readonly offset: number;
  constructor(segment: number, offset: number) {
    this.segment = segment;
    this.offset = offset;
  }
}

/** Right behind the log's tail, where the record's payload belongs: nothing to copy. */
export class TailPlace {
  readonly offset: number;
  constructor(offset: number) {
    this.offset = offset;
  }
}

/** In memory of its own, in parts. */
export class HeapPlace {
  readonly parts: readonly Uint8Array[];
  constructor(parts: readonly Uint8Array[]) {
    this.parts = parts;
  }
}

export type Place = LogPlace | TailPlace | HeapPlace | Frame | null;

export function isFrame(source: unknown): source is Frame {
  return typeof source === 'object' && source !== null && 'payload' in source;
}
