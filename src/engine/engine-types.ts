/** What the engine is made of and what it tells. */

import type { Crc32c } from '../checksum.js';
import type { SynodError } from '../errors.js';
import type { Limits } from '../limits.js';
import type { Logger } from '../logger.js';
import type { Role } from '../protocol/effects.js';
import type { LeaseOptions } from '../protocol/lease.js';
import type { ChangeOutcome } from '../protocol/reconfiguration.js';
import type { CheckpointStore } from '../storage/checkpoint-store.js';
import type { LogMedium, SegmentMemoryReference } from '../storage/log-medium.js';
import type { Address, Connection, Transport } from '../transport/transport.js';
import type { ProtocolVersions } from '../wire/frame.js';
import type { ResolveAddress } from './address-resolver.js';
import type { Bridge } from './bridge.js';
import type { CopyOutcome } from './checkpoint-demand.js';
import type { CheckpointNotice } from './checkpoints.js';
import type { OrderRefusal } from './engine-leadership.js';
import type { BootstrapOutcome } from './first-configuration.js';
import type { CopyBytes } from './log-writer.js';
import type { RecoveredLog } from './recover.js';

/** What the engine tells the application's side, beside what goes over the bridge. */
export type EngineEvent =
  | { readonly kind: 'memory'; readonly segment: number; readonly reference: SegmentMemoryReference }
  | { readonly kind: 'memory-gone'; readonly segment: number }
  /** No segment has its memory in that region any more, nor will one. */
  | { readonly kind: 'region-gone'; readonly region: number }
  | { readonly kind: 'chunk'; readonly chunk: number; readonly buffer: SharedArrayBuffer }
  | { readonly kind: 'chunk-gone'; readonly chunk: number }
  | {
      readonly kind: 'role';
      readonly role: Role;
      /** Id of the primary, or null. */
      readonly primary: string | null;
      readonly ballot: string;
      /** Of a primary: the last slot that its predecessors may have proposed; else 0. */
      readonly openThrough: number;
    }
  /** What became of the order of that number: null where it was carried out. */
  | { readonly kind: 'order-answered'; readonly request: number; readonly refusal: OrderRefusal | null }
  | { readonly kind: 'peer'; readonly id: string; readonly connected: boolean }
  /** Before any decree is handed over. */
  | { readonly kind: 'first-configuration'; readonly bytes: Uint8Array }
  /** The newest checkpoint, which is of this slot, was found damaged when a peer copied it. */
  | { readonly kind: 'checkpoint-damaged'; readonly slot: number }
  /** What became of the order to copy one. Number 0: who gave the order waits for it no more. */
  | { readonly kind: 'copy-settled'; readonly request: number; readonly outcome: CopyOutcome }
  /** In force here from now on; `recovered` is the number of the one that was when the replica was opened. */
  | { readonly kind: 'configuration'; readonly bytes: Uint8Array; readonly recovered: number }
  | { readonly kind: 'bootstrap-settled'; readonly request: number; readonly outcome: BootstrapOutcome }
  | { readonly kind: 'change-settled'; readonly request: number; readonly outcome: ChangeOutcome }
  /** Where is this member now? Its address as the configuration has it, or the options. */
  | { readonly kind: 'resolve'; readonly request: number; readonly id: string; readonly address: string }
  /** May this replica lead? */
  | { readonly kind: 'ask-to-lead'; readonly request: number }
  /** May member `id`, with that cookie, have this replica's votes? */
  | {
      readonly kind: 'ask-to-vote';
      readonly request: number;
      readonly id: string;
      readonly cookie: Uint8Array;
    }
  | { readonly kind: 'storage-full'; readonly full: boolean }
  | { readonly kind: 'fenced'; readonly error: SynodError };

/** What tells of memory says nothing to the application's listeners, and may be waited for in the middle of a call. */
export function isOfMemory({ kind }: EngineEvent): boolean {
  return (
    kind === 'memory' ||
    kind === 'memory-gone' ||
    kind === 'region-gone' ||
    kind === 'chunk' ||
    kind === 'chunk-gone'
  );
}

