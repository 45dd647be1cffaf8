/** What happens to a replica, as its listeners hear it. */

import type { SynodError } from '../errors.js';
import type { DiskAlert } from './disk-alerts.js';
import type { MemberSetChange } from './membership.js';
import type { ReplicaRole } from './replica-status.js';

export interface ReplicaEvents {
  /** The role of this replica, or the primary that it knows of, changed. */
  role: [status: { readonly role: ReplicaRole; readonly primary: string | null; readonly ballot: string }];
  /** This replica leads from now on, under this ballot. */
  primary: [primary: { readonly ballot: string }];
  /**
   * This replica leads, and its state machine has executed everything that earlier primaries proposed, the last of it in `slot`: what it
   * executes from here on was proposed by this one.
   */
  recovered: [recovered: { readonly slot: number }];
  /**
   * This replica began or ceased to lead, or to be stable: `isStable` is true of a primary that has recovered, and of a secondary that
   * follows a primary. Once `isPrimary` is false, commands that still wait here go to the next primary by themselves.
   */
  status: [status: { readonly isPrimary: boolean; readonly isStable: boolean }];
  /** A link to a peer came up or broke. */
  peer: [peer: { readonly id: string; readonly connected: boolean }];
  /** The storage has no space for another segment (the replica waits, and does not lead), or has space again. */
  storageFull: [full: boolean];
  /** Something on the disk went beyond a bound of `alerts` in the options, or is back within it by a sixteenth. */
  alert: [alert: DiskAlert];
  /**
   * A checkpoint of the state behind `slot` is durable: made by this replica, or copied from a peer: because it was
   * asked for (`copyCheckpoint`), or to catch up, and then it is restored too.
   */
  checkpoint: [
    checkpoint: { readonly slot: number; readonly bytes: number; readonly source: 'made' | 'copied' },
  ];
  /**
   * The member set changed, and everything before that was executed here. Told on members of the old and of the new set, and on
   * whoever else learns of it. A replica that is no member any more takes no commands (`ERR_SYNOD_INACTIVE`).
   */
  configuration: [change: MemberSetChange];
  /** A fault was met that must not be continued from. All calls reject with `ERR_SYNOD_FENCED` from here on. */
  fenced: [error: SynodError];
}
