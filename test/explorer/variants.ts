/** Deliberately broken variants that the explorer must find out, each in a scope that is just large enough. */

import { Acceptor } from '../../src/protocol/acceptor.js';
import { Context } from '../../src/protocol/context.js';
import { Learner } from '../../src/protocol/learner.js';
import { Proposer } from '../../src/protocol/proposer.js';
import { Replica } from '../../src/protocol/replica.js';
import type { Faults } from './node.js';
import type { Scope } from './scope.js';

export interface Variant {
  readonly name: string;
  /** The rule of docs/protocol.md that it breaks. */
  readonly rule: number;
  readonly scope: Scope;
  readonly faults?: Faults;
  /** Changes the code; yields what undoes it. */
  readonly patch?: () => () => void;
  /** What is found to be violated. */
  readonly finds: string;
  /** Where two replicas come to hold different decrees for chosen: found even by who sees only that. */
  readonly disagreement?: Scope;
}

/** Replaces a method or a getter of a class until the result is called. */
function replaceProperty(
  owner: { prototype: object },
  name: string,
  property: PropertyDescriptor,
): () => void {
  const before = Object.getOwnPropertyDescriptor(owner.prototype, name)!;
  Object.defineProperty(owner.prototype, name, { ...before, ...property });
  return () => Object.defineProperty(owner.prototype, name, before);
}

function replace(owner: { prototype: object }, name: string, value: unknown): () => void {
  return replaceProperty(owner, name, { value });
}

/** Believes every claim for whatever it holds in the slots. */
function believeEverything(): () => void {
  const claims: WeakMap<Learner, number> = new WeakMap();
  let current: Replica | null = null;
  const { step, takeEffects } = Replica.prototype;
  const { onClaim } = Learner.prototype;
  const undo = [
    replaceProperty(Replica, 'step', {
      value(this: Replica, ...parameters: Parameters<typeof step>) {
        current = this;
        step.apply(this, parameters);
      },
    }),
    replaceProperty(Replica, 'takeEffects', {
      value(this: Replica) {
        current = this;
        return takeEffects.call(this);
      },
    }),
    replaceProperty(Learner, 'onClaim', {
      value(this: Learner, ...parameters: Parameters<typeof onClaim>) {
        claims.set(this, Math.max(claims.get(this) ?? 0, parameters[2]));
        onClaim.apply(this, parameters);
      },
    }),
    replaceProperty(Learner, 'believable', {
      value(this: Learner) {
        let slot = current!.chosen;
        while (slot < (claims.get(this) ?? 0) && current!.accepted.has(slot + 1)) slot += 1;
        return slot;
      },
    }),
  ];
  return () => {
    for (const one of undo) one();
  };
}

const tiny: Scope = {
  name: 'tiny',
  about: 'one decree, one change of the primary',
  network: 'ordered',
  beginning: 'led',
  proposals: 2,
  timeouts: [0, 1, 0],
  silences: [0, 0, 1],
  breaks: 0,
  crashes: 0,
  mayCrash: [],
};
/** b leads by the promise of c, and a does not know: whoever c forgets is the one who could have been chosen by it. */
const elected: readonly string[] = [
  'c hears nothing for an election timeout, and cannot stand',
  'b loses patience',
  'c <- b status-query round 1',
  'b <- c status-reply round 1: promised 1.1, chosen 0, hears no primary',
  'b has 1 more on its disk',
  'c <- b prepare 2.2 from 1',
  'c has 1 more on its disk',
  'b <- c promised 2.2: 0 entries, chosen 0',
];
/** Both have proposed a decree for the same slot. */
const rivals: readonly string[] = [
  ...elected,
  'a is given decree 1',
  'a has 1 more on its disk',
  'b is given decree 2',
  'b has 1 more on its disk',
];
/** The decree of a is chosen by a and c, and nobody knows. */
const chosen: readonly string[] = [
  'a is given decree 1',
  'a has 1 more on its disk',
  'c <- a accept 1.1: slot 1 #1, chosen 0',
  'c has 1 more on its disk',
];
/** b leads by a promise of c that tells of it. */
const informed: readonly string[] = [
  ...chosen,
  ...elected.slice(0, -1),
  'b <- c promise-entry 2.2: slot 1 has #1 of 1.1',
  'b <- c promised 2.2: 1 entries, chosen 0',
];
/** c has started again, and b is about to lead with it. */
const recovered: readonly string[] = [
  ...chosen,
  'c crashes and starts again: 0 pending records were kept',
  'b <- c the link is down',
  'b <- c the link is up',
  'c <- b the link is up',
  'b loses patience',
];
/** The same, but c has lost its disk. */
const lost: readonly string[] = [
  ...chosen,
  'c loses its disk and starts with an empty one',
  'b <- c the link is down',
  'b <- c the link is up',
  'c <- b the link is up',
  'c <- b genesis 1=a 2=b 3=c',
  'b loses patience',
];
/** Decree 2 of b is chosen by b and c over decree 1 of a, which a alone accepted before. */
const overtaken: readonly string[] = [
  ...rivals,
  'c <- b heartbeat 2.2 round 0: chosen 0',
  'c <- b accept 2.2: slot 1 #2, chosen 0',
  'c has 1 more on its disk',
  'a loses patience',
  'c hears nothing for an election timeout, and cannot stand',
];
/** a and c know that the decree of a is chosen, b knows nothing of it and asks c to lead. */
const behind: readonly string[] = [
  ...chosen,
  'a <- c accepted 1.1: 1 to 1',
  'c <- a heartbeat 1.1 round 0: chosen 1',
  'c hears nothing for an election timeout, and cannot stand',
  'b loses patience',
  'c <- b status-query round 1',
];
/** a alone accepted its decree, and is back: to the others it is as if nothing had been. */
const alone: readonly string[] = [
  'a is given decree 1',
  'a has 1 more on its disk',
  'a crashes and starts again: 0 pending records were kept',
  'b <- a the link is down',
  'c <- a the link is down',
  'b loses patience',
  'c <- b status-query round 1',
];
const crash: Scope = { ...tiny, name: 'tiny, with a crash', crashes: 1, mayCrash: [2] };
const wiped: Scope = { ...tiny, name: 'tiny, with a lost disk', wipes: 1, mayLose: [2] };

