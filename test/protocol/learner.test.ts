/** What is chosen, what is believed, and fetching what was missed (rules 5 and 6). */

import { describe, expect, it } from 'vitest';
import type { Message } from '../../src/protocol/messages.js';
import { b, decree, Scene, statusReply } from './harness.js';

const accept = (round: number, member: number, slot: number, name: string, chosen = 0): Message => ({
  kind: 'accept',
  ballot: b(round, member),
  slot,
  chosen,
  decree: decree(name),
});

const heartbeat = (round: number, member: number, chosen: number): Message => ({
  kind: 'heartbeat',
  ballot: b(round, member),
  chosen,
  round: 1,
});

const learn = (slot: number, name: string, round = 1, member = 2): Message => ({
  kind: 'learn',
  slot,
  ballot: b(round, member),
  decree: decree(name),
});

/** The fetches of `scene` in the next `ms`, while member 2 leads in ballot 1 and says at every step what is chosen. */
function fetchesFollowing(scene: Scene, ms: number, chosen: number, stepMs = 100): string[] {
  const effects: string[] = [];
  for (let waited = 0; waited < ms; waited += stepMs)
    effects.push(...scene.wait(stepMs), ...scene.receive(2, heartbeat(1, 2, chosen)));
  return effects.filter((effect) => effect.includes('fetch'));
}

describe('a checkpoint that is durable here', () => {
  const configured = (scene: Scene) => scene.replica.configuration!;

  it('stands for every slot up to its own, open ones too; what is accepted behind it stays', () => {
    const scene = new Scene().toSecondaryOf(2);
    scene.receive(2, accept(1, 2, 1, 'x'));
    scene.receive(2, accept(1, 2, 2, 'y'));
    scene.receive(2, accept(1, 2, 3, 'z'));
    expect(scene.feed({ kind: 'installed', slot: 2, configuration: configured(scene), promised: 0 })).toEqual(
      ['append 4: jump to slot 2', 'chosen 2'],
    );
    expect([...scene.replica.accepted.keys()]).toEqual([3]);
    expect(scene.receive(2, heartbeat(1, 2, 3))[0]).toBe('chosen 3');
  });

  it('has a primary that proposed as far prepare anew, and lead on: what it holds may have been chosen under a higher ballot', () => {
    const scene = new Scene().toPrimary();
    for (const name of ['x', 'y', 'z']) scene.feed({ kind: 'propose', decree: decree(name) });
    scene.durable();
    expect(
      scene.feed({ kind: 'installed', slot: 2, configuration: configured(scene), promised: 0 }),
    ).toContain('chosen 2');
    expect(scene.role).toBe('preparing');
    expect(scene.preparing).toBe(b(2, 1));
    expect(scene.receive(2, { kind: 'accepted', ballot: b(1, 1), from: 1, through: 3 })).toEqual([]);
    scene.durable();
    scene.receive(2, { kind: 'promised', ballot: b(2, 1), entries: 0, chosen: 2 });
    expect(scene.role).toBe('primary');
    scene.durable();
    expect(scene.receive(2, { kind: 'accepted', ballot: b(2, 1), from: 3, through: 3 })).toContain(
      'chosen 3',
    );
  });

  it('has a primary prepare anew among the members that it brings', () => {
    const scene = new Scene().toPrimary();
    const { members } = configured(scene);
    const smaller = { number: 2, members: members.slice(0, 2), nextMember: 4 };
    scene.feed({ kind: 'propose', decree: decree('x') });
    scene.feed({
      kind: 'change',
      change: {
        request: 1,
        cookie: '',
        force: false,
        ifNumber: 0,
        members: smaller.members.map(({ id, address = '' }) => ({ id, address })),
      },
    });
    expect(scene.feed({ kind: 'installed', slot: 2, configuration: smaller, promised: b(1, 1) })).toEqual(
      expect.arrayContaining([
        'change 1: configuration 2',
        'chosen 2',
        'configuration 2: 1=a 2=b, self 1',
        'append 5: promise 2.1',
      ]),
    );
    expect(scene.role).toBe('preparing');
  });

  it('tells a primary, if it did not, that another one was elected', () => {
    const scene = new Scene().toPrimary();
    scene.feed({ kind: 'propose', decree: decree('x') });
    scene.feed({ kind: 'installed', slot: 2, configuration: configured(scene), promised: 0 });
    expect(scene.role).toBe('secondary');
  });

  it('changes nothing where more is chosen', () => {
    const scene = new Scene().toSecondaryOf(2);
    scene.receive(2, accept(1, 2, 1, 'x'));
    scene.receive(2, heartbeat(1, 2, 1));
    expect(scene.feed({ kind: 'installed', slot: 1, configuration: configured(scene), promised: 0 })).toEqual(
      [],
    );
    expect(scene.replica.chosen).toBe(1);
  });

  it('far ahead ends what is fetched, and the next fetch begins behind it', () => {
    const scene = new Scene().toSecondaryOf(2);
    expect(scene.receive(2, heartbeat(1, 2, 5_000_000_000))).toContain('send 2: fetch from 1');
    const effects = scene.feed({
      kind: 'installed',
      slot: 4_000_000_000,
      configuration: configured(scene),
      promised: 0,
    });
    expect(effects).toEqual([
      'append 1: jump to slot 4000000000',
      'chosen 4000000000',
      'send 2: fetch from 4000000001',
    ]);
  });

  it('brings the configuration behind its slot, though those in between were never seen', () => {
    const scene = new Scene().toSecondaryOf(2);
    const { members } = configured(scene);
    const later = { number: 7, members, nextMember: 9 };
    scene.feed({ kind: 'installed', slot: 9, configuration: later, promised: b(3, 3) });
    expect(scene.replica.configuration?.number).toBe(7);
    expect(scene.replica.role).toBe('secondary');
  });

  it('that cannot be kept is asked for again after an election timeout, from another peer', () => {
    const scene = new Scene().toSecondaryOf(2);
    const { electionTimeoutMs } = scene.options;
    scene.receive(2, heartbeat(1, 2, 9));
    const stays = (ms: number) => fetchesFollowing(scene, ms, 9);
    scene.feed({ kind: 'catching-up', peer: 2 });
    scene.feed({ kind: 'copy-lost' });
    expect(stays(electionTimeoutMs - 200)).toEqual([]);
    expect(stays(400)).toEqual(['send 3: fetch from 1']);
    // Where it is lost again and again, nobody is asked more often.
    for (let times = 0; times < 3; times += 1) scene.feed({ kind: 'copy-lost' });
    expect(stays(electionTimeoutMs - 200)).toEqual([]);
  });

  it('on its way keeps the peer from being given up', () => {
    const scene = new Scene().toSecondaryOf(2);
    scene.receive(2, heartbeat(1, 2, 9));
    const sent: string[] = [];
    for (let round = 0; round < 20; round += 1) {
      scene.feed({ kind: 'catching-up', peer: 2 });
      sent.push(...scene.wait(200));
      scene.receive(2, heartbeat(1, 2, 9));
    }
    expect(sent.filter((effect) => effect.includes('fetch'))).toEqual([]);
  });
});