export interface EngineStatus {
  readonly role: Role;
  /** Id of the primary that this replica knows of, or null. */
  readonly primary: string | null;
  /** `round.member` of the ballot that the primary proposes under; `-` where none is known. */
  readonly ballot: string;
  /** Number of the configuration in force; 0 before the first. */
  readonly configuration: number;
  /** Of the protocol: the one in force (0 before the first configuration), and which this build speaks. */
  readonly version: ProtocolVersions & { readonly inForce: number };
  /** Every slot up to this is known to be chosen. */
  readonly chosen: number;
  readonly storage: { readonly kind: string; readonly reason: string; readonly durable: boolean };
  readonly transport: { readonly kind: string; readonly reason: string };
  /** `lag`: slots that the peer has not acknowledged yet; null on replicas that do not know (only the primary does). */
  readonly peers: readonly {
    readonly id: string;
    readonly connected: boolean;
    readonly lag: number | null;
    /** The highest version of the protocol that it speaks; null where it is not linked. */
    readonly versionMax: number | null;
  }[];
  /** Payload bytes copied on their way from callers' and receive buffers into the log. */
  readonly bytesCopied: number;
  /** Payload bytes put in the log. */
  readonly bytesLogged: number;
  /** Times that the log was made durable. */
  readonly persists: number;
}

export interface EngineOptions {
  readonly cluster: string;
  readonly replica: string;
  readonly members: readonly { readonly id: string; readonly address: Address }[];
  readonly electionTimeoutMs: number;
  readonly heartbeatMs: number;
  readonly leadership: {
    readonly priority: number;
    readonly standsWhileCatchingUp: boolean;
    /** The application is asked before this replica stands, and whom it votes for. Default: false. */
    readonly asksToLead?: boolean;
    readonly asksToVote?: boolean;
  };
  readonly limits: Limits;
  /** Null or absent: no leases. */
  readonly leases?: { readonly clockDriftMax: number } | null;
  /** Of the protocol, that this build speaks. Default: `PROTOCOL_VERSIONS`; others only where builds are tried together. */
  readonly versions?: ProtocolVersions;
}

/** A lease is over before any secondary stands for election: a primary that dies is replaced as soon as ever. */
export function leaseOf({ leases, electionTimeoutMs }: EngineOptions): LeaseOptions | null {
  return leases == null ? null : { durationMs: electionTimeoutMs, clockDriftMax: leases.clockDriftMax };
}

export interface EngineParts {
  readonly options: EngineOptions;
  readonly medium: LogMedium;
  readonly transport: Transport;
  readonly bridge: Bridge;
  readonly recovered: RecoveredLog;
  readonly diskIncarnation: Uint8Array;
  readonly logger: Logger;
  readonly crc32c: Crc32c;
  readonly copy: CopyBytes;
  /** Bytes copied by `copy` so far. */
  readonly bytesCopied: () => number;
  /** Where this replica keeps checkpoints, and those that there are; null or absent where it keeps none. */
  readonly checkpoints?: { readonly store: CheckpointStore; readonly notice: CheckpointNotice | null } | null;
  /** Why the other end of a connection may not speak for replica `id`, or null; without it, everybody may. */
  readonly authenticate?: (connection: Connection, id: string) => string | null;
  /** Where a peer is to be dialled; without it, at the address of the options or the configuration. */
  readonly resolve?: ResolveAddress;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** Milliseconds since 1970, for people who read the log's files. */
  readonly wallNow: () => number;
  readonly random: () => number;
  readonly drawNonce: () => readonly [number, number];
  /** Calls `turn` soon, on this thread. */
  readonly schedule: () => void;
  /** Calls back on this thread after so many milliseconds, in a turn of its own. */
  readonly later: (afterMs: number, call: () => void) => void;
  /** Wakes the application. */
  readonly wakeApplication: () => void;
  readonly emit: (event: EngineEvent) => void;
  /** Memory of an outbox chunk of the application. */
  readonly outbox: (chunk: number) => Uint8Array;
}
