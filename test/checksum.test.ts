/** CRC-32C against published values, against a bit-by-bit version, and in pieces. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c, plainChecksum } from '../src/checksum.js';
import { ContractViolation } from '../src/contracts.js';
import { slowChecksum } from './log/recovery-reference.js';

function checksum(bytes: Uint8Array): number {
  return crc32c(bytes, 0, bytes.length, 0);
}

describe('crc32c', () => {
  it('gives the values of RFC 3720, appendix B.4', () => {
    expect(checksum(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(checksum(new Uint8Array(32).fill(255))).toBe(0x62a8ab43);
    expect(checksum(Uint8Array.from({ length: 32 }, (_, index) => index))).toBe(0x46dd794e);
    expect(checksum(Uint8Array.from({ length: 32 }, (_, index) => 31 - index))).toBe(0x113fdb5c);
    expect(checksum(new TextEncoder().encode('123456789'))).toBe(0xe3069283);
    expect(checksum(new Uint8Array(0))).toBe(0);
  });

  it('agrees with the bit-by-bit version, whatever the length and alignment', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), fc.nat(300), (bytes, left, right) => {
        const start = Math.min(left, right, bytes.length);
        const end = Math.min(Math.max(left, right), bytes.length);
        expect(crc32c(bytes, start, end, 0)).toBe(slowChecksum(bytes.subarray(start, end)));
      }),
      { numRuns: 2000 },
    );
  });

  it('continues from a seed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), (bytes, cut) => {
        const middle = Math.min(cut, bytes.length);
        const seed = crc32c(bytes, 0, middle, 0);
        expect(crc32c(bytes, middle, bytes.length, seed)).toBe(checksum(bytes));
      }),
      { numRuns: 1000 },
    );
  });

  it('reads shared memory', () => {
    const shared = new Uint8Array(new SharedArrayBuffer(40), 3, 32);
    expect(plainChecksum.crc32c(shared, 0, 32, 0)).toBe(0x8a9136aa);
  });

  it('refuses ranges outside the bytes', () => {
    const bytes = new Uint8Array(8);
    for (const [start, end] of [
      [-1, 4],
      [5, 4],
      [0, 9],
      [Number.NaN, 4],
    ] as const) {
      expect(() => crc32c(bytes, start, end, 0)).toThrow(ContractViolation);
      expect(() => crc32c(bytes, start, end, 0)).toThrow('checksum-range-in-bytes');
    }
  });
});
