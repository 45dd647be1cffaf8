/**
 * Leslie Lamport, "Paxos Made Simple" (2001), statement by statement: what the paper says in our words, then a replica that
 * is put into the situation, then what it does. A proposal's number is our ballot, its value a decree, an instance a slot,
 * the distinguished proposer the primary.
 */

import { describe, expect, it } from 'vitest';
import { ownerOf } from '../../../src/protocol/ballot.js';
import type { Message } from '../../../src/protocol/messages.js';
import { b, configurationDecree, configurationOf, decree, Scene, statusReply } from '../harness.js';

const prepare = (round: number, member: number): Message => ({
  kind: 'prepare',
  ballot: b(round, member),
  from: 1,
});
const accept = (round: number, member: number, name: string, slot = 1, chosen = 0): Message => ({
  kind: 'accept',
  ballot: b(round, member),
  slot,
  chosen,
  decree: decree(name),
});
const accepted = (through: number): Message => ({ kind: 'accepted', ballot: b(1, 1), from: 1, through });
const appended = (effects: readonly string[]): string[] =>
  effects.filter((line) => line.startsWith('append'));

describe('2.1 The problem', () => {
  it('only a value that has been proposed may be chosen: a primary chooses nothing by itself', () => {
    const scene = new Scene().toPrimary();
    scene.wait(250);
    expect(scene.replica.chosen).toBe(0);
  });

  it('only a single value is chosen: what is learned again is not chosen again', () => {
    const scene = new Scene();
    scene.receive(2, { kind: 'learn', slot: 1, ballot: b(1, 2), decree: decree('x') });
    expect(scene.receive(3, { kind: 'learn', slot: 1, ballot: b(2, 3), decree: decree('x') })).toEqual([]);
  });

  it('a process never learns that a value was chosen unless it was: a claim without the decree teaches nothing', () => {
    const scene = new Scene();
    scene.receive(2, { kind: 'heartbeat', ballot: b(1, 2), chosen: 5, round: 0 });
    expect(scene.replica.chosen).toBe(0);
  });
});

describe('2.2 Choosing a value', () => {
  it('P1: an acceptor must accept the first proposal that it receives', () => {
    const scene = new Scene();
    expect(appended(scene.receive(2, accept(1, 2, 'x')))).toEqual(['append 1: accept 1.2 slot 1 x']);
  });

  it('an acceptor must be allowed to accept more than one proposal', () => {
    const scene = new Scene();
    scene.receive(2, accept(1, 2, 'x'));
    expect(appended(scene.receive(3, accept(2, 3, 'y')))).toEqual(['append 2: accept 2.3 slot 1 y']);
  });

  it('a value is chosen when a majority has accepted one and the same proposal', () => {
    const scene = new Scene({ size: 5 }).toPrimary();
    scene.propose(decree('x'));
    scene.durable();
    scene.receive(2, accepted(1));
    expect(scene.replica.chosen).toBe(0);
    scene.receive(3, accepted(1));
    expect(scene.replica.chosen).toBe(1);
  });

  it('votes of different proposals do not add up, even for the same value', () => {
    // Member 2 accepted x under the ballot before; the primary proposes it anew and needs votes for that.
    const scene = new Scene({ accepted: { 1: [b(1, 1), decree('x')] } }).toPrimary();
    expect(scene.replica.ballot).toBe(b(2, 1));
    expect(scene.receive(2, accepted(1))).toEqual([]);
    expect(scene.replica.chosen).toBe(0);
    scene.receive(2, { kind: 'accepted', ballot: b(2, 1), from: 1, through: 1 });
    expect(scene.replica.chosen).toBe(1);
  });

  it('P2c: the value of a proposal is that of the highest-numbered one accepted among a majority', () => {
    const scene = new Scene({
      size: 5,
      promised: b(3, 5),
      accepted: { 1: [b(1, 2), decree('old')] },
    }).toPreparing();
    scene.durable();
    const ballot = scene.preparing;
    const entry = { kind: 'promise-entry', ballot, slot: 1 } as const;
    scene.receive(2, { ...entry, acceptedBallot: b(3, 3), decree: decree('newest') });
    scene.receive(2, { kind: 'promised', ballot, entries: 1, chosen: 0 });
    scene.receive(3, { ...entry, acceptedBallot: b(2, 4), decree: decree('newer') });
    const effects = scene.receive(3, { kind: 'promised', ballot, entries: 1, chosen: 0 });
    expect(appended(effects)).toEqual(['append 2: accept 4.1 slot 1 newest']);
  });

  it('P2c: where no acceptor of a majority accepted anything, the proposer is free', () => {
    const scene = new Scene().toPrimary();
    expect(appended(scene.propose(decree('anything')))).toEqual(['append 2: accept 1.1 slot 1 anything']);
  });

  it('phase 1 (a): a proposer asks for a promise, and for the highest-numbered proposals accepted', () => {
    const scene = new Scene().toPreparing();
    expect(scene.durable()).toEqual(['send 2: prepare 1.1 from 1', 'send 3: prepare 1.1 from 1']);
  });

  it('phase 1 (b): an acceptor answers with its promise and with what it accepted under the highest number', () => {
    const scene = new Scene();
    scene.receive(2, accept(1, 2, 'x'));
    scene.receive(3, accept(2, 3, 'y'));
    scene.receive(2, prepare(3, 2));
    expect(scene.durable()).toEqual([
      'send 2: promise-entry 3.2: slot 1 has y of 2.3',
      'send 2: promised 3.2: 1 entries, chosen 0',
    ]);
  });

  it('phase 2 (a): with answers from a majority the proposer asks for acceptance, and not before', () => {
    const scene = new Scene({ size: 5 }).toPreparing();
    scene.durable();
    scene.receive(2, { kind: 'promised', ballot: b(1, 1), entries: 0, chosen: 0 });
    expect(scene.replica.canPropose).toBe(false);
    scene.receive(3, { kind: 'promised', ballot: b(1, 1), entries: 0, chosen: 0 });
    expect(scene.replica.canPropose).toBe(true);
  });

  it('P1a, phase 2 (b): an acceptor accepts unless it has promised a higher number', () => {
    const scene = new Scene();
    scene.receive(3, prepare(2, 3));
    expect(scene.receive(2, accept(1, 2, 'x'))).toEqual(['send 2: refuse 1.2: promised 2.3']);
    expect(appended(scene.receive(3, accept(2, 3, 'y')))).toEqual(['append 2: accept 2.3 slot 1 y']);
    expect(appended(scene.receive(2, accept(3, 2, 'z')))).toEqual(['append 3: accept 3.2 slot 1 z']);
  });

  it('an acceptor may ignore a prepare that is not above its promise', () => {
    const scene = new Scene();
    scene.receive(3, prepare(2, 3));
    expect(scene.receive(2, prepare(1, 2))).toEqual(['send 2: refuse 1.2: promised 2.3']);
    expect(scene.replica.promised).toBe(b(2, 3));
  });

  it('a proposer may abandon its proposal at any time, and should when it hears of a higher prepare', () => {
    const scene = new Scene().toPrimary();
    scene.propose(decree('x'));
    scene.receive(3, prepare(2, 3));
    expect(scene.role).toBe('secondary');
    // Votes for it that come later are of no use to anyone.
    expect(scene.receive(2, accepted(1))).toEqual([]);
  });

  it('an acceptor that told a proposer of a higher promise makes it give up', () => {
    const scene = new Scene().toPrimary();
    scene.receive(2, { kind: 'refuse', ballot: b(1, 1), promised: b(2, 3) });
    expect(scene.role).toBe('secondary');
  });
});

