/**
 * Sends this replica's newest checkpoint to peers that need what the log does not have any more, a chunk per request, within a
 * budget of bytes.
 *
 * A copy that was begun is gone on with, also where there are newer checkpoints by then and its file has no name any more; and the
 * log behind it stays for as long as the peer asks. Else a peer that copies more slowly than checkpoints are made would never arrive.
 */

import type { Crc32c } from '../checksum.js';
import type { SynodError } from '../errors.js';
import type { Logger } from '../logger.js';
import type { Slot } from '../protocol/decree.js';
import type { CheckpointReader, CheckpointStore } from '../storage/checkpoint-store.js';
import type { CheckpointFetch, CheckpointName, FrameWriter } from '../wire/codec.js';
import { CheckpointCheck } from './checkpoint-check.js';
import type { Link } from './links.js';
import { OWN_MEMORY } from './places.js';

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
  /** Bytes of checkpoints to all peers together. */
  readonly bytesPerSecondMax: number;
  /** Bytes queued for one peer beyond which nothing more is sent to it. */
  readonly sendQueueBytesMax: number;
  readonly now: () => number;
  readonly isUp: (link: Link) => boolean;
  /** The newest one cannot be read, or not as it was written: another is needed. */
  readonly onDamaged: (slot: Slot) => void;
  /** Something was sent outside of a turn. */
  readonly onSent: () => void;
}

/** A peer that has not asked for anything for this long is waited for no more. */
const LEASE_MS = 30_000;

/** What a peer is copying. */
interface Lease {
  readonly checkpoint: ServedCheckpoint;
  readonly check: CheckpointCheck;
  /** Null until the file is open. */
  reader: CheckpointReader | null;
  /** One read at a time: a peer that asks faster than the disk reads gets what it asked for last. */
  isReading: boolean;
  /** The log behind this slot is needed. */
  slot: Slot;
  until: number;
}

interface Chunk {
  readonly link: Link;
  readonly lease: Lease;
  readonly offset: number;
  readonly length: number;
}

export class CheckpointServer {
  /** The newest one; null while there is none. */
  newest: ServedCheckpoint | null = null;

  readonly #options: CheckpointServerOptions;
  readonly #leases: Map<Link, Lease> = new Map();
  /** Beyond the budget, or for a peer that does not read; oldest first. */
  #delayed: Chunk[] = [];
  /** Of those, one that is not to be sent any more. */
  #damaged: ServedCheckpoint | null = null;
  /** The one that could not be opened last. */
  #unopened: ServedCheckpoint | null = null;
  #credit: number;
  #creditAt: number;

  constructor(options: CheckpointServerOptions) {
    this.#options = options;
    this.#credit = options.bytesPerSecondMax;
    this.#creditAt = options.now();
  }

