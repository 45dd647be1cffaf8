/**
 * Is there an order of the operations that the model explains, in which each stands between its call and its return?
 *
 * The search is that of Wing and Gong (1993) with Lowe's memory of what was tried (2017), and three shortcuts that change
 * no verdict:
 *
 * - A read that fits the present state is put here and nowhere else: an order with it later has one with it here.
 * - Operations of unknown outcome are tried last, one of each kind of input, and only where they change the state: which
 *   leaves them the chance to happen later, or never.
 * - A state that was reached with the same known operations and fewer unknown ones before has nothing new to offer. So an
 *   unknown operation that overwrites everything stands behind no other unknown one.
 */

import type { Model, Operation } from './operation.js';

/** Sets of unknown operations kept for one set of known ones and one state. Beyond it, places are tried more than once. */
const TRIED_MAX = 64;
/** Stands for all keys. No operation overwrites it. */
const ANY_KEY = '\0any';

export type SearchVerdict = 'linearizable' | 'violation' | 'undecided';

export interface SearchResult {
  readonly verdict: SearchVerdict;
  /** Steps of the model that were taken. */
  readonly visited: number;
}

/** How far the search has come: with which unknown operations among those that have happened. */
interface Place<State> {
  readonly state: State;
  readonly used: bigint;
}

interface Frame<State> extends Place<State> {
  /** Length of the trail here. */
  readonly trail: number;
  /** Known operations that may come next. */
  readonly known: readonly number[];
  nextKnown: number;
  /** Where one or more unknown operations lead to from here, as far as that was looked for; the frame itself is the first. */
  readonly reached: Place<State>[];
  nextReached: number;
  /** So many of `reached` were looked on from. */
  expanded: number;
}

export class Search<Input, Output, State> {
  readonly #model: Model<Input, Output, State>;
  /** In the order of their calls. */
  readonly #known: readonly Operation<Input, Output>[];
  readonly #unknown: readonly Operation<Input, Output>[];
  /** Of each unknown operation: the one before it with the same input, or -1. It goes first. */
  readonly #twin: Int32Array;
  /** Of each unknown operation: 1 where the state behind it is always the same. */
  readonly #isBlind: Uint8Array;

  // The events in order, calls before returns of the same time, as a list that operations are taken out of and put back
  // into. Entry 2i is the call of known operation i, 2i + 1 its return; the last one is the end.
  readonly #after: Int32Array;
  readonly #before: Int32Array;
  readonly #end: number;
  readonly #placed: Uint8Array;
  #placedMax = -1;
  /** Operations in the order in which they were placed, each with `#placedMax` before. */
  readonly #trail: number[] = [];
  #visited = 0;
  /** Of each set of known operations and state: the sets of unknown ones that it was reached with. */
  readonly #tried: Map<string, bigint[]> = new Map();

