/**
 * Passes the first configuration on to all that are linked: who was linked before this replica had it gets it from nobody else if
 * its author dies. Only once it is durable, so that no first configuration is under way that every disk may have forgotten.
 */

import type { Configuration } from './configuration.js';
import type { Context } from './context.js';

export class GenesisRelay {
  readonly #context: Context;
  /** While it is not durable yet. */
  #waiting: { readonly configuration: Configuration; readonly write: number } | null = null;

  constructor(context: Context) {
    this.#context = context;
  }

  get waiting(): Configuration | null {
    return this.#waiting?.configuration ?? null;
  }

  /** Has it recorded, and passed on in time. */
  record(configuration: Configuration): void {
    this.#waiting = { configuration, write: this.#context.append({ kind: 'genesis', configuration }) };
  }

  /** Every write up to `write` is durable. */
  onDurable(write: number): void {
    if (this.#waiting === null || write < this.#waiting.write) return;
    const { configuration } = this.#waiting;
    this.#waiting = null;
    for (const peer of this.#context.connected) this.#context.send(peer, { kind: 'genesis', configuration });
  }
}
