/**
 * Leases: members that heard a primary promise nobody else anything for a while, so that the primary may answer reads without asking
 * (docs/protocol.md, "Leases"). The only rule of the protocol that depends on clocks, and so only in force where the options say how far
 * they may drift. Both sides of it are here: who grants, and who holds.
 */

import { requires } from '../contracts.js';
import type { Acceptor } from './acceptor.js';
import type { Ballot, MemberNumber } from './ballot.js';
import { noBallot, ownerOf } from './ballot.js';
import type { Context } from './context.js';
import type { LeaseGrant, LeaseRelease, LeaseRequest } from './messages.js';
import type { Proposer } from './proposer.js';

export interface LeaseOptions {
  /** The same on all replicas, and in every life of each. */
  readonly durationMs: number;
  /** Each clock runs at 1 - `clockDriftMax` to 1 + `clockDriftMax` of the true rate. */
  readonly clockDriftMax: number;
}

/** Rounds of heartbeats whose time is remembered. */
const ROUNDS_MAX = 64;
const NEVER = Number.NEGATIVE_INFINITY;

export class Lease {
  readonly #context: Context;
  readonly #acceptor: Acceptor;
  readonly #proposer: Proposer;

  // As a member that grants.
  /** Until then, nobody but the owner of `#grantedTo` is promised a higher ballot. */
  #grantedTo: Ballot = noBallot;
  #grantedUntil = NEVER;
  /** This disk may have granted in its life before: until then nobody is promised anything. */
  readonly #freeAt: number;
  /** A prepare under this ballot waits for the grant to end: lower ones are granted nothing until then. */
  #deferred: Ballot = noBallot;
  #deferredUntil = NEVER;
  /** This replica was told to prepare a ballot, and does once it may. */
  #standsUntil = NEVER;
  /** The highest ballot that it knew of when it was told to. */
  #standsOver: Ballot = noBallot;

  // As the primary that holds it, under `#ballot`.
  #ballot: Ballot = noBallot;
  /** When each round of heartbeats was sent. */
  #sentAt: Map<number, number> = new Map();
  /** By member: when the newest round that it granted for was sent. */
  #granted: Map<MemberNumber, number> = new Map();
  #asked = 0;
  /** Grants for rounds up to this were given back. */
  #releasedThrough = 0;

  constructor(context: Context, acceptor: Acceptor, proposer: Proposer) {
    this.#context = context;
    this.#acceptor = acceptor;
    this.#proposer = proposer;
    const { lease } = context.options;
    this.#freeAt = lease == null ? NEVER : context.now + lease.durationMs;
  }

  // As a member that grants.

