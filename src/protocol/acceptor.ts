/**
 * The acceptor: promises and acceptances, and their replies, which are held here until what they report is durable
 * (docs/protocol.md, rules 1 and 2; Lamport, "Paxos Made Simple", section 2.2).
 */

import { ensures, invariant, requires } from '../contracts.js';
import type { Ballot, MemberNumber } from './ballot.js';
import { noBallot, ownerOf } from './ballot.js';
import type { Context } from './context.js';
import type { Acceptance, DecreeReference, Slot } from './decree.js';
import { DecreeKind, forEachSlot, plainDecree, sameDecree } from './decree.js';

/** Consecutive slots accepted under one ballot: what an `accepted` message can speak of. */
export interface Run {
  ballot: Ballot;
  from: Slot;
  /** `from - 1` where the run is empty. */
  through: Slot;
  /** `durable <= through`. */
  durable: Slot;
}

/** What the acceptor tells the proposer of the same replica, whose votes travel by call and not by message. */
export interface OwnVotes {
  promiseDurable(ballot: Ballot): void;
  acceptedDurable(from: Slot, through: Slot): void;
}

/** What only walks over the whole state look at. */
export interface AcceptorState {
  readonly held: readonly Held[];
  readonly durable: number;
  readonly promiseWrite: number;
}

interface Held {
  /** The reply leaves when this write is durable. */
  readonly write: number;
  readonly ballot: Ballot;
  /** The slot of an acceptance; 0 for a promise. */
  readonly slot: Slot;
}

export class Acceptor {
  /** Never lowered. Durable before any reply that tells of it. */
  promised: Ballot = noBallot;
  /** Accepted and not yet known chosen, by slot. */
  readonly accepted: Map<Slot, Acceptance> = new Map();
  readonly run: Run = { ballot: noBallot, from: 1, through: 0, durable: 0 };

  readonly #context: Context;
  readonly #own: OwnVotes;
  /** In order of their writes. */
  #held: Held[] = [];
  #durable = 0;
  /** The first record since the last start that tells of `promised`; 0 where one before it does. */
  #promiseWrite = 0;
  /** A record tells of `promised`. Not so behind an acceptance under a higher ballot for a slot that is chosen. */
  #isRecorded = true;
  #prepareFrom: Slot = 0;
  #acceptedDue = false;

  constructor(context: Context, own: OwnVotes) {
    this.#context = context;
    this.#own = own;
  }

