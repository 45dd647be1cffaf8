/** Aim: what is judged by disks and links is seen in small stories that are wrong, and not in the same ones as they should be. */

import { beforeEach, describe, expect, it } from 'vitest';
import { type Ballot, makeBallot } from '../../src/protocol/ballot.js';
import { type Configuration, genesisConfiguration } from '../../src/protocol/configuration.js';
import {
  configurationDecree,
  type DecreeReference,
  noopDecree,
  type Slot,
} from '../../src/protocol/decree.js';
import type { Message } from '../../src/protocol/messages.js';
import { Disk } from './disk.js';
import { identityOf } from './node.js';
import { Votes } from './votes.js';
import { Words } from './words.js';

const decree = (checksum: number): DecreeReference => ({ ...noopDecree, checksum });
const genesis = genesisConfiguration([0, 1, 2].map((index) => identityOf(index, 1)));
/** Of a alone. */
const next: Configuration = { number: 2, members: genesis.members.slice(0, 1), nextMember: 4 };
const low = makeBallot(1, 1);
const high = makeBallot(2, 2);

describe('votes', () => {
  let votes: Votes;
  let disks: Disk[];

  beforeEach(() => {
    votes = new Votes(genesis);
    disks = [0, 1, 2].map((index) => new Disk(identityOf(index, 1).incarnation));
  });

  /** The disks of these numbers have it durably. */
  const accept = (
    by: number[],
    ballot: Ballot,
    slot: Slot,
    one: DecreeReference,
    configuration = 1,
  ): void => {
    for (const index of by) {
      votes.onAccept(configuration, ballot, slot, one);
      const disk = disks[index]!;
      disk.append({ kind: 'accept', ballot, slot, decree: one }, 0);
      for (const record of disk.harden(disk.length)) votes.onDurable(disk.incarnation, record);
    }
  };
  const send = (from: number, message: Message, configuration = 1): void =>
    votes.onSend(disks[from]!, 0, configuration, message);

  it('sees another value under a higher ballot than that of what is chosen, before or behind it', () => {
    accept([0, 1], low, 1, decree(7));
    expect(() => accept([2], high, 1, decree(8))).toThrow(/^chosen-is-proposed-again: slot 1/);
    accept([2], high, 2, decree(8));
    accept([0], low, 2, decree(7));
    expect(() => accept([1], low, 2, decree(7))).toThrow(/^chosen-is-proposed-again: slot 2/);
  });

  it('lets a value that is not chosen be replaced', () => {
    accept([0], low, 1, decree(7));
    accept([1, 2], high, 1, decree(8));
    accept([0], high, 1, decree(8));
    expect(() => votes.onChosen('a', 1, decree(8))).not.toThrow();
    expect(() => votes.onChosen('a', 1, decree(7))).toThrow(/^one-value-per-slot: /);
  });

  it('sees what is held for chosen, or said to be, and is not', () => {
    accept([0], low, 1, decree(7));
    expect(() => votes.onChosen('a', 1, decree(7))).toThrow(/^chosen-implies-a-quorum: /);
    const heartbeat = { kind: 'heartbeat', ballot: low, chosen: 1, round: 1 } as const;
    expect(() => send(0, heartbeat)).toThrow(/^said-chosen-when-it-is: slot 1/);
    accept([1], low, 1, decree(7));
    expect(() => send(0, heartbeat)).not.toThrow();
  });

  it('sees a primary that claims a slot in which its own proposal lost', () => {
    accept([0], low, 1, decree(7));
    accept([1, 2], high, 1, decree(8));
    send(1, { kind: 'heartbeat', ballot: high, chosen: 1, round: 1 });
    const claim = { kind: 'heartbeat', ballot: low, chosen: 1, round: 1 } as const;
    expect(() => send(0, claim)).toThrow(/^claimed-as-it-was-chosen: 1\.1 slot 1/);
  });

  it('sees two values under one ballot, and one ballot under two configurations', () => {
    accept([0], low, 1, decree(7));
    expect(() => accept([1], low, 1, decree(8))).toThrow(/^one-value-per-ballot-and-slot: /);
    expect(() => accept([1], low, 1, decree(7), 2)).toThrow(/^ballot-under-one-configuration: /);
  });

  it('counts votes under the configuration in force, and behind what is chosen', () => {
    accept([0], low, 3, decree(9), 2);
    accept([0, 1], low, 2, decree(8));
    expect(() => votes.onChosen('a', 2, decree(8))).toThrow(/^chosen-implies-a-quorum: /);
    accept([0, 1], low, 1, configurationDecree(next));
    expect(votes.configuration).toBe(next);
    expect(() => votes.onChosen('a', 2, decree(8))).toThrow(/^chosen-implies-a-quorum: /);
    accept([0], high, 2, decree(5), 2);
    expect(() => votes.onChosen('a', 2, decree(5))).not.toThrow();
    expect(() => votes.onChosen('a', 3, decree(9))).not.toThrow();
  });

  it('sees a ballot that is not above the one that decided its configuration', () => {
    accept([0, 1], high, 1, configurationDecree(next));
    const disk = disks[0]!;
    const prepare = (ballot: Ballot) => ({ kind: 'prepare', ballot, from: 2 }) as const;
    expect(() => send(0, prepare(low), 2)).toThrow(/^ballots-above-the-configuration: 1\.1/);
    expect(() => send(0, prepare(low), 1)).not.toThrow();
    expect(() => send(0, prepare(low), 3)).toThrow(/^configuration-in-force-is-chosen: 3/);
    expect(() => votes.onRecovered(disk, low, next)).toThrow(/^configuration-known-with-its-ballot: /);
    expect(() => votes.onRecovered(disk, high, next)).not.toThrow();
  });

  it('takes the lowest ballot that decided it, in whatever order disks become durable', () => {
    accept([0], low, 1, configurationDecree(next));
    accept([1, 2], high, 1, configurationDecree(next));
    expect(() => votes.onRecovered(disks[0]!, low, next)).toThrow(/^configuration-known-with-its-ballot: /);
    accept([1], low, 1, configurationDecree(next));
    expect(() => votes.onRecovered(disks[0]!, low, next)).not.toThrow();
  });

  it('sees what is told and is not durable, and what was told and is forgotten', () => {
    const [disk] = disks as [Disk];
    const promised = { kind: 'promised', ballot: low, entries: 0, chosen: 0 } as const;
    expect(() => send(0, promised)).toThrow(/^promise-durable-before-reply: /);
    disk.append({ kind: 'promise', ballot: low }, 0);
    disk.harden(1);
    send(0, promised);
    expect(() => votes.onRecovered(disk, 0, genesis)).toThrow(/^promise-survives-restart: /);
    const accepted = { kind: 'accepted', ballot: low, from: 1, through: 1 } as const;
    expect(() => send(0, accepted)).toThrow(/^acceptance-durable-before-reply: /);
    accept([0], low, 1, decree(7));
    expect(() => send(0, accepted)).not.toThrow();
  });
});

