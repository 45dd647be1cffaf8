/**
 * What can be seen of a cluster from outside: on the disks, on the links, at the callers and in the state machines. The
 * simulated world tells it, in the order in which it happens; the invariants judge by it and by nothing else, least of
 * all by what replicas believe of themselves.
 */

import type { Ballot } from '../../src/protocol/ballot.js';
import type { Configuration } from '../../src/protocol/configuration.js';
import type { DecreeReference, Slot } from '../../src/protocol/decree.js';
import type { Message } from '../../src/protocol/messages.js';

/** Kind, bytes and checksum of a decree in one string: decrees with the same value are the same. */
export type Value = string;

export function valueOfDecree({
  kind,
  bytes,
  checksum,
}: Pick<DecreeReference, 'kind' | 'bytes' | 'checksum'>): Value {
  return `${kind}:${bytes}:${checksum}`;
}

/** One record of a log, read back from the bytes of the medium. */
export interface SeenRecord {
  readonly kind: 'start' | 'promise' | 'accept' | 'learn' | 'configuration' | 'mark' | 'jump' | 'list';
  readonly ballot: Ballot;
  /** 0 for records that are about no slot. */
  readonly slot: Slot;
  /** The empty string for records that hold no decree. */
  readonly value: Value;
  /** Of a configuration decree, and of the first configuration. */
  readonly configuration: Configuration | null;
}

interface Seen {
  /** Simulated milliseconds since the world began. */
  readonly at: number;
  /** Id of the replica, as in the options. */
  readonly replica: string;
  /** The disk in the replica at this time: a name that the world gives each empty disk, once. */
  readonly disk: string;
}

/** A process found this on its disk and goes on from it. */
export interface Opened extends Seen {
  readonly kind: 'opened';
  /** 16 bytes in hexadecimal, as in configurations; what makes two disks different ones to the protocol. */
  readonly incarnation: string;
  /** How often the disk was opened, this time included. */
  readonly session: number;
  /** The highest version of the protocol that its build speaks. Default: 1. */
  readonly versionMax?: number;
}

/** The process is gone: killed, closed or fenced. */
export interface Ended extends Seen {
  readonly kind: 'ended';
  readonly how: 'crashed' | 'closed' | 'fenced';
  /** Of a fenced one: the error's code; the contract's name where it is `ERR_SYNOD_CONTRACT`. */
  readonly reason: string;
}

/** A record was given to the medium. It may be lost until it is `durable`. Records of a disk become durable in order. */
export interface Written extends Seen {
  readonly kind: 'written';
  readonly record: SeenRecord;
}

/** A power cut cannot take the record any more. */
export interface Durable extends Seen {
  readonly kind: 'durable';
  readonly record: SeenRecord;
}

/** The disk holds again what it held at an earlier time, when `records` of its records were durable. */
export interface SetBack extends Seen {
  readonly kind: 'set-back';
  readonly records: number;
}

/** The disk's damage was found out, and the replica refused to start from it or to serve it. */
export interface DamageFound extends Seen {
  readonly kind: 'damage-found';
  readonly code: string;
}

/** The message left: it is on its way to `to`, and may be lost, late or come twice. */
export interface Sent extends Seen {
  readonly kind: 'sent';
  readonly to: string;
  /** Number of the configuration that the sender works under. */
  readonly configuration: number;
  /** The sender's member number at this time; 0 where it is no member. */
  readonly self: number;
  readonly message: Message;
}

/** The state machine executed the decree of a slot; a slot without commands (no-op, configuration) too. */
export interface Applied extends Seen {
  readonly kind: 'applied';
  readonly slot: Slot;
  readonly value: Value;
  /** Of the state machine, behind this slot. */
  readonly digest: string;
  readonly configuration: Configuration | null;
}

/** The state machine has the state behind `slot` from a checkpoint. */
export interface Restored extends Seen {
  readonly kind: 'restored';
  readonly slot: Slot;
  readonly digest: string;
  /** Commands that were executed up to there. */
  readonly executed: number;
}

/** A caller gave a command to a replica. */
export interface Called {
  readonly kind: 'called';
  readonly at: number;
  readonly replica: string;
  readonly client: number;
  /** Of this call, once in a run. */
  readonly call: number;
  /** The command is to stand alone in its decree; and the primary that proposes it is to propose nothing behind it. */
  readonly isExclusive: boolean;
  readonly isLast: boolean;
}

/** The call is over: exactly once for each. */
export interface Settled {
  readonly kind: 'settled';
  readonly at: number;
  readonly replica: string;
  readonly call: number;
  readonly outcome: 'committed' | 'not-applied' | 'unknown';
  /** Error code where it is not `committed`. */
  readonly code: string | null;
}

/** A replica's state machine executed the command of a call. Told for each replica that does. */
export interface Executed {
  readonly kind: 'executed';
  readonly at: number;
  readonly replica: string;
  readonly disk: string;
  readonly slot: Slot;
  readonly call: number;
}

export type ReadKind = 'linearizable' | 'lease' | 'after' | 'maxAgeMs';

/** Some reads alike were made on a replica. `query.call` is for the invariant to fill in: the call that they must see. */
export interface ReadsMade {
  readonly kind: 'reads-made';
  readonly at: number;
  readonly replica: string;
  readonly reads: ReadKind;
  /** Where the token came from. */
  readonly writer: string | null;
  /** How old the state may be. */
  readonly ageMs: number;
  readonly query: { readonly group: number; call: number };
}

/** One of them was answered: whether the state machine had executed the call, and the last one that it had. */
export interface ReadAnswered {
  readonly kind: 'read-answered';
  readonly at: number;
  readonly replica: string;
  readonly reads: ReadKind;
  readonly query: { readonly group: number; readonly call: number };
  readonly has: boolean;
  readonly last: number;
}

/** The run is over: nothing more will happen. */
export interface Finished {
  readonly kind: 'finished';
  readonly at: number;
}

export type Observation =
  | Opened
  | Ended
  | Written
  | Durable
  | SetBack
  | DamageFound
  | Sent
  | Applied
  | Restored
  | Called
  | Settled
  | Executed
  | ReadsMade
  | ReadAnswered
  | Finished;

/** A property that does not hold. */
export class Violation extends Error {
  /** Stable name of the invariant. */
  readonly invariant: string;

  constructor(invariant: string, detail: string) {
    super(`${invariant}: ${detail}`);
    this.name = 'Violation';
    this.invariant = invariant;
  }
}

/** One property of a run. Each has a file of its own in `invariants/`, and is made anew for each run. */
export interface Invariant {
  readonly name: string;
  /** What it looks at; other observations need not be shown to it. */
  readonly kinds: readonly Observation['kind'][];
  /** Throws `Violation`. Called for every observation in order: keeps what it needs, in bounded time. */
  observe(observation: Observation): void;
}
