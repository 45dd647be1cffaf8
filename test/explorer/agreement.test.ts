import { describe, expect, it } from 'vitest';
import { genesisConfiguration, readmit } from '../../src/protocol/configuration.js';
import { checkKnown, checkRefused, checkSame, chosenBy } from './agreement.js';

const genesis = genesisConfiguration(['a', 'b', 'c'].map((id) => ({ id, incarnation: `${id}1` })));
const none = new Map();

describe('chosenBy', () => {
  it('takes a majority under one ballot', () => {
    expect(chosenBy(['a1 9 1 x', 'b1 9 1 x'], genesis, none)).toEqual(['x']);
    expect(chosenBy(['a1 9 1 x', 'b1 8 1 x'], genesis, none)).toEqual([null]);
    expect(chosenBy(['a1 9 1 x', 'a1 8 1 x'], genesis, none)).toEqual([null]);
    expect(chosenBy(['a1 9 2 y', 'c1 9 2 y'], genesis, none)).toEqual([null, 'y']);
  });

  it('does not count disks that are no members', () => {
    expect(chosenBy(['a1 9 1 x', 'c2 9 1 x'], genesis, none)).toEqual([null]);
  });

  it('counts the members of the configuration that the slots before have brought', () => {
    const next = readmit(genesis, 'c', 'c2');
    const votes = ['a1 9 1 n', 'b1 9 1 n', 'a1 10 2 x', 'c2 10 2 x', 'a1 10 3 y', 'c1 10 3 y'];
    expect(chosenBy(votes, genesis, new Map([['n', next]]))).toEqual(['n', 'x', null]);
  });

  it('finds a configuration out of turn, and a number that stands for two disks', () => {
    const next = readmit(genesis, 'c', 'c2');
    const votes = ['a1 9 1 n', 'b1 9 1 n'];
    const numbered = { ...next, number: 3 };
    expect(() => chosenBy(votes, genesis, new Map([['n', numbered]]))).toThrow('configurations-one-by-one');
    const members = next.members.map((one) => (one.id === 'c' ? { ...one, number: 3 } : one));
    expect(() => chosenBy(votes, genesis, new Map([['n', { ...next, members }]]))).toThrow(
      'member-number-stands-for-one-disk',
    );
  });

  it('finds what is proposed behind a configuration under its ballot', () => {
    const next = new Map([['n', readmit(genesis, 'c', 'c2')]]);
    expect(() => chosenBy(['a1 9 1 n', 'a1 9 2 x'], genesis, next)).toThrow('nothing-behind-a-configuration');
    expect(chosenBy(['a1 9 1 n', 'a1 10 2 x'], genesis, next)).toEqual([null, null]);
  });

  it('finds two values for one slot', () => {
    const votes = ['a1 9 1 x', 'b1 9 1 x', 'b1 10 1 y', 'c1 10 1 y'];
    expect(() => chosenBy(votes, genesis, none)).toThrow('one-value-per-slot');
    // The same value under another ballot is no harm.
    expect(chosenBy(['a1 9 1 x', 'b1 9 1 x', 'b1 10 1 x', 'c1 10 1 x'], genesis, none)).toEqual(['x']);
  });
});

describe('what replicas hold for chosen', () => {
  it('is what is chosen', () => {
    checkKnown([], ['x']);
    checkKnown(['x'], ['x', null]);
    expect(() => checkKnown(['x', 'y'], ['x', null])).toThrow('chosen-implies-a-quorum');
    expect(() => checkKnown(['x'], ['y'])).toThrow('chosen-implies-a-quorum');
    expect(() => checkKnown(['x'], [])).toThrow('chosen-implies-a-quorum');
  });

  it('is nothing that was refused', () => {
    checkRefused(['n'], ['x', null]);
    expect(() => checkRefused(['n'], ['x', 'n'])).toThrow('refused-is-never-chosen');
  });

  it('is the same, as far as both go', () => {
    checkSame(['x'], ['x', 'y']);
    expect(() => checkSame(['x', 'z'], ['x', 'y'])).toThrow('one-value-per-slot');
  });
});
