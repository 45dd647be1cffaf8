/** What a service implements. Runs on the application's thread. */

/**
 * The commands of one decree, as views of the log's memory: nothing is copied. Valid only during the call of
 * `apply`; copy what must outlive it.
 */
export interface Decree<Result> extends Iterable<CommandView<Result>> {
  /** The decree's position in the log. Grows by at least one from call to call, and is the same on every replica. */
  readonly slot: number;
  /** Commands in this decree, at least 1. */
  readonly count: number;
  /** The memory that all commands of the decree lie in. */
  readonly bytes: Uint8Array;
  /** The same memory, for reading numbers without making views. */
  readonly view: DataView;
  /** Where command `index` begins in `bytes`. */
  start(index: number): number;
  /** Where command `index` ends in `bytes`. */
  end(index: number): number;
  /** Command `index` as a view. Allocates one object: use `start` and `end` where that counts. */
  command(index: number): Uint8Array;
  /**
   * Gives the result of command `index` to the caller that waits for it, if it waits on this replica; else does nothing.
   * A command without a result resolves with `undefined`.
   */
  reply(index: number, result: Result): void;
  /**
   * What the caller of command `index` gave along (`replicate(command, { context })`), if the command was given to this replica since it
   * was opened, and before its reply; else undefined. It does not travel: what `apply` does to the state must not depend on it.
   */
  context(index: number): unknown;
  /** True where a caller on this replica waits for the result of command `index`, so that making one is worth it. */
  isAwaited(index: number): boolean;
}

/** One command, for state machines that prefer to iterate. */
export interface CommandView<Result> {
  readonly bytes: Uint8Array;
  /** Does nothing once the decree is over. */
  reply(result: Result): void;
}

/**
 * A deterministic state machine: the same decrees in the same order lead every replica to the same state. No
 * clocks, no random numbers, no I/O, no iteration order that differs between processes.
 */
export interface StateMachine<Result = unknown, Query = unknown, Answer = unknown> {
  /**
   * Executes the commands of one decree, in order, synchronously. Each command is applied exactly once on each
   * replica. If it throws, the replica is fenced (`ERR_SYNOD_STATE_MACHINE`): there is no state that would be
   * the same everywhere to go on from. Returning a promise (an `async` method) is taken for throwing.
   */
  apply(decree: Decree<Result>): void;
  /**
   * Answers a query from the state as it is, and changes nothing. Called between two decrees, for `Replica.read`. `query` is what the caller
   * gave, as it is. A promise may be returned: decrees go on being executed until it resolves, so what the answer is made of
   * must be taken from the state before the first `await`. What it throws is thrown to the caller, and nothing else happens.
   */
  read?(query: Query): Answer | PromiseLike<Answer>;
  /** Called before `apply`, with the same decree. Must be as deterministic; if it throws, the replica is fenced likewise. */
  beforeDecree?(decree: Decree<Result>): void;
  /** Called behind `apply`, likewise. Not called where that throws. */
  afterDecree?(decree: Decree<Result>): void;
  /** A digest of the whole state, equal on all replicas at equal slots. Shown by `status`; may be slow. */
  digest?(): string;
  /**
   * The whole state as it is at the time of the call, in pieces of any size, for a checkpoint; null to make none now: it is
   * asked again before long. The first
   * piece is asked for at once, the others one after another as the disk takes them. A piece may be used again once the next one is asked
   * for. Goes with `restore`; without the two the log is kept for ever.
   *
   * Until the last piece was given, `apply` is not called, unless `appliesDuringCheckpoint` is true.
   */
  takeCheckpoint?(): Iterable<Uint8Array> | AsyncIterable<Uint8Array> | null;
  /**
   * Puts the state of a checkpoint in the place of the state there is. The pieces add up to those of `takeCheckpoint`, cut anew.
   * `apply` is not called before it has resolved. Where `state` throws, the checkpoint is damaged: reject with that error.
   */
  restore?(state: AsyncIterable<Uint8Array>): Promise<void>;
  /** Looked at after decrees: true for a checkpoint before one is due, when much of the log has become worth nothing. */
  readonly wantsCheckpoint?: boolean;
  /** The pieces of `takeCheckpoint` are those of the time of the call, whatever `apply` does meanwhile. */
  readonly appliesDuringCheckpoint?: boolean;
}