describe('2.3 Learning a chosen value', () => {
  it('acceptors answer a distinguished learner, the primary, which tells the others', () => {
    const scene = new Scene().toPrimary();
    scene.propose(decree('x'));
    scene.durable();
    expect(scene.receive(2, accepted(1))).toEqual([
      'chosen 1',
      'send 2: heartbeat 1.1 round 0: chosen 1',
      'send 3: heartbeat 1.1 round 0: chosen 1',
    ]);
  });

  it('a value may be chosen and nobody know: a proposal by someone else brings it to light', () => {
    // Member 2, and member 3, which is dead, accepted x: chosen, and unknown.
    const scene = new Scene({ promised: b(1, 3) }).toPreparing();
    scene.durable();
    const ballot = scene.preparing;
    scene.receive(2, {
      kind: 'promise-entry',
      ballot,
      slot: 1,
      acceptedBallot: b(1, 3),
      decree: decree('x'),
    });
    expect(appended(scene.receive(2, { kind: 'promised', ballot, entries: 1, chosen: 0 }))).toEqual([
      'append 2: accept 2.1 slot 1 x',
    ]);
  });
});

describe('2.4 Progress', () => {
  it('two proposers with ever higher numbers would never end: a candidate asks first whether anyone hears a primary', () => {
    const scene = new Scene().toCandidate();
    scene.receive(2, statusReply(1, { primaryAlive: true }));
    expect(scene.role).toBe('secondary');
    expect(scene.replica.promised).toBe(0);
  });

  it('election must use chance or time: replicas wait differently long', () => {
    const waits = [0, 0.25, 0.5, 0.75].map((chance) => {
      const scene = new Scene({ random: () => chance });
      let waited = 0;
      for (; scene.role === 'secondary'; waited += 10) scene.wait(10);
      return waited;
    });
    expect(waits).toEqual([300, 340, 380, 420]);
  });

  it('safety does not depend on the election: two primaries at a time do no harm', () => {
    // The old primary's proposal meets an acceptor that has promised to the new one.
    const acceptor = new Scene({ id: 'c' });
    acceptor.receive(2, prepare(2, 2));
    expect(acceptor.receive(1, accept(1, 1, 'x'))).toEqual(['send 1: refuse 1.1: promised 2.2']);
  });
});

