import { describe, expect, it } from 'vitest';
import { parseRequest } from './arguments.js';
import { OpeningError } from './cluster.js';
import { explore } from './explorer.js';
import type { Scope } from './scope.js';
import { quick, scopes } from './scopes.js';

const tiny: Scope = {
  name: 'tiny',
  about: '',
  network: 'ordered',
  beginning: 'led',
  proposals: 1,
  timeouts: [0, 0, 0],
  breaks: 0,
  crashes: 0,
  mayCrash: [],
};

describe('explore', () => {
  it('goes through all interleavings of one decree, the same each time', () => {
    const exploration = explore(tiny, {});
    expect(exploration).toMatchObject({ complete: true, violation: null, slotsChosen: 1 });
    expect(exploration).toEqual(explore(tiny, {}));
    expect(exploration.states).toBeGreaterThan(50);
  });

  it('finds the states that counting by hand finds', () => {
    // Nothing is under way and nobody may do anything: the state in which a leads is all there is.
    expect(explore({ ...tiny, proposals: 0 }, {})).toMatchObject({ states: 1, transitions: 0, depth: 0 });
    // A link between two that say nothing breaks: each end has not noticed, has lost it, or has it back. Three links, of
    // which that between b and c is such a one.
    const quiet = explore({ ...tiny, proposals: 0, breaks: 1 }, {});
    expect(quiet.states).toBeGreaterThan(1 + 3 * 9);
  });

  it('stops at its limits and says so', () => {
    const scope = { ...tiny, timeouts: [1, 1, 0] } as const;
    const limited = explore(scope, {}, { statesMax: 1000, deadline: Number.POSITIVE_INFINITY });
    expect(limited).toMatchObject({ complete: false, violation: null });
    expect(limited.states).toBeLessThan(1100);
    expect(explore(scope, {}, { statesMax: 1e9, deadline: 0 })).toMatchObject({ complete: false, states: 1 });
  });

  it('finds more where more may happen', () => {
    const { states } = explore(tiny, {});
    for (const more of [
      { breaks: 1 },
      { crashes: 1, mayCrash: [1] },
      { proposals: 2 },
      { network: 'unordered' },
      { timeouts: [0, 1, 0] },
      { silences: [0, 0, 1] },
      { wipes: 1, mayLose: [2] },
      { changes: [['a', 'b']] },
      { promotions: 1 },
      { relinquishes: 1 },
      { reads: 1 },
      { replicas: 4, timeouts: [0, 0, 0, 0], changes: [['a', 'b', 'd']] },
    ] as const) {
      expect(explore({ ...tiny, ...more }, {}).states).toBeGreaterThan(states);
    }
  });
});

/** Each step is taken by two different histories of the replica, wherever there are two: `snapshot()` must not tell less. */
describe('equal snapshots have equal futures', () => {
  const small = { ...tiny, timeouts: [0, 1, 0], silences: [0, 0, 1] } as const;
  for (const [name, scope] of Object.entries({
    succession: small,
    crash: { ...tiny, timeouts: [0, 1, 0], crashes: 1, mayCrash: [0] },
    break: { ...tiny, proposals: 2, breaks: 1 },
    unordered: { ...small, network: 'unordered' },
    repeats: { ...small, timeouts: [1, 0, 0], repeats: true },
    readmission: { ...tiny, isWiped: true, timeouts: [0, 0, 1] },
    replace: { ...tiny, replicas: 4, changes: [['a', 'b', 'd']], timeouts: [0, 0, 0, 1] },
    reconfigurations: {
      ...tiny,
      changes: [
        ['a', 'b'],
        ['a', 'b', 'c'],
      ],
      timeouts: [0, 0, 1],
    },
    'hand-over': { ...tiny, relinquishes: 1, promotions: 1 },
    reads: { ...small, reads: 2 },
  } satisfies Record<string, Scope>)) {
    it(name, { timeout: 60_000 }, () => {
      const limits = { statesMax: 30_000, deadline: Number.POSITIVE_INFINITY };
      const { violation, nodeSteps, audited } = explore(scope, { audit: true }, limits);
      expect(violation).toBeNull();
      expect(audited).toBeGreaterThan(nodeSteps / 2);
    });
  }
});

it('a replica with a new disk is let in, and the slot behind is decided with it', { timeout: 60_000 }, () => {
  const exploration = explore({ ...tiny, isWiped: true, timeouts: [0, 0, 1] }, {});
  expect(exploration).toMatchObject({ complete: true, violation: null, slotsChosen: 2 });
});

it('a replica that is taken in decides what is behind', { timeout: 60_000 }, () => {
  const scope = { ...tiny, replicas: 4, changes: [['a', 'b', 'd']], timeouts: [0, 0, 0, 0] };
  expect(explore(scope, {})).toMatchObject({ complete: true, violation: null, slotsChosen: 2 });
});

it('a scope that does not lead where it begins says so', () => {
  const attempt = () => explore({ ...tiny, opening: ['a does what it never does'] }, {});
  expect(attempt).toThrow(OpeningError);
  expect(attempt).toThrow(/scope tiny cannot begin with "a does what it never does", but with:/);
});

describe('the command line', () => {
  it('takes all scopes, or those that are named', () => {
    expect(parseRequest([])).toMatchObject({ scopes, json: false });
    expect(parseRequest(['--scope', 'quick', '--json'])).toMatchObject({ scopes: quick, json: true });
    const request = parseRequest(['--scope', 'crash,break', '--states-max', '5', '--minutes', '0.5']);
    expect(request).toMatchObject({ statesMax: 5, minutes: 0.5 });
    expect(request === 'help' ? [] : request.scopes.map(({ name }) => name)).toEqual(['crash', 'break']);
    expect(parseRequest(['-h'])).toBe('help');
  });

  it('refuses what it does not know', () => {
    for (const bad of [
      ['--scope', 'x'],
      ['--states-max', '0'],
      ['--minutes', 'soon'],
      ['--seed', '1'],
      ['crash'],
    ])
      expect(() => parseRequest(bad)).toThrow();
  });

  it('has names that are told apart', () => {
    const names = [...scopes, ...quick].map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });
});
