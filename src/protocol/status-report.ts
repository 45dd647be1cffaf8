/** Tells when the role changes, or the primary that is known, or its ballot. */

import type { Ballot, MemberNumber } from './ballot.js';
import { noBallot } from './ballot.js';
import type { Context } from './context.js';
import type { Role } from './effects.js';

export class StatusReport {
  readonly #context: Context;
  #role: Role = 'inactive';
  #primary: MemberNumber = 0;
  #ballot: Ballot = noBallot;

  constructor(context: Context) {
    this.#context = context;
  }

  /** End of step. */
  tell(primary: MemberNumber, ballot: Ballot): void {
    const { role, effects } = this.#context;
    if (role === this.#role && primary === this.#primary && ballot === this.#ballot) return;
    this.#role = role;
    this.#primary = primary;
    this.#ballot = ballot;
    effects.push({ kind: 'status', role, primary, ballot });
  }
}
