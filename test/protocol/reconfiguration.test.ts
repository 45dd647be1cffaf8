/** Changes of the member set that somebody asked for (rule 7): when they are proposed, and the one answer to each. */

import { describe, expect, it } from 'vitest';
import type { Configuration } from '../../src/protocol/configuration.js';
import { memberById, reconfigure, UNKNOWN_DISK } from '../../src/protocol/configuration.js';
import type { Input } from '../../src/protocol/inputs.js';
import type { Join } from '../../src/protocol/messages.js';
import {
  b,
  configurationDecree,
  configurationOf,
  contractOf,
  decree,
  incarnationOf,
  Scene,
} from './harness.js';

const outsider = 65_540;

function change(
  ids: string,
  more: { request?: number; force?: boolean; cookie?: string; ifNumber?: number } = {},
): Input {
  const members = [...ids].map((id) => ({ id, address: `${id}:1` }));
  return { kind: 'change', change: { request: 1, cookie: '', force: false, ifNumber: 0, ...more, members } };
}

function join(id: string, chosen = 0, former = 0): Join {
  return { kind: 'join', id, incarnation: incarnationOf(id), chosen, former };
}

const answers = (lines: readonly string[]): string[] => lines.filter((line) => line.startsWith('change'));

/** a is primary of a, b and c; d is linked and knows everything. */
function withNewcomer(): Scene {
  const scene = new Scene().toPrimary();
  scene.feed({ kind: 'peer-up', peer: outsider });
  scene.receive(outsider, join('d'), 1);
  return scene;
}

/** The votes of everyone for everything that was proposed. */
function choose(scene: Scene, voter = 2): string[] {
  const ballot = scene.replica.ballot;
  scene.durable();
  return scene.receive(voter, { kind: 'accepted', ballot, from: 1, through: scene.replica.chosen + 1 });
}

