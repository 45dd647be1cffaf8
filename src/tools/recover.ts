/**
 * After the loss of a majority: makes one surviving replica the only member of a new configuration, with what its disk holds. This is the one
 * tool that can lose what was acknowledged, so it says what first, and does nothing unless it is told to.
 */

import { randomBytes } from 'node:crypto';
import { crc32c as portableCrc32c } from '../checksum.js';
import { beginLog, endLog } from '../engine/log-ending.js';
import { LogWriter, segmentBytesFor } from '../engine/log-writer.js';
import { HeapPlace } from '../engine/places.js';
import { type RecoveredLog, type RestoredCheckpoint, recoverLog } from '../engine/recover.js';
import { SynodError } from '../errors.js';
import { RecordKind, SEGMENT_BYTES_MAX } from '../log/format.js';
import { makeLogEntry } from '../log/log-index.js';
import { loadAddon } from '../native/addon.js';
import { type Ballot, formatBallot, noBallot } from '../protocol/ballot.js';
import { type Configuration, memberById } from '../protocol/configuration.js';
import { DecreeKind, type DecreeReference, noopDecree } from '../protocol/decree.js';
import { logDirectory } from '../storage/folders.js';
import type { LogMedium, SegmentSummary } from '../storage/log-medium.js';
import { openMedium } from '../storage/open-medium.js';
import { decodeConfiguration, encodeConfiguration } from '../wire/configuration-codec.js';
import { findAnyCheckpoints, latestCheckpoint, readCheckpoint } from './checkpoint-survey.js';
import { makeNameDurable } from './durable-name.js';
import { type LogSurvey, surveyLog } from './log-survey.js';
import { type RecoveryPlan, unfinishedPlan, writeDown } from './recovery-audit.js';

export type { RecoveryPlan } from './recovery-audit.js';

const crc32c = loadAddon().addon?.crc32c ?? portableCrc32c;

export interface Recovery {
  readonly plan: RecoveryPlan;
  /** It was begun before, and came to nothing half-way: the plan is the one that it began with. */
  readonly isContinued: boolean;
  /**
   * Writes it into the log, behind everything that is there, and what it does into the audit; durable when it resolves. Where it rejects, the
   * replica may not be opened until another run has gone on with it.
   */
  carryOut(): Promise<void>;
  /** Gives the directory back. Nothing has changed unless `carryOut` was called. */
  close(): Promise<void>;
}

/**
 * Opens the data directory of a replica that does not run. Rejects with `ERR_SYNOD_DATA_DIRECTORY` (none, or in use), `ERR_SYNOD_LOG_CORRUPT`,
 * `ERR_SYNOD_ARGUMENT` where the replica is no member: it cannot speak for the others.
 */
