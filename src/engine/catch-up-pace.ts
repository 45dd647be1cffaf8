/**
 * How fast a replica that was away catches up. It would take all of a machine for as long as that lasts, its own and, where they share
 * processors, disks or links, the others', while their callers wait for them. So it executes what it missed in pieces, of which restoring a
 * checkpoint is the first, rests behind each for three times as long as the piece took, and asks for more of the log when it has executed what
 * came.
 *
 * It rests only while it comes nearer, since what is chosen meanwhile would else keep it behind for ever. A tenth is gain enough: what it
 * holds on disk counts for quorums all the while. And where somebody waits for it, as it leads, or is about to, or could be needed to,
 * nothing rests; nor where nothing is chosen meanwhile, so that nobody could be disturbed.
 */

import type { Slot } from '../protocol/decree.js';
import type { Replica } from '../protocol/replica.js';
import type { EngineParts } from './engine-types.js';

export interface CatchUpPaceOptions {
  /** `known`: the highest slot that anybody said is chosen. */
  readonly core: Pick<Replica, 'known' | 'primary' | 'role'>;
  readonly parts: Pick<EngineParts, 'now' | 'later' | 'schedule'>;
  /** What is to be asked for waits no longer than so many milliseconds, whatever was executed by then: the protocol would give up whom it asks. */
  readonly holdMsMax: number;
}

/** Bytes of commands that are handed over between two rests. */
const PIECE_BYTES = 1024 * 1024;
/** Milliseconds of rest for each that a piece took. */
const REST_PER_WORK = 3;
/** A state machine that stands still, as for a checkpoint, is no load to rest from. */
const REST_MS_MAX = 100;
/** Slots that are executed for each that is chosen meanwhile, where it rests. */
const GAIN_MIN = 1.1;
/** It may rest though it gains less, until so much of what it was behind by is lost again: what stood still for long is slow at first. */
const LOSS_PART_MAX = 0.25;

export class CatchUpPace {
  readonly #options: CatchUpPaceOptions;
  #isOn = false;
  /** Nothing was executed since it began, which what is gained is measured from. */
  #isAtStart = false;
  #fromNext: Slot = 0;
  #fromKnown: Slot = 0;
  /** What was known chosen when the last piece ended. */
  #lastKnown: Slot = 0;
  #pieceBytes = 0;
  #pieceAt = 0;
  #restUntil = 0;
  /** Everything that is known chosen was executed, as of the last turn. */
  #isDrained = true;
  #held: { readonly ask: () => void; readonly until: number } | null = null;

  constructor(options: CatchUpPaceOptions) {
    this.#options = options;
  }

  /** It catches up; where it does already, begins anew. What was handed over by now, as a checkpoint to restore, is the first piece. */
  begin(): void {
    this.#isOn = true;
    this.#isAtStart = true;
    this.#pieceBytes = PIECE_BYTES;
    this.#pieceAt = this.#now;
  }

  /** More of the log is to be asked for: at once, or when there is time for it. The newest word counts. */
  ask(ask: () => void): void {
    this.#held = null;
    const isFirst = !this.#isOn;
    if (isFirst) this.begin();
    if (isFirst || this.#mayAsk) ask();
    else this.#held = { ask, until: this.#now + this.#options.holdMsMax };
  }

  get mayHandOver(): boolean {
    if (!this.#isOn || this.#isUrgent) return true;
    return this.#pieceBytes < PIECE_BYTES && !this.#isResting;
  }

  /** Commands of so many bytes were handed over. */
  onHandedOver(bytes: number): void {
    if (!this.#isOn) return;
    if (this.#pieceBytes === 0) this.#pieceAt = this.#now;
    this.#pieceBytes += bytes;
  }

  /** Every turn: `next` is the next slot to hand over, `through` the last one that could be; and whether all before it are executed. */
  turn(next: Slot, through: Slot, isExecuted: boolean): void {
    if (!this.#isOn) return;
    this.#isDrained = isExecuted && next > through;
    if (isExecuted && this.#pieceBytes >= PIECE_BYTES) this.#endPiece(next);
    const held = this.#held;
    if (held !== null && (this.#mayAsk || this.#now >= held.until)) {
      this.#held = null;
      held.ask();
      this.#options.parts.schedule();
    }
    if (this.#isDrained && next > this.#options.core.known) this.#isOn = false;
  }

  get #isResting(): boolean {
    return this.#now < this.#restUntil;
  }

  get #now(): number {
    return this.#options.parts.now();
  }

  /** It leads, or is about to, or nobody does: somebody waits for what it has not executed. */
  get #isUrgent(): boolean {
    const { role, primary } = this.#options.core;
    return primary === 0 || role === 'primary' || role === 'preparing' || role === 'candidate';
  }

  get #mayAsk(): boolean {
    return this.#isUrgent || (this.#isDrained && !this.#isResting);
  }

  #endPiece(next: Slot): void {
    const { core, parts } = this.#options;
    const at = this.#now;
    const restMs = Math.min(REST_MS_MAX, REST_PER_WORK * (at - this.#pieceAt));
    this.#pieceBytes = 0;
    if (this.#isAtStart) {
      this.#isAtStart = false;
      this.#fromNext = next;
      this.#fromKnown = Math.max(next - 1, core.known);
    }
    const executed = next - this.#fromNext;
    const chosenMeanwhile = core.known - this.#fromKnown;
    const isIdle = core.known === this.#lastKnown;
    this.#lastKnown = core.known;
    const lossMax = LOSS_PART_MAX * (this.#fromKnown - this.#fromNext + 1);
    if (restMs <= 0 || isIdle || executed + lossMax < GAIN_MIN * chosenMeanwhile) return;
    this.#restUntil = at + restMs;
    parts.later(Math.ceil(restMs), parts.schedule);
  }
}