describe('a change of the member set', () => {
  it('is proposed at once where the new set is there, and answered when it is chosen', () => {
    const scene = withNewcomer();
    expect(scene.feed(change('abd'))).toEqual([
      'append 2: accept 1.1 slot 1 configuration 2',
      'send 2: accept 1.1: slot 1 configuration 2, chosen 0',
    ]);
    expect(scene.replica.canPropose).toBe(false);
    expect(choose(scene)).toEqual([
      'change 1: configuration 2',
      'chosen 1',
      'send 2: heartbeat 1.1 round 0: chosen 1',
      'send 3: heartbeat 1.1 round 0: chosen 1',
      `send ${outsider}: defunct: chosen 1`,
      'configuration 2: 1=a 2=b 4=d, self 1',
      'append 3: promise 2.1',
      'status: preparing, primary 0, ballot -',
    ]);
  });

  it('tells the old members under the number that they know', () => {
    const scene = withNewcomer();
    scene.feed(change('abd'));
    scene.durable();
    scene.replica.step(scene.from(2, { kind: 'accepted', ballot: b(1, 1), from: 1, through: 1 }), scene.now);
    const sent = scene.replica.takeEffects().flatMap((effect) => (effect.kind === 'send' ? [effect] : []));
    expect(sent.map(({ configuration }) => configuration)).toEqual([1, 1, 1]);
  });

  it('waits for a newcomer that is not there, or behind; and goes on as soon as it may', () => {
    const scene = new Scene({ chosen: 100 }).toPrimary();
    expect(scene.feed(change('abcd'))).toEqual([]);
    scene.feed({ kind: 'peer-up', peer: outsider });
    scene.receive(outsider, join('d', 83), 1);
    expect(scene.replica.canPropose).toBe(true);
    expect(scene.receive(outsider, join('d', 84), 1)).toContain(
      'append 2: accept 1.1 slot 101 configuration 2',
    );
  });

  it('is given up after ten election timeouts, with the names of those who are to blame', () => {
    const scene = new Scene().toPrimary();
    scene.feed({ kind: 'peer-down', peer: 3 });
    scene.feed(change('acde'));
    const lines: string[] = [];
    for (let waited = 0; waited < 3100; waited += 50) {
      lines.push(...scene.wait(50));
      lines.push(
        ...scene.receive(2, {
          kind: 'heartbeat-reply',
          standing: 0,
          ballot: b(1, 1),
          round: 0,
          from: 1,
          through: 0,
          chosen: 0,
        }),
      );
    }
    expect(answers(lines)).toEqual(['change 1: no-quorum d e c']);
    expect(scene.role).toBe('primary');
  });

  it('needs no newcomer for a smaller set, but a quorum that is linked', () => {
    const scene = new Scene().toPrimary();
    scene.feed({ kind: 'peer-down', peer: 3 });
    expect(scene.feed(change('ac'))).toEqual([]);
    expect(answers(scene.feed(change('ab', { request: 2 })))).toEqual(['change 2: in-flight']);
    scene.feed({ kind: 'peer-up', peer: 3 });
    expect(scene.take()).toEqual([]);
    expect(scene.replica.canPropose).toBe(false);
  });

  it('waits while a disk is let in again', () => {
    const scene = new Scene({ linked: [2] }).toPrimary();
    scene.feed({ kind: 'peer-up', peer: outsider });
    scene.receive(outsider, { ...join('c'), incarnation: incarnationOf('c', 2) }, 1);
    expect(scene.replica.canPropose).toBe(false);
    expect(scene.feed(change('ab'))).toEqual([]);
    choose(scene);
    expect(scene.role).toBe('preparing');
    scene.durable();
    expect(scene.receive(2, { kind: 'promised', ballot: scene.preparing, entries: 0, chosen: 1 })).toContain(
      'append 4: accept 2.1 slot 2 configuration 3',
    );
  });

  it('is the only one until it is chosen', () => {
    const scene = withNewcomer();
    scene.feed(change('abd'));
    expect(answers(scene.feed(change('ab', { request: 2 })))).toEqual(['change 2: in-flight']);
    expect(answers(choose(scene))).toEqual(['change 1: configuration 2']);
  });

  it('is for the primary only, and ends with its leadership where it was not proposed', () => {
    expect(answers(new Scene().feed(change('ab')))).toEqual(['change 1: not-primary']);
    const scene = new Scene().toPrimary();
    scene.feed(change('abd'));
    expect(answers(scene.receive(2, { kind: 'prepare', ballot: b(2, 2), from: 1 }))).toEqual([
      'change 1: not-primary',
    ]);
  });

  it('takes the primary out, which says so and has no voice any more', () => {
    const scene = new Scene().toPrimary();
    scene.feed(change('bc'));
    expect(choose(scene)).toEqual([
      'change 1: configuration 2',
      'chosen 1',
      'send 2: heartbeat 1.1 round 0: chosen 1',
      'send 3: heartbeat 1.1 round 0: chosen 1',
      'configuration 2: 2=b 3=c, self 0',
      'status: learner, primary 0, ballot -',
    ]);
    expect(scene.receive(2, { kind: 'prepare', ballot: b(2, 2), from: 2 })).toEqual([]);
  });

  it('lets those who stay elect another at once where the primary is out', () => {
    const scene = new Scene({ id: 'b' }).toSecondaryOf(1);
    const next = reconfigure(configurationOf(3), wanted('bc'), '');
    scene.receive(1, {
      kind: 'accept',
      ballot: b(1, 1),
      slot: 1,
      chosen: 0,
      decree: configurationDecree(next),
    });
    scene.durable();
    // The heartbeat's answer would be a vote for somebody who is out.
    expect(scene.receive(1, { kind: 'heartbeat', ballot: b(1, 1), chosen: 1, round: 3 })).toEqual([
      'chosen 1',
      'configuration 2: 2=b 3=c, self 2',
      'status: secondary, primary 0, ballot -',
    ]);
    scene.wait(scene.options.electionTimeoutMs / 3);
    expect(scene.role).toBe('candidate');
  });

  it('keeps what was accepted to itself once it is out', () => {
    const scene = new Scene({ id: 'c' }).toSecondaryOf(1);
    const next = reconfigure(configurationOf(3), wanted('ab'), '');
    // Both in one turn: the acceptance is not durable when the word comes that it was chosen.
    scene.receive(1, {
      kind: 'accept',
      ballot: b(1, 1),
      slot: 1,
      chosen: 0,
      decree: configurationDecree(next),
    });
    scene.receive(1, { kind: 'heartbeat', ballot: b(1, 1), chosen: 1, round: 3 });
    expect(scene.replica.self).toBe(0);
    expect(scene.durable().filter((line) => line.startsWith('send'))).toEqual([]);
  });
});

