/** Asks the application's `resolve` hook where a member is now, and tells the engine. What the hook does wrong is logged, and an answer. */

import type { AddressAnswer } from '../engine/address-resolver.js';
import type { EngineEvent } from '../engine/engine-types.js';
import { textOf } from '../errors.js';
import type { Logger } from '../logger.js';
import type { ResolveMember } from '../options.js';
import { parseAddress } from '../transport/address.js';
import { Answers } from './answers.js';

export interface AddressAnswersOptions {
  readonly resolve: ResolveMember;
  readonly logger: Logger;
}

export class AddressAnswers {
  readonly #options: AddressAnswersOptions;
  /** What was logged last of each member: a directory that is down is asked many times a second. */
  readonly #logged: Map<string, string> = new Map();

  readonly #answers = new Answers<AddressAnswer>();

  constructor(options: AddressAnswersOptions) {
    this.#options = options;
  }

  /** The engine asks while it is being opened already. */
  open(tell: (answer: AddressAnswer) => void): void {
    this.#answers.open(tell);
  }

  async onAsked({ request, id, address }: Extract<EngineEvent, { kind: 'resolve' }>): Promise<void> {
    const { resolve } = this.#options;
    let found: unknown;
    try {
      // Not in the middle of the engine's turn, whose thread this may be.
      await null;
      found = await resolve({ id, address });
    } catch (error) {
      this.#answers.give({ request, address: null, reason: this.#fail(id, error) });
      return;
    }
    const parsed = typeof found === 'string' ? parseAddress(found) : null;
    if (parsed === null || parsed.port === 0) {
      const reason = this.#fail(id, `expected host:port, got ${textOf(found).slice(0, 100)}`);
      this.#answers.give({ request, address: null, reason });
      return;
    }
    this.#logged.delete(id);
    this.#answers.give({ request, address: parsed, reason: '' });
  }

  #fail(id: string, error: unknown): string {
    const reason = `its address is not known: ${textOf(error)}`;
    if (this.#logged.get(id) !== reason)
      this.#options.logger.warn({ peer: id, reason }, 'address not resolved');
    this.#logged.set(id, reason);
    return reason;
  }
}
