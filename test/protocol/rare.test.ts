/** What happens seldom: late durability, congestion in the middle, odd orders. One state, one input, the exact effects. */

import { describe, expect, it, vi } from 'vitest';
import { MEMBER_NUMBER_MAX } from '../../src/protocol/ballot.js';
import { givesNumbersOnce } from '../../src/protocol/configuration.js';
import { Context } from '../../src/protocol/context.js';
import type { Message } from '../../src/protocol/messages.js';
import { b, configurationOf, contractOf, decree, incarnationOf, options, Scene } from './harness.js';

describe('a candidate that gave up', () => {
  it('sends no prepare when its promise becomes durable at last', () => {
    const scene = new Scene().toPreparing();
    scene.wait(options.electionTimeoutMs + 20);
    expect(scene.role).not.toBe('preparing');
    const effects = scene.durable();
    expect(effects.filter((effect) => effect.includes('prepare'))).toEqual([]);
  });

  it('goes on preparing where it was refused under an older ballot', () => {
    const scene = new Scene().toPreparing();
    scene.durable();
    scene.receive(2, { kind: 'refuse', ballot: b(7, 1), promised: b(9, 3) });
    expect(scene.role).toBe('preparing');
  });
});

describe('a candidate', () => {
  it('proposes the slots again in order, whatever order they were reported in', () => {
    const scene = new Scene({ promised: b(5, 3) }).toPreparing();
    scene.durable();
    const ballot = scene.preparing;
    for (const slot of [2, 1]) {
      const one = decree(`slot ${slot}`);
      scene.receive(2, { kind: 'promise-entry', ballot, slot, acceptedBallot: b(1, 3), decree: one });
    }
    const effects = scene.receive(2, { kind: 'promised', ballot, entries: 2, chosen: 0 });
    expect(effects.filter((effect) => effect.startsWith('append'))).toEqual([
      'append 2: accept 6.1 slot 1 slot 1',
      'append 3: accept 6.1 slot 2 slot 2',
    ]);
  });
});

describe('a primary', () => {
  it('that stepped down counts none of its votes that become durable later', () => {
    const scene = new Scene().toPrimary();
    scene.propose(decree('x'));
    scene.feed({ kind: 'able', able: false });
    scene.feed({ kind: 'tick' });
    expect(scene.role).toBe('secondary');
    expect(scene.durable()).toEqual([]);
    expect(scene.receive(2, { kind: 'accepted', ballot: b(1, 1), from: 1, through: 1 })).toEqual([]);
  });

  it('passes over what was chosen while a link was congested', () => {
    const scene = new Scene().toPrimary();
    const nothing = {
      kind: 'heartbeat-reply',
      ballot: b(1, 1),
      round: 0,
      from: 1,
      through: 0,
      chosen: 0,
      standing: 100,
    } as const;
    scene.receive(3, nothing);
    scene.feed({ kind: 'congestion', peer: 2, congested: true });
    expect(scene.propose(decree('x'))).toContain('send 3: accept 1.1: slot 1 x, chosen 0');
    scene.durable();
    scene.receive(3, { kind: 'accepted', ballot: b(1, 1), from: 1, through: 1 });
    expect(scene.replica.chosen).toBe(1);
    expect(scene.replica.acceptedBy(3)).toBe(1);
    expect(scene.replica.acceptedBy(2)).toBe(0);
    expect(scene.replica.acceptedBy(9)).toBe(0);
    expect(scene.feed({ kind: 'congestion', peer: 2, congested: false })).toEqual([]);
    expect(scene.propose(decree('y'))).toContain('send 2: accept 1.1: slot 2 y, chosen 1');
  });

  it('lets nobody in once there are no member numbers left', () => {
    const join: Message = { kind: 'join', id: 'c', incarnation: incarnationOf('c', 2), chosen: 0, former: 0 };
    const defunct = 'send 65540: defunct: chosen 0';
    const nearly = { ...configurationOf(3), nextMember: MEMBER_NUMBER_MAX };
    const before = new Scene({ configuration: nearly, linked: [2, 65_540] }).toPrimary();
    expect(before.receive(65_540, join)).toHaveLength(3);
    const full = { ...configurationOf(3), nextMember: MEMBER_NUMBER_MAX + 1 };
    const scene = new Scene({ configuration: full, linked: [2, 65_540] }).toPrimary();
    expect(scene.receive(65_540, join)).toEqual([defunct]);
  });
});

describe('a secondary', () => {
  it('has no use for word of congestion', () => {
    expect(new Scene().feed({ kind: 'congestion', peer: 2, congested: true })).toEqual([]);
  });

  it('asks the peers in turn, in the order of their numbers and not of their word', () => {
    const scene = new Scene({ size: 5 });
    const asked: string[] = [];
    for (const peer of [5, 3, 4, 2])
      asked.push(...scene.receive(peer, { kind: 'fetch-end', through: 0, chosen: 100 }));
    for (const peer of [5, 2, 3, 4])
      asked.push(...scene.receive(peer, { kind: 'fetch-end', through: 50, chosen: 100 }));
    expect(asked).toEqual([5, 2, 3, 4, 5].map((peer) => `send ${peer}: fetch from 1`));
  });
});

describe('a configuration', () => {
  it('gives no number twice, to nobody', () => {
    const current = configurationOf(3);
    const next = { ...current, number: 2, nextMember: 5 };
    const [a, second] = current.members;
    expect(givesNumbersOnce(current, next)).toBe(true);
    const newcomer = { number: 4, id: 'c', incarnation: incarnationOf('c', 2) };
    expect(givesNumbersOnce(current, { ...next, members: [a!, second!, newcomer] })).toBe(true);
    for (const members of [
      [a!, second!, { ...newcomer, number: 5 }],
      [a!, second!, { ...newcomer, number: 3 }],
      [a!, second!, { ...second!, id: 'c' }],
      [a!, { ...second!, incarnation: incarnationOf('b', 2) }],
    ])
      expect(givesNumbersOnce(current, { ...next, members })).toBe(false);
  });
});

describe('what is of no kind', () => {
  it('a message', () => {
    const nonsense = { kind: 'nonsense' } as unknown as Message;
    expect(contractOf(() => new Scene().receive(2, nonsense))).toBe('complete-dispatch');
  });

  it('a role', () => {
    const scene = new Scene();
    const send = vi.spyOn(Context.prototype, 'send').mockImplementation(function (this: Context) {
      this.role = 'nonsense' as Context['role'];
    });
    scene.replica.step(scene.from(2, { kind: 'status-query', round: 1 }), scene.now);
    send.mockRestore();
    expect(contractOf(() => scene.replica.step({ kind: 'tick' }, scene.now))).toBe('complete-dispatch');
  });
});
