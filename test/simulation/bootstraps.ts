/**
 * Calls of `bootstrap` that a run makes, where its replicas name no members: that a list was told to be the first member set is true, and
 * two lists with a replica in common never both are.
 */

import type { BootstrapOutcome } from '../../src/engine/first-configuration.js';
import type { Machine } from './machine.js';
import { Network } from './network.js';
import { Violation } from './observation.js';
import type { World } from './world.js';

/** Between two calls in peace, until there is a member set. */
const AGAIN_MS = 500;

export class Bootstraps {
  /** Calls that were answered, by what came of them. */
  readonly told: { [Kind in BootstrapOutcome['kind']]: number } = {
    bootstrapped: 0,
    already: 0,
    otherwise: 0,
    conflict: 0,
    timeout: 0,
  };
  readonly #world: World;
  readonly #asked: { readonly machine: Machine; readonly life: number; readonly ids: string }[] = [];

  constructor(world: World) {
    this.#world = world;
  }

  ask(machine: Machine, places: readonly number[]): void {
    const world = this.#world;
    const { process, life } = machine;
    if (process === null || process.state !== 'open') return;
    const members = [...new Set([machine.index, ...places])].map((place) => {
      const { host, port } = Network.address(place);
      return { id: world.machines[place]!.id, address: `${host}:${port}` };
    });
    const ids = idsOf(members);
    this.#asked.push({ machine, life, ids });
    world.print(() => `${machine.id} is asked to bootstrap ${ids}`);
    const timeoutMs = world.script.settings.electionTimeoutMs * 10;
    process.bootstrap({ request: this.#asked.length, members, timeoutMs });
  }

  /** In peace: as an operator does who sees no member set. */
  persist(): void {
    const world = this.#world;
    if (world.latest !== null) return;
    const { machines, script } = world;
    const named = machines.slice(0, script.settings.replicas);
    const open = named.find(({ isOpen }) => isOpen);
    if (open !== undefined)
      this.ask(
        open,
        named.map(({ index }) => index),
      );
    world.events.after(AGAIN_MS, () => this.persist());
  }

  onSettled(request: number, outcome: BootstrapOutcome): void {
    const asked = this.#asked[request - 1]!;
    this.told[outcome.kind] += 1;
    this.#world.print(() => `${asked.machine.id}: bootstrap ${asked.ids} ${JSON.stringify(outcome)}`);
    const first = this.#world.configurations[0]?.configuration;
    const isFirst = first !== undefined && idsOf(first.members) === asked.ids;
    if ((outcome.kind === 'bootstrapped' || outcome.kind === 'already') && !isFirst)
      throw new Violation(
        'bootstrap-outcome-is-true',
        `${asked.machine.id} was told ${outcome.kind} for ${asked.ids}, and the first member set is ${first === undefined ? 'none' : idsOf(first.members)}`,
      );
  }
}

function idsOf(members: readonly { readonly id: string }[]): string {
  return members
    .map(({ id }) => id)
    .sort()
    .join('');
}
