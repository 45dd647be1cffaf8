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

/** The place of a payload in memory of its own, which nothing else is ever put into. */
export const OWN_MEMORY: number = Number.POSITIVE_INFINITY;

/** In parts, in memory of their own; or in one that is used again, and then `memory` says which, as in `Link.sending`. */
export class HeapPlace {
  readonly parts: readonly Uint8Array[];
  readonly memory: number;
  constructor(parts: readonly Uint8Array[], memory: number = OWN_MEMORY) {
    this.parts = parts;
    this.memory = memory;
  }
}

export type Place = LogPlace | TailPlace | HeapPlace | Frame | null;

export function isFrame(source: unknown): source is Frame {
  return typeof source === 'object' && source !== null && 'payload' in source;
}
