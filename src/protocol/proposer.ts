/**
 * The proposer: phase 1 for every open slot at once, then phase 2 with many slots in flight
 * (docs/protocol.md, rules 3, 4 and 7; Lamport, "Paxos Made Simple", section 3).
 */

import { ensures, invariant, requires } from '../contracts.js';
import type { Acceptor } from './acceptor.js';
import type { Ballot, MemberNumber } from './ballot.js';
import { nextBallot, noBallot, ownerOf } from './ballot.js';
import type { Context } from './context.js';
import type { Acceptance, DecreeReference, Slot } from './decree.js';
import { bytesInLog, DecreeKind, forEachSlot, noopDecree, plainDecree, sameDecree } from './decree.js';
import type { Accepted, HeartbeatReply, Promised, PromiseEntry } from './messages.js';

/** What the primary knows of a member's votes under its ballot, and what it sent there. */
interface Progress {
  /** The member accepted every slot from `from` to `through`; none where `through < from`. */
  from: Slot;
  through: Slot;
  /** Next slot to send. Meaningful while `synchronised`. */
  next: Slot;
  /** The link stands and the member has told what it holds under this ballot. */
  synchronised: boolean;
  congested: boolean;
  /** The last `chosen` that was sent. */
  chosenSent: Slot;
  heardAt: number;
  /** What the member was last told to have chosen; 0 before it answered under this ballot. */
  chosen: Slot;
  /** Its priority, where it would take the primaryship; else 0. */
  standing: number;
}

/** What only walks over the whole state look at. */
export interface ProposerState {
  readonly open: ReadonlyMap<Slot, DecreeReference>;
  readonly openBytes: number;
  readonly promises: ReadonlyMap<MemberNumber, { readonly complete: boolean }>;
  readonly best: ReadonlyMap<Slot, Acceptance>;
  readonly progress: ReadonlyMap<MemberNumber, Readonly<Progress>>;
}

interface Promises {
  readonly slots: Set<Slot>;
  complete: boolean;
}

export class Proposer {
  /** The ballot that is being prepared or proposed under. */
  ballot: Ballot = noBallot;
  /** The last slot proposed under `ballot`. */
  last: Slot = 0;
  /** The last slot that phase 1 found something for, proposed again or not yet: what was chosen under lower ballots ends here. */
  adopted: Slot = 0;
  /** A configuration decree is open: nothing may follow until it is chosen (rule 7). */
  pausedForConfiguration = false;
  /** The primaryship is being handed over: nothing new is proposed, so that the successor has everything. */
  pausedForHandOver = false;
  /** Phase 1 cannot end before every slot up to this is learned: an acceptor knows them chosen and sent no entries. */
  learnFirst: Slot = 0;

  readonly #context: Context;
  readonly #acceptor: Acceptor;
  #promises: Map<MemberNumber, Promises> = new Map();
  /** The decree of the highest ballot reported for each slot. */
  #best: Map<Slot, Acceptance> = new Map();
  #open: Map<Slot, DecreeReference> = new Map();
  #openBytes = 0;
  #progress: Map<MemberNumber, Progress> = new Map();
  #round = 0;
  #heartbeatAt = 0;
  #roundIsWanted = false;
  /** When word of what was chosen goes out that no accept has carried by then; 0 where none waits. */
  #noticeAt = 0;

  constructor(context: Context, acceptor: Acceptor) {
    this.#context = context;
    this.#acceptor = acceptor;
  }

  get openDecrees(): number {
    return this.#open.size;
  }

  get isPaused(): boolean {
    return this.pausedForConfiguration || this.pausedForHandOver || this.isAdopting;
  }

  /** Something that phase 1 found waits for room in the log. */
  get isAdopting(): boolean {
    return this.last < this.adopted;
  }

