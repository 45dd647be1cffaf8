/** Sends this replica's newest checkpoint to peers that need what the log does not have any more, a chunk per request. */

import type { Crc32c } from '../checksum.js';
import type { SynodError } from '../errors.js';
import type { Logger } from '../logger.js';
import type { CheckpointStore } from '../storage/checkpoint-store.js';
import type { CheckpointFetch, CheckpointName, FrameWriter } from '../wire/codec.js';
import type { Link } from './links.js';

/** A checkpoint that is durable here. */
export interface ServedCheckpoint extends CheckpointName {
  readonly bytes: number;
}

export interface CheckpointServerOptions {
  readonly store: CheckpointStore;
  readonly writer: FrameWriter;
  readonly crc32c: Crc32c;
  readonly logger: Logger;
  /** Bytes of one chunk at most. */
  readonly chunkBytesMax: number;
  readonly isUp: (link: Link) => boolean;
  /** Something was sent outside of a turn. */
  readonly onSent: () => void;
}

export class CheckpointServer {
  /** The newest one; null while there is none. */
  newest: ServedCheckpoint | null = null;

  readonly #options: CheckpointServerOptions;
  /** One read at a time for each link: a peer that asks faster than the disk reads gets what it asked for last. */
  readonly #reading: Set<Link> = new Set();

  constructor(options: CheckpointServerOptions) {
    this.#options = options;
  }

  /** Sends the first chunk; the peer asks for the rest. */
  offer(link: Link): void {
    if (this.newest !== null) this.#send(link, this.newest, 0, this.#options.chunkBytesMax);
  }

  /** Sends the chunk; of another checkpoint, if there is a newer one by now. */
  serve(link: Link, { slot, nonceLow, nonceHigh, offset, bytesMax }: CheckpointFetch): void {
    const { newest } = this;
    if (newest === null) return;
    const isSame = newest.slot === slot && newest.nonceLow === nonceLow && newest.nonceHigh === nonceHigh;
    if (!isSame || offset >= newest.bytes) this.offer(link);
    else this.#send(link, newest, offset, bytesMax);
  }

  onDown(link: Link): void {
    this.#reading.delete(link);
  }

  #send(link: Link, checkpoint: ServedCheckpoint, offset: number, bytesMax: number): void {
    const { store, writer, crc32c, chunkBytesMax, isUp, onSent, logger } = this.#options;
    if (this.#reading.has(link)) return;
    this.#reading.add(link);
    const length = Math.min(Math.max(1, bytesMax), chunkBytesMax, checkpoint.bytes - offset);
    const target = new Uint8Array(length);
    store.read(checkpoint.slot, offset, target, (error: SynodError | null, count = 0) => {
      if (!this.#reading.delete(link) || !isUp(link)) return;
      if (error !== null || count < length) {
        // Its own next restart needs this file too, and says so then; the peer asks another one meanwhile.
        logger.error({ error, slot: checkpoint.slot, offset, count }, 'checkpoint cannot be read');
        return;
      }
      const checksum = crc32c(target, 0, length, 0);
      const headerBytes = writer.checkpointChunk({ ...checkpoint, offset }, length, checksum);
      link.sending.push(-1);
      link.connection.send(writer.bytes, headerBytes, target, 0, length);
      onSent();
    });
  }
}
