/** Ballots, configurations and quorums: small values, checked against obviously right ones. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatBallot,
  MEMBER_NUMBER_MAX,
  makeBallot,
  nextBallot,
  noBallot,
  ownerOf,
  ROUND_MAX,
  roundOf,
} from '../../src/protocol/ballot.js';
import type { Configuration } from '../../src/protocol/configuration.js';
import {
  genesisConfiguration,
  memberById,
  memberByNumber,
  quorumSize,
  readmit,
} from '../../src/protocol/configuration.js';
import { forEachSlot, sameDecree } from '../../src/protocol/decree.js';
import { b, configurationOf, contractOf, decree, incarnationOf, noop } from './harness.js';

const round = fc.integer({ min: 1, max: ROUND_MAX });
const member = fc.integer({ min: 1, max: MEMBER_NUMBER_MAX });

describe('ballots', () => {
  it('are ordered by round, then by member, and tell both', () => {
    fc.assert(
      fc.property(round, member, round, member, (round1, member1, round2, member2) => {
        const first = makeBallot(round1, member1);
        const second = makeBallot(round2, member2);
        expect(Number.isSafeInteger(first)).toBe(true);
        expect([roundOf(first), ownerOf(first)]).toEqual([round1, member1]);
        expect(first < second).toBe(round1 < round2 || (round1 === round2 && member1 < member2));
        expect(first).toBeGreaterThan(noBallot);
      }),
    );
  });

  it('the next one of a member is above, its own, and the lowest such', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), member, member, (round, owner, other) => {
        const ballot = makeBallot(round, owner);
        const next = nextBallot(ballot, other);
        expect(next).toBeGreaterThan(ballot);
        expect(ownerOf(next)).toBe(other);
        expect(roundOf(next)).toBe(round + 1);
      }),
    );
    expect(nextBallot(noBallot, 3)).toBe(makeBallot(1, 3));
  });

  it('are shown as round and member', () => {
    expect(formatBallot(b(12, 3))).toBe('12.3');
    expect(formatBallot(noBallot)).toBe('-');
  });

  it('ballot-round-in-bounds', () => {
    for (const bad of [0, -1, 1.5, ROUND_MAX + 1, Number.NaN])
      expect(contractOf(() => makeBallot(bad, 1))).toBe('ballot-round-in-bounds');
  });

  it('ballot-member-in-bounds', () => {
    for (const bad of [0, -1, 1.5, MEMBER_NUMBER_MAX + 1])
      expect(contractOf(() => makeBallot(1, bad))).toBe('ballot-member-in-bounds');
  });
});

describe('quorums', () => {
  it('any two of one configuration have a member in common, and none is larger than it must be', () => {
    for (let size = 1; size <= 7; size += 1) {
      const quorum = quorumSize(configurationOf(size));
      const groups: number[] = [];
      for (let group = 0; group < 2 ** size; group += 1) {
        let members = 0;
        for (let bit = group; bit > 0; bit >>= 1) members += bit & 1;
        if (members === quorum) groups.push(group);
      }
      for (const one of groups) for (const other of groups) expect(one & other).not.toBe(0);
      // Two groups of one member fewer may miss each other.
      expect(2 * (quorum - 1)).toBeLessThanOrEqual(size);
    }
  });
});

describe('configurations', () => {
  it('number the first members by their ids', () => {
    const configuration = genesisConfiguration([
      { id: 'z', incarnation: incarnationOf('z') },
      { id: 'a', incarnation: incarnationOf('a') },
    ]);
    expect(configuration.members.map(({ number, id }) => [number, id])).toEqual([
      [1, 'a'],
      [2, 'z'],
    ]);
    expect(configuration.number).toBe(1);
    expect(configuration.nextMember).toBe(3);
  });

  it('let a replica in again under a number that nobody ever had', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 30 }), (ids) => {
        let current: Configuration = configurationOf(3);
        const given: Set<number> = new Set([1, 2, 3]);
        for (const [index, id] of ids.entries()) {
          const next = readmit(current, id, incarnationOf(id, index));
          const newcomer = memberById(next, id)!;
          expect(given.has(newcomer.number)).toBe(false);
          given.add(newcomer.number);
          expect(next.number).toBe(current.number + 1);
          expect(next.members.map((each) => each.id).sort()).toEqual(['a', 'b', 'c']);
          for (const { id: other } of next.members)
            if (other !== id) expect(memberById(next, other)).toBe(memberById(current, other));
          current = next;
        }
      }),
      { numRuns: 100 },
    );
  });

  it('find members by number and by id', () => {
    const configuration = configurationOf(3);
    expect(memberByNumber(configuration, 2)?.id).toBe('b');
    expect(memberByNumber(configuration, 9)).toBeUndefined();
    expect(memberById(configuration, 'c')?.number).toBe(3);
    expect(memberById(configuration, 'x')).toBeUndefined();
  });

  it('configuration-not-empty and configuration-ids-distinct', () => {
    const one = { id: 'a', incarnation: incarnationOf('a') };
    expect(contractOf(() => genesisConfiguration([]))).toBe('configuration-not-empty');
    expect(contractOf(() => genesisConfiguration([one, one]))).toBe('configuration-ids-distinct');
  });

  it('readmit-known-id and member-numbers-left', () => {
    const current = configurationOf(3);
    expect(contractOf(() => readmit(current, 'x', incarnationOf('x')))).toBe('readmit-known-id');
    const full = { ...current, nextMember: MEMBER_NUMBER_MAX + 1 };
    expect(contractOf(() => readmit(full, 'a', incarnationOf('a', 2)))).toBe('member-numbers-left');
  });
});

describe('decrees', () => {
  it('are the same by content, wherever they lie', () => {
    expect(sameDecree(decree('x'), { ...decree('x'), source: 'elsewhere' })).toBe(true);
    expect(sameDecree(decree('x'), decree('y'))).toBe(false);
    expect(sameDecree(decree('x', 10), decree('x', 11))).toBe(false);
    expect(sameDecree(decree('x'), { ...decree('x'), commands: 2 })).toBe(false);
    expect(sameDecree(noop(), noop())).toBe(true);
  });
});

describe('entries of slots', () => {
  it('are visited where they are, whether the entries or the slots are fewer', () => {
    const entries = new Map([
      [2, 'two'],
      [5, 'five'],
      [9, 'nine'],
    ]);
    for (const [from, through] of [
      [3, 5],
      [2, 9],
      [1, 1_000_000],
      [6, 8],
      [10, 9],
    ] as const) {
      const seen: [number, string][] = [];
      forEachSlot(entries, from, through, (slot, entry) => seen.push([slot, entry]));
      expect(seen).toEqual([...entries].filter(([slot]) => slot >= from && slot <= through));
    }
  });
});
