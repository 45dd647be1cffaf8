/**
 * After the loss of a majority: makes one surviving replica the only member of a new configuration, with what its disk holds. This is the one
 * tool that can lose what was acknowledged, so it says what first, and does nothing unless it is told to.
 */

import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import path from 'node:path';
import { crc32c as portableCrc32c } from '../checksum.js';
import { beginLog, endLog } from '../engine/log-ending.js';
import { LogWriter } from '../engine/log-writer.js';
import { HeapPlace } from '../engine/places.js';
import { type RecoveredLog, type RestoredCheckpoint, recoverLog } from '../engine/recover.js';
import { SynodError } from '../errors.js';
import { RecordKind } from '../log/format.js';
import { loadAddon } from '../native/addon.js';
import { type Configuration, memberById } from '../protocol/configuration.js';
import { DecreeKind, type DecreeReference, noopDecree } from '../protocol/decree.js';
import type { LogMedium, SegmentSummary } from '../storage/log-medium.js';
import { openMedium } from '../storage/open-medium.js';
import { decodeConfiguration, encodeConfiguration } from '../wire/configuration-codec.js';
import { findCheckpoints, latestCheckpoint, readCheckpoint } from './checkpoint-survey.js';
import { surveyLog } from './log-survey.js';

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
  const { header } = surveyLog(dataDir);
  if (header === null)
    throw new SynodError(
      'ERR_SYNOD_LOG_CORRUPT',
      `no segment of the log in ${dataDir} has a header that can be read`,
    );
  const { cluster, replica, segmentBytes } = header;
  const medium = openMedium({ kind: 'file', directory: path.join(dataDir, 'log'), segmentBytes });
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
    const plan = makePlan(dataDir, cluster, replica, incarnation, recovered);
    return {
      plan,
      carryOut: async () => {
        await write(medium, recovered, plan, events);
        audit(plan);
      },
      close: closeMedium,
    };
  } catch (error) {
    await closeMedium();
    throw error;
  }
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
  readCheckpoint(latest.file, {
    onHeader: ({ firstConfiguration }) => {
      first = decodeConfiguration(firstConfiguration);
    },
  });
  return {
    slot: latest.slot!,
    configuration: latest.configuration!,
    firstConfiguration: first ?? latest.configuration!,
  };
}

function makePlan(
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
  let holes = 0;
  for (let slot = chosen + 1; slot <= last; slot += 1) if (!accepted.has(slot)) holes += 1;
  return {
    dataDir,
    cluster,
    replica,
    incarnation,
    configuration,
    lost: configuration.members.filter(({ id }) => id !== replica).map(({ id }) => id),
    chosen,
    kept: last - chosen - holes,
    holes,
    lostFrom: last + 1,
    next: { number: nextNumber(protocol), members: [self], nextMember: configuration.nextMember },
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

function nextNumber(protocol: RecoveredLog['protocol']): number {
  const current = protocol.configuration!.number;
  const atEnd = protocol.accepted.get(keptThrough(protocol))?.decree.configuration;
  // A configuration that was accepted at the end is kept, and this one comes behind it.
  return atEnd?.number === current + 1 ? current + 2 : current + 1;
}

async function write(
  medium: LogMedium,
  recovered: RecoveredLog,
  plan: RecoveryPlan,
  events: { onPersisted: (ticket: number) => void; onFailure: (error: SynodError) => void },
): Promise<void> {
  const { protocol, state, verdict } = recovered;
  let last = plan.lostFrom;
  await new Promise<void>((resolve, reject) => {
    let isEnded: () => boolean = () => false;
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
        if (error !== null) reject(error);
        else put();
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
    /** As far as the segments reach that there are; again when there is another. */
    const put = (): void => {
      try {
        if (!begun) {
          begun = true;
          beginLog(log, state.startNumber + 1, protocol.chosen);
        }
        for (; next < slots.length; next += 1) {
          const { ballot, decree } = slots[next]!;
          if (!log.hasRoom(decree.bytes)) break;
          log.appendDecree(RecordKind.learn, 0, ballot, protocol.chosen + 1 + next, decree);
          log.chosen = protocol.chosen + 1 + next;
        }
        log.flush();
        if (next < slots.length) return;
        last = log.chosen;
        isEnded = endLog(log, () => last);
        if (isEnded()) resolve();
      } catch (error) {
        reject(error as Error);
      }
    };
    events.onFailure = reject;
    events.onPersisted = (ticket) => {
      log.onPersisted(ticket);
      if (next === slots.length && isEnded()) resolve();
    };
    log.prepareStandby();
  });
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
