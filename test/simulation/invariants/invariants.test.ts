/** Every invariant on histories that are right, and on ones that break it: by its own name, before any other notices. */

import { describe, expect, it } from 'vitest';
import { genesisConfiguration } from '../../../src/protocol/configuration.js';
import { noopDecree } from '../../../src/protocol/decree.js';
import type { Observation } from '../observation.js';
import { Violation } from '../observation.js';
import { badChanges, outOfOrder } from './bad-changes.js';
import { behindTheLast, notAlone, rightFlags } from './bad-flags.js';
import { badVersions, rightVersions } from './bad-versions.js';
import { Invariants, makeInvariants } from './index.js';
import { checkHistory } from './linearizable-history.js';
import { staleReads } from './stale-reads.js';
import {
  acceptRecord,
  b,
  configurationRecord,
  decree,
  firstConfiguration,
  incarnationOf,
  learnRecord,
  promiseRecord,
  Story,
  secondConfiguration,
} from './story.js';

const [x, y, z] = [decree('x'), decree('yy'), decree('zzz')];

/** The cluster has begun, and a is primary under 1.1. */
const begun = (): Story => new Story().begin().prepare('a', b(1, 1), 'b');

const good: Readonly<Record<string, () => Story>> = {
  ...rightFlags,
  ...rightVersions,
  'commands that are chosen, executed and acknowledged': () =>
    begun()
      .call(1)
      .choose(1, x)
      .execute('a', 1, 1)
      .apply('a', 1, x)
      .settle(1, 'committed')
      .call(2)
      .choose(2, y)
      .send('a', 'b', { kind: 'heartbeat', ballot: b(1, 1), chosen: 2, round: 1 })
      .execute('b', 1, 1)
      .apply('b', 1, x)
      .apply('b', 2, y)
      .apply('a', 2, y)
      .settle(2, 'unknown')
      .finish(),
  'a new primary that finds what was accepted and proposes it again': () =>
    begun()
      .propose('a', b(1, 1), 1, x)
      .record('a', promiseRecord(b(2, 2)))
      .prepare('b', b(2, 2))
      .send('a', 'b', { kind: 'promised', ballot: b(2, 2), entries: 1, chosen: 0 })
      .propose('b', b(2, 2), 1, x)
      .accept('a', 'b', b(2, 2), 1, x),
  'an acceptance that lost, under a lower ballot': () =>
    begun()
      .propose('a', b(1, 1), 1, x)
      .prepare('b', b(2, 2), 'c')
      .propose('b', b(2, 2), 1, y)
      .accept('c', 'b', b(2, 2), 1, y)
      .apply('b', 1, y),
  'an acknowledgement without a record, of what is known chosen': () =>
    begun()
      .choose(1, x)
      .send('b', 'c', { kind: 'learn', slot: 1, ballot: b(1, 1), decree: x })
      .record('c', learnRecord(b(1, 1), 1, x))
      .send('c', 'a', { kind: 'accepted', ballot: b(1, 1), from: 1, through: 1 }),
  'records that were lost before they were durable': () =>
    begun()
      .written('c', promiseRecord(b(9, 3)))
      .end('c')
      .open('c')
      .record('c', promiseRecord(b(4, 3))),
  'a restart, after which everything is executed again': () =>
    begun()
      .call(1)
      .choose(1, x)
      .execute('a', 1, 1)
      .apply('a', 1, x)
      .settle(1, 'committed')
      .end('a')
      .open('a')
      .execute('a', 1, 1)
      .apply('a', 1, x)
      .prepare('a', b(2, 1), 'b')
      .finish(),
  'a disk that is replaced, and let in under another number': () => {
    const change = decree('change', secondConfiguration);
    const story = begun().end('c').open('c', 'c2').choose(1, change);
    story.record('c', configurationRecord(firstConfiguration));
    story.record('c', learnRecord(b(1, 1), 1, change));
    story.configuration = 2;
    return story
      .prepare('a', b(2, 1), 'c')
      .propose('a', b(2, 1), 2, x)
      .accept('c', 'a', b(2, 1), 2, x)
      .apply('c', 1, change)
      .apply('c', 2, x);
  },
  'a disk that was set back, and keeps silent': () =>
    begun()
      .choose(1, x)
      .end('b')
      .setBack('b', 1)
      .open('b')
      .record('b', promiseRecord(b(1, 1))),
  'a disk that was set back by what it had told nobody, and goes on': () =>
    begun()
      .propose('a', b(1, 1), 1, x)
      .record('c', acceptRecord(b(1, 1), 1, x))
      .end('c')
      .setBack('c', 1)
      .open('c')
      .accept('c', 'a', b(1, 1), 1, x)
      .apply('a', 1, x),
  'a first configuration that was lost with its author': () => {
    const other = genesisConfiguration(
      ['a', 'b', 'c'].map((id) => ({ id, incarnation: incarnationOf(id === 'a' ? 'a2' : `${id}1`) })),
    );
    const story = new Story().open('a').written('a', configurationRecord(firstConfiguration)).end('a');
    story.open('a', 'a2').open('b').open('c');
    for (const id of ['a', 'b', 'c']) story.record(id, configurationRecord(other));
    return story.prepare('a', b(1, 1), 'b').choose(1, x).apply('a', 1, x);
  },
  'calls that are not applied, or in doubt, and one that is executed later': () =>
    begun()
      .call(1)
      .settle(1, 'not-applied')
      .call(2)
      .settle(2, 'unknown')
      .choose(1, x)
      .execute('a', 1, 2)
      .apply('a', 1, x)
      .finish(),
};

