/**
 * A read sees what its consistency says: linearizable, every command that anybody was told of before it, by a result or by another
 * read; after a token, what had been executed where the token came from; of an age, what anybody was told of so long before.
 */

import type { Executed, Invariant, Observation, ReadAnswered, ReadsMade } from '../observation.js';
import { Violation } from '../observation.js';

interface Told {
  readonly at: number;
  readonly slot: number;
  readonly call: number;
}

const NOTHING: Told = { at: Number.NEGATIVE_INFINITY, slot: 0, call: 0 };

export class NoStaleRead implements Invariant {
  readonly name = 'no-stale-read';
  readonly kinds = ['executed', 'settled', 'ended', 'reads-made', 'read-answered'] as const;
  readonly #slots: Map<number, number> = new Map();
  /** The last call that each replica's state machine executed. */
  readonly #lastBy: Map<string, number> = new Map();
  /** What somebody was told of, in order of time and slot. */
  readonly #told: Told[] = [NOTHING];

  observe(observation: Observation): void {
    switch (observation.kind) {
      case 'executed':
        this.#onExecuted(observation);
        break;
      case 'settled':
        if (observation.outcome === 'committed') this.#tell(observation.call, observation.at);
        break;
      case 'ended':
        this.#lastBy.delete(observation.replica);
        break;
      case 'reads-made':
        this.#onMade(observation);
        break;
      case 'read-answered':
        this.#onAnswered(observation);
        break;
      default:
        break;
    }
  }

  #onExecuted({ call, slot, replica }: Executed): void {
    if (!this.#slots.has(call)) this.#slots.set(call, slot);
    this.#lastBy.set(replica, call);
  }

  #onMade({ at, reads, writer, ageMs, query }: ReadsMade): void {
    query.call = reads === 'after' ? (this.#lastBy.get(writer!) ?? 0) : this.#toldBy(at - ageMs);
  }

  #onAnswered({ at, replica, reads, query, has, last }: ReadAnswered): void {
    if (!has)
      throw new Violation(
        this.name,
        `${reads} read ${query.group} of ${replica} does not see call ${query.call} in slot ${this.#slots.get(query.call)}, the last it sees is ${last}`,
      );
    this.#tell(last, at);
  }

  #tell(call: number, at: number): void {
    const slot = this.#slots.get(call);
    if (slot !== undefined && slot > this.#told.at(-1)!.slot) this.#told.push({ at, slot, call });
  }

  /** The last call that somebody had been told of at that time. */
  #toldBy(at: number): number {
    let low = 0;
    let high = this.#told.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#told[middle]!.at <= at) low = middle;
      else high = middle - 1;
    }
    return this.#told[low]!.call;
  }
}
