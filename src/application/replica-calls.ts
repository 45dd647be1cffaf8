/** Options of the calls of a replica. */

import type { CallOptions } from './call-options.js';
import type { Consistency, ReadCallOptions } from './reads.js';

export interface ReplicateOptions extends CallOptions {
  /**
   * Given to this replica's own state machine with the command (`decree.context(index)`), and to no other: it is not sent. `replicateBatch`
   * takes none.
   */
  readonly context?: unknown;
  /** Gives the command a decree of its own: nothing stands beside it there, whoever proposes it. Default: false. */
  readonly exclusive?: boolean | undefined;
  /**
   * The primary that proposes the command proposes nothing behind it, and hands over once it has executed it, to whoever is fit; if nobody
   * is, it goes on. Commands that wait behind it go to the next primary and do not fail. Implies `exclusive`. Default: false.
   */
  readonly last?: boolean | undefined;
  /** Gives up waiting. Once submitted, the command may be executed all the same: the outcome is `unknown`. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds to wait, 1 to 2^31 - 1. Default: without end. */
  readonly timeoutMs?: number | undefined;
}

export interface PromoteOptions {
  /** Also where it has more to learn or to execute first: the cluster waits for it. Default: false. */
  readonly evenIfBehind?: boolean | undefined;
}

export interface RaiseOptions {
  /** Of the protocol, a whole number from 1 on. Default: the highest that all members speak. */
  readonly version?: number | undefined;
}

export interface RelinquishOptions {
  /** Id of the member that is to lead. Default: whoever is fit. */
  readonly to?: string | undefined;
}

export interface ReadOptions extends ReadCallOptions {
  /**
   * What the read must see. Default: `'linearizable'`.
   *
   * - `'linearizable'`: all that was executed anywhere in the cluster, and answered, before the call. A majority is asked, and nothing is written.
   * - `'lease'`: the same, as long as no clock drifts further than `leases` in the options says. The primary answers at once, without asking
   *   anybody, while a majority has promised to elect nobody else; other replicas ask the primary alone. Else it is like `'linearizable'`.
   * - `{ after: token }`: all that the token stands for. Nobody is asked; it waits until this replica has executed so much.
   * - `{ maxAgeMs }`: all that was executed anywhere up to `maxAgeMs` before the call, 0 or more. A majority is asked only where this
   *   replica has not asked for longer than that; so many such reads cost a question every `maxAgeMs`.
   */
  readonly consistency?: Consistency | undefined;
  /** Gives up waiting. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds to wait, 1 to 2^31 - 1. Default: without end. */
  readonly timeoutMs?: number | undefined;
}

export interface CopyOptions {
  /** Id of the peer whose checkpoint it is to be. Default: any peer that has a newer one than this replica; the primary is asked last. */
  readonly from?: string | undefined;
  /** Gives up. Nothing is left of a copy that was not whole by then. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until it gives up, 1 to 2^31 - 1. Default: without end, as long as there is progress. */
  readonly timeoutMs?: number | undefined;
}
