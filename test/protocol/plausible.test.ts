/**
 * A peer that sends what no correct replica sends is cut off, and nothing has changed by its message. In the other tests
 * the same is a broken contract: there every peer is this code too.
 */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { contracts } from '../../src/contracts.js';
import { makeBallot, ROUND_OF_PEERS_MAX } from '../../src/protocol/ballot.js';
import type { Message } from '../../src/protocol/messages.js';
import { PeerFault } from '../../src/protocol/plausible.js';
import {
  b,
  configurationDecree,
  configurationOf,
  contractOf,
  decree,
  incarnationOf,
  Scene,
} from './harness.js';

beforeAll(() => {
  contracts.level = 'cheap';
});
afterAll(() => {
  contracts.level = 'full';
});

const tooFar = makeBallot(ROUND_OF_PEERS_MAX + 1, 2);
const outOfTurn = configurationDecree({ ...configurationOf(3), number: 3 });
/** Member 3 got another disk, and kept its number. */
const numberTwice = configurationDecree({
  ...configurationOf(3),
  number: 2,
  members: configurationOf(3).members.map((member) =>
    member.number === 3 ? { ...member, incarnation: incarnationOf('c', 2) } : member,
  ),
});
const accept = { kind: 'accept', ballot: b(1, 2), slot: 1, chosen: 0, decree: decree('x') } as const;
const learn = { kind: 'learn', ballot: b(1, 2), slot: 1, decree: decree('x') } as const;

/** Has accepted x in slot 1 under 1.2. */
const holding = (): Scene => new Scene({ accepted: { 1: [b(1, 2), decree('x')] } });

function preparing(): Scene {
  const scene = new Scene().toPreparing();
  scene.durable();
  return scene;
}

function proposed(): Scene {
  const scene = new Scene().toPrimary();
  scene.propose(decree('x'));
  return scene;
}

const entry = { kind: 'promise-entry', ballot: b(1, 1), slot: 1, decree: decree('x') } as const;

/** In which state, what member 2 sends, and which contract it broke. */
const faults: readonly (readonly [contract: string, scene: () => Scene, message: Message])[] = [
  ['ballot-owner-proposes', () => new Scene(), { kind: 'prepare', ballot: b(1, 3), from: 1 }],
  ['ballot-owner-proposes', () => new Scene(), { ...accept, ballot: b(1, 3) }],
  ['ballot-owner-proposes', () => new Scene(), { kind: 'heartbeat', ballot: b(1, 3), chosen: 0, round: 0 }],
  ['ballot-owner-proposes', () => new Scene(), { kind: 'heartbeat', ballot: 0, chosen: 0, round: 0 }],
  ['ballot-round-in-bounds', () => new Scene(), { kind: 'prepare', ballot: tooFar, from: 1 }],
  ['ballot-round-in-bounds', () => new Scene(), { ...accept, ballot: tooFar }],
  ['ballot-round-in-bounds', () => new Scene(), { kind: 'heartbeat', ballot: tooFar, chosen: 0, round: 0 }],
  ['ballot-round-in-bounds', () => new Scene(), { ...learn, ballot: tooFar }],
  [
    'ballot-round-in-bounds',
    () => new Scene().toCandidate(),
    { kind: 'status-reply', round: 1, promised: tooFar, chosen: 0, primaryAlive: false, standing: 0 },
  ],
  ['ballot-round-in-bounds', preparing, { kind: 'refuse', ballot: b(1, 1), promised: tooFar }],
  ['slots-begin-at-one', () => new Scene(), { kind: 'prepare', ballot: b(1, 2), from: 0 }],
  ['slots-begin-at-one', () => new Scene(), { ...accept, slot: 0 }],
  ['slots-begin-at-one', () => new Scene(), { ...learn, slot: 0 }],
  ['slots-begin-at-one', () => new Scene(), { kind: 'fetch', from: 0, bytesMax: 100 }],
  ['slots-begin-at-one', preparing, { ...entry, slot: 0, acceptedBallot: 1 }],
  ['slots-begin-at-one', proposed, { kind: 'accepted', ballot: b(1, 1), from: 0, through: 1 }],
  ['same-ballot-same-decree', holding, { ...accept, decree: decree('y') }],
  ['same-ballot-same-decree', holding, { ...learn, decree: decree('y') }],
  [
    'same-ballot-same-decree',
    () => {
      const scene = preparing();
      scene.receive(2, { ...entry, acceptedBallot: 1 });
      return scene;
    },
    { ...entry, acceptedBallot: 1, decree: decree('y') },
  ],
  ['configurations-one-by-one', () => new Scene(), { ...accept, decree: outOfTurn }],
  ['configurations-one-by-one', () => new Scene(), { ...learn, decree: outOfTurn }],
  ['member-numbers-given-once', () => new Scene(), { ...accept, decree: numberTwice }],
  ['member-numbers-given-once', () => new Scene(), { ...learn, decree: numberTwice }],
  ['promise-reports-lower-ballots', preparing, { ...entry, acceptedBallot: b(1, 1) }],
  ['accepted-only-what-was-proposed', proposed, { kind: 'accepted', ballot: b(1, 1), from: 1, through: 2 }],
  [
    'accepted-only-what-was-proposed',
    proposed,
    { kind: 'heartbeat-reply', ballot: b(1, 1), round: 0, from: 1, through: 2, chosen: 0, standing: 0 },
  ],
];

describe('a peer is cut off, and has changed nothing', () => {
  it.each(faults)('%s', (contract, make, message) => {
    const scene = make();
    const before = JSON.stringify(scene.replica.snapshot());
    const receive = (): unknown => scene.receive(2, message);
    expect(receive).toThrow(PeerFault);
    expect(receive).toThrow(`${contract}: ${message.kind} from 2`);
    expect(JSON.stringify(scene.replica.snapshot())).toBe(before);
    expect(scene.take()).toEqual([]);
  });

  it.each(faults)('and %s is a broken contract in a test', (contract, make, message) => {
    contracts.level = 'full';
    expect(contractOf(() => make().receive(2, message))).toBe(contract);
    contracts.level = 'cheap';
  });
});

describe('a peer is believed', () => {
  it('up to the highest ballot in bounds', () => {
    const ballot = makeBallot(ROUND_OF_PEERS_MAX, 2);
    expect(new Scene().receive(2, { kind: 'prepare', ballot, from: 1 })).toHaveLength(1);
  });

  it('with a slot behind a gap, whatever its ballot and decree: it is not taken', () => {
    expect(new Scene().receive(2, { ...learn, slot: 3, decree: outOfTurn })).toEqual([
      'send 2: fetch from 1',
    ]);
  });

  it('with votes under another ballot than its own: they do not count', () => {
    const ballot = b(7, 1);
    expect(proposed().receive(2, { kind: 'accepted', ballot, from: 1, through: 9 })).toEqual([]);
    expect(preparing().receive(2, { ...entry, ballot, acceptedBallot: b(8, 3) })).toEqual([]);
  });
});