describe('2.5 The implementation', () => {
  it('an acceptor records its answer in stable storage before it sends it', () => {
    const scene = new Scene();
    scene.receive(2, prepare(1, 2));
    expect(scene.wait(50)).toEqual([]);
    expect(scene.durable()).toEqual(['send 2: promised 1.2: 0 entries, chosen 0']);
    scene.receive(2, accept(1, 2, 'x'));
    expect(scene.wait(50)).toEqual([]);
    expect(scene.durable()).toEqual(['send 2: accepted 1.2: 1 to 1']);
  });

  it('different proposers choose their numbers from disjoint sets', () => {
    for (const id of ['a', 'b', 'c']) {
      const scene = new Scene({ id, promised: b(5, 3) }).toPreparing();
      expect(ownerOf(scene.preparing)).toBe(scene.replica.self);
      expect(scene.preparing).toBe(b(6, scene.replica.self));
    }
  });

  it('a proposer remembers in stable storage the highest number that it tried, and begins above it', () => {
    const before = new Scene().toPreparing();
    const after = new Scene({ promised: before.preparing }).toPreparing();
    expect(after.preparing).toBeGreaterThan(before.preparing);
  });

  it('it does not even use a number before that is recorded', () => {
    const scene = new Scene().toPreparing();
    expect(scene.wait(100)).toEqual([]);
    expect(scene.durable()).toContain('send 2: prepare 1.1 from 1');
  });
});

describe('3 Implementing a state machine', () => {
  it('the i-th instance chooses the i-th command: slots are handed over in order', () => {
    const scene = new Scene().toPrimary();
    for (const name of ['one', 'two', 'three']) scene.propose(decree(name));
    scene.durable();
    expect(scene.receive(2, accepted(2))).toContain('chosen 2');
    expect(scene.receive(2, accepted(3))).toContain('chosen 3');
  });

  it('a new leader runs phase 1 for all instances at once, with one number and one message', () => {
    const scene = new Scene({ chosen: 134 }).toPreparing();
    expect(scene.durable()).toEqual(['send 2: prepare 1.1 from 135', 'send 3: prepare 1.1 from 135']);
  });

  it('an acceptor answers for all instances with no more than it has accepted', () => {
    const scene = new Scene({
      chosen: 134,
      accepted: { 135: [b(1, 3), decree('a')], 140: [b(1, 3), decree('b')] },
    });
    scene.receive(2, { kind: 'prepare', ballot: b(2, 2), from: 135 });
    expect(scene.durable()).toEqual([
      'send 2: promise-entry 2.2: slot 135 has a of 1.3',
      'send 2: promise-entry 2.2: slot 140 has b of 1.3',
      'send 2: promised 2.2: 2 entries, chosen 134',
    ]);
  });

  it('the leader fills the gaps with no-ops, at once, so that what is behind them can be executed', () => {
    const scene = new Scene({ chosen: 134, promised: b(1, 3) }).toPreparing();
    scene.durable();
    const ballot = scene.preparing;
    const entry = { kind: 'promise-entry', ballot, acceptedBallot: b(1, 3) } as const;
    scene.receive(2, { ...entry, slot: 135, decree: decree('a') });
    scene.receive(2, { ...entry, slot: 140, decree: decree('b') });
    const effects = scene.receive(2, { kind: 'promised', ballot, entries: 2, chosen: 134 });
    expect(appended(effects)).toEqual([
      'append 2: accept 2.1 slot 135 a',
      'append 3: accept 2.1 slot 136 no-op',
      'append 4: accept 2.1 slot 137 no-op',
      'append 5: accept 2.1 slot 138 no-op',
      'append 6: accept 2.1 slot 139 no-op',
      'append 7: accept 2.1 slot 140 b',
    ]);
  });

  it('the leader proposes command i + 1 before it knows that i is chosen, up to a bound', () => {
    const scene = new Scene({ options: { pipelineDecreesMax: 3 } }).toPrimary();
    for (const name of ['one', 'two', 'three']) expect(scene.propose(decree(name))).not.toEqual([]);
    expect(scene.replica.chosen).toBe(0);
    expect(scene.replica.canPropose).toBe(false);
  });

  it('the members may change by a command: here the bound is one, nothing is proposed behind it before it is chosen', () => {
    const scene = new Scene({ promised: b(1, 3) }).toPreparing();
    scene.durable();
    const ballot = scene.preparing;
    const next = configurationDecree({ ...configurationOf(3), number: 2 });
    scene.receive(2, { kind: 'promise-entry', ballot, slot: 1, acceptedBallot: b(1, 3), decree: next });
    scene.receive(2, { kind: 'promised', ballot, entries: 1, chosen: 0 });
    expect(scene.replica.canPropose).toBe(false);
    scene.durable();
    scene.receive(2, { kind: 'accepted', ballot, from: 1, through: 1 });
    expect(scene.replica.configuration?.number).toBe(2);
  });
});
