/** Looks at the checkpoints of a replica from outside: reads them block by block, and changes nothing. Works beside a replica that runs. */

import { closeSync, fstatSync, lstatSync, openSync, readdirSync, readSync } from 'node:fs';
import path from 'node:path';
import { BlockReader, type SessionEntry } from '../checkpoint/blocks.js';
import { CHECKPOINT_HEADER_BYTES } from '../checkpoint/format.js';
import { type CheckpointHeader, readCheckpointHeader } from '../checkpoint/header.js';
import { crc32c as portableCrc32c } from '../checksum.js';
import { SynodError } from '../errors.js';
import { loadAddon } from '../native/addon.js';
import { formatBallot } from '../protocol/ballot.js';
import type { Configuration } from '../protocol/configuration.js';
import { parseCheckpointName } from '../storage/checkpoint-store.js';
import { checkpointDirectory } from '../storage/folders.js';
import { systemCode } from '../storage/storage-error.js';
import { decodeConfiguration, withCookie } from '../wire/configuration-codec.js';
import { unlessGone } from './gone.js';

const crc32c = loadAddon().addon?.crc32c ?? portableCrc32c;
const READ_BYTES = 1024 * 1024;

/** What a checkpoint hands to whoever reads it. `onHeader` comes first; nothing is checked to its end before the call returns. */
export interface CheckpointVisitor {
  onHeader?(header: CheckpointHeader, configuration: Configuration): void;
  /** That of the configuration, where it had no room in the header. Lent for the call. */
  onCookie?(bytes: Uint8Array): void;
  onSessions?(entries: readonly SessionEntry[]): void;
  /** Lent for the call. */
  onState?(bytes: Uint8Array): void;
}

export interface CheckpointReport {
  readonly file: string;
  readonly bytes: number;
  /** `unread`: the disk does not give it, now at least; or it is of a format that only another build knows. */
  readonly verdict: 'sound' | 'damaged' | 'unread';
  /** What is wrong, and where; null where it is sound. */
  readonly detail: string | null;
  readonly slot: number | null;
  readonly ballot: string | null;
  readonly cluster: string | null;
  /** Who made it, and when. */
  readonly replica: string | null;
  readonly createdAt: string | null;
  readonly configuration: Configuration | null;
  /** Sessions whose commands were executed, and bytes of the state machine's state; as far as they could be read. */
  readonly sessions: number;
  readonly stateBytes: number;
}

/** The files of the data directory's checkpoints, newest first. Throws `ERR_SYNOD_DATA_DIRECTORY` where there are none. */
export function findCheckpoints(dataDir: string): readonly string[] {
  const directory = checkpointDirectory(dataDir);
  const found = checkpointsIn(directory);
  if (found.length === 0) throw none(directory, 'there are none in it');
  return found;
}

/**
 * The same for whoever goes on without any. Throws where the folder is there and cannot be read, as a link is to a disk that is not mounted: what
 * is in it may be read again later.
 */
export function findAnyCheckpoints(dataDir: string): readonly string[] {
  const directory = checkpointDirectory(dataDir);
  return lstatSync(directory, { throwIfNoEntry: false }) === undefined ? [] : checkpointsIn(directory);
}

function checkpointsIn(directory: string): readonly string[] {
  let names: readonly string[] = [];
  try {
    names = readdirSync(directory);
  } catch (cause) {
    throw none(directory, (cause as Error).message, cause);
  }
  return names
    .map((name) => ({ name, slot: parseCheckpointName(name) }))
    .filter(({ slot }) => slot !== null)
    .sort((a, b) => b.slot! - a.slot!)
    .map(({ name }) => path.join(directory, name));
}

/** The slot that one of the files found is named after. */
export function slotOf(file: string): number {
  return parseCheckpointName(path.basename(file))!;
}

/** Null where the file is not there any more: a replica that runs deletes what it has newer ones for. */
export function readIfThere(file: string): CheckpointReport | null {
  return unlessGone(() => readCheckpoint(file));
}

