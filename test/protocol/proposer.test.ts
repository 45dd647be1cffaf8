/** Phase 1 for every open slot at once, then phase 2 with many slots in flight (rules 3, 4 and 7). */

import { describe, expect, it } from 'vitest';
import { RECORD_HEADER_BYTES } from '../../src/log/format.js';
import { RECORD_BYTES } from '../../src/protocol/decree.js';
import type { Accepted, HeartbeatReply, Message } from '../../src/protocol/messages.js';
import {
  b,
  configurationDecree,
  configurationOf,
  contractOf,
  decree,
  options,
  Scene,
  statusReply,
} from './harness.js';

const accepted = (from: number, through: number, ballot = b(1, 1)): Accepted => ({
  kind: 'accepted',
  ballot,
  from,
  through,
});

const reply = (from: number, through: number, ballot = b(1, 1)): HeartbeatReply => ({
  kind: 'heartbeat-reply',
  ballot,
  round: 0,
  from,
  through,
  chosen: 0,
  standing: 100,
});

const refuse = (promised: number, ballot = b(1, 1)): Message => ({ kind: 'refuse', ballot, promised });

describe('phase 1', () => {
  it('takes a ballot above all that was seen and records the promise before anyone hears of it', () => {
    const scene = new Scene({ promised: b(7, 2) }).toCandidate();
    expect(scene.receive(2, statusReply(1, { promised: b(9, 3) }))).toEqual([
      'append 1: promise 10.1',
      'status: preparing, primary 0, ballot -',
    ]);
    expect(scene.wait(60)).toEqual([]);
    expect(scene.durable()).toEqual(['send 2: prepare 10.1 from 1', 'send 3: prepare 10.1 from 1']);
  });

  it('asks from the first slot that is not known chosen, and again those that did not answer', () => {
    const scene = new Scene({ size: 5, chosen: 8, linked: [2, 3] }).toPreparing();
    expect(scene.durable()).toEqual(['send 2: prepare 1.1 from 9', 'send 3: prepare 1.1 from 9']);
    scene.receive(2, { kind: 'promised', ballot: b(1, 1), entries: 0, chosen: 8 });
    expect(scene.wait(60)).toEqual(['send 3: prepare 1.1 from 9']);
    expect(scene.feed({ kind: 'peer-up', peer: 4 })).toEqual([
      'send 3: prepare 1.1 from 9',
      'send 4: prepare 1.1 from 9',
    ]);
  });

  it('ends with a quorum: the open decrees are proposed anew, then the heartbeats go out', () => {
    const scene = new Scene({ accepted: { 1: [b(1, 2), decree('one')] } }).toPreparing();
    expect(scene.durable()).toEqual([
      'retain one',
      'send 2: prepare 2.1 from 1',
      'send 3: prepare 2.1 from 1',
    ]);
    expect(scene.receive(2, { kind: 'promised', ballot: b(2, 1), entries: 0, chosen: 0 })).toEqual([
      'append 2: accept 2.1 slot 1 one',
      'send 2: heartbeat 2.1 round 0: chosen 0',
      'send 3: heartbeat 2.1 round 0: chosen 0',
      'send 2: accept 2.1: slot 1 one, chosen 0',
      'status: primary, primary 1, ballot 2.1',
    ]);
  });

  it('adopts the decree of the highest ballot for each slot, its own included, and fills holes with no-ops', () => {
    const scene = new Scene({
      promised: b(4, 3),
      accepted: { 1: [b(1, 2), decree('low')], 2: [b(3, 3), decree('high')] },
    }).toPreparing();
    scene.durable();
    const ballot = b(5, 1);
    const entry = { kind: 'promise-entry', ballot } as const;
    expect(
      scene.receive(2, { ...entry, slot: 1, acceptedBallot: b(2, 3), decree: decree('better') }),
    ).toEqual(['retain better']);
    expect(scene.receive(2, { ...entry, slot: 2, acceptedBallot: b(2, 3), decree: decree('worse') })).toEqual(
      [],
    );
    scene.receive(2, { ...entry, slot: 4, acceptedBallot: b(2, 3), decree: decree('far') });
    const effects = scene.receive(2, { kind: 'promised', ballot, entries: 3, chosen: 0 });
    expect(effects.filter((line) => line.startsWith('append'))).toEqual([
      'append 2: accept 5.1 slot 1 better',
      'append 3: accept 5.1 slot 2 high',
      'append 4: accept 5.1 slot 3 no-op',
      'append 5: accept 5.1 slot 4 far',
    ]);
  });

  it('proposes what it found as far as the log has room, and the rest behind it, before anything new', () => {
    const scene = new Scene({
      accepted: {
        1: [b(1, 2), decree('one', 400)],
        2: [b(1, 2), decree('two', 400)],
        4: [b(1, 2), decree('four', 400)],
      },
    }).toPreparing();
    scene.durable();
    const { replica } = scene;
    const message = { kind: 'promised', ballot: b(2, 1), entries: 0, chosen: 0 } as const;
    const room = 400 + RECORD_BYTES;
    expect(RECORD_BYTES, 'what a record takes beside its decree, padded').toBeGreaterThanOrEqual(
      RECORD_HEADER_BYTES + 8,
    );
    replica.step(scene.from(2, message), scene.now);
    const records = (effects: string[]): string[] => effects.filter((effect) => effect.startsWith('append'));
    expect(records(scene.take(room))).toEqual(['append 2: accept 2.1 slot 1 one']);
    expect([scene.role, replica.canPropose, replica.lastProposed, replica.openThrough]).toEqual([
      'primary',
      false,
      1,
      4,
    ]);
    replica.step({ kind: 'tick' }, scene.now);
    expect(records(scene.take(room - 1)), 'no room').toEqual([]);
    expect(records(scene.take(room + RECORD_BYTES))).toEqual([
      'append 3: accept 2.1 slot 2 two',
      'append 4: accept 2.1 slot 3 no-op',
    ]);
    // What is chosen of it goes on meanwhile.
    replica.step({ kind: 'durable', write: 4 }, scene.now);
    replica.step(scene.from(2, { kind: 'accepted', ballot: b(2, 1), from: 1, through: 3 }), scene.now);
    expect(scene.take(0)).toContain('chosen 3');
    expect(replica.canPropose).toBe(false);
    expect(records(scene.take(room))).toEqual(['append 5: accept 2.1 slot 4 four']);
    expect(replica.canPropose).toBe(true);
  });

  it('hands over before all of it is proposed again, where the log has no room: whoever is next finds it too', () => {
    const scene = new Scene({ accepted: { 1: [b(1, 2), decree('one', 400)] } }).toPreparing();
    scene.durable();
    scene.replica.step(
      scene.from(2, { kind: 'promised', ballot: b(2, 1), entries: 0, chosen: 0 }),
      scene.now,
    );
    scene.take(0);
    scene.replica.step({ kind: 'relinquish', request: 1, to: 2 }, scene.now);
    const reply = {
      kind: 'heartbeat-reply',
      ballot: b(2, 1),
      round: 0,
      from: 1,
      through: 0,
      chosen: 0,
      standing: 1,
    } as const;
    scene.replica.step(scene.from(2, reply), scene.now);
    expect(scene.take(0).filter((effect) => effect.includes('hand-over'))).toEqual([
      'send 2: hand-over 2.1: through 0',
    ]);
  });

  it('counts a promise only with all its entries', () => {
    const scene = new Scene({ promised: b(1, 2) }).toPreparing();
    scene.durable();
    const ballot = b(2, 1);
    const entry = { kind: 'promise-entry', ballot, acceptedBallot: b(1, 2) } as const;
    scene.receive(2, { ...entry, slot: 1, decree: decree('x') });
    // The link broke behind the first entry; what comes on the next one is counted from the beginning.
    scene.feed({ kind: 'peer-down', peer: 2 });
    scene.feed({ kind: 'peer-up', peer: 2 });
    scene.receive(2, { ...entry, slot: 2, decree: decree('y') });
    scene.receive(2, { kind: 'promised', ballot, entries: 2, chosen: 0 });
    expect(scene.role).toBe('preparing');
    scene.receive(2, { ...entry, slot: 1, decree: decree('x') });
    // The same entry again is not another one.
    scene.receive(2, { ...entry, slot: 1, decree: decree('x') });
    expect(scene.receive(2, { kind: 'promised', ballot, entries: 3, chosen: 0 })).toEqual([]);
    scene.receive(2, { kind: 'promised', ballot, entries: 2, chosen: 0 });
    expect(scene.role).toBe('primary');
  });

  it('counts a member once, however often its promise comes', () => {
    const scene = new Scene({ size: 5 }).toPreparing();
    scene.durable();
    const promised = { kind: 'promised', ballot: scene.preparing, entries: 0, chosen: 0 } as const;
    for (let time = 0; time < 3; time += 1) scene.receive(2, promised);
    expect(scene.role).toBe('preparing');
    scene.receive(3, promised);
    expect(scene.role).toBe('primary');
  });

  it('cannot end before what an acceptor knows to be chosen was learned', () => {
    const scene = new Scene().toPreparing();
    scene.durable();
    expect(scene.receive(2, { kind: 'promised', ballot: b(1, 1), entries: 0, chosen: 1 })).toEqual([
      'send 2: fetch from 1',
    ]);
    expect(scene.role).toBe('preparing');
    const effects = scene.receive(2, { kind: 'learn', slot: 1, ballot: b(1, 2), decree: decree('x') });
    expect(effects.slice(0, 2)).toEqual(['append 2: learn 1.2 slot 1 x', 'chosen 1']);
    expect(scene.role).toBe('primary');
    expect(scene.propose(decree('y'))).toContain('append 3: accept 1.1 slot 2 y');
  });

  it('does not count promises of another ballot', () => {
    const scene = new Scene({ promised: b(3, 1) }).toPreparing();
    scene.durable();
    expect(scene.receive(2, { kind: 'promised', ballot: b(3, 1), entries: 0, chosen: 0 })).toEqual([]);
    expect(
      scene.receive(2, {
        kind: 'promise-entry',
        ballot: b(3, 1),
        slot: 1,
        acceptedBallot: b(1, 2),
        decree: decree('x'),
      }),
    ).toEqual([]);
    expect(scene.role).toBe('preparing');
  });

  it('is given up where a higher ballot was promised', () => {
    const scene = new Scene().toPreparing();
    scene.durable();
    expect(scene.receive(2, refuse(b(6, 3)))).toEqual(['status: secondary, primary 0, ballot -']);
    // The next try is above it.
    scene.wait(300);
    scene.receive(2, statusReply(2));
    expect(scene.preparing).toBe(b(7, 1));
  });

  it('is given up after an election timeout without a quorum', () => {
    const scene = new Scene().toPreparing();
    scene.durable();
    scene.wait(290);
    expect(scene.role).toBe('preparing');
    scene.wait(10);
    expect(scene.role).toBe('secondary');
  });

  it('yields to a primary under a higher ballot, and to a higher prepare', () => {
    const first = new Scene().toPreparing();
    first.receive(2, { kind: 'heartbeat', ballot: b(1, 2), chosen: 0, round: 0 });
    expect(first.role).toBe('secondary');
    const second = new Scene().toPreparing();
    second.receive(2, { kind: 'prepare', ballot: b(1, 2), from: 1 });
    expect(second.role).toBe('secondary');
  });
});

