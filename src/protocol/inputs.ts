/** Everything that can happen to the protocol. Time comes with each step as a number of milliseconds. */

import type { Ballot, MemberNumber } from './ballot.js';
import type { Configuration } from './configuration.js';
import type { DecreeReference, Slot } from './decree.js';
import type { Standing } from './leadership.js';
import type { Message } from './messages.js';
import type { MemberChange, VersionRaise } from './reconfiguration.js';

/** Who is at the other end of a link: a member's number, or a number above `MEMBER_NUMBER_MAX` for an outsider. */
export type PeerNumber = number;

export type Input =
  /** Time has passed. */
  | { readonly kind: 'tick' }
  /** A link to the peer stands; what is sent on it arrives in order or the link breaks. */
  | {
      readonly kind: 'peer-up';
      readonly peer: PeerNumber;
      /** The highest version of the protocol that it speaks. Default: 1. */
      readonly versionMax?: number;
    }
  /** It broke: what was sent may or may not have arrived. */
  | { readonly kind: 'peer-down'; readonly peer: PeerNumber }
  /** The link's send queue is over, or again under, its bound. */
  | { readonly kind: 'congestion'; readonly peer: PeerNumber; readonly congested: boolean }
  | {
      readonly kind: 'message';
      readonly from: PeerNumber;
      /** The sender's configuration number; 0 where it has none. */
      readonly configuration: number;
      readonly message: Message;
    }
  /** The peer that was asked for decrees sends a checkpoint instead, and goes on doing so: it is not to be asked again. */
  | { readonly kind: 'catching-up'; readonly peer: PeerNumber }
  /** What came of it cannot be kept here, or is damaged: it is asked for again before long. */
  | { readonly kind: 'copy-lost' }
  /**
   * A checkpoint of the state behind `slot` is durable here: every slot up to it is chosen, and `configuration` is in force
   * behind it. Its decrees will not come. `promised`: by whoever made it, and so no lower than the ballot that decided the configuration.
   */
  | {
      readonly kind: 'installed';
      readonly slot: Slot;
      readonly configuration: Configuration;
      readonly promised: Ballot;
    }
  /** All `append` effects up to number `write` are durable. */
  | { readonly kind: 'durable'; readonly write: number }
  /** The primary is to put another configuration into the place of the one in force. `change-settled` answers. */
  | { readonly kind: 'change'; readonly change: MemberChange | VersionRaise }
  /** Whether this replica can append to its log. While it cannot, it neither leads nor stands for election. */
  | { readonly kind: 'able'; readonly able: boolean }
  /** How fit this replica is to lead; see `Standing`. */
  | { readonly kind: 'standing'; readonly standing: Standing }
  /** Stand for election now, although there may be a primary. `request` names it in a `leadership-refused`. */
  | { readonly kind: 'promote'; readonly request: number; readonly evenIfBehind: boolean }
  /** Hand the primaryship over to member `to`, or to whoever is fit (0). `request` as above. */
  | { readonly kind: 'relinquish'; readonly request: number; readonly to: MemberNumber }
  /** From now on. */
  | {
      readonly kind: 'timeouts';
      readonly timeouts: { readonly electionTimeoutMs: number; readonly heartbeatMs: number };
    }
  /** A batch of commands to propose. Only while `Replica.canPropose`. */
  | { readonly kind: 'propose'; readonly decree: DecreeReference }
  /** These peers get no vote from here on, and all others do. A vote that was given stays given. */
  | { readonly kind: 'withhold'; readonly from: ReadonlySet<PeerNumber> }
  /** What the application says to the `ask-to-lead` of that number. */
  | { readonly kind: 'may-lead'; readonly request: number; readonly may: boolean }
  /** The application makes linearizable reads, up to number `read`. */
  | { readonly kind: 'read'; readonly read: number }
  /** It makes reads that a lease may answer, up to number `read`; they have numbers of their own. */
  | { readonly kind: 'lease-read'; readonly read: number };
