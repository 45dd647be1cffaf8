/**
 * No build writes down a configuration under a version of the protocol that it does not speak, nor works under one; and no
 * configuration is under a lower version than the one before it (rule 11).
 */

import { versionOf } from '../../../src/protocol/configuration.js';
import type { Invariant, Observation } from '../observation.js';
import { Violation } from '../observation.js';

export class SpeaksTheVersion implements Invariant {
  readonly name = 'speaks-the-version';
  readonly kinds = ['opened', 'written', 'sent', 'applied'] as const;
  /** The highest that the build of each replica speaks. */
  readonly #versionMax: Map<string, number> = new Map();
  /** Of configurations that were executed, by their numbers. */
  readonly #versions: Map<number, number> = new Map();

  observe(observation: Observation): void {
    switch (observation.kind) {
      case 'opened':
        this.#versionMax.set(observation.replica, observation.versionMax ?? 1);
        break;
      case 'written':
        if (observation.record.configuration !== null)
          this.#check(
            observation.replica,
            versionOf(observation.record.configuration),
            'wrote down a configuration',
          );
        break;
      case 'sent':
        this.#check(
          observation.replica,
          this.#versions.get(observation.configuration) ?? 1,
          'sent a message',
        );
        break;
      case 'applied':
        if (observation.configuration !== null) {
          const { number } = observation.configuration;
          const version = versionOf(observation.configuration);
          this.#versions.set(number, version);
          for (const [other, otherVersion] of this.#versions)
            if (other < number !== otherVersion <= version && otherVersion !== version)
              throw new Violation(
                this.name,
                `configuration ${number} is under version ${version}, ${other} under ${otherVersion}`,
              );
        }
        break;
    }
  }

  #check(replica: string, version: number, did: string): void {
    const max = this.#versionMax.get(replica) ?? 1;
    if (version > max)
      throw new Violation(
        this.name,
        `${replica}, which speaks versions up to ${max}, ${did} under ${version}`,
      );
  }
}
