/** Looks after the log's segments: has the next one made ahead, marks an idle log, gives memory and space back. */

import { requires } from '../contracts.js';
import type { SynodError } from '../errors.js';
import type { Logger } from '../logger.js';
import type { LogMedium } from '../storage/log-medium.js';
import { isNotThere } from '../storage/storage-error.js';
import type { LogWriter } from './log-writer.js';
import type { RecoveredLog } from './recover.js';

export interface LogKeeperOptions {
  readonly medium: LogMedium;
  readonly log: LogWriter;
  readonly recovered: RecoveredLog;
  readonly logger: Logger;
  readonly now: () => number;
  readonly onFull: (full: boolean) => void;
  /** The engine may use the tail: the application holds nothing there. */
  readonly reclaimTail: () => boolean;
  /** The application must forget the memory before it is used again. */
  readonly onMemoryGone: (segment: number) => void;
}

/** After this long a mark says of an idle log what no record does: that it is durable, and what is chosen. */
const MARK_AFTER_MS = 100;
const RETRY_MS = 500;
const REMOVE_AGAIN_MS = 10_000;

export class LogKeeper {
  /** The medium had no space for another segment when it was last asked. */
  isFull = false;

  readonly #options: LogKeeperOptions;
  #retryAt = 0;
  #appendedAt = 0;
  /** Unused segments whose removal is under way. */
  #removing = 0;
  #removeAgainAt = 0;

  constructor(options: LogKeeperOptions) {
    this.#options = options;
  }

  onAppended(): void {
    this.#appendedAt = this.#options.now();
  }

  /**
   * The segment made ahead is in use: another one is made at once, not at the next record. The application may be lent all of
   * this segment, and when that is taken back there is no room for any record; nor for frames, which would be left unread
   * for ever.
   */
  onRolled(): void {
    if (!this.isFull) this.#options.log.prepareStandby();
  }

  /** The medium answered for the segment that was to be made ahead: `null`, or that it is full. */
  onSegment(error: SynodError | null): void {
    const { logger, now, onFull } = this.#options;
    const full = error !== null;
    if (full) this.#retryAt = now() + RETRY_MS;
    if (full === this.isFull) return;
    this.isFull = full;
    if (full) logger.error({ error }, 'storage full');
    else logger.info({}, 'storage has space again');
    onFull(full);
  }

  /** Asks again from time to time for what the medium could not do. */
  tick(now: number): void {
    if (this.#removing === 0 && now >= this.#removeAgainAt) this.#removeUnused();
    if (!this.isFull || now < this.#retryAt || this.#options.log.hasStandby) return;
    this.#retryAt = now + RETRY_MS;
    this.#options.log.prepareStandby();
  }

  /**
   * After a restart less is proposed again, and what is damaged is told from what is torn: without a mark, and one in another sector, the last
   * promise or acceptance of an idle log, damaged long after a peer was told of it, would be discarded as a write that a crash had interrupted.
   */
  mark(now: number): void {
    const { log, reclaimTail } = this.#options;
    if (!log.wantsMark || !log.isIdle || now - this.#appendedAt < MARK_AFTER_MS) return;
    if (log.hasRoomForMark && reclaimTail()) log.appendMark(0);
  }

  /** The first record of this opening is durable: what recovery discarded can go. */
  dropUnused(): void {
    const { medium, recovered, logger, log, now } = this.#options;
    // A number that is missing without a later header means a lost segment.
    requires(log.durable >= recovered.verdict.nextSequence, 'discard-after-the-next-header');
    this.#appendedAt = now();
    // From here on segments are dropped at the log's beginning: not beyond one of these as long as it exists.
    for (const segment of recovered.verdict.unused) recovered.state.segmentSlots.addUnused(segment);
    this.#removeUnused();
    const last = recovered.verdict.line.at(-1);
    if (last === undefined) return;
    medium.truncate(last.segment, last.bytes, (error) => {
      if (error !== null) logger.warn({ error }, 'space of a finished segment not given back');
    });
  }

  #removeUnused(): void {
    const { medium, recovered, logger, now } = this.#options;
    const { segmentSlots } = recovered.state;
    for (const segment of segmentSlots.unused) {
      this.#removing += 1;
      medium.remove(segment, (error) => {
        this.#removing -= 1;
        // The file is gone where only the sync of its directory had failed; asked for ever, it would keep the log from being dropped.
        if (error === null || isNotThere(error)) {
          segmentSlots.removeUnused(segment);
          return;
        }
        this.#removeAgainAt = now() + REMOVE_AGAIN_MS;
        logger.warn({ error, segment }, 'unused segment not removed');
      });
    }
  }

  /** Gives back the memory of segments below `below`, those in `used` apart. */
  release(below: number, used: ReadonlySet<number>): void {
    const { log, onMemoryGone } = this.#options;
    for (const segment of log.resident.keys()) {
      if (segment >= below || used.has(segment)) continue;
      onMemoryGone(segment);
      log.release(segment);
    }
  }
}
