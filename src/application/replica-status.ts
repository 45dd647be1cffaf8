/** What a replica tells of itself when it is asked. */

import type { EngineStatus } from '../engine/engine-types.js';
import type { DiskAlert } from './disk-alerts.js';

export type ReplicaRole = EngineStatus['role'];

export interface ReplicaStatus extends EngineStatus {
  /** This replica's id. */
  readonly replica: string;
  /** Every decree up to this slot was executed by the state machine here. */
  readonly applied: number;
  /**
   * The state machine's digest after `applied`; null where it has none, and where the state is that of no slot. Equal on all replicas at
   * equal `applied`.
   */
  readonly stateDigest: string | null;
  /** Bytes of commands that wait for their results, and 64 for each. */
  readonly outstandingBytes: number;
  /** What is beyond a bound of `alerts` in the options, as last measured. */
  readonly alerts: readonly DiskAlert[];
}
