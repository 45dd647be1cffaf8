/**
 * Leadership by intent: taking the primaryship when told to, and leaving it to another member without an election
 * (docs/protocol.md, "Handing over"). Like an election, it decides who proposes and nothing about safety: whoever takes over
 * prepares a ballot of its own.
 */

import { requires } from '../contracts.js';
import { priorityBounds } from '../limits.js';
import type { Acceptor } from './acceptor.js';
import type { MemberNumber } from './ballot.js';
import type { Giver } from './candidacy.js';
import type { Context } from './context.js';
import type { Input } from './inputs.js';
import type { Learner } from './learner.js';
import type { HandOver, HandOverDeclined } from './messages.js';
import type { Proposer } from './proposer.js';

/** How fit a replica is to lead, beside being able to append. */
export interface Standing {
  /** What it was told to make durable is not, for longer than half an election timeout. */
  readonly isStalled: boolean;
  /** Its application has more to execute than a pipeline. */
  readonly isLagging: boolean;
  /** 0: does not lead of its own accord. A primary hands over to a member of a higher priority than its own. */
  readonly priority: number;
}

export type LeadershipRefusal =
  /** Only a primary can hand over. */
  | 'not-primary'
  /** Only a member can lead. */
  | 'not-member'
  /** It cannot append to its log, or its disk stalls. */
  | 'unable'
  | 'not-caught-up'
  /** Too few members are linked for a quorum. */
  | 'no-quorum'
  /** The application said no, or nothing in time. */
  | 'vetoed'
  /** Nobody who is fit to lead took the primaryship. */
  | 'no-successor';

/** What the replica around it does. */
export interface LeadershipActions {
  /** Prepares a ballot, without asking around; for the `promote` of that number, or because `giver` hands over. */
  stand(order: number, giver: Giver | null): void;
  isAble(): boolean;
  /** It must not promise itself anything for a while. */
  hasGranted(): boolean;
  /** Nobody need wait for the end of this primary's lease. */
  releaseLease(): void;
}

/** A hand-over that is wanted. */
interface Wish {
  readonly cause: 'asked' | 'unfit' | 'priority';
  /** 0 where nobody waits for it. */
  readonly request: number;
  /** The only one that it may go to; 0 where anyone will do. */
  readonly to: MemberNumber;
  readonly tried: Set<MemberNumber>;
  /** Until then it waits for somebody who is fit, where it was asked for. */
  readonly until: number;
  /** Whoever is to take over; 0 while nobody is chosen. */
  target: MemberNumber;
  deadline: number;
  isOffered: boolean;
}

/** Election timeouts between a hand-over for the sake of priority that failed, and the next one. */
const PRIORITY_PATIENCE = 10;
/** Election timeouts that a hand-over which was asked for waits for a successor. */
const ASKED_PATIENCE = 2;

const nobody: ReadonlySet<MemberNumber> = new Set();

export class Leadership {
  readonly #context: Context;
  readonly #acceptor: Acceptor;
  readonly #proposer: Proposer;
  readonly #learner: Learner;
  readonly #actions: LeadershipActions;
  #standing: Standing = { isStalled: false, isLagging: false, priority: priorityBounds.default };
  #wish: Wish | null = null;
  /** When this replica may begin again to hand over of its own accord. */
  #restUntil = Number.NEGATIVE_INFINITY;

  constructor(
    context: Context,
    acceptor: Acceptor,
    proposer: Proposer,
    learner: Learner,
    actions: LeadershipActions,
  ) {
    this.#context = context;
    this.#acceptor = acceptor;
    this.#proposer = proposer;
    this.#learner = learner;
    this.#actions = actions;
  }

  /** Stands for election when there is no primary. */
  get stands(): boolean {
    const { isStalled, isLagging, priority } = this.#standing;
    return !isStalled && !isLagging && priority > 0;
  }

  /** As told to the primary. */
  get standing(): number {
    return this.stands && this.#actions.isAble() ? this.#standing.priority : 0;
  }

