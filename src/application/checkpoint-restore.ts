/** Restores a checkpoint: reads it from the store, checks every block, and has the state machine take the place of its state. */

import { BlockReader, type SessionEntry } from '../checkpoint/blocks.js';
import { CHECKPOINT_HEADER_BYTES } from '../checkpoint/format.js';
import { type CheckpointHeader, readCheckpointHeader } from '../checkpoint/header.js';
import type { Crc32c } from '../checksum.js';
import { SynodError } from '../errors.js';
import type { Configuration } from '../protocol/configuration.js';
import type { StateMachine } from '../state-machine.js';
import type { CheckpointStore, StoredCheckpoint } from '../storage/checkpoint-store.js';
import { decodeConfiguration } from '../wire/configuration-codec.js';

/** Bytes read at once. */
const READ_BYTES = 1024 * 1024;

export interface Restored {
  readonly header: CheckpointHeader;
  /** Those of the header. */
  readonly configuration: Configuration;
  readonly firstConfiguration: Configuration;
  readonly sessions: readonly SessionEntry[];
  readonly bytes: number;
}

function corrupt(slot: number, offset: number, reason: string): SynodError {
  return new SynodError('ERR_SYNOD_LOG_CORRUPT', `checkpoint of slot ${slot}, byte ${offset}: ${reason}`, {
    path: String(slot),
    offset,
  });
}

function read(store: CheckpointStore, slot: number, offset: number, length: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const target = new Uint8Array(length);
    store.read(slot, offset, target, (error, count) => {
      if (error !== null) reject(error);
      else resolve(target.subarray(0, count));
    });
  });
}

/**
 * Rejects with `ERR_SYNOD_LOG_CORRUPT` where the checkpoint is damaged or of another cluster, `ERR_SYNOD_STORAGE_FAILED` where it
 * cannot be read, and with what the state machine rejects with. The state machine then holds nothing that can be used.
 */
export async function restoreCheckpoint(
  store: CheckpointStore,
  { slot, bytes }: StoredCheckpoint,
  stateMachine: StateMachine<never>,
  cluster: string,
  crc32c: Crc32c,
): Promise<Restored> {
  const reading = readCheckpointHeader(await read(store, slot, 0, CHECKPOINT_HEADER_BYTES), crc32c);
  if (reading.kind !== 'valid') throw corrupt(slot, 0, `its header is ${reading.kind}`);
  const { header, chain } = reading;
  if (header.slot !== slot) throw corrupt(slot, 0, `it is that of slot ${header.slot}`);
  if (header.cluster !== cluster) throw corrupt(slot, 0, `it is of cluster "${header.cluster}"`);
  const configuration = decodeConfiguration(header.configuration);
  const firstConfiguration = decodeConfiguration(header.firstConfiguration);
  if (configuration === null || firstConfiguration === null)
    throw corrupt(slot, 0, 'it has no configuration');
  const sessions: SessionEntry[] = [];
  let pieces: Uint8Array[] = [];
  const reader = new BlockReader(chain, CHECKPOINT_HEADER_BYTES, crc32c, {
    onSessions: (entries) => void sessions.push(...entries),
    onState: (state) => void pieces.push(state.slice()),
  });

  async function* state(): AsyncGenerator<Uint8Array, void, void> {
    for (let offset = CHECKPOINT_HEADER_BYTES; offset < bytes; ) {
      const chunk = await read(store, slot, offset, Math.min(READ_BYTES, bytes - offset));
      if (chunk.length === 0) break;
      offset += chunk.length;
      const found = reader.push(chunk);
      if (found.kind === 'damaged') throw corrupt(slot, found.offset, found.reason);
      const ready = pieces;
      pieces = [];
      yield* ready;
    }
    if (reader.state.kind !== 'complete') throw corrupt(slot, bytes, 'it has no end');
  }

  await stateMachine.restore!(state());
  // A state machine that stopped reading early has not learned whether the rest is sound.
  if (reader.state.kind !== 'complete')
    throw corrupt(slot, bytes, 'the state machine did not read all of it');
  return { header, configuration, firstConfiguration, sessions, bytes };
}
