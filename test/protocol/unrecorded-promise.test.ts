/** Who learns a configuration has promised the ballot that decided it, on disk: also where it had promised it in memory alone. */

import { describe, expect, it } from 'vitest';
import type { Configuration } from '../../src/protocol/configuration.js';
import { b, configurationDecree, configurationOf, decree, Scene } from './harness.js';
import { expectChosenForGood } from './newcomers.js';
import { Stage } from './stage.js';

const first = configurationOf(7);
/** {c, d, e} in the place of {a … g}. */
const next: Configuration = { number: 2, members: first.members.slice(2, 5), nextMember: 8 };

describe('a configuration that is learned behind an accept that needed no record', () => {
  it('has the promise of that accept recorded ahead of it', () => {
    const scene = new Scene({ id: 'd', size: 7, chosen: 1, promised: b(6, 1) });
    // The new primary does not know that slot 1 is chosen, and proposes it again. No record is needed for the vote.
    scene.receive(1, { kind: 'accept', ballot: b(9, 1), slot: 1, chosen: 0, decree: decree('first') });
    expect(scene.replica.promised).toBe(b(9, 1));
    // The link breaks before slot 2 comes; a peer that has it gives it.
    expect(
      scene.receive(7, { kind: 'learn', slot: 2, ballot: b(9, 1), decree: configurationDecree(next) }),
    ).toEqual(
      expect.arrayContaining(['append 1: promise 9.1', 'append 2: learn 9.1 slot 2 configuration 2']),
    );
  });

  it('is above the old ballots after a restart', () => {
    const stage = new Stage();
    const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    // b has stood in vain before.
    for (const id of ids) stage.enter(id, id === 'b' ? { size: 7, promised: b(2, 2) } : { size: 7 });
    stage.link('a', 'c', 'd', 'e', 'f', 'g');
    // Slot 1 is chosen under g's 1.7. Only d and e are told so.
    const isTold = (id: string): boolean => id === 'd' || id === 'e';
    stage.isLost = (_from, to, message) => message.kind === 'heartbeat' && message.chosen > 0 && !isTold(to);
    stage.feed('g', { kind: 'promote', request: 1, evenIfBehind: true });
    stage.propose('g', decree('first'));
    expect(Object.keys(stage.chosen.get(1)!).sort()).toEqual(['d', 'e', 'g']);
    // b is elected by a, b, c and f; of what it proposes then only c has it, as b itself loses it in a power cut.
    stage.kill('g');
    stage.cut('d');
    stage.cut('e');
    stage.link('a', 'b', 'c', 'f');
    stage.feed('b', { kind: 'promote', request: 2, evenIfBehind: true });
    expect(stage.primaries).toEqual(['b']);
    expect(['a', 'f'].map((id) => stage.replica(id).chosen)).toEqual([0, 0]);
    stage.stickDisk('b');
    stage.isLost = (from, to, { kind }) =>
      (kind === 'accept' && to !== 'c') || kind === 'heartbeat' || (from === 'c' && kind === 'accepted');
    stage.propose('b', decree('in vain'));
    stage.propose('b', decree('in vain too'));
    expect([...stage.replica('c').accepted.keys()]).toEqual([2, 3]);
    expect(stage.replica('b').chosen).toBe(1);
    const old = stage.replica('b').promised;
    stage.kill('b');
    stage.cut('c');
    // b's log has slot 1, under its own ballot. g is there again.
    stage.enter('b', { size: 7, accepted: { 1: [old, decree('first')] } });
    stage.enter('g', { size: 7, accepted: { 1: [b(1, 7), decree('first')] } });
    expect(stage.replica('d').promised).toBe(b(1, 7));
    // a is elected by a, b, f and g. d and e get no prepare, and of the accepts only that of slot 1, which they know to be chosen.
    stage.isLost = (_from, to, message) =>
      isTold(to) && (message.kind === 'prepare' || (message.kind === 'accept' && message.slot > 1));
    stage.link('a', 'b', 'd', 'e', 'f', 'g');
    stage.feed('a', { kind: 'promote', request: 3, evenIfBehind: true });
    stage.wait(100);
    expect(stage.primaries).toEqual(['a']);
    const ballot = stage.replica('a').promised;
    expect(ballot).toBeGreaterThan(old);
    expect(['d', 'e'].map((id) => stage.replica(id).promised)).toEqual([ballot, ballot]);
    // {c, d, e} in the place of {a … g}, decided in slot 2. d and e fetch that.
    const members = ['c', 'd', 'e'].map((id) => ({ id, address: 'host:1' }));
    const change = { request: 4, members, cookie: '', force: true, ifNumber: 0 };
    stage.feed('a', { kind: 'change', change });
    while (['d', 'e'].some((id) => stage.replica(id).configuration?.number === 1)) stage.wait(10);
    for (const id of ['a', 'd', 'e']) expect(stage.replica(id).configuration?.number).toBe(2);
    stage.kill('a', 'b', 'f', 'g');
    // Power cuts, at a time when all that they wrote is durable.
    stage.isLost = () => false;
    stage.restart('d');
    stage.restart('e');
    stage.wait(1500);
    expectChosenForGood(stage);
  });
});
