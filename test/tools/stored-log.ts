/** Logs of replica `a` of three, that are written for a test: as files, record by record. */

import path from 'node:path';
import { crc32c } from '../../src/checksum.js';
import { beginLog } from '../../src/engine/log-ending.js';
import { LogWriter } from '../../src/engine/log-writer.js';
import { HeapPlace } from '../../src/engine/places.js';
import { type RecoveredLog, recoverLog } from '../../src/engine/recover.js';
import type { Configuration, Member } from '../../src/protocol/configuration.js';
import { DecreeKind, type DecreeReference } from '../../src/protocol/decree.js';
import { createFileMedium } from '../../src/storage/file/file-medium.js';
import type { LogMedium, SegmentSummary } from '../../src/storage/log-medium.js';
import { encodeConfiguration } from '../../src/wire/configuration-codec.js';

export const BALLOT = 0x1_0001;
export const KIBIBYTE = 1024;
/** Of the disk that the rig writes to. */
export const INCARNATION = '07'.repeat(16);

export function member(number: number, id: string, incarnation: string): Member {
  return { number, id, incarnation, address: `127.0.0.1:${number}` };
}

export const a: Member = member(1, 'a', INCARNATION);
export const b: Member = member(2, 'b', '22'.repeat(16));
export const c: Member = member(3, 'c', '33'.repeat(16));
export const d: Member = member(4, 'd', '44'.repeat(16));
export const one: Configuration = { number: 1, members: [a, b, c], nextMember: 4 };

function decree(kind: DecreeKind, payload: Uint8Array, configuration: Configuration | null): DecreeReference {
  const checksum = crc32c(payload, 0, payload.length, 0);
  const commands = configuration === null ? 1 : 0;
  const source = new HeapPlace([payload]);
  return { kind, bytes: payload.length, checksum, commands, configuration, source };
}

export function commands(bytes: number): DecreeReference {
  return decree(DecreeKind.commands, new Uint8Array(bytes).fill(5), null);
}

export function changeTo(configuration: Configuration): DecreeReference {
  return decree(DecreeKind.configuration, encodeConfiguration(configuration), configuration);
}

/** Opens the log in `dataDir`, with segments of `segmentBytes`, has `fill` write to it, and closes it. */
export async function writeLog(
  dataDir: string,
  segmentBytes: number,
  fill: (log: LogWriter) => void,
): Promise<void> {
  const medium = createFileMedium({ directory: path.join(dataDir, 'log'), segmentBytes });
  const events = { onPersisted: (_ticket: number): void => {} };
  const segments = await new Promise<readonly SegmentSummary[]>((resolve, reject) =>
    medium.start(
      { onPersisted: (ticket) => events.onPersisted(ticket), onFailure: reject },
      (error, found) => (error === null ? resolve(found!) : reject(error)),
    ),
  );
  const { state, verdict, protocol } = await recoveredOf(medium, segments);
  await new Promise<void>((resolve, reject) => {
    const log = new LogWriter({
      medium,
      index: state.index,
      segmentSlots: state.segmentSlots,
      crc32c,
      copy: (target, at, source, start, end) => target.set(source.subarray(start, end), at),
      cluster: 'test',
      replica: 'a',
      diskIncarnation: new Uint8Array(16).fill(7),
      startNumber: state.startNumber + 1,
      nextSegment: verdict.nextSegment,
      nextSequence: verdict.nextSequence,
      chain: verdict.chain,
      promised: protocol.promised,
      chosen: state.chosenThrough,
      drawNonce: () => [verdict.nextSegment, 6],
      now: () => 0,
      onSegment: (error) => {
        if (error !== null) return reject(error);
        if (log.segment === -1) {
          beginLog(log, state.startNumber + 1, log.chosen);
          log.prepareStandby();
          return;
        }
        fill(log);
        log.flush();
      },
      onMemory: () => {},
    });
    events.onPersisted = (ticket) => {
      log.onPersisted(ticket);
      if (log.isIdle && log.sequence > verdict.nextSequence + 1) resolve();
    };
    log.prepareStandby();
  });
  await new Promise<void>((resolve) => medium.close(() => resolve()));
}

export async function recoveredOf(
  medium: LogMedium,
  segments: readonly SegmentSummary[],
): Promise<RecoveredLog> {
  return await new Promise((resolve, reject) =>
    recoverLog(
      medium,
      segments,
      { cluster: 'test', replica: 'a', versions: { min: 1, max: 3 } },
      crc32c,
      (error, found) => (error === null ? resolve(found!) : reject(error)),
    ),
  );
}
