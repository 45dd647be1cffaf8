/**
 * Small pieces of memory, cut from great ones. Most of what a simulation copies is a frame of some tens of bytes: memory of its own
 * for each costs more than the copy, and has the collector of garbage look at everything again and again.
 */

const SLAB_BYTES = 65_536;

let slab = new Uint8Array(SLAB_BYTES);
let used = 0;

/** Zeros, and nobody else's. */
export function cut(bytes: number): Uint8Array {
  if (bytes > SLAB_BYTES / 4) return new Uint8Array(bytes);
  if (used + bytes > SLAB_BYTES) {
    slab = new Uint8Array(SLAB_BYTES);
    used = 0;
  }
  const piece = slab.subarray(used, used + bytes);
  used += bytes;
  return piece;
}