  get canPropose(): boolean {
    return (
      this.#context.role === 'primary' &&
      !this.isPaused &&
      this.#open.size < this.#context.options.pipelineDecreesMax &&
      (this.#openBytes < this.#context.options.pipelineBytesMax || this.#open.size === 0)
    );
  }

  // Phase 1.

  /** Takes a new ballot. Prepare leaves only when the own promise is durable, so no ballot is used twice (rule 3). */
  prepare(): void {
    const context = this.#context;
    requires(context.self !== 0, 'only-members-prepare');
    const before = this.#acceptor.promised;
    this.ballot = nextBallot(Math.max(context.ballotSeen, this.#acceptor.promised), context.self);
    this.#promises = new Map();
    this.#best = new Map();
    this.#open = new Map();
    this.#openBytes = 0;
    this.#progress = new Map();
    this.learnFirst = 0;
    this.pausedForConfiguration = false;
    this.pausedForHandOver = false;
    context.ballotSeen = this.ballot;
    this.#acceptor.prepare(this.ballot, context.chosen + 1);
    ensures(this.ballot > before && this.#acceptor.promised === this.ballot, 'candidate-promises-itself');
    ensures(ownerOf(this.ballot) === context.self, 'ballot-owner-proposes');
  }

  onOwnPromiseDurable(ballot: Ballot): void {
    if (this.#context.role !== 'preparing' || ballot !== this.ballot) return;
    for (const [slot, acceptance] of this.#acceptor.accepted) this.#offer(slot, acceptance);
    this.#promises.set(this.#context.self, { slots: new Set(), complete: true });
    this.sendPrepare();
  }

  /** To every member that has not answered. Again on a timer, since a link may have broken. */
  sendPrepare(): void {
    const context = this.#context;
    if (!this.#promises.get(context.self)?.complete) return;
    requires(this.#acceptor.promised === this.ballot, 'candidate-promised-its-ballot');
    context.forEachConnectedMember((member) => {
      if (!this.#promises.get(member)?.complete) {
        context.send(member, { kind: 'prepare', ballot: this.ballot, from: context.chosen + 1 });
      }
    });
  }

  onPromiseEntry(from: MemberNumber, message: PromiseEntry): void {
    if (message.ballot !== this.ballot) return;
    requires(this.#isOther(from), 'votes-by-other-members');
    requires(message.acceptedBallot < this.ballot, 'promise-reports-lower-ballots');
    const promises = this.#promises.get(from) ?? { slots: new Set<Slot>(), complete: false };
    this.#promises.set(from, promises);
    promises.slots.add(message.slot);
    this.#offer(message.slot, { ballot: message.acceptedBallot, decree: message.decree });
  }

  onPromised(from: MemberNumber, message: Promised): void {
    if (message.ballot !== this.ballot) return;
    requires(this.#isOther(from), 'votes-by-other-members');
    const promises = this.#promises.get(from) ?? { slots: new Set<Slot>(), complete: false };
    this.#promises.set(from, promises);
    // Entries and this message travel in order on one link, so fewer entries than told means the link broke between.
    if (promises.slots.size < message.entries) return;
    promises.complete = true;
    if (message.chosen > this.learnFirst) this.learnFirst = message.chosen;
  }

  get isPrepared(): boolean {
    return this.#completePromises() >= this.#context.quorum && this.#context.chosen >= this.learnFirst;
  }

  /** Phase 1 is over: every open slot gets the decree of the highest ballot, or a no-op (rule 4). `room` as for `adopt`. */
  becomePrimary(room: number = Number.POSITIVE_INFINITY): void {
    const context = this.#context;
    requires(this.#completePromises() >= context.quorum, 'phase-two-after-quorum-of-promises');
    requires(context.chosen >= this.learnFirst, 'phase-two-after-learning');
    requires(this.#acceptor.promised === this.ballot, 'primary-promised-its-ballot');
    this.last = context.chosen;
    this.#heartbeatAt = context.now;
    for (const member of context.members) {
      if (member.number === context.self) continue;
      this.#progress.set(member.number, {
        from: context.chosen + 1,
        through: context.chosen,
        next: context.chosen + 1,
        // Who has just promised has nothing under this ballot yet; the others tell first.
        synchronised: this.#promises.get(member.number)?.complete ?? false,
        congested: false,
        chosenSent: 0,
        heardAt: context.now,
        chosen: 0,
        standing: 0,
      });
    }
    this.#progress.set(context.self, {
      from: context.chosen + 1,
      through: context.chosen,
      next: context.chosen + 1,
      synchronised: false,
      congested: false,
      chosenSent: 0,
      heardAt: context.now,
      chosen: 0,
      standing: 0,
    });
    let highest = context.chosen;
    for (const slot of this.#best.keys()) if (slot > highest) highest = slot;
    this.adopted = context.chosen;
    // What was accepted beyond a configuration decree was proposed under a configuration that it ends.
    while (this.adopted < highest) {
      this.adopted += 1;
      if (this.#found(this.adopted).kind === DecreeKind.configuration) break;
    }
    this.adopt(room);
    this.announce();
  }

  /**
   * Proposes what phase 1 found, in order, as far as `room` bytes of log go; the rest follows when there is room again. All of it at once
   * may be more than the segments that are ready: there was nowhere to put the rest, on this replica and on whoever stood next.
   */
  adopt(room: number): void {
    let left = room;
    for (let slot = this.last + 1; slot <= this.adopted; slot += 1) {
      const decree = this.#found(slot);
      left -= bytesInLog(decree);
      if (left < 0) return;
      this.#propose(decree);
    }
    this.#best = new Map();
    ensures(this.last >= this.adopted, 'open-slots-are-proposed-again');
  }

  /** What phase 1 found for the slot. */
  #found(slot: Slot): DecreeReference {
    const found = this.#best.get(slot)?.decree ?? noopDecree;
    // Proposed under a configuration that another decree has ended since, by someone whose slots before it were never
    // chosen either. It was not chosen, and must not be: its number has been used.
    const isOutdated =
      found.configuration !== null && found.configuration.number !== this.#context.configuration!.number + 1;
    return isOutdated ? noopDecree : found;
  }

  // Phase 2.

  propose(decree: DecreeReference): void {
    requires(this.canPropose, 'propose-within-window');
    this.#propose(decree);
  }

  /** Outside the window's bounds: it is the last for a while. */
  proposeConfiguration(decree: DecreeReference): void {
    requires(this.#context.role === 'primary' && !this.pausedForConfiguration, 'one-configuration-at-a-time');
    this.#propose(decree);
  }

  onAccepted(from: MemberNumber, message: Accepted | HeartbeatReply): void {
    if (message.ballot !== this.ballot) return;
    requires(this.#context.role === 'primary' && this.#isOther(from), 'votes-by-other-members');
    // There is one for each member, as the role ends with the configuration.
    const progress = this.#progress.get(from)!;
    progress.heardAt = this.#context.now;
    invariant(message.through <= this.last, 'accepted-only-what-was-proposed');
    if (message.through >= message.from && message.through >= progress.through) {
      progress.from = message.from;
      progress.through = message.through;
    }
  }

  onHeartbeatReply(from: MemberNumber, message: HeartbeatReply): void {
    if (message.ballot !== this.ballot) return;
    this.onAccepted(from, message);
    const progress = this.#progress.get(from)!;
    progress.chosen = message.chosen;
    progress.standing = message.standing;
    if (progress.synchronised) return;
    progress.synchronised = true;
    const chosen = this.#context.chosen;
    progress.next = message.from <= chosen + 1 && message.through > chosen ? message.through + 1 : chosen + 1;
  }

  onOwnAccepted(from: Slot, through: Slot): void {
    if (this.#context.role !== 'primary') return;
    requires(through <= this.last, 'accepted-only-what-was-proposed');
    const progress = this.#progress.get(this.#context.self)!;
    progress.from = from;
    progress.through = through;
  }

  /** The highest slot that a quorum has accepted without a gap from the first open one on, under this ballot. */
  chosenByQuorum(): Slot {
    requires(this.#context.role === 'primary', 'only-the-primary-counts');
    const quorum = this.#context.quorum;
    let chosen = this.#context.chosen;
    for (;;) {
      const throughs: Slot[] = [];
      for (const { from, through } of this.#progress.values()) {
        if (from <= chosen + 1 && through > chosen) throughs.push(through);
      }
      if (throughs.length < quorum) break;
      throughs.sort((a, b) => b - a);
      chosen = throughs[quorum - 1]!;
    }
    ensures(chosen <= this.last, 'chosen-only-what-was-proposed');
    return chosen;
  }

  /** What was reported for the slot under the highest ballot, while preparing. */
  bestReported(slot: Slot): Acceptance | undefined {
    return this.#best.get(slot);
  }

  settle(from: Slot, through: Slot): void {
    requires(through <= this.#context.chosen, 'settle-only-what-is-chosen');
    forEachSlot(this.#open, from, through, (slot, decree) => {
      this.#openBytes -= countedBytes(decree);
      this.#open.delete(slot);
    });
    ensures(this.#openBytes >= 0, 'open-bytes-add-up');
  }

  /** End of step on the primary: accepts that are due, and word of what was chosen where no accept carries it in time. */
  pump(): void {
    const context = this.#context;
    requires(context.role === 'primary', 'only-the-primary-proposes');
    const heartbeatDue =
      this.#roundIsWanted || context.now - this.#heartbeatAt >= context.options.heartbeatMs;
    this.#roundIsWanted = false;
    if (heartbeatDue) {
      this.#heartbeatAt = context.now;
      this.#round += 1;
    }
    const { noticeMs = 0 } = context.options;
    const noticeDue = noticeMs === 0 || (this.#noticeAt > 0 && context.now >= this.#noticeAt);
    let isWaiting = false;
    context.forEachConnectedMember((member) => {
      const progress = this.#progress.get(member)!;
      if (progress.synchronised && !progress.congested) {
        if (progress.next <= context.chosen) progress.next = context.chosen + 1;
        for (; progress.next <= this.last; progress.next += 1) {
          const slot = progress.next;
          const decree = this.#open.get(slot);
          invariant(decree !== undefined, 'open-slot-has-decree', () => `slot ${slot}`);
          context.send(member, { kind: 'accept', ballot: this.ballot, slot, chosen: context.chosen, decree });
          progress.chosenSent = context.chosen;
        }
      }
      const isBehind = progress.chosenSent < context.chosen;
      if (heartbeatDue || (isBehind && noticeDue)) this.#sendHeartbeat(member);
      else if (isBehind) isWaiting = true;
    });
    if (!isWaiting) this.#noticeAt = 0;
    else if (this.#noticeAt === 0) {
      this.#noticeAt = context.now + noticeMs;
      context.effects.push({ kind: 'step-later', afterMs: noticeMs });
    }
  }

  /** Heartbeats go out at the end of this step. Yields the number that they carry, and no heartbeat before them did. */
  wantRound(): number {
    requires(this.#context.role === 'primary', 'only-the-primary-proposes');
    this.#roundIsWanted = true;
    return this.#round + 1;
  }

  /** The last round of heartbeats that was sent. */
  get round(): number {
    return this.#round;
  }

  /** To all members at once: this is chosen. */
  announce(): void {
    this.#context.forEachConnectedMember((member) => this.#sendHeartbeat(member));
  }

  /** Members, this one included, that were heard from within the election timeout. */
  get membersHeard(): number {
    const context = this.#context;
    let heard = 0;
    for (const [member, progress] of this.#progress) {
      if (member === context.self) heard += 1;
      else if (context.now - progress.heardAt < context.options.electionTimeoutMs) heard += 1;
    }
    return heard;
  }

  /** After a pause of this process: what the peers said in the meantime is still in the sockets. */
  forgiveSilence(): void {
    for (const progress of this.#progress.values()) progress.heardAt = this.#context.now;
  }

  onPeerUp(peer: MemberNumber): void {
    const { role } = this.#context;
    const progress = this.#progress.get(peer);
    if (role === 'primary' && progress !== undefined) {
      progress.synchronised = false;
      progress.congested = false;
      this.#sendHeartbeat(peer);
    } else if (role === 'preparing') this.sendPrepare();
  }

  onPeerDown(peer: MemberNumber): void {
    const progress = this.#progress.get(peer);
    if (progress !== undefined) progress.synchronised = false;
    if (!this.#promises.get(peer)?.complete) this.#promises.delete(peer);
  }

  onCongestion(peer: MemberNumber, congested: boolean): void {
    const progress = this.#progress.get(peer);
    if (progress !== undefined) progress.congested = congested;
  }

  /** How far a member is known to follow; for status. */
  acceptedBy(member: MemberNumber): Slot {
    return this.#progress.get(member)?.through ?? 0;
  }

  /** To those that can be reached: they need not wait for the silence of this primary. */
  resign(): void {
    this.#context.forEachConnectedMember((member) =>
      this.#context.send(member, { kind: 'resign', ballot: this.ballot }),
    );
  }

  /** The member has every decree up to the last that was proposed, under this ballot or as chosen. */
  hasEverything(member: MemberNumber): boolean {
    const progress = this.#progress.get(member);
    if (progress === undefined || !progress.synchronised) return false;
    return progress.through >= this.last && progress.chosen >= progress.from - 1;
  }

  /** The priority of a member that is linked, follows and would take the primaryship; else 0. */
  standingOf(member: MemberNumber): number {
    const progress = this.#progress.get(member);
    return progress === undefined || !progress.synchronised || progress.congested ? 0 : progress.standing;
  }

  /** See `Replica.snapshot`. Who does not lead takes a new ballot first, and everything under the last one is over. */
  snapshot(): readonly unknown[] {
    const { now, options, role } = this.#context;
    if (role === 'preparing') {
      return [
        this.#round,
        this.ballot,
        this.learnFirst,
        [...this.#promises]
          .map(
            ([member, { slots, complete }]) => [member, complete, [...slots].sort((a, b) => a - b)] as const,
          )
          .sort(([a], [b]) => a - b),
        this.#plainBest(),
      ];
    }
    if (role !== 'primary') return [this.#round];
    return [
      this.#round,
      this.ballot,
      this.last,
      Math.max(this.adopted, this.#context.chosen),
      this.isAdopting ? this.#plainBest() : [],
      this.pausedForConfiguration,
      this.pausedForHandOver,
      this.#noticeAt === 0 ? -1 : Math.max(0, this.#noticeAt - now),
      [...this.#open].map(([slot, decree]) => [slot, plainDecree(decree)]),
      this.#openBytes,
      [...this.#progress].map(([member, { heardAt, ...rest }]) => [
        member,
        Math.min(now - heardAt, options.electionTimeoutMs),
        rest,
      ]),
      Math.min(now - this.#heartbeatAt, options.heartbeatMs),
    ];
  }

  #plainBest(): readonly unknown[] {
    return [...this.#best]
      .map(([slot, { ballot, decree }]) => [slot, ballot, plainDecree(decree)] as const)
      .sort(([a], [b]) => a - b);
  }

  /** For walks over the whole state; not to be changed. */
  inspect(): ProposerState {
    return {
      open: this.#open,
      openBytes: this.#openBytes,
      promises: this.#promises,
      best: this.#best,
      progress: this.#progress,
    };
  }

  #isOther(member: MemberNumber): boolean {
    return member !== this.#context.self && this.#context.isMember(member);
  }

  #completePromises(): number {
    let count = 0;
    for (const [member, promises] of this.#promises)
      if (promises.complete && this.#context.isMember(member)) count += 1;
    return count;
  }

  #offer(slot: Slot, acceptance: Acceptance): void {
    if (slot <= this.#context.chosen) return;
    const best = this.#best.get(slot);
    invariant(
      best === undefined || best.ballot !== acceptance.ballot || sameDecree(best.decree, acceptance.decree),
      'same-ballot-same-decree',
      () => `slot ${slot}`,
    );
    if (best === undefined || best.ballot < acceptance.ballot) {
      this.#best.set(slot, acceptance);
      this.#context.effects.push({ kind: 'retain', decree: acceptance.decree });
    }
    ensures(this.#best.get(slot)!.ballot >= acceptance.ballot, 'highest-ballot-wins', () => `slot ${slot}`);
  }

  #propose(decree: DecreeReference): void {
    const context = this.#context;
    requires(ownerOf(this.ballot) === context.self, 'ballot-owner-proposes');
    requires(context.role === 'primary', 'only-the-primary-proposes');
    requires(!this.pausedForConfiguration, 'one-configuration-at-a-time');
    requires(this.last >= context.chosen, 'propose-only-open-slots');
    const slot = this.last + 1;
    this.last = slot;
    this.#open.set(slot, decree);
    const accepted = this.#acceptor.accept(this.ballot, slot, decree);
    invariant(accepted, 'primary-accepts-its-own');
    this.#openBytes += countedBytes(decree);
    if (decree.kind === DecreeKind.configuration) this.pausedForConfiguration = true;
  }

  #sendHeartbeat(member: MemberNumber): void {
    const { chosen } = this.#context;
    this.#context.send(member, { kind: 'heartbeat', ballot: this.ballot, chosen, round: this.#round });
    this.#progress.get(member)!.chosenSent = chosen;
  }
}

/** Against the window. A configuration is not: its bytes are filled in when it is in the log. */
function countedBytes(decree: DecreeReference): number {
  return decree.configuration === null ? decree.bytes : 0;
}
