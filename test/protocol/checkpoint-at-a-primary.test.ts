/** A primary that a checkpoint reaches which others made under a higher ballot must not lead on under its own. */

import { describe, expect, it } from 'vitest';
import { b, configurationOf, decree } from './harness.js';
import { Stage } from './stage.js';

describe('a checkpoint that reaches a primary', () => {
  it('may hold what was chosen under a higher ballot: nothing is told to be chosen under the own one', () => {
    const stage = new Stage();
    const ids = ['a', 'b', 'c', 'd', 'e'];
    for (const id of ids) stage.enter(id, { size: 5 });
    stage.link(...ids);
    stage.feed('a', { kind: 'promote', request: 1, evenIfBehind: true });
    stage.wait(100);
    expect(stage.primaries).toEqual(['a']);
    stage.propose('a', decree('first'));
    stage.wait(100);
    expect(Object.keys(stage.chosen.get(1)!)).toEqual(ids);
    // Everything between {a, b} and {c, d, e} is late. a proposes, and b accepts: no quorum.
    const side = (id: string): boolean => id === 'a' || id === 'b';
    stage.isLost = (from, to) => side(from) !== side(to);
    stage.propose('a', decree('in vain'));
    expect(stage.chosen.get(2)).toBeUndefined();
    // c, d and e elect c, and decide slot 2. d makes a checkpoint of it.
    stage.feed('c', { kind: 'promote', request: 2, evenIfBehind: true });
    stage.propose('c', decree('answered'));
    expect(stage.chosen.get(2)).toMatchObject({ c: 'answered' });
    expect(stage.replica('c').promised).toBeGreaterThan(stage.replica('a').promised);
    // What a asked d for before it was elected arrives: d's newest checkpoint. a has not lost its quorum yet (no time has passed).
    expect(stage.primaries).toEqual(['a', 'c']);
    stage.feed('a', { kind: 'installed', slot: 2, configuration: configurationOf(5), promised: b(2, 3) });
    stage.wait(60);
    // b, that accepted `in vain` under a's ballot, is told nothing about it.
    expect(stage.chosen.get(2)?.b).not.toBe('in vain');
  });
});
