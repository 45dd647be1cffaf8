/** What a replica with a data directory makes its checkpoints by: the files there, and how it is told of them. */

import { randomBytes } from 'node:crypto';
import { crc32c as portableCrc32c } from '../checksum.js';
import { checkpointDirectory } from '../engine/host.js';
import { loadAddon } from '../native/addon.js';
import type { ResolvedOptions } from '../options.js';
import type { StateMachine } from '../state-machine.js';
import { FileCheckpointStore } from '../storage/checkpoint-store.js';
import type { CheckpointSettings } from './application-side.js';

/** Nothing where the state machine makes none, or there is no place for them. */
export function storedCheckpoints<Result, Query, Answer>(
  { cluster, replica, members, dataDir, checkpoints, logger }: ResolvedOptions,
  { takeCheckpoint, restore }: StateMachine<Result, Query, Answer>,
  told: Pick<CheckpointSettings, 'onNotice' | 'onDurable'>,
): { readonly checkpoints?: CheckpointSettings } {
  if (takeCheckpoint === undefined || restore === undefined || dataDir === null) return {};
  return {
    checkpoints: {
      ...told,
      store: new FileCheckpointStore(checkpointDirectory(dataDir)),
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
