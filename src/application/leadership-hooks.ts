/**
 * Asks the application whether this replica may lead, and whom it votes for, and tells the engine. The engine waits a bounded time for
 * it. What a hook does wrong is logged: then this replica does not lead, and its vote is not withheld.
 */

import type { LeadershipOrder } from '../engine/engine-leadership.js';
import type { EngineEvent } from '../engine/engine-types.js';
import { COOKIE_BYTES_MAX } from '../limits.js';
import type { Logger } from '../logger.js';
import type { LeadershipOptions } from '../options.js';
import { Answers } from './answers.js';

export interface LeadershipHooksOptions {
  readonly canBecomePrimary: NonNullable<LeadershipOptions['canBecomePrimary']> | null;
  readonly acceptFrom: NonNullable<LeadershipOptions['acceptFrom']> | null;
  readonly logger: Logger;
}

const noCookie = new Uint8Array(0);

export class LeadershipHooks {
  readonly #options: LeadershipHooksOptions;
  readonly #answers = new Answers<LeadershipOrder>();

  constructor(options: LeadershipHooksOptions) {
    this.#options = options;
  }

  get asksToLead(): boolean {
    return this.#options.canBecomePrimary !== null;
  }
  get asksToVote(): boolean {
    return this.#options.acceptFrom !== null;
  }

  /** The engine asks while it is being opened already. */
  open(tell: (answer: LeadershipOrder) => void): void {
    this.#answers.open(tell);
  }

  async onAskToLead({ request }: Extract<EngineEvent, { kind: 'ask-to-lead' }>): Promise<void> {
    let answer: boolean | Uint8Array = false;
    try {
      // Not in the middle of the engine's turn, whose thread this may be.
      await null;
      answer = cookieOrFlag(await this.#options.canBecomePrimary!());
    } catch (error) {
      this.#options.logger.warn({ hook: 'canBecomePrimary', error }, 'hook failed');
    }
    const cookie = typeof answer === 'boolean' ? noCookie : answer;
    this.#answers.give({ kind: 'may-lead', request, may: answer !== false, cookie });
  }

  async onAskToVote({ request, id, cookie }: Extract<EngineEvent, { kind: 'ask-to-vote' }>): Promise<void> {
    let may = true;
    try {
      await null;
      const answer: unknown = await this.#options.acceptFrom!(id, Uint8Array.from(cookie));
      if (typeof answer !== 'boolean') throw new TypeError(`expected true or false, got ${typeof answer}`);
      may = answer;
    } catch (error) {
      this.#options.logger.warn({ hook: 'acceptFrom', peer: id, error }, 'hook failed');
    }
    this.#answers.give({ kind: 'may-vote', request, may });
  }
}

/** A copy of a cookie: the caller may use its memory again. */
function cookieOrFlag(answer: unknown): boolean | Uint8Array {
  if (typeof answer === 'boolean') return answer;
  if (!(answer instanceof Uint8Array))
    throw new TypeError(`expected true, false or a cookie, got ${typeof answer}`);
  if (answer.length > COOKIE_BYTES_MAX)
    throw new RangeError(`cookie of ${answer.length} bytes, the bound is ${COOKIE_BYTES_MAX}`);
  return Uint8Array.from(answer);
}
