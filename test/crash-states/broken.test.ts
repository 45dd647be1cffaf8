/** Aim: the enumeration bites. Method: media, devices and writers that are wrong in one way each; a violation must be found. */

import { describe, expect, test } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import { ContractViolation } from '../../src/contracts.js';
import { Explorer } from './explorer.js';
import { exploreProgram } from './programs.js';
import { type MediumKind, mediumKinds, type WriterBreakage } from './session.js';
import type { Breakage } from './simulated-system.js';

const cases: readonly {
  readonly breakage: Breakage | WriterBreakage;
  readonly media: readonly MediumKind[];
  readonly program: string;
  /** A second crash on one in so many images; 8 if left out. */
  readonly secondCrashEvery?: number;
  readonly what: RegExp;
}[] = [
  {
    breakage: 'directory-not-synced',
    media: ['file', 'uring', 'pmem'],
    program: 'small flush',
    what: /^lost: record/,
  },
  {
    breakage: 'parents-not-synced',
    media: ['file', 'uring', 'pmem'],
    program: 'small flush',
    what: /^lost: record/,
  },
  {
    breakage: 'acknowledged-before-sync',
    media: ['file', 'uring'],
    program: 'small flush step step',
    what: /^lost: record/,
  },
  // The process is killed while its writes are in the page cache; the next one acts on them, and then the power goes.
  {
    breakage: 'recovered-not-synced',
    media: ['file', 'uring'],
    program: 'small flush kill',
    what: /^lost: record/,
  },
  { breakage: 'recovered-not-synced', media: ['pmem'], program: 'small kill', what: /^lost: record/ },
  {
    breakage: 'completions-mixed-up',
    media: ['uring'],
    program: 'small flush small flush newest',
    what: /^lost: record/,
  },
  { breakage: 'flush-missing', media: ['pmem'], program: 'small flush', what: /^lost: record/ },
  { breakage: 'flush-too-short', media: ['pmem'], program: 'small flush', what: /^(lost|refused):/ },
  { breakage: 'fence-too-early', media: ['pmem'], program: 'small flush', what: /^lost: record/ },
  // Two segments are begun behind one whose end is torn. If the first of them goes and the second stays, a segment is missing.
  {
    breakage: 'unused-removed-early',
    media: ['file', 'uring'],
    program: 'small roll small roll small flush newest',
    secondCrashEvery: 1,
    what: /^(refused: .*segment-lost|contract: discard-after-the-next-header)/,
  },
  // A legal state is taken for damage: records and headers say of what is torn that it was durable.
  {
    breakage: 'durability-overstated',
    media: ['uring'],
    program: 'small flush small flush step step',
    what: /^(refused: .*record-damaged|contract: durable-only-what-was-written)/,
  },
  {
    breakage: 'checksums-missing',
    media: ['file', 'uring', 'pmem'],
    program: 'large large flush step',
    what: /^(changed|invented|refused|lost):/,
  },
];

function explore(
  kind: MediumKind,
  program: string,
  breakage: Breakage | WriterBreakage | null,
  imagesMax: number,
  secondCrashEvery: number,
): Explorer {
  const explorer = new Explorer({ kind, crc32c, seed: 1, imagesMax, secondCrashEvery, breakage });
  exploreProgram(explorer, program.split(' '));
  return explorer;
}

/** A contract may notice what is wrong before a medium shows it. */
function firstFinding(run: () => Explorer): string | undefined {
  try {
    return run().violations[0]?.what;
  } catch (error) {
    if (error instanceof ContractViolation) return `contract: ${error.contract}`;
    throw error;
  }
}

for (const { breakage, media, program, secondCrashEvery = 8, what } of cases) {
  test.each(media)(`%s, ${breakage}: found by '${program}'`, (kind) => {
    expect(firstFinding(() => explore(kind, program, breakage, 48, secondCrashEvery))).toMatch(what);
  });
}

describe.each(mediumKinds)('%s', (kind) => {
  const programs = cases.filter(({ media }) => media.includes(kind)).map(({ program }) => program);

  test.each([...new Set(programs)])(`'%s' finds nothing wrong with what is right`, (program) => {
    expect(explore(kind, program, null, 12, 20).violations).toEqual([]);
  });
});
