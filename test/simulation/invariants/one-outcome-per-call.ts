/** Every call settles, once, by the end; what is not applied is never executed, and what is committed was. */

import type { Executed, Invariant, Observation, Settled } from '../observation.js';
import { Violation } from '../observation.js';

interface Call {
  readonly replica: string;
  outcome: 'committed' | 'not-applied' | 'unknown' | null;
  isExecuted: boolean;
}

export class OneOutcomePerCall implements Invariant {
  readonly name = 'one-outcome-per-call';
  readonly kinds = ['called', 'settled', 'executed', 'finished'] as const;
  /** Without those that are committed: of them nothing more can be wrong here. */
  readonly #calls: Map<number, Call> = new Map();
  #lastCall = 0;

  observe(observation: Observation): void {
    switch (observation.kind) {
      case 'called':
        this.#calls.set(observation.call, { replica: observation.replica, outcome: null, isExecuted: false });
        if (observation.call > this.#lastCall) this.#lastCall = observation.call;
        break;
      case 'settled':
        this.#onSettled(observation);
        break;
      case 'executed':
        this.#onExecuted(observation);
        break;
      case 'finished':
        for (const [call, { replica, outcome }] of this.#calls)
          if (outcome === null) throw new Violation(this.name, `call ${call} to ${replica} never settles`);
        break;
      default:
        break;
    }
  }

  #onSettled({ call: number, outcome, code }: Settled): void {
    const call = this.#calls.get(number);
    if (call === undefined || call.outcome !== null) {
      const first = number > this.#lastCall ? 'was never made' : 'had settled';
      throw new Violation(this.name, `call ${number} settles (${outcome}), but ${first}`);
    }
    if (outcome === 'not-applied' && call.isExecuted)
      throw new Violation(this.name, `call ${number} settles as not applied, but was executed`);
    // A checkpoint may have it; whether it does is judged by `acknowledged-survives`.
    const isLost = code === 'ERR_SYNOD_RESULT_LOST';
    if (outcome === 'committed' && !call.isExecuted && !isLost)
      throw new Violation(this.name, `call ${number} settles as committed, but was not executed`);
    call.outcome = outcome;
    if (outcome === 'committed') this.#calls.delete(number);
  }

  #onExecuted({ call: number, replica, slot }: Executed): void {
    const call = this.#calls.get(number);
    if (call === undefined) {
      if (number <= this.#lastCall) return;
      throw new Violation(this.name, `call ${number} is executed in slot ${slot}, but was never made`);
    }
    if (call.outcome === 'not-applied')
      throw new Violation(this.name, `call ${number} settled as not applied, but ${replica} executes it`);
    // The caller is told what its own replica's state machine replied.
    if (replica === call.replica) call.isExecuted = true;
  }
}
