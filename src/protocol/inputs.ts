/** Everything that can happen to the protocol. Time comes with each step as a number of milliseconds. */

import type { Configuration } from './configuration.js';
import type { DecreeReference, Slot } from './decree.js';
import type { Message } from './messages.js';

/** Who is at the other end of a link: a member's number, or a number above `MEMBER_NUMBER_MAX` for an outsider. */
export type PeerNumber = number;

export type Input =
  /** Time has passed. */
  | { readonly kind: 'tick' }
  /** A link to the peer stands; what is sent on it arrives in order or the link breaks. */
  | { readonly kind: 'peer-up'; readonly peer: PeerNumber }
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
  /**
   * A checkpoint of the state behind `slot` is durable here: every slot up to it is chosen, and `configuration` is in force
   * behind it. Its decrees will not come.
   */
  | { readonly kind: 'installed'; readonly slot: Slot; readonly configuration: Configuration }
  /** All `append` effects up to number `write` are durable. */
  | { readonly kind: 'durable'; readonly write: number }
  /** Whether this replica can append to its log. While it cannot, it neither leads nor stands for election. */
  | { readonly kind: 'able'; readonly able: boolean }
  /** A batch of commands to propose. Only while `Replica.canPropose`. */
  | { readonly kind: 'propose'; readonly decree: DecreeReference };
