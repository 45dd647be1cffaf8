/** Leases (docs/protocol.md, "Leases"): who grants keeps its word by its clock, who holds does not trust its own. */

import { describe, expect, it } from 'vitest';
import type { Message } from '../../src/protocol/messages.js';
import { b, decree, Scene } from './harness.js';
import { beat, grant, holding, lease, leasing } from './lease-scenes.js';

const USABLE_MS = 245;
const read = (number: number) => ({ kind: 'lease-read', read: number }) as const;
const answers = (effects: readonly string[]): string[] =>
  effects.filter((line) => line.includes('read-slot'));
const request = (round: number, primary = 2): Message => ({
  kind: 'lease-request',
  ballot: b(round, primary),
  round: 1,
  durationMs: 300,
});
const prepare = (round: number, from = 3): Message => ({ kind: 'prepare', ballot: b(round, from), from: 1 });

/** A quorum hears it, or it would resign; that is no grant. */
function hear(scene: Scene): void {
  scene.receive(3, {
    kind: 'heartbeat-reply',
    ballot: b(1, 1),
    round: 1,
    from: 1,
    through: 0,
    chosen: 0,
    standing: 0,
  });
}

describe('a primary with a lease', () => {
  it('answers at once, without a round', () => {
    const scene = holding();
    const effects = scene.feed(read(1));
    expect(answers(effects)).toEqual(['read-slot 1: 0']);
    expect(effects.filter((line) => line.includes('heartbeat'))).toEqual([]);
  });

  it('answers others too', () => {
    const scene = holding();
    expect(scene.receive(3, { kind: 'lease-query', life: 7, read: 4 })).toEqual([
      'send 3: lease-reply 4: slot 0',
    ]);
  });

  it('asks a quorum where nobody has granted for too long, counted from when it asked', () => {
    const scene = holding();
    scene.wait(100);
    hear(scene);
    scene.wait(USABLE_MS - 110);
    expect(answers(scene.feed(read(1)))).toEqual(['read-slot 1: 0']);
    scene.wait(20);
    expect(scene.role).toBe('primary');
    const effects = scene.feed(read(2));
    expect(answers(effects)).toEqual([]);
    expect(effects.some((line) => line.startsWith('send 2: heartbeat'))).toBe(true);
  });

  it('has none by a grant for another ballot, or for a round that it does not remember', () => {
    const scene = holding();
    scene.wait(100);
    hear(scene);
    scene.wait(USABLE_MS - 90);
    const round = beat(scene);
    grant(scene, 2, round, b(9, 1));
    grant(scene, 2, 1);
    expect(answers(scene.feed(read(1)))).toEqual([]);
    grant(scene, 2, round);
    expect(answers(scene.feed(read(2)))).toEqual(['read-slot 2: 0']);
  });

  it('does not answer before what it adopted is chosen', () => {
    const scene = holding();
    scene.propose(decree('x'));
    expect(answers(scene.feed(read(1))), 'what it proposed itself does not matter').toEqual([
      'read-slot 1: 0',
    ]);
  });

  it('gives it up when it hands over, and old grants do not count afterwards', () => {
    const scene = holding();
    const reply = {
      kind: 'heartbeat-reply',
      ballot: b(1, 1),
      round: 1,
      from: 1,
      through: 0,
      chosen: 0,
      standing: 100,
    } as const;
    scene.receive(2, reply);
    const round = beat(scene);
    expect(scene.feed({ kind: 'relinquish', request: 7, to: 2 }).map((line) => line.slice(0, 21))).toEqual([
      'send 2: lease-release',
      'send 3: lease-release',
      'send 2: hand-over 1.1',
    ]);
    expect(answers(scene.feed(read(1)))).toEqual([]);
    scene.receive(2, { kind: 'hand-over-declined', ballot: b(1, 1) });
    expect(scene.replica.canPropose).toBe(true);
    grant(scene, 2, round);
    expect(answers(scene.feed(read(2))), 'granted before it was given back').toEqual([]);
    grant(scene, 2, beat(scene));
    expect(answers(scene.feed(read(3)))).toEqual(['read-slot 3: 0']);
  });

  it('has none while a configuration is open, nor once another one leads', () => {
    const scene = holding();
    scene.receive(3, prepare(5));
    expect(scene.role).toBe('secondary');
    expect(answers(scene.feed(read(1)))).toEqual([]);
  });
});

