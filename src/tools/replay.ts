/**
 * Executes a stored log again, offline, through a state machine, up to a slot: to see what a command did, with a debugger if need be. The
 * data directory stays as it is, unless a checkpoint is to be written into it; nothing is sent to anyone.
 */

import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import path from 'node:path';
import { CheckpointMaker } from '../application/checkpoint-maker.js';
import {
  type CheckpointFacts,
  CheckpointReading,
  restoreByStream,
  restoreCheckpoint,
} from '../application/checkpoint-restore.js';
import { Executor } from '../application/executor.js';
import { crc32c as portableCrc32c } from '../checksum.js';
import { Bridge } from '../engine/bridge.js';
import { SynodError } from '../errors.js';
import { RecordKind } from '../log/format.js';
import { makeLogEntry } from '../log/log-index.js';
import { loadAddon } from '../native/addon.js';
import { DecreeKind } from '../protocol/decree.js';
import type { StateMachine } from '../state-machine.js';
import { type CheckpointFile, FileCheckpointStore } from '../storage/checkpoint-store.js';
import { segmentName } from '../storage/directory.js';
import { checkpointDirectory } from '../storage/folders.js';
import type { Callback } from '../storage/log-medium.js';
import { encodeConfiguration } from '../wire/configuration-codec.js';
import { lockOwner } from './checkpoint-owner.js';
import { findAnyCheckpoints, latestCheckpoint } from './checkpoint-survey.js';
import { surveyLog, visitRecords } from './log-survey.js';

const crc32c = loadAddon().addon?.crc32c ?? portableCrc32c;
/** The name of the unfinished file. A replica's own files have others, and it deletes those at its start. */
const WRITER_NAME = 'replayed';

export interface ReplayOptions {
  readonly dataDir: string;
  /** The last slot that is executed; default: the last that is known to be chosen. */
  readonly to?: number | undefined;
  /**
   * A folder to write a checkpoint of the end into; none where it is not given. That of a data directory, `<dataDir>/checkpoints`, is locked as
   * long as the replay goes on: its replica may not run.
   */
  readonly writeCheckpoint?: string | undefined;
  /** Called now and then. */
  readonly onProgress?: (slot: number, to: number) => void;
}

export interface ReplayReport {
  /** Slot of the checkpoint that it began with; 0 where it began with nothing. */
  readonly from: number;
  readonly slot: number;
  readonly commands: number;
  readonly digest: string | null;
  /** Slot of the checkpoint that was written; null where none was. */
  readonly checkpoint: number | null;
}

/**
 * Rejects with `ERR_SYNOD_DATA_DIRECTORY` (no log, or a checkpoint is to be written beside a replica), `ERR_SYNOD_LOG_CORRUPT` (the log is damaged, or does not reach back), `ERR_SYNOD_ARGUMENT` (the
 * slot is not known to be chosen), `ERR_SYNOD_STATE_MACHINE`.
 */
export async function replay(
  stateMachine: StateMachine<unknown>,
  options: ReplayOptions,
): Promise<ReplayReport> {
  const { dataDir, writeCheckpoint } = options;
  if (writeCheckpoint === undefined) return await replayLog(stateMachine, options);
  // From the beginning: a replica that is opened meanwhile may make one of the same slot, and count on it.
  const unlock = await lockOwner(writeCheckpoint, dataDir);
  try {
    return await replayLog(stateMachine, options);
  } finally {
    unlock();
  }
}

