/**
 * The learner: which slots are chosen, and fetching decrees that this replica missed
 * (docs/protocol.md, rules 5 and 6).
 */

import { ensures, requires } from '../contracts.js';
import type { Run } from './acceptor.js';
import type { Ballot } from './ballot.js';
import { noBallot, ownerOf } from './ballot.js';
import type { Context } from './context.js';
import type { Slot } from './decree.js';
import type { PeerNumber } from './inputs.js';

export class Learner {
  /** The highest slot that anyone said is chosen. A hint: it tells that there is something to fetch. */
  known: Slot = 0;

  readonly #context: Context;
  readonly #run: Readonly<Run>;
  /** The last word of a primary: under `#claimBallot`, every slot up to `#claim` is chosen. */
  #claimBallot: Ballot = noBallot;
  #claim: Slot = 0;
  /** What each linked peer is known to have chosen. */
  #peers: Map<PeerNumber, Slot> = new Map();
  #fetching: { peer: PeerNumber; from: Slot; isUrgent: boolean; deadline: number } | null = null;
  #lastPeer: PeerNumber = 0;
  /** Gave no answer of use in all the time it had: another one is asked next, whatever is known of it. */
  #silent: PeerNumber = 0;
  /** Who was asked last in the place of one that is silent. */
  #lastOther: PeerNumber = 0;
  #progressAt = 0;

  constructor(context: Context, run: Readonly<Run>) {
    this.#context = context;
    this.#run = run;
  }

