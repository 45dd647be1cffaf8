/**
 * Every contract of the protocol bites. Most are tripped by an impossible input, in the test of the role that has them;
 * here are those that take a corrupted state.
 */

import { afterEach, describe, expect, it, vi } from 'vitest';
import { contracts } from '../../src/contracts.js';
import { Acceptor } from '../../src/protocol/acceptor.js';
import { raiseVersion, readmit } from '../../src/protocol/configuration.js';
import { Context } from '../../src/protocol/context.js';
import type { Acceptance } from '../../src/protocol/decree.js';
import { DecreeKind } from '../../src/protocol/decree.js';
import { Election } from '../../src/protocol/election.js';
import type { Input } from '../../src/protocol/inputs.js';
import { checkWholeState } from '../../src/protocol/invariants.js';
import { Learner } from '../../src/protocol/learner.js';
import { Proposer } from '../../src/protocol/proposer.js';
import { Reads } from '../../src/protocol/reads.js';
import { SessionTable } from '../../src/protocol/sessions.js';
import {
  b,
  configurationDecree,
  configurationOf,
  contractOf,
  decree,
  incarnationOf,
  options,
  Scene,
} from './harness.js';

/** Roles without the replica around them, whose state a test may corrupt. */
function roles(): { context: Context; acceptor: Acceptor; proposer: Proposer } {
  const context = new Context(options, { id: 'a', incarnation: incarnationOf('a') }, () => 0);
  context.configuration = configurationOf(3);
  context.self = 1;
  context.role = 'secondary';
  const acceptor = new Acceptor(context, {
    promiseDurable: (ballot) => proposer.onOwnPromiseDurable(ballot),
    acceptedDurable: (from, through) => proposer.onOwnAccepted(from, through),
  });
  const proposer = new Proposer(context, acceptor);
  return { context, acceptor, proposer };
}

/** As far as phase 1 is over. */
function prepared(): ReturnType<typeof roles> {
  const all = roles();
  const { context, acceptor, proposer } = all;
  context.role = 'preparing';
  proposer.prepare();
  acceptor.onDurable(context.writes);
  acceptor.reply();
  proposer.onPromised(2, { kind: 'promised', ballot: proposer.ballot, entries: 0, chosen: 0 });
  return all;
}

function primary(): ReturnType<typeof roles> {
  const all = prepared();
  all.context.role = 'primary';
  all.proposer.becomePrimary();
  return all;
}

afterEach(() => {
  vi.restoreAllMocks();
  contracts.level = 'full';
});

/** Of an object, or of every one of a class, that does not do what its code says. */
function breakField(target: object, name: string, get: () => unknown): void {
  Object.defineProperty(target, name, { get, set() {} });
}

describe('of the acceptor', () => {
  it('learn-in-order', () => {
    const { acceptor } = roles();
    expect(contractOf(() => acceptor.learn(2, b(1, 2), decree('x')))).toBe('learn-in-order');
  });

  it('accepted-ballot-never-lowered: what is held is above what was promised', () => {
    const { acceptor } = roles();
    acceptor.accepted.set(1, { ballot: b(9, 3), decree: decree('x') });
    expect(contractOf(() => acceptor.accept(b(1, 2), 1, decree('x')))).toBe('accepted-ballot-never-lowered');
  });

  it('replies-held-in-order: write numbers go back', () => {
    const { context, acceptor } = roles();
    acceptor.accept(b(1, 2), 1, decree('x'));
    context.writes = -5;
    expect(contractOf(() => acceptor.accept(b(1, 2), 2, decree('y')))).toBe('replies-held-in-order');
  });
});

describe('of the hand-over', () => {
  it('offered-to-who-has-everything', () => {
    const scene = new Scene().toPrimary();
    scene.receive(3, {
      kind: 'heartbeat-reply',
      ballot: b(1, 1),
      round: 0,
      from: 1,
      through: 0,
      chosen: 0,
      standing: 100,
    });
    scene.propose(decree('x'));
    vi.spyOn(Proposer.prototype, 'hasEverything').mockReturnValueOnce(true);
    expect(contractOf(() => scene.feed({ kind: 'relinquish', request: 1, to: 3 }))).toBe(
      'offered-to-who-has-everything',
    );
  });
});

