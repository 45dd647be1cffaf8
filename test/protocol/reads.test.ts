/**
 * Aim: a read is given a slot only once a quorum has confirmed, after the read was made, that nobody has promised a higher ballot; on any
 * replica; and never a slot before what an earlier primary may have had chosen. Method: one replica, input by input.
 */

import { describe, expect, it } from 'vitest';
import { contracts } from '../../src/contracts.js';
import { PeerFault } from '../../src/protocol/plausible.js';
import { b, contractOf, decree, Scene } from './harness.js';

const reads = (effects: readonly string[]): string[] => effects.filter((line) => line.includes('read'));
const confirm = (scene: Scene, from: number, round: number, ballot = scene.replica.ballot): string[] =>
  scene.receive(from, {
    kind: 'heartbeat-reply',
    ballot,
    round,
    from: 1,
    through: 0,
    chosen: 0,
    standing: 0,
  });
const made = { kind: 'read-query', life: 77 } as const;

describe('a read on the primary', () => {
  it('has a round of heartbeats begun at once, and is answered when a quorum has echoed it', () => {
    const scene = new Scene({ chosen: 4 }).toPrimary();
    expect(scene.feed({ kind: 'read', read: 1 })).toEqual([
      'send 2: heartbeat 1.1 round 1: chosen 4',
      'send 3: heartbeat 1.1 round 1: chosen 4',
    ]);
    expect(reads(confirm(scene, 3, 1))).toEqual(['read-slot 1: 4']);
    expect(reads(confirm(scene, 2, 1))).toEqual([]);
  });

  it('is answered at once where it is alone', () => {
    const scene = new Scene({ size: 1, chosen: 4 });
    scene.wait(scene.options.electionTimeoutMs);
    scene.durable();
    expect(scene.role).toBe('primary');
    expect(scene.feed({ kind: 'read', read: 1 })).toEqual(['read-slot 1: 4']);
  });

  it('takes a majority of five', () => {
    const scene = new Scene({ size: 5 }).toPrimary();
    scene.feed({ kind: 'read', read: 1 });
    expect(reads(confirm(scene, 2, 1))).toEqual([]);
    expect(reads(confirm(scene, 2, 1)), 'the same member again').toEqual([]);
    expect(reads(confirm(scene, 5, 1))).toEqual(['read-slot 1: 0']);
  });

  it('does not count the echo of a round that began before it', () => {
    const scene = new Scene().toPrimary();
    scene.wait(scene.options.heartbeatMs);
    scene.feed({ kind: 'read', read: 1 });
    expect(reads(confirm(scene, 2, 1))).toEqual([]);
    expect(reads(confirm(scene, 2, 2))).toEqual(['read-slot 1: 0']);
  });

  it('waits for the next round while one is under way, and shares it', () => {
    const scene = new Scene().toPrimary();
    scene.feed({ kind: 'read', read: 1 });
    expect(scene.feed({ kind: 'read', read: 2 })).toEqual([]);
    expect(scene.feed({ kind: 'read', read: 3 })).toEqual([]);
    expect(confirm(scene, 2, 1)).toEqual([
      'read-slot 1: 0',
      'send 2: heartbeat 1.1 round 2: chosen 0',
      'send 3: heartbeat 1.1 round 2: chosen 0',
    ]);
    expect(reads(confirm(scene, 3, 1))).toEqual([]);
    expect(reads(confirm(scene, 3, 2))).toEqual(['read-slot 3: 0']);
  });

  it('is confirmed by a later round too, should the first be lost', () => {
    const scene = new Scene().toPrimary();
    scene.feed({ kind: 'read', read: 1 });
    scene.wait(scene.options.heartbeatMs);
    expect(reads(confirm(scene, 2, 2))).toEqual(['read-slot 1: 0']);
  });

  it('sees what is chosen when its round begins', () => {
    const scene = new Scene().toPrimary();
    scene.propose(decree('x'));
    scene.durable();
    scene.receive(2, { kind: 'accepted', ballot: b(1, 1), from: 1, through: 1 });
    expect(scene.replica.chosen).toBe(1);
    scene.feed({ kind: 'read', read: 1 });
    expect(reads(confirm(scene, 2, 1))).toEqual(['read-slot 1: 1']);
  });

  it('waits until what the primary adopted is chosen: it may have been chosen, and answered, long ago', () => {
    const scene = new Scene({ accepted: { 1: [b(1, 2), decree('x')] } }).toPrimary();
    expect(scene.feed({ kind: 'read', read: 1 })).toEqual([]);
    scene.wait(scene.options.heartbeatMs);
    expect(reads(confirm(scene, 2, 1))).toEqual([]);
    scene.durable();
    scene.receive(2, { kind: 'accepted', ballot: scene.replica.ballot, from: 1, through: 1 });
    expect(scene.replica.chosen).toBe(1);
    scene.feed({ kind: 'tick' });
    expect(reads(confirm(scene, 2, 2))).toEqual(['read-slot 1: 1']);
  });

  it('is not answered by who has yielded, and is by the next primary', () => {
    const scene = new Scene().toPrimary();
    const { ballot } = scene.replica;
    scene.feed({ kind: 'read', read: 1 });
    scene.receive(3, { kind: 'prepare', ballot: b(7, 3), from: 1 });
    expect(scene.role).toBe('secondary');
    expect(reads(confirm(scene, 2, 1, ballot))).toEqual([]);
    scene.durable();
    const heartbeat = { kind: 'heartbeat', ballot: b(7, 3), chosen: 0, round: 1 } as const;
    expect(reads(scene.receive(3, heartbeat))).toEqual(['send 3: read-query 1']);
  });

  it('does not count an echo under another ballot', () => {
    const scene = new Scene({ promised: b(3, 1) }).toPrimary();
    scene.feed({ kind: 'read', read: 1 });
    expect(reads(confirm(scene, 2, 1, b(3, 1)))).toEqual([]);
    expect(reads(confirm(scene, 2, 1, b(4, 1)))).toEqual(['read-slot 1: 0']);
  });

  it('is not confirmed by who is no member under its configuration', () => {
    const scene = new Scene().toPrimary();
    scene.feed({ kind: 'read', read: 1 });
    const echo = {
      kind: 'heartbeat-reply',
      ballot: b(1, 1),
      round: 1,
      from: 1,
      through: 0,
      chosen: 0,
      standing: 0,
    } as const;
    // The disk that came in the place of member 3's has another number, and no vote.
    scene.feed({ kind: 'peer-up', peer: 70_000 });
    expect(reads(scene.receive(70_000, echo))).toEqual([]);
    expect(reads(scene.receive(2, echo, 2))).toEqual([]);
    expect(reads(scene.receive(2, echo))).toEqual(['read-slot 1: 0']);
  });
});

