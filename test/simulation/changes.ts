/** Changes of the member set that a run asks for, and whether what was told of each is what the logs have of it. */

import type { Configuration } from '../../src/protocol/configuration.js';
import type { Machine } from './machine.js';
import { Network } from './network.js';
import { Violation } from './observation.js';
import type { World } from './world.js';

interface ChangeRecord {
  /** Travels with the set: no two changes have the same. */
  readonly cookie: string;
  readonly ids: readonly string[];
  readonly machine: Machine;
  readonly life: number;
  outcome: 'chosen' | 'refused' | 'unknown' | null;
  /** Where it is chosen or nowhere, once any disk has it; 0 before. */
  slot: number;
  /** Of the configuration that the caller was told. */
  told: number;
}

export class Changes {
  readonly records: ChangeRecord[] = [];
  /** Configurations that were executed somewhere, by cookie. */
  readonly #chosen: Map<string, Configuration> = new Map();
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** So many were chosen. */
  get chosen(): number {
    return this.#chosen.size;
  }

  /** One may yet be chosen, or is and nobody has executed it. */
  get isUnsettled(): boolean {
    const { appliedMost, raises } = this.#world;
    if (raises.isUnsettled) return true;
    return this.records.some(({ outcome, slot }) => outcome === null || slot > appliedMost);
  }

  ask(machine: Machine, ids: readonly string[], force: boolean): void {
    const world = this.#world;
    const { process, life } = machine;
    if (process === null || process.state !== 'open') return;
    // Some are too long for the header of a checkpoint.
    const padding = this.records.length % 5 === 4 ? 3000 : 0;
    const cookie = `change ${this.records.length + 1}${' '.repeat(padding)}`;
    const record: ChangeRecord = { cookie, ids, machine, life, outcome: null, slot: 0, told: 0 };
    this.records.push(record);
    world.trace.addText(cookie.trim());
    world.print(() => `${machine.id} is asked for ${ids.join(' ')}${force ? ' by force' : ''}`);
    const members = ids.map((id) => {
      const { host, port } = Network.address(world.machines.find((one) => one.id === id)!.index);
      return { id, address: `${host}:${port}` };
    });
    // The code of a process that dies in the middle of a call goes on until it is out of it: nobody hears that.
    const settle = (outcome: 'chosen' | 'refused' | 'unknown', told: number): void => {
      if (machine.process === process) world.judge(() => this.#settle(record, outcome, told));
    };
    process.applicationThread.run(() =>
      process.side.membership.change(
        members,
        { cookie: Buffer.from(cookie), force },
        {
          resolve: ({ configuration: number }) => settle('chosen', number),
          reject: ({ outcome }) => settle(outcome === 'not-applied' ? 'refused' : 'unknown', 0),
        },
      ),
    );
  }

  onEnded(machine: Machine): void {
    for (const record of this.records)
      if (record.outcome === null && record.machine === machine && record.life === machine.life)
        record.outcome = 'unknown';
  }

  onWritten(slot: number, { cookie }: Configuration): void {
    const record = cookie === undefined ? undefined : this.#byCookie(cookie);
    // A disk that is let in again takes over the cookie of the set that it is let into.
    if (record !== undefined && record.slot === 0) record.slot = slot;
  }

  onExecuted(configuration: Configuration): void {
    const { cookie } = configuration;
    const record = cookie === undefined ? undefined : this.#byCookie(cookie);
    if (record === undefined || this.#chosen.has(record.cookie)) return;
    this.#chosen.set(record.cookie, configuration);
    const ids = configuration.members.map(({ id }) => id).sort();
    if (ids.join() !== [...record.ids].sort().join())
      throw new Violation(
        'change-is-what-was-asked',
        `${record.cookie}: ${ids.join()} for ${record.ids.join()}`,
      );
  }

  /** The run is over: what was told is what happened. */
  check(): void {
    for (const { cookie, outcome, told } of this.records) {
      const configuration = this.#chosen.get(cookie);
      if (outcome === 'chosen' && configuration?.number !== told)
        throw new Violation('change-outcome-is-true', `${cookie} was told to be ${told}, and is not`);
      if (outcome === 'refused' && configuration !== undefined)
        throw new Violation(
          'change-outcome-is-true',
          `${cookie} was refused, and is ${configuration.number}`,
        );
    }
  }

  #settle(record: ChangeRecord, outcome: 'chosen' | 'refused' | 'unknown', told: number): void {
    if (record.outcome !== null)
      throw new Violation('change-settled-once', `${record.cookie}, now ${outcome}`);
    record.outcome = outcome;
    record.told = told;
    this.#world.print(() => `${record.cookie}: ${outcome} ${told}`);
  }

  #byCookie(base64: string): ChangeRecord | undefined {
    const cookie = Buffer.from(base64, 'base64').toString();
    return this.records[Number(cookie.slice('change '.length)) - 1];
  }
}
