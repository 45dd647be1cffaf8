/**
 * CRC-32C (Castagnoli), the checksum of log records and wire frames, in plain TypeScript. The addon has a
 * faster one with the same signature; whoever needs a checksum takes the function as a parameter, so that
 * both can be put in its place.
 */

import { requires } from './contracts.js';

/**
 * CRC-32C of bytes [start, end), unsigned. `seed` is 0 to begin; the checksum of what stands before makes it
 * continue: `crc(a + b) = crc(b, seed = crc(a))`.
 */
export type Crc32c = (bytes: Uint8Array, start: number, end: number, seed: number) => number;

/** A provider of the checksum: this file's, or the addon. */
export interface Checksum {
  readonly crc32c: Crc32c;
}

/** The Castagnoli polynomial, bits reversed. */
const POLYNOMIAL = 0x82f63b78;

/** `table(n)[byte]` is what `byte` contributes when n zero bytes follow it. */
function makeTables(): readonly Int32Array[] {
  const tables: Int32Array[] = [];
  const first = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let remainder = byte;
    for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (remainder & 1 ? POLYNOMIAL : 0);
    first[byte] = remainder;
  }
  tables.push(first);
  for (let distance = 1; distance < 16; distance++) {
    const nearer = tables[distance - 1]!;
    const table = new Int32Array(256);
    for (let byte = 0; byte < 256; byte++) {
      table[byte] = (nearer[byte]! >>> 8) ^ first[nearer[byte]! & 255]!;
    }
    tables.push(table);
  }
  return tables;
}

// Sixteen names instead of an array of tables: the lookups then have constant bases.
const tables = makeTables();
const table0: Int32Array = tables[0]!;
const table1: Int32Array = tables[1]!;
const table2: Int32Array = tables[2]!;
const table3: Int32Array = tables[3]!;
const table4: Int32Array = tables[4]!;
const table5: Int32Array = tables[5]!;
const table6: Int32Array = tables[6]!;
const table7: Int32Array = tables[7]!;
const table8: Int32Array = tables[8]!;
const table9: Int32Array = tables[9]!;
const table10: Int32Array = tables[10]!;
const table11: Int32Array = tables[11]!;
const table12: Int32Array = tables[12]!;
const table13: Int32Array = tables[13]!;
const table14: Int32Array = tables[14]!;
const table15: Int32Array = tables[15]!;

/** CRC-32C without the addon, sixteen bytes at a time. */
export function crc32c(bytes: Uint8Array, start: number, end: number, seed: number): number {
  // Outside the array every byte would read as zero, and a wrong checksum would be written without a word.
  requires(start >= 0 && start <= end && end <= bytes.length, 'checksum-range-in-bytes');
  let crc = ~seed;
  let at = start;
  const wideEnd = end - 15;
  while (at < wideEnd) {
    crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    crc =
      table15[crc & 255]! ^
      table14[(crc >>> 8) & 255]! ^
      table13[(crc >>> 16) & 255]! ^
      table12[crc >>> 24]! ^
      table11[bytes[at + 4]!]! ^
      table10[bytes[at + 5]!]! ^
      table9[bytes[at + 6]!]! ^
      table8[bytes[at + 7]!]! ^
      table7[bytes[at + 8]!]! ^
      table6[bytes[at + 9]!]! ^
      table5[bytes[at + 10]!]! ^
      table4[bytes[at + 11]!]! ^
      table3[bytes[at + 12]!]! ^
      table2[bytes[at + 13]!]! ^
      table1[bytes[at + 14]!]! ^
      table0[bytes[at + 15]!]!;
    at += 16;
  }
  while (at < end) {
    crc = table0[(crc ^ bytes[at]!) & 255]! ^ (crc >>> 8);
    at++;
  }
  return ~crc >>> 0;
}

/** The provider to use where there is no addon. */
export const plainChecksum: Checksum = { crc32c };