describe('a member that has granted a lease', () => {
  function granted(): Scene {
    const scene = new Scene(leasing).toSecondaryOf(2);
    // Behind what it may have granted in its life before.
    for (let passed = 0; passed < 400; passed += 50) {
      scene.wait(50);
      scene.receive(2, { kind: 'heartbeat', ballot: b(1, 2), chosen: 0, round: 1 });
    }
    expect(scene.receive(2, request(1))).toEqual(['send 2: lease-grant 1.2: round 1']);
    return scene;
  }

  it('promises nobody else anything for so long, and then does', () => {
    const scene = granted();
    expect(scene.receive(3, prepare(4))).toEqual([]);
    scene.wait(290);
    expect(scene.receive(3, prepare(4))).toEqual([]);
    scene.wait(10);
    scene.receive(3, prepare(4));
    expect(scene.replica.promised).toBe(b(4, 3));
  });

  it('promises the holder itself a higher ballot at once', () => {
    const scene = granted();
    scene.receive(2, prepare(4, 2));
    expect(scene.replica.promised).toBe(b(4, 2));
  });

  it('promises at once where the holder has given it back', () => {
    const scene = granted();
    scene.receive(2, { kind: 'lease-release', ballot: b(1, 2) });
    scene.receive(3, prepare(4));
    expect(scene.replica.promised).toBe(b(4, 3));
  });

  it('grants no more once somebody waits for it, or the grants would never end', () => {
    const scene = granted();
    scene.receive(3, prepare(4));
    expect(scene.receive(2, request(1))).toEqual([]);
    scene.wait(300);
    scene.receive(3, prepare(4));
    expect(scene.replica.promised).toBe(b(4, 3));
  });

  it('does not promise itself anything either: told to lead, it waits', () => {
    const scene = granted();
    scene.feed({ kind: 'promote', request: 7, evenIfBehind: false });
    expect(scene.role).toBe('secondary');
    scene.wait(290);
    expect(scene.replica.promised).toBe(0);
    scene.wait(20);
    expect(scene.role).toBe('preparing');
  });

  it('told to lead, it does not depose whoever stood while it waited', () => {
    const scene = granted();
    scene.feed({ kind: 'promote', request: 7, evenIfBehind: false });
    scene.wait(300 - 1);
    scene.receive(2, { kind: 'lease-release', ballot: b(1, 2) });
    scene.receive(3, prepare(4));
    expect(scene.replica.promised).toBe(b(4, 3));
    scene.durable();
    for (let passed = 0; passed < 1000; passed += 50) {
      scene.receive(3, { kind: 'heartbeat', ballot: b(4, 3), chosen: 0, round: 1 });
      scene.wait(50);
      expect(scene.role).toBe('secondary');
    }
  });

  it('told to lead, it does not depose whoever was elected without it', () => {
    const scene = granted();
    scene.feed({ kind: 'promote', request: 7, evenIfBehind: false });
    // Not promised: the lease of the one before lasts. A quorum of others did.
    expect(scene.receive(3, prepare(4))).toEqual([]);
    for (let passed = 0; passed < 1000; passed += 50) {
      scene.receive(3, { kind: 'heartbeat', ballot: b(4, 3), chosen: 0, round: 1 });
      scene.wait(50);
      expect(scene.role).toBe('secondary');
    }
  });

  it('told to lead, it does after the acceptances of the holder all the same', () => {
    const scene = granted();
    scene.feed({ kind: 'promote', request: 7, evenIfBehind: false });
    scene.receive(2, { kind: 'accept', ballot: b(1, 2), slot: 1, chosen: 0, decree: decree('x') });
    expect(scene.replica.promised).toBe(b(1, 2));
    scene.wait(320);
    expect(scene.role).toBe('preparing');
  });

  it('does not take over late: it declines what it must not do at once', () => {
    const offer: Message = { kind: 'hand-over', ballot: b(1, 2), last: 0 };
    const restarted = new Scene({ ...leasing, promised: b(1, 2) }).toSecondaryOf(2);
    expect(restarted.receive(2, offer)).toEqual(['send 2: hand-over-declined 1.2']);
    for (let passed = 0; passed < 1000; passed += 50) {
      restarted.receive(2, { kind: 'heartbeat', ballot: b(1, 2), chosen: 0, round: 1 });
      restarted.wait(50);
      expect(restarted.role).toBe('secondary');
    }
    expect(restarted.receive(2, offer)).toEqual([
      'append 1: promise 2.1',
      'status: preparing, primary 0, ballot -',
    ]);
  });

  it('does not take over once it has granted again while its application was asked', () => {
    const scene = new Scene({ options: { lease, asksToLead: true }, promised: b(1, 2) }).toSecondaryOf(2);
    for (let passed = 0; passed < 300; passed += 50) {
      scene.receive(2, { kind: 'heartbeat', ballot: b(1, 2), chosen: 0, round: 1 });
      scene.wait(50);
    }
    expect(scene.receive(2, { kind: 'hand-over', ballot: b(1, 2), last: 0 })).toEqual(['ask-to-lead 1']);
    scene.receive(2, request(1));
    scene.feed({ kind: 'may-lead', request: 1, may: true });
    for (let passed = 0; passed < 600; passed += 50) {
      scene.receive(2, { kind: 'heartbeat', ballot: b(1, 2), chosen: 0, round: 1 });
      scene.wait(50);
      expect(scene.role).toBe('secondary');
    }
  });

  it('grants nothing where it was not told of leases, or of such long ones', () => {
    const without = new Scene().toSecondaryOf(2);
    expect(without.receive(2, request(1))).toEqual([]);
    without.receive(3, prepare(4));
    expect(without.replica.promised).toBe(b(4, 3));
    const shorter = new Scene({ options: { lease: { ...lease, durationMs: 299 } } }).toSecondaryOf(2);
    expect(shorter.receive(2, request(1))).toEqual([]);
  });

  it('grants nothing to who gets no vote, nor under a ballot that is below its promise', () => {
    const scene = granted();
    scene.feed({ kind: 'withhold', from: new Set([2]) });
    expect(scene.receive(2, request(1))).toEqual([]);
    scene.feed({ kind: 'withhold', from: new Set() });
    scene.wait(300);
    scene.receive(3, prepare(4));
    expect(scene.receive(2, request(1))).toEqual([]);
  });
});

it('after a start nobody is promised anything for as long as a lease of the life before may last', () => {
  const scene = new Scene(leasing);
  scene.wait(290);
  expect(scene.receive(3, prepare(1))).toEqual([]);
  expect(scene.replica.promised).toBe(0);
  scene.wait(10);
  scene.receive(3, prepare(1));
  expect(scene.replica.promised).toBe(b(1, 3));
});

it('a promise that was given is told again behind that: a checkpoint may have brought it, and the grant have been given after it', () => {
  const scene = new Scene({ ...leasing, promised: b(3, 2) });
  expect(scene.receive(2, prepare(3, 2))).toEqual([]);
  scene.wait(300);
  expect(scene.receive(2, prepare(3, 2))).toContain('send 2: promised 3.2: 0 entries, chosen 0');
});
