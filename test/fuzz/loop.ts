/**
 * The search: changes inputs that are known, runs what comes out, and keeps what makes something run that has not run
 * before. Ends with the time, or with the first finding.
 */

import { Coverage } from './coverage.js';
import { type Finding, judge, judgeAgain } from './finding.js';
import { mutateBytes, splice } from './mutators.js';
import { Random } from './random.js';
import { type FuzzTarget, join } from './target.js';

export interface LoopOptions {
  readonly seed: number;
  readonly seconds: number;
  /** Known inputs, beside the target's own. */
  readonly corpus: readonly Uint8Array[];
  /** Whether the smallest corpus is wanted at the end. */
  readonly keep: boolean;
  /** Told before an input runs: it may be the last. */
  readonly onRun: (input: Uint8Array) => void;
  readonly onProgress: (state: Progress) => void;
}

export interface Progress {
  readonly executions: number;
  readonly corpus: number;
  readonly functions: number;
  readonly characters: number;
  readonly features: number;
}

export interface LoopResult extends Progress {
  readonly wallMs: number;
  /** A finding with the input that makes it, made small. */
  readonly finding: (Finding & { readonly input: Uint8Array }) | null;
  /** The inputs that together make everything run that has run. */
  readonly minimised: readonly Uint8Array[];
}

const BATCH_MIN = 16;
const BATCH_MAX = 1024;
/** A batch takes about so long, so that asking what ran costs little of the time. */
const BATCH_MS = 60;
const PROGRESS_MS = 2000;

/** Inputs in the smallest corpus that are there for what a target traced, not for code that they reach. */
const FEATURES_KEPT_MAX = 32;

interface Found {
  readonly finding: Finding;
  readonly input: Uint8Array;
}

export async function fuzz(target: FuzzTarget, options: LoopOptions): Promise<LoopResult> {
  const loop = new Loop(target, options);
  return loop.run();
}

class Loop {
  readonly #target: FuzzTarget;
  readonly #options: LoopOptions;
  readonly #random: Random;
  readonly #coverage: Coverage;
  readonly #features: Set<string> = new Set();
  readonly #corpus: Uint8Array[] = [];
  #executions = 0;
  #hasNewFeature = false;
  #shownAt = 0;

  constructor(target: FuzzTarget, options: LoopOptions) {
    this.#target = target;
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#coverage = new Coverage((url) => target.guides.some((guide) => url.includes(guide)));
  }

  async run(): Promise<LoopResult> {
    const { seconds, corpus } = this.#options;
    const begun = performance.now();
    const end = begun + seconds * 1000;
    this.#shownAt = begun;
    this.#coverage.start();
    // The known ones always all run, however short the time is.
    let found: Found | null = null;
    for (const input of [...corpus, ...this.#target.seeds(), new Uint8Array(0)]) {
      found = await this.#runAll([input]);
      if (found !== null) break;
    }
    let batch = BATCH_MIN;
    while (found === null && performance.now() < end) {
      const started = performance.now();
      found = await this.#runAll(Array.from({ length: batch }, () => this.#make()));
      const ms = performance.now() - started;
      if (ms < BATCH_MS / 2) batch = Math.min(BATCH_MAX, batch * 2);
      else if (ms > BATCH_MS * 2) batch = Math.max(BATCH_MIN, batch >> 1);
      this.#show();
    }
    const small = found === null ? null : await this.#shrink(found);
    const progress = this.#progress();
    const minimised = found === null && this.#options.keep ? await this.#minimise() : [];
    this.#coverage.stop();
    return {
      ...progress,
      wallMs: performance.now() - begun,
      finding: small === null ? null : { ...small.finding, input: small.input },
      minimised,
    };
  }

  #progress(): Progress {
    return {
      executions: this.#executions,
      corpus: this.#corpus.length,
      functions: this.#coverage.functions,
      characters: this.#coverage.characters,
      features: this.#features.size,
    };
  }

  #show(): void {
    if (performance.now() - this.#shownAt < PROGRESS_MS) return;
    this.#shownAt = performance.now();
    this.#options.onProgress(this.#progress());
  }