describe('phase 2', () => {
  it('sends and records at the same time', () => {
    const scene = new Scene().toPrimary();
    expect(scene.propose(decree('x'))).toEqual([
      'append 2: accept 1.1 slot 1 x',
      'send 2: accept 1.1: slot 1 x, chosen 0',
    ]);
  });

  it('sends to a member that did not promise once it has said what it holds under this ballot', () => {
    const scene = new Scene().toPrimary();
    scene.propose(decree('x'));
    expect(scene.receive(3, reply(1, 0))).toEqual(['send 3: accept 1.1: slot 1 x, chosen 0']);
    expect(scene.propose(decree('y'))).toEqual([
      'append 3: accept 1.1 slot 2 y',
      'send 2: accept 1.1: slot 2 y, chosen 0',
      'send 3: accept 1.1: slot 2 y, chosen 0',
    ]);
  });

  it('chooses what a quorum has durably accepted, and says so at once', () => {
    const scene = new Scene().toPrimary();
    scene.propose(decree('x'));
    // The own vote is not durable yet.
    expect(scene.receive(2, accepted(1, 1))).toEqual([]);
    expect(scene.durable()).toEqual([
      'chosen 1',
      'send 2: heartbeat 1.1 round 0: chosen 1',
      'send 3: heartbeat 1.1 round 0: chosen 1',
    ]);
  });

  it('chooses by the votes of others alone, while its own disk is slow', () => {
    const scene = new Scene().toPrimary();
    scene.propose(decree('x'));
    scene.receive(2, accepted(1, 1));
    expect(scene.receive(3, accepted(1, 1))).toContain('chosen 1');
  });

  it('lets word of what is chosen wait for an accept that carries it, but no longer than it may', () => {
    const scene = new Scene({ options: { noticeMs: 2 } }).toPrimary();
    scene.propose(decree('x'));
    scene.durable();
    expect(scene.receive(2, accepted(1, 1))).toEqual(['chosen 1', 'step later: 2 ms']);
    expect(scene.receive(3, reply(1, 1))).toEqual([]);
    expect(scene.wait(1)).toEqual([]);
    expect(scene.propose(decree('y'))).toEqual([
      'append 3: accept 1.1 slot 2 y',
      'send 2: accept 1.1: slot 2 y, chosen 1',
      'send 3: accept 1.1: slot 2 y, chosen 1',
    ]);
    // Nobody waits any more.
    expect(scene.wait(1)).toEqual([]);
    scene.durable();
    expect(scene.receive(3, accepted(2, 2))).toEqual(['chosen 2', 'step later: 2 ms']);
    expect(scene.wait(2)).toEqual([
      'send 2: heartbeat 1.1 round 0: chosen 2',
      'send 3: heartbeat 1.1 round 0: chosen 2',
    ]);
    expect(scene.wait(2)).toEqual([]);
  });

  it('says what is chosen with the next accept where there is one', () => {
    const scene = new Scene().toPrimary();
    scene.propose(decree('x'));
    scene.durable();
    expect(scene.feedAll({ kind: 'propose', decree: decree('y') }, scene.from(2, accepted(1, 1)))).toEqual([
      'append 3: accept 1.1 slot 2 y',
      'chosen 1',
      'send 2: accept 1.1: slot 2 y, chosen 1',
      'send 3: heartbeat 1.1 round 0: chosen 1',
    ]);
  });

  it('chooses in order of slots only: votes behind a gap wait', () => {
    const scene = new Scene().toPrimary();
    scene.propose(decree('x'));
    scene.propose(decree('y'));
    scene.durable();
    expect(scene.receive(2, accepted(2, 2))).toEqual([]);
    expect(scene.receive(2, accepted(1, 2))).toContain('chosen 2');
  });

  it('counts votes of several members that reach differently far', () => {
    const scene = new Scene({ size: 5 }).toPrimary();
    for (const name of ['one', 'two', 'three']) scene.propose(decree(name));
    scene.receive(2, accepted(1, 1));
    scene.receive(3, accepted(1, 3));
    expect(scene.receive(4, accepted(1, 2))).toContain('chosen 1');
    expect(scene.receive(5, accepted(1, 3))).toContain('chosen 2');
    expect(scene.durable()).toContain('chosen 3');
  });

  it('ignores votes of other ballots and of strangers to its ballot', () => {
    const scene = new Scene({ promised: b(3, 2) }).toPrimary();
    scene.propose(decree('x'));
    scene.durable();
    expect(scene.receive(2, accepted(1, 1, b(3, 1)))).toEqual([]);
    expect(scene.receive(2, accepted(1, 1, b(4, 1)))).toContain('chosen 1');
  });

  it('sends again, when a link came back, what the member does not report', () => {
    const scene = new Scene().toPrimary();
    for (const name of ['one', 'two', 'three']) scene.propose(decree(name));
    scene.feed({ kind: 'peer-down', peer: 2 });
    expect(scene.feed({ kind: 'peer-up', peer: 2 })).toEqual(['send 2: heartbeat 1.1 round 0: chosen 0']);
    expect(scene.receive(2, reply(1, 2))).toEqual(['send 2: accept 1.1: slot 3 three, chosen 0']);
    scene.feed({ kind: 'peer-down', peer: 2 });
    scene.feed({ kind: 'peer-up', peer: 2 });
    // Its run does not begin where the first open slot is: everything from there on.
    expect(scene.receive(2, reply(3, 3))).toEqual([
      'send 2: accept 1.1: slot 1 one, chosen 0',
      'send 2: accept 1.1: slot 2 two, chosen 0',
      'send 2: accept 1.1: slot 3 three, chosen 0',
    ]);
  });

  it('leaves out a congested link, and goes on there with what is open by then', () => {
    const scene = new Scene().toPrimary();
    scene.feed({ kind: 'congestion', peer: 2, congested: true });
    expect(scene.propose(decree('x'))).toEqual(['append 2: accept 1.1 slot 1 x']);
    expect(scene.feed({ kind: 'congestion', peer: 2, congested: false })).toEqual([
      'send 2: accept 1.1: slot 1 x, chosen 0',
    ]);
  });

  it('leaves out what became chosen meanwhile', () => {
    const scene = new Scene({ size: 5 }).toPrimary();
    scene.propose(decree('x'));
    scene.durable();
    scene.receive(2, accepted(1, 1));
    scene.receive(3, accepted(1, 1));
    scene.propose(decree('y'));
    expect(scene.receive(5, reply(1, 0))).toEqual(['send 5: accept 1.1: slot 2 y, chosen 1']);
  });

  it('has a window, in decrees and in bytes; one decree is always let through', () => {
    const many = new Scene().toPrimary();
    for (let count = 0; count < 4; count += 1) many.propose(decree(`d${count}`));
    expect(many.replica.openDecrees).toBe(4);
    expect(many.replica.canPropose).toBe(false);
    const large = new Scene().toPrimary();
    large.propose(decree('large', 5000));
    expect(large.replica.canPropose).toBe(false);
    large.durable();
    large.receive(2, accepted(1, 1));
    expect(large.replica.canPropose).toBe(true);
  });

  it('sends heartbeats on time', () => {
    const scene = new Scene().toPrimary();
    expect(scene.wait(40)).toEqual([]);
    expect(scene.wait(10)).toEqual([
      'send 2: heartbeat 1.1 round 1: chosen 0',
      'send 3: heartbeat 1.1 round 1: chosen 0',
    ]);
  });

  it('ends where a member refuses for a higher ballot', () => {
    const scene = new Scene().toPrimary();
    expect(scene.receive(2, refuse(b(2, 3)))).toEqual([
      'send 2: resign 1.1',
      'send 3: resign 1.1',
      'status: secondary, primary 0, ballot -',
    ]);
    expect(scene.replica.canPropose).toBe(false);
  });

  it('that ended so is asked for anew before long, above the ballot that was refused for', () => {
    const scene = new Scene().toPrimary();
    scene.receive(2, refuse(b(2, 3)));
    scene.wait(options.electionTimeoutMs * 0.3 + 20);
    expect(scene.role).toBe('candidate');
    scene.receive(2, statusReply(2));
    expect(scene.role).toBe('preparing');
    expect(scene.replica.promised).toBe(b(3, 1));
  });

  it('does not end for a refusal of an older ballot', () => {
    const scene = new Scene({ promised: b(3, 2) }).toPrimary();
    expect(scene.receive(2, refuse(b(9, 3), b(3, 1)))).toEqual([]);
    expect(scene.role).toBe('primary');
  });

  it('alone, a cluster of one chooses what its disk keeps', () => {
    const scene = new Scene({ size: 1 });
    expect(scene.wait(300)).toEqual(['append 1: promise 1.1', 'status: preparing, primary 0, ballot -']);
    expect(scene.durable()).toEqual(['status: primary, primary 1, ballot 1.1']);
    scene.propose(decree('x'));
    expect(scene.durable()).toEqual(['chosen 1']);
  });
});

