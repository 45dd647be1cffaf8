/** Asks the application's `resolve` hook where a member is now, and tells the engine. What the hook does wrong is logged, and an answer. */

import type { AddressAnswer } from '../engine/address-resolver.js';
import type { EngineEvent } from '../engine/engine-types.js';
import type { Logger } from '../logger.js';
import type { ResolveMember } from '../options.js';
import { parseAddress } from '../transport/address.js';

export interface AddressAnswersOptions {
  readonly resolve: ResolveMember;
  readonly logger: Logger;
}

export class AddressAnswers {
  readonly #options: AddressAnswersOptions;
  /** What was logged last of each member: a directory that is down is asked many times a second. */
  readonly #logged: Map<string, string> = new Map();

  /** Before the engine can be told. */
  #untold: AddressAnswer[] = [];
  #tell: ((answer: AddressAnswer) => void) | null = null;

  constructor(options: AddressAnswersOptions) {
    this.#options = options;
  }

  /** The engine asks while it is being opened already. */
  open(tell: (answer: AddressAnswer) => void): void {
    this.#tell = tell;
    for (const answer of this.#untold.splice(0)) tell(answer);
  }

  async onAsked({ request, id, address }: Extract<EngineEvent, { kind: 'resolve' }>): Promise<void> {
    const { resolve } = this.#options;
    let found: unknown;
    try {
      // Not in the middle of the engine's turn, whose thread this may be.
      await null;
      found = await resolve({ id, address });
    } catch (error) {
      this.#answer({ request, address: null, reason: this.#fail(id, error) });
      return;
    }
    const parsed = typeof found === 'string' ? parseAddress(found) : null;
    if (parsed === null || parsed.port === 0) {
      const reason = this.#fail(id, `expected host:port, got ${String(found).slice(0, 100)}`);
      this.#answer({ request, address: null, reason });
      return;
    }
    this.#logged.delete(id);
    this.#answer({ request, address: parsed, reason: '' });
  }

  #answer(answer: AddressAnswer): void {
    if (this.#tell === null) this.#untold.push(answer);
    else this.#tell(answer);
  }

  #fail(id: string, error: unknown): string {
    const reason = `its address is not known: ${error instanceof Error ? error.message : String(error)}`;
    if (this.#logged.get(id) !== reason)
      this.#options.logger.warn({ peer: id, reason }, 'address not resolved');
    this.#logged.set(id, reason);
    return reason;
  }
}
