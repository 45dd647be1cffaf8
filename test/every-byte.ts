/** Damage to bytes, all of it, for what must notice. */

/** Changes every byte of `bytes` to every other value, one at a time; names those changes with which it is still read. */
export function readWithAByteChanged(
  bytes: Uint8Array,
  isRead: (damaged: Uint8Array) => boolean,
): readonly string[] {
  const read: string[] = [];
  const damaged = bytes.slice();
  for (let at = 0; at < bytes.length; at += 1) {
    for (let change = 1; change < 256; change += 1) {
      damaged[at] = bytes[at]! ^ change;
      if (isRead(damaged)) read.push(`byte ${at} as ${damaged[at]}`);
    }
    damaged[at] = bytes[at]!;
  }
  return read;
}
