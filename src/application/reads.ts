/**
 * Reads of the application's own state machine: each waits for the slot that it must see, and is made between two decrees.
 *
 * Reads that must see everything executed before them share one question to the engine: those made in one burst get one
 * number, and an answer holds for all numbers up to its own.
 */

import type { Bridge, ReadKind } from '../engine/bridge.js';
import { SynodError } from '../errors.js';
import type { Slot } from '../protocol/decree.js';
import type { StateMachine } from '../state-machine.js';
import { formatToken, parseToken, type Token } from '../token.js';
import { badArgument } from './bad-argument.js';
import { type CallOptions, limitWait, refusalOf, waitOptions } from './call-options.js';

/** What a read must see; see `Replica.read`. */
export type Consistency =
  | 'linearizable'
  | 'lease'
  | { readonly after: Token; readonly maxAgeMs?: undefined }
  | { readonly maxAgeMs: number; readonly after?: undefined };

export interface ReadCallOptions extends CallOptions {
  readonly consistency?: Consistency | undefined;
}

/** What a read yields: the state machine's answer, and a token of what it saw. */
export interface ReadResult<Answer> {
  readonly value: Answer;
  readonly token: Token;
}

/** Whoever made the read. One of the two is called, once. */
export interface Reader<Answer> {
  resolve(result: ReadResult<Answer>): void;
  /** A `SynodError`, or what the state machine's `read` threw. */
  reject(error: unknown): void;
}

export interface ApplicationReadsOptions {
  readonly bridge: Bridge;
  /** Reads may be answered by a lease. */
  readonly allowsLeases?: boolean | undefined;
  readonly stateMachine: StateMachine<never>;
  /** Nothing may be asked of the state machine: it holds half of another state. */
  readonly isRestoring: () => boolean;
  readonly wakeEngine: () => void;
  readonly afterwards: (call: () => void) => void;
  readonly startTimer: (timeoutMs: number, call: () => void) => () => void;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** Has `run` called soon, on this thread. */
  readonly runSoon: () => void;
}

const readOptions: readonly string[] = [...waitOptions, 'consistency'];
/** Reads that wait, at most. */
export const READS_WAITING_MAX = 65_536;
/** Questions to the engine that are not answered; what comes then waits for the next. */
const QUESTIONS_OPEN_MAX = 8;

interface Read {
  readonly query: unknown;
  readonly caller: Reader<unknown>;
  /** Where it waits; null once it is being made. */
  group: Group | null;
  stopWaiting: () => void;
}

/** Reads that wait for the same thing. */
interface Group {
  readonly reads: Set<Read>;
  /** What it waits for: an answer from the engine, then a slot. */
  read: number;
  slot: Slot;
  /** When the engine was asked. */
  askedAt: number;
}

export class ApplicationReads {
  readonly #options: ApplicationReadsOptions;
  readonly #questions: Questions;
  /** Those that a lease may answer. */
  readonly #leaseQuestions: Questions;
  /** With the slot that they wait for, least first. */
  #waiting: Group[] = [];
  /** The state machine is at work on them, or they wait. */
  readonly #live: Set<Read> = new Set();
  /** At this time the state of slot `#freshSlot` had in it all that was executed anywhere. */
  #freshAt = Number.NEGATIVE_INFINITY;
  #freshSlot: Slot = 0;
  #isRunDue = false;

  constructor(options: ApplicationReadsOptions) {
    this.#options = options;
    this.#questions = new Questions('read', options);
    this.#leaseQuestions = new Questions('lease-read', options);
  }

  get waiting(): number {
    return this.#live.size;
  }

