/** Aim: what happens to a cluster is told once, in order, and nothing is told that did not happen. */

import { describe, expect, it } from 'vitest';
import { ClusterWatch, findPrimary, formatTable, type Observation } from '../../src/cli/cluster-watch.js';
import type { StatusReport } from '../../src/cli/status.js';

const report = (replica: string, role: string, primary: string | null): StatusReport => ({
  replica,
  role,
  primary,
  chosen: 0,
  applied: 0,
  storage: { kind: 'file', reason: '' },
  transport: { kind: 'tcp', reason: '' },
});

/** `seen('a*', 'b', '-c')`: a is primary, b follows the primary, c does not answer. */
function seen(...words: string[]): Observation {
  const primary = words.find((word) => word.endsWith('*'))?.[0] ?? null;
  return new Map(
    words.map((word) => {
      const id = word.replace(/[-*]/, '');
      return [
        id,
        word.startsWith('-') ? null : report(id, id === primary ? 'primary' : 'secondary', primary),
      ];
    }),
  );
}

describe('findPrimary', () => {
  it('is the one that says so and that most name', () => {
    expect(findPrimary(seen('a', 'b*', 'c'))).toBe('b');
    expect(findPrimary(seen('-a', 'b*', 'c'))).toBe('b');
    expect(findPrimary(seen('a', 'b', 'c'))).toBeNull();
    expect(findPrimary(new Map())).toBeNull();
  });

  it('is not the primary of yesterday', () => {
    const named = new Map([
      ['a', null],
      ['b', report('b', 'secondary', 'a')],
      ['c', report('c', 'secondary', 'a')],
    ]);
    expect(findPrimary(named)).toBeNull();
    // a was cut off and has not noticed; b was elected.
    const split = new Map([
      ['a', report('a', 'primary', 'a')],
      ['b', report('b', 'primary', 'b')],
      ['c', report('c', 'secondary', 'b')],
    ]);
    expect(findPrimary(split)).toBe('b');
  });
});

describe('ClusterWatch', () => {
  const watch = () => new ClusterWatch(['a', 'b', 'c'], 'a');

  it('says nothing while nothing changes', () => {
    const it = watch();
    for (let round = 0; round < 10; round += 1) expect(it.onObservation(seen('a*', 'b', 'c'))).toEqual([]);
  });

  it('tells of a death, the next primary and the return', () => {
    const it = watch();
    expect(it.onExit('a', 'was ended by SIGKILL', 'synod serve --config data/a.json')).toEqual([
      'a was ended by SIGKILL. To start it again: synod serve --config data/a.json',
    ]);
    expect(it.onObservation(seen('-a', 'b', 'c'))).toEqual([]);
    expect(it.onObservation(seen('-a', 'b*', 'c'))).toEqual(['b is the primary now (it was a)']);
    expect(it.onObservation(seen('-a', 'b*', 'c'))).toEqual([]);
    expect(it.onObservation(seen('a', 'b*', 'c'))).toEqual(['a is up again']);
    expect(it.onObservation(seen('a', 'b*', 'c'))).toEqual([]);
    expect(it.onExit('c', 'exited with code 1', null)).toEqual(['c exited with code 1. Starting it again.']);
  });

  it('tells of one that does not answer after some rounds, once, and of its first answer', () => {
    const it = watch();
    const told = Array.from({ length: 6 }, () => it.onObservation(seen('a*', 'b', '-c')));
    expect(told.flat()).toEqual(['c does not answer']);
    expect(it.onObservation(seen('a*', 'b', 'c'))).toEqual(['c answers again']);
    it.onObservation(seen('a*', 'b', '-c'));
    expect(it.onObservation(seen('a*', 'b', 'c'))).toEqual([]);
  });

  it('tells that there is no primary once it lasts, and who is next even if it is the same', () => {
    const it = watch();
    const told = Array.from({ length: 12 }, () => it.onObservation(seen('a', '-b', '-c')));
    expect(told.flat()).toEqual([
      'b does not answer',
      'c does not answer',
      'there is no primary (1 of 3 replicas answer)',
    ]);
    expect(it.onObservation(seen('a*', 'b', 'c'))).toEqual([
      'b answers again',
      'c answers again',
      'a is the primary now',
    ]);
  });
});

describe('formatTable', () => {
  it('aligns its columns without trailing blanks', () => {
    expect(
      formatTable([
        ['a', 'bb', 'c'],
        ['aaa', 'b', ''],
      ]),
    ).toBe('  a    bb  c\n  aaa  b');
  });
});
