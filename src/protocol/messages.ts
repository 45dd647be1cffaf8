/** What replicas say to each other. Every message also carries the sender's configuration number. */

import type { Ballot, MemberNumber } from './ballot.js';
import type { Configuration } from './configuration.js';
import type { DecreeReference, Slot } from './decree.js';

/** Asks, before any ballot is disturbed, whether there is a primary (works like a pre-vote). */
export interface StatusQuery {
  readonly kind: 'status-query';
  /** Echoed by the reply. */
  readonly round: number;
}

export interface StatusReply {
  readonly kind: 'status-reply';
  readonly round: number;
  readonly promised: Ballot;
  readonly chosen: Slot;
  /** The sender is a primary with a quorum, or has heard from one within the election timeout. */
  readonly primaryAlive: boolean;
  /** The sender's priority, where it would stand itself; else 0. Also 0 where it hears a primary. */
  readonly standing: number;
}

/** Phase 1a. `from` is the first slot that the candidate does not know to be chosen. */
export interface Prepare {
  readonly kind: 'prepare';
  readonly ballot: Ballot;
  readonly from: Slot;
}

/** Phase 1b, one for each decree accepted at or above `from` and not known chosen; then `Promised`. */
export interface PromiseEntry {
  readonly kind: 'promise-entry';
  readonly ballot: Ballot;
  readonly slot: Slot;
  readonly acceptedBallot: Ballot;
  readonly decree: DecreeReference;
}

/** Phase 1b, last part: durable before it leaves. */
export interface Promised {
  readonly kind: 'promised';
  readonly ballot: Ballot;
  /** Entries sent before this. The promise counts only with all of them. */
  readonly entries: number;
  /** All slots up to this are chosen as far as the acceptor knows; it sent no entries for them. */
  readonly chosen: Slot;
}

/** Phase 2a. */
export interface Accept {
  readonly kind: 'accept';
  readonly ballot: Ballot;
  readonly slot: Slot;
  readonly chosen: Slot;
  readonly decree: DecreeReference;
}

/** Phase 2b, cumulative: the decrees of `ballot` for every slot from `from` to `through` are durable here. */
export interface Accepted {
  readonly kind: 'accepted';
  readonly ballot: Ballot;
  readonly from: Slot;
  readonly through: Slot;
}

/** The primary lives, and this is chosen. Sent at once when something was chosen and no accept carries it. */
export interface Heartbeat {
  readonly kind: 'heartbeat';
  readonly ballot: Ballot;
  readonly chosen: Slot;
  /** Echoed by the reply. */
  readonly round: number;
}

/** Carries what `Accepted` does (`through` 0 where nothing was accepted under the ballot). */
export interface HeartbeatReply {
  readonly kind: 'heartbeat-reply';
  readonly ballot: Ballot;
  readonly round: number;
  readonly from: Slot;
  readonly through: Slot;
  readonly chosen: Slot;
  /** The sender's priority, where it would take the primaryship; else 0. */
  readonly standing: number;
}

/** From a primary to the member that it leaves the primaryship to, and that has every decree up to `last`. */
export interface HandOver {
  readonly kind: 'hand-over';
  readonly ballot: Ballot;
  /** The last slot proposed under `ballot`. */
  readonly last: Slot;
}

/** The sender does not take the primaryship from who leads under `ballot`. */
export interface HandOverDeclined {
  readonly kind: 'hand-over-declined';
  readonly ballot: Ballot;
}

/** The sender no longer leads under `ballot`, and has handed over to nobody: whoever can, stands. */
export interface Resign {
  readonly kind: 'resign';
  readonly ballot: Ballot;
}

/** The sender of a message under `ballot` is behind `promised`. */
export interface Refuse {
  readonly kind: 'refuse';
  readonly ballot: Ballot;
  readonly promised: Ballot;
}

/** Asks for chosen decrees from slot `from` on, up to about `bytesMax` bytes. */
export interface Fetch {
  readonly kind: 'fetch';
  readonly from: Slot;
  readonly bytesMax: number;
}

/** One chosen decree, and the ballot under which the sender has it. */
export interface Learn {
  readonly kind: 'learn';
  readonly slot: Slot;
  readonly ballot: Ballot;
  readonly decree: DecreeReference;
}

/** Ends the answer to a fetch; `through` is the last slot sent, `chosen` what the sender knows to be chosen. */
export interface FetchEnd {
  readonly kind: 'fetch-end';
  readonly through: Slot;
  readonly chosen: Slot;
}

/** The sender works under an older configuration than the receiver of its message. */
export interface Defunct {
  readonly kind: 'defunct';
  readonly chosen: Slot;
}

/** A replica that is no member (new disk, new name, or taken out) tells that it could be one; with a new disk it asks to be let in. */
export interface Join {
  readonly kind: 'join';
  readonly id: string;
  readonly incarnation: string;
  readonly chosen: Slot;
  /** The number that this disk had, and this very process has not forgotten; 0 where it had none. */
  readonly former: MemberNumber;
}

/** The first configuration, from the replica that drew it up or from one that has it. */
export interface Genesis {
  readonly kind: 'genesis';
  readonly configuration: Configuration;
}

/** Which slot must the sender's reads up to number `read` wait for? */
export interface ReadQuery {
  readonly kind: 'read-query';
  /** Of the sender's process, drawn at random. */
  readonly life: number;
  readonly read: number;
}

/** Everything that was executed anywhere before those reads were made is in the slots up to `slot`. */
export interface ReadReply {
  readonly kind: 'read-reply';
  readonly life: number;
  readonly read: number;
  readonly slot: Slot;
}

/** With a heartbeat: promise nobody else anything for so long from the receipt on, by your clock. */
export interface LeaseRequest {
  readonly kind: 'lease-request';
  readonly ballot: Ballot;
  /** That of the heartbeat. */
  readonly round: number;
  readonly durationMs: number;
}

/** The sender promises nobody else anything, for as long as was asked from when it received that round. */
export interface LeaseGrant {
  readonly kind: 'lease-grant';
  readonly ballot: Ballot;
  readonly round: number;
}

/** The sender answers no more by what it was granted under `ballot` so far. */
export interface LeaseRelease {
  readonly kind: 'lease-release';
  readonly ballot: Ballot;
}

/** Like a read query and its answer, for reads that a lease may answer. */
export interface LeaseQuery extends Omit<ReadQuery, 'kind'> {
  readonly kind: 'lease-query';
}
export interface LeaseReply extends Omit<ReadReply, 'kind'> {
  readonly kind: 'lease-reply';
}

export type Message =
  | StatusQuery
  | StatusReply
  | Prepare
  | PromiseEntry
  | Promised
  | Accept
  | Accepted
  | Heartbeat
  | HeartbeatReply
  | HandOver
  | HandOverDeclined
  | Resign
  | Refuse
  | Fetch
  | Learn
  | FetchEnd
  | Defunct
  | Join
  | Genesis
  | ReadQuery
  | ReadReply
  | LeaseRequest
  | LeaseGrant
  | LeaseRelease
  | LeaseQuery
  | LeaseReply;

export type MessageKind = Message['kind'];
