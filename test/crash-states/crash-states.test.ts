/**
 * Aim: whatever a power cut leaves, what was acknowledged is there, nothing is invented, no legal state is called corrupt, and the
 * next writer can go on. Method: short programs against the real media, all images or a sample at each point. The long runs
 * are `npm run crash-states`.
 */

import { describe, expect, test } from 'vitest';
import { crc32c as portableCrc32c } from '../../src/checksum.js';
import { loadAddon } from '../../src/native/addon.js';
import { flipBits, makeFlipCounts, makeFlipLog } from './bit-flips.js';
import { Explorer } from './explorer.js';
import { explorePrograms, exploreRandom } from './programs.js';
import { mediumKinds } from './session.js';

const crc32c = loadAddon().addon?.crc32c ?? portableCrc32c;

describe.each(mediumKinds)('%s', (kind) => {
  test('all programs of up to two steps', () => {
    const explorer = new Explorer({ kind, crc32c, seed: 1, imagesMax: 32, secondCrashEvery: 50 });
    explorePrograms(explorer, 2, () => true);
    expect(explorer.violations).toEqual([]);
    expect(explorer.counts.programs).toBeGreaterThan(10);
    expect(explorer.counts.torn).toBeGreaterThan(0);
  });

  test('random programs', () => {
    const explorer = new Explorer({ kind, crc32c, seed: 1, imagesMax: 8, secondCrashEvery: 50 });
    for (let seed = 1; seed <= 3; seed += 1) exploreRandom(explorer, seed, 30);
    expect(explorer.violations).toEqual([]);
    expect(explorer.counts.images).toBeGreaterThan(200);
  });

  test('the same seed makes the same run', () => {
    const counts = [1, 2].map(() => {
      const explorer = new Explorer({ kind, crc32c, seed: 1, imagesMax: 4, secondCrashEvery: 50 });
      exploreRandom(explorer, 7, 30);
      return explorer.counts;
    });
    expect(counts[0]).toEqual(counts[1]);
  });
});

describe('single bits', () => {
  const log = makeFlipLog(64 * 1024, crc32c);

  // All of them: npm run crash-states -- --bit-flips 65536.
  test('of every 251st byte: noticed, or without meaning, or in the last record', () => {
    const counts = makeFlipCounts(65_536);
    for (let byte = 0; byte < 65_536; byte += 251) flipBits(log, byte * 8, byte * 8 + 8, crc32c, counts);
    expect(counts.violations).toEqual([]);
    expect(counts.refused).toBeGreaterThan(counts.flips / 2);
  });

  test('of the last record and of the space behind it: torn, or without meaning', () => {
    const counts = makeFlipCounts(65_536);
    const at = [...log.segments.keys()].indexOf(log.last.segment) * 16_384 + log.last.offset;
    flipBits(log, at * 8, (at + 200) * 8, crc32c, counts);
    expect(counts.violations).toEqual([]);
    expect(counts.refused).toBe(0);
    expect(counts.lastDiscarded).toBeGreaterThan(0);
  });

  test('a checksum that sees nothing is found out', () => {
    const blind = makeFlipLog(16_384, () => 1);
    const counts = makeFlipCounts(16_384);
    flipBits(blind, 4096 * 8, 5000 * 8, () => 1, counts);
    expect(counts.violations.length).toBeGreaterThan(0);
  });
});
