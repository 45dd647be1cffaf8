/**
 * A parser with a bug, on purpose: the fuzzer must find it, each time it is asked to. A message is "TOY", a count of items, a
 * checksum of the items, and the items: a length and so many bytes.
 */

export class ToyError extends Error {}

export function toyChecksum(bytes: Uint8Array): number {
  let sum = 7;
  for (const byte of bytes) sum = (sum * 31 + byte) & 0xff;
  return sum;
}

export function parseToy(bytes: Uint8Array): Uint8Array[] {
  if (bytes.length < 5) throw new ToyError('too short');
  if (bytes[0] !== 0x54) throw new ToyError('not a toy');
  if (bytes[1] !== 0x4f) throw new ToyError('not a toy');
  if (bytes[2] !== 0x59) throw new ToyError('not a toy');
  if (bytes[4] !== toyChecksum(bytes.subarray(5))) throw new ToyError('checksum');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const items: Uint8Array[] = [];
  let last = 0;
  let at = 5;
  for (let count = bytes[3]!; count > 0; count--) {
    if (at >= bytes.length) throw new ToyError('an item is missing');
    const length = bytes[at]!;
    // The bug: off by one. An item may say that it has a byte more than there is.
    if (at + length > bytes.length) throw new ToyError('an item is cut off');
    if (length > 0) last = view.getUint8(at + length);
    items.push(bytes.subarray(at + 1, at + 1 + length));
    at += 1 + length;
  }
  if (last === 0x21) items.reverse();
  return items;
}