describe('of the proposer', () => {
  it('only-members-prepare', () => {
    const { context, proposer } = roles();
    context.self = 0;
    expect(contractOf(() => proposer.prepare())).toBe('only-members-prepare');
  });

  it('phase-two-after-quorum-of-promises', () => {
    const { context, proposer } = roles();
    proposer.prepare();
    context.role = 'primary';
    expect(contractOf(() => proposer.becomePrimary())).toBe('phase-two-after-quorum-of-promises');
  });

  it('phase-two-after-learning', () => {
    const { proposer } = prepared();
    proposer.learnFirst = 3;
    expect(contractOf(() => proposer.becomePrimary())).toBe('phase-two-after-learning');
  });

  it('primary-promised-its-ballot', () => {
    const { acceptor, proposer } = prepared();
    acceptor.promised = b(9, 3);
    expect(contractOf(() => proposer.becomePrimary())).toBe('primary-promised-its-ballot');
  });

  it('primary-accepts-its-own', () => {
    const { acceptor, proposer } = primary();
    acceptor.promised = b(9, 3);
    expect(contractOf(() => proposer.propose(decree('x')))).toBe('primary-accepts-its-own');
  });

  it('ballot-owner-proposes', () => {
    const { proposer } = primary();
    proposer.ballot = b(9, 3);
    expect(contractOf(() => proposer.propose(decree('x')))).toBe('ballot-owner-proposes');
  });

  it('open-slot-has-decree', () => {
    const { context, proposer } = primary();
    context.connected.add(2);
    proposer.last += 1;
    expect(contractOf(() => proposer.pump())).toBe('open-slot-has-decree');
  });

  it('one-configuration-at-a-time', () => {
    const { proposer } = primary();
    const next = configurationDecree({ ...configurationOf(3), number: 2 });
    proposer.proposeConfiguration(next);
    expect(contractOf(() => proposer.proposeConfiguration(next))).toBe('one-configuration-at-a-time');
  });

  it('configured-before-counting', () => {
    const { context } = roles();
    context.configuration = null;
    expect(contractOf(() => context.quorum)).toBe('configured-before-counting');
  });
});

describe('of the replica', () => {
  it('genesis-once: slots are chosen, but no configuration was ever there', () => {
    const scene = new Scene({ size: 0, chosen: 3 });
    const genesis = { kind: 'genesis', configuration: configurationOf(3) } as const;
    expect(contractOf(() => scene.receive(65_540, genesis))).toBe('genesis-once');
  });

  it('chosen-is-in-the-log: the primary forgot what it proposed', () => {
    contracts.level = 'cheap';
    const scene = new Scene().toPrimary();
    scene.propose(decree('x'));
    scene.durable();
    (scene.replica.accepted as Map<number, Acceptance>).delete(1);
    expect(
      contractOf(() => scene.receive(2, { kind: 'accepted', ballot: b(1, 1), from: 1, through: 1 })),
    ).toBe('chosen-is-in-the-log');
  });

  it('complete-dispatch: an input and a message of no kind that exists', () => {
    const scene = new Scene();
    expect(contractOf(() => scene.feed({ kind: 'nonsense' } as unknown as Input))).toBe('complete-dispatch');
  });
});

