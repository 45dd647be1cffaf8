import { describe, expect, it } from 'vitest';
import { genesisConfiguration, readmit } from '../../src/protocol/configuration.js';
import { checkKnown, checkSame, chosenBy } from './agreement.js';

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

  it('is the same, as far as both go', () => {
    checkSame(['x'], ['x', 'y']);
    expect(() => checkSame(['x', 'z'], ['x', 'y'])).toThrow('one-value-per-slot');
  });
});
