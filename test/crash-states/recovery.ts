/** Recovers from images in memory by the code that recovers from media. */

import type { Crc32c } from '../../src/checksum.js';
import { type RecoveredLog, type RestoredCheckpoint, recoverLog } from '../../src/engine/recover.js';
import type { SynodError } from '../../src/errors.js';
import { parseSegmentName } from '../../src/storage/directory.js';
import type { Callback, LogMedium, SegmentSummary } from '../../src/storage/log-medium.js';
import type { Image } from './disk.js';

export const identity = { cluster: 'crash', replica: 'states' };

export type Recovery =
  | { readonly kind: 'recovered'; readonly recovered: RecoveredLog }
  | { readonly kind: 'refused'; readonly error: SynodError };

/** What a medium finds in a directory with these files. */
export function segmentsOf(image: Image): Map<number, Uint8Array> {
  const segments = new Map<number, Uint8Array>();
  for (const [name, bytes] of image) {
    const segment = parseSegmentName(name);
    if (segment !== null) segments.set(segment, bytes);
  }
  return new Map([...segments].sort(([left], [right]) => left - right));
}

/** The reading half of a medium, over memory; it answers at once. */
function readOnlyMedium(segments: ReadonlyMap<number, Uint8Array>): LogMedium {
  const read = (segment: number, offset: number, target: Uint8Array, callback: Callback<number>): void => {
    const source = segments.get(segment)!.subarray(offset, offset + target.length);
    target.set(source);
    callback(null, source.length);
  };
  // What is read here is what a disk holds.
  const harden: LogMedium['harden'] = (_segment, _from, _to, callback) => callback(null);
  return { read, harden } as LogMedium;
}

/** `checkpoint`: the newest that is durable beside the log. */
export function recoverSegments(
  segments: ReadonlyMap<number, Uint8Array>,
  checkpoint: RestoredCheckpoint | null,
  crc32c: Crc32c,
): Recovery {
  const summaries: SegmentSummary[] = [...segments].map(([segment, { length }]) => ({
    segment,
    bytes: length,
  }));
  let recovery: Recovery | null = null;
  recoverLog(readOnlyMedium(segments), summaries, { ...identity, checkpoint }, crc32c, (error, recovered) => {
    recovery = error === null ? { kind: 'recovered', recovered: recovered! } : { kind: 'refused', error };
  });
  if (recovery === null) throw new Error('recovery did not end');
  return recovery;
}