export const variants: readonly Variant[] = [
  {
    name: 'replies leave before what they tell of is durable',
    finds: 'prepare-after-own-promise',
    rule: 1,
    scope: { ...crash, beginning: 'idle' },
    faults: { acknowledgeEarly: true },
  },
  {
    name: 'the primary counts its own vote before it is durable',
    finds: 'chosen-implies-a-quorum',
    rule: 1,
    scope: tiny,
    patch: () => {
      const { propose } = Proposer.prototype;
      return replace(
        Proposer,
        'propose',
        function (this: Proposer, ...parameters: Parameters<typeof propose>) {
          propose.apply(this, parameters);
          this.onOwnAccepted(1, this.last);
        },
      );
    },
  },
  {
    name: 'a candidate asks for promises before its own is durable',
    finds: 'prepare-after-own-promise',
    rule: 3,
    scope: { ...tiny, beginning: 'idle' },
    patch: () => {
      const { prepare } = Proposer.prototype;
      return replace(Proposer, 'prepare', function (this: Proposer) {
        prepare.call(this);
        this.onOwnPromiseDurable(this.ballot);
      });
    },
  },
  {
    name: 'an acceptor answers prepare without recording its promise',
    finds: 'prepare-after-own-promise',
    rule: 1,
    scope: { ...tiny, beginning: 'idle' },
    patch: () => {
      const { prepare } = Acceptor.prototype;
      return replace(
        Acceptor,
        'prepare',
        function (this: Acceptor, ...[ballot, from]: Parameters<typeof prepare>) {
          if (ballot > this.promised) this.promised = ballot;
          return prepare.call(this, ballot, from);
        },
      );
    },
  },
  {
    name: 'an acceptor accepts below what it promised',
    finds: 'no-acceptance-below-the-promise',
    rule: 2,
    scope: { ...tiny, opening: elected },
    patch: () => {
      const { accept } = Acceptor.prototype;
      return replace(Acceptor, 'accept', function (this: Acceptor, ...parameters: Parameters<typeof accept>) {
        const { promised } = this;
        this.promised = Math.min(promised, parameters[0]);
        const accepted = accept.apply(this, parameters);
        this.promised = Math.max(promised, this.promised);
        return accepted;
      });
    },
  },
  {
    name: 'promises are forgotten at a restart',
    finds: 'promise-survives-restart',
    rule: 2,
    scope: { ...crash, opening: elected },
    disagreement: { ...crash, opening: rivals },
    faults: {
      recover: (found) => {
        let promised = 0;
        for (const { ballot } of found.state.accepted.values()) promised = Math.max(promised, ballot);
        return { ...found, state: { ...found.state, promised } };
      },
    },
  },
  {
    name: 'acceptances are forgotten at a restart',
    finds: 'one-value-per-slot',
    rule: 2,
    scope: { ...crash, opening: recovered, silences: [0, 0, 0] },
    disagreement: { ...crash, opening: recovered, silences: [0, 0, 0] },
    faults: { recover: (found) => ({ ...found, state: { ...found.state, accepted: new Map() } }) },
  },
  {
    name: 'a quorum is one member less',
    finds: 'chosen-implies-a-quorum',
    rule: 4,
    scope: tiny,
    disagreement: tiny,
    patch: () => replaceProperty(Context, 'quorum', { get: () => 1 }),
  },
  {
    name: 'a new primary adopts nothing that others accepted',
    finds: 'one-value-per-slot',
    rule: 4,
    scope: { ...tiny, opening: informed },
    disagreement: { ...tiny, opening: informed },
    patch: () => {
      const { onPromised } = Proposer.prototype;
      const undo = [
        replace(Proposer, 'onPromiseEntry', () => {}),
        replace(
          Proposer,
          'onPromised',
          function (this: Proposer, ...[from, message]: Parameters<typeof onPromised>) {
            onPromised.call(this, from, { ...message, entries: 0 });
          },
        ),
      ];
      return () => {
        for (const one of undo) one();
      };
    },
  },
  {
    name: 'a new primary does not adopt the decree of the highest ballot',
    finds: 'one-value-per-slot',
    rule: 4,
    scope: { ...tiny, opening: overtaken, timeouts: [2, 1, 0], silences: [0, 0, 2] },
    disagreement: { ...tiny, opening: overtaken, timeouts: [2, 1, 0], silences: [0, 0, 2] },
    patch: () => {
      const { onPromiseEntry } = Proposer.prototype;
      return replace(
        Proposer,
        'onPromiseEntry',
        function (this: Proposer, ...[from, message]: Parameters<typeof onPromiseEntry>) {
          // Ranked by who reports it, and below everything of its own.
          onPromiseEntry.call(this, from, { ...message, acceptedBallot: from });
        },
      );
    },
  },
  {
    name: 'a new primary does not learn first what an acceptor knows to be chosen',
    finds: 'chosen-implies-a-quorum',
    rule: 4,
    scope: { ...tiny, opening: behind },
    disagreement: { ...tiny, opening: behind },
    patch: () => {
      const { onPromised } = Proposer.prototype;
      return replace(
        Proposer,
        'onPromised',
        function (this: Proposer, ...[from, message]: Parameters<typeof onPromised>) {
          onPromised.call(this, from, { ...message, chosen: 0 });
        },
      );
    },
  },
  {
    name: 'claims are believed for decrees of another ballot',
    finds: 'chosen-implies-a-quorum',
    rule: 5,
    scope: { ...tiny, opening: overtaken, timeouts: [1, 1, 0], silences: [0, 0, 2], breaks: 1 },
    disagreement: { ...tiny, opening: overtaken, timeouts: [1, 1, 0], silences: [0, 0, 2], breaks: 1 },
    patch: believeEverything,
  },
  {
    name: 'what was accepted is taken for chosen at a restart',
    finds: 'chosen-implies-a-quorum',
    rule: 5,
    scope: { ...crash, mayCrash: [0] },
    disagreement: { ...crash, opening: alone, mayCrash: [0], silences: [0, 0, 0] },
    faults: {
      recover: (found) => {
        const last = Math.max(found.state.chosen, ...found.state.accepted.keys());
        return { ...found, state: { ...found.state, chosen: last, accepted: new Map() } };
      },
    },
  },
  {
    name: 'a replica that lost its disk goes on under its old number',
    finds: 'one-value-per-slot',
    rule: 8,
    scope: { ...wiped, opening: lost, silences: [0, 0, 0] },
    disagreement: { ...wiped, opening: lost, silences: [0, 0, 0] },
    faults: { keepIncarnation: true },
  },
  {
    name: 'a quorum of a greater set is one of the set before',
    finds: 'chosen-implies-a-quorum',
    rule: 7,
    scope: {
      ...tiny,
      replicas: 4,
      changes: [['a', 'b', 'c', 'd']],
      opening: [
        'a is asked for change 1',
        'a has 1 more on its disk',
        'b <- a accept 1.1: slot 1 configuration 2, chosen 0',
      ],
      proposals: 1,
      timeouts: [0, 0, 0, 0],
      silences: [0, 0, 0, 0],
    },
    patch: () => replaceProperty(Context, 'quorum', { get: () => 2 }),
  },
  {
    name: 'something is proposed behind a configuration that is not chosen',
    finds: 'one-configuration-at-a-time',
    rule: 7,
    scope: { ...tiny, changes: [['a', 'b']], timeouts: [0, 0, 0], silences: [0, 0, 0] },
    patch: () => {
      const { proposeConfiguration } = Proposer.prototype;
      return replace(
        Proposer,
        'proposeConfiguration',
        function (this: Proposer, ...parameters: Parameters<typeof proposeConfiguration>) {
          proposeConfiguration.apply(this, parameters);
          this.pausedForConfiguration = false;
        },
      );
    },
  },
  {
    name: 'a read is answered by who only takes itself for the primary',
    finds: 'no-stale-read',
    rule: 5,
    scope: { ...tiny, opening: elected, proposals: 1, reads: 1 },
    patch: () => replace(Proposer, 'wantRound', () => 0),
  },
];
