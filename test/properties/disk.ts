/**
 * A disk as the protocol knows it: one stream of records, a prefix of which is durable. Recovery adds the prefix up, in
 * the way that src/log/log-state.ts and src/engine/recover.ts do.
 */

import type { Ballot } from '../../src/protocol/ballot.js';
import type { Configuration } from '../../src/protocol/configuration.js';
import type { Acceptance, DecreeReference, Slot } from '../../src/protocol/decree.js';
import type { LogRecord } from '../../src/protocol/effects.js';
import type { RecoveredState } from '../../src/protocol/replica.js';

export interface StoredRecord {
  readonly record: LogRecord | { readonly kind: 'mark' };
  /** What was known chosen when the record was written. */
  readonly chosen: Slot;
}

export interface LogEntry {
  readonly kind: 'accept' | 'learn';
  readonly ballot: Ballot;
  readonly decree: DecreeReference;
}

/** Everything that a replica finds on its disk when it is started. */
export interface Recovered {
  readonly state: RecoveredState;
  readonly genesis: Configuration | null;
  /** The newest record of each slot. */
  readonly log: Map<Slot, LogEntry>;
}

/** The newest record of a slot, after one more: a learned decree is not replaced by a lower acceptance that came late. */
export function addToLog(log: Map<Slot, LogEntry>, slot: Slot, entry: LogEntry): void {
  const before = log.get(slot);
  if (entry.kind === 'accept' && before?.kind === 'learn' && entry.ballot < before.ballot) return;
  log.set(slot, entry);
}

export class Disk {
  readonly incarnation: string;
  readonly records: StoredRecord[] = [];
  /** So many records survive any crash. */
  durable = 0;
  /** Highest ballot in the durable records. */
  promisedDurable: Ballot = 0;
  /** Highest ballot in all records. */
  promised: Ballot = 0;
  /** Highest ballot that a message told of as promised by this disk. */
  promisedTold: Ballot = 0;
  /** The first configuration is in the durable records. */
  hasGenesisDurable = false;
  /** Highest slot that the durable records say is chosen. */
  chosenDurable: Slot = 0;
  /** Ballot of the newest durable acceptance of each slot. */
  readonly acceptedDurable: Map<Slot, Ballot> = new Map();

  constructor(incarnation: string) {
    this.incarnation = incarnation;
  }

  append(stored: StoredRecord): void {
    this.records.push(stored);
    const { record } = stored;
    if ((record.kind === 'promise' || record.kind === 'accept') && record.ballot > this.promised)
      this.promised = record.ballot;
  }

  holdsGenesis(configuration: Configuration): boolean {
    const text = JSON.stringify(configuration);
    return this.records.some(
      ({ record }) => record.kind === 'genesis' && JSON.stringify(record.configuration) === text,
    );
  }

  /** All records up to `count` are durable; yields those that were not before. */
  harden(count: number): StoredRecord[] {
    const fresh = this.records.slice(this.durable, count);
    this.durable = Math.max(this.durable, count);
    for (const { record, chosen } of fresh) {
      if (chosen > this.chosenDurable) this.chosenDurable = chosen;
      if (record.kind === 'promise' || record.kind === 'accept')
        this.promisedDurable = Math.max(this.promisedDurable, record.ballot);
      if (record.kind === 'accept') this.acceptedDurable.set(record.slot, record.ballot);
      if (record.kind === 'genesis') this.hasGenesisDurable = true;
      if (record.kind === 'learn') this.chosenDurable = Math.max(this.chosenDurable, record.slot);
    }
    return fresh;
  }

  /** A crash: what is not durable is gone. */
  lose(): void {
    this.records.length = this.durable;
    this.promised = this.promisedDurable;
  }

  recover(): Recovered {
    let promised: Ballot = 0;
    let chosen: Slot = 0;
    let genesis: Configuration | null = null;
    const log: Map<Slot, LogEntry> = new Map();
    for (const { record, chosen: chosenThen } of this.records) {
      if (chosenThen > chosen) chosen = chosenThen;
      switch (record.kind) {
        case 'promise':
          promised = Math.max(promised, record.ballot);
          break;
        case 'accept':
          promised = Math.max(promised, record.ballot);
          addToLog(log, record.slot, { kind: 'accept', ballot: record.ballot, decree: record.decree });
          break;
        case 'learn':
          chosen = Math.max(chosen, record.slot);
          addToLog(log, record.slot, { kind: 'learn', ballot: record.ballot, decree: record.decree });
          break;
        case 'genesis':
          genesis = record.configuration;
          break;
        case 'mark':
          break;
      }
    }
    let configuration: Configuration | null = genesis;
    for (let slot = chosen; slot > 0; slot -= 1) {
      const decree = log.get(slot)?.decree;
      if (decree === undefined || decree.configuration === null) continue;
      configuration = decree.configuration;
      break;
    }
    const accepted: Map<Slot, Acceptance> = new Map();
    for (const slot of [...log.keys()].sort((a, b) => a - b)) {
      const { ballot, decree } = log.get(slot)!;
      if (slot > chosen) accepted.set(slot, { ballot, decree: { ...decree, source: { place: 'heap' } } });
    }
    return { state: { promised, chosen, accepted, configuration }, genesis, log };
  }
}
