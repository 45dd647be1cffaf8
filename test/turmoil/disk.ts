/**
 * A replica's disk: a stream of records, a prefix of which is durable, and one checkpoint. Recovery adds them up in the way that
 * src/log/log-state.ts and src/engine/recover.ts do; test/properties/disk.ts is the same without checkpoints.
 */

import type { Ballot } from '../../src/protocol/ballot.js';
import type { Configuration } from '../../src/protocol/configuration.js';
import type { Acceptance, Slot } from '../../src/protocol/decree.js';
import type { LogRecord } from '../../src/protocol/effects.js';
import { emptyState, type RecoveredState } from '../../src/protocol/replica.js';
import { check } from '../properties/checker.js';
import type { Random } from '../properties/random.js';

/** Of the state behind `slot`; the fields are those of its header. The state itself is what the judge holds of the slots. */
export interface Checkpoint {
  readonly slot: Slot;
  /** In force behind `slot`. */
  readonly configuration: Configuration;
  /** By whoever made it. */
  readonly promised: Ballot;
}

export type DecreeRecord = Extract<LogRecord, { kind: 'accept' | 'learn' }>;

/** The newest record of each slot from a floor on. */
export class LogIndex {
  readonly records: Map<Slot, DecreeRecord> = new Map();
  #floor: Slot = 1;

  set(record: DecreeRecord): void {
    if (record.slot >= this.#floor) this.records.set(record.slot, record);
  }

  dropBelow(floor: Slot): void {
    if (floor <= this.#floor) return;
    this.#floor = floor;
    for (const slot of this.records.keys()) if (slot < floor) this.records.delete(slot);
  }
}

/** What a replica finds when it is started. */
export interface Recovered {
  readonly state: RecoveredState;
  readonly index: LogIndex;
  /** Known chosen by the log alone: the checkpoint may reach further. */
  readonly chosenByLog: Slot;
}

interface StoredRecord {
  readonly record: LogRecord;
  /** What was known chosen when it was written. */
  readonly chosen: Slot;
}

export class Disk {
  /** Tells it from the disk that the replica had before. */
  readonly incarnation: string;
  /** So many records survive any crash. */
  durable = 0;
  checkpoint: Checkpoint | null = null;
  /** The highest ballot that a durable record promises. */
  promisedDurable: Ballot = 0;
  /** The highest one that anybody was told to be promised. */
  promisedTold: Ballot = 0;
  /** The highest ballot of a durable acceptance, by slot. */
  readonly acceptedDurable: Map<Slot, Ballot> = new Map();
  readonly #records: StoredRecord[] = [];

  constructor(incarnation: string) {
    this.incarnation = incarnation;
  }

  get length(): number {
    return this.#records.length;
  }

  append(record: LogRecord, chosen: Slot): void {
    this.#records.push({ record, chosen });
  }

  /** Yields what became durable by it. */
  harden(length: number): LogRecord[] {
    const before = this.durable;
    this.durable = Math.max(before, Math.min(length, this.#records.length));
    const hardened = this.#records.slice(before, this.durable).map(({ record }) => record);
    for (const record of hardened) {
      if (record.kind === 'promise' || record.kind === 'accept')
        this.promisedDurable = Math.max(this.promisedDurable, record.ballot);
      if (record.kind === 'accept') {
        const accepted = this.acceptedDurable.get(record.slot) ?? 0;
        this.acceptedDurable.set(record.slot, Math.max(accepted, record.ballot));
      }
    }
    return hardened;
  }

  /** Whatever is not durable may be lost, from any record on. */
  crash(random: Random): void {
    const open = this.#records.length - this.durable;
    this.#records.length = this.durable + random.below(open + 1);
  }

  recover(id: string): Recovered {
    const { checkpoint } = this;
    const covered = checkpoint?.slot ?? 0;
    const index = new LogIndex();
    index.dropBelow(covered + 1);
    let promised: Ballot = checkpoint?.promised ?? 0;
    let chosenByLog: Slot = 0;
    let configuration: Configuration | null = null;
    for (const { record, chosen } of this.#records) {
      chosenByLog = Math.max(chosenByLog, chosen);
      switch (record.kind) {
        case 'promise':
          promised = Math.max(promised, record.ballot);
          break;
        case 'accept':
          promised = Math.max(promised, record.ballot);
          foldAcceptance(index, record, id);
          break;
        case 'learn':
          chosenByLog = Math.max(chosenByLog, record.slot);
          index.set(record);
          break;
        case 'genesis':
          configuration = record.configuration;
          break;
        case 'jump':
          chosenByLog = Math.max(chosenByLog, record.slot);
          index.dropBelow(record.slot + 1);
          break;
      }
    }
    if (checkpoint !== null) configuration = checkpoint.configuration;
    const chosen = Math.max(chosenByLog, covered);
    for (let slot = covered + 1; slot <= chosen; slot += 1) {
      const record = index.records.get(slot);
      check(record !== undefined, 'no-hole', () => `slot ${slot} of ${id}, recovered up to ${chosen}`);
      configuration = record.decree.configuration ?? configuration;
    }
    if (configuration === null) return { state: { ...emptyState, promised }, index, chosenByLog };
    const accepted: Map<Slot, Acceptance> = new Map();
    for (const [slot, { ballot, decree }] of index.records)
      if (slot > chosen) accepted.set(slot, { ballot, decree: { ...decree } });
    return { state: { promised, chosen, accepted, configuration }, index, chosenByLog };
  }
}

/** A learned decree is chosen: an acceptance under a lower ballot came late. Behind another acceptance none comes so. */
function foldAcceptance(index: LogIndex, record: DecreeRecord, id: string): void {
  const before = index.records.get(record.slot);
  if (before !== undefined && record.ballot < before.ballot) {
    const told = () => `slot ${record.slot} of ${id}: ${record.ballot} after ${before.ballot}`;
    check(before.kind === 'learn', 'no-acceptance-below-another', told);
    return;
  }
  index.set(record);
}
