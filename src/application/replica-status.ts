/** What a replica tells of itself when it is asked. */

export type ReplicaRole = 'inactive' | 'learner' | 'secondary' | 'candidate' | 'preparing' | 'primary';

export interface ReplicaStatus {
  /** This replica's id. */
  readonly replica: string;
  readonly role: ReplicaRole;
  /** Id of the primary that this replica knows of, or null. */
  readonly primary: string | null;
  /** `round.member` of the ballot that the primary proposes under; `-` where none is known. */
  readonly ballot: string;
  /** Number of the configuration in force; 0 before the first. */
  readonly configuration: number;
  /** Every slot up to this is known to be chosen. */
  readonly chosen: number;
  /** Every decree up to this slot was executed by the state machine here. */
  readonly applied: number;
  /** The state machine's digest after `applied`; null where it has none. Equal on all replicas at equal `applied`. */
  readonly stateDigest: string | null;
  readonly storage: { readonly kind: string; readonly reason: string; readonly durable: boolean };
  readonly transport: { readonly kind: string; readonly reason: string };
  /** `lag`: slots that the peer has not acknowledged yet; null on replicas that do not know (only the primary does). */
  readonly peers: readonly {
    readonly id: string;
    readonly connected: boolean;
    readonly lag: number | null;
  }[];
  /** Payload bytes copied on their way from callers' and receive buffers into the log. */
  readonly bytesCopied: number;
  /** Payload bytes put in the log. */
  readonly bytesLogged: number;
  /** Times that the log was made durable. */
  readonly persists: number;
  /** Bytes of commands that wait for their results, and 64 for each. */
  readonly outstandingBytes: number;
}