/** Each is named after the invariant that has to notice. */
const bad: Readonly<Record<string, readonly (readonly [string, () => Story])[]>> = {
  'one-value-per-slot': [
    [
      'two quorums under two ballots',
      () =>
        begun()
          .choose(1, x)
          // b has forgotten that it accepted, and nobody says that its disk was set back.
          .record('c', promiseRecord(b(1, 1)))
          .durable('c', acceptRecord(b(2, 3), 1, y))
          .durable('b', acceptRecord(b(2, 3), 1, y)),
    ],
  ],
  'chosen-never-changes': [
    [
      'a proposal above the ballot under which something else was chosen',
      () => begun().choose(1, x).prepare('b', b(2, 2), 'c').propose('b', b(2, 2), 1, y),
    ],
    [
      'a quorum below a proposal of something else',
      () =>
        begun()
          .propose('a', b(1, 1), 1, x)
          .prepare('c', b(2, 3))
          .propose('c', b(2, 3), 1, y)
          .accept('b', 'a', b(1, 1), 1, x),
    ],
    [
      'a decree learned that was not chosen',
      () =>
        begun()
          .choose(1, x)
          .record('c', learnRecord(b(1, 1), 1, y)),
    ],
    [
      'a decree handed on that was not chosen',
      () =>
        begun()
          .propose('a', b(1, 1), 1, x)
          .send('a', 'b', { kind: 'learn', slot: 1, ballot: b(1, 1), decree: x }),
    ],
    [
      'a claim beyond what is chosen',
      () =>
        begun()
          .choose(1, x)
          .propose('a', b(1, 1), 2, y)
          .send('a', 'b', { kind: 'heartbeat', ballot: b(1, 1), chosen: 2, round: 1 }),
    ],
    [
      'a no-op in place of what was chosen',
      () => begun().choose(1, x).prepare('b', b(2, 2), 'c').propose('b', b(2, 2), 1, noopDecree),
    ],
  ],
  'promise-never-lowered': [
    [
      'a lower promise',
      () =>
        begun()
          .record('b', promiseRecord(b(5, 3)))
          .record('b', promiseRecord(b(4, 3))),
    ],
    [
      'an acceptance below the promise',
      () =>
        begun()
          .record('b', promiseRecord(b(5, 3)))
          .propose('a', b(1, 1), 1, x)
          .accept('b', 'a', b(1, 1), 1, x),
    ],
    [
      'a promise that a restart forgot',
      () =>
        begun()
          .record('b', promiseRecord(b(5, 3)))
          .end('b')
          .open('b')
          .record('b', promiseRecord(b(4, 3))),
    ],
    [
      'an acceptance that a restart forgot was a promise too',
      () =>
        begun()
          .choose(1, x)
          .end('b')
          .open('b')
          .record('b', promiseRecord(b(1, 1) - 1)),
    ],
  ],
  'accepted-implies-proposed': [
    ['an acceptance of what nobody proposed', () => begun().record('b', acceptRecord(b(1, 1), 1, x))],
    [
      'an acceptance of another decree than the one proposed',
      () =>
        begun()
          .propose('a', b(1, 1), 1, x)
          .record('b', acceptRecord(b(1, 1), 2, x)),
    ],
    [
      'an acceptance that is not what was proposed',
      () =>
        begun()
          .propose('a', b(1, 1), 1, x)
          .written('b', acceptRecord(b(1, 1), 1, y)),
    ],
    [
      'a ballot of another member',
      () => begun().send('b', 'c', { kind: 'prepare', ballot: b(1, 1), from: 1 }),
    ],
    [
      'a proposal under the ballot of another member',
      () => begun().send('b', 'c', { kind: 'accept', ballot: b(1, 1), slot: 1, chosen: 0, decree: x }),
    ],
  ],
  'no-ballot-reused': [
    [
      'two decrees in one slot under one ballot',
      () => begun().propose('a', b(1, 1), 1, x).propose('a', b(1, 1), 1, y),
    ],
    [
      'a ballot used again after a restart',
      () =>
        begun()
          .end('a')
          .open('a')
          .send('a', 'b', { kind: 'prepare', ballot: b(1, 1), from: 1 }),
    ],
    [
      'proposals that go on after a restart',
      () =>
        begun()
          .end('a')
          .open('a')
          .send('a', 'b', { kind: 'accept', ballot: b(1, 1), slot: 1, chosen: 0, decree: x }),
    ],
  ],
  'durable-before-acknowledged': [
    [
      'a promise that is not durable',
      () =>
        begun()
          .written('c', promiseRecord(b(2, 1)))
          .send('c', 'a', { kind: 'promised', ballot: b(2, 1), entries: 0, chosen: 0 }),
    ],
    [
      'a prepare before the own promise is durable',
      () =>
        begun()
          .written('b', promiseRecord(b(2, 2)))
          .send('b', 'c', { kind: 'prepare', ballot: b(2, 2), from: 1 }),
    ],
    [
      'an acceptance that is not durable',
      () =>
        begun()
          .propose('a', b(1, 1), 1, x)
          .written('b', acceptRecord(b(1, 1), 1, x))
          .send('b', 'a', { kind: 'accepted', ballot: b(1, 1), from: 1, through: 1 }),
    ],
    [
      'a run with a hole in it',
      () =>
        begun()
          .propose('a', b(1, 1), 1, x)
          .propose('a', b(1, 1), 2, y)
          .propose('a', b(1, 1), 3, z)
          .record('b', acceptRecord(b(1, 1), 1, x))
          .accept('b', 'a', b(1, 1), 3, z, 1),
    ],
    [
      'an acceptance under another ballot',
      () =>
        begun()
          .propose('a', b(1, 1), 1, x)
          .record('b', acceptRecord(b(1, 1), 1, x))
          .record('b', promiseRecord(b(2, 1)))
          .send('b', 'a', { kind: 'accepted', ballot: b(2, 1), from: 1, through: 1 }),
    ],
    [
      'a heartbeat reply that is ahead of the disk',
      () =>
        begun()
          .choose(1, x)
          .propose('a', b(1, 1), 2, y)
          .written('b', acceptRecord(b(1, 1), 2, y))
          .send('b', 'a', {
            kind: 'heartbeat-reply',
            ballot: b(1, 1),
            round: 1,
            from: 1,
            through: 2,
            chosen: 0,
            standing: 100,
          }),
    ],
    [
      'a slot that is chosen, which the acceptor cannot know',
      () =>
        begun()
          .choose(1, x)
          .send('c', 'a', { kind: 'accepted', ballot: b(1, 1), from: 1, through: 1 }),
    ],
  ],
  'only-members-vote': [
    [
      'a new disk that votes with the number of the old one',
      () =>
        begun()
          .end('c')
          .open('c', 'c2')
          .record('c', configurationRecord(firstConfiguration))
          .record('c', promiseRecord(b(1, 1)))
          .send('c', 'a', { kind: 'promised', ballot: b(1, 1), entries: 0, chosen: 0 }),
    ],
    [
      'a disk that was replaced and votes under the next configuration',
      () => {
        const story = begun().choose(1, decree('change', secondConfiguration));
        story.record('c', promiseRecord(b(2, 1)));
        story.configuration = 2;
        return story.send('c', 'a', { kind: 'promised', ballot: b(2, 1), entries: 0, chosen: 1 });
      },
    ],
  ],
  'set-back-does-not-vote': [
    [
      'a promise by a disk that has forgotten one',
      () =>
        begun()
          .end('b')
          .setBack('b', 1)
          .open('b')
          .record('b', promiseRecord(b(1, 3)))
          .send('b', 'c', { kind: 'promised', ballot: b(1, 3), entries: 0, chosen: 0 }),
    ],
    [
      'an acceptance by a disk that has forgotten one',
      () => begun().choose(1, x).end('b').setBack('b', 2).open('b').choose(2, y),
    ],
  ],
  'configurations-in-order': outOfOrder,
  'nothing-behind-a-configuration': badChanges,
  'speaks-the-version': badVersions,
  'exclusive-decrees': notAlone,
  'nothing-behind-the-last': behindTheLast,
  'applied-is-chosen-and-gapless': [
    ['a gap', () => begun().choose(1, x).choose(2, y).apply('a', 2, y)],
    ['a slot twice', () => begun().choose(1, x).apply('a', 1, x).apply('a', 1, x)],
    ['what is not chosen', () => begun().propose('a', b(1, 1), 1, x).apply('a', 1, x)],
    ['another decree than the chosen one', () => begun().choose(1, x).apply('c', 1, y)],
    [
      'a restart that does not begin with the first slot',
      () => begun().choose(1, x).choose(2, y).apply('a', 1, x).end('a').open('a').apply('a', 2, y),
    ],
  ],
  'equal-digests': [
    [
      'two states after the same slots',
      () => begun().choose(1, x).apply('a', 1, x, 'one').apply('b', 1, x, 'other'),
    ],
    [
      'another state after a restart',
      () => begun().choose(1, x).apply('a', 1, x, 'one').end('a').open('a').apply('a', 1, x, 'other'),
    ],
  ],
  'executed-once': [
    [
      'a command in two slots',
      () => begun().call(1).choose(1, x).choose(2, y).execute('a', 1, 1).apply('a', 1, x).execute('a', 2, 1),
    ],
    ['a command twice in one slot', () => begun().call(1).choose(1, x).execute('a', 1, 1).execute('a', 1, 1)],
    [
      'a command that one replica passes over',
      () =>
        begun()
          .call(1)
          .choose(1, x)
          .choose(2, y)
          .execute('a', 1, 1)
          .apply('a', 1, x)
          .apply('a', 2, y)
          .apply('b', 1, x)
          .apply('b', 2, y),
    ],
    [
      'a command that one replica executes in addition',
      () =>
        begun()
          .call(1)
          .settle(1, 'unknown')
          .choose(1, x)
          .apply('a', 1, x)
          .execute('b', 1, 1)
          .apply('b', 1, x)
          .finish(),
    ],
  ],
  'one-outcome-per-call': [
    ['a call that never settles', () => begun().call(1).finish()],
    ['a call that settles twice', () => begun().call(1).settle(1, 'unknown').settle(1, 'not-applied')],
    [
      'a call that settles again after it was committed',
      () => begun().call(1).choose(1, x).execute('a', 1, 1).settle(1, 'committed').settle(1, 'unknown'),
    ],
    ['a call that nobody made', () => begun().settle(7, 'unknown')],
    ['a command that nobody gave', () => begun().choose(1, x).execute('a', 1, 7)],
    [
      'not applied, and executed afterwards',
      () => begun().call(1).settle(1, 'not-applied').choose(1, x).execute('b', 1, 1),
    ],
    [
      'not applied, and executed before',
      () => begun().call(1).choose(1, x).execute('a', 1, 1).settle(1, 'not-applied'),
    ],
    ['committed, and executed by nobody', () => begun().call(1).choose(1, x).settle(1, 'committed')],
    [
      'committed, and executed by others only',
      () => begun().call(1).choose(1, x).execute('b', 1, 1).settle(1, 'committed'),
    ],
  ],
  'no-stale-read': staleReads,
  'acknowledged-survives': [
    [
      'a command that is acknowledged before it is chosen',
      () => begun().call(1).propose('a', b(1, 1), 1, x).execute('a', 1, 1).settle(1, 'committed'),
    ],
    [
      'a replica that came as far and has fewer commands',
      () =>
        begun()
          .call(1)
          .choose(1, x)
          .execute('a', 1, 1)
          .apply('a', 1, x)
          .settle(1, 'committed')
          .apply('c', 1, x)
          .finish(),
    ],
  ],
};

