/** Decrees as the protocol sees them: what a slot decides, by reference. It never looks at the bytes. */

import type { Ballot } from './ballot.js';
import type { Configuration } from './configuration.js';

/** A position in the log: 1, 2, 3, … 0 stands for "before the first". */
export type Slot = number;

export const DecreeKind = {
  /** A batch of commands for the state machine. */
  commands: 1,
  /** Nothing: fills a hole that a new primary found. */
  noop: 2,
  /** A new member set. */
  configuration: 3,
} as const;
export type DecreeKind = (typeof DecreeKind)[keyof typeof DecreeKind];

/** A decree by reference. */
export interface DecreeReference {
  readonly kind: DecreeKind;
  /** Payload bytes. For a configuration that is proposed here, filled in when the engine has encoded it. */
  bytes: number;
  /** CRC-32C of the payload; likewise. */
  checksum: number;
  /** Commands in it; 0 unless `kind` is commands. */
  readonly commands: number;
  /** The decoded payload where `kind` is configuration. */
  readonly configuration: Configuration | null;
  /** Where the payload is. Opaque here: only the engine reads it, and moves it on a `retain` or `append` effect. */
  source: unknown;
}

export const noopDecree: DecreeReference = Object.freeze({
  kind: DecreeKind.noop,
  bytes: 0,
  checksum: 0,
  commands: 0,
  configuration: null,
  source: null,
});

/** The decree that puts `configuration` into force. */
export function configurationDecree(configuration: Configuration): DecreeReference {
  return {
    kind: DecreeKind.configuration,
    bytes: 0,
    checksum: 0,
    commands: 0,
    configuration,
    source: null,
  };
}

/** At most: a record has a header beside its payload. */
export const RECORD_BYTES = 128;
/** A configuration is encoded when it is appended: its members, at most, and what stands around its cookie. */
const CONFIGURATION_BYTES = 4096;

/** What the record of a decree takes in the log, at most. */
export function bytesInLog(decree: DecreeReference): number {
  const { configuration } = decree;
  if (configuration === null) return RECORD_BYTES + decree.bytes;
  return RECORD_BYTES + CONFIGURATION_BYTES + (configuration.cookie?.length ?? 0);
}

/** What an acceptor holds for a slot. */
export interface Acceptance {
  readonly ballot: Ballot;
  readonly decree: DecreeReference;
}

/** The decree as plain data, for snapshots: without the place of its payload, which decides nothing. */
export function plainDecree(decree: DecreeReference): readonly unknown[] {
  return [decree.kind, decree.bytes, decree.checksum, decree.commands, decree.configuration?.number ?? 0];
}

/** Two references to one and the same decree? By content, since the same bytes lie at different places. */
export function sameDecree(a: DecreeReference, b: DecreeReference): boolean {
  return a.kind === b.kind && a.bytes === b.bytes && a.checksum === b.checksum && a.commands === b.commands;
}

/** Visits the entries of slots `from` to `through`, in no order. A checkpoint may jump over more slots than there are entries. */
export function forEachSlot<Entry>(
  entries: ReadonlyMap<Slot, Entry>,
  from: Slot,
  through: Slot,
  visit: (slot: Slot, entry: Entry) => void,
): void {
  if (through - from >= entries.size) {
    for (const [slot, entry] of entries) if (slot >= from && slot <= through) visit(slot, entry);
    return;
  }
  for (let slot = from; slot <= through; slot += 1) {
    const entry = entries.get(slot);
    if (entry !== undefined) visit(slot, entry);
  }
}
