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
 *    28  u32  0
 */

import { readUint64, writeUint64 } from '../log/record.js';

export interface Group {
  origin: number;
  count: number;
  session: number;
  first: number;
  bytes: number;
}

export function writeGroupHeader(
  target: Uint8Array,
  at: number,
  origin: number,
  count: number,
  session: number,
  first: number,
  bytes: number,
): void {
  const view = new DataView(target.buffer, target.byteOffset + at, 32);
  view.setUint32(0, origin, true);
  view.setUint32(4, count, true);
  writeUint64(view, 8, session);
  writeUint64(view, 16, first);
  view.setUint32(24, bytes, true);
  view.setUint32(28, 0, true);
}

export function readGroupHeader(view: DataView, at: number, into: Group): void {
  into.origin = view.getUint32(at, true);
  into.count = view.getUint32(at + 4, true);
  into.session = readUint64(view, at + 8);
  into.first = readUint64(view, at + 16);
  into.bytes = view.getUint32(at + 24, true);
}
