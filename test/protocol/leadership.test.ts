/** Taking the primaryship when told to, and leaving it to a member that has everything. */

import { describe, expect, it } from 'vitest';
import type { HeartbeatReply, Message } from '../../src/protocol/messages.js';
import { b, decree, Scene } from './harness.js';

const reply = (through: number, standing = 100, chosen = 0, from = 1): HeartbeatReply => ({
  kind: 'heartbeat-reply',
  ballot: b(1, 1),
  round: 0,
  from,
  through,
  chosen,
  standing,
});

const accepted = (through: number): Message => ({
  kind: 'accepted',
  ballot: b(1, 1),
  from: 1,
  through,
});

const relinquish = (to = 0) => ({ kind: 'relinquish', request: 7, to }) as const;
const promote = { kind: 'promote', request: 7, evenIfBehind: false } as const;
const fit = { isStalled: false, isLagging: false, priority: 100 };

/** Primary of three; both others follow. */
function leading(standings: readonly [number, number] = [100, 100]): Scene {
  const scene = new Scene().toPrimary();
  scene.receive(2, reply(0, standings[0]));
  scene.receive(3, reply(0, standings[1]));
  return scene;
}

const offers = (effects: readonly string[]): string[] => effects.filter((line) => /hand-over /.test(line));

describe('a primary that is to hand over', () => {
  it('offers its place at once to a member that has everything', () => {
    expect(leading().feed(relinquish(3))).toEqual(['send 3: hand-over 1.1: through 0']);
  });

  it('waits until the successor has accepted what is open, and proposes nothing meanwhile', () => {
    const scene = leading();
    scene.propose(decree('x'));
    expect(offers(scene.feed(relinquish(3)))).toEqual([]);
    expect(scene.replica.canPropose).toBe(false);
    expect(offers(scene.receive(2, accepted(1)))).toEqual([]);
    expect(offers(scene.receive(3, accepted(1)))).toEqual(['send 3: hand-over 1.1: through 1']);
  });

  it('waits until the successor knows what was chosen before its ballot', () => {
    const scene = new Scene({ chosen: 9 }).toPrimary();
    scene.receive(3, { ...reply(9, 100, 5, 10), through: 0, from: 1 });
    expect(offers(scene.feed(relinquish(3)))).toEqual([]);
    expect(offers(scene.receive(3, { ...reply(9, 100, 9, 10), through: 0, from: 1 }))).toEqual([
      'send 3: hand-over 1.1: through 9',
    ]);
  });

  it('takes whoever is fit, the highest priority first', () => {
    expect(leading([20, 30]).feed(relinquish())).toEqual(['send 3: hand-over 1.1: through 0']);
    expect(leading([30, 20]).feed(relinquish())).toEqual(['send 2: hand-over 1.1: through 0']);
    expect(leading([0, 20]).feed(relinquish())).toEqual(['send 3: hand-over 1.1: through 0']);
  });

  it('offers it to the next one when the first declines, then leads on', () => {
    const scene = leading([200, 100]);
    scene.feed(relinquish());
    expect(scene.receive(2, { kind: 'hand-over-declined', ballot: b(1, 1) })).toEqual([
      'send 3: hand-over 1.1: through 0',
    ]);
    expect(scene.receive(3, { kind: 'hand-over-declined', ballot: b(1, 1) })).toEqual([
      'leadership-refused 7: no-successor',
    ]);
    expect(scene.role).toBe('primary');
    expect(scene.replica.canPropose).toBe(true);
  });

  it('leads on when the successor does nothing for half an election timeout', () => {
    const scene = leading();
    scene.feed(relinquish(3));
    expect(scene.wait(140)).not.toContain('leadership-refused 7: no-successor');
    expect(scene.wait(10)).toContain('leadership-refused 7: no-successor');
    expect(scene.replica.canPropose).toBe(true);
  });

  it('waits a while for a successor that it has not heard of yet', () => {
    const scene = new Scene().toPrimary();
    expect(scene.feed(relinquish(3))).toEqual([]);
    expect(scene.replica.canPropose).toBe(true);
    expect(offers(scene.receive(3, reply(0)))).toEqual(['send 3: hand-over 1.1: through 0']);
    const lonely = new Scene({ size: 1, linked: [] });
    lonely.wait(300);
    lonely.durable();
    expect(lonely.role).toBe('primary');
    expect(lonely.feed(relinquish())).toContain('leadership-refused 7: no-successor');
  });

  it('follows the successor once that prepares', () => {
    const scene = leading();
    scene.feed(relinquish(3));
    expect(scene.receive(3, { kind: 'prepare', ballot: b(2, 3), from: 1 })).toContain(
      'status: secondary, primary 0, ballot -',
    );
    expect(scene.durable()).toEqual(['send 3: promised 2.3: 0 entries, chosen 0']);
  });

  it('cannot, unless it is primary', () => {
    expect(new Scene().toSecondaryOf(2).feed(relinquish())).toEqual(['leadership-refused 7: not-primary']);
  });

  it('does so by itself when its disk stalls, and again and again until somebody takes over', () => {
    const scene = leading();
    const stalled = { kind: 'standing', standing: { ...fit, isStalled: true } } as const;
    expect(offers(scene.feed(stalled))).toEqual(['send 2: hand-over 1.1: through 0']);
    scene.receive(2, { kind: 'hand-over-declined', ballot: b(1, 1) });
    scene.receive(3, { kind: 'hand-over-declined', ballot: b(1, 1) });
    expect(scene.replica.canPropose).toBe(true);
    expect(offers(scene.wait(100))).toEqual([]);
    expect(offers(scene.wait(60))).toEqual(['send 2: hand-over 1.1: through 0']);
  });

  it('does so by itself for a member of a higher priority, not for one of the same', () => {
    const scene = leading();
    expect(offers(scene.receive(3, reply(0, 100)))).toEqual([]);
    expect(offers(scene.receive(3, reply(0, 101)))).toEqual(['send 3: hand-over 1.1: through 0']);
  });
});

