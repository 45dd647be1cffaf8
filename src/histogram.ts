/**
 * Log-linear histograms of durations. Memory is bounded whatever is recorded: 32 buckets for each power of two, so a value is known to
 * within 3.2 %, from 0.1 microseconds to 429 seconds. Recording is two additions and a comparison.
 */

/** A tick is 0.1 microseconds. */
const TICKS_PER_MS = 10_000;
const TICKS_MAX = 0xffff_ffff;
const SUB_BUCKET_BITS = 5;
const SUB_BUCKETS = 1 << SUB_BUCKET_BITS;
const BUCKETS = (32 - SUB_BUCKET_BITS + 1) * SUB_BUCKETS;
/** Behind the buckets: the sum of all ticks, and the highest. */
const SUM_AT: number = BUCKETS;
const MAX_AT: number = BUCKETS + 1;

/** Numbers that a recorder keeps. */
export const HISTOGRAM_WORDS: number = BUCKETS + 2;

function bucketOf(ticks: number): number {
  if (ticks < SUB_BUCKETS) return ticks;
  const shift = 31 - Math.clz32(ticks) - SUB_BUCKET_BITS;
  return shift * SUB_BUCKETS + (ticks >>> shift);
}

/** The highest ticks that fall in the bucket. */
function highestOf(bucket: number): number {
  if (bucket < 2 * SUB_BUCKETS) return bucket;
  const shift = Math.floor(bucket / SUB_BUCKETS) - 1;
  return (bucket - shift * SUB_BUCKETS + 1) * 2 ** shift - 1;
}

/**
 * Where durations are recorded, by one thread. The words may be shared: a reader on another thread sees each number whole, as 64
 * bits at an aligned place are written at once, and may see a value in its bucket before it is in the sum.
 */
export class HistogramRecorder {
  readonly #words: Float64Array;

  constructor(words: Float64Array = new Float64Array(HISTOGRAM_WORDS)) {
    this.#words = words;
  }

  /** Milliseconds; what is below 0 counts as 0, what is beyond 429 seconds as that. */
  record(durationMs: number): void {
    const ticks = durationMs > 0 ? Math.min(Math.round(durationMs * TICKS_PER_MS), TICKS_MAX) : 0;
    const words = this.#words;
    words[bucketOf(ticks)]! += 1;
    words[SUM_AT]! += ticks;
    if (ticks > words[MAX_AT]!) words[MAX_AT] = ticks;
  }

  snapshot(): Histogram {
    return new Histogram(this.#words.slice());
  }
}

const TICKS_PER_US = TICKS_PER_MS / 1000;

/** Durations as they were when the snapshot was taken; in microseconds. Never changes. */
export class Histogram {
  /** Durations recorded. */
  readonly count: number;
  readonly #words: Float64Array;

  /** From a recorder's words, which it keeps. */
  constructor(words: Float64Array = new Float64Array(HISTOGRAM_WORDS)) {
    this.#words = words;
    let count = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) count += words[bucket]!;
    this.count = count;
  }

  /** Microseconds; 0 where nothing was recorded. */
  get mean(): number {
    return this.count === 0 ? 0 : this.#words[SUM_AT]! / this.count / TICKS_PER_US;
  }

  /** The highest, exactly; of a difference, to within 3.2 %. */
  get max(): number {
    return this.#words[MAX_AT]! / TICKS_PER_US;
  }

  /**
   * Microseconds that `percent` percent (0 to 100) of the durations did not exceed; at most 3.2 % above the exact value, and never above
   * `max`. 0 where nothing was recorded.
   */
  percentile(percent: number): number {
    const wanted = Math.max(1, Math.ceil((Math.min(100, percent) / 100) * this.count));
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      seen += this.#words[bucket]!;
      if (seen >= wanted) return Math.min(highestOf(bucket), this.#words[MAX_AT]!) / TICKS_PER_US;
    }
    return 0;
  }

  /** What was recorded in either: of several replicas, or of several spans of time. */
  merge(other: Histogram): Histogram {
    const words = this.#words.slice();
    for (let at = 0; at < MAX_AT; at += 1) words[at]! += other.#words[at]!;
    words[MAX_AT] = Math.max(words[MAX_AT]!, other.#words[MAX_AT]!);
    return new Histogram(words);
  }

  /** What was recorded since `earlier`, a snapshot of the same recorder. */
  since(earlier: Histogram): Histogram {
    const words = this.#words.slice();
    let highest = 0;
    for (let at = 0; at < MAX_AT; at += 1) {
      words[at] = Math.max(0, words[at]! - earlier.#words[at]!);
      if (at < BUCKETS && words[at]! > 0) highest = highestOf(at);
    }
    // The highest of all is the highest of these only where it lies in the highest bucket that they reach.
    words[MAX_AT] = Math.min(highest, words[MAX_AT]!);
    return new Histogram(words);
  }

  /** Microseconds, rounded to tenths. */
  toJSON(): Readonly<Record<'count' | 'mean' | 'p50' | 'p90' | 'p99' | 'p999' | 'max', number>> {
    const tenths = (value: number): number => Math.round(value * 10) / 10;
    return {
      count: this.count,
      mean: tenths(this.mean),
      p50: tenths(this.percentile(50)),
      p90: tenths(this.percentile(90)),
      p99: tenths(this.percentile(99)),
      p999: tenths(this.percentile(99.9)),
      max: tenths(this.max),
    };
  }
}
