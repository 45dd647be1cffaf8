/**
 * Whether the application lets this replica lead: it is asked before each candidacy, and given a time (docs/protocol.md, "Leave of the
 * application"). Nothing else waits for it.
 */

import type { Acceptor } from './acceptor.js';
import type { Ballot, MemberNumber } from './ballot.js';
import type { Context } from './context.js';

/** Asking around for an election, preparing at once, or in the place of a primary that hands over. */
export type Candidature = 'ask-around' | 'prepare' | 'take-over';

interface Question {
  readonly request: number;
  readonly for: Candidature;
  readonly until: number;
  /** What was promised when it was asked: by another promise, somebody else stands by now. */
  readonly promised: Ballot;
  /** The `promote` that it is for; 0 for none. */
  readonly order: number;
  /** The primary that hands over, and the ballot that it leads under; null for none. */
  readonly giver: Giver | null;
}

export interface Giver {
  readonly member: MemberNumber;
  readonly ballot: Ballot;
}

/** Of an election timeout. A primary that hands over waits for half of one. */
const PATIENCE = 0.25;

export class Candidacy {
  readonly #context: Context;
  readonly #acceptor: Acceptor;
  #requests = 0;
  #question: Question | null = null;

  constructor(context: Context, acceptor: Acceptor) {
    this.#context = context;
    this.#acceptor = acceptor;
  }

  /** True where nobody need be asked. Else the application is, and `settle` has its answer. */
  ask(what: Candidature, order: number = 0, giver: Giver | null = null): boolean {
    const { options, effects, now } = this.#context;
    if (options.asksToLead !== true) return true;
    if (this.#question !== null) {
      // An order does not wait for the answer to another question.
      if (what === 'ask-around') return false;
      this.settle(this.#question.request, false);
    }
    this.#requests += 1;
    const until = now + options.electionTimeoutMs * PATIENCE;
    const { promised } = this.#acceptor;
    this.#question = { request: this.#requests, for: what, until, promised, order, giver };
    effects.push({ kind: 'ask-to-lead', request: this.#requests });
    return false;
  }

  /** Of the question that is open; 0 where none is. */
  get request(): number {
    return this.#question?.request ?? 0;
  }

  /** Of the question whose answer still counts; 0 where none is open, or somebody else stands by now. */
  get counting(): number {
    return this.#question?.promised === this.#acceptor.promised ? this.request : 0;
  }

  /** The application has had its time. */
  get isOverdue(): boolean {
    return this.#question !== null && this.#context.now >= this.#question.until;
  }

  /** What the answer is for; null where it comes too late, or to a question that is over. Who waits for a no hears it. */
  settle(request: number, may: boolean): Candidature | null {
    const question = this.#question;
    if (question === null || question.request !== request) return null;
    const isLate = this.counting !== request;
    this.#question = null;
    const { effects } = this.#context;
    if (may && !isLate) return question.for;
    if (question.order !== 0)
      effects.push({ kind: 'leadership-refused', request: question.order, reason: 'vetoed' });
    if (question.giver !== null && !isLate)
      this.#context.send(question.giver.member, {
        kind: 'hand-over-declined',
        ballot: question.giver.ballot,
      });
    return may ? null : question.for;
  }

  /** See `Replica.snapshot`. */
  snapshot(): readonly unknown[] {
    const question = this.#question;
    if (question === null) return [];
    const { for: what, until, promised, giver } = question;
    return [[what, Math.max(0, until - this.#context.now), promised, giver]];
  }
}
