/** Promises and acceptances: one state, one input, the exact effects (rules 1, 2 and 5). */

import { describe, expect, it } from 'vitest';
import type { Accept, Message } from '../../src/protocol/messages.js';
import { b, contractOf, decree, Scene } from './harness.js';

const prepare = (round: number, member: number, from = 1): Message => ({
  kind: 'prepare',
  ballot: b(round, member),
  from,
});

const accept = (round: number, member: number, slot: number, name: string, chosen = 0): Accept => ({
  kind: 'accept',
  ballot: b(round, member),
  slot,
  chosen,
  decree: decree(name),
});

describe('prepare', () => {
  it('is promised, but the promise leaves only when it is durable', () => {
    const scene = new Scene();
    expect(scene.receive(2, prepare(1, 2))).toEqual(['append 1: promise 1.2']);
    expect(scene.wait(20)).toEqual([]);
    expect(scene.durable(1)).toEqual(['send 2: promised 1.2: 0 entries, chosen 0']);
  });

  it('is answered with every open decree, and with how far the acceptor knows slots to be chosen', () => {
    const scene = new Scene({
      chosen: 3,
      accepted: { 4: [b(1, 3), decree('four')], 5: [b(2, 1), decree('five')] },
    });
    scene.receive(2, prepare(3, 2, 2));
    expect(scene.durable()).toEqual([
      'send 2: promise-entry 3.2: slot 4 has four of 1.3',
      'send 2: promise-entry 3.2: slot 5 has five of 2.1',
      'send 2: promised 3.2: 2 entries, chosen 3',
    ]);
  });

  it('is answered without what the candidate knows to be chosen', () => {
    const scene = new Scene({ accepted: { 1: [b(1, 3), decree('one')], 2: [b(1, 3), decree('two')] } });
    scene.receive(2, prepare(3, 2, 2));
    expect(scene.durable()).toEqual([
      'send 2: promise-entry 3.2: slot 2 has two of 1.3',
      'send 2: promised 3.2: 1 entries, chosen 0',
    ]);
  });

  it('is refused below the promise, at once: a refusal promises nothing', () => {
    const scene = new Scene({ promised: b(5, 3) });
    expect(scene.receive(2, prepare(4, 2))).toEqual(['send 2: refuse 4.2: promised 5.3']);
    expect(scene.receive(2, prepare(5, 2))).toEqual(['send 2: refuse 5.2: promised 5.3']);
  });

  it('is answered again when it comes again, without another record', () => {
    const scene = new Scene();
    scene.receive(2, prepare(1, 2));
    scene.durable();
    expect(scene.receive(2, prepare(1, 2))).toEqual(['send 2: promised 1.2: 0 entries, chosen 0']);
  });

  it('that comes again before the promise is durable waits like the first', () => {
    const scene = new Scene();
    scene.receive(2, prepare(1, 2));
    expect(scene.receive(2, prepare(1, 2))).toEqual([]);
    expect(scene.durable()).toEqual([
      'send 2: promised 1.2: 0 entries, chosen 0',
      'send 2: promised 1.2: 0 entries, chosen 0',
    ]);
  });

  it('was promised in an earlier life: the answer needs no record', () => {
    const scene = new Scene({ promised: b(1, 2) });
    expect(scene.receive(2, prepare(1, 2))).toEqual(['send 2: promised 1.2: 0 entries, chosen 0']);
  });

  it('that comes behind an acceptance of its ballot waits for the record of that', () => {
    const scene = new Scene();
    expect(scene.receive(2, accept(1, 2, 1, 'x'))).toContain('append 1: accept 1.2 slot 1 x');
    expect(scene.receive(2, prepare(1, 2, 2)).filter((line) => !line.startsWith('status'))).toEqual([]);
    expect(scene.durable()).toEqual([
      'send 2: promised 1.2: 0 entries, chosen 0',
      'send 2: accepted 1.2: 1 to 1',
    ]);
  });

  it('that comes behind an acceptance of its ballot for a chosen slot, which left no record, is recorded', () => {
    const scene = new Scene({ promised: b(1, 3), chosen: 1 });
    expect(scene.receive(2, accept(2, 2, 1, 'x'))).toContain('send 2: accepted 2.2: 1 to 1');
    const effects = scene.receive(2, prepare(2, 2, 2)).filter((line) => !line.startsWith('status'));
    expect(effects).toEqual(['append 1: promise 2.2']);
    expect(scene.durable()).toEqual(['send 2: promised 2.2: 0 entries, chosen 1']);
  });

  it('overtaken by a higher one before it was durable is not answered any more', () => {
    const scene = new Scene();
    scene.receive(2, prepare(1, 2));
    scene.receive(3, prepare(2, 3));
    expect(scene.durable()).toEqual(['send 3: promised 2.3: 0 entries, chosen 0']);
  });
});

