/** Behind the last command of a primary, that primary proposes nothing before it has executed it. */

import type { Ballot } from '../../../src/protocol/ballot.js';
import type { Slot } from '../../../src/protocol/decree.js';
import type { Invariant, Observation } from '../observation.js';
import { Violation } from '../observation.js';
import { SLOTS_KEPT } from './ledger.js';

/** A primary waits for its application as long as an election timeout, which is longer in every run. */
const PATIENCE_MS = 90;

interface Sent {
  readonly ballot: Ballot;
  readonly at: number;
  readonly replica: string;
}

export class NothingBehindTheLast implements Invariant {
  readonly name = 'nothing-behind-the-last';
  readonly kinds = ['called', 'executed', 'written', 'sent'] as const;
  readonly #slotsKept: number;
  readonly #last: Set<number> = new Set();
  /** The lowest ballot that anybody accepted a decree of commands under, by slot: that of who proposed it first. */
  readonly #first: Map<Slot, Ballot> = new Map();
  /** The first accept of the lowest ballot that was sent. */
  readonly #sent: Map<Slot, Sent> = new Map();
  readonly #judged: Set<number> = new Set();
  /** What was accepted first, by slot; null where something else was too: the command may have come with that, long after. */
  readonly #values: Map<Slot, string | null> = new Map();

  constructor(slotsKept: number = SLOTS_KEPT) {
    this.#slotsKept = slotsKept;
  }

  observe(observation: Observation): void {
    switch (observation.kind) {
      case 'called':
        if (observation.isLast) this.#last.add(observation.call);
        break;
      case 'executed':
        if (this.#last.has(observation.call)) this.#judge(observation);
        break;
      case 'written': {
        const { kind, slot, ballot, value } = observation.record;
        if (kind !== 'accept') break;
        const before = this.#values.get(slot);
        this.#values.set(slot, before === undefined || before === value ? value : null);
        this.#values.delete(slot - this.#slotsKept);
        if (ballot >= (this.#first.get(slot) ?? Number.POSITIVE_INFINITY)) break;
        this.#first.set(slot, ballot);
        this.#first.delete(slot - this.#slotsKept);
        break;
      }
      case 'sent': {
        const { message, at, replica } = observation;
        if (message.kind !== 'accept' || message.decree.configuration !== null) break;
        const { slot, ballot } = message;
        if (ballot >= (this.#sent.get(slot)?.ballot ?? Number.POSITIVE_INFINITY)) break;
        this.#sent.set(slot, { ballot, at, replica });
        this.#sent.delete(slot - this.#slotsKept);
        break;
      }
      default:
        break;
    }
  }

  #judge({ replica, slot, call }: Extract<Observation, { kind: 'executed' }>): void {
    const last = this.#sent.get(slot);
    // Later executions, on other replicas and in lives to come, say nothing new.
    if (last?.replica !== replica || this.#judged.has(call)) return;
    this.#judged.add(call);
    // Whoever adopts it, for a primary that never came to send it, goes on.
    if (this.#first.get(slot) !== last.ballot || this.#values.get(slot) === null) return;
    const next = this.#sent.get(slot + 1);
    if (next?.ballot !== last.ballot || next.at - last.at >= PATIENCE_MS) return;
    throw new Violation(
      this.name,
      `call ${call}, the last of ballot ${last.ballot}, is in slot ${slot}, and slot ${slot + 1} was proposed before it was executed`,
    );
  }
}
