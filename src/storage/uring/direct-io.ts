/** What the file system of a directory says about O_DIRECT, asked before there is a segment to ask about. */

import fs from 'node:fs';
import path from 'node:path';
import { requireAddon } from '../../native/addon.js';
import { readSectorBytes } from './sector-size.js';

/** Memory and file positions are whole pages where nobody says otherwise. */
export const PAGE_BYTES = 4096;
const BLOCK_BYTES_MIN = 512;
/** Linux: a file without a name, gone when it is closed. Node names only a part of it. */
const O_TMPFILE = 0o20000000 | fs.constants.O_DIRECTORY;

export interface DirectIo {
  /** False where the file system refuses O_DIRECT. */
  readonly direct: boolean;
  /** What writes are multiples of. A power of two from 512 to 4096. */
  readonly blockBytes: number;
  /** For `reason`. */
  readonly description: string;
}

const buffered = (why: string): DirectIo => ({
  direct: false,
  blockBytes: PAGE_BYTES,
  description: `buffered writes, as ${why}`,
});

/** Never throws: what cannot be found out is assumed, and shows when the first segment is made. */
export function probeDirectIo(directory: string): DirectIo {
  const place = nearestExisting(directory);
  let fd: number;
  try {
    fd = fs.openSync(place, fs.constants.O_RDWR | O_TMPFILE | fs.constants.O_DIRECT, 0o600);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // O_DIRECT is what EINVAL is about; a file system without O_TMPFILE says ENOTSUP or EISDIR.
    if (code === 'EINVAL') return buffered('the file system refuses O_DIRECT');
    return { direct: true, blockBytes: PAGE_BYTES, description: 'O_DIRECT where the file system takes it' };
  }
  try {
    const alignment = requireAddon().readDirectIoAlignment?.(`/proc/self/fd/${fd}`) ?? null;
    if (alignment === null) return { direct: true, blockBytes: PAGE_BYTES, description: 'O_DIRECT' };
    if (alignment.offset === 0) return buffered('the file system has no O_DIRECT here');
    const wanted = Math.max(alignment.offset, alignment.memory, BLOCK_BYTES_MIN);
    if (wanted > PAGE_BYTES || (wanted & (wanted - 1)) !== 0) {
      return buffered(`O_DIRECT wants blocks of ${wanted} bytes here`);
    }
    const blockBytes = blockBytesFor(wanted, readSectorBytes(fs.fstatSync(fd).dev));
    return { direct: true, blockBytes, description: `O_DIRECT in blocks of ${blockBytes}` };
  } catch {
    return { direct: true, blockBytes: PAGE_BYTES, description: 'O_DIRECT' };
  } finally {
    fs.closeSync(fd);
  }
}

/**
 * A disk that takes less than its sector (512e) reads the sector, changes it and writes all of it: a power cut in the middle may take
 * acknowledged records that lie in it with the one that is written. So each sector is written once. `sector`: null where it is not known.
 */
export function blockBytesFor(wanted: number, sector: number | null): number {
  // A disk may tell of a unit that is no power of two.
  const isPower = sector !== null && (sector & (sector - 1)) === 0;
  return Math.max(wanted, isPower ? Math.min(sector, PAGE_BYTES) : PAGE_BYTES);
}

function nearestExisting(directory: string): string {
  let place = path.resolve(directory);
  while (!fs.existsSync(place) && path.dirname(place) !== place) place = path.dirname(place);
  return place;
}
