/**
 * From one role to the next: who stands for an election, with whose leave, who leads, and who yields. It decides who proposes and nothing
 * about safety, which is the acceptors' affair.
 */

import { unreachable } from '../contracts.js';
import type { Ballot } from './ballot.js';
import type { Candidacy } from './candidacy.js';
import type { Context } from './context.js';
import type { Election } from './election.js';
import type { Leadership } from './leadership.js';
import type { Proposer } from './proposer.js';
import type { Reading } from './reading.js';

export interface ChangingParts {
  readonly context: Context;
  readonly election: Election;
  readonly candidacy: Candidacy;
  readonly leadership: Leadership;
  readonly proposer: Proposer;
  readonly reading: Reading;
}

export class RoleChanges {
  readonly #context: Context;
  readonly #election: Election;
  readonly #candidacy: Candidacy;
  readonly #leadership: Leadership;
  readonly #proposer: Proposer;
  readonly #reading: Reading;

  constructor(parts: ChangingParts) {
    this.#context = parts.context;
    this.#election = parts.election;
    this.#candidacy = parts.candidacy;
    this.#leadership = parts.leadership;
    this.#proposer = parts.proposer;
    this.#reading = parts.reading;
  }

  /** Time has passed, in this role. `able`: it can append to its log. */
  tick(able: boolean): void {
    if (this.#reading.lease.takeStand(this.#election.primaryBallot)) this.stand();
    if (this.#candidacy.isOverdue) this.settle(this.#candidacy.request, false);
    const { role } = this.#context;
    switch (role) {
      case 'inactive':
      case 'learner':
        break;
      case 'secondary':
        if (this.#isDue && this.#candidacy.ask('ask-around')) this.#becomeCandidate();
        break;
      case 'candidate':
        if (this.#election.isDue) this.becomeSecondary();
        else {
          if (this.#election.isDeferenceOver) this.#election.startRound();
          this.advanceCandidate();
        }
        break;
      case 'preparing':
        if (this.#election.isDue) this.becomeSecondary();
        else if (this.#election.takeRetry()) this.#proposer.sendPrepare();
        break;
      case 'primary':
        // Nobody is served by a primary without a quorum, and one that goes on sending keeps others from electing.
        if (this.#proposer.membersHeard < this.#context.quorum || !able) this.#resign();
        break;
      default:
        unreachable(role);
    }
  }

  /** The application says whether this replica may lead. Much may have happened since it was asked. */
  settle(request: number, may: boolean): void {
    const asked = this.#candidacy.settle(request, may);
    if (asked === null) return;
    const { role } = this.#context;
    if (!may) this.#election.restart();
    else if (asked === 'ask-around' && role === 'secondary' && this.#isDue) this.#becomeCandidate();
    else if (role !== 'secondary' && role !== 'candidate') return;
    else if (asked === 'prepare') this.stand();
    // If it has granted again meanwhile, the primary leads on: it is not to be deposed when that grant ends.
    else if (asked === 'take-over' && !this.#reading.lease.hasGranted) this.stand();
  }

  stand(): void {
    if (this.#reading.lease.holdsBack()) return;
    this.#election.forgetPrimary();
    this.becomePreparing();
  }

  get #isDue(): boolean {
    return this.#election.isDue && this.#leadership.standing > 0;
  }

  #becomeCandidate(): void {
    this.#context.role = 'candidate';
    this.#election.forgetPrimary();
    this.#election.startRound();
    this.advanceCandidate();
  }

  advanceCandidate(): void {
    const context = this.#context;
    if (this.#election.isDenied) {
      this.becomeSecondary();
      return;
    }
    if (this.#election.isGranted) {
      // Far behind, preparing would only stop the others while this replica learns. It learns first.
      if (this.#election.chosenReported - context.chosen > context.options.pipelineDecreesMax)
        this.becomeSecondary();
      else if (!this.#election.defers(this.#leadership.standing) && !this.#reading.lease.isBound)
        this.becomePreparing();
      return;
    }
    if (this.#election.takeRetry()) this.#election.query();
  }

  becomePreparing(): void {
    this.#context.role = 'preparing';
    this.#election.restart();
    this.#election.takeRetry();
    this.#proposer.prepare();
  }

  becomePrimary(room: number): void {
    this.#context.role = 'primary';
    this.#election.forgetPrimary();
    this.#proposer.becomePrimary(room);
  }

  becomeSecondary(): void {
    this.#context.role = 'secondary';
    this.#election.restart();
  }

  /**
   * A member has promised a higher ballot than the one that this replica leads under, perhaps in a candidacy that came to nothing: it would
   * never follow. Where nobody else leads, this replica does again before long, under a ballot above all that it knows of.
   */
  onRefused(promised: Ballot): void {
    if (this.#context.role === 'primary' && promised > this.#proposer.ballot) {
      this.#resign();
      this.#election.hasten();
    } else this.yieldTo(promised);
  }

  #resign(): void {
    this.#reading.lease.release();
    this.#proposer.resign();
    this.becomeSecondary();
  }

  /** Someone else has promised, or proposes under, `ballot`, and it is above what this replica leads under. */
  yieldTo(ballot: Ballot): void {
    const { role } = this.#context;
    if ((role === 'primary' || role === 'preparing') && ballot > this.#proposer.ballot)
      this.becomeSecondary();
    else if (role === 'candidate') this.becomeSecondary();
  }
}
