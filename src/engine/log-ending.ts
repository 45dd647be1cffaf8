/** The beginning of what an opening of a log writes, and the end where it is closed cleanly. */

import { RecordKind } from '../log/format.js';
import type { Slot } from '../protocol/decree.js';
import type { EngineParts } from './engine-types.js';
import type { LogWriter, LogWriterOptions } from './log-writer.js';

/** Where a writer goes on behind what was recovered. */
export function continuedLog(
  parts: EngineParts,
): Omit<LogWriterOptions, 'startNumber' | 'times' | 'onSegment' | 'onMemory'> {
  const { medium, recovered, options, crc32c, copy, diskIncarnation, drawNonce } = parts;
  const { state, verdict, protocol } = recovered;
  return {
    medium,
    index: state.index,
    segmentSlots: state.segmentSlots,
    crc32c,
    copy,
    cluster: options.cluster,
    replica: options.replica,
    diskIncarnation,
    nextSegment: verdict.nextSegment,
    nextSequence: verdict.nextSequence,
    chain: verdict.chain,
    promised: protocol.promised,
    chosen: state.chosenThrough,
    drawNonce,
    now: parts.wallNow,
  };
}

/**
 * In a segment of its own, with the number of this opening. `chosen` is what is known chosen: where the log does not say as
 * much, a checkpoint does, and may have come from a peer. Until a record says that it did, nothing may say that these
 * slots are chosen: with an older checkpoint, what was accepted there would be taken for it.
 */
export function beginLog(log: LogWriter, startNumber: number, chosen: Slot): void {
  log.roll();
  log.append(RecordKind.start, 0, 0, startNumber, null);
  if (chosen > log.chosen) log.appendJump(0, chosen);
  log.chosen = chosen;
  log.flush();
}

/**
 * Waits until everything is durable, then writes a mark that says so: damage to anything before it is then told from a torn
 * tail. The function that it yields is to be called whenever more has become durable, until it has yielded true.
 */
export function endLog(log: LogWriter, chosen: () => Slot): () => boolean {
  let isMarked = false;
  return () => {
    if (!log.isIdle) return false;
    if (isMarked || !log.hasRoomForMark) return true;
    isMarked = true;
    log.chosen = chosen();
    log.appendMark(0);
    log.flush();
    // A medium whose persist is synchronous is done already.
    return log.isIdle;
  };
}