  constructor(model: Model<Input, Output, State>, operations: readonly Operation<Input, Output>[]) {
    this.#model = model;
    const sorted = [...operations].sort((a, b) => a.calledAt - b.calledAt);
    this.#known = sorted.filter(({ output }) => output !== undefined);
    this.#unknown = sorted.filter(
      ({ input, output }) => output === undefined && !model.isRead(input, undefined),
    );
    this.#twin = new Int32Array(this.#unknown.length).fill(-1);
    const latest = new Map<string, number>();
    for (const [index, { input }] of this.#unknown.entries()) {
      const text = model.inputKey(input);
      this.#twin[index] = latest.get(text) ?? -1;
      latest.set(text, index);
    }
    const keys = new Set(operations.flatMap(({ input }) => model.keysOf(input) ?? [ANY_KEY]));
    this.#isBlind = Uint8Array.from(this.#unknown, ({ input }) =>
      new Set(model.overwrites(input)).size === keys.size ? 1 : 0,
    );
    const count = this.#known.length;
    this.#end = 2 * count;
    this.#after = new Int32Array(2 * count + 2);
    this.#before = new Int32Array(2 * count + 1);
    this.#placed = new Uint8Array(count);
    const events = Array.from({ length: 2 * count }, (_, entry) => entry);
    const timeOf = (entry: number): number => {
      const operation = this.#known[entry >> 1]!;
      return (entry & 1) === 0 ? operation.calledAt : operation.returnedAt;
    };
    events.sort((a, b) => timeOf(a) - timeOf(b) || (a & 1) - (b & 1) || a - b);
    let last = this.#end + 1;
    for (const entry of [...events, this.#end]) {
      this.#after[last] = entry;
      this.#before[entry] = last;
      last = entry;
    }
  }

  run(visitedMax: number): SearchResult {
    const frames: Frame<State>[] = [];
    let place: Place<State> = { state: this.#model.initial, used: 0n };
    // Unknown operations only lead to places that were not tried, and from there nowhere that the first of them does not.
    let isReached = false;
    for (;;) {
      const trail = this.#trail.length;
      this.#placeReads(place.state);
      if (this.#after[this.#end + 1] === this.#end) return this.#result('linearizable');
      if (this.#trail.length > trail) isReached = false;
      if (isReached || this.#isNew(place)) {
        frames.push({
          ...place,
          trail: this.#trail.length,
          known: this.#knownChoices(place.state),
          nextKnown: 0,
          reached: [place],
          nextReached: 1,
          expanded: isReached ? 1 : 0,
        });
      }
      const frame = this.#nextFrame(frames);
      if (frame === undefined) return this.#result('violation');
      if (this.#visited > visitedMax) return this.#result('undecided');
      isReached = frame.nextKnown === frame.known.length;
      if (isReached) {
        place = frame.reached[frame.nextReached]!;
        frame.nextReached += 1;
      } else {
        const index = frame.known[frame.nextKnown]!;
        frame.nextKnown += 1;
        place = { state: this.#step(frame.state, this.#known[index]!)!, used: frame.used };
        this.#place(index);
      }
    }
  }

  #result(verdict: SearchVerdict): SearchResult {
    return { verdict, visited: this.#visited };
  }

  /** The deepest frame that has a choice left, with everything behind it taken back. */
  #nextFrame(frames: Frame<State>[]): Frame<State> | undefined {
    for (;;) {
      const frame = frames.at(-1);
      if (frame === undefined) return undefined;
      this.#takeBack(frame.trail);
      if (frame.nextKnown < frame.known.length) return frame;
      while (frame.nextReached === frame.reached.length && frame.expanded < frame.reached.length)
        this.#expand(frame);
      if (frame.nextReached < frame.reached.length) return frame;
      frames.pop();
    }
  }

  #step(state: State, { input, output }: Operation<Input, Output>): State | null {
    this.#visited += 1;
    return this.#model.step(state, input, output);
  }

  /** Every read that may stand here and fits. */
  #placeReads(state: State): void {
    let entry = this.#after[this.#end + 1]!;
    while ((entry & 1) === 0 && entry !== this.#end) {
      const index = entry >> 1;
      const next = this.#after[entry]!;
      const operation = this.#known[index]!;
      if (this.#model.isRead(operation.input, operation.output) && this.#step(state, operation) !== null) {
        // Where its return was what the walk would have ended at, the walk goes on behind it.
        const goesOn = next === entry + 1 ? this.#after[next]! : next;
        this.#place(index);
        entry = goesOn;
      } else {
        entry = next;
      }
    }
  }

  /** Known operations that may come next: those called before the first return. */
  #knownChoices(state: State): number[] {
    const choices: number[] = [];
    let entry = this.#after[this.#end + 1]!;
    for (; (entry & 1) === 0; entry = this.#after[entry]!) {
      const index = entry >> 1;
      const operation = this.#known[index]!;
      if (this.#model.isRead(operation.input, operation.output)) continue;
      if (this.#step(state, operation) !== null) choices.push(index);
    }
    // Who returns first most likely came first.
    if (choices.length > 1) choices.sort((a, b) => this.#known[a]!.returnedAt - this.#known[b]!.returnedAt);
    return choices;
  }

  /**
   * Adds the places that one more unknown operation leads to. So they come in the order of how many it takes: a state that
   * one write leads to is not worth reaching by two.
   */
  #expand(frame: Frame<State>): void {
    let entry = this.#after[this.#end + 1]!;
    while ((entry & 1) === 0) entry = this.#after[entry]!;
    const firstReturn = this.#known[entry >> 1]!.returnedAt;
    const isFirst = frame.expanded === 0;
    const { state, used } = frame.reached[frame.expanded]!;
    frame.expanded += 1;
    const isUsed = (index: number): boolean => ((used >> BigInt(index)) & 1n) === 1n;
    for (const [index, operation] of this.#unknown.entries()) {
      if (operation.calledAt > firstReturn) break;
      if (!isFirst && this.#isBlind[index] === 1) continue;
      const twin = this.#twin[index]!;
      if (isUsed(index) || (twin >= 0 && !isUsed(twin))) continue;
      const after = this.#step(state, operation);
      if (after === null) continue;
      // Where it changes nothing, the place was tried already.
      const place = { state: after, used: used | (1n << BigInt(index)) };
      if (this.#isNew(place)) frame.reached.push(place);
    }
  }

  /** Not reached before with the same known operations and fewer unknown ones; remembers it. */
  #isNew({ state, used }: Place<State>): boolean {
    const first = this.#after[this.#end + 1]! >> 1;
    let key = `${first}:${this.#placedMax}:`;
    for (let from = first; from <= this.#placedMax; from += 16) {
      let bits = 0;
      for (let index = from; index < from + 16 && index <= this.#placedMax; index += 1)
        bits |= this.#placed[index]! << (index - from);
      key += String.fromCharCode(bits);
    }
    key += `:${this.#model.stateKey(state)}`;
    const tried = this.#tried.get(key);
    if (tried === undefined) {
      this.#tried.set(key, [used]);
      return true;
    }
    if (tried.some((fewer) => (fewer & used) === fewer)) return false;
    if (tried.length < TRIED_MAX) tried.push(used);
    return true;
  }

  #place(index: number): void {
    this.#trail.push(index, this.#placedMax);
    this.#placed[index] = 1;
    if (index > this.#placedMax) this.#placedMax = index;
    this.#unlink(2 * index);
    this.#unlink(2 * index + 1);
  }

  #takeBack(length: number): void {
    while (this.#trail.length > length) {
      this.#placedMax = this.#trail.pop()!;
      const index = this.#trail.pop()!;
      this.#placed[index] = 0;
      this.#relink(2 * index + 1);
      this.#relink(2 * index);
    }
  }

  #unlink(entry: number): void {
    this.#after[this.#before[entry]!] = this.#after[entry]!;
    this.#before[this.#after[entry]!] = this.#before[entry]!;
  }

  #relink(entry: number): void {
    this.#after[this.#before[entry]!] = entry;
    this.#before[this.#after[entry]!] = entry;
  }
}