  #make(): Uint8Array {
    const { dictionary = [], inputBytesMax, mutate, repair } = this.#target;
    const random = this.#random;
    const corpus = this.#corpus;
    // What was found last, one half of the time: it has been tried least.
    const newest = Math.max(1, corpus.length >> 3);
    const base = random.chance(0.5) ? corpus[corpus.length - 1 - random.below(newest)]! : random.pick(corpus);
    let input: Uint8Array = base;
    if (random.chance(0.1)) input = splice(input, random.pick(corpus), random);
    if (mutate !== undefined && random.chance(0.5)) {
      do input = mutate.call(this.#target, input.slice(), random);
      while (random.chance(0.4));
    } else input = mutateBytes(input, random, dictionary);
    if (repair !== undefined && random.chance(0.85)) input = repair.call(this.#target, input.slice(), random);
    return input.length > inputBytesMax ? input.slice(0, inputBytesMax) : input;
  }

  /** Runs the inputs, and keeps those of them that make something new run. */
  async #runAll(inputs: readonly Uint8Array[]): Promise<Found | null> {
    let isNew = false;
    for (const input of inputs) {
      const found = await this.#runOne(input);
      if (found !== null) return found;
      if (this.#hasNewFeature) {
        isNew = true;
        if (inputs.length > 1) this.#corpus.push(input);
      }
    }
    if (inputs.length === 1) {
      if (this.#coverage.hasNew(true) || isNew) this.#corpus.push(inputs[0]!);
      return null;
    }
    if (!this.#coverage.hasNew(false)) return null;
    // Once more in halves, to know which of them it was.
    const middle = inputs.length >> 1;
    return (await this.#runAll(inputs.slice(0, middle))) ?? (await this.#runAll(inputs.slice(middle)));
  }

  async #runOne(input: Uint8Array): Promise<Found | null> {
    this.#options.onRun(input);
    this.#executions += 1;
    this.#hasNewFeature = false;
    const first = await judge(this.#target, input, (feature) => {
      if (this.#features.has(feature)) return;
      this.#features.add(feature);
      this.#hasNewFeature = true;
    });
    if (first === null) return null;
    const finding = await judgeAgain(this.#target, input, first);
    return finding === null ? null : { finding, input };
  }

  /** Cuts pieces out of the input for as long as the same kind of finding stays, within two seconds. */
  async #shrink(found: Found): Promise<Found> {
    const end = performance.now() + 2000;
    const sign = signOf(found.finding);
    let best = found;
    for (let piece = best.input.length >> 1; piece >= 1; piece >>= 1) {
      for (let from = 0; from < best.input.length; ) {
        if (performance.now() > end) return best;
        const input = join([best.input.subarray(0, from), best.input.subarray(from + piece)]);
        this.#options.onRun(input);
        const finding = await judge(this.#target, input, () => {});
        if (finding !== null && signOf(finding) === sign) best = { finding, input };
        else from += piece;
      }
    }
    return best;
  }

  /** The smallest inputs first: those that add nothing to what smaller ones make run are left out. */
  async #minimise(): Promise<Uint8Array[]> {
    const inputs = [...this.#corpus].sort((a, b) => a.length - b.length);
    this.#coverage.clear();
    this.#features.clear();
    const kept: Uint8Array[] = [];
    let features = 0;
    for (const input of inputs) {
      this.#options.onRun(input);
      this.#hasNewFeature = false;
      await judge(this.#target, input, (feature) => {
        if (this.#features.has(feature)) return;
        this.#features.add(feature);
        this.#hasNewFeature = true;
      });
      if (this.#coverage.hasNew(true)) kept.push(input);
      else if (this.#hasNewFeature && features < FEATURES_KEPT_MAX) {
        features += 1;
        kept.push(input);
      }
    }
    return kept;
  }
}

/** The first line, without numbers, and the place: two findings with the same sign are taken for one. */
function signOf({ kind, message }: Finding): string {
  const [first = '', ...rest] = message.split('\n');
  const place = rest.find((line) => line.includes('/src/')) ?? '';
  return `${kind} ${first.replace(/\d+/g, '0')} ${place.replace(/:\d+\)?$/, '')}`;
}
