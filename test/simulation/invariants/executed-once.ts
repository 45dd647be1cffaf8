/** A command is executed in one slot, once, by all replicas alike. */

import type { Slot } from '../../../src/protocol/decree.js';
import type { Invariant, Observation } from '../observation.js';
import { Violation } from '../observation.js';
import { SLOTS_KEPT } from './ledger.js';

interface Progress {
  slot: Slot;
  /** Calls executed in this slot so far. */
  readonly calls: Set<number>;
}

export class ExecutedOnce implements Invariant {
  readonly name = 'executed-once';
  readonly kinds = ['opened', 'restored', 'executed', 'applied', 'finished'] as const;
  readonly #slotsKept: number;
  readonly #slotOf: Map<number, Slot> = new Map();
  /** Calls by slot, as who came there first executed them. */
  readonly #callsIn: Map<Slot, readonly number[]> = new Map();
  readonly #progress: Map<string, Progress> = new Map();
  /** Every slot up to it has been applied by someone. */
  #through: Slot = 0;

  constructor(slotsKept: number = SLOTS_KEPT) {
    this.#slotsKept = slotsKept;
  }

  observe(observation: Observation): void {
    switch (observation.kind) {
      case 'opened':
        this.#progress.set(observation.replica, { slot: 0, calls: new Set() });
        break;
      case 'restored':
        this.#endSlot(observation.replica, this.#progressOf(observation.replica));
        this.#progress.set(observation.replica, { slot: 0, calls: new Set() });
        break;
      case 'executed':
        this.#onExecuted(observation.replica, observation.slot, observation.call);
        break;
      case 'applied':
        this.#moveTo(observation.replica, observation.slot);
        break;
      case 'finished':
        for (const replica of this.#progress.keys()) this.#endSlot(replica, this.#progressOf(replica));
        break;
      default:
        break;
    }
  }

  #onExecuted(replica: string, slot: Slot, call: number): void {
    const before = this.#slotOf.get(call);
    if (before !== undefined && before !== slot)
      throw new Violation(this.name, `call ${call} is executed in slots ${before} and ${slot}`);
    if (before === undefined) this.#slotOf.set(call, slot);
    this.#moveTo(replica, slot);
    const { calls } = this.#progressOf(replica);
    if (calls.has(call))
      throw new Violation(this.name, `${replica} executes call ${call} twice in slot ${slot}`);
    calls.add(call);
  }

  #progressOf(replica: string): Progress {
    let progress = this.#progress.get(replica);
    if (progress === undefined) {
      progress = { slot: 0, calls: new Set() };
      this.#progress.set(replica, progress);
    }
    return progress;
  }

  /** Whatever the replica executed before `slot` is complete. */
  #moveTo(replica: string, slot: Slot): void {
    const progress = this.#progressOf(replica);
    if (slot === progress.slot) return;
    this.#endSlot(replica, progress);
    progress.slot = slot;
    progress.calls.clear();
  }

  #endSlot(replica: string, { slot, calls }: Progress): void {
    if (slot === 0) return;
    if (slot > this.#through) {
      this.#through = slot;
      this.#callsIn.set(slot, [...calls]);
      this.#forget(slot - this.#slotsKept);
      return;
    }
    if (slot <= this.#through - this.#slotsKept) return;
    const first = this.#callsIn.get(slot);
    if (first === undefined) {
      // Whoever went on behind it had it from a checkpoint.
      this.#callsIn.set(slot, [...calls]);
      return;
    }
    if (first.length === calls.size && first.every((call) => calls.has(call))) return;
    throw new Violation(
      this.name,
      `slot ${slot}: ${replica} executes calls [${[...calls].join(' ')}], another executed [${first.join(' ')}]`,
    );
  }

  #forget(slot: Slot): void {
    for (const call of this.#callsIn.get(slot) ?? []) this.#slotOf.delete(call);
    this.#callsIn.delete(slot);
  }
}
