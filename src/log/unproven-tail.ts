/**
 * Which bytes of a log that was read are not proven durable by what the log says of itself. A process that was killed leaves
 * writes in the page cache that nobody has synced. A file system that fails a sync
 * may go on to show the bytes of which it lost the way to the disk, and the next sync of them succeeds (Rebello et al., "Can
 * Applications Recover from fsync Failures?", USENIX ATC 2020): a replica that starts again on such bytes acts on what a power
 * cut takes away. So they are written once more before anything is built on them.
 */

import { requires } from '../contracts.js';
import type { SegmentScan } from './segment-scan.js';

/** Bytes [from, to) of a segment. */
export interface SegmentRange {
  readonly segment: number;
  readonly from: number;
  readonly to: number;
}

interface Scanned extends SegmentRange {
  /** Of its last record. */
  readonly last: number;
}

export class UnprovenTail {
  #scanned: Scanned[] = [];
  #durable = 0;

  /** Adds the records of the next segment, in the order in which recovery hands them out. */
  fold(scan: SegmentScan): void {
    const { header, records, durable, nextSequence, endOffset } = scan;
    requires((this.#scanned.at(-1)?.segment ?? -1) < header.segment, 'tail-folds-segments-in-order');
    this.#durable = Math.max(this.#durable, header.durable, durable);
    const proven = this.#durable - header.firstSequence + 1;
    // The header came with the first record. Alone it voids what is behind its first sequence in older segments.
    let from = 0;
    if (proven > 0) from = proven < records.count ? records.offsets[proven]! : endOffset;
    this.#scanned.push({
      segment: header.segment,
      from,
      to: endOffset,
      last: Math.max(nextSequence - 1, header.firstSequence),
    });
    this.#scanned = this.#scanned.filter(({ last }) => last > this.#durable);
  }

  /** In the order of the log. */
  ranges(): readonly SegmentRange[] {
    return this.#scanned.map(({ segment, from, to }) => ({ segment, from, to }));
  }
}
