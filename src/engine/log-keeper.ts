/** Looks after the log's segments: has the next one made ahead, marks an idle log, gives memory and space back. */

import { requires } from '../contracts.js';
import type { SynodError } from '../errors.js';
import { RecordKind } from '../log/format.js';
import type { Logger } from '../logger.js';
import type { LogMedium } from '../storage/log-medium.js';
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

/** An idle log says after this long, in a record, what was chosen since the last one. */
const MARK_AFTER_MS = 100;
const RETRY_MS = 500;

export class LogKeeper {
  /** The medium had no space for another segment when it was last asked. */
  isFull = false;

  readonly #options: LogKeeperOptions;
  #retryAt = 0;
  #appendedAt = 0;

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

  /** Asks again for space from time to time. */
  tick(now: number): void {
    if (!this.isFull || now < this.#retryAt || this.#options.log.hasStandby) return;
    this.#retryAt = now + RETRY_MS;
    this.#options.log.prepareStandby();
  }

  /** After a restart less is proposed again, and what is damaged is told from what is torn. */
  mark(now: number): void {
    const { log, reclaimTail } = this.#options;
    if (!log.isIdle || log.chosenRecorded >= log.chosen || now - this.#appendedAt < MARK_AFTER_MS) return;
    if (log.hasRoom(0) && reclaimTail()) log.append(RecordKind.mark, 0, 0, log.chosen, null);
  }

  /** The first record of this opening is durable: what recovery discarded can go. */
  dropUnused(): void {
    const { medium, recovered, logger, log } = this.#options;
    // A number that is missing without a later header means a lost segment.
    requires(log.durable >= recovered.verdict.nextSequence, 'discard-after-the-next-header');
    const done = (error: SynodError | null): void => {
      if (error !== null) logger.warn({ error }, 'space of a finished segment not given back');
    };
    for (const segment of recovered.verdict.unused) medium.remove(segment, done);
    const last = recovered.verdict.line.at(-1);
    if (last !== undefined) medium.truncate(last.segment, last.bytes, done);
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