describe('a read on a secondary', () => {
  it('asks the primary, which answers as for its own', () => {
    const primary = new Scene({ chosen: 4 }).toPrimary();
    expect(reads(primary.receive(2, { ...made, read: 9 }))).toEqual([]);
    primary.receive(3, { ...made, read: 5 });
    expect(reads(confirm(primary, 2, 1))).toEqual(['send 2: read-reply 9: slot 4']);
    expect(reads(confirm(primary, 3, 2))).toEqual(['send 3: read-reply 5: slot 4']);
  });

  it('is asked for again where the answer does not come, or the primary is another one', () => {
    const scene = new Scene({ id: 'c' }).toSecondaryOf(1);
    expect(scene.feed({ kind: 'read', read: 1 })).toEqual(['send 1: read-query 1']);
    expect(scene.feed({ kind: 'read', read: 2 })).toEqual(['send 1: read-query 2']);
    expect(reads(scene.wait(90))).toEqual([]);
    expect(reads(scene.wait(20))).toEqual(['send 1: read-query 2']);
    scene.feed({ kind: 'peer-down', peer: 1 });
    expect(reads(scene.feed({ kind: 'peer-up', peer: 1 }))).toEqual(['send 1: read-query 2']);
    const heartbeat = { kind: 'heartbeat', ballot: b(2, 2), chosen: 0, round: 0 } as const;
    expect(reads(scene.receive(2, heartbeat))).toEqual(['send 2: read-query 2']);
  });

  it('waits while no primary is known', () => {
    const scene = new Scene({ id: 'c' });
    expect(scene.feed({ kind: 'read', read: 1 })).toEqual([]);
    const heartbeat = { kind: 'heartbeat', ballot: b(1, 1), chosen: 0, round: 0 } as const;
    expect(reads(scene.receive(1, heartbeat))).toEqual(['send 1: read-query 1']);
  });

  it('takes the answer for all reads up to its number, once', () => {
    const scene = new Scene({ id: 'c' }).toSecondaryOf(1);
    for (const read of [1, 2, 3]) scene.feed({ kind: 'read', read });
    const reply = { kind: 'read-reply', life: 1, slot: 6 } as const;
    expect(scene.receive(1, { ...reply, read: 2 })).toContain('read-slot 2: 6');
    expect(reads(scene.receive(1, { ...reply, read: 1 }))).toEqual([]);
    expect(reads(scene.receive(1, { ...reply, read: 3, slot: 5 })), 'the slot never goes back').toEqual([
      'read-slot 3: 6',
    ]);
    expect(reads(scene.wait(200))).toEqual([]);
  });

  it('takes no answer that was meant for the process before this one', () => {
    const scene = new Scene({ id: 'c', random: () => 0.25 }).toSecondaryOf(1);
    scene.feed({ kind: 'read', read: 1 });
    expect(reads(scene.receive(1, { kind: 'read-reply', life: 1, read: 1, slot: 2 }))).toEqual([]);
    const life = 1 + 2 ** 50;
    expect(scene.receive(1, { kind: 'read-reply', life, read: 1, slot: 2 })).toContain('read-slot 1: 2');
  });

  it('is forgotten by the primary with the link that it came on', () => {
    const primary = new Scene().toPrimary();
    primary.receive(2, { ...made, read: 9 });
    primary.feed({ kind: 'peer-down', peer: 2 });
    primary.feed({ kind: 'peer-up', peer: 2 });
    expect(reads(confirm(primary, 3, 1))).toEqual([]);
  });
});

describe('what a peer says of reads', () => {
  it('cannot be more than it was asked', () => {
    const primary = new Scene().toPrimary();
    expect(contractOf(() => confirm(primary, 2, 99))).toBe('echoes-what-was-sent');
    const scene = new Scene({ id: 'c' }).toSecondaryOf(1);
    scene.feed({ kind: 'read', read: 1 });
    const reply = { kind: 'read-reply', life: 1, read: 2, slot: 6 } as const;
    expect(contractOf(() => scene.receive(1, reply))).toBe('answers-what-was-asked');
    contracts.level = 'cheap';
    try {
      expect(() => scene.receive(1, reply)).toThrow(PeerFault);
    } finally {
      contracts.level = 'full';
    }
    expect(contractOf(() => scene.feed({ kind: 'read', read: 1 }))).toBe('reads-are-numbered-upwards');
  });
});
