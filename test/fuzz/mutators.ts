/** Changes to bytes that know nothing of what the bytes mean. */

import type { Random } from './random.js';

const interestingBytes = [0, 1, 2, 7, 8, 16, 32, 63, 64, 127, 128, 254, 255];
const interestingWords = [
  0, 1, 2, 255, 256, 4095, 4096, 65_535, 65_536, 0x1f_ffff, 0x20_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe,
  0xffff_ffff,
];

type Mutator = (bytes: Uint8Array, random: Random, dictionary: readonly Uint8Array[]) => Uint8Array;

function setWord(bytes: Uint8Array, at: number, width: number, value: number): void {
  for (let index = 0; index < width && at + index < bytes.length; index++) {
    bytes[at + index] = index < 4 ? value >>> (8 * index) : 0;
  }
}

function insert(bytes: Uint8Array, at: number, part: Uint8Array): Uint8Array {
  const result = new Uint8Array(bytes.length + part.length);
  result.set(bytes.subarray(0, at));
  result.set(part, at);
  result.set(bytes.subarray(at), at + part.length);
  return result;
}

/** Mostly short, sometimes anything. */
function lengthUpTo(random: Random, most: number): number {
  return 1 + random.below(random.chance(0.7) ? Math.min(most, 16) : most);
}

const mutators: readonly Mutator[] = [
  function flipBit(bytes, random) {
    bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
    return bytes;
  },
  function anyByte(bytes, random) {
    bytes[random.below(bytes.length)] = random.word();
    return bytes;
  },
  function interestingByte(bytes, random) {
    bytes[random.below(bytes.length)] = random.pick(interestingBytes);
    return bytes;
  },
  function interestingWord(bytes, random) {
    setWord(bytes, random.below(bytes.length), random.pick([2, 4, 8]), random.pick(interestingWords));
    return bytes;
  },
  function addSmall(bytes, random) {
    const at = random.below(bytes.length);
    const width = random.pick([1, 2, 4]);
    let value = 0;
    for (let index = 0; index < width; index++) value += (bytes[at + index] ?? 0) * 2 ** (8 * index);
    setWord(bytes, at, width, value + random.below(33) - 16);
    return bytes;
  },
  function digit(bytes, random) {
    const at = random.below(bytes.length);
    for (let index = 0; index < bytes.length; index++) {
      const place = (at + index) % bytes.length;
      if (bytes[place]! < 48 || bytes[place]! > 57) continue;
      bytes[place] = 48 + random.below(10);
      return bytes;
    }
    return bytes;
  },
  function remove(bytes, random) {
    const from = random.below(bytes.length);
    const count = lengthUpTo(random, bytes.length - from);
    const result = new Uint8Array(Math.max(0, bytes.length - count));
    result.set(bytes.subarray(0, from));
    result.set(bytes.subarray(from + count), from);
    return result;
  },
  function truncate(bytes, random) {
    return bytes.slice(0, random.below(bytes.length));
  },
  function insertAny(bytes, random) {
    return insert(bytes, random.below(bytes.length + 1), random.bytes(lengthUpTo(random, 64)));
  },
  function insertSame(bytes, random) {
    const part = new Uint8Array(lengthUpTo(random, 256)).fill(random.pick([0, 255, random.word()]));
    return insert(bytes, random.below(bytes.length + 1), part);
  },
  function repeat(bytes, random) {
    const from = random.below(bytes.length);
    const part = bytes.slice(from, from + lengthUpTo(random, bytes.length - from));
    return insert(bytes, random.below(bytes.length + 1), part);
  },
  function copyWithin(bytes, random) {
    const from = random.below(bytes.length);
    bytes.copyWithin(random.below(bytes.length), from, from + lengthUpTo(random, bytes.length - from));
    return bytes;
  },
  function insertWord(bytes, random, dictionary) {
    if (dictionary.length === 0) return bytes;
    return insert(bytes, random.below(bytes.length + 1), random.pick(dictionary));
  },
  function overwriteWord(bytes, random, dictionary) {
    if (dictionary.length === 0) return bytes;
    const word = random.pick(dictionary);
    if (word.length > bytes.length) return bytes;
    bytes.set(word, random.below(bytes.length - word.length + 1));
    return bytes;
  },
];

/** A changed copy. */
export function mutateBytes(
  input: Uint8Array,
  random: Random,
  dictionary: readonly Uint8Array[],
): Uint8Array {
  let bytes: Uint8Array = input.slice();
  // Mostly one or two changes, sometimes many.
  let count = 1;
  while (count < 16 && random.chance(0.45)) count += 1;
  for (; count > 0; count--) {
    bytes =
      bytes.length === 0
        ? random.bytes(1 + random.below(8))
        : random.pick(mutators)(bytes, random, dictionary);
  }
  return bytes;
}

/** The beginning of one and the end of the other. */
export function splice(first: Uint8Array, second: Uint8Array, random: Random): Uint8Array {
  const head = first.subarray(0, random.below(first.length + 1));
  const tail = second.subarray(random.below(second.length + 1));
  const result = new Uint8Array(head.length + tail.length);
  result.set(head);
  result.set(tail, head.length);
  return result;
}
