/** What was acknowledged is chosen by then, and is executed in the end by every replica that has come as far. */

import type { Slot } from '../../../src/protocol/decree.js';
import type { Invariant, Observation } from '../observation.js';
import { Violation } from '../observation.js';
import type { Ledger } from './ledger.js';

interface Progress {
  applied: Slot;
  executed: number;
  isRunning: boolean;
}

export class AcknowledgedSurvives implements Invariant {
  readonly name = 'acknowledged-survives';
  readonly kinds = ['opened', 'ended', 'applied', 'restored', 'executed', 'settled', 'finished'] as const;
  readonly #ledger: Ledger;
  readonly #replicas: Map<string, Progress> = new Map();
  readonly #slotOf: Map<number, Slot> = new Map();
  /** The highest slot with an acknowledged command, and how many commands were acknowledged. */
  #highest: Slot = 0;
  #count = 0;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  observe(observation: Observation): void {
    switch (observation.kind) {
      case 'opened':
        this.#replicas.set(observation.replica, { applied: 0, executed: 0, isRunning: true });
        break;
      case 'ended':
        this.#of(observation.replica).isRunning = false;
        break;
      case 'applied':
        this.#of(observation.replica).applied = observation.slot;
        break;
      case 'restored': {
        const progress = this.#of(observation.replica);
        progress.applied = observation.slot;
        progress.executed = observation.executed;
        break;
      }
      case 'executed':
        this.#slotOf.set(observation.call, observation.slot);
        this.#of(observation.replica).executed += 1;
        break;
      case 'settled':
        if (observation.outcome === 'committed') this.#onCommitted(observation.call);
        break;
      case 'finished':
        this.#onFinished();
        break;
      default:
        break;
    }
  }

  #of(replica: string): Progress {
    const known = this.#replicas.get(replica);
    if (known !== undefined) return known;
    const progress = { applied: 0, executed: 0, isRunning: true };
    this.#replicas.set(replica, progress);
    return progress;
  }

  #onCommitted(call: number): void {
    const slot = this.#slotOf.get(call);
    if (slot === undefined)
      throw new Violation(this.name, `call ${call} is acknowledged, nobody executed it`);
    if (!this.#ledger.isForgotten(slot) && this.#ledger.chosen(slot) === null)
      throw new Violation(this.name, `call ${call} is acknowledged, its slot ${slot} is not chosen`);
    if (slot > this.#highest) this.#highest = slot;
    this.#count += 1;
  }

  /** Replicas that are behind are no matter: `executed-once` has compared slot by slot what is executed. */
  #onFinished(): void {
    for (const [replica, { applied, executed, isRunning }] of this.#replicas) {
      if (!isRunning || applied < this.#highest || executed >= this.#count) continue;
      throw new Violation(
        this.name,
        `${replica} has applied slot ${applied} and executed ${executed} commands, ${this.#count} up to slot ${this.#highest} were acknowledged`,
      );
    }
  }
}
