/**
 * What a replica counts and how long its stages take. The numbers lie in memory that the application's thread and the engine's share, one
 * writer each, so reading them disturbs nobody, and works while either thread is busy.
 */

import { HISTOGRAM_WORDS, type Histogram, HistogramRecorder } from './histogram.js';

/**
 * - `queue`: from the first command of a batch until the batch was proposed here, or sent to the primary.
 * - `log`: from a write of the log until it was durable.
 * - `network`: from a heartbeat of this primary until a secondary's reply to it; one for each secondary.
 * - `quorum`: from proposing a decree here until a quorum had it durable.
 * - `apply`: from handing a chosen decree to the application until its state machine had executed it.
 */
export const stageNames = ['queue', 'log', 'network', 'quorum', 'apply'] as const;
export type StageName = (typeof stageNames)[number];

export const counterNames = [
  /** Decrees that this replica proposed as primary. */
  'decreesProposed',
  /** Slots that it came to know to be chosen, since it was opened. */
  'decreesChosen',
  /** Decrees that its state machine has executed. */
  'decreesApplied',
  /** Commands in them; those that came twice and were executed once count twice. */
  'commandsApplied',
  /** Times that the log was made durable, and bytes written for it, headers and padding included. */
  'logWrites',
  'logWriteBytes',
  /** Reads of the log: for peers that catch up, and for an application that lags. */
  'logReads',
  'logReadBytes',
  /** Times that this replica became primary. */
  'timesPrimary',
] as const;
export type CounterName = (typeof counterNames)[number];
export type Counters = Readonly<Record<CounterName, number>>;

/** As many decrees are at most on their way to the application; a power of two. */
const HANDED_OVER = 8192;
const PAYLOAD_AT = 0;
const ORIGIN_AT = 1;
const COUNTERS_AT = 2;
const STAGES_AT = COUNTERS_AT + counterNames.length;
const HANDED_OVER_AT = STAGES_AT + stageNames.length * HISTOGRAM_WORDS;
const WORDS = HANDED_OVER_AT + HANDED_OVER;

export const STATISTICS_BYTES: number = WORDS * 8;

/** The memory. Both threads make one on the same bytes. */
export class StatisticsBoard {
  readonly stages: Readonly<Record<StageName, HistogramRecorder>>;
  readonly #words: Float64Array;
  readonly #payload: BigUint64Array;

  /** At byte `at` of the buffer, a multiple of 8. */
  constructor(buffer: SharedArrayBuffer, at: number) {
    this.#words = new Float64Array(buffer, at, WORDS);
    this.#payload = new BigUint64Array(buffer, at + PAYLOAD_AT * 8, 1);
    const words = (index: number): Float64Array => {
      const from = STAGES_AT + index * HISTOGRAM_WORDS;
      return this.#words.subarray(from, from + HISTOGRAM_WORDS);
    };
    this.stages = Object.fromEntries(
      stageNames.map((name, index) => [name, new HistogramRecorder(words(index))]),
    ) as Record<StageName, HistogramRecorder>;
  }

  /** 64 bits of the application, which every peer is told. */
  get payload(): bigint {
    return Atomics.load(this.#payload, 0);
  }
  set payload(bits: bigint) {
    Atomics.store(this.#payload, 0, bits);
  }

  /** What the engine's clock has to be added to, for the clock that both threads have. */
  get engineOriginMs(): number {
    return this.#words[ORIGIN_AT]!;
  }
  set engineOriginMs(originMs: number) {
    this.#words[ORIGIN_AT] = originMs;
  }

  count(name: CounterName, more: number): void {
    this.#words[COUNTERS_AT + counterIndex[name]]! += more;
  }

  /** The engine is about to hand over `slot`; by its own clock. */
  handingOver(slot: number, nowMs: number): void {
    this.#words[HANDED_OVER_AT + (slot % HANDED_OVER)] = nowMs;
  }
  /** The application has executed the slots `from` to `through`; by the engine's clock. */
  executed(from: number, through: number, nowMs: number): void {
    const { apply } = this.stages;
    for (let slot = from; slot <= through; slot += 1)
      apply.record(nowMs - this.#words[HANDED_OVER_AT + (slot % HANDED_OVER)]!);
  }

  snapshot(atMs: number): Statistics {
    const counters = Object.fromEntries(
      counterNames.map((name, index) => [name, this.#words[COUNTERS_AT + index]!]),
    ) as Counters;
    const stages = Object.fromEntries(
      stageNames.map((name) => [name, this.stages[name].snapshot()]),
    ) as Record<StageName, Histogram>;
    return new Statistics(atMs, counters, stages);
  }
}

const counterIndex = Object.fromEntries(
  counterNames.map((name, index) => [name, index]),
) as unknown as Counters;

/** Since the replica was opened, or between two snapshots. Never changes. */
export class Statistics {
  /** Milliseconds that they span. */
  readonly spanMs: number;
  readonly counters: Counters;
  readonly stages: Readonly<Record<StageName, Histogram>>;

  constructor(spanMs: number, counters: Counters, stages: Readonly<Record<StageName, Histogram>>) {
    this.spanMs = spanMs;
    this.counters = counters;
    this.stages = stages;
  }

  /** What was added since `earlier`, a snapshot of the same replica. Whoever asks keeps its own, so nobody takes away another's. */
  since(earlier: Statistics): Statistics {
    const counters = Object.fromEntries(
      counterNames.map((name) => [name, this.counters[name] - earlier.counters[name]]),
    ) as Counters;
    const stages = Object.fromEntries(
      stageNames.map((name) => [name, this.stages[name].since(earlier.stages[name])]),
    ) as Record<StageName, Histogram>;
    return new Statistics(this.spanMs - earlier.spanMs, counters, stages);
  }

  /** Of several replicas together: counters add up, stages merge; the span is the longer one. */
  merge(other: Statistics): Statistics {
    const counters = Object.fromEntries(
      counterNames.map((name) => [name, this.counters[name] + other.counters[name]]),
    ) as Counters;
    const stages = Object.fromEntries(
      stageNames.map((name) => [name, this.stages[name].merge(other.stages[name])]),
    ) as Record<StageName, Histogram>;
    return new Statistics(Math.max(this.spanMs, other.spanMs), counters, stages);
  }
}
