/** Which segments' memory something refers to. */

import type { Slot } from '../protocol/decree.js';
import type { Deliveries } from './deliveries.js';
import type { Grants } from './grants.js';
import type { Links } from './links.js';
import type { LogReader } from './log-reader.js';

export function segmentsInUse(
  grants: Grants,
  deliveries: Deliveries,
  open: ReadonlyMap<Slot, unknown>,
  reader: LogReader,
  links: Links,
): Set<number> {
  const used = new Set<number>();
  grants.addSegments(used);
  deliveries.addSegments(used);
  // What is chosen and not handed over yet is read back if need be; what is open must stay.
  for (const slot of open.keys()) {
    const segment = reader.find(slot)?.segment;
    if (segment !== undefined) used.add(segment);
  }
  links.addMemories(used);
  return used;
}
