/** Writes a copy of a checkpoint with other members. The one that it is made from stays as it is. */

import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, lstatSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import { BlockWriter } from '../checkpoint/blocks.js';
import { writeCheckpointHeader } from '../checkpoint/header.js';
import { crc32c as portableCrc32c } from '../checksum.js';
import { SynodError } from '../errors.js';
import { CONFIGURATION_BYTES_MAX, MEMBERS_MAX } from '../limits.js';
import { loadAddon } from '../native/addon.js';
import { type Configuration, memberById } from '../protocol/configuration.js';
import { storageError } from '../storage/storage-error.js';
import {
  decodeConfiguration,
  encodeConfiguration,
  isIncarnation,
  isMemberId,
  splitCookie,
} from '../wire/configuration-codec.js';
import { lockOwner } from './checkpoint-owner.js';
import { type CheckpointReport, readCheckpoint } from './checkpoint-survey.js';
import { makeNameDurable } from './durable-name.js';

const crc32c = loadAddon().addon?.crc32c ?? portableCrc32c;

/** A member by its id; with an incarnation, that disk of its under a number of its own. */
export interface MemberChoice {
  readonly id: string;
  readonly incarnation: string | null;
}

/** Throws `ERR_SYNOD_ARGUMENT`: no members, too many, twice the same, or one that is not there and has no incarnation. */
export function withMembers(current: Configuration, choices: readonly MemberChoice[]): Configuration {
  if (choices.length < 1 || choices.length > MEMBERS_MAX)
    throw new SynodError(
      'ERR_SYNOD_ARGUMENT',
      `members: expected 1 to ${MEMBERS_MAX}, got ${choices.length}`,
    );
  let { nextMember } = current;
  const members = choices.map(({ id, incarnation }) => {
    const before = isMemberId(id) ? memberById(current, id) : undefined;
    if (incarnation === null && before === undefined)
      throw new SynodError(
        'ERR_SYNOD_ARGUMENT',
        `member "${id}" is not in the configuration: ID=INCARNATION adds it`,
      );
    if (incarnation === null || before?.incarnation === incarnation) return before!;
    if (!isMemberId(id) || !isIncarnation(incarnation))
      throw new SynodError(
        'ERR_SYNOD_ARGUMENT',
        `member "${id}=${incarnation}": expected an id and 32 hexadecimal digits`,
      );
    nextMember += 1;
    return { number: nextMember - 1, id, incarnation };
  });
  if (new Set(members.map(({ id }) => id)).size !== members.length)
    throw new SynodError('ERR_SYNOD_ARGUMENT', 'a member is named twice');
  const next = {
    number: current.number + 1,
    members,
    nextMember,
    ...(current.version === undefined ? {} : { version: current.version }),
    ...(current.cookie === undefined ? {} : { cookie: current.cookie }),
  };
  if (decodeConfiguration(encodeConfiguration(next)) === null)
    throw new SynodError('ERR_SYNOD_ARGUMENT', 'a configuration has no room for all these members');
  return next;
}

/**
 * Yields the report of the copy, which is durable then, with the folders above it. Rejects with `ERR_SYNOD_LOG_CORRUPT` where `file` is damaged: nothing is left of the
 * copy; `ERR_SYNOD_ARGUMENT` for members that cannot be, and where the copy is there already; `ERR_SYNOD_DATA_DIRECTORY` where it would be among
 * the checkpoints of a replica that runs.
 */
export async function editMembers(
  file: string,
  choices: readonly MemberChoice[],
  outDirectory: string,
): Promise<CheckpointReport> {
  // It may make one of the same slot meanwhile, and count on it.
  const unlock = await lockOwner(outDirectory, path.dirname(path.dirname(file)));
  try {
    return await writeEdited(file, choices, path.join(outDirectory, path.basename(file)));
  } finally {
    unlock();
  }
}

async function writeEdited(
  file: string,
  choices: readonly MemberChoice[],
  target: string,
): Promise<CheckpointReport> {
  const temporary = `${target}.new`;
  mkdirSync(path.dirname(target), { recursive: true });
  let fd = -1;
  try {
    if (lstatSync(target, { throwIfNoEntry: false }) !== undefined) throw new Error('it is there already');
    fd = openSync(temporary, 'w');
  } catch (cause) {
    throw new SynodError('ERR_SYNOD_ARGUMENT', `cannot write ${target}: ${(cause as Error).message}`, {
      cause,
      path: target,
    });
  }
  try {
    const put = (bytes: Uint8Array): void => {
      try {
        for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
      } catch (error) {
        // What is thrown below, as it is by the system, is about the file that is read.
        throw storageError(error, `cannot write ${temporary}`, temporary);
      }
    };
    let writer: BlockWriter | null = null;
    const report = readCheckpoint(file, {
      onHeader: (header, before) => {
        const nonce = randomBytes(8);
        const encoded = encodeConfiguration(withMembers(before, choices));
        const { configuration, cookie } = splitCookie(encoded, CONFIGURATION_BYTES_MAX);
        const edited = {
          ...header,
          configuration,
          nonceLow: nonce.readUInt32LE(0),
          nonceHigh: nonce.readUInt32LE(4),
        };
        const { bytes, chain } = writeCheckpointHeader(edited, crc32c);
        put(bytes);
        writer = new BlockWriter(chain, crc32c);
        writer.cookie(cookie).forEach(put);
      },
      onCookie: (cookie) => writer!.cookie(cookie).forEach(put),
      onSessions: (entries) => writer!.sessions(entries).forEach(put),
      onState: (state) => writer!.state(state).forEach(put),
    });
    if (report.verdict !== 'sound')
      throw new SynodError('ERR_SYNOD_LOG_CORRUPT', `${file}: ${report.detail}`, { path: file });
    writer!.end().forEach(put);
    fsyncSync(fd);
    closeSync(fd);
    fd = -1;
    renameSync(temporary, target);
    // The folder may have been made for it, and folders above that.
    await makeNameDurable(target);
    return readCheckpoint(target);
  } finally {
    if (fd >= 0) closeSync(fd);
    rmSync(temporary, { force: true });
  }
}