describe('"chosen up to" is believed', () => {
  it('for what was accepted under the very ballot, at once, durable here or not', () => {
    const scene = new Scene().toSecondaryOf(2);
    scene.receive(2, accept(1, 2, 1, 'x'));
    expect(scene.receive(2, heartbeat(1, 2, 1))).toEqual([
      'chosen 1',
      'send 2: heartbeat-reply 1.2 round 1: 1 to 0, chosen 1',
    ]);
  });

  it('also when it comes with the next accept', () => {
    const scene = new Scene().toSecondaryOf(2);
    scene.receive(2, accept(1, 2, 1, 'x'));
    expect(scene.receive(2, accept(1, 2, 2, 'y', 1))).toEqual(['append 2: accept 1.2 slot 2 y', 'chosen 1']);
  });

  it('not beyond what was accepted', () => {
    const scene = new Scene().toSecondaryOf(2);
    scene.receive(2, accept(1, 2, 1, 'x'));
    scene.receive(2, heartbeat(1, 2, 3));
    expect(scene.replica.chosen).toBe(1);
  });

  it('not for a decree of another ballot: it may be one that lost', () => {
    const scene = new Scene({ accepted: { 1: [b(1, 3), decree('lost')] } });
    expect(scene.receive(2, heartbeat(2, 2, 1))).toEqual([
      'send 2: heartbeat-reply 2.2 round 1: 1 to 0, chosen 0',
      'send 2: fetch from 1',
      'status: secondary, primary 2, ballot 2.2',
    ]);
  });

  it('not behind a gap: the gap is fetched', () => {
    const scene = new Scene().toSecondaryOf(2);
    expect(scene.receive(2, accept(1, 2, 5, 'five', 4))).toEqual([
      'append 1: accept 1.2 slot 5 five',
      'send 2: fetch from 1',
    ]);
    scene.receive(2, heartbeat(1, 2, 5));
    expect(scene.replica.chosen).toBe(0);
  });

  it('as soon as the gap is closed', () => {
    const scene = new Scene().toSecondaryOf(2);
    scene.receive(2, accept(1, 2, 3, 'three', 2));
    scene.receive(2, heartbeat(1, 2, 3));
    scene.receive(2, learn(1, 'one'));
    expect(scene.receive(2, learn(2, 'two'))).toEqual([
      'append 3: learn 1.2 slot 2 two',
      'chosen 2',
      'chosen 3',
    ]);
  });

  it('nothing of an older ballot counts after a newer one spoke', () => {
    const scene = new Scene();
    scene.receive(2, accept(1, 2, 1, 'x'));
    scene.receive(3, heartbeat(2, 3, 0));
    scene.receive(2, heartbeat(1, 2, 1));
    expect(scene.replica.chosen).toBe(0);
  });
});