async function replayLog(stateMachine: StateMachine<unknown>, options: ReplayOptions): Promise<ReplayReport> {
  const { dataDir } = options;
  const survey = surveyLog(dataDir);
  if (survey.verdict.kind === 'corrupt')
    throw new SynodError(
      'ERR_SYNOD_LOG_CORRUPT',
      `the log in ${dataDir} is corrupt: synod log verify tells where`,
    );
  // As a crash at the very first opening leaves it.
  if (survey.header === null)
    throw new SynodError('ERR_SYNOD_DATA_DIRECTORY', `nothing was ever written to the log in ${dataDir}`, {
      path: dataDir,
    });
  const { cluster, replica } = survey.header;
  const restored = stateMachine.restore === undefined ? null : findLatest(dataDir, options.to);
  const chosen = Math.max(survey.state.chosenThrough, restored?.slot ?? 0);
  const to = options.to ?? chosen;
  if (to > chosen)
    throw new SynodError(
      'ERR_SYNOD_ARGUMENT',
      `slot ${to} is not known to be chosen: the log says so up to ${chosen}`,
    );

  const bridge = new Bridge();
  let payload = new Uint8Array(0);
  let commands = 0;
  const executor = new Executor<unknown>({
    bridge,
    stateMachine,
    memory: () => ({
      bytes: payload,
      view: new DataView(payload.buffer, payload.byteOffset, payload.length),
    }),
    reply: () => {},
    settle: () => {},
    wakeEngine: () => {},
    onConfiguration: (bytes) => {
      configuration = bytes;
    },
  });
  let configuration: Uint8Array | null = null;
  let first: Uint8Array | null = null;
  let promised = survey.state.promised;
  if (restored !== null) {
    const store = new FileCheckpointStore(checkpointDirectory(dataDir));
    const reading = new CheckpointReading(store, restored, cluster, crc32c);
    const {
      header,
      configuration: current,
      sessions,
    } = await new Promise<CheckpointFacts>((resolve, reject) =>
      restoreCheckpoint(reading, stateMachine as StateMachine<never>, restoreByStream, (error, facts) =>
        error === null ? resolve(facts!) : reject(error),
      ),
    );
    executor.restored(restored.slot, sessions);
    configuration = encodeConfiguration(current);
    first = header.firstConfiguration;
    // A checkpoint of a peer may be here while no record tells of it (rule 7).
    promised = Math.max(promised, header.ballot);
  } else {
    visitRecords(survey, (record) => {
      if (record.kind === RecordKind.genesis) first = record.payload.slice();
    });
    configuration = first;
  }

  const entry = makeLogEntry();
  const reader = new SegmentReader(survey.directory);
  try {
    for (let slot = (restored?.slot ?? 0) + 1; slot <= to; slot += 1) {
      if (!survey.state.index.get(slot, entry))
        throw new SynodError(
          'ERR_SYNOD_LOG_CORRUPT',
          `slot ${slot} is neither in the log nor in a checkpoint`,
        );
      payload = reader.read(entry.segment, entry.payloadOffset, entry.payloadBytes);
      if (crc32c(payload, 0, payload.length, 0) !== entry.payloadChecksum && payload.length > 0) {
        // The file of a segment that was dropped becomes that of another.
        reader.requireThere(entry.segment);
        throw new SynodError('ERR_SYNOD_LOG_CORRUPT', `the decree of slot ${slot} is damaged`);
      }
      bridge.deliver(slot, -1, 0, entry.payloadBytes, entry.commandCount, entry.decreeKind);
      run(executor, slot);
      if (entry.decreeKind === DecreeKind.commands) commands += entry.commandCount;
      if (slot % 65_536 === 0) options.onProgress?.(slot, to);
    }
  } finally {
    reader.close();
  }

  let checkpoint: number | null = null;
  if (options.writeCheckpoint !== undefined) {
    if (first === null || configuration === null)
      throw new SynodError(
        'ERR_SYNOD_ARGUMENT',
        'no checkpoint can be written: the log has no configuration',
      );
    checkpoint = await makeCheckpoint(stateMachine, options.writeCheckpoint, {
      cluster,
      replica,
      slot: to,
      ballot: promised,
      sessions: executor.sessions,
      configuration,
      firstConfiguration: first,
    });
  }
  return {
    from: restored?.slot ?? 0,
    slot: to,
    commands,
    digest: stateMachine.digest?.() ?? null,
    checkpoint,
  };
}

function findLatest(dataDir: string, to: number | undefined): { slot: number; bytes: number } | null {
  const found = latestCheckpoint(findAnyCheckpoints(dataDir), to);
  return found === null ? null : { slot: found.slot!, bytes: found.bytes };
}

function run(executor: Executor<unknown>, slot: number): void {
  try {
    executor.run();
  } catch (cause) {
    if (SynodError.is(cause)) throw cause;
    throw new SynodError(
      'ERR_SYNOD_STATE_MACHINE',
      `the state machine threw at slot ${slot}: ${String(cause)}`,
      { cause },
    );
  }
}

type Basis = Parameters<CheckpointMaker['begin']>[1] & { readonly cluster: string; readonly replica: string };

function makeCheckpoint(
  stateMachine: StateMachine<unknown>,
  directory: string,
  basis: Basis,
): Promise<number> {
  const store = new ReplayedCheckpoints(directory);
  const maker = new CheckpointMaker({
    store,
    crc32c,
    cluster: basis.cluster,
    replica: basis.replica,
    drawNonce: () => {
      const words = randomBytes(8);
      return [words.readUInt32LE(0), words.readUInt32LE(4)];
    },
    wallNow: Date.now,
    later: (call) => void setImmediate(call),
  });
  return new Promise((resolve, reject) => {
    store.list((error) => {
      if (error !== null) return reject(error);
      const begun = maker.begin(stateMachine as StateMachine<never>, basis, (failed, made) =>
        failed === null ? resolve(made!.slot) : reject(failed),
      );
      if (!begun) reject(new SynodError('ERR_SYNOD_STATE_MACHINE', 'the state machine makes no checkpoint'));
    });
  });
}

/** Names what it begins as its own, whoever asks. */
class ReplayedCheckpoints extends FileCheckpointStore {
  override create(slot: number, _writer: string, callback: Callback<CheckpointFile>): void {
    super.create(slot, WRITER_NAME, callback);
  }
}

/** Keeps the file of the last segment open: slots mostly follow one another. */
class SegmentReader {
  readonly #directory: string;
  #segment = -1;
  #fd = -1;

  constructor(directory: string) {
    this.#directory = directory;
  }

  read(segment: number, offset: number, length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    if (length === 0) return bytes;
    if (segment !== this.#segment) {
      this.close();
      this.requireThere(segment);
      this.#fd = openSync(path.join(this.#directory, segmentName(segment)), 'r');
      this.#segment = segment;
    }
    let at = 0;
    while (at < length) {
      const count = readSync(this.#fd, bytes, at, length - at, offset + at);
      if (count === 0) break;
      at += count;
    }
    return bytes;
  }

  /** Throws `ERR_SYNOD_DATA_DIRECTORY` where a replica that runs has dropped the segment meanwhile. */
  requireThere(segment: number): void {
    const file = path.join(this.#directory, segmentName(segment));
    if (existsSync(file)) return;
    throw new SynodError(
      'ERR_SYNOD_DATA_DIRECTORY',
      `${file} was dropped by the replica, which runs and has made a checkpoint: replay it again`,
      { path: file },
    );
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
    this.#segment = -1;
  }
}