describe('accept', () => {
  it('is recorded, and acknowledged when it is durable', () => {
    const scene = new Scene().toSecondaryOf(2);
    expect(scene.receive(2, accept(1, 2, 1, 'x'))).toEqual(['append 1: accept 1.2 slot 1 x']);
    expect(scene.durable()).toEqual(['send 2: accepted 1.2: 1 to 1']);
  });

  it('of many slots is acknowledged by one message, as far as they are durable', () => {
    const scene = new Scene().toSecondaryOf(2);
    expect(
      scene.feedAll(
        scene.from(2, accept(1, 2, 1, 'x')),
        scene.from(2, accept(1, 2, 2, 'y')),
        scene.from(2, accept(1, 2, 3, 'z')),
      ),
    ).toEqual([
      'append 1: accept 1.2 slot 1 x',
      'append 2: accept 1.2 slot 2 y',
      'append 3: accept 1.2 slot 3 z',
    ]);
    expect(scene.durable(2)).toEqual(['send 2: accepted 1.2: 1 to 2']);
    expect(scene.durable(3)).toEqual(['send 2: accepted 1.2: 1 to 3']);
  });

  it('above the promise is a promise too: one record says both', () => {
    const scene = new Scene({ promised: b(1, 3) });
    expect(scene.receive(2, accept(4, 2, 1, 'x'))).toContain('append 1: accept 4.2 slot 1 x');
    expect(scene.receive(3, prepare(3, 3))).toEqual(['send 3: refuse 3.3: promised 4.2']);
  });

  it('below the promise is refused', () => {
    const scene = new Scene({ promised: b(5, 3) });
    expect(scene.receive(2, accept(4, 2, 1, 'x'))).toEqual(['send 2: refuse 4.2: promised 5.3']);
  });

  it('that comes again is acknowledged again, without another record', () => {
    const scene = new Scene().toSecondaryOf(2);
    scene.receive(2, accept(1, 2, 1, 'x'));
    scene.durable();
    expect(scene.receive(2, accept(1, 2, 1, 'x'))).toEqual(['send 2: accepted 1.2: 1 to 1']);
  });

  it('that comes again before it is durable is acknowledged once it is', () => {
    const scene = new Scene().toSecondaryOf(2);
    scene.receive(2, accept(1, 2, 1, 'x'));
    expect(scene.receive(2, accept(1, 2, 1, 'x'))).toEqual([]);
    expect(scene.durable()).toEqual(['send 2: accepted 1.2: 1 to 1']);
  });

  it('of an earlier life needs no record either', () => {
    const scene = new Scene({ accepted: { 1: [b(1, 2), decree('x')] } }).toSecondaryOf(2);
    expect(scene.receive(2, accept(1, 2, 1, 'x'))).toEqual(['send 2: accepted 1.2: 1 to 1']);
  });

  it('of another decree under a higher ballot takes the place of what lost', () => {
    const scene = new Scene({ accepted: { 1: [b(1, 3), decree('lost')] } }).toSecondaryOf(2, 2);
    expect(scene.receive(2, accept(2, 2, 1, 'x'))).toEqual(['append 1: accept 2.2 slot 1 x']);
    expect(scene.replica.accepted.get(1)?.ballot).toBe(b(2, 2));
  });

  it('for a slot that is known chosen is acknowledged without a record: the vote helps what is chosen anyway', () => {
    const scene = new Scene({ chosen: 4 }).toSecondaryOf(2);
    expect(scene.receive(2, accept(1, 2, 4, 'x', 4))).toEqual(['send 2: accepted 1.2: 4 to 4']);
  });

  it('behind a gap begins a new run: what is left out is chosen, and nobody waits for a vote on it', () => {
    const scene = new Scene().toSecondaryOf(2);
    scene.receive(2, accept(1, 2, 1, 'x'));
    scene.durable();
    expect(scene.receive(2, accept(1, 2, 5, 'y', 4))).toEqual([
      'append 2: accept 1.2 slot 5 y',
      'send 2: fetch from 1',
    ]);
    expect(scene.durable()).toEqual(['send 2: accepted 1.2: 5 to 5']);
  });

  it('under a new ballot begins a new run', () => {
    const scene = new Scene().toSecondaryOf(2);
    scene.receive(2, accept(1, 2, 1, 'x'));
    scene.receive(3, accept(2, 3, 2, 'y'));
    expect(scene.durable()).toEqual(['send 3: accepted 2.3: 2 to 2']);
  });

  it('of slots before its run says nothing of them before they are durable themselves', () => {
    const scene = new Scene().toSecondaryOf(2);
    scene.receive(2, accept(1, 2, 3, 'z'));
    scene.receive(2, accept(1, 2, 1, 'x'));
    expect(scene.durable(1)).toEqual([]);
    expect(scene.durable(2)).toEqual(['send 2: accepted 1.2: 1 to 1']);
  });

  it('under a new ballot is not confirmed by the write of the old one for the same slot', () => {
    const scene = new Scene().toSecondaryOf(2);
    scene.receive(2, accept(1, 2, 1, 'x'));
    scene.receive(3, accept(2, 3, 1, 'y'));
    expect(scene.durable(1)).toEqual([]);
    expect(scene.durable(2)).toEqual(['send 3: accepted 2.3: 1 to 1']);
  });

  it('is not acknowledged once a higher ballot was promised', () => {
    const scene = new Scene().toSecondaryOf(2);
    scene.receive(2, accept(1, 2, 1, 'x'));
    scene.receive(3, prepare(2, 3));
    expect(scene.durable()).toEqual([
      'send 3: promise-entry 2.3: slot 1 has x of 1.2',
      'send 3: promised 2.3: 1 entries, chosen 0',
    ]);
  });
});

