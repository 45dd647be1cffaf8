/** What a replica with a data directory makes its checkpoints by: the files there, and how it is told of them. */

import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { crc32c as portableCrc32c } from '../checksum.js';
import { SynodError } from '../errors.js';
import { loadAddon } from '../native/addon.js';
import type { ResolvedOptions } from '../options.js';
import type { StateMachine } from '../state-machine.js';
import { FileCheckpointStore, parseCheckpointName } from '../storage/checkpoint-store.js';
import { checkpointDirectory } from '../storage/folders.js';
import { storageError, systemCode } from '../storage/storage-error.js';
import type { CheckpointSettings } from './application-side.js';

/** Nothing where the state machine makes none, or there is no place for them. */
export function storedCheckpoints<Result, Query, Answer>(
  { cluster, replica, members, dataDir, storage, checkpoints, logger }: ResolvedOptions,
  { takeCheckpoint, restore }: StateMachine<Result, Query, Answer>,
  told: Pick<CheckpointSettings, 'onNotice' | 'onDurable'>,
): { readonly checkpoints?: CheckpointSettings } {
  if (takeCheckpoint === undefined || restore === undefined || dataDir === null) return {};
  return {
    checkpoints: {
      ...told,
      store: new FileCheckpointStore(checkpointDirectory(dataDir, storage.kind)),
      policy: checkpoints,
      cluster,
      replica,
      index: Math.max(
        0,
        members.findIndex(({ id }) => id === replica),
      ),
      count: Math.max(1, members.length),
      crc32c: loadAddon().addon?.crc32c ?? portableCrc32c,
      logger,
      drawNonce: () => {
        const words = randomBytes(8);
        return [words.readUInt32LE(0), words.readUInt32LE(4)];
      },
      now: () => performance.now(),
      wallNow: Date.now,
    },
  };
}

/**
 * For a state machine without `restore`: behind a checkpoint the log was dropped, so what is left of it cannot be executed. Rejects with
 * `ERR_SYNOD_STATE_MACHINE` where there is one.
 */
export function refuseStored({
  dataDir,
  storage,
}: Pick<ResolvedOptions, 'dataDir' | 'storage'>): Promise<null> {
  if (dataDir === null) return Promise.resolve(null);
  const directory = checkpointDirectory(dataDir, storage.kind);
  return new Promise((resolve, reject) =>
    fs.readdir(directory, (error, names) => {
      if (error !== null && systemCode(error) !== 'ENOENT')
        return reject(storageError(error, 'cannot list the checkpoints', directory));
      // None where there is no such folder.
      if (error !== null || names.every((name) => parseCheckpointName(name) === null)) return resolve(null);
      const message = `${directory} has checkpoints, and the state machine has no \`restore\`: open it with the one that made them`;
      reject(new SynodError('ERR_SYNOD_STATE_MACHINE', message, { path: directory }));
    }),
  );
}