  /** A primary says that every slot up to `through` is chosen. */
  onClaim(peer: PeerNumber, ballot: Ballot, through: Slot): void {
    requires(ownerOf(ballot) === peer, 'ballot-owner-proposes');
    this.hint(peer, through);
    if (ballot > this.#claimBallot) {
      this.#claimBallot = ballot;
      this.#claim = through;
    } else if (ballot === this.#claimBallot && through > this.#claim) this.#claim = through;
  }

  /** Another configuration is in force: the ballots of the one before say nothing about who leads under it. */
  onConfiguration(): void {
    this.#claimBallot = noBallot;
    this.#claim = 0;
  }

  /** A peer that can be asked has chosen up to `through`. */
  hint(peer: PeerNumber, through: Slot): void {
    if (through > (this.#peers.get(peer) ?? -1)) this.#peers.set(peer, through);
    if (through > this.known) this.known = through;
  }

  /**
   * How far the claim can be believed: only for slots whose decree was accepted here under the very ballot of who
   * claims it (rule 5). Under another ballot the slot may hold a decree that lost.
   */
  believable(): Slot {
    const { chosen } = this.#context;
    const { ballot, from, through } = this.#run;
    if (ballot !== this.#claimBallot || from > chosen + 1) return chosen;
    const believed = Math.max(chosen, Math.min(this.#claim, through));
    ensures(believed === chosen || believed <= through, 'believed-only-of-the-run');
    return believed;
  }

  /** Nothing that anyone told of is missing. */
  get hasCaughtUp(): boolean {
    return this.known <= this.#context.chosen;
  }

  onProgress(): void {
    this.#progressAt = this.#context.now;
  }

  onPeerDown(peer: PeerNumber): void {
    this.#peers.delete(peer);
    if (this.#fetching?.peer === peer) this.#fetching = null;
  }

  onFetchEnd(peer: PeerNumber, through: Slot, chosen: Slot): void {
    this.hint(peer, chosen);
    if (this.#fetching?.peer !== peer) return;
    // It has nothing to give, whatever it was thought to have: asked again at once, it would say so for ever.
    if (through < this.#fetching.from) this.#peers.delete(peer);
    this.#fetching = null;
    this.#silent = 0;
  }

  /** What was asked for has come another way. */
  onInstalled(): void {
    this.#fetching = null;
    this.#silent = 0;
  }

  /** What was asked for came, and cannot be kept. The disk that had no room for it is given some time: other disks are asked then. */
  onLost(): void {
    const { now, options } = this.#context;
    const fetching = this.#fetching;
    if (fetching !== null) fetching.deadline = Math.min(fetching.deadline, now + options.electionTimeoutMs);
  }

  /** A chunk is arriving: the peer is at work. */
  onLearn(peer: PeerNumber): void {
    if (this.#fetching?.peer === peer) this.#fetching.deadline = this.#deadline(false);
  }

  /** End of step: asks a peer for what is missing and does not come by itself. */
  fetch(): void {
    const context = this.#context;
    const isUrgent = context.role === 'preparing' || context.role === 'candidate';
    if (this.#fetching !== null) {
      // Who was asked before the primary fell silent may be gone with it: whoever cannot lead without an answer asks another.
      if (context.now < this.#fetching.deadline && (this.#fetching.isUrgent || !isUrgent)) return;
      this.#lastPeer = this.#fetching.peer;
      this.#silent = this.#fetching.peer;
      this.#fetching = null;
    }
    if (this.known <= context.chosen || !this.#isMissing()) return;
    const peer = this.#choosePeer();
    if (peer === 0) return;
    this.#lastPeer = peer;
    const from = context.chosen + 1;
    ensures(context.connected.has(peer), 'fetch-from-who-is-linked');
    this.#fetching = { peer, from, isUrgent, deadline: this.#deadline(isUrgent) };
    context.send(peer, { kind: 'fetch', from, bytesMax: context.options.fetchBytesMax });
  }

  /** See `Replica.snapshot`. What is said to be chosen and is known chosen here decides nothing any more. */
  snapshot(): readonly unknown[] {
    const { chosen, now, options } = this.#context;
    const fetching = this.#fetching;
    return [
      Math.max(this.known, chosen),
      this.#claimBallot,
      Math.max(this.#claim, chosen),
      [...this.#peers].filter(([, through]) => through > chosen).sort(([a], [b]) => a - b),
      fetching === null
        ? null
        : [fetching.peer, fetching.from, fetching.isUrgent, Math.max(0, fetching.deadline - now)],
      this.#lastPeer,
      this.#silent,
      this.#lastOther,
      Math.min(now - this.#progressAt, 2 * options.heartbeatMs + 1),
    ];
  }

  /**
   * Where a quorum waits for it to lead, a replica asks twice before the others give it up. A candidate may be one without
   * which there is no quorum, and that counts for nothing before it knows the configuration which the others are in.
   */
  #deadline(isUrgent: boolean): number {
    const { now, options } = this.#context;
    return now + options.electionTimeoutMs * (isUrgent ? 0.5 : 4);
  }

  #isMissing(): boolean {
    const context = this.#context;
    if (context.role === 'primary') return false;
    if (context.role === 'learner' || context.role === 'preparing') return true;
    const { ballot, from } = this.#run;
    // The stream of accepts goes on behind a gap, or there is none: the decrees in between never come again.
    if (from > context.chosen + 1 || ballot !== this.#claimBallot) return true;
    // They are on their way, most likely: a heartbeat may overtake nothing, but a primary leaves out a congested link.
    return context.now - this.#progressAt > 2 * context.options.heartbeatMs;
  }

  /** The linked peers that have more, in turn, so that catching up burdens not only the primary. */
  #choosePeer(): PeerNumber {
    let first = 0;
    let next = 0;
    for (const [peer, chosen] of this.#peers) {
      if (chosen <= this.#context.chosen || !this.#context.connected.has(peer)) continue;
      if (first === 0 || peer < first) first = peer;
      if (peer > this.#lastPeer && (next === 0 || peer < next)) next = peer;
    }
    const found = next !== 0 ? next : first;
    return found === 0 || found !== this.#silent ? found : this.#anotherThan(found);
  }

  /**
   * Secondaries tell one another nothing unasked. What the primary cannot read any more, one of them may still have: each of them in turn, or
   * two that are behind would ask each other for ever, and never the third.
   */
  #anotherThan(peer: PeerNumber): PeerNumber {
    const after = this.#lastOther === 0 ? peer : this.#lastOther;
    let first = 0;
    let next = 0;
    for (const one of this.#context.connected) {
      if (one === peer) continue;
      if (first === 0 || one < first) first = one;
      if (one > after && (next === 0 || one < next)) next = one;
    }
    this.#lastOther = next !== 0 ? next : first;
    return this.#lastOther === 0 ? peer : this.#lastOther;
  }
}