describe('heartbeat', () => {
  const heartbeat = (round: number, member: number, chosen = 0): Message => ({
    kind: 'heartbeat',
    ballot: b(round, member),
    chosen,
    round: 7,
  });

  it('is answered with what is durable under its ballot', () => {
    const scene = new Scene().toSecondaryOf(2);
    scene.receive(2, accept(1, 2, 1, 'x'));
    expect(scene.receive(2, heartbeat(1, 2))).toEqual([
      'send 2: heartbeat-reply 1.2 round 7: 1 to 0, chosen 0',
    ]);
    scene.durable();
    expect(scene.receive(2, heartbeat(1, 2))).toEqual([
      'send 2: heartbeat-reply 1.2 round 7: 1 to 1, chosen 0',
    ]);
  });

  it('under a ballot that nothing was accepted under is answered with nothing', () => {
    const scene = new Scene().toSecondaryOf(2);
    scene.receive(2, accept(1, 2, 1, 'x'));
    scene.durable();
    expect(scene.receive(3, heartbeat(2, 3))).toEqual([
      'send 3: heartbeat-reply 2.3 round 7: 1 to 0, chosen 0',
      'status: secondary, primary 3, ballot 2.3',
    ]);
  });

  it('below the promise is refused', () => {
    const scene = new Scene({ promised: b(5, 3) });
    expect(scene.receive(2, heartbeat(4, 2))).toEqual(['send 2: refuse 4.2: promised 5.3']);
  });

  it('above the promise does not raise it: it is no vote', () => {
    const scene = new Scene({ promised: b(1, 3) });
    scene.receive(2, heartbeat(4, 2));
    expect(scene.replica.promised).toBe(b(1, 3));
  });
});

describe('contracts', () => {
  it('same-ballot-same-decree: of an open slot', () => {
    const scene = new Scene().toSecondaryOf(2);
    scene.receive(2, accept(1, 2, 1, 'x'));
    expect(contractOf(() => scene.receive(2, accept(1, 2, 1, 'y')))).toBe('same-ballot-same-decree');
  });

  it('same-ballot-same-decree: of one that was accepted in an earlier life', () => {
    const scene = new Scene({ accepted: { 1: [b(1, 2), decree('x')] } });
    expect(contractOf(() => scene.receive(2, accept(1, 2, 1, 'y')))).toBe('same-ballot-same-decree');
  });

  it('same-ballot-same-decree: of one that is learned', () => {
    const scene = new Scene({ accepted: { 1: [b(1, 2), decree('x')] } });
    const learn: Message = { kind: 'learn', slot: 1, ballot: b(1, 2), decree: decree('y') };
    expect(contractOf(() => scene.receive(2, learn))).toBe('same-ballot-same-decree');
  });

  it('ballot-owner-proposes: prepare, accept and heartbeat come from the owner of their ballot', () => {
    const from3: Message[] = [
      prepare(1, 2),
      accept(1, 2, 1, 'x'),
      { kind: 'heartbeat', ballot: b(1, 2), chosen: 0, round: 0 },
    ];
    for (const message of from3)
      expect(contractOf(() => new Scene().receive(3, message))).toBe('ballot-owner-proposes');
  });

  it('accepted-at-most-promised and recovered-acceptances-open: of what was recovered', () => {
    const accepted = { 2: [b(3, 2), decree('x')] } as const;
    expect(contractOf(() => new Scene({ accepted, promised: b(2, 2) }))).toBe('accepted-at-most-promised');
    expect(contractOf(() => new Scene({ accepted, chosen: 2 }))).toBe('recovered-acceptances-open');
  });

  it('durable-only-what-was-written: neither more than was written nor less than before', () => {
    const scene = new Scene();
    scene.receive(2, prepare(1, 2));
    expect(contractOf(() => scene.feed({ kind: 'durable', write: 2 }))).toBe('durable-only-what-was-written');
    scene.durable(1);
    expect(contractOf(() => scene.feed({ kind: 'durable', write: 0 }))).toBe('durable-only-what-was-written');
  });

  it('time-never-goes-back', () => {
    const scene = new Scene();
    expect(contractOf(() => scene.replica.step({ kind: 'tick' }, scene.now - 1))).toBe(
      'time-never-goes-back',
    );
  });
});
