/** Under one ballot nothing is proposed behind a configuration, and no second one (rule 7); a member number is one disk's (rule 8). */

import type { Ballot } from '../../../src/protocol/ballot.js';
import type { Configuration } from '../../../src/protocol/configuration.js';
import type { Slot } from '../../../src/protocol/decree.js';
import type { Invariant, Observation } from '../observation.js';
import { Violation } from '../observation.js';

/** Ballots that are remembered. */
const BALLOTS_KEPT = 1024;

export class NothingBehindAConfiguration implements Invariant {
  readonly name = 'nothing-behind-a-configuration';
  readonly kinds = ['sent', 'applied'] as const;
  /** The slot of the configuration that was proposed under a ballot. */
  readonly #slots: Map<Ballot, Slot> = new Map();
  readonly #disks: Map<number, string> = new Map();

  observe(observation: Observation): void {
    if (observation.kind === 'applied') {
      if (observation.configuration !== null) this.#onChosen(observation.configuration);
      return;
    }
    if (observation.kind !== 'sent' || observation.message.kind !== 'accept') return;
    const { ballot, slot, decree } = observation.message;
    const last = this.#slots.get(ballot);
    if (last !== undefined && slot > last)
      throw new Violation(
        this.name,
        `slot ${slot} is proposed under ballot ${ballot}, and a configuration in slot ${last}`,
      );
    if (decree.configuration === null) return;
    this.#slots.set(ballot, slot);
    if (this.#slots.size > BALLOTS_KEPT) this.#slots.delete(this.#slots.keys().next().value!);
  }

  #onChosen({ number, members }: Configuration): void {
    for (const member of members) {
      const disk = `${member.id} ${member.incarnation}`;
      const before = this.#disks.get(member.number) ?? disk;
      if (before !== disk)
        throw new Violation(
          this.name,
          `configuration ${number}: member ${member.number} is ${disk}, was ${before}`,
        );
      this.#disks.set(member.number, disk);
    }
  }
}