export async function openRecovery(dataDir: string): Promise<Recovery> {
  const survey = surveyLog(dataDir);
  const { header } = survey;
  if (header === null)
    throw new SynodError(
      'ERR_SYNOD_LOG_CORRUPT',
      `no segment of the log in ${dataDir} has a header that can be read`,
    );
  const { cluster, replica } = header;
  const medium = openMedium({
    kind: 'file',
    directory: logDirectory(dataDir),
    segmentBytes: segmentBytesWithRoom(survey),
  });
  const events = { onPersisted: (_ticket: number): void => {}, onFailure: (_error: SynodError): void => {} };
  const closeMedium = (): Promise<void> => new Promise((resolve) => medium.close(() => resolve()));
  try {
    const segments = await new Promise<readonly SegmentSummary[]>((resolve, reject) =>
      medium.start(
        {
          onPersisted: (ticket) => events.onPersisted(ticket),
          onFailure: (error) => events.onFailure(error),
        },
        (error, found) => (error === null ? resolve(found!) : reject(error)),
      ),
    );
    const checkpoint = restoredFrom(dataDir, cluster);
    const recovered = await new Promise<RecoveredLog>((resolve, reject) =>
      recoverLog(
        medium,
        segments,
        { cluster, replica, checkpoint: checkpoint?.restored ?? null },
        crc32c,
        (error, found) => (error === null ? resolve(found!) : reject(error)),
      ),
    );
    const incarnation = Buffer.from(recovered.diskIncarnation!).toString('hex');
    const begun = unfinishedPlan(dataDir);
    // Planned anew, what was invented in a hole would be taken for what was chosen there, and nothing would tell of the loss.
    const plan =
      begun === null
        ? planRecovery(dataDir, cluster, replica, incarnation, recovered)
        : continuePlan(begun, cluster, replica, incarnation, recovered);
    return {
      plan,
      isContinued: begun !== null,
      carryOut: async () => {
        // Whoever gave it its name may have been killed before that was durable. What is written now goes on behind it: where a power cut takes
        // the name back, nothing holds the slots before.
        if (checkpoint !== null) await makeNameDurable(checkpoint.file);
        // Before the first record: half of them, without a configuration, look like a log whose holes were chosen like that.
        await writeDown('begun', plan);
        await writeRecovery(medium, recovered, plan, events);
        await writeDown('done', plan);
      },
      close: closeMedium,
    };
  } catch (error) {
    await closeMedium();
    throw error;
  }
}

/** Has room for each decree that may be open: the segments of the log may be of many sizes, and what is kept is written again. */
function segmentBytesWithRoom({ segmentBytesMax, state }: LogSurvey): number {
  const { index } = state;
  const entry = makeLogEntry();
  let largest = 0;
  let slot = index.nextSlot(state.chosenThrough + 1);
  while (index.get(slot, entry)) {
    largest = Math.max(largest, entry.payloadBytes);
    slot = index.nextSlot(slot + 1);
  }
  return Math.max(segmentBytesMax, Math.min(segmentBytesFor(largest), SEGMENT_BYTES_MAX));
}

/** What a replica would restore before it opens its log: the newest checkpoint that is sound. Throws where it may miss one. */
function restoredFrom(
  dataDir: string,
  cluster: string,
): { readonly file: string; readonly restored: RestoredCheckpoint } | null {
  const files = findAnyCheckpoints(dataDir);
  const latest = latestCheckpoint(files);
  for (const newer of files) {
    if (newer === latest?.file) break;
    const { verdict, detail } = readCheckpoint(newer);
    // The disk may give it again at the next start, or another build know it: then it would be restored over what is decided here without it.
    if (verdict === 'unread')
      throw new SynodError(
        'ERR_SYNOD_STORAGE_FAILED',
        `${newer} cannot be read (${detail}): move it away to recover without it`,
        { path: newer },
      );
  }
  if (latest === null) return null;
  const { file } = latest;
  if (latest.cluster !== cluster)
    throw new SynodError(
      'ERR_SYNOD_DATA_DIRECTORY',
      `${file} is a checkpoint of cluster "${latest.cluster}", and the log is of "${cluster}"`,
      { path: file },
    );
  let first: Configuration | null = null;
  let promised: Ballot = noBallot;
  const { verdict, detail } = readCheckpoint(file, {
    onHeader: ({ firstConfiguration, ballot }) => {
      first = decodeConfiguration(firstConfiguration);
      promised = ballot;
    },
  });
  if (verdict !== 'sound')
    throw new SynodError('ERR_SYNOD_LOG_CORRUPT', `${file}: ${detail}`, { path: file });
  return {
    file,
    restored: {
      slot: latest.slot!,
      configuration: latest.configuration!,
      firstConfiguration: first ?? latest.configuration!,
      promised,
    },
  };
}