  /** Sends the first chunk; the peer asks for the rest. */
  offer(link: Link): void {
    const { store, now, crc32c } = this.#options;
    const { newest } = this;
    // Nothing is as good as what was damaged, for a peer that can ask others.
    if (newest === null || newest === this.#damaged) return;
    const before = this.#leases.get(link);
    if (before !== undefined && before.checkpoint === newest) {
      this.#request(link, before, 0, this.#options.chunkBytesMax);
      return;
    }
    this.onDown(link);
    const lease: Lease = {
      checkpoint: newest,
      check: new CheckpointCheck(newest.bytes, crc32c),
      reader: null,
      isReading: false,
      slot: newest.slot,
      until: now() + LEASE_MS,
    };
    this.#leases.set(link, lease);
    store.open(newest.slot, (error, reader) => {
      if (error !== null) this.#onUnopened(link, lease, error);
      else if (this.#leases.get(link) !== lease) reader!.close();
      else {
        lease.reader = reader!;
        this.#request(link, lease, 0, this.#options.chunkBytesMax);
      }
    });
  }

  /** Sends the chunk of the checkpoint that the peer has begun to copy; of the newest one, if that is not known here. */
  serve(link: Link, { slot, nonceLow, nonceHigh, offset, bytesMax }: CheckpointFetch): void {
    const lease = this.#leases.get(link);
    if (lease !== undefined && isSame(lease.checkpoint, { slot, nonceLow, nonceHigh })) {
      if (offset < lease.checkpoint.bytes) this.#request(link, lease, offset, bytesMax);
      return;
    }
    const { newest } = this;
    const isSound = newest !== null && newest !== this.#damaged;
    if (isSound) this.offer(link);
    // Who catches up asks somebody else in time; who asks for the newest one, whatever it is, waits for an answer.
    else if (slot === 0) this.#sayNone(link);
  }

  /** The peer has what the checkpoint holds, and asks for the log from `from` on. */
  onLogFetch(link: Link, from: Slot): void {
    const lease = this.#leases.get(link);
    if (lease === undefined || from <= lease.slot) return;
    lease.slot = from - 1;
    lease.until = this.#options.now() + LEASE_MS;
  }

  /** The log behind this slot is needed by a peer; infinite where none needs any. */
  heldSlot(): Slot {
    const now = this.#options.now();
    let held = Number.POSITIVE_INFINITY;
    for (const [link, { until, slot }] of this.#leases) {
      if (until <= now) this.onDown(link);
      else held = Math.min(held, slot);
    }
    return held;
  }

  /** From time to time: what was put off goes out. */
  tick(): void {
    const delayed = this.#delayed;
    this.#delayed = [];
    for (const chunk of delayed) this.#send(chunk);
  }

  onDown(link: Link): void {
    this.#leases.get(link)?.reader?.close();
    this.#leases.delete(link);
  }

  close(): void {
    for (const link of [...this.#leases.keys()]) this.onDown(link);
    this.#delayed = [];
  }

  #onUnopened(link: Link, lease: Lease, error: SynodError): void {
    const { checkpoint } = lease;
    const isWaiting = this.#leases.get(link) === lease;
    if (isWaiting) this.#leases.delete(link);
    // Deleted because a newer one was made, and a thread may tell of that one only after it deleted: no cause to warn, nor to
    // have another one made, before the peer has asked again.
    if (this.newest !== checkpoint) {
      if (isWaiting) this.offer(link);
    } else if (this.#unopened === checkpoint) {
      this.#options.logger.warn({ error, slot: checkpoint.slot }, 'checkpoint cannot be opened');
      this.#onDamaged(checkpoint);
    } else this.#unopened = checkpoint;
  }

  #sayNone(link: Link): void {
    const { writer, onSent } = this.#options;
    const none = { slot: 0, nonceLow: 0, nonceHigh: 0, offset: 0, bytes: 0 };
    link.connection.send(writer.bytes, writer.checkpointChunk(none, 0, 0));
    onSent();
  }

  #request(link: Link, lease: Lease, offset: number, bytesMax: number): void {
    lease.until = this.#options.now() + LEASE_MS;
    if (lease.reader === null || lease.isReading) return;
    lease.isReading = true;
    const { chunkBytesMax } = this.#options;
    const length = Math.min(Math.max(1, bytesMax), chunkBytesMax, lease.checkpoint.bytes - offset);
    this.#send({ link, lease, offset, length });
  }

  #send(chunk: Chunk): void {
    const { writer, crc32c, isUp, onSent, logger, sendQueueBytesMax } = this.#options;
    const { link, lease, offset, length } = chunk;
    if (this.#leases.get(link) !== lease) return;
    if (link.connection.queuedBytes > sendQueueBytesMax || !this.#spend(length)) {
      this.#delayed.push(chunk);
      return;
    }
    const { checkpoint } = lease;
    const target = new Uint8Array(length);
    lease.reader!.read(offset, target, (error: SynodError | null, count = 0) => {
      lease.isReading = false;
      if (this.#leases.get(link) !== lease || !isUp(link)) return;
      if (error !== null || count < length) {
        // A sector that is damaged is told of by the disk, or found by a checksum: the next restart needs this file too.
        logger.error({ error, slot: checkpoint.slot, offset, count }, 'checkpoint cannot be read');
        return this.#onDamaged(checkpoint);
      }
      const reason = lease.check.take(offset, target);
      if (reason !== null) {
        logger.error({ slot: checkpoint.slot, reason }, 'checkpoint is damaged');
        return this.#onDamaged(checkpoint);
      }
      const checksum = crc32c(target, 0, length, 0);
      const headerBytes = writer.checkpointChunk({ ...checkpoint, offset }, length, checksum);
      link.sending.push(OWN_MEMORY);
      link.connection.send(writer.bytes, headerBytes, target, 0, length);
      onSent();
    });
  }

  #onDamaged(checkpoint: ServedCheckpoint): void {
    for (const [link, lease] of [...this.#leases]) if (lease.checkpoint === checkpoint) this.onDown(link);
    // One that was replaced already has a better one behind it.
    if (this.newest !== checkpoint) return;
    this.#damaged = checkpoint;
    this.#options.onDamaged(checkpoint.slot);
  }

  /** False where the budget is spent. It is one second's worth at most, and may be overdrawn by one chunk. */
  #spend(bytes: number): boolean {
    const { bytesPerSecondMax, now } = this.#options;
    const at = now();
    const more = ((at - this.#creditAt) * bytesPerSecondMax) / 1000;
    this.#credit = Math.min(bytesPerSecondMax, this.#credit + more);
    this.#creditAt = at;
    if (this.#credit <= 0) return false;
    this.#credit -= bytes;
    return true;
  }
}

export function isSame(a: CheckpointName, b: CheckpointName): boolean {
  return a.slot === b.slot && a.nonceLow === b.nonceLow && a.nonceHigh === b.nonceHigh;
}