/** How to break it, by name. */
const trips: readonly (readonly [contract: string, how: string, action: () => unknown])[] = [
  // Acceptor.
  ['acceptor-asked-under-a-ballot', 'no ballot', () => roles().acceptor.accept(0, 1, decree('x'))],
  ['acceptor-asked-under-a-ballot', 'no ballot', () => roles().acceptor.prepare(0, 1)],
  ['slots-begin-at-one', 'slot 0', () => roles().acceptor.accept(b(1, 2), 0, decree('x'))],
  ['slots-begin-at-one', 'slot 0', () => roles().acceptor.prepare(b(1, 2), 0)],
  [
    'decree-is-whole',
    'a configuration decree without its configuration',
    () => roles().acceptor.accept(b(1, 2), 1, { ...decree('x'), kind: DecreeKind.configuration }),
  ],
  [
    'promised-what-was-asked',
    'a promise that is not kept',
    () => {
      const { acceptor } = roles();
      breakField(acceptor, 'promised', () => 0);
      acceptor.prepare(b(1, 2), 1);
    },
  ],
  [
    'refuse-only-below-the-promise',
    'a promise that is lowered meanwhile',
    () => {
      const { acceptor } = roles();
      const promised = [b(9, 3), 0];
      breakField(acceptor, 'promised', () => promised.shift());
      acceptor.prepare(b(1, 2), 1);
    },
  ],
  [
    'promise-never-lowered',
    'an acceptor that forgets',
    () => {
      const scene = new Scene({ promised: b(5, 3) });
      vi.spyOn(Acceptor.prototype, 'prepare').mockImplementation(function (this: Acceptor) {
        this.promised = 0;
        return true;
      });
      scene.receive(2, { kind: 'prepare', ballot: b(6, 2), from: 1 });
    },
  ],
  [
    'promise-durable-before-reply',
    'the same promise, taken back and given again',
    () => {
      const { acceptor } = roles();
      acceptor.prepare(b(1, 2), 1);
      acceptor.promised = 0;
      acceptor.prepare(b(1, 2), 1);
      acceptor.onDurable(1);
      acceptor.reply();
    },
  ],
  [
    'promise-reports-at-most-its-ballot',
    'an acceptance above the promise',
    () => {
      const { context, acceptor } = roles();
      acceptor.accepted.set(1, { ballot: b(9, 3), decree: decree('x') });
      acceptor.prepare(b(1, 2), 1);
      acceptor.onDurable(context.writes);
      acceptor.reply();
    },
  ],
  [
    'accepted-is-held',
    'a map that keeps nothing',
    () => {
      const { acceptor } = roles();
      acceptor.accepted.set = () => acceptor.accepted;
      acceptor.accept(b(1, 2), 1, decree('x'));
    },
  ],
  [
    'accepted-slot-ends-the-run',
    'a run that is durable beyond its end',
    () => {
      const { acceptor } = roles();
      acceptor.promised = b(1, 2);
      Object.assign(acceptor.run, { ballot: b(1, 2), from: 1, through: 0, durable: 5 });
      acceptor.accept(b(1, 2), 1, decree('x'));
    },
  ],
  [
    'acknowledged-at-most-accepted',
    'a run that became shorter',
    () => {
      const { context, acceptor } = roles();
      acceptor.accept(b(1, 2), 1, decree('x'));
      acceptor.run.through = 0;
      acceptor.onDurable(context.writes);
      acceptor.reply();
    },
  ],
  [
    'chosen-decree-is-proposed-again',
    'another decree was proposed after it was chosen',
    () => {
      const { acceptor } = roles();
      acceptor.accepted.set(1, { ballot: b(2, 2), decree: decree('x') });
      acceptor.learn(1, b(1, 3), decree('y'));
    },
  ],
  ['settle-only-what-is-chosen', 'nothing is chosen', () => roles().acceptor.settle(1, 1)],
  ['settle-only-what-is-chosen', 'nothing is chosen', () => roles().proposer.settle(1, 1)],

  // Proposer.
  [
    'candidate-promises-itself',
    'an acceptor that does not listen',
    () => {
      const { acceptor, proposer } = roles();
      acceptor.prepare = () => true;
      proposer.prepare();
    },
  ],
  [
    'candidate-promised-its-ballot',
    'a higher promise, and prepare all the same',
    () => {
      const { acceptor, proposer } = prepared();
      acceptor.promised = b(9, 3);
      proposer.sendPrepare();
    },
  ],
  [
    'votes-by-other-members',
    'a promise of a stranger',
    () => {
      const { proposer } = prepared();
      proposer.onPromised(9, { kind: 'promised', ballot: proposer.ballot, entries: 0, chosen: 0 });
    },
  ],
  [
    'highest-ballot-wins',
    'a ballot that cannot be compared',
    () => {
      const { context, acceptor, proposer } = roles();
      context.role = 'preparing';
      proposer.prepare();
      acceptor.accepted.set(1, { ballot: Number.NaN, decree: decree('x') });
      proposer.onOwnPromiseDurable(proposer.ballot);
    },
  ],
  [
    'open-slots-are-proposed-again',
    'a slot that is not counted',
    () => {
      const { context, proposer } = prepared();
      const entry = { kind: 'promise-entry', ballot: proposer.ballot, slot: 1 } as const;
      proposer.onPromiseEntry(2, { ...entry, acceptedBallot: 1, decree: decree('x') });
      breakField(proposer, 'last', () => 0);
      context.role = 'primary';
      proposer.becomePrimary();
    },
  ],
  ['only-the-primary-counts', 'a secondary', () => roles().proposer.chosenByQuorum()],
  ['only-the-primary-proposes', 'a secondary', () => roles().proposer.pump()],
  [
    'propose-only-open-slots',
    'chosen beyond what was proposed',
    () => {
      const { context, proposer } = primary();
      context.chosen = 5;
      proposer.propose(decree('x'));
    },
  ],
  [
    'chosen-only-what-was-proposed',
    'the primary forgot a slot',
    () => {
      const { context, acceptor, proposer } = primary();
      proposer.propose(decree('x'));
      acceptor.onDurable(context.writes);
      acceptor.reply();
      proposer.onAccepted(2, { kind: 'accepted', ballot: proposer.ballot, from: 1, through: 1 });
      proposer.last = 0;
      proposer.chosenByQuorum();
    },
  ],
  [
    'open-bytes-add-up',
    'a decree that grew',
    () => {
      const { context, proposer } = primary();
      const one = decree('x');
      proposer.propose(one);
      one.bytes += 1;
      context.chosen = 1;
      proposer.settle(1, 1);
    },
  ],

  // Learner and election.
  [
    'believed-only-of-the-run',
    'a run without an end',
    () => {
      const { context } = roles();
      const run = { ballot: b(1, 2), from: 1, through: Number.NaN, durable: 0 };
      const learner = new Learner(context, run);
      learner.onClaim(2, b(1, 2), 3);
      learner.believable();
    },
  ],
  [
    'fetch-from-who-is-linked',
    'a link that breaks in between',
    () => {
      const { context, acceptor } = roles();
      const learner = new Learner(context, acceptor.run);
      learner.hint(2, 3);
      const linked = [true, false];
      context.connected.has = () => linked.shift()!;
      context.role = 'learner';
      learner.fetch();
    },
  ],
  ['only-candidates-ask', 'a secondary', () => new Election(roles().context).query()],
  ['primary-has-a-ballot', 'no ballot', () => new Election(roles().context).heardPrimary(0)],
  [
    'patience-within-bounds',
    'a random number beyond 1',
    () => new Election(new Context(options, { id: 'a', incarnation: '' }, () => 5)).restart(),
  ],

  // Replica.
  [
    'chosen-never-lowered',
    'a context that forgets',
    () => {
      const scene = new Scene({ chosen: 3 });
      vi.spyOn(Context.prototype, 'send').mockImplementation(function (this: Context) {
        this.chosen = 2;
      });
      scene.receive(2, { kind: 'status-query', round: 1 });
    },
  ],
  [
    'only-members-take-part',
    'a member that is a learner',
    () => {
      const scene = new Scene();
      vi.spyOn(Context.prototype, 'send').mockImplementation(function (this: Context) {
        this.role = 'learner';
      });
      scene.receive(2, { kind: 'status-query', round: 1 });
    },
  ],
  [
    'ballot-seen-covers-the-promise',
    'a promise that nobody was told of',
    () => {
      const scene = new Scene();
      vi.spyOn(Acceptor.prototype, 'prepare').mockImplementation(function (this: Acceptor) {
        this.promised = b(9, 3);
        return true;
      });
      scene.receive(2, { kind: 'prepare', ballot: b(1, 2), from: 1 });
    },
  ],
  ['send-only-to-others', 'to itself', () => roles().context.send(1, { kind: 'status-query', round: 1 })],

  // Configurations and sessions.
  [
    'member-numbers-given-once',
    'a counter that went back',
    () => readmit({ ...configurationOf(3), nextMember: 2 }, 'c', incarnationOf('c', 2)),
  ],
  [
    'version-never-lowered',
    'the version that is in force already',
    () => raiseVersion({ ...configurationOf(3), version: 3 }, 3),
  ],
  [
    'speaks-the-version-in-force',
    'recovered under a version that this build does not speak',
    () => new Scene({ configuration: { ...configurationOf(3), version: 2 } }),
  ],
  ['group-fields-in-bounds', 'member 0', () => new SessionTable().admit(0, 1, 1, 1)],
  [
    'sequences-only-grow',
    'more commands than there are numbers',
    () => {
      const sessions = new SessionTable();
      sessions.admit(1, 1, 1, 2 ** 53);
      sessions.admit(1, 1, 2 ** 53, 1);
    },
  ],

  // Walks over the whole state.
  [
    'accepted-map-is-open',
    'an acceptance of a chosen slot',
    () => {
      const scene = new Scene({ chosen: 3, promised: b(1, 2) });
      const accepted = scene.replica.accepted as Map<number, Acceptance>;
      accepted.set(2, { ballot: b(1, 2), decree: decree('x') });
      scene.feed({ kind: 'tick' });
    },
  ],
  [
    'run-is-accepted',
    'an acceptance that is gone',
    () => {
      const scene = new Scene();
      const accept = { kind: 'accept', ballot: b(1, 2), slot: 1, chosen: 0 } as const;
      scene.receive(2, { ...accept, decree: decree('x') });
      (scene.replica.accepted as Map<number, Acceptance>).delete(1);
      scene.feed({ kind: 'tick' });
    },
  ],
  ['run-is-consecutive', 'durable beyond the end', () => walk(({ acceptor }) => (acceptor.run.durable = 5))],
  [
    'run-is-acknowledged-in-the-end',
    'a reply that is lost',
    () =>
      walk(({ context, acceptor }) => {
        acceptor.accept(b(1, 2), 1, decree('x'));
        acceptor.onDurable(context.writes);
        acceptor.reply();
        acceptor.run.durable = 0;
      }),
  ],
  ['self-is-this-disk', 'the number of another', () => walk(({ context }) => (context.self = 2))],
];

/** The walk over roles whose state `corrupt` has changed. */
function walk(corrupt: (all: ReturnType<typeof roles>) => unknown): void {
  const all = roles();
  corrupt(all);
  checkWholeState(all.context, all.acceptor, all.proposer, new Learner(all.context, all.acceptor.run));
}

describe('by a state that cannot be', () => {
  it.each(trips)('%s: %s', (contract, _, action) => {
    expect(contractOf(action)).toBe(contract);
  });

  it('but not by one that can', () => {
    walk(() => {});
    walk(({ acceptor }) => acceptor.accept(b(1, 2), 1, decree('x')));
  });
});

describe('reads', () => {
  it('see what the primary adopted', () => {
    const { context, proposer } = primary();
    const reads = new Reads(context, proposer, new Election(context));
    reads.ask(1);
    reads.begin();
    proposer.pump();
    reads.onHeartbeatReply(2, {
      kind: 'heartbeat-reply',
      ballot: proposer.ballot,
      round: 1,
      from: 1,
      through: 0,
      chosen: 0,
      standing: 0,
    });
    proposer.adopted = 5;
    expect(contractOf(() => reads.finish())).toBe('reads-see-what-was-adopted');
  });
});