/** What a recovery would keep, lose and put in force. Throws `ERR_SYNOD_ARGUMENT` where the replica cannot speak for the others. */
export function planRecovery(
  dataDir: string,
  cluster: string,
  replica: string,
  incarnation: string,
  { protocol }: RecoveredLog,
): RecoveryPlan {
  const { configuration, chosen, accepted } = protocol;
  if (configuration === null)
    throw new SynodError(
      'ERR_SYNOD_ARGUMENT',
      'the replica has never been in a cluster: there is nothing to recover',
    );
  const self = memberById(configuration, replica);
  if (self === undefined || self.incarnation !== incarnation)
    throw new SynodError(
      'ERR_SYNOD_ARGUMENT',
      `"${replica}" with this disk is no member of configuration ${configuration.number}`,
    );
  const last = keptThrough(protocol);
  // What comes behind a configuration that is kept goes on from that: its numbers are given out, its version may have been in force.
  const before = keptConfiguration(protocol, last) ?? configuration;
  const there = memberById(before, replica);
  if (there !== undefined && there.incarnation !== incarnation)
    throw new SynodError(
      'ERR_SYNOD_ARGUMENT',
      `"${replica}" has another disk in configuration ${before.number}, which this disk has accepted`,
    );
  let holes = 0;
  let ballot: Ballot = noBallot;
  for (let slot = chosen + 1; slot <= last; slot += 1) {
    const found = accepted.get(slot);
    if (found === undefined) holes += 1;
    else ballot = Math.max(ballot, found.ballot);
  }
  return {
    dataDir,
    cluster,
    replica,
    incarnation,
    configuration,
    // Those of both: nobody who is left knows which of the two was in force.
    lost: [...new Set([...configuration.members, ...before.members].map(({ id }) => id))].filter(
      (id) => id !== replica,
    ),
    chosen,
    kept: last - chosen - holes,
    ballot: ballot === noBallot ? null : formatBallot(ballot),
    holes,
    lostFrom: last + 1,
    next: {
      number: before.number + 1,
      members: [there ?? self],
      nextMember: before.nextMember,
      ...(before.version === undefined ? {} : { version: before.version }),
      ...(before.cookie === undefined ? {} : { cookie: before.cookie }),
    },
  };
}

/**
 * What was begun decides for every slot as it did then: what is not written yet was not touched since. Throws `ERR_SYNOD_DATA_DIRECTORY` where
 * the log is not the one that it was begun with, or has gone on since.
 */
function continuePlan(
  begun: RecoveryPlan,
  cluster: string,
  replica: string,
  incarnation: string,
  { protocol }: RecoveredLog,
): RecoveryPlan {
  const { chosen, configuration } = protocol;
  const { lostFrom, next } = begun;
  const number = configuration?.number ?? 0;
  const isOfThisDisk =
    begun.cluster === cluster && begun.replica === replica && begun.incarnation === incarnation;
  const isUnderWay = begun.chosen <= chosen && chosen < lostFrom && number < next.number;
  if (isOfThisDisk && (isUnderWay || (chosen === lostFrom && number === next.number))) return begun;
  throw new SynodError(
    'ERR_SYNOD_DATA_DIRECTORY',
    `the recovery that was begun in ${begun.dataDir} is not of the log that is there now`,
    { path: begun.dataDir },
  );
}

/** As a new primary does: what was accepted is proposed anew, up to a configuration that ends what is behind it. */
function keptThrough({ chosen, accepted, configuration }: RecoveredLog['protocol']): number {
  let last = chosen;
  for (const slot of accepted.keys()) if (slot > last) last = slot;
  for (let slot = chosen + 1; slot <= last; slot += 1) {
    const found = accepted.get(slot)?.decree.configuration;
    if (found != null && found.number === configuration!.number + 1) return slot;
  }
  return last;
}

/** The configuration that is accepted, and not known to be chosen, in the last slot that is kept; or null. */
function keptConfiguration(
  { accepted, configuration }: RecoveredLog['protocol'],
  last: number,
): Configuration | null {
  const atEnd = accepted.get(last)?.decree.configuration;
  return atEnd?.number === configuration!.number + 1 ? atEnd : null;
}

