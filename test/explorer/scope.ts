/** What an exploration bounds: everything that may happen, and how often. Within the bounds, everything does. */

export interface Scope {
  readonly name: string;
  readonly about: string;
  /**
   * `ordered`: a link keeps the order and loses everything from some point on, as the transports do. `unordered`: messages
   * arrive in any order, any number of times, or never, and also those of a former life.
   */
  readonly network: 'ordered' | 'unordered';
  /** Replicas in all, 3 or 4; a, b and c are the first members. A fourth, d, is linked, and has asked to be let in. */
  readonly replicas?: number;
  /** `led`: replica a was elected and nothing is under way. `idle`: everyone has just been started. */
  readonly beginning: 'idle' | 'led';
  /** Then these steps, as traces write them; they are taken from the budgets. */
  readonly opening?: readonly string[];
  /** Decrees that are given to primaries. */
  readonly proposals: number;
  /** How often each replica loses patience. Who has none never stands for election. */
  readonly timeouts: readonly number[];
  /**
   * How often each, while it is a secondary, hears nothing for an election timeout and does not stand either. Without that, or
   * a broken link, it goes on believing in its primary, and nobody else is elected.
   */
  readonly silences?: readonly number[];
  /** Links that break. Each stands again when its ends notice, if ever. */
  readonly breaks: number;
  /** Crashes, and who may: with every prefix of what was not durable yet. */
  readonly crashes: number;
  readonly mayCrash: readonly number[];
  /** The last replica comes back with an empty disk before anything else happens, and asks to be let in again. */
  readonly isWiped?: boolean;
  /** Disks lost at any time, and whose. */
  readonly wipes?: number;
  readonly mayLose?: readonly number[];
  /** Member sets that primaries are asked for, one after the other; a later one may be asked of another primary than the one before. */
  readonly changes?: readonly (readonly string[])[];
  /** How often somebody who does not lead is told to, and whoever leads is told to hand over. */
  readonly promotions?: number;
  readonly relinquishes?: number;
  /** Linearizable reads, by any member. */
  readonly reads?: number;
  /** Too large to be finished: the states that are reached first, breadth first, up to so many. */
  readonly statesMax?: number;
  /** Of the protocol's timers: whether heartbeats and requests are repeated within an election timeout. */
  readonly repeats?: boolean;
}
