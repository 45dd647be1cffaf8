/** What the key-value service uses of a replica: the part of the public API that it is built on. */

import type {
  BootstrapOptions,
  BootstrapResult,
  ChangeOptions,
  ConfigurationMember,
  Consistency,
  MemberHealth,
  MemberSet,
  PromoteOptions,
  RaiseOptions,
  RelinquishOptions,
  Statistics,
} from '../index.js';

export interface ReplicateOptionsLike {
  readonly signal?: AbortSignal;
  /** Milliseconds after which the call rejects with `ERR_SYNOD_TIMEOUT`. */
  readonly timeoutMs?: number;
}

export interface ReadOptionsLike extends ReplicateOptionsLike {
  readonly consistency?: Consistency;
}

/** The fields of a replica's status that `INFO` shows. */
export interface ReplicaStatusLike {
  readonly replica: string;
  readonly role: string;
  readonly primary: string | null;
  readonly ballot: unknown;
  readonly chosen: number | bigint;
  readonly applied: number | bigint;
  readonly stateDigest: string | null;
  readonly storage: { readonly kind: string; readonly reason: string };
  readonly transport: { readonly kind: string; readonly reason: string };
  readonly peers: readonly {
    readonly id: string;
    readonly connected: boolean;
    readonly lag: number | null;
    readonly versionMax?: number | null;
  }[];
  /** Of the protocol. */
  readonly version?: { readonly inForce: number; readonly max: number };
  readonly bytesCopied: number;
  readonly bytesLogged: number;
}

export interface ReplicaLike {
  /**
   * Resolves with what the local state machine replied for `command`. The bytes are copied before the call
   * returns. Rejects with a `SynodError`, whose `outcome` tells whether the command may still be executed.
   */
  replicate(command: Uint8Array, options?: ReplicateOptionsLike): Promise<Uint8Array | undefined>;
  /**
   * What the local state machine answers to `query`, having executed everything that was answered anywhere before the call, or what
   * `consistency` says; null where the state alone does not tell. Without it, what only reads goes through the log too.
   */
  read?(query: Uint8Array, options?: ReadOptionsLike): Promise<{ readonly value: Uint8Array | null }>;
  /** Stands for everything that the local state machine has executed. */
  token?(): string;
  status(): Promise<ReplicaStatusLike>;
  /** Shown by `INFO` where they are there. */
  health?(): Promise<readonly MemberHealth[]>;
  statistics?(): Statistics;
  /** What `SYNOD ...` is for; without them it is refused. */
  readonly configuration?: MemberSet | null;
  changeConfiguration?(members: readonly ConfigurationMember[], options?: ChangeOptions): Promise<number>;
  bootstrap?(members: readonly ConfigurationMember[], options?: BootstrapOptions): Promise<BootstrapResult>;
  promote?(options?: PromoteOptions): Promise<void>;
  raiseProtocolVersion?(options?: RaiseOptions): Promise<number>;
  relinquish?(options?: RelinquishOptions): Promise<string>;
}
