/** When the next checkpoint is due: by bytes executed, by time, or because the state machine asks for one. */

export interface CheckpointPolicy {
  /** A checkpoint is made when so many bytes of commands were executed since the last one. */
  readonly everyBytes: number;
  /** Or when so many milliseconds have passed since then and anything was executed; null for never. */
  readonly everyMs: number | null;
  /** So many checkpoints are kept, and the log behind the oldest of them. */
  readonly retain: number;
}

/** Part of `everyBytes`, or of `everyMs`, after which one that was due and was not made is thought of again. */
const RETRY_PART = 16;
/** For so long the wish of the state machine is passed over when its checkpoint came to nothing; twice as long each time, up to the second. */
const WISH_PAUSE_MS = 1000;
const WISH_PAUSE_MS_MAX = 64_000;

export class CheckpointSchedule {
  readonly #policy: CheckpointPolicy;
  readonly #now: () => number;
  #dueAtBytes: number;
  #dueAtMs: number;
  /** Bytes that were executed when the last one was begun. */
  #bytesAtLast = 0;
  #wishPauseMs = WISH_PAUSE_MS;
  #wishesFromMs = Number.NEGATIVE_INFINITY;

  /** `index` of `count` replicas: they begin staggered, so that they do not all make theirs at the same time. */
  constructor(policy: CheckpointPolicy, index: number, count: number, now: () => number) {
    this.#policy = policy;
    this.#now = now;
    this.#dueAtBytes = policy.everyBytes * (1 + index / count);
    this.#dueAtMs =
      policy.everyMs === null ? Number.POSITIVE_INFINITY : now() + policy.everyMs * (1 + index / count);
  }

  isDue(bytesExecuted: number): boolean {
    if (bytesExecuted >= this.#dueAtBytes) return true;
    return this.#now() >= this.#dueAtMs && bytesExecuted > this.#bytesAtLast;
  }

  /** Whether a checkpoint is made because the state machine wants one. */
  get grantsWishes(): boolean {
    return this.#now() >= this.#wishesFromMs;
  }

  /** Milliseconds until it may be due by time, at least 1; null where it never is. */
  get waitMs(): number | null {
    const { everyMs } = this.#policy;
    if (everyMs === null) return null;
    const leftMs = this.#dueAtMs - this.#now();
    // Past due, and nothing was executed: the next decree has one made without any timer. Whoever looked again at once would wake
    // an idle replica a thousand times a second.
    return Math.max(1, leftMs > 0 ? leftMs : everyMs);
  }

  /** One is begun, or was restored. */
  onBegun(bytesExecuted: number): void {
    const { everyBytes, everyMs } = this.#policy;
    this.#bytesAtLast = bytesExecuted;
    this.#dueAtBytes = bytesExecuted + everyBytes;
    if (everyMs !== null) this.#dueAtMs = this.#now() + everyMs;
  }

  /** The state machine made none: it is asked again before long. */
  onRefused(bytesExecuted: number): void {
    const { everyBytes, everyMs } = this.#policy;
    this.#dueAtBytes = bytesExecuted + Math.ceil(everyBytes / RETRY_PART);
    if (everyMs !== null) this.#dueAtMs = this.#now() + Math.ceil(everyMs / RETRY_PART);
  }

  /**
   * It could not be made, or not be stored. What was paused for it goes on, and the wish of the state machine is looked at again: without
   * a pause one that nothing answers would fill a disk that has no room and empty it again, as fast as that goes.
   */
  onFailed(bytesExecuted: number): void {
    this.onRefused(bytesExecuted);
    this.#wishesFromMs = this.#now() + this.#wishPauseMs;
    this.#wishPauseMs = Math.min(2 * this.#wishPauseMs, WISH_PAUSE_MS_MAX);
  }

  onMade(): void {
    this.#wishPauseMs = WISH_PAUSE_MS;
    this.#wishesFromMs = Number.NEGATIVE_INFINITY;
  }
}
