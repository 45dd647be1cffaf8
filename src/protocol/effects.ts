/** Everything that the protocol wants done, in this order, before the next step. */

import type { Ballot, MemberNumber } from './ballot.js';
import type { Configuration } from './configuration.js';
import type { DecreeReference, Slot } from './decree.js';
import type { PeerNumber } from './inputs.js';
import type { LeadershipRefusal } from './leadership.js';
import type { Message } from './messages.js';
import type { ChangeOutcome } from './reconfiguration.js';

export type Role = 'inactive' | 'learner' | 'secondary' | 'candidate' | 'preparing' | 'primary';

export type LogRecord =
  | { readonly kind: 'promise'; readonly ballot: Ballot }
  | {
      readonly kind: 'accept';
      readonly ballot: Ballot;
      readonly slot: Slot;
      readonly decree: DecreeReference;
    }
  | { readonly kind: 'learn'; readonly ballot: Ballot; readonly slot: Slot; readonly decree: DecreeReference }
  | { readonly kind: 'genesis'; readonly configuration: Configuration }
  /** All up to `slot` is in a checkpoint that was copied: what the log has of these slots may not be what was chosen. */
  | { readonly kind: 'jump'; readonly slot: Slot };

export type Effect =
  /** Append to the log; `write` grows by one each. `durable` answers. */
  | { readonly kind: 'append'; readonly write: number; readonly record: LogRecord }
  /** Send, with the number of the configuration that was in force when it was written; lost silently if the link is down. */
  | {
      readonly kind: 'send';
      readonly to: PeerNumber;
      readonly configuration: number;
      readonly message: Message;
    }
  /** Keep the decree's payload beyond this turn: it lies in a receive buffer. */
  | { readonly kind: 'retain'; readonly decree: DecreeReference }
  /** Every slot up to `through` is chosen and in the log: apply. */
  | { readonly kind: 'chosen'; readonly through: Slot }
  /** Read chosen decrees from slot `from` to `through` in the log, about `bytesMax` bytes, send them, then a `fetch-end`. */
  | {
      readonly kind: 'serve-fetch';
      readonly to: PeerNumber;
      readonly from: Slot;
      readonly through: Slot;
      readonly bytesMax: number;
    }
  /** Nothing comes of the `promote` or `relinquish` of that number. */
  | {
      readonly kind: 'leadership-refused';
      readonly request: number;
      readonly reason: LeadershipRefusal;
    }
  /** May this replica lead? `may-lead` answers; where it does not for long, that is a no. */
  | { readonly kind: 'ask-to-lead'; readonly request: number }
  /** The application's reads up to number `read` may be made once every slot up to `slot` is applied. */
  | { readonly kind: 'read-slot'; readonly read: number; readonly slot: Slot; readonly isLease: boolean }
  /** Whatever happens meanwhile, a step is wanted after so many milliseconds, or a little later; instead of one wanted before. */
  | { readonly kind: 'step-later'; readonly afterMs: number }
  /** The role, or the primary that this replica knows of (0: none), or the configuration changed. */
  | { readonly kind: 'status'; readonly role: Role; readonly primary: MemberNumber; readonly ballot: Ballot }
  | { readonly kind: 'configuration'; readonly configuration: Configuration; readonly self: MemberNumber }
  /** What became of the `change` of that number: told once for each. */
  | { readonly kind: 'change-settled'; readonly request: number; readonly outcome: ChangeOutcome };
