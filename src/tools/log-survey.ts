/**
 * Looks at the log of a replica from outside: reads its files, judges them as recovery does, and changes nothing. Works
 * beside a replica that is running.
 */

import { closeSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import path from 'node:path';
import { crc32c as portableCrc32c } from '../checksum.js';
import { SynodError } from '../errors.js';
import { RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES, SEGMENT_SUFFIX } from '../log/format.js';
import { LogState } from '../log/log-state.js';
import { type CorruptVerdict, type FoundSegment, LogRecovery, type LogVerdict } from '../log/recovery.js';
import type { SegmentHeader } from '../log/segment.js';
import { readSegmentHeader } from '../log/segment.js';
import { RecordColumns, type SegmentScan, scanSegment } from '../log/segment-scan.js';
import { loadAddon } from '../native/addon.js';
import { parseSegmentName } from '../storage/directory.js';
import { logDirectory } from '../storage/folders.js';
import { findAnyCheckpoints, slotOf } from './checkpoint-survey.js';
import { isGone, unlessGone } from './gone.js';

/**
 * A segment is read while a running replica writes to it: what is read last may tell of records that were not there yet
 * when their place was read, which looks like damage. Real damage is still there the next time.
 */
const ATTEMPTS_MAX = 3;
/** A segment that was dropped before it was read is not asked for the next time. They may go one by one. */
const GONE_MAX = 50;

const crc32c = loadAddon().addon?.crc32c ?? portableCrc32c;

export interface LogSurvey {
  /** The folder of the segment files. */
  readonly directory: string;
  /** Segment files, by ascending number. */
  readonly segments: number;
  readonly verdict: LogVerdict;
  /** Of the oldest segment whose header can be read; null where there is none. */
  readonly header: SegmentHeader | null;
  /** The greatest size that a header gives its segment; 0 where none can be read. */
  readonly segmentBytesMax: number;
  /** What the records add up to; of a corrupt log, those before the damage. */
  readonly state: LogState;
  /** Records, and bytes of payload in them. */
  readonly records: number;
  readonly payloadBytes: number;
}

/** One record, for people. Offsets are bytes from the beginning of the segment's file. */
export interface SurveyedRecord {
  readonly segment: number;
  readonly offset: number;
  readonly sequence: number;
  readonly kind: number;
  readonly decreeKind: number;
  readonly ballot: number;
  readonly slot: number;
  readonly chosen: number;
  readonly commands: number;
  readonly payloadBytes: number;
  /** Lent until the next record. */
  readonly payload: Uint8Array;
}

interface ReadSegment {
  readonly found: FoundSegment;
  readonly path: string;
}

/** Judges the log below the data directory `dataDir`. Throws `ERR_SYNOD_DATA_DIRECTORY` where there is none. */
export function surveyLog(dataDir: string): LogSurvey {
  let attempts = 0;
  let gone = 0;
  for (;;) {
    try {
      const survey = surveyOnce(logDirectory(dataDir));
      // Behind the log: a checkpoint is there before the log that it holds is dropped.
      const verdict = survey.verdict.kind === 'corrupt' ? null : beginningLost(dataDir, survey);
      const judged = verdict === null ? survey : { ...survey, verdict };
      attempts += 1;
      if (judged.verdict.kind !== 'corrupt' || attempts === ATTEMPTS_MAX) return judged;
    } catch (error) {
      gone += 1;
      if (gone > GONE_MAX || !isGone(error)) throw error;
    }
  }
}

/**
 * Why a replica would not open a log that is sound as far as it goes: no checkpoint has what was chosen before it. By their names alone. Null where
 * one has.
 */
function beginningLost(dataDir: string, { state, records, header }: LogSurvey): CorruptVerdict | null {
  let files: readonly string[];
  try {
    files = findAnyCheckpoints(dataDir);
  } catch {
    // Nobody can say now what is in them.
    return null;
  }
  const lost = (detail: string): CorruptVerdict => ({
    kind: 'corrupt',
    reason: 'beginning-lost',
    segment: header?.segment ?? 0,
    offset: 0,
    detail,
  });
  const first = state.nextSequence - records;
  const [newest] = files;
  if (newest === undefined && first !== 1)
    return lost(`the first record is ${first}, and there is no checkpoint`);
  const hole = state.index.nextHole((newest === undefined ? 0 : slotOf(newest)) + 1, state.chosenThrough);
  if (hole > state.chosenThrough) return null;
  return lost(`slot ${hole} is chosen, but neither the log nor a checkpoint has it`);
}

/** Visits the records that the survey counted, in order; yields how many: those that a running replica has dropped since are passed over. */
export function visitRecords(survey: LogSurvey, visit: (record: SurveyedRecord) => void): number {
  const { nextSequence } = survey.state;
  let visited = 0;
  const line = findSegments(survey.directory).flatMap(({ found, path: file }) =>
    found.header.kind === 'valid' ? [{ header: found.header.header, file }] : [],
  );
  const columns = new RecordColumns();
  for (const [index, { header, file }] of line.entries()) {
    // What a later segment begins with is void in the segments before it.
    const until = line
      .slice(index + 1)
      .reduce((least, later) => Math.min(least, later.header.firstSequence), nextSequence);
    if (header.firstSequence >= until) continue;
    const bytes = unlessGone(() => readFile(file));
    if (bytes === null) continue;
    const scan = scanSegment(bytes, { header, untilSequence: until, crc32c, columns });
    visitScan(scan, bytes, visit);
    visited += scan.records.count;
  }
  return visited;
}

function surveyOnce(directory: string): LogSurvey {
  const segments = findSegments(directory);
  if (segments.length === 0) throw noLog(directory, 'there are no log segments in it');
  const recovery = new LogRecovery({
    segments: segments.map(({ found }) => found),
    beginning: 'suffix',
    crc32c,
  });
  const state = new LogState();
  let records = 0;
  let payloadBytes = 0;
  for (let segment = recovery.next(); segment !== null; segment = recovery.next()) {
    const file = segments.find(({ found }) => found.segment === segment)!.path;
    const scan = recovery.examine(readFile(file));
    if (scan === null) continue;
    state.fold(scan);
    records += scan.records.count;
    for (let at = 0; at < scan.records.count; at += 1) payloadBytes += scan.records.payloadBytes[at]!;
  }
  const verdict = recovery.verdict();
  const headers = segments.flatMap(({ found: { header } }) =>
    header.kind === 'valid' ? [header.header] : [],
  );
  return {
    directory,
    segments: segments.length,
    verdict: verdict.kind === 'corrupt' ? verdict : (state.fault ?? verdict),
    header: headers[0] ?? null,
    segmentBytesMax: Math.max(0, ...headers.map(({ segmentBytes }) => segmentBytes)),
    state,
    records,
    payloadBytes,
  };
}

function visitScan(scan: SegmentScan, bytes: Uint8Array, visit: (record: SurveyedRecord) => void): void {
  const { header, records } = scan;
  for (let at = 0; at < records.count; at += 1) {
    const offset = records.offsets[at]!;
    const payloadBytes = records.payloadBytes[at]!;
    const payloadAt = offset + RECORD_HEADER_BYTES;
    visit({
      segment: header.segment,
      offset,
      sequence: header.firstSequence + at,
      kind: records.kinds[at]!,
      decreeKind: records.decreeKinds[at]!,
      ballot: records.ballots[at]!,
      slot: records.slots[at]!,
      chosen: records.chosen[at]!,
      commands: records.commandCounts[at]!,
      payloadBytes,
      payload: bytes.subarray(payloadAt, payloadAt + payloadBytes),
    });
  }
}

function findSegments(directory: string): readonly ReadSegment[] {
  let names: readonly string[];
  try {
    names = readdirSync(directory).filter((name) => name.endsWith(SEGMENT_SUFFIX));
  } catch (cause) {
    throw noLog(directory, (cause as Error).message, cause);
  }
  return names
    .flatMap((name) => {
      const segment = parseSegmentName(name);
      return segment === null ? [] : [{ segment, path: path.join(directory, name) }];
    })
    .sort((a, b) => a.segment - b.segment)
    .flatMap(({ segment, path: file }) => {
      const page = unlessGone(() => readFile(file, SEGMENT_HEADER_BYTES));
      if (page === null) return [];
      return [{ found: { segment, header: readSegmentHeader(page, crc32c) }, path: file }];
    });
}

/** The file, or its first `bytesMax` bytes. */
function readFile(file: string, bytesMax = Number.POSITIVE_INFINITY): Uint8Array {
  let fd = -1;
  try {
    fd = openSync(file, 'r');
    const bytes = new Uint8Array(Math.min(fstatSync(fd).size, bytesMax));
    let at = 0;
    while (at < bytes.length) {
      const count = readSync(fd, bytes, at, bytes.length - at, at);
      if (count === 0) break;
      at += count;
    }
    return bytes.subarray(0, at);
  } catch (cause) {
    throw new SynodError('ERR_SYNOD_DATA_DIRECTORY', `cannot read ${file}: ${(cause as Error).message}`, {
      cause,
      path: file,
    });
  } finally {
    if (fd >= 0) closeSync(fd);
  }
}

function noLog(directory: string, reason: string, cause?: unknown): SynodError {
  return new SynodError('ERR_SYNOD_DATA_DIRECTORY', `no log in ${directory}: ${reason}`, {
    cause,
    path: directory,
  });
}