describe('learn', () => {
  it('is recorded and chosen', () => {
    expect(new Scene().receive(3, learn(1, 'x'))).toEqual(['append 1: learn 1.2 slot 1 x', 'chosen 1']);
  });

  it('needs no record where the very same was accepted', () => {
    const scene = new Scene({ accepted: { 1: [b(1, 2), decree('x')] } });
    expect(scene.receive(3, learn(1, 'x'))).toEqual(['chosen 1']);
  });

  it('replaces what was accepted under another ballot', () => {
    const scene = new Scene({ accepted: { 1: [b(1, 3), decree('lost')] } });
    expect(scene.receive(3, learn(1, 'x', 2, 2))).toEqual(['append 1: learn 2.2 slot 1 x', 'chosen 1']);
  });

  it('of any slot but the next means nothing', () => {
    const scene = new Scene({ chosen: 3, linked: [] });
    expect(scene.receive(3, learn(3, 'x'))).toEqual([]);
    expect(scene.receive(3, learn(5, 'x'))).toEqual([]);
  });

  it('is no promise: a lower prepare is still welcome', () => {
    const scene = new Scene();
    scene.receive(3, learn(1, 'x', 9, 2));
    expect(scene.receive(3, { kind: 'prepare', ballot: b(1, 3), from: 1 })).toEqual([
      'append 2: promise 1.3',
    ]);
  });

  it('means nothing to a primary, which has every chosen decree', () => {
    const scene = new Scene().toPrimary();
    expect(scene.receive(2, learn(1, 'x'))).toEqual([]);
  });
});

