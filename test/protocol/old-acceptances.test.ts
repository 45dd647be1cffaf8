/**
 * Aim: what a member accepted under a configuration that has ended does not come back in the place of what was chosen under the next one
 * (rule 7), where that one has members that never heard of the ballots before. Method: five replicas that talk to each other, and the
 * interleaving that breaks a protocol in which a newcomer begins with ballots of its own.
 */

import { describe, expect, it } from 'vitest';
import { b, configurationDecree, configurationOf, decree, incarnationOf, Scene } from './harness.js';
import { expectChosenForGood } from './newcomers.js';
import { Stage } from './stage.js';

const members = (...ids: string[]): { id: string; address: string }[] =>
  ids.map((id) => ({ id, address: 'host:1' }));

/**
 * a, b and c are members. c accepts two decrees of a under 7.1, which nobody else has after a power cut at a. Without c, a and b put
 * {c, d, e} into the place of {a, b, c}, in the first of the two slots; then both are switched off.
 */
function replaced(): Stage {
  const stage = new Stage();
  for (const id of ['a', 'b', 'c']) stage.enter(id, { promised: b(6, 2) });
  stage.link('a', 'b', 'c');
  stage.feed('a', { kind: 'promote', request: 1, evenIfBehind: true });
  stage.wait(100);
  expect(stage.primaries).toEqual(['a']);
  stage.propose('a', decree('first'));
  stage.wait(100);
  stage.stickDisk('a');
  stage.cut('b');
  stage.isLost = (from, _to, { kind }) => from === 'c' && kind === 'accepted';
  stage.propose('a', decree('in vain'));
  stage.propose('a', decree('in vain too'));
  expect([...stage.replica('c').accepted.keys()]).toEqual([2, 3]);
  // What was not durable at a is gone.
  stage.kill('a');
  stage.cut('c');
  stage.isLost = () => false;
  stage.enter('a', { promised: b(7, 1), accepted: { 1: [b(7, 1), decree('first')] } });
  for (const id of ['d', 'e']) stage.enter(id);
  stage.link('a', 'b', 'd', 'e');
  stage.wait(1500);
  const [primary] = stage.primaries as [string];
  const change = { request: 2, members: members('c', 'd', 'e'), cookie: '', force: false, ifNumber: 0 };
  stage.feed(primary, { kind: 'change', change });
  stage.wait(300);
  expect(stage.replica('d').configuration?.number).toBe(2);
  expect(stage.replica('e').configuration?.number).toBe(2);
  stage.kill('a', 'b');
  stage.wait(1000);
  return stage;
}

describe('a decree that is chosen among newcomers', () => {
  it('stays chosen when its primary dies and a member of both sets votes', () => {
    expectChosenForGood(replaced());
  });

  it('is learned by a member of both sets, whatever that one had accepted there', () => {
    const stage = replaced();
    const [primary] = stage.primaries as [string];
    stage.propose(primary, decree('answered'));
    stage.link('c', 'd', 'e');
    stage.wait(1000);
    expect(stage.chosen.get(3)).toEqual({ c: 'answered', d: 'answered', e: 'answered' });
  });
});

describe('the ballots of a configuration are above the one that decided it', () => {
  const { members: first } = configurationOf(3);
  const next = {
    number: 2,
    members: [
      first[2]!,
      ...['d', 'e'].map((id, at) => ({ id, number: 4 + at, incarnation: incarnationOf(id) })),
    ],
    nextMember: 6,
  };

  it('where it was learned: the promise is in the log before the configuration is', () => {
    const scene = new Scene({ id: 'd', linked: [2] });
    expect(
      scene.receive(2, { kind: 'learn', slot: 1, ballot: b(8, 2), decree: configurationDecree(next) }),
    ).toEqual(
      expect.arrayContaining(['append 1: promise 8.2', 'append 2: learn 8.2 slot 1 configuration 2']),
    );
    scene.toPreparing();
    expect(scene.preparing).toBe(b(9, 4));
  });

  it('where a checkpoint brought it', () => {
    const scene = new Scene({ id: 'd', linked: [2] });
    expect(scene.feed({ kind: 'installed', slot: 5, configuration: next, promised: b(8, 2) })).toEqual(
      expect.arrayContaining(['append 1: promise 8.2', 'append 2: jump to slot 5']),
    );
    scene.toPreparing();
    expect(scene.preparing).toBe(b(9, 4));
  });

  it('not where a checkpoint brings no other configuration: its maker may have promised to somebody who is gone', () => {
    const scene = new Scene().toSecondaryOf(2);
    scene.feed({ kind: 'installed', slot: 5, configuration: configurationOf(3), promised: b(8, 3) });
    expect(scene.replica.promised).toBe(0);
  });
});