  /** A promise of `ballot` must wait. Whoever asks for it asks again. */
  defers(ballot: Ballot): boolean {
    if (this.#context.options.lease == null || ballot < this.#acceptor.promised) return false;
    const { now } = this.#context;
    const isBound = now < this.#grantedUntil && ownerOf(ballot) !== ownerOf(this.#grantedTo);
    if (isBound) this.#defer(ballot);
    if (!isBound && now >= this.#freeAt) return false;
    this.#context.ballotSeen = Math.max(this.#context.ballotSeen, ballot);
    return true;
  }

  /** A grant of this disk may last still, of this life or the one before. */
  get hasGranted(): boolean {
    const { now, options } = this.#context;
    return options.lease != null && (now < this.#grantedUntil || now < this.#freeAt);
  }

  /** This replica wants to promise itself a ballot, and must not yet. A candidate looks again with the next tick. */
  get isBound(): boolean {
    if (!this.hasGranted) return false;
    if (this.#context.now < this.#grantedUntil) this.#defer(this.#context.ballotSeen + 1);
    return true;
  }

  /** True where this replica, which was told to prepare, must not yet: `takeStand` says when. */
  holdsBack(): boolean {
    if (!this.isBound) return false;
    this.#standsUntil = this.#context.now + 3 * this.#context.options.lease!.durationMs;
    this.#standsOver = Math.max(this.#acceptor.promised, this.#context.ballotSeen);
    return true;
  }

  /** True once, when what `holdsBack` waits for is over. `followed`: the ballot of the primary that was last heard from. */
  takeStand(followed: Ballot): boolean {
    const { now, role } = this.#context;
    // Somebody else has stood by now, and may lead: nobody wants to have it deposed, nor to wait for the end of its lease.
    if (Math.max(this.#acceptor.promised, followed) > this.#standsOver) this.#standsUntil = NEVER;
    if (now >= this.#standsUntil || (role !== 'secondary' && role !== 'candidate') || this.isBound)
      return false;
    this.#standsUntil = NEVER;
    return true;
  }

  onRequest(from: MemberNumber, { ballot, round, durationMs }: LeaseRequest): void {
    const { lease } = this.#context.options;
    const { now, withheld } = this.#context;
    if (lease == null || durationMs > lease.durationMs || withheld.has(from)) return;
    if (ballot < this.#acceptor.promised || (ballot < this.#deferred && now < this.#deferredUntil)) return;
    this.#grantedTo = ballot;
    this.#grantedUntil = Math.max(this.#grantedUntil, now + durationMs);
    this.#context.send(from, { kind: 'lease-grant', ballot, round });
  }

  /** The holder answers by it no more. */
  onRelease({ ballot }: LeaseRelease): void {
    if (ballot === this.#grantedTo) this.#grantedUntil = NEVER;
  }

  // As the primary that holds it.

  /** End of step, behind the heartbeats: asks for the next piece with each round. */
  ask(): void {
    const context = this.#context;
    const { lease } = context.options;
    if (lease == null) return;
    this.#forgetOldBallot();
    const { round, ballot } = this.#proposer;
    if (round === this.#asked || this.#proposer.isPaused) return;
    this.#asked = round;
    this.#sentAt.set(round, context.now);
    this.#sentAt.delete(round - ROUNDS_MAX);
    const { durationMs } = lease;
    context.forEachConnectedMember((member) =>
      context.send(member, { kind: 'lease-request', ballot, round, durationMs }),
    );
  }

  onGrant(from: MemberNumber, { ballot, round }: LeaseGrant): void {
    this.#forgetOldBallot();
    if (ballot !== this.#ballot || round <= this.#releasedThrough) return;
    requires(from !== this.#context.self && this.#context.isMember(from), 'votes-by-other-members');
    const sentAt = this.#sentAt.get(round);
    if (sentAt !== undefined) this.#granted.set(from, Math.max(this.#granted.get(from) ?? NEVER, sentAt));
  }

  /** At the time of this step nobody else can have had anything chosen under a higher ballot. */
  get isHeld(): boolean {
    const context = this.#context;
    const { lease } = context.options;
    if (lease == null || context.role !== 'primary' || this.#proposer.isPaused) return false;
    this.#forgetOldBallot();
    // From the sending, by a clock that may be slow; the grant runs from the receipt, by one that may be fast.
    const usableMs = (lease.durationMs * (1 - lease.clockDriftMax)) / (1 + lease.clockDriftMax);
    let count = 1;
    for (const { number } of context.members) {
      const sentAt = this.#granted.get(number);
      if (number !== context.self && sentAt !== undefined && context.now < sentAt + usableMs) count += 1;
    }
    return count >= context.quorum;
  }

  /** This primary leaves its place: nobody need wait for the end of the lease. */
  release(): void {
    const context = this.#context;
    if (context.options.lease == null) return;
    this.#forgetOldBallot();
    const { ballot, round } = this.#proposer;
    this.#releasedThrough = round;
    this.#granted.clear();
    context.forEachConnectedMember((member) => context.send(member, { kind: 'lease-release', ballot }));
  }

  /** See `Replica.snapshot`. */
  snapshot(): readonly unknown[] {
    const { options, now, role } = this.#context;
    if (options.lease == null) return [];
    const left = (until: number): number => Math.max(0, until - now);
    return [
      now < this.#grantedUntil ? [this.#grantedTo, left(this.#grantedUntil)] : [],
      left(this.#freeAt),
      now < this.#deferredUntil ? [this.#deferred, left(this.#deferredUntil)] : [],
      now < this.#standsUntil && this.#acceptor.promised <= this.#standsOver
        ? [left(this.#standsUntil), this.#standsOver]
        : [],
      role === 'primary' && this.#ballot === this.#proposer.ballot
        ? [
            this.#asked,
            this.#releasedThrough,
            [...this.#sentAt].map(([round, at]) => [round, now - at]),
            [...this.#granted].map(([member, at]) => [member, now - at]).sort(([a], [b]) => a! - b!),
          ]
        : [],
    ];
  }

  #defer(ballot: Ballot): void {
    this.#deferred = Math.max(ballot, this.#deferred);
    this.#deferredUntil = this.#context.now + 2 * this.#context.options.lease!.durationMs;
  }

  #forgetOldBallot(): void {
    const { ballot } = this.#proposer;
    if (this.#ballot === ballot) return;
    this.#ballot = ballot;
    this.#sentAt = new Map();
    this.#granted = new Map();
    this.#releasedThrough = 0;
  }
}
