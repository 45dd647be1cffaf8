/**
 * Gives back the memory of segments that nothing refers to, also those behind one that is still in use: a peer that does not read, or
 * an application that lags, holds what it waits for and not everything since.
 */

import type { Slot } from '../protocol/decree.js';
import type { Deliveries } from './deliveries.js';
import type { Grants } from './grants.js';
import type { Links } from './links.js';
import type { LogKeeper } from './log-keeper.js';
import type { LogReader } from './log-reader.js';
import type { LogWriter } from './log-writer.js';

export interface SegmentReleaseOptions {
  readonly log: LogWriter;
  readonly keeper: LogKeeper;
  readonly grants: Grants;
  readonly deliveries: Deliveries;
  readonly reader: LogReader;
  readonly links: Links;
  /** Slots that are accepted and not known to be chosen. */
  readonly open: () => ReadonlyMap<Slot, unknown>;
}

export class SegmentRelease {
  readonly #options: SegmentReleaseOptions;
  /** Looking for memory to give back costs time: once a tick. */
  isDue = false;

  constructor(options: SegmentReleaseOptions) {
    this.#options = options;
  }

  release(): void {
    const { log, keeper } = this.#options;
    if (!this.isDue || log.resident.size <= 1) return;
    this.isDue = false;
    keeper.release(log.persistedBelow, this.#inUse());
  }

  #inUse(): Set<number> {
    const { grants, deliveries, reader, links, open } = this.#options;
    const used = new Set<number>();
    grants.addSegments(used);
    deliveries.addSegments(used);
    // What is chosen and not handed over yet is read back if need be; what is open must stay.
    for (const slot of open().keys()) {
      const segment = reader.find(slot)?.segment;
      if (segment !== undefined) used.add(segment);
    }
    links.addMemories(used);
    return used;
  }
}
