/** For a lease's length after its start a member promises nobody anything: not what it only has from a checkpoint's header either. */

import { describe, expect, it } from 'vitest';
import { b, decree, Scene } from './harness.js';
import { beat, grant, lease, leasing } from './lease-scenes.js';

const has = (lines: readonly string[], start: string): boolean =>
  lines.some((line) => line.startsWith(start));

describe('a member that starts again with a promise that it never gave', () => {
  /**
   * b grants a, the primary of ballot 1.1, a lease, passes over c's prepare of 2.3, and catches up by c's checkpoint, whose header has what
   * c had promised: its own 2.3. The members are the same, so that b promises nothing by it, and goes on granting. It is started again
   * from that checkpoint: `promised = max(log, header)` (engine/recover.ts).
   */
  it('keeps the word of its life before', () => {
    const a = new Scene({ ...leasing, chosen: 4 });
    a.wait(400);
    if (a.role !== 'candidate') a.toCandidate();
    for (const peer of [2, 3])
      a.receive(peer, {
        kind: 'status-reply',
        round: 1,
        promised: 0,
        chosen: 4,
        primaryAlive: false,
        standing: 0,
      });
    a.durable();
    a.receive(2, { kind: 'promised', ballot: b(1, 1), entries: 0, chosen: 4 });
    expect(a.role).toBe('primary');

    const before = new Scene({ id: 'b', ...leasing });
    before.wait(400);
    before.receive(1, { kind: 'heartbeat', ballot: b(1, 1), chosen: 4, round: 1 });
    const round = beat(a);
    expect(
      before.receive(1, { kind: 'lease-request', ballot: b(1, 1), round, durationMs: lease.durationMs }),
    ).toContain(`send 1: lease-grant 1.1: round ${round}`);
    grant(a, 2, round);
    expect(has(before.receive(3, { kind: 'prepare', ballot: b(2, 3), from: 1 }), 'send 3: promised')).toBe(
      false,
    );
    before.feed({
      kind: 'installed',
      slot: 4,
      configuration: before.replica.configuration!,
      promised: b(2, 3),
    });
    expect(before.replica.promised).toBe(0);

    // b is killed and is there again 50 ms later. c asks again.
    const after = new Scene({ id: 'b', ...leasing, chosen: 4, promised: b(2, 3) });
    after.wait(50);
    a.wait(50);
    const answer = after.receive(3, { kind: 'prepare', ballot: b(2, 3), from: 5 });
    // With b's promise c is primary, and b's vote has a decree chosen …
    const accepted = [
      ...after.receive(3, { kind: 'accept', ballot: b(2, 3), slot: 5, chosen: 4, decree: decree('new') }),
      ...after.durable(),
    ];
    expect(has(accepted, 'send 3: accepted')).toBe(true);
    // … while a still answers reads by the lease that b granted.
    const read = a.feed({ kind: 'lease-read', read: 1 });
    expect(has(read, 'read-slot 1')).toBe(true);
    // So b must not have promised.
    expect(has(answer, 'send 3: promised')).toBe(false);
  });
});