describe('a read that is answered at once', () => {
  it('is seen where another one may have been elected', () => {
    const votes = new Votes(genesis);
    const promise = (index: number): void => {
      const disk = new Disk(identityOf(index, 1).incarnation);
      disk.append({ kind: 'promise', ballot: high }, 0);
      disk.harden(1);
      votes.onSend(disk, 0, 1, { kind: 'promised', ballot: high, entries: 0, chosen: 0 });
    };
    promise(1);
    votes.onAnsweredAtOnce(low, genesis);
    promise(2);
    votes.onAnsweredAtOnce(high, genesis);
    expect(() => votes.onAnsweredAtOnce(low, genesis)).toThrow(/^lease-held-by-one: 1\.1, and 2 of 3/);
  });
});

describe('words', () => {
  it('see a promise to another one within a lease, and none behind its end or when it was given back', () => {
    const words = new Words();
    const mine = makeBallot(2, 1);
    words.onGrant('a', low, 100);
    words.onPromise('a', mine, 50);
    words.onPromise('b', high, 50);
    expect(() => words.onPromise('a', high, 99)).toThrow(/^lease-outlasts-promises: 2\.2, 1 ms before/);
    words.onPromise('a', high, 100);
    words.onRelease('a', mine);
    expect(() => words.onPromise('a', high, 99)).toThrow(/^lease-outlasts-promises: /);
    words.onRelease('a', low);
    words.onPromise('a', high, 99);
  });
});
