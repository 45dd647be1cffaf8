/**
 * Reads that see everything that was executed anywhere before they began, without a record in the log: which slot such a
 * read must wait for (docs/protocol.md, "Reads"). Reads have numbers, given by the replica that they are made on; an answer
 * holds for all reads up to its number, so any number of them share one round.
 */

import { ensures, requires } from '../contracts.js';
import type { Ballot, MemberNumber } from './ballot.js';
import { noBallot } from './ballot.js';
import type { Context } from './context.js';
import type { Slot } from './decree.js';
import type { Election } from './election.js';
import type { PeerNumber } from './inputs.js';
import type { Lease } from './lease.js';
import type { HeartbeatReply, LeaseQuery, LeaseReply, ReadQuery, ReadReply } from './messages.js';
import type { Proposer } from './proposer.js';

/** The newest read of each member. */
type Newest = Map<MemberNumber, ReadQuery | LeaseQuery>;

/** A round of heartbeats: who answers one of them has promised no higher ballot since the round began. */
interface Round {
  readonly number: number;
  /** Known chosen when it began. */
  readonly slot: Slot;
  readonly reads: Newest;
}

const LIFE_MAX = 2 ** 52;

export class Reads {
  readonly #context: Context;
  readonly #proposer: Proposer;
  readonly #election: Election;
  /** Where these reads may be answered by it. */
  readonly #lease: Lease | null;

  // For the own application.
  /** Tells this process from the ones before it, whose answers may still be under way. 0 before the first read. */
  #life = 0;
  #asked = 0;
  #answered = 0;
  /** The greatest slot that any read was given. */
  #slot: Slot = 0;
  /** The last query that was sent, and to whom. */
  #sent = 0;
  #sentBallot: Ballot = noBallot;
  #sendAgainAt = 0;

  // As primary, under `#ballot`.
  #ballot: Ballot = noBallot;
  /** They came while a round was under way, and wait for the next. */
  #waiting: Newest = new Map();
  #round: Round | null = null;
  /** The newest round of which an answer came, by member. */
  readonly #echoed: Map<MemberNumber, number> = new Map();

  constructor(context: Context, proposer: Proposer, election: Election, lease: Lease | null = null) {
    this.#context = context;
    this.#proposer = proposer;
    this.#election = election;
    this.#lease = lease;
  }

