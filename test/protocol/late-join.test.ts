/** A process has one number in all its life: a word of a newcomer that was written before it had one must not give it another (rule 8, "Exactly once"). */

import { describe, expect, it } from 'vitest';
import { MEMBER_NUMBER_MAX } from '../../src/protocol/ballot.js';
import type { Join } from '../../src/protocol/messages.js';
import { SessionTable } from '../../src/protocol/sessions.js';
import { configurationOf, decree } from './harness.js';
import { Stage } from './stage.js';

const OUTSIDER = MEMBER_NUMBER_MAX + 1 + 'd'.charCodeAt(0);
const host = (...ids: string[]): { id: string; address: string }[] =>
  ids.map((id) => ({ id, address: 'host:1' }));

describe('a join that comes late', () => {
  it('does not give a process another number than the one that it had since', () => {
    const stage = new Stage();
    for (const id of ['a', 'b', 'c', 'd']) stage.enter(id, { configuration: configurationOf(3) });
    // Everything from d to a is late.
    let late: Join | null = null;
    stage.isLost = (from, to, message) => {
      if (from !== 'd' || to !== 'a') return false;
      if (message.kind === 'join') late ??= message;
      return true;
    };
    stage.link('a', 'b', 'c', 'd');
    stage.feed('c', { kind: 'promote', request: 1, evenIfBehind: true });
    stage.wait(400);
    expect(stage.primaries).toEqual(['c']);
    expect(late).toMatchObject({ id: 'd', former: 0 });
    const change = (request: number, force: boolean, ...ids: string[]): void =>
      stage.feed('c', {
        kind: 'change',
        change: { request, members: host(...ids), cookie: '', force, ifNumber: 0 },
      });
    change(2, false, 'a', 'b', 'c', 'd');
    stage.wait(100);
    expect(stage.replica('d').self).toBe(4);
    // Commands of d, in its session 1, are executed under that number. d's application has not come so far yet, and d will send them again.
    stage.propose('c', decree('commands 1 and 2 of d'));
    const sessions = new SessionTable();
    expect(sessions.admit(stage.replica('d').self, 1, 1, 2)).toBe(true);
    // Its place is taken from it, and given to whatever disk comes.
    change(3, false, 'a', 'b', 'c');
    stage.isLost = (from, to, { kind }) => from === 'd' && (to === 'a' || kind === 'join');
    stage.wait(20);
    change(4, true, 'a', 'b', 'c', 'd');
    stage.wait(20);
    expect(stage.replica('a').configuration).toMatchObject({ number: 4, nextMember: 6 });
    // a leads, and what d wrote at the very beginning arrives. What it wrote since comes behind it.
    stage.feed('a', { kind: 'promote', request: 5, evenIfBehind: true });
    stage.wait(20);
    expect(stage.primaries).toEqual(['a']);
    stage.feed('a', { kind: 'message', from: OUTSIDER, configuration: 1, message: late! });
    stage.isLost = () => false;
    stage.wait(2500);
    expect(stage.replica('d').self).not.toBe(0);
    // What d sends again must be known for what it is.
    expect(sessions.admit(stage.replica('d').self, 1, 1, 2)).toBe(false);
    expect(stage.replica('d').self).toBe(4);
  });
});