  /** Takes a read. `caller` hears of it exactly once; at once where it is refused. */
  submit(query: unknown, options: ReadCallOptions | undefined, caller: Reader<unknown>): void {
    const { stateMachine } = this.#options;
    let refusal = refusalOf(options, readOptions);
    if (stateMachine.read === undefined)
      refusal = new SynodError('ERR_SYNOD_STATE_MACHINE', 'the state machine has no read', NOT_APPLIED);
    else if (this.#live.size >= READS_WAITING_MAX)
      refusal = new SynodError('ERR_SYNOD_OVERLOADED', `${this.#live.size} reads wait`, NOT_APPLIED);
    try {
      const consistency = options?.consistency;
      const group =
        refusal === null ? this.#groupFor(consistency === undefined ? 'linearizable' : consistency) : null;
      if (group === null) caller.reject(refusal);
      else this.#add(group, query, options, caller);
    } catch (error) {
      caller.reject(error);
    }
  }

  /** Between two decrees: makes the reads that are due. */
  run(): void {
    this.#takeAnswers();
    if (this.#options.isRestoring()) return;
    const { applied } = this.#options.bridge;
    let count = 0;
    while (count < this.#waiting.length && this.#waiting[count]!.slot <= applied) count += 1;
    if (count === 0) return;
    for (const { reads } of this.#waiting.splice(0, count)) for (const read of reads) this.#make(read);
  }

  /** There is something for `run` to do that no decree announces. */
  get isDue(): boolean {
    const { bridge, isRestoring } = this.#options;
    if (this.#questions.hasAnswer || this.#leaseQuestions.hasAnswer) return true;
    return this.#waiting.length > 0 && this.#waiting[0]!.slot <= bridge.applied && !isRestoring();
  }

  /** None of the reads will be made. */
  rejectAll(error: SynodError): void {
    this.#questions.forget();
    this.#leaseQuestions.forget();
    this.#waiting = [];
    for (const read of [...this.#live]) this.#settle(read, () => read.caller.reject(error));
  }

  /** The group of reads that wait for the same as one of this consistency. Throws `SynodError`. */
  #groupFor(consistency: unknown): Group {
    if (consistency === 'linearizable') return this.#questions.gather();
    if (consistency === 'lease' && this.#options.allowsLeases === true) return this.#leaseQuestions.gather();
    if (consistency === 'lease') throw badArgument('consistency: "lease" needs `leases` in the options');
    if (typeof consistency === 'object' && consistency !== null) {
      const { after, maxAgeMs } = consistency as { after?: unknown; maxAgeMs?: unknown };
      if (after !== undefined && maxAgeMs === undefined) return this.#groupAt(parseToken(after));
      if (typeof maxAgeMs === 'number' && maxAgeMs >= 0 && after === undefined)
        return this.#freshGroup(maxAgeMs);
    }
    throw badArgument(
      'consistency: expected "linearizable", "lease", { after: token } or { maxAgeMs: 0 or more milliseconds }',
    );
  }

  /** For reads that see all that was executed `maxAgeMs` ago. */
  #freshGroup(maxAgeMs: number): Group {
    const since = this.#options.now() - maxAgeMs;
    if (this.#freshAt >= since) return this.#groupAt(this.#freshSlot);
    const { newest } = this.#questions;
    return newest !== undefined && newest.askedAt >= since ? newest : this.#questions.gather();
  }

  #groupAt(slot: Slot): Group {
    const index = this.#indexOf(slot);
    const found = this.#waiting[index];
    if (found?.slot === slot) return found;
    const group: Group = { reads: new Set(), read: 0, slot, askedAt: 0 };
    this.#waiting.splice(index, 0, group);
    if (slot <= this.#options.bridge.applied) this.#runSoon();
    return group;
  }

  /** Of the first group that waits for `slot` or a later one. */
  #indexOf(slot: Slot): number {
    let low = 0;
    let high = this.#waiting.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#waiting[middle]!.slot < slot) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #add(group: Group, query: unknown, options: ReadCallOptions | undefined, caller: Reader<unknown>): void {
    const read: Read = { query, caller, group, stopWaiting: () => {} };
    group.reads.add(read);
    this.#live.add(read);
    if (options?.signal === undefined && options?.timeoutMs === undefined) return;
    const { startTimer } = this.#options;
    const giveUp = (error: SynodError): void => this.#giveUp(read, error);
    read.stopWaiting = limitWait(options, { startTimer, missing: 'no answer', about: NOT_APPLIED, giveUp });
  }

  #giveUp(read: Read, error: SynodError): void {
    const { group } = read;
    group?.reads.delete(read);
    // An empty group would stay for as long as its slot is not reached, and a token may name any slot.
    if (group?.reads.size === 0 && group.slot > 0) {
      const index = this.#indexOf(group.slot);
      if (this.#waiting[index] === group) this.#waiting.splice(index, 1);
    }
    this.#settle(read, () => read.caller.reject(error));
  }

  #settle(read: Read, tell: () => void): void {
    if (!this.#live.delete(read)) return;
    read.stopWaiting();
    tell();
  }

  #takeAnswers(): void {
    for (const questions of [this.#questions, this.#leaseQuestions]) {
      const slot = questions.takeAnswer((group) => {
        // What a lease says is as true as the clocks are: nothing else goes by it.
        if (questions === this.#questions) this.#freshAt = group.askedAt;
        if (group.reads.size === 0) return;
        const { slot } = group;
        const waiting = this.#groupAt(slot);
        for (const read of group.reads) {
          read.group = waiting;
          waiting.reads.add(read);
        }
      });
      if (questions === this.#questions && slot !== null) this.#freshSlot = slot;
    }
  }

  #runSoon(): void {
    if (this.#isRunDue) return;
    this.#isRunDue = true;
    this.#options.afterwards(() => {
      this.#isRunDue = false;
      this.#options.runSoon();
    });
  }

  #make(read: Read): void {
    const { stateMachine, bridge } = this.#options;
    read.group = null;
    const token = formatToken(bridge.applied);
    const reject = (error: unknown): void => this.#settle(read, () => read.caller.reject(error));
    const resolve = (value: unknown): void => this.#settle(read, () => read.caller.resolve({ value, token }));
    let answer: unknown;
    try {
      answer = stateMachine.read!(read.query as never);
      // In here: to read its `then`, or to call it, may throw. Outside of the read that would be a fault, and fence the replica.
      if (isPromise(answer)) {
        answer.then(resolve, reject);
        return;
      }
    } catch (error) {
      reject(error);
      return;
    }
    resolve(answer);
  }
}

/** Reads that wait for answers of the engine. Those made in one burst share a question. */
class Questions {
  readonly #kind: ReadKind;
  readonly #options: ApplicationReadsOptions;
  /** Not put to the engine yet. */
  #gathering: Group | null = null;
  #isPutSoon = false;
  #asked = 0;
  #answered = 0;
  /** Put to the engine, oldest first. */
  #open: Group[] = [];

  constructor(kind: ReadKind, options: ApplicationReadsOptions) {
    this.#kind = kind;
    this.#options = options;
  }

  /** The one that was put last, if it is not answered. */
  get newest(): Group | undefined {
    return this.#open.at(-1);
  }

  get hasAnswer(): boolean {
    return this.#options.bridge.readsAnswered(this.#answered, this.#kind) > this.#answered;
  }

  /** For reads that see all that was executed until the engine is asked next, which is in a moment. */
  gather(): Group {
    if (this.#gathering === null) {
      this.#gathering = { reads: new Set(), read: 0, slot: 0, askedAt: 0 };
      this.#putSoon();
    }
    return this.#gathering;
  }

  /** Shows each group whose answer has come, with its slot; yields that slot, or null where there is none. */
  takeAnswer(visit: (group: Group) => void): Slot | null {
    const { bridge } = this.#options;
    const answered = bridge.readsAnswered(this.#answered, this.#kind);
    if (answered === this.#answered) return null;
    this.#answered = answered;
    const slot = bridge.readSlot(this.#kind);
    let count = 0;
    while (count < this.#open.length && this.#open[count]!.read <= answered) count += 1;
    for (const group of this.#open.splice(0, count)) visit({ ...group, slot });
    if (this.#gathering !== null) this.#putSoon();
    return slot;
  }

  forget(): void {
    this.#gathering = null;
    this.#open = [];
  }

  #putSoon(): void {
    if (this.#isPutSoon) return;
    this.#isPutSoon = true;
    this.#options.afterwards(() => {
      this.#isPutSoon = false;
      this.#put();
    });
  }

  /** Asks the engine for the reads that were gathered. */
  #put(): void {
    const group = this.#gathering;
    if (group === null || this.#open.length >= QUESTIONS_OPEN_MAX) return;
    const { bridge, now, wakeEngine } = this.#options;
    this.#gathering = null;
    this.#asked += 1;
    group.read = this.#asked;
    group.askedAt = now();
    this.#open.push(group);
    bridge.askReads(this.#asked, this.#kind);
    if (bridge.takeEngineAsleep()) wakeEngine();
  }
}

const NOT_APPLIED = { outcome: 'not-applied' } as const;

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  );
}
