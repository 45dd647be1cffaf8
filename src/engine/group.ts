/**
 * Groups: what a decree's payload consists of. A group is a run of commands of one replica; each command is its length
 * (u32, little endian) and its bytes. The header says whose they are, so that each is executed once and its result finds
 * its caller.
 *
 *     0  u32  member number of the replica that the commands were given to
 *     4  u32  number of commands
 *     8  u64  session: the start number of that replica's process
 *    16  u64  sequence number of the first command in the session
 *    24  u32  bytes of the commands
 *    28  u32  flags: 1 exclusive, 2 last
 */

import { readUint64, writeUint64 } from '../log/record.js';
import type { Piece } from '../wire/frame.js';

/** Of a group that is one command in a decree of its own. `last` comes with `exclusive`. */
export const GroupFlag = {
  /** Nothing stands beside it in its decree. */
  exclusive: 1,
  /** The primary that proposed it hands over once it is executed. */
  last: 2,
} as const;

export interface Group {
  origin: number;
  count: number;
  session: number;
  first: number;
  bytes: number;
  flags: number;
}

export function writeGroupHeader(
  target: Uint8Array,
  at: number,
  origin: number,
  count: number,
  session: number,
  first: number,
  bytes: number,
  flags = 0,
): void {
  const view = new DataView(target.buffer, target.byteOffset + at, 32);
  view.setUint32(0, origin, true);
  view.setUint32(4, count, true);
  writeUint64(view, 8, session);
  writeUint64(view, 16, first);
  view.setUint32(24, bytes, true);
  view.setUint32(28, flags, true);
}

export function readGroupHeader(view: DataView, at: number, into: Group): void {
  into.origin = view.getUint32(at, true);
  into.count = view.getUint32(at + 4, true);
  into.session = readUint64(view, at + 8);
  into.first = readUint64(view, at + 16);
  into.bytes = view.getUint32(at + 24, true);
  into.flags = view.getUint32(at + 28, true);
}

/** Whether the pieces hold `count` commands, each behind its length, and nothing else. */
export function holdsCommands(pieces: readonly Piece[], count: number): boolean {
  let commands = 0;
  /** Bytes of the present command that are to come. */
  let left = 0;
  let length = 0;
  let lengthBytes = 0;
  for (const { bytes, start, end } of pieces) {
    for (let at = start; at < end; ) {
      if (left > 0) {
        const part = Math.min(left, end - at);
        left -= part;
        at += part;
        continue;
      }
      length += bytes[at]! * 2 ** (8 * lengthBytes);
      lengthBytes += 1;
      at += 1;
      if (lengthBytes < 4) continue;
      commands += 1;
      left = length;
      length = 0;
      lengthBytes = 0;
    }
  }
  return left === 0 && lengthBytes === 0 && commands === count;
}
