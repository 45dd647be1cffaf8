/**
 * The word that members give with a lease, in true time: for its length, as the slowest clock would have it, the disk promises no higher ballot to
 * anybody but the one it was given to, not even in another life, nor to itself (docs/protocol.md, "Leases").
 */

import { type Ballot, formatBallot, ownerOf } from '../../src/protocol/ballot.js';
import { check } from '../properties/checker.js';

interface Word {
  readonly to: Ballot;
  readonly until: number;
}

export class Words {
  readonly #words: Map<string, Word> = new Map();

  /** `until`: at least so long, in true time. */
  onGrant(incarnation: string, to: Ballot, until: number): void {
    this.#words.set(incarnation, { to, until });
  }

  /** Whoever it was given to gives it back, and that has arrived. */
  onRelease(incarnation: string, ballot: Ballot): void {
    if (this.#words.get(incarnation)?.to === ballot) this.#words.delete(incarnation);
  }

  /** A promise of `ballot` is told. */
  onPromise(incarnation: string, ballot: Ballot, now: number): void {
    const word = this.#words.get(incarnation);
    if (word === undefined) return;
    const { to, until } = word;
    const isKept = now >= until || ballot <= to || ownerOf(ballot) === ownerOf(to);
    const told = () =>
      `${formatBallot(ballot)}, ${Math.round(until - now)} ms before the end of a lease of ${formatBallot(to)}`;
    check(isKept, 'lease-outlasts-promises', told);
  }
}
