/** Simulated readers: at any time, on any replica, reads of each consistency, so many at once. */

import type { Consistency } from '../../src/application/reads.js';
import { formatToken } from '../../src/token.js';
import type { Random } from '../properties/random.js';
import type { Machine } from './machine.js';
import type { ReadKind } from './observation.js';
import type { Seen as Answer } from './service.js';
import type { World } from './world.js';

/** How often, and how many of each kind at once. */
export interface ReadSettings {
  readonly everyMs: number;
  readonly burst: number;
}

/** Clocks run at no less than this rate in a script: what is so old by a clock is at most so much older in the world. */
export const CLOCK_RATE_MIN = 0.94;

export class Readers {
  /** Reads that were answered, and judged. */
  readonly answered: Record<ReadKind, number> = { linearizable: 0, lease: 0, after: 0, maxAgeMs: 0 };
  readonly #world: World;
  readonly #random: Random;
  readonly #settings: ReadSettings;
  #groups = 0;
  #isStopped = false;
  /** Reads that have not settled, by the machine whose process they were given to. */
  readonly #open: Map<Machine, number> = new Map();

  constructor(world: World, random: Random, settings: ReadSettings) {
    this.#world = world;
    this.#random = random;
    this.#settings = settings;
  }

  start(): void {
    this.#later();
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** The process is gone. Whoever asks it to close is answered all that it was asked before. */
  onEnded(machine: Machine, how: string): void {
    const open = this.#open.get(machine) ?? 0;
    if (how === 'closed' && open > 0)
      this.#world.fail('reads-settle', `${open} reads of ${machine.id} never do`);
    this.#open.delete(machine);
  }

  #later(): void {
    const pause = this.#settings.everyMs * this.#random.between(0.5, 1.5);
    this.#world.events.after(pause, () => {
      if (this.#isStopped) return;
      this.#readSomewhere();
      this.#later();
    });
  }

  #readSomewhere(): void {
    const random = this.#random;
    const { machines, script } = this.#world;
    const reader = random.pick(machines);
    this.#read(reader, 'linearizable', 'linearizable', null, 0);
    if (script.settings.clockDriftMax !== undefined) this.#read(reader, 'lease', 'lease', null, 0);
    const writer = random.pick(machines);
    if (writer.process?.state === 'open') {
      const after = formatToken(writer.process.bridge.applied);
      this.#read(reader, 'after', { after }, writer.id, 0);
    }
    const maxAgeMs = script.settings.electionTimeoutMs * random.pick([0, 0.05, 0.3, 2]);
    this.#read(reader, 'maxAgeMs', { maxAgeMs }, null, maxAgeMs / CLOCK_RATE_MIN);
  }

  #read(
    machine: Machine,
    kind: ReadKind,
    consistency: Consistency,
    writer: string | null,
    ageMs: number,
  ): void {
    const world = this.#world;
    const { process, life } = machine;
    if (process === null || process.state !== 'open') return;
    this.#groups += 1;
    const group = this.#groups;
    const { burst } = this.#settings;
    const { timeoutMs } = world.script.settings;
    const query = { group, call: 0 };
    const at = world.events.now;
    // Filled in by the invariant: the call whose command these reads must see.
    world.tell({ kind: 'reads-made', at, replica: machine.id, reads: kind, writer, ageMs, query });
    const settled = (): void => {
      if (machine.life === life && machine.process === process)
        this.#open.set(machine, this.#open.get(machine)! - 1);
    };
    const reader = {
      resolve: ({ value }: { value: unknown }): void => {
        settled();
        this.answered[kind] += 1;
        const { has, last } = value as Answer;
        world.tell({
          kind: 'read-answered',
          at: world.events.now,
          replica: machine.id,
          reads: kind,
          query,
          has,
          last,
        });
      },
      reject: settled,
    };
    process.applicationThread.run(() => {
      // What waits for a thread that stands still was not given to the process yet, which may close before.
      this.#open.set(machine, (this.#open.get(machine) ?? 0) + burst);
      for (let count = 0; count < burst; count += 1)
        process.side.submitRead(query, { consistency, timeoutMs }, reader);
    });
  }
}