/** Reads one checkpoint to its end. Throws `ERR_SYNOD_DATA_DIRECTORY` where the file cannot be opened. */
export function readCheckpoint(file: string, visitor: CheckpointVisitor = {}): CheckpointReport {
  let fd = -1;
  try {
    fd = openSync(file, 'r');
    return readOpen(fd, file, fstatSync(fd).size, visitor);
  } catch (cause) {
    if (SynodError.is(cause)) throw cause;
    // A sector that cannot be read any more is no less than one with other bytes in it: the checkpoint before this one may be sound.
    if (systemCode(cause) === 'EIO')
      return { ...damagedReport(file, 0, (cause as Error).message, nothing), verdict: 'unread' };
    throw new SynodError('ERR_SYNOD_DATA_DIRECTORY', `cannot read ${file}: ${(cause as Error).message}`, {
      cause,
      path: file,
    });
  } finally {
    if (fd >= 0) closeSync(fd);
  }
}

/** The first of the files, newest first, that is sound and of a slot up to `slot`; null where there is none. */
export function latestCheckpoint(
  files: readonly string[],
  slot: number = Number.MAX_SAFE_INTEGER,
): CheckpointReport | null {
  for (const file of files) {
    if (slotOf(file) > slot) continue;
    const report = readIfThere(file);
    if (report?.verdict === 'sound') return report;
  }
  return null;
}

const nothing = {
  slot: null,
  ballot: null,
  cluster: null,
  replica: null,
  createdAt: null,
  configuration: null,
};

function damagedReport(file: string, bytes: number, detail: string, known: object): CheckpointReport {
  return { ...nothing, file, bytes, verdict: 'damaged', detail, sessions: 0, stateBytes: 0, ...known };
}

function readOpen(fd: number, file: string, bytes: number, visitor: CheckpointVisitor): CheckpointReport {
  const page = new Uint8Array(READ_BYTES);
  const read = (from: number, length: number): Uint8Array =>
    page.subarray(0, readSync(fd, page, 0, Math.min(length, READ_BYTES), from));
  const reading = readCheckpointHeader(read(0, CHECKPOINT_HEADER_BYTES), crc32c);
  const damaged = (detail: string, known: object = nothing): CheckpointReport =>
    damagedReport(file, bytes, detail, known);
  if (reading.kind === 'unsupported')
    return { ...damaged(`format version ${reading.version} is not known here`), verdict: 'unread' };
  if (reading.kind === 'malformed') return damaged(`header: ${reading.field} has an impossible value`);
  if (reading.kind === 'damaged') return damaged('byte 0: the header is damaged or cut off');
  const { header, chain } = reading;
  let configuration = decodeConfiguration(header.configuration);
  const { slot, cluster, replica } = header;
  const known = {
    slot,
    ballot: formatBallot(header.ballot),
    cluster,
    replica,
    createdAt: new Date(header.createdAtMs).toISOString(),
    configuration,
  };
  if (configuration === null) return damaged('header: the configuration cannot be read', known);
  if (slot !== parseCheckpointName(path.basename(file)))
    return damaged(`it is that of slot ${slot}, and its name is another`, known);
  visitor.onHeader?.(header, configuration);
  let sessions = 0;
  let stateBytes = 0;
  const reader = new BlockReader(chain, CHECKPOINT_HEADER_BYTES, crc32c, {
    onCookie: (cookie) => {
      configuration = withCookie(configuration!, cookie);
      visitor.onCookie?.(cookie);
    },
    onSessions: (entries) => {
      sessions += entries.length;
      visitor.onSessions?.(entries);
    },
    onState: (state) => {
      stateBytes += state.length;
      visitor.onState?.(state);
    },
  });
  for (let offset = CHECKPOINT_HEADER_BYTES; offset < bytes; ) {
    const chunk = read(offset, READ_BYTES);
    if (chunk.length === 0) break;
    offset += chunk.length;
    if (reader.push(chunk).kind === 'damaged') break;
  }
  const { state } = reader;
  const counted = { ...known, configuration, sessions, stateBytes };
  if (state.kind === 'damaged') return damaged(`byte ${state.offset}: ${state.reason}`, counted);
  if (state.kind === 'open') return damaged(`byte ${bytes}: it ends before its last block`, counted);
  return { ...damaged('', counted), verdict: 'sound', detail: null };
}

function none(directory: string, reason: string, cause?: unknown): SynodError {
  return new SynodError('ERR_SYNOD_DATA_DIRECTORY', `no checkpoints in ${directory}: ${reason}`, {
    cause,
    path: directory,
  });
}
