/**
 * After the loss of a majority: makes one surviving replica the only member of a new configuration, with what its disk holds. This is the one
 * tool that can lose what was acknowledged, so it says what first, and does nothing unless it is told to.
 */

import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import path from 'node:path';
import { crc32c as portableCrc32c } from '../checksum.js';
import { beginLog, endLog } from '../engine/log-ending.js';
import { LogWriter, segmentBytesFor } from '../engine/log-writer.js';
import { HeapPlace } from '../engine/places.js';
import { type RecoveredLog, type RestoredCheckpoint, recoverLog } from '../engine/recover.js';
import { SynodError } from '../errors.js';
import { RecordKind, SEGMENT_BYTES_MAX } from '../log/format.js';
import { makeLogEntry } from '../log/log-index.js';
import { loadAddon } from '../native/addon.js';
import { type Ballot, noBallot } from '../protocol/ballot.js';
import { type Configuration, memberById } from '../protocol/configuration.js';
import { DecreeKind, type DecreeReference, noopDecree } from '../protocol/decree.js';
import type { LogMedium, SegmentSummary } from '../storage/log-medium.js';
import { openMedium } from '../storage/open-medium.js';
import { decodeConfiguration, encodeConfiguration } from '../wire/configuration-codec.js';
import { findCheckpoints, latestCheckpoint, readCheckpoint } from './checkpoint-survey.js';
import { type LogSurvey, surveyLog } from './log-survey.js';

const crc32c = loadAddon().addon?.crc32c ?? portableCrc32c;
/** Each recovery adds one line of JSON to this file in the data directory. */
export const AUDIT_FILE = 'recoveries.jsonl';

export interface RecoveryPlan {
  readonly dataDir: string;
  readonly cluster: string;
  readonly replica: string;
  /** Of the disk, in hexadecimal. */
  readonly incarnation: string;
  readonly configuration: Configuration;
  /** Members that would be lost. */
  readonly lost: readonly string[];
  /** Every slot up to this one is known to be chosen: nothing of it can be lost. */
  readonly chosen: number;
  /** Slots behind it up to the last that this disk has accepted: they are kept, though some may never have been acknowledged. */
  readonly kept: number;
  /** Slots among them that this disk has nothing for: they become no-ops, and what was chosen there is lost. */
  readonly holes: number;
  /** From this slot on, whatever the lost members have chosen without this one is lost. Nobody who is left knows how much that is. */
  readonly lostFrom: number;
  readonly next: Configuration;
}

export interface Recovery {
  readonly plan: RecoveryPlan;
  /** Writes it into the log, behind everything that is there, and the line of the audit; durable when it resolves. */
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
    directory: path.join(dataDir, 'log'),
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
    const checkpoint = restoredFrom(dataDir);
    const recovered = await new Promise<RecoveredLog>((resolve, reject) =>
      recoverLog(medium, segments, { cluster, replica, checkpoint }, crc32c, (error, found) =>
        error === null ? resolve(found!) : reject(error),
      ),
    );
    const incarnation = Buffer.from(recovered.diskIncarnation!).toString('hex');
    const plan = planRecovery(dataDir, cluster, replica, incarnation, recovered);
    return {
      plan,
      carryOut: async () => {
        await writeRecovery(medium, recovered, plan, events);
        audit(plan);
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

/** What a replica would restore before it opens its log: the newest checkpoint that is sound. */
function restoredFrom(dataDir: string): RestoredCheckpoint | null {
  try {
    findCheckpoints(dataDir);
  } catch {
    return null;
  }
  const latest = latestCheckpoint(dataDir);
  if (latest === null) return null;
  let first: Configuration | null = null;
  let promised: Ballot = noBallot;
  readCheckpoint(latest.file, {
    onHeader: ({ firstConfiguration, ballot }) => {
      first = decodeConfiguration(firstConfiguration);
      promised = ballot;
    },
  });
  return {
    slot: latest.slot!,
    configuration: latest.configuration!,
    firstConfiguration: first ?? latest.configuration!,
    promised,
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
  for (let slot = chosen + 1; slot <= last; slot += 1) if (!accepted.has(slot)) holes += 1;
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
    holes,
    lostFrom: last + 1,
    next: {
      number: before.number + 1,
      members: [there ?? self],
      nextMember: before.nextMember,
      ...(before.version === undefined ? {} : { version: before.version }),
    },
  };
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
    const payload = encodeConfiguration(plan.next);
    slots.push({
      ballot: protocol.promised,
      decree: {
        kind: DecreeKind.configuration,
        bytes: payload.length,
        checksum: crc32c(payload, 0, payload.length, 0),
        commands: 0,
        configuration: plan.next,
        source: new HeapPlace([payload]),
      },
    });
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
      if (next < slots.length || (!log.hasRoom(0) && !isFull)) return;
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

function tooLarge(slot: number, bytes: number, { dataDir }: RecoveryPlan, log: LogWriter): SynodError {
  return new SynodError(
    'ERR_SYNOD_DATA_DIRECTORY',
    `slot ${slot} of the log in ${dataDir} has ${bytes} bytes, too many for a segment of ${log.segmentBytes}`,
    { path: dataDir },
  );
}

function audit(plan: RecoveryPlan): void {
  const line = JSON.stringify({
    at: new Date().toISOString(),
    ...plan,
    host: process.env.HOSTNAME ?? null,
    user: process.env.USER ?? null,
  });
  const fd = openSync(path.join(plan.dataDir, AUDIT_FILE), 'a');
  try {
    writeSync(fd, `${line}\n`);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