describe('a right history', () => {
  it.each(Object.entries(good))('%s', (_, story) => {
    expect(story().observed.length).toBeGreaterThan(0);
  });
});

describe.each(Object.entries(bad))('%s notices', (name, stories) => {
  it.each(stories)('%s', (_, story) => {
    let violation: unknown = null;
    try {
      story();
    } catch (error) {
      violation = error;
    }
    expect(violation).toBeInstanceOf(Violation);
    expect((violation as Violation).invariant).toBe(name);
  });
});

it('has a wrong history for each invariant', () => {
  expect(Object.keys(bad).sort()).toEqual(
    makeInvariants()
      .map(({ name }) => name)
      .filter((name) => name !== 'ledger')
      .sort(),
  );
});

describe('the history of the clients', () => {
  const call = { client: 1, input: ['GET', 'a'], calledAt: 5, returnedAt: 6 };
  const write = { client: 2, input: ['SET', 'a', '1'], calledAt: 0, returnedAt: 1 };

  it('has an explanation', () => {
    const calls = [
      { ...write, outcome: 'not-applied', output: undefined } as const,
      { ...write, outcome: 'unknown', output: undefined } as const,
      { ...call, outcome: 'committed', output: '1' } as const,
      { ...call, outcome: null, output: undefined } as const,
    ];
    expect(checkHistory(calls)).toBe(true);
    expect(checkHistory(calls, { visitedMax: 0 })).toBe(false);
  });

  it('has none where a refused write is seen', () => {
    const calls = [
      { ...write, outcome: 'not-applied', output: undefined } as const,
      { ...call, outcome: 'committed', output: '1' } as const,
    ];
    expect(() => checkHistory(calls)).toThrow(/^linearizable-history: no order/);
  });
});