/** Settles once all of it is durable, or cannot be written. */
export async function writeRecovery(
  medium: LogMedium,
  recovered: RecoveredLog,
  plan: RecoveryPlan,
  events: { onPersisted: (ticket: number) => void; onFailure: (error: SynodError) => void },
): Promise<void> {
  const { protocol, state, verdict } = recovered;
  await new Promise<void>((resolve, reject) => {
    const log = new LogWriter({
      medium,
      index: state.index,
      segmentSlots: state.segmentSlots,
      crc32c,
      copy: (target, at, source, start, end) => target.set(source.subarray(start, end), at),
      cluster: plan.cluster,
      replica: plan.replica,
      diskIncarnation: recovered.diskIncarnation!,
      startNumber: state.startNumber + 1,
      nextSegment: verdict.nextSegment,
      nextSequence: verdict.nextSequence,
      chain: verdict.chain,
      promised: protocol.promised,
      chosen: state.chosenThrough,
      drawNonce: () => {
        const words = randomBytes(8);
        return [words.readUInt32LE(0), words.readUInt32LE(4)];
      },
      now: Date.now,
      onSegment: (error) => {
        isFull = error !== null;
        if (error === null) settle(put);
        // All is written, and the segment was made ahead: at most the mark goes without.
        else if (begun && next === slots.length) settle(end);
        else reject(error);
      },
      onMemory: () => log.prepareStandby(),
    });
    const slots: { readonly ballot: number; readonly decree: DecreeReference }[] = [];
    for (let slot = protocol.chosen + 1; slot < plan.lostFrom; slot += 1)
      slots.push(protocol.accepted.get(slot) ?? { ballot: protocol.promised, decree: { ...noopDecree } });
    // Where all of it was written by a run before this one, only the end is missing.
    if (protocol.chosen < plan.lostFrom)
      slots.push({ ballot: protocol.promised, decree: configurationDecree(plan.next) });
    let begun = false;
    let next = 0;
    let isFull = false;
    const isEnded = endLog(log, () => log.chosen);
    const settle = (step: () => void): void => {
      try {
        step();
      } catch (error) {
        reject(error as Error);
      }
    };
    const end = (): void => {
      // A segment with room for the mark is being made.
      if (next < slots.length || (!log.hasRoomForMark && !isFull)) return;
      if (isEnded()) resolve();
    };
    /** As far as the segments reach that there are; again when there is another. */
    const put = (): void => {
      if (!begun) {
        begun = true;
        beginLog(log, state.startNumber + 1, protocol.chosen);
      }
      for (; next < slots.length; next += 1) {
        const { ballot, decree } = slots[next]!;
        const slot = protocol.chosen + 1 + next;
        if (!log.hasRoom(decree.bytes)) {
          // Another segment would be no larger, and none is being made that this could wait for.
          if (log.hasStandby) throw tooLarge(slot, decree.bytes, plan, log);
          break;
        }
        log.appendDecree(RecordKind.learn, 0, ballot, slot, decree);
        log.chosen = slot;
      }
      log.flush();
      end();
    };
    events.onFailure = reject;
    events.onPersisted = (ticket) =>
      settle(() => {
        log.onPersisted(ticket);
        end();
      });
    log.prepareStandby();
  });
}

function configurationDecree(configuration: Configuration): DecreeReference {
  const payload = encodeConfiguration(configuration);
  return {
    kind: DecreeKind.configuration,
    bytes: payload.length,
    checksum: crc32c(payload, 0, payload.length, 0),
    commands: 0,
    configuration,
    source: new HeapPlace([payload]),
  };
}

function tooLarge(slot: number, bytes: number, { dataDir }: RecoveryPlan, log: LogWriter): SynodError {
  return new SynodError(
    'ERR_SYNOD_DATA_DIRECTORY',
    `slot ${slot} of the log in ${dataDir} has ${bytes} bytes, too many for a segment of ${log.segmentBytes}`,
    { path: dataDir },
  );
}
