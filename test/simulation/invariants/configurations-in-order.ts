/** There is one first configuration, and each one after it has the next number and was chosen (rule 7). */

import type { Invariant, Observation } from '../observation.js';
import { Violation } from '../observation.js';
import type { Ledger } from './ledger.js';

export class ConfigurationsInOrder implements Invariant {
  readonly name = 'configurations-in-order';
  readonly kinds = ['written', 'durable'] as const;
  readonly #ledger: Ledger;
  #first = '';

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  observe(observation: Observation): void {
    if (observation.kind === 'written' && observation.record.kind === 'configuration')
      this.#onFirst(JSON.stringify(observation.record.configuration));
    const { newlyChosen } = this.#ledger;
    if (observation.kind !== 'durable' || newlyChosen === null) return;
    const configuration = this.#ledger.configuration(newlyChosen.value);
    if (configuration === undefined) return;
    const before = this.#ledger.inForceAt(newlyChosen.slot)?.configuration.number ?? 0;
    if (configuration.number !== before + 1) {
      throw new Violation(
        this.name,
        `configuration ${configuration.number} is chosen in slot ${newlyChosen.slot}, behind ${before}`,
      );
    }
  }

  #onFirst(configuration: string): void {
    if (this.#ledger.chosenThrough > 0 && this.#first !== configuration)
      throw new Violation(this.name, `another first configuration: ${configuration}, not ${this.#first}`);
    this.#first = configuration;
  }
}