describe('fetch', () => {
  it('is served from the log, up to what is chosen', () => {
    const scene = new Scene({ chosen: 9 });
    expect(scene.receive(2, { kind: 'fetch', from: 4, bytesMax: 100 })).toEqual([
      'serve-fetch 2: 4 to 9, 100 bytes',
    ]);
  });

  it('is served to outsiders and by learners too', () => {
    const scene = new Scene({ chosen: 2, life: 2, linked: [65_540] });
    expect(scene.role).toBe('learner');
    expect(scene.receive(65_540, { kind: 'fetch', from: 1, bytesMax: 100 }, 0)).toEqual([
      'serve-fetch 65540: 1 to 2, 100 bytes',
    ]);
  });

  it('is sent again when the answer has ended and something is missing still', () => {
    const scene = new Scene().toSecondaryOf(2);
    expect(scene.receive(2, accept(1, 2, 5, 'five', 4))).toContain('send 2: fetch from 1');
    scene.receive(2, learn(1, 'one'));
    expect(scene.receive(2, { kind: 'fetch-end', through: 1, chosen: 4 })).toEqual(['send 2: fetch from 2']);
  });

  it('goes to the peers that have more in turn', () => {
    const scene = new Scene().toSecondaryOf(2);
    scene.receive(3, { kind: 'defunct', chosen: 4 });
    scene.receive(2, accept(1, 2, 5, 'five', 4));
    scene.receive(3, learn(1, 'one'));
    expect(scene.receive(3, { kind: 'fetch-end', through: 1, chosen: 4 })).toEqual(['send 2: fetch from 2']);
  });

  it('goes to another peer when the link breaks, or when nothing came for four election timeouts', () => {
    const scene = new Scene().toSecondaryOf(2);
    scene.receive(3, { kind: 'defunct', chosen: 4 });
    expect(scene.receive(2, accept(1, 2, 5, 'five', 4))).toEqual(['append 1: accept 1.2 slot 5 five']);
    expect(scene.feed({ kind: 'peer-down', peer: 3 })).toEqual(['send 2: fetch from 1']);
    scene.feed({ kind: 'peer-up', peer: 3 });
    scene.receive(3, { kind: 'defunct', chosen: 4 });
    const fetches = (ms: number) => fetchesFollowing(scene, ms, 4, 10);
    expect(fetches(1190)).toEqual([]);
    expect(fetches(10)).toEqual(['send 3: fetch from 1']);
  });

  it('goes to a member of which nothing is known, where the only one that has more does not answer', () => {
    const scene = new Scene().toSecondaryOf(2);
    expect(scene.receive(2, accept(1, 2, 5, 'five', 4))).toContain('send 2: fetch from 1');
    const fetches = (ms: number) => fetchesFollowing(scene, ms, 4);
    expect(fetches(1300)).toEqual(['send 3: fetch from 1']);
    // It has nothing either: the other one may have come to itself.
    expect(scene.receive(3, { kind: 'fetch-end', through: 0, chosen: 0 })).toEqual(['send 2: fetch from 1']);
    expect(fetches(1100)).toEqual([]);
  });

  it.each(['candidate', 'preparing'])(
    'goes to another one at once, and again before long, from a %s',
    (role) => {
      const scene = new Scene().toSecondaryOf(2);
      expect(scene.receive(2, heartbeat(1, 2, 2))).toContain('send 2: fetch from 1');
      const fetches: string[] = [];
      const noted = (effects: string[]): void =>
        void fetches.push(...effects.filter((line) => line.includes('fetch')));
      while (scene.role !== 'candidate') noted(scene.wait(10));
      if (role === 'preparing') noted(scene.receive(3, statusReply(1, { promised: b(1, 2) })));
      expect([scene.role, fetches]).toEqual([role, ['send 3: fetch from 1']]);
      noted(scene.wait(149));
      expect(fetches.length).toBe(1);
      noted(scene.wait(1));
      expect(fetches.at(1)).toBe('send 2: fetch from 1');
    },
  );

  it('is not repeated to a peer that had nothing to give', () => {
    const scene = new Scene().toSecondaryOf(2);
    expect(scene.receive(2, accept(1, 2, 5, 'five', 4))).toContain('send 2: fetch from 1');
    expect(scene.receive(2, { kind: 'fetch-end', through: 0, chosen: 4 })).toEqual([]);
    expect(scene.receive(2, heartbeat(1, 2, 4))).toContain('send 2: fetch from 1');
  });

  it('is not needed for what is on its way: two heartbeats of patience', () => {
    const scene = new Scene().toSecondaryOf(2);
    scene.receive(2, accept(1, 2, 1, 'x'));
    scene.receive(2, heartbeat(1, 2, 1));
    expect(scene.receive(2, heartbeat(1, 2, 2))).toEqual([
      'send 2: heartbeat-reply 1.2 round 1: 1 to 0, chosen 1',
    ]);
    expect(scene.wait(100)).toEqual([]);
    expect(scene.wait(10)).toEqual(['send 2: fetch from 2']);
  });

  it('never comes from a primary', () => {
    const scene = new Scene().toPrimary();
    expect(scene.receive(2, { kind: 'defunct', chosen: 9 })).toEqual([]);
    expect(scene.wait(60).filter((line) => line.includes('fetch'))).toEqual([]);
  });
});

describe('two secondaries that are behind while the primary gives nothing, and a third that has everything', () => {
  /** Whom `id` asks in 60 s; `behind` says that it has nothing, the primary (1) answers nothing. */
  function askedBy(id: string, behind: number): Set<number> {
    const scene = new Scene({ id, size: 4 });
    const asked = new Set<number>();
    const note = (lines: readonly string[]): void => {
      for (const line of lines) {
        const peer = Number(/^send (\d+): fetch /.exec(line)?.[1] ?? 0);
        if (peer === 0) continue;
        asked.add(peer);
        if (peer === behind) note(scene.receive(behind, { kind: 'fetch-end', through: 0, chosen: 0 }));
      }
    };
    for (let round = 1; scene.now < 60_000; round += 1) {
      note(scene.receive(1, { kind: 'heartbeat', ballot: b(1, 1), chosen: 100, round }));
      note(scene.wait(50));
    }
    return asked;
  }

  it('do not ask each other for ever', () => {
    expect([...askedBy('b', 3)].sort()).toEqual([1, 3, 4]);
    expect([...askedBy('c', 2)].sort()).toEqual([1, 2, 4]);
  });
});
