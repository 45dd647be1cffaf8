/** How much a disk writes at once, which may be more than it lets be written. */

import fs from 'node:fs';
import path from 'node:path';

/**
 * Bytes of a sector of the disk that `device` (of `stat`) lies on, as Linux tells them; `null` where it does not: the file system is not on one
 * disk, or not on a disk.
 */
export function readSectorBytes(device: number, sys: string = '/sys'): number | null {
  const { major, minor } = numbersOf(BigInt(device));
  const folder = path.join(sys, 'dev', 'block', `${major}:${minor}`);
  try {
    const real = fs.realpathSync(folder);
    // A partition has its queue in the folder of its disk, which it lies in.
    for (const place of [real, path.dirname(real)]) {
      const file = path.join(place, 'queue', 'physical_block_size');
      if (!fs.existsSync(file)) continue;
      const bytes = Number(fs.readFileSync(file, 'latin1'));
      return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : null;
    }
  } catch {
    // Also where the process may not look.
  }
  return null;
}

/** As the C library puts them together. */
function numbersOf(device: bigint): { readonly major: bigint; readonly minor: bigint } {
  return {
    major: ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xffff_f000n),
    minor: (device & 0xffn) | ((device >> 12n) & 0xffff_ff00n),
  };
}
