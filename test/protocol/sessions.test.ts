/** Each command once, in the order of its replica, although it may be sent more than once ("Exactly once"). */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SessionTable } from '../../src/protocol/sessions.js';

describe('a session', () => {
  it('begins with its first command and goes on without a gap', () => {
    const table = new SessionTable();
    expect(table.admit(1, 1, 2, 1)).toBe(false);
    expect(table.admit(1, 1, 1, 3)).toBe(true);
    expect(table.admit(1, 1, 4, 2)).toBe(true);
    expect(table.entries()).toEqual([[1, 1, 6]]);
  });

  it('does not execute again what was sent twice', () => {
    const table = new SessionTable();
    table.admit(1, 1, 1, 3);
    expect(table.admit(1, 1, 1, 3)).toBe(false);
  });

  it('passes over what comes too early', () => {
    const table = new SessionTable();
    table.admit(1, 1, 1, 1);
    expect(table.admit(1, 1, 3, 1)).toBe(false);
    expect(table.admit(1, 1, 2, 1)).toBe(true);
    expect(table.admit(1, 1, 3, 1)).toBe(true);
  });

  it('of a later life ends the earlier one for ever', () => {
    const table = new SessionTable();
    table.admit(1, 1, 1, 1);
    expect(table.admit(1, 2, 1, 1)).toBe(true);
    expect(table.admit(1, 1, 2, 1)).toBe(false);
  });

  it('a later life that does not begin at its beginning changes nothing', () => {
    const table = new SessionTable();
    table.admit(1, 1, 1, 1);
    expect(table.admit(1, 2, 5, 1)).toBe(false);
    expect(table.admit(1, 1, 2, 1)).toBe(true);
  });

  it('of one replica knows nothing of another', () => {
    const table = new SessionTable();
    table.admit(2, 1, 1, 1);
    table.admit(1, 9, 1, 4);
    expect(table.admit(1, 9, 5, 1)).toBe(true);
    expect(table.entries()).toEqual([
      [1, 9, 6],
      [2, 1, 2],
    ]);
  });
});

describe('properties', () => {
  /** Groups of one origin as a replica makes them, in an order in which they may be chosen. */
  const groups = fc.array(
    fc.record({
      origin: fc.integer({ min: 1, max: 3 }),
      session: fc.integer({ min: 1, max: 3 }),
      first: fc.integer({ min: 1, max: 12 }),
      count: fc.integer({ min: 1, max: 4 }),
    }),
    { maxLength: 60 },
  );

  it('no command is executed twice, and each session is executed in order from its first command on', () => {
    fc.assert(
      fc.property(groups, (chosen) => {
        const table = new SessionTable();
        const executed: Map<string, number> = new Map();
        const newest: Map<number, number> = new Map();
        for (const { origin, session, first, count } of chosen) {
          if (!table.admit(origin, session, first, count)) continue;
          const key = `${origin} ${session}`;
          expect(first).toBe((executed.get(key) ?? 0) + 1);
          executed.set(key, first + count - 1);
          expect(session).toBeGreaterThanOrEqual(newest.get(origin) ?? 0);
          newest.set(origin, session);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('whoever sends everything again, in order, gets everything executed', () => {
    fc.assert(
      fc.property(groups, fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 20 }), (before, counts) => {
        const table = new SessionTable();
        for (const { origin, session, first, count } of before)
          if (origin !== 1) table.admit(origin, session, first, count);
        let first = 1;
        const mine = counts.map((count) => {
          const group = { first, count };
          first += count;
          return group;
        });
        for (const { first, count } of mine.filter((_, index) => index % 2 === 0))
          table.admit(1, 7, first, count);
        for (const { first, count } of mine) table.admit(1, 7, first, count);
        const entry = table.entries().find(([origin]) => origin === 1);
        expect(entry?.[2] ?? 1).toBe(first);
      }),
      { numRuns: 300 },
    );
  });
});

describe('the sessions of a checkpoint', () => {
  it('take the place of what there is', () => {
    const table = new SessionTable();
    table.admit(1, 1, 1, 3);
    table.admit(2, 7, 1, 1);
    table.replace([
      [1, 2, 9],
      [3, 4, 5],
    ]);
    expect(table.entries()).toEqual([
      [1, 2, 9],
      [3, 4, 5],
    ]);
    expect(table.admit(1, 2, 9, 1)).toBe(true);
    expect(table.admit(1, 1, 4, 1)).toBe(false);
  });
});
