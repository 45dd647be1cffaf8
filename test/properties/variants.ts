/**
 * Deliberately broken variants of the protocol and of what is around it. Each must be found out by the runs of
 * `world.ts`: what does not find these finds nothing.
 */

import { Acceptor } from '../../src/protocol/acceptor.js';
import { Context } from '../../src/protocol/context.js';
import { Election } from '../../src/protocol/election.js';
import { Learner } from '../../src/protocol/learner.js';
import { Proposer } from '../../src/protocol/proposer.js';
import { Replica } from '../../src/protocol/replica.js';
import type { Faults } from './node.js';

export interface Variant {
  readonly name: string;
  /** The rule of docs/protocol.md that it breaks; null where what is lost is progress. */
  readonly rule: number | null;
  readonly faults?: Faults;
  /** Changes the code; yields what undoes it. */
  readonly patch?: () => () => void;
  /** Found even by who sees only what users see: two replicas that hold different decrees for chosen. */
  readonly breaksAgreement?: boolean;
}

/** Replaces a method or a getter of a class until the result is called. */
function replace(owner: { prototype: object }, name: string, descriptor: PropertyDescriptor): () => void {
  const before = Object.getOwnPropertyDescriptor(owner.prototype, name)!;
  Object.defineProperty(owner.prototype, name, { ...before, ...descriptor });
  return () => Object.defineProperty(owner.prototype, name, before);
}

/** Believes every claim for whatever it holds in the slots. */
function believeEverything(): () => void {
  const claims: WeakMap<Learner, number> = new WeakMap();
  let current: Replica | null = null;
  const { step, takeEffects } = Replica.prototype;
  const { onClaim } = Learner.prototype;
  const undo = [
    replace(Replica, 'step', {
      value(this: Replica, ...parameters: Parameters<typeof step>) {
        current = this;
        step.apply(this, parameters);
      },
    }),
    replace(Replica, 'takeEffects', {
      value(this: Replica) {
        current = this;
        return takeEffects.call(this);
      },
    }),
    replace(Learner, 'onClaim', {
      value(this: Learner, ...parameters: Parameters<typeof onClaim>) {
        claims.set(this, Math.max(claims.get(this) ?? 0, parameters[2]));
        onClaim.apply(this, parameters);
      },
    }),
    replace(Learner, 'believable', {
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

export const variants: readonly Variant[] = [
  {
    name: 'replies leave before what they tell of is durable',
    rule: 1,
    faults: { acknowledgeEarly: true },
    breaksAgreement: true,
  },
  {
    name: 'a disk forgets the last record that it said was durable',
    rule: 1,
    faults: { loseDurable: true },
    breaksAgreement: true,
  },
  {
    name: 'acceptances are forgotten at a restart',
    rule: 2,
    faults: {
      recover: (found) => ({ ...found, state: { ...found.state, accepted: new Map() } }),
    },
    breaksAgreement: true,
  },
  {
    name: 'promises are forgotten at a restart, and ballots used again',
    rule: 3,
    faults: {
      recover: (found) => {
        let promised = 0;
        for (const { ballot } of found.state.accepted.values()) promised = Math.max(promised, ballot);
        return { ...found, state: { ...found.state, promised } };
      },
    },
  },
  {
    name: 'a quorum is one member',
    rule: 4,
    patch: () => replace(Context, 'quorum', { get: () => 1 }),
    breaksAgreement: true,
  },
  {
    name: 'a new primary adopts nothing that others accepted',
    rule: 4,
    faults: {
      receive: (message) => {
        if (message.kind === 'promise-entry') return null;
        return message.kind === 'promised' ? { ...message, entries: 0 } : message;
      },
    },
    breaksAgreement: true,
  },
  {
    name: 'a new primary does not adopt the decree of the highest ballot',
    rule: 4,
    patch: () => {
      const { onPromiseEntry } = Proposer.prototype;
      return replace(Proposer, 'onPromiseEntry', {
        value(this: Proposer, ...[from, message]: Parameters<typeof onPromiseEntry>) {
          // Ranked by who reports it, and below everything of its own.
          onPromiseEntry.call(this, from, { ...message, acceptedBallot: from });
        },
      });
    },
    breaksAgreement: true,
  },
  {
    name: 'a new primary does not learn first what an acceptor knows to be chosen',
    rule: 4,
    faults: {
      receive: (message) => (message.kind === 'promised' ? { ...message, chosen: 0 } : message),
    },
    breaksAgreement: true,
  },
  {
    name: 'claims are believed for decrees of another ballot',
    rule: 5,
    patch: believeEverything,
    breaksAgreement: true,
  },
  {
    name: 'what was accepted is taken for chosen at a restart',
    rule: 5,
    faults: {
      recover: (found) => {
        const last = Math.max(found.state.chosen, ...found.state.accepted.keys());
        return { ...found, state: { ...found.state, chosen: last, accepted: new Map() } };
      },
    },
    breaksAgreement: true,
  },
  {
    name: 'messages of another configuration count',
    rule: 7,
    faults: { ignoreConfigurations: true },
  },
  {
    name: 'a replica that lost its disk goes on under its old number',
    rule: 8,
    faults: { keepIncarnation: true },
    breaksAgreement: true,
  },
  {
    name: 'an acceptor answers prepare without recording its promise',
    rule: 1,
    patch: () => {
      const { prepare } = Acceptor.prototype;
      return replace(Acceptor, 'prepare', {
        value(this: Acceptor, ...[ballot, from]: Parameters<typeof prepare>) {
          if (ballot > this.promised) this.promised = ballot;
          return prepare.call(this, ballot, from);
        },
      });
    },
  },
  {
    name: 'nobody ever stands for election',
    rule: null,
    patch: () => replace(Election, 'isDue', { get: () => false }),
  },
  {
    name: 'a primary sends nothing more to a member whose link came back',
    rule: null,
    patch: () => {
      const { onAccepted } = Proposer.prototype;
      return replace(Proposer, 'onHeartbeatReply', { value: onAccepted });
    },
  },
  {
    name: 'a primary goes on without a quorum',
    rule: null,
    patch: () => replace(Proposer, 'membersHeard', { get: () => 99 }),
  },
  {
    name: 'nothing that was missed is fetched',
    rule: null,
    patch: () => replace(Learner, 'fetch', { value: () => {} }),
  },
  {
    name: 'candidates do not ask around whether there is a primary',
    rule: null,
    patch: () => replace(Election, 'isDenied', { get: () => false }),
  },
];