  /** The own application makes reads up to number `read`. */
  ask(read: number): void {
    requires(read > this.#asked, 'reads-are-numbered-upwards');
    if (this.#life === 0) this.#life = 1 + Math.floor(this.#context.random() * LIFE_MAX);
    this.#asked = read;
  }

  /** A member that takes this replica for the primary makes reads. */
  onQuery(from: MemberNumber, query: ReadQuery | LeaseQuery): void {
    this.#forgetOldBallot();
    this.#waiting.set(from, query);
  }

  /** The primary has answered the reads of this replica up to a number. */
  onReply({ life, read, slot }: ReadReply | LeaseReply): void {
    // It may be for the process that was here before, whose reads were numbered likewise.
    if (life !== this.#life) return;
    this.#answer(read, slot);
  }

  /** False for an answer to reads that this process did not make. */
  hasAsked({ life, read }: ReadReply | LeaseReply): boolean {
    return life !== this.#life || read <= this.#asked;
  }

  onHeartbeatReply(from: MemberNumber, { ballot, round }: HeartbeatReply): void {
    if (ballot !== this.#proposer.ballot) return;
    requires(from !== this.#context.self && this.#context.isMember(from), 'votes-by-other-members');
    if (round > (this.#echoed.get(from) ?? 0)) this.#echoed.set(from, round);
  }

  /** Queries and answers may be lost with the link. */
  onPeerDown(peer: PeerNumber): void {
    this.#waiting.delete(peer);
    this.#round?.reads.delete(peer);
    this.#sentBallot = noBallot;
  }

  /** End of step, on the primary before it sends its heartbeats: has a round begun, if reads wait for one and none is under way. */
  begin(): void {
    const { chosen, self } = this.#context;
    this.#answerConfirmed();
    // By a lease at once, and what waits for a round with it: the time of this step is later than any of these reads.
    const isHeld = this.#lease?.isHeld ?? false;
    if (this.#round !== null && !isHeld) return;
    // Decrees that an earlier primary proposed may have been chosen long ago, and their callers told. One of them may even
    // have ended this configuration: then what was chosen since is chosen without anybody who could answer here.
    if (chosen < this.#proposer.adopted) return;
    if (this.#asked > this.#answered) this.#waiting.set(self, this.#ownQuery());
    if (isHeld) {
      if (this.#round !== null) this.#answerAll(this.#round.reads, chosen);
      this.#answerAll(this.#waiting, chosen);
      this.#round = null;
      this.#waiting = new Map();
      return;
    }
    if (this.#waiting.size === 0) return;
    this.#round = { number: this.#proposer.wantRound(), slot: chosen, reads: this.#waiting };
    this.#waiting = new Map();
  }

  /** End of step: answers as primary what a quorum has confirmed; asks the primary elsewhere. */
  finish(): void {
    if (this.#context.role === 'primary') this.#answerConfirmed();
    else this.#askPrimary();
  }

  /** See `Replica.snapshot`. An echo of an earlier round than the one under way decides nothing. */
  snapshot(): readonly unknown[] {
    const { now, role } = this.#context;
    const isAsking = this.#asked > this.#answered;
    const isCurrent = role === 'primary' && this.#ballot === this.#proposer.ballot;
    const round = isCurrent ? this.#round : null;
    const echoes = [...this.#echoed].filter(([, echo]) => round !== null && echo >= round.number);
    return [
      isAsking ? [this.#life, this.#asked, this.#answered, this.#sent, this.#sentBallot] : [],
      isAsking ? Math.max(0, this.#sendAgainAt - now) : 0,
      this.#slot,
      isCurrent ? sorted(this.#waiting) : [],
      round === null ? [] : [round.number, round.slot, sorted(round.reads), sorted(new Map(echoes))],
    ];
  }

  #ownQuery(): ReadQuery | LeaseQuery {
    const kind = this.#lease === null ? 'read-query' : 'lease-query';
    return { kind, life: this.#life, read: this.#asked };
  }

  /** Who waits asks the new primary by itself. */
  #forgetOldBallot(): void {
    const { ballot } = this.#proposer;
    if (this.#ballot === ballot) return;
    this.#ballot = ballot;
    this.#waiting = new Map();
    this.#round = null;
    this.#echoed.clear();
  }

  #answerConfirmed(): void {
    const context = this.#context;
    this.#forgetOldBallot();
    const round = this.#round;
    if (round === null) return;
    let confirmed = 1;
    for (const { number } of context.members) {
      if (number !== context.self && (this.#echoed.get(number) ?? 0) >= round.number) confirmed += 1;
    }
    if (confirmed < context.quorum) return;
    ensures(round.slot >= this.#proposer.adopted, 'reads-see-what-was-adopted');
    this.#round = null;
    this.#answerAll(round.reads, round.slot);
  }

  #answerAll(reads: Newest, slot: Slot): void {
    const kind = this.#lease === null ? 'read-reply' : 'lease-reply';
    for (const [member, { life, read }] of reads) {
      if (member === this.#context.self) this.#answer(read, slot);
      else this.#context.send(member, { kind, life, read, slot });
    }
  }

  #askPrimary(): void {
    const context = this.#context;
    if (this.#asked === this.#answered || context.self === 0 || !this.#election.isPrimaryAlive) return;
    const { primary, primaryBallot } = this.#election;
    const isSent = this.#sent === this.#asked && this.#sentBallot === primaryBallot;
    if (isSent && context.now < this.#sendAgainAt) return;
    this.#sent = this.#asked;
    this.#sentBallot = primaryBallot;
    this.#sendAgainAt = context.now + 2 * context.options.heartbeatMs;
    context.send(primary, this.#ownQuery());
  }

  #answer(read: number, slot: Slot): void {
    requires(read <= this.#asked, 'answers-what-was-asked');
    if (read <= this.#answered) return;
    this.#answered = read;
    // A later slot serves as well, and the application looks only at the latest.
    this.#slot = Math.max(this.#slot, slot);
    this.#context.effects.push({
      kind: 'read-slot',
      read,
      slot: this.#slot,
      isLease: this.#lease !== null,
    });
  }
}

function sorted<Value>(map: ReadonlyMap<number, Value>): (readonly [number, Value])[] {
  return [...map].sort(([a], [b]) => a - b);
}
