/** What an application's side is given of the process around it. */

import { requireAddon } from '../native/addon.js';
import type { MappedFiles } from './memory-map.js';

export function startTimer(timeoutMs: number, call: () => void): () => void {
  const timer = setTimeout(call, timeoutMs);
  return () => clearTimeout(timer);
}

export const mappedFiles: MappedFiles = {
  map: ({ path, readOnly, region }, bytes) => {
    const addon = requireAddon();
    // Null where the engine runs in this thread: then it is mapped a second time.
    const shared = region === undefined ? null : addon.openRegion(region);
    return shared ?? addon.mapSegment(path, bytes, readOnly, false).bytes;
  },
  unmap: (bytes) => requireAddon().unmapSegment(bytes),
};