describe('contracts', () => {
  it('propose-within-window: not while secondary, not beyond the window', () => {
    expect(contractOf(() => new Scene().propose(decree('x')))).toBe('propose-within-window');
    const scene = new Scene().toPrimary();
    for (let count = 0; count < 4; count += 1) scene.propose(decree(`d${count}`));
    expect(contractOf(() => scene.propose(decree('x')))).toBe('propose-within-window');
  });

  it('accepted-only-what-was-proposed: an acknowledgement from nowhere', () => {
    const scene = new Scene().toPrimary();
    expect(contractOf(() => scene.receive(2, accepted(1, 1)))).toBe('accepted-only-what-was-proposed');
    expect(contractOf(() => scene.receive(2, reply(1, 1)))).toBe('accepted-only-what-was-proposed');
  });

  it('promise-reports-lower-ballots: an acceptance under the very ballot that is being prepared', () => {
    const scene = new Scene().toPreparing();
    scene.durable();
    const entry: Message = {
      kind: 'promise-entry',
      ballot: b(1, 1),
      slot: 1,
      acceptedBallot: b(1, 1),
      decree: decree('x'),
    };
    expect(contractOf(() => scene.receive(2, entry))).toBe('promise-reports-lower-ballots');
  });

  it('same-ballot-same-decree: two acceptors report two decrees under one ballot', () => {
    const scene = new Scene({ promised: b(1, 2) }).toPreparing();
    scene.durable();
    const entry = { kind: 'promise-entry', ballot: b(2, 1), slot: 1, acceptedBallot: b(1, 2) } as const;
    scene.receive(2, { ...entry, decree: decree('x') });
    expect(contractOf(() => scene.receive(3, { ...entry, decree: decree('y') }))).toBe(
      'same-ballot-same-decree',
    );
  });

  it('configurations-one-by-one: a configuration out of turn', () => {
    const far = { ...configurationOf(3), number: 5 };
    const learn: Message = { kind: 'learn', slot: 1, ballot: b(1, 2), decree: configurationDecree(far) };
    expect(contractOf(() => new Scene().receive(2, learn))).toBe('configurations-one-by-one');
  });
});
