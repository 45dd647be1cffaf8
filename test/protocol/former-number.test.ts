/**
 * A newcomer's former number may be one that this replica has not given out yet; and it is the newcomer's own, whoever had its place meanwhile.
 */

import { describe, expect, it } from 'vitest';
import { readmit } from '../../src/protocol/configuration.js';
import { SessionTable } from '../../src/protocol/sessions.js';
import { configurationOf, incarnationOf, Scene } from './harness.js';

const PEER = 65_536 + 7;

describe('a newcomer whose former number was not given out', () => {
  /**
   * {a, b, c} is in force at a, which is cut off from b and c (or stood still) for less than an election timeout. There, b was elected; x was
   * let in as member 4, and taken out again. x is linked to a, and still is what a's caller wants as a member. Where x says that it is under
   * a's own configuration, its former number is nonsense.
   */
  it.each([
    ['a primary that is behind', 3],
    ['a primary that is not', 1],
  ])('does not fence %s', (_, under) => {
    const a = new Scene({ id: 'a' }).toPrimary();
    a.feed({ kind: 'peer-up', peer: PEER });
    const join = { kind: 'join', id: 'x', incarnation: incarnationOf('x'), chosen: 9, former: 4 } as const;
    a.receive(PEER, join, under);
    const change = {
      request: 1,
      members: ['a', 'b', 'c', 'x'].map((id) => ({ id, address: 'host:1' })),
      cookie: '',
      force: false,
      ifNumber: 0,
    };
    expect(() => a.feed({ kind: 'change', change })).not.toThrow();
  });
});

it('commands of a process that comes back in the place of the disk that took its own are executed', () => {
  const sessions = new SessionTable();
  // c, with its first disk and number 3, has had 56 commands executed in session 7. It is cut off, and the operator starts another c.
  expect(sessions.admit(3, 7, 1, 56)).toBe(true);
  const replaced = readmit(configurationOf(3), 'c', incarnationOf('c', 2));
  expect(replaced.members[2]?.number).toBe(4);
  // That one is switched off; the first comes back. Its process never stopped, and says so: former 3.
  const back = readmit(replaced, 'c', incarnationOf('c', 1), 3);
  const { number } = back.members[2]!;
  // It goes on where it was (engine/submitter.ts: `self()`, `session()`, `first`).
  expect(sessions.admit(number, 7, 57, 1)).toBe(true);
});