describe('what became of a change', () => {
  /** a proposed in slot 1, and b took over. */
  function overtaken(): Scene {
    const scene = withNewcomer();
    scene.feed(change('abd'));
    scene.durable();
    scene.receive(2, { kind: 'prepare', ballot: b(2, 2), from: 1 });
    expect(scene.role).toBe('secondary');
    return scene;
  }

  it('is known by who asked for it also where another primary carries it out', () => {
    const scene = overtaken();
    const mine = scene.replica.accepted.get(1)!.decree;
    scene.receive(2, { kind: 'accept', ballot: b(2, 2), slot: 1, chosen: 0, decree: { ...mine } });
    expect(answers(scene.receive(2, { kind: 'heartbeat', ballot: b(2, 2), chosen: 1, round: 0 }))).toEqual([
      'change 1: configuration 2',
    ]);
  });

  it('is that it was superseded where its slot decided something else', () => {
    const scene = overtaken();
    scene.receive(2, { kind: 'accept', ballot: b(2, 2), slot: 1, chosen: 0, decree: decree('x') });
    expect(answers(scene.feed(change('abc', { request: 2 }))), 'b can').toEqual(['change 2: not-primary']);
    expect(answers(scene.receive(2, { kind: 'heartbeat', ballot: b(2, 2), chosen: 1, round: 0 }))).toEqual([
      'change 1: superseded',
    ]);
  });

  it('is that it was superseded where its slot decided another set with the same number', () => {
    const scene = overtaken();
    const other = configurationDecree(reconfigure(configurationOf(3), wanted('ab'), ''));
    scene.receive(2, { kind: 'accept', ballot: b(2, 2), slot: 1, chosen: 0, decree: other });
    expect(answers(scene.receive(2, { kind: 'heartbeat', ballot: b(2, 2), chosen: 1, round: 0 }))).toEqual([
      'change 1: superseded',
    ]);
  });

  it.each([
    ['ab', 2, 'superseded'],
    ['abd', 2, 'configuration 2'],
    ['abd', 3, 'unknown'],
    ['abc', 1, 'superseded'],
  ] as const)('is told by a checkpoint as well as it can: %s, number %i', (ids, number, expected) => {
    const scene = overtaken();
    const next = reconfigure(configurationOf(3), wanted(ids), '');
    const configuration: Configuration = number === 1 ? configurationOf(3) : { ...next, number };
    expect(answers(scene.feed({ kind: 'installed', slot: 5, configuration, promised: 0 }))).toEqual([
      `change 1: ${expected}`,
    ]);
  });
});

describe('a change of one certain member set', () => {
  it('is proposed in its place, and refused where another one is in force', () => {
    const scene = withNewcomer();
    expect(answers(scene.feed(change('abd', { ifNumber: 2 })))).toEqual(['change 1: changed']);
    expect(scene.replica.canPropose).toBe(true);
    expect(answers(scene.feed(change('abd', { ifNumber: 1 })))).toEqual([]);
    expect(answers(choose(scene))).toEqual(['change 1: configuration 2']);
  });
});

describe('a change that is forced', () => {
  it('gives places to disks that nobody has met, which are let in like any other new disk', () => {
    const scene = new Scene().toPrimary();
    scene.feed(change('abcd', { force: true }));
    choose(scene);
    const { configuration } = scene.replica;
    expect(memberById(configuration!, 'd')).toMatchObject({ number: 4, incarnation: UNKNOWN_DISK });
    scene.durable();
    for (const peer of [2, 3])
      scene.receive(peer, { kind: 'promised', ballot: scene.preparing, entries: 0, chosen: 1 });
    scene.feed({ kind: 'peer-up', peer: outsider });
    scene.receive(outsider, join('d', 1), 2);
    expect(scene.replica.canPropose).toBe(false);
    choose(scene);
    choose(scene, 3);
    expect(memberById(scene.replica.configuration!, 'd')).toMatchObject({
      number: 5,
      incarnation: incarnationOf('d'),
    });
  });

  it('is not proposed where those with disks would be no quorum', () => {
    const scene = new Scene().toPrimary();
    expect(scene.feed(change('aefg', { force: true }))).toEqual([]);
    expect(scene.replica.canPropose).toBe(true);
  });
});

describe('member numbers', () => {
  it('come back to the disk that had them, where its process remembers', () => {
    const out = reconfigure(configurationOf(3), wanted('ab'), 'Y29va2ll');
    expect(out).toMatchObject({ number: 2, nextMember: 4, cookie: 'Y29va2ll' });
    const back = reconfigure(out, [...wanted('ab'), { ...wanted('c')[0]!, former: 3 }], '');
    expect(back.members.map(({ number, id }) => [number, id])).toEqual([
      [1, 'a'],
      [2, 'b'],
      [3, 'c'],
    ]);
    expect(back.cookie).toBeUndefined();
    const scene = new Scene({ id: 'c' }).toSecondaryOf(1);
    scene.receive(1, { kind: 'learn', slot: 1, ballot: b(1, 1), decree: configurationDecree(out) });
    expect(scene.wait(20)).toContain('send 1: join c: chosen 1, was 3');
  });

  it('are given to nobody else, and end', () => {
    const current = configurationOf(3);
    const taken = [...wanted('abc'), { ...wanted('d')[0]!, former: 3 }];
    expect(contractOf(() => reconfigure(current, taken, ''))).toBe('member-numbers-given-once');
    expect(contractOf(() => reconfigure(current, [], ''))).toBe('configuration-not-empty');
    expect(contractOf(() => reconfigure(current, wanted('aa'), ''))).toBe('configuration-ids-distinct');
    const full = { ...current, nextMember: 65_536 };
    expect(contractOf(() => reconfigure(full, wanted('abcd'), ''))).toBe('member-numbers-left');
    const scene = new Scene({ configuration: full }).toPrimary();
    expect(answers(scene.feed(change('abcd', { force: true })))).toEqual(['change 1: no-number']);
  });
});

function wanted(ids: string) {
  return [...ids].map((id) => ({ id, address: `${id}:1`, incarnation: incarnationOf(id), former: 0 }));
}
