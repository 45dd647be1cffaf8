/** What an application's side is given of the process around it. */

import { requireAddon } from '../native/addon.js';
import type { MappedReference } from './memory-map.js';

export function startTimer(timeoutMs: number, call: () => void): () => void {
  const timer = setTimeout(call, timeoutMs);
  return () => clearTimeout(timer);
}

export function openMapped({ path, readOnly, region }: MappedReference, bytes: number): Uint8Array {
  const addon = requireAddon();
  // Null where the engine runs in this thread: then it is mapped a second time.
  const shared = region === undefined ? null : addon.openRegion(region);
  return shared ?? addon.mapSegment(path, bytes, readOnly, false).bytes;
}