/** What three replicas tell of each slot with two commands, some twenty observations. */
function ordinary(slots: number): Observation[] {
  const story = new Story(new Invariants([])).begin().prepare('a', b(1, 1), 'b');
  for (let slot = 1; slot <= slots; slot += 1) {
    const what = { ...x, checksum: slot };
    story.call(2 * slot - 1).call(2 * slot);
    story.propose('a', b(1, 1), slot, what, slot - 1);
    for (const voter of ['b', 'c']) story.accept(voter, 'a', b(1, 1), slot, what, 1);
    for (const replica of ['a', 'b', 'c'])
      story
        .execute(replica, slot, 2 * slot - 1)
        .execute(replica, slot, 2 * slot)
        .apply(replica, slot, what);
    story.settle(2 * slot - 1, 'committed').settle(2 * slot, 'committed');
  }
  return story.observed;
}

it('cost as much for each observation at the end of a long run as at its beginning', () => {
  const observations = ordinary(20_000);
  const invariants = new Invariants();
  const quarter = observations.length / 4;
  const costs: number[] = [];
  for (let part = 0; part < 4; part += 1) {
    const before = process.cpuUsage();
    for (const observation of observations.slice(part * quarter, (part + 1) * quarter))
      invariants.observe(observation);
    costs.push(process.cpuUsage(before).user);
  }
  // In one and the same run, so that it says nothing of the machine. What grows with the run would cost seven times as much.
  expect(costs[3]!).toBeLessThan(4 * costs[0]!);
});

it('forgets slots that lie far behind', () => {
  const invariants = new Invariants(makeInvariants(50));
  for (const observation of ordinary(200)) invariants.observe(observation);
  // What is forgotten is judged no more: another decree in slot 1 passes, one in a slot that is kept does not.
  const seen = { at: 0, replica: 'c', disk: 'c1' } as const;
  invariants.observe({ ...seen, kind: 'written', record: learnRecord(b(1, 1), 1, y) });
  expect(() =>
    invariants.observe({ ...seen, kind: 'written', record: learnRecord(b(1, 1), 195, y) }),
  ).toThrow('chosen-never-changes');
});
