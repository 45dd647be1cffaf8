/** Raises of the protocol's version that a run asks for: what is told of each is true, and each is told of once. */

import { versionOf } from '../../src/protocol/configuration.js';
import type { Machine } from './machine.js';
import { Violation } from './observation.js';
import type { World } from './world.js';

interface RaiseRecord {
  readonly machine: Machine;
  readonly life: number;
  outcome: 'chosen' | 'refused' | 'unknown' | null;
  /** Number of the configuration that the caller was told, and its version. */
  told: { readonly configuration: number; readonly version: number } | null;
}

export class Raises {
  readonly #records: RaiseRecord[] = [];
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  get asked(): number {
    return this.#records.length;
  }

  /** One may yet be chosen, or is and nobody has executed it. */
  get isUnsettled(): boolean {
    const executed = this.#world.latest?.configuration.number ?? 0;
    return this.#records.some(
      ({ outcome, told }) => outcome === null || (told?.configuration ?? 0) > executed,
    );
  }

  ask(machine: Machine, version: number | undefined): void {
    const { process, life } = machine;
    if (process === null || process.state !== 'open') return;
    const record: RaiseRecord = { machine, life, outcome: null, told: null };
    const number = this.#records.push(record);
    // The code of a process that dies in the middle of a call goes on until it is out of it: nobody hears that.
    const settle = (outcome: 'chosen' | 'refused' | 'unknown', told: RaiseRecord['told']): void => {
      if (machine.process !== process) return;
      this.#world.print(() => `raise ${number}: ${outcome} ${JSON.stringify(told)}`);
      this.#world.judge(() => {
        if (record.outcome !== null) throw new Violation('raise-settles-once', `raise ${number}`);
        record.outcome = outcome;
        record.told = told;
      });
    };
    process.applicationThread.run(() =>
      process.side.membership.raise(version === undefined ? {} : { version }, {
        resolve: (chosen) => settle('chosen', chosen),
        reject: ({ outcome }) => settle(outcome === 'not-applied' ? 'refused' : 'unknown', null),
      }),
    );
  }

  onEnded(machine: Machine): void {
    for (const record of this.#records)
      if (record.outcome === null && record.machine === machine && record.life === machine.life)
        record.outcome = 'unknown';
  }

  /** The run is over: what was told is what happened. */
  check(): void {
    const { configurations } = this.#world;
    for (const { told } of this.#records) {
      if (told === null) continue;
      const found = configurations.find(({ configuration }) => configuration.number === told.configuration);
      if (found !== undefined && versionOf(found.configuration) !== told.version)
        throw new Violation('raise-outcome-is-true', JSON.stringify(told));
    }
  }
}
