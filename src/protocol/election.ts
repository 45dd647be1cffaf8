/**
 * The election: when to suspect the primary, and asking around before any ballot is disturbed
 * (docs/protocol.md, "Elections"). It never decides anything about safety.
 */

import { ensures, requires } from '../contracts.js';
import type { Ballot, MemberNumber } from './ballot.js';
import { noBallot, ownerOf } from './ballot.js';
import type { Context } from './context.js';
import type { Slot } from './decree.js';
import type { StatusReply } from './messages.js';

/**
 * Election timeouts that a candidate waits for a member of a higher priority, which answered that it would stand. Within a third of one it
 * asks around, where the link to the primary broke; within one and a half, and this replica has waited for one of them at least, otherwise.
 */
const DEFERENCE = 0.5;

export class Election {
  /** The ballot of the primary that was last heard from. */
  primaryBallot: Ballot = noBallot;

  readonly #context: Context;
  #primaryHeardAt = Number.NEGATIVE_INFINITY;
  /** When this replica asks around, or gives up what it has begun. */
  #deadline = 0;
  #round = 0;
  #replies: Map<MemberNumber, StatusReply> = new Map();
  #retryAt = 0;
  /** Whether it has waited for a member of a higher priority since it heard a primary: once is enough. */
  #deference: 'unused' | 'waiting' | 'used' = 'unused';
  #deferUntil = 0;

  constructor(context: Context) {
    this.#context = context;
  }

  get primary(): MemberNumber {
    return this.primaryBallot === noBallot ? 0 : ownerOf(this.primaryBallot);
  }

  /** Another replica's primaryship is believed in: it was heard from, and its link stands. */
  get isPrimaryAlive(): boolean {
    const context = this.#context;
    return (
      this.primaryBallot !== noBallot &&
      context.connected.has(this.primary) &&
      context.now - this.#primaryHeardAt < context.options.electionTimeoutMs
    );
  }

  heardPrimary(ballot: Ballot): void {
    requires(ballot !== noBallot, 'primary-has-a-ballot');
    this.primaryBallot = ballot;
    this.#primaryHeardAt = this.#context.now;
    this.#deference = 'unused';
    this.restart();
  }

  forgetPrimary(): void {
    this.primaryBallot = noBallot;
  }

  /** From now on, another election timeout, drawn anew so that two replicas rarely ask at the same time. */
  restart(): void {
    const { now, options, random } = this.#context;
    const patience = options.electionTimeoutMs * (1 + random() / 2);
    ensures(
      patience >= options.electionTimeoutMs && patience <= options.electionTimeoutMs * 1.5,
      'patience-within-bounds',
    );
    this.#deadline = now + patience;
  }

  /** The primary's link broke: most likely its process died. Ask soon, not at once: not all at the same time. */
  hasten(): void {
    const { now, options, random } = this.#context;
    this.#deadline = Math.min(this.#deadline, now + (options.electionTimeoutMs / 4) * (0.2 + random()));
  }

  /** The primary gave up. Its silence need not be waited for, and nobody else must take it for alive. */
  onResigned(ballot: Ballot): void {
    if (ballot !== this.primaryBallot) return;
    this.forgetPrimary();
    this.hasten();
  }

  get isDue(): boolean {
    return this.#context.now >= this.#deadline;
  }

  /** True once per heartbeat interval: time to ask those again who did not answer. */
  takeRetry(): boolean {
    if (this.#context.now < this.#retryAt) return false;
    this.#retryAt = this.#context.now + this.#context.options.heartbeatMs;
    return true;
  }

  /** See `Replica.snapshot`. */
  snapshot(): readonly unknown[] {
    const { now, options, role } = this.#context;
    const isAsking = role === 'candidate';
    return [
      this.primaryBallot,
      // Nobody's primaryship is believed in: when it was heard is not asked.
      this.primaryBallot === noBallot ? 0 : Math.min(now - this.#primaryHeardAt, options.electionTimeoutMs),
      // A primary that steps down draws another deadline first.
      role === 'primary' ? 0 : Math.max(0, this.#deadline - now),
      this.#round,
      // Of a candidate's round; the next one begins without them.
      isAsking
        ? [...this.#replies]
            .map(
              ([member, { chosen, primaryAlive, standing }]) =>
                [member, chosen, primaryAlive, standing] as const,
            )
            .sort(([a], [b]) => a - b)
        : [],
      // The next round begins without it; a primary prepares again where a configuration was chosen.
      role === 'secondary' || role === 'learner' ? 0 : Math.max(0, this.#retryAt - now),
      // One that waits and is no candidate any more has waited once: the next round begins with that.
      isAsking || this.#deference === 'unused' ? this.#deference : 'used',
      isAsking && this.#deference === 'waiting' ? Math.max(0, this.#deferUntil - now) : 0,
    ];
  }

  startRound(): void {
    this.#round += 1;
    this.#replies = new Map();
    if (this.#deference === 'waiting') this.#deference = 'used';
    this.restart();
    this.#retryAt = 0;
  }

  /**
   * Asks the members that have not answered in this round; and everyone else who is linked. If the members that this replica
   * knows were all replaced while it was away, only these can tell it so.
   */
  query(): void {
    const context = this.#context;
    requires(context.role === 'candidate', 'only-candidates-ask');
    for (const peer of context.connected) {
      if (!this.#replies.has(peer)) context.send(peer, { kind: 'status-query', round: this.#round });
    }
  }

  onReply(from: MemberNumber, reply: StatusReply): void {
    requires(this.#context.isMember(from) && from !== this.#context.self, 'votes-by-other-members');
    if (reply.round === this.#round) this.#replies.set(from, reply);
  }

  /** Somebody still hears a primary: this replica's link is to blame, and it must not disturb the others. */
  get isDenied(): boolean {
    for (const reply of this.#replies.values()) if (reply.primaryAlive) return true;
    return false;
  }

  /** A quorum, this replica included, hears no primary. */
  get isGranted(): boolean {
    return this.#replies.size + 1 >= this.#context.quorum && !this.isDenied;
  }

  /**
   * A member of a higher priority answered that it would stand, and has what it needs to lead at once: it is given time to. A candidate of
   * that standing waits until `isDeferenceOver`.
   */
  defers(standing: number): boolean {
    if (this.#deference !== 'unused') return this.#deference === 'waiting';
    const { now, options, chosen } = this.#context;
    const most = Math.max(chosen, this.chosenReported);
    let isBetter = false;
    for (const reply of this.#replies.values())
      isBetter ||= reply.standing > standing && most - reply.chosen <= options.pipelineDecreesMax;
    if (!isBetter) return false;
    this.#deference = 'waiting';
    this.#deferUntil = now + options.electionTimeoutMs * DEFERENCE;
    // The round must outlast the wait, or another election timeout would come on top of it.
    this.restart();
    return true;
  }

  /** It has waited long enough. By now the answers are old, and a primary may have come of it: everybody is to be asked again. */
  get isDeferenceOver(): boolean {
    return this.#deference === 'waiting' && this.#context.now >= this.#deferUntil;
  }

  /** The most that a replica of the round knows to be chosen. */
  get chosenReported(): Slot {
    let chosen = 0;
    for (const reply of this.#replies.values()) if (reply.chosen > chosen) chosen = reply.chosen;
    return chosen;
  }
}