  onInput(input: Extract<Input, { kind: 'standing' | 'promote' | 'relinquish' }>): void {
    switch (input.kind) {
      case 'standing':
        this.#standing = input.standing;
        break;
      case 'promote': {
        const refusal = this.#promotionRefusal(input.evenIfBehind);
        if (refusal !== null) this.#refuse(input.request, refusal);
        else if (this.#context.role === 'secondary' || this.#context.role === 'candidate')
          this.#actions.stand(input.request, null);
        break;
      }
      case 'relinquish':
        if (this.#context.role !== 'primary') this.#refuse(input.request, 'not-primary');
        else this.#want('asked', input.request, input.to);
        break;
    }
  }

  /** The primary leaves its place to this replica, which has everything that was proposed. */
  onHandOver(from: MemberNumber, { ballot, last }: HandOver): void {
    const { chosen } = this.#context;
    // Somebody else prepares already. The giver's own ballot need not be promised here: of a primary that proposes nothing only heartbeats come.
    if (ballot < this.#acceptor.promised) return;
    const { run } = this.#acceptor;
    const hasEverything =
      chosen >= last || (run.ballot === ballot && run.through >= last && chosen >= run.from - 1);
    // Who began a moment ago, and may have granted in the life before, would stand when the primary leads on, and depose it.
    if (this.standing > 0 && hasEverything && !this.#actions.hasGranted())
      this.#actions.stand(0, { member: from, ballot });
    else this.#context.send(from, { kind: 'hand-over-declined', ballot });
  }

  onDeclined(from: MemberNumber, { ballot }: HandOverDeclined): void {
    const wish = this.#wish;
    if (ballot === this.#proposer.ballot && wish?.target === from && wish.isOffered) this.#passOver(wish);
  }

  /** Goes on with a hand-over, or begins one where this replica should not lead. */
  endTurn(): void {
    const { role } = this.#context;
    // While it prepares, for the sake of a new configuration, it leads all but in name.
    if (role === 'preparing') return;
    if (role !== 'primary') {
      // Another one has taken over, or will be elected.
      this.#wish = null;
      return;
    }
    if (this.#wish === null) this.#wantByItself();
    if (this.#wish !== null) this.#advance(this.#wish);
  }

  /** See `Replica.snapshot`. */
  snapshot(): readonly unknown[] {
    const { now } = this.#context;
    const wish = this.#wish;
    return [
      this.#standing,
      wish === null
        ? null
        : [
            wish.cause,
            wish.to,
            Math.max(0, wish.until - now),
            wish.target,
            wish.isOffered,
            Math.max(0, wish.deadline - now),
            [...wish.tried].sort((a, b) => a - b),
          ],
      Math.max(0, this.#restUntil - now),
    ];
  }

  #promotionRefusal(evenIfBehind: boolean): LeadershipRefusal | null {
    const { role, chosen, options } = this.#context;
    if (role === 'inactive' || role === 'learner') return 'not-member';
    if (!this.#actions.isAble() || this.#standing.isStalled) return 'unable';
    const missing = this.#learner.known - chosen;
    if (!evenIfBehind && (this.#standing.isLagging || missing > options.pipelineDecreesMax))
      return 'not-caught-up';
    let linked = 1;
    this.#context.forEachConnectedMember(() => {
      linked += 1;
    });
    return linked < this.#context.quorum ? 'no-quorum' : null;
  }

  #refuse(request: number, reason: LeadershipRefusal): void {
    if (request !== 0) this.#context.effects.push({ kind: 'leadership-refused', request, reason });
  }

  #want(cause: Wish['cause'], request: number, to: MemberNumber): void {
    // One at a time: who waits for the one before it hears that of the new one.
    if (this.#wish !== null) this.#end(this.#wish);
    const { now, options } = this.#context;
    const until = cause === 'asked' ? now + options.electionTimeoutMs * ASKED_PATIENCE : now;
    this.#wish = { cause, request, to, until, tried: new Set(), target: 0, deadline: 0, isOffered: false };
  }

  #wantByItself(): void {
    const { isStalled, priority } = this.#standing;
    if (this.#context.now < this.#restUntil) return;
    if (isStalled || priority === 0) this.#want('unfit', 0, 0);
    else if (this.#successor(nobody, 0, priority + 1) !== 0) this.#want('priority', 0, 0);
  }

  #advance(wish: Wish): void {
    const { now, options } = this.#context;
    const proposer = this.#proposer;
    if (wish.target !== 0 && (now >= wish.deadline || proposer.standingOf(wish.target) === 0))
      this.#passOver(wish);
    if (wish.target === 0) {
      const least = wish.cause === 'priority' ? this.#standing.priority + 1 : 1;
      wish.target = this.#successor(wish.tried, wish.to, least);
      if (wish.target === 0) {
        proposer.pausedForHandOver = false;
        if (now >= wish.until || !this.#hasUntried(wish)) this.#end(wish);
        return;
      }
      wish.deadline = now + options.electionTimeoutMs / 2;
      wish.isOffered = false;
      // From here on nothing new is proposed, or the successor would never have everything.
      proposer.pausedForHandOver = true;
    }
    if (wish.isOffered || !proposer.hasEverything(wish.target)) return;
    wish.isOffered = true;
    const { ballot, last } = proposer;
    // Before the successor hears of it, and to everybody: they keep their word to this primary longer than it takes to prepare.
    this.#actions.releaseLease();
    requires(proposer.hasEverything(wish.target) && !proposer.canPropose, 'offered-to-who-has-everything');
    this.#context.send(wish.target, { kind: 'hand-over', ballot, last });
  }

  /** The one that was to take over did not. */
  #passOver(wish: Wish): void {
    wish.tried.add(wish.target);
    wish.target = 0;
    wish.isOffered = false;
  }

  /** Whoever is fit, of the highest priority, and of these who has the most; 0 where nobody is. */
  #successor(tried: ReadonlySet<MemberNumber>, only: MemberNumber, priorityMin: number): MemberNumber {
    const proposer = this.#proposer;
    let best = 0;
    this.#context.forEachConnectedMember((member) => {
      if (tried.has(member) || (only !== 0 && member !== only)) return;
      const priority = proposer.standingOf(member);
      if (priority < priorityMin) return;
      const more =
        best === 0
          ? 1
          : priority - proposer.standingOf(best) || proposer.acceptedBy(member) - proposer.acceptedBy(best);
      if (more > 0) best = member;
    });
    return best;
  }

  /** Somebody may yet link up, catch up or tell how fit it is: a new primary knows nothing of the others. */
  #hasUntried({ tried, to }: Wish): boolean {
    const { members, self } = this.#context;
    return members.some(({ number }) => number !== self && !tried.has(number) && (to === 0 || number === to));
  }

  /** Nothing came of it: this replica goes on leading. */
  #end(wish: Wish): void {
    const { now, options } = this.#context;
    this.#wish = null;
    this.#proposer.pausedForHandOver = false;
    const patience = wish.cause === 'priority' ? PRIORITY_PATIENCE : 0.5;
    this.#restUntil = now + options.electionTimeoutMs * patience;
    this.#refuse(wish.request, 'no-successor');
  }
}