  /** Phase 1b. False where the ballot is too low. */
  prepare(ballot: Ballot, from: Slot): boolean {
    requires(ballot > noBallot, 'acceptor-asked-under-a-ballot');
    requires(from >= 1, 'slots-begin-at-one');
    if (ballot < this.promised) {
      this.#refuse(ballot);
      return false;
    }
    this.#prepareFrom = from;
    if (ballot > this.promised) this.#raise(ballot);
    if (!this.#isRecorded) this.#recordPromise(this.#context.append({ kind: 'promise', ballot }));
    // Asked again: the reply may have been lost with its link. Held like the first, as it may not be durable yet.
    this.#hold({ write: this.#promiseWrite, ballot, slot: 0 });
    ensures(this.promised === ballot, 'promised-what-was-asked');
    return true;
  }

  /** Phase 2b. False where the ballot is too low. */
  accept(ballot: Ballot, slot: Slot, decree: DecreeReference): boolean {
    const context = this.#context;
    requires(ballot > noBallot, 'acceptor-asked-under-a-ballot');
    requires(slot >= 1, 'slots-begin-at-one');
    requires(
      (decree.kind === DecreeKind.configuration) === (decree.configuration !== null),
      'decree-is-whole',
    );
    if (ballot < this.promised) {
      this.#refuse(ballot);
      return false;
    }
    if (ballot > this.promised) this.#raise(ballot);
    const run = this.run;
    if (run.ballot === ballot && slot >= run.from && slot <= run.through) {
      const held = this.accepted.get(slot);
      invariant(
        held === undefined || held.ballot !== ballot || sameDecree(held.decree, decree),
        'same-ballot-same-decree',
        () => `slot ${slot}`,
      );
      this.#acceptedDue = true;
      return true;
    }
    if (run.ballot !== ballot || slot !== run.through + 1) {
      // A gap: the primary leaves out only what is chosen already, so nobody waits for a vote on it.
      run.ballot = ballot;
      run.from = slot;
      run.durable = slot - 1;
    }
    run.through = slot;
    let write = context.writes;
    if (slot > context.chosen) {
      const held = this.accepted.get(slot);
      invariant(
        held === undefined || held.ballot <= ballot,
        'accepted-ballot-never-lowered',
        () => `slot ${slot}`,
      );
      invariant(
        held === undefined || held.ballot < ballot || sameDecree(held.decree, decree),
        'same-ballot-same-decree',
        () => `slot ${slot}`,
      );
      if (held === undefined || held.ballot < ballot) {
        write = context.append({ kind: 'accept', ballot, slot, decree });
        this.accepted.set(slot, { ballot, decree });
        this.#recordPromise(write);
      }
    }
    this.#hold({ write, ballot, slot });
    invariant(ballot <= this.promised, 'accepted-at-most-promised');
    ensures(run.from <= slot && run.durable < slot && run.through === slot, 'accepted-slot-ends-the-run');
    ensures(
      slot <= context.chosen || this.accepted.get(slot)?.ballot === ballot,
      'accepted-is-held',
      () => `slot ${slot}`,
    );
    return true;
  }

  /** A chosen decree from a peer's log. It is recorded, not voted for. */
  learn(slot: Slot, ballot: Ballot, decree: DecreeReference): void {
    requires(slot === this.#context.chosen + 1, 'learn-in-order', () => `slot ${slot}`);
    const held = this.accepted.get(slot);
    // Whoever proposed after the decree was chosen had to propose it again (rule 4).
    invariant(
      held === undefined || held.ballot <= ballot || sameDecree(held.decree, decree),
      'chosen-decree-is-proposed-again',
      () => `slot ${slot}`,
    );
    if (held !== undefined && held.ballot === ballot) {
      invariant(sameDecree(held.decree, decree), 'same-ballot-same-decree', () => `slot ${slot}`);
      return;
    }
    if (decree.configuration !== null) this.promiseAtLeast(ballot);
    this.#context.append({ kind: 'learn', ballot, slot, decree });
    this.accepted.set(slot, { ballot, decree });
  }

  /**
   * A configuration was decided under `ballot` or a lower one, and is about to become known here: whatever this replica proposes under it
   * has a higher ballot, after a restart too. Without this, a member that was never told of the ballots before could have a decree chosen
   * under a low one, and another member could bring back what it once accepted in the same slot under the configuration before (rule 7).
   */
  promiseAtLeast(ballot: Ballot): void {
    if (ballot > this.promised) this.#raise(ballot);
    // Nor does a record tell of what is promised, where an accept for a slot that is chosen raised it.
    if (!this.#isRecorded)
      this.#recordPromise(this.#context.append({ kind: 'promise', ballot: this.promised }));
  }

  /** Slots up to `through` are chosen: they are no longer open. */
  settle(from: Slot, through: Slot): void {
    requires(through <= this.#context.chosen, 'settle-only-what-is-chosen');
    forEachSlot(this.accepted, from, through, (slot) => this.accepted.delete(slot));
  }

  /** All writes up to `write` are durable. */
  onDurable(write: number): void {
    requires(write >= this.#durable && write <= this.#context.writes, 'durable-only-what-was-written');
    this.#durable = write;
  }

  /** End of step: what has become durable is replied to, all acceptances by one message. */
  reply(): void {
    const held = this.#held;
    let count = 0;
    while (count < held.length) {
      const { write, ballot, slot } = held[count]!;
      if (write > this.#durable) break;
      count += 1;
      if (slot === 0) {
        // Promised higher since: the old promise stands, but its candidate has lost.
        if (ballot === this.promised && this.#context.self !== 0) this.#sendPromise(ballot);
      } else if (ballot === this.run.ballot && slot === this.run.durable + 1) {
        // In order of slots too: where a run began anew below an earlier one, that one's slots become durable first.
        this.run.durable = slot;
        this.#acceptedDue = true;
      }
    }
    if (count > 0) this.#held = count === held.length ? [] : held.slice(count);
    if (!this.#acceptedDue) return;
    this.#acceptedDue = false;
    const { ballot, from, durable } = this.run;
    if (durable < from || ballot < this.promised) return;
    // Taken out of the member set meanwhile: the vote is nobody's any more.
    if (this.#context.self === 0) return;
    const owner = ownerOf(ballot);
    ensures(durable <= this.run.through, 'acknowledged-at-most-accepted');
    if (owner === this.#context.self) this.#own.acceptedDurable(from, durable);
    else this.#context.send(owner, { kind: 'accepted', ballot, from, through: durable });
  }

  /** See `Replica.snapshot`. Writes are counted from the last durable one: only their distance from it is ever compared. */
  snapshot(): readonly unknown[] {
    const ahead = (write: number): number => Math.max(0, write - this.#durable);
    const { ballot, from, through, durable } = this.run;
    return [
      this.promised,
      [...this.accepted].map(([slot, one]) => [slot, one.ballot, plainDecree(one.decree)]),
      [ballot, from, through, durable],
      this.#held.map((held) => [ahead(held.write), held.ballot, held.slot]),
      ahead(this.#context.writes),
      ahead(this.#promiseWrite),
      this.#isRecorded,
      // Read by a promise that is held, and set anew by the next one.
      this.#held.some(({ slot }) => slot === 0) ? this.#prepareFrom : 0,
      this.#acceptedDue,
    ];
  }

  /** For walks over the whole state; not to be changed. */
  inspect(): AcceptorState {
    return { held: this.#held, durable: this.#durable, promiseWrite: this.#promiseWrite };
  }

  #hold(held: Held): void {
    const last = this.#held.at(-1);
    invariant(last === undefined || held.slot === 0 || last.write <= held.write, 'replies-held-in-order');
    // A repeated prepare waits for a write that was before others: it goes where its write stands.
    let at = this.#held.length;
    while (at > 0 && this.#held[at - 1]!.write > held.write) at -= 1;
    if (at === this.#held.length) this.#held.push(held);
    else this.#held.splice(at, 0, held);
  }

  #sendPromise(ballot: Ballot): void {
    const context = this.#context;
    invariant(this.#promiseWrite <= this.#durable, 'promise-durable-before-reply');
    const owner: MemberNumber = ownerOf(ballot);
    if (owner === context.self) {
      this.#own.promiseDurable(ballot);
      return;
    }
    let entries = 0;
    for (const [slot, { ballot: acceptedBallot, decree }] of this.accepted) {
      if (slot < this.#prepareFrom || slot <= context.chosen) continue;
      invariant(acceptedBallot <= ballot, 'promise-reports-at-most-its-ballot', () => `slot ${slot}`);
      entries += 1;
      context.send(owner, { kind: 'promise-entry', ballot, slot, acceptedBallot, decree });
    }
    context.send(owner, { kind: 'promised', ballot, entries, chosen: context.chosen });
  }

  #refuse(ballot: Ballot): void {
    requires(ballot < this.promised, 'refuse-only-below-the-promise');
    const owner = ownerOf(ballot);
    if (owner !== this.#context.self)
      this.#context.send(owner, { kind: 'refuse', ballot, promised: this.promised });
  }

  /**
   * The acceptance that raises a promise also records it: a prepare of the same ballot that comes behind it, by whatever way,
   * must not be answered before that record is durable.
   */
  #recordPromise(write: number): void {
    if (this.#isRecorded) return;
    this.#isRecorded = true;
    this.#promiseWrite = write;
  }

  #raise(ballot: Ballot): void {
    invariant(ballot > this.promised, 'promise-never-lowered');
    this.promised = ballot;
    this.#isRecorded = false;
    if (ballot > this.#context.ballotSeen) this.#context.ballotSeen = ballot;
  }
}
