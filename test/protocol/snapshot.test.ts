/** Snapshots: equal after the same inputs, and another one after any input that changes what the replica will do. */

import { describe, expect, it } from 'vitest';
import { b, configurationOf, decree, incarnationOf, Scene, statusReply } from './harness.js';
import { holding, leasing } from './lease-scenes.js';

const accept = { kind: 'accept', ballot: b(5, 2), slot: 1, chosen: 0, decree: decree('x') } as const;
const reply = statusReply(1);

/** By name: how a replica gets into a state. Each is another one. */
const states: readonly (readonly [name: string, make: () => Scene])[] = [
  ['inactive', () => new Scene({ size: 0 })],
  ['learner', () => new Scene({ life: 2, linked: [1, 2, 3] })],
  [
    'learner that fetches',
    () => {
      const scene = new Scene({ life: 2, linked: [1, 2, 3] });
      scene.receive(2, { kind: 'defunct', chosen: 7 });
      return scene;
    },
  ],
  ['secondary', () => new Scene()],
  ['secondary of 2', () => new Scene().toSecondaryOf(2)],
  [
    'secondary that was promised to',
    () => {
      const scene = new Scene();
      scene.receive(3, { kind: 'prepare', ballot: b(5, 3), from: 1 });
      return scene;
    },
  ],
  [
    'secondary that accepted',
    () => {
      const scene = new Scene();
      scene.receive(2, accept);
      return scene;
    },
  ],
  [
    'secondary whose acceptance is durable',
    () => {
      const scene = new Scene();
      scene.receive(2, accept);
      scene.durable();
      return scene;
    },
  ],
  ['candidate', () => new Scene({ size: 5 }).toCandidate()],
  [
    'candidate with two answers',
    () => {
      const scene = new Scene({ size: 7 }).toCandidate();
      scene.receive(5, reply);
      scene.receive(2, reply);
      return scene;
    },
  ],
  ['preparing', () => new Scene().toPreparing()],
  [
    'preparing with two entries of two members',
    () => {
      const scene = new Scene({ size: 5, promised: b(5, 3) }).toPreparing();
      scene.durable();
      const ballot = scene.preparing;
      const entry = { kind: 'promise-entry', ballot, acceptedBallot: b(1, 3), decree: decree('x') } as const;
      for (const member of [3, 2]) for (const slot of [2, 1]) scene.receive(member, { ...entry, slot });
      return scene;
    },
  ],
  ['primary', () => new Scene().toPrimary()],
  [
    'primary with an open decree',
    () => {
      const scene = new Scene().toPrimary();
      scene.propose(decree('x'));
      return scene;
    },
  ],
  [
    'whose first configuration is not durable',
    () => {
      const scene = new Scene({ size: 0 });
      scene.receive(65_540, { kind: 'genesis', configuration: configurationOf(3) });
      return scene;
    },
  ],
  ['that may be bound by a lease of an earlier life', () => new Scene(leasing)],
  ['that has granted a lease', granting],
  [
    'that has granted a lease, and was asked for a promise since',
    () => {
      const scene = granting();
      scene.receive(3, { kind: 'prepare', ballot: b(6, 3), from: 1 });
      return scene;
    },
  ],
  ['primary with a lease', holding],
  [
    'primary that gave its lease back',
    () => {
      const scene = holding();
      scene.feed({ kind: 'relinquish', request: 1, to: 0 });
      return scene;
    },
  ],
  [
    'that has granted a lease, and was told to stand since',
    () => {
      const scene = granting();
      scene.feed({ kind: 'promote', request: 7, evenIfBehind: true });
      return scene;
    },
  ],
  [
    'secondary that asked the primary about a read',
    () => {
      const scene = new Scene().toSecondaryOf(2);
      scene.feed({ kind: 'read', read: 1 });
      return scene;
    },
  ],
  [
    'primary with two reads, of which a round goes on',
    () => {
      const scene = new Scene({ size: 5 }).toPrimary();
      for (const read of [1, 2]) scene.feed({ kind: 'read', read });
      return scene;
    },
  ],
  [
    'primary with reads, whose round two have echoed',
    () => {
      const scene = new Scene({ size: 7 }).toPrimary();
      scene.feed({ kind: 'read', read: 1 });
      for (const read of [4, 5]) scene.receive(5, { kind: 'read-query', life: 1, read });
      const { ballot } = scene.replica;
      for (const member of [3, 2])
        scene.receive(member, {
          kind: 'heartbeat-reply',
          ballot,
          round: 1,
          from: 1,
          through: 0,
          chosen: 0,
          standing: 0,
        });
      return scene;
    },
  ],
  [
    'primary whose change of members waits for a newcomer, of two that are linked',
    () => {
      const scene = new Scene().toPrimary();
      for (const [peer, id] of [
        [65_541, 'e'],
        [65_540, 'd'],
      ] as const) {
        scene.feed({ kind: 'peer-up', peer });
        scene.receive(peer, { kind: 'join', id, incarnation: incarnationOf(id), chosen: 0, former: 0 }, 1);
      }
      const members = ['a', 'b', 'f'].map((id) => ({ id, address: `${id}:1` }));
      const change = { request: 1, members, cookie: '', force: false, ifNumber: 0 };
      scene.feed({ kind: 'change', change });
      return scene;
    },
  ],
  [
    'whose application is asked whether it may stand',
    () => {
      const scene = new Scene({ options: { asksToLead: true } });
      expect(scene.wait(300)).toEqual(['ask-to-lead 1']);
      return scene;
    },
  ],
];

/** A secondary that no grant of an earlier life binds. */
function granting(): Scene {
  const scene = new Scene(leasing);
  scene.wait(700);
  scene.receive(2, { kind: 'heartbeat', ballot: b(5, 2), chosen: 0, round: 1 });
  scene.receive(2, { kind: 'lease-request', ballot: b(5, 2), round: 1, durationMs: 300 });
  return scene;
}

describe('a snapshot', () => {
  it.each(states)('of a replica is plain data, and that of any other with the same past: %s', (_, make) => {
    const one = make().replica.snapshot();
    expect(structuredClone(one)).toEqual(one);
    expect(make().replica.snapshot()).toEqual(one);
  });

  it('tells the states apart', () => {
    const texts = states.map(([, make]) => JSON.stringify(make().replica.snapshot()));
    expect(new Set(texts).size).toBe(states.length);
  });

  it('does not tell when it was taken, as long as nothing depends on it', () => {
    const one = new Scene({ size: 0 });
    const other = new Scene({ size: 0 });
    for (const scene of [one, other]) scene.wait(5000);
    other.wait(5000);
    expect(other.replica.snapshot()).toEqual(one.replica.snapshot());
  });
});
