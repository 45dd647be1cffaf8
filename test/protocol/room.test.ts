/** Where the log has no room. */

import { describe, expect, it } from 'vitest';
import { decree, Scene } from './harness.js';

describe('a log without room', () => {
  /** Nothing but what is adopted asks for room: LogWriter.append rolls, and without a standby that breaks `roll-needs-standby`. */
  it('takes no configuration that was asked for', () => {
    const a = new Scene({ id: 'a' }).toPrimary();
    a.take(0);
    const members = ['a', 'b'].map((id) => ({ id, address: 'host:1' }));
    const change = { request: 1, members, cookie: '', force: false, ifNumber: 0 };
    a.replica.step({ kind: 'change', change }, a.now);
    expect(a.take(0).filter((line) => line.startsWith('append'))).toEqual([]);
  });

  /** Its disk stalls: it should leave its place to somebody who has room for what phase 1 found. */
  it('keeps a primary that cannot adopt from staying for ever', () => {
    const a = new Scene({ id: 'a' }).toPreparing();
    a.durable();
    const ballot = a.preparing;
    const entry = {
      kind: 'promise-entry',
      ballot,
      slot: 1,
      acceptedBallot: 1,
      decree: decree('x', 900),
    } as const;
    a.replica.step(a.from(2, entry), a.now);
    a.replica.step(a.from(2, { kind: 'promised', ballot, entries: 1, chosen: 0 }), a.now);
    a.take(100);
    expect(a.role).toBe('primary');
    const lines: string[] = [];
    a.replica.step(
      { kind: 'standing', standing: { isStalled: true, isLagging: false, priority: 100 } },
      a.now,
    );
    for (let round = 0; round < 400 && a.role === 'primary'; round += 1) {
      a.now += 10;
      a.replica.step({ kind: 'tick' }, a.now);
      for (const peer of [2, 3])
        a.replica.step(
          a.from(peer, {
            kind: 'heartbeat-reply',
            ballot,
            round: 0,
            from: 1,
            through: 0,
            chosen: 0,
            standing: 100,
          }),
          a.now,
        );
      lines.push(...a.take(100));
    }
    // Neither resigned nor handed over in four seconds, 13 election timeouts.
    expect(a.role === 'primary' && !lines.some((line) => /hand-over|resign/.test(line))).toBe(false);
  });
});
