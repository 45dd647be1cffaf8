/** Copies of a peer's checkpoint that a run asks for (`copyCheckpoint`): what is told of each is true, and each is told of once. */

import type { CheckpointCopy } from '../../src/application/checkpoint-copies.js';
import type { Machine } from './machine.js';
import { Violation } from './observation.js';
import type { World } from './world.js';

interface CopyRecord {
  readonly machine: Machine;
  readonly life: number;
  isSettled: boolean;
}

export class Copies {
  /** Copies that were made; answers that there was one as new already are none. */
  made = 0;
  readonly #records: CopyRecord[] = [];
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  get asked(): number {
    return this.#records.length;
  }

  /** `from`: whose checkpoint, or null for anybody's. */
  ask(machine: Machine, from: Machine | null, withinMs: number | null): void {
    const { process, life } = machine;
    if (process === null || process.state !== 'open' || process.side.checkpoints === null) return;
    // A replica that is being closed refuses the call before it gets so far.
    if (machine.isClosing) return;
    const record: CopyRecord = { machine, life, isSettled: false };
    const number = this.#records.push(record);
    // The code of a process that dies in the middle of a call goes on until it is out of it: nobody hears that.
    const settle = (describe: () => string, check: () => void): void => {
      if (machine.process !== process) return;
      this.#world.print(() => `${machine.id}: copy ${number} ${describe()}`);
      this.#world.judge(() => {
        if (record.isSettled) throw new Violation('copy-settles-once', `copy ${number} of ${machine.id}`);
        record.isSettled = true;
        check();
      });
    };
    process.applicationThread.run(() =>
      process.copies.copy(
        {
          ...(from === null ? {} : { from: from.id }),
          ...(withinMs === null ? {} : { timeoutMs: withinMs }),
        },
        {
          resolve: (copy) =>
            settle(
              () => JSON.stringify(copy),
              () => this.#check(machine, copy),
            ),
          reject: ({ code }) =>
            settle(
              () => code,
              () => {},
            ),
        },
      ),
    );
  }

  /** The process was asked to close, and has: nobody may be left waiting. */
  onClosed(machine: Machine): void {
    const left = this.#records.findIndex(
      (record) => record.machine === machine && record.life === machine.life && !record.isSettled,
    );
    if (left >= 0) throw new Violation('copy-settles', `copy ${left + 1} of ${machine.id} never does`);
  }

  /** Executed up to its slot, and durable, or replaced by a newer one that is. */
  #check(machine: Machine, { slot, from }: CheckpointCopy): void {
    if (from !== null) this.made += 1;
    const { disk, id } = machine;
    const applied = machine.process!.bridge.applied;
    if (applied < slot) throw new Violation('copy-is-executed', `${id} has ${slot}, and executed ${applied}`);
    const held = Math.max(0, ...disk.checkpoints.durableSlots);
    if (held < slot && !disk.isDamaged)
      throw new Violation('copy-is-durable', `${id} was told of slot ${slot}, and holds ${held}`);
  }
}
