/**
 * What must hold whatever happens, judged by what users of the protocol are told: each slot has one value for ever, a read sees
 * all that was executed anywhere before it was made, and a process never goes on under another number. What disks and links tell
 * besides is judged by `votes.ts` and `words.ts`.
 */

import type { MemberNumber } from '../../src/protocol/ballot.js';
import type { DecreeReference, Slot } from '../../src/protocol/decree.js';
import { check, contentOf } from '../properties/checker.js';
import type { Votes } from './votes.js';
import { Words } from './words.js';

export type ReadKind = 'read' | 'lease-read';

export interface Judged {
  /** Slots that were executed somewhere. */
  readonly slots: number;
  /** Of these, the ones that put other members, or the same ones with other disks, into force. */
  readonly configurations: number;
  /** Answered. */
  readonly reads: number;
  readonly leaseReads: number;
}

/** One for the whole world. */
export class Judge {
  /** The last slot that was executed anywhere. */
  highest: Slot = 0;
  reads = 0;
  leaseReads = 0;
  /** Null: nothing is known of disks. */
  readonly votes: Votes | null;
  readonly words = new Words();
  readonly #values: Map<Slot, string> = new Map();
  #configurations = 0;

  constructor(votes: Votes | null = null) {
    this.votes = votes;
  }

  /** Somebody holds `decree` for chosen, and executes it. */
  onExecuted(id: string, slot: Slot, decree: DecreeReference): void {
    const value = contentOf(decree);
    const before = this.#values.get(slot);
    check(
      before === undefined || before === value,
      'one-value-per-slot',
      () => `slot ${slot}: ${before}, and ${value} at ${id}`,
    );
    this.votes?.onChosen(id, slot, decree);
    this.highest = Math.max(this.highest, slot);
    if (before !== undefined) return;
    this.#values.set(slot, value);
    if (decree.configuration !== null) this.#configurations += 1;
  }

  get sums(): Judged {
    const { reads, leaseReads } = this;
    return { slots: this.#values.size, configurations: this.#configurations, reads, leaseReads };
  }
}

interface OpenRead {
  readonly kind: ReadKind;
  readonly number: number;
  /** Executed somewhere when it was made. */
  readonly least: Slot;
}

/** One for each life of a replica. */
export class Life {
  readonly #id: string;
  readonly #judge: Judge;
  readonly #numbers: Record<ReadKind, number> = { read: 0, 'lease-read': 0 };
  #open: OpenRead[] = [];
  #self: MemberNumber = 0;

  constructor(id: string, judge: Judge) {
    this.#id = id;
    this.#judge = judge;
  }

  /** Yields the read's number. */
  onRead(kind: ReadKind): number {
    this.#numbers[kind] += 1;
    const number = this.#numbers[kind];
    this.#open.push({ kind, number, least: this.#judge.highest });
    return number;
  }

  /** All reads of the kind up to `number` may be made once `slot` is executed. */
  onAnswer(kind: ReadKind, number: number, slot: Slot): void {
    const left: OpenRead[] = [];
    for (const open of this.#open) {
      if (open.kind !== kind || open.number > number) {
        left.push(open);
        continue;
      }
      check(
        slot >= open.least,
        'no-stale-read',
        () => `${kind} ${open.number} at ${this.#id}: slot ${slot}, and ${open.least} was executed before`,
      );
      if (kind === 'read') this.#judge.reads += 1;
      else this.#judge.leaseReads += 1;
    }
    this.#open = left;
  }

  /** Commands carry the number of the process that sent them: under a second one they would be executed twice, or never. */
  onNumber(self: MemberNumber): void {
    if (self === 0) return;
    check(
      this.#self === 0 || this.#self === self,
      'one-number-per-process',
      () => `${this.#id} was ${this.#self}, and is ${self}`,
    );
    this.#self = self;
  }
}
