/** Tells when a data directory becomes larger than it should, or its file system too full, and when that is over. */

import type { SynodError } from '../errors.js';
import type { Logger } from '../logger.js';
import type { ResolvedOptions } from '../options.js';
import { type DiskUsage, measureDisk } from '../storage/disk-usage.js';
import type { Callback } from '../storage/log-medium.js';

/** What is beyond its bound: the newest checkpoint or the log is too large, or the file system has too little space left. */
export type DiskAlertKind = 'checkpoint-bytes' | 'log-bytes' | 'free-bytes';

export interface DiskAlert {
  readonly kind: DiskAlertKind;
  /** False where it is over. */
  readonly isRaised: boolean;
  /** As last measured. */
  readonly bytes: number;
  /** Of `alerts` in the options; for `free-bytes` the least that there should be. */
  readonly boundBytes: number;
}

export interface DiskAlertsOptions {
  readonly bounds: ResolvedOptions['alerts'];
  readonly measure: (callback: Callback<DiskUsage>) => void;
  readonly startTimer: (timeoutMs: number, call: () => void) => () => void;
  readonly logger: Logger;
  readonly onAlert: (alert: DiskAlert) => void;
}

/** Of the data directory in the options; null where there is none. */
export function diskAlertsOf(
  { dataDir, storage, alerts: bounds, logger }: ResolvedOptions,
  startTimer: DiskAlertsOptions['startTimer'],
  onAlert: DiskAlertsOptions['onAlert'],
): DiskAlerts | null {
  if (dataDir === null) return null;
  const measure = (callback: Callback<DiskUsage>): void => measureDisk(dataDir, storage.kind, callback);
  return new DiskAlerts({ bounds, logger, startTimer, measure, onAlert });
}

/** An alert is over when the bound is kept by so large a part of it: a value that trembles at its bound tells nothing new. */
const WAY_BACK = 1 / 16;

export class DiskAlerts {
  readonly #options: DiskAlertsOptions;
  readonly #raised: Map<DiskAlertKind, DiskAlert> = new Map();
  #stopTimer: (() => void) | null = null;
  #isClosed = false;
  #isMeasuring = false;
  #isDue = false;
  /** The disk did not answer when it was asked last. */
  #isBlind = false;

  constructor(options: DiskAlertsOptions) {
    this.#options = options;
  }

  /** Those that are not over, as last measured. */
  get raised(): readonly DiskAlert[] {
    return [...this.#raised.values()];
  }

  /** Measures now, and from time to time from here on; also to be called when something may have changed. One measurement at a time. */
  check(): void {
    const { bounds, measure } = this.#options;
    const { checkpointBytesMax, logBytesMax, freeBytesMin, freeCheckpointsMin } = bounds;
    const isWatching =
      checkpointBytesMax !== null || logBytesMax !== null || freeBytesMin !== null || freeCheckpointsMin > 0;
    if (this.#isClosed || !isWatching) return;
    if (this.#isMeasuring) {
      this.#isDue = true;
      return;
    }
    this.#stopTimer?.();
    this.#isMeasuring = true;
    measure((error, usage) => {
      this.#isMeasuring = false;
      if (this.#isClosed) return;
      if (error !== null) this.#onBlind(error);
      else this.#judgeAll(usage!);
      const waitMs = this.#isDue ? 0 : bounds.everyMs;
      this.#isDue = false;
      // A listener may have closed the replica.
      if (!this.#isClosed) this.#stopTimer = this.#options.startTimer(waitMs, () => this.check());
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#stopTimer?.();
  }

  /** What was raised stays so: nobody knows better. */
  #onBlind(error: SynodError): void {
    if (!this.#isBlind) this.#options.logger.warn({ error }, 'disk usage cannot be measured');
    this.#isBlind = true;
  }

  #judgeAll({ checkpointBytes, logBytes, freeBytes }: DiskUsage): void {
    const { checkpointBytesMax, logBytesMax, freeBytesMin, freeCheckpointsMin } = this.#options.bounds;
    this.#isBlind = false;
    this.#judge('checkpoint-bytes', checkpointBytes, checkpointBytesMax ?? Number.POSITIVE_INFINITY, 1);
    this.#judge('log-bytes', logBytes, logBytesMax ?? Number.POSITIVE_INFINITY, 1);
    const freeMin = Math.max(freeBytesMin ?? 0, freeCheckpointsMin * checkpointBytes);
    this.#judge('free-bytes', freeBytes, freeMin, -1);
  }

  /** `sign`: 1 where the bound is the most that there should be, -1 where it is the least. */
  #judge(kind: DiskAlertKind, bytes: number, boundBytes: number, sign: 1 | -1): void {
    const { logger, onAlert } = this.#options;
    const wasRaised = this.#raised.has(kind);
    const limit = wasRaised ? boundBytes * (1 - sign * WAY_BACK) : boundBytes;
    const isRaised = (bytes - limit) * sign > 0;
    const alert: DiskAlert = { kind, isRaised, bytes, boundBytes };
    if (isRaised) this.#raised.set(kind, alert);
    else this.#raised.delete(kind);
    if (isRaised === wasRaised) return;
    if (isRaised) logger.warn({ kind, bytes, boundBytes }, 'disk alert');
    else logger.info({ kind, bytes, boundBytes }, 'disk alert is over');
    onAlert(alert);
  }
}