describe('a secondary that is offered the place', () => {
  const offer = (last: number, ballot = b(1, 2)): Message => ({ kind: 'hand-over', ballot, last });

  function following(): Scene {
    const scene = new Scene().toSecondaryOf(2);
    scene.receive(2, { kind: 'accept', ballot: b(1, 2), slot: 1, chosen: 0, decree: decree('x') });
    scene.durable();
    return scene;
  }

  it('prepares at once, without asking around', () => {
    const scene = following();
    expect(scene.receive(2, offer(1))).toEqual([
      'append 2: promise 2.1',
      'status: preparing, primary 0, ballot -',
    ]);
  });

  it('declines where it lacks a decree', () => {
    expect(following().receive(2, offer(2))).toEqual(['send 2: hand-over-declined 1.2']);
  });

  it('declines where its disk stalls, its application lags, it cannot write, or its priority is 0', () => {
    for (const standing of [
      { ...fit, isStalled: true },
      { ...fit, isLagging: true },
      { ...fit, priority: 0 },
    ]) {
      const scene = following();
      scene.feed({ kind: 'standing', standing });
      expect(scene.receive(2, offer(1))).toEqual(['send 2: hand-over-declined 1.2']);
    }
    const scene = following();
    scene.feed({ kind: 'able', able: false });
    expect(scene.receive(2, offer(1))).toEqual(['send 2: hand-over-declined 1.2']);
  });

  it('passes over an offer of a primary that has been replaced', () => {
    const scene = following();
    scene.receive(3, { kind: 'prepare', ballot: b(2, 3), from: 1 });
    expect(scene.receive(2, offer(1))).toEqual([]);
    expect(scene.role).toBe('secondary');
  });
});

describe('a replica that is told to lead', () => {
  it('prepares, though there is a primary', () => {
    expect(new Scene().toSecondaryOf(2).feed(promote)).toEqual([
      'append 1: promise 2.1',
      'status: preparing, primary 0, ballot -',
    ]);
  });

  it('refuses while more than a pipeline is missing, unless it is to lead even so', () => {
    const scene = new Scene().toSecondaryOf(2);
    scene.receive(2, { kind: 'heartbeat', ballot: b(1, 2), chosen: 5, round: 1 });
    expect(scene.feed(promote)).toContain('leadership-refused 7: not-caught-up');
    scene.feed({ ...promote, evenIfBehind: true });
    expect(scene.role).toBe('preparing');
  });

  it('refuses where it cannot lead', () => {
    expect(new Scene({ size: 0, linked: [] }).feed(promote)).toEqual(['leadership-refused 7: not-member']);
    expect(new Scene({ linked: [] }).feed(promote)).toEqual(['leadership-refused 7: no-quorum']);
    expect(new Scene({ id: 'c', life: 2, linked: [1, 2] }).feed(promote)).toContain(
      'leadership-refused 7: not-member',
    );
    const scene = new Scene().toSecondaryOf(2);
    scene.feed({ kind: 'standing', standing: { ...fit, isStalled: true } });
    expect(scene.feed(promote)).toEqual(['leadership-refused 7: unable']);
  });
});

describe('a replica that is not fit', () => {
  it('does not stand for election, and does once it is fit again', () => {
    for (const standing of [
      { ...fit, isStalled: true },
      { ...fit, isLagging: true },
      { ...fit, priority: 0 },
    ]) {
      const scene = new Scene();
      scene.feed({ kind: 'standing', standing });
      scene.wait(2000);
      expect(scene.role).toBe('secondary');
      scene.feed({ kind: 'standing', standing: fit });
      scene.wait(10);
      expect(scene.role).toBe('candidate');
    }
  });

  it('tells the primary so', () => {
    const scene = new Scene().toSecondaryOf(2);
    scene.feed({ kind: 'standing', standing: { ...fit, isLagging: true } });
    scene.replica.step(scene.from(2, { kind: 'heartbeat', ballot: b(1, 2), chosen: 0, round: 1 }), scene.now);
    expect(scene.replica.takeEffects()).toMatchObject([
      { kind: 'send', to: 2, message: { kind: 'heartbeat-reply', standing: 0 } },
    ]);
  });
});

describe('the timeouts', () => {
  it('change at run time', () => {
    const scene = new Scene();
    scene.feed({ kind: 'timeouts', timeouts: { electionTimeoutMs: 1000, heartbeatMs: 100 } });
    scene.wait(990);
    expect(scene.role).toBe('secondary');
    scene.wait(10);
    expect(scene.role).toBe('candidate');
  });
});
