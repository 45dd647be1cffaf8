/**
 * The engine's side of batches: takes them from the bridge in order, and lends the application the memory behind the
 * log's tail while this replica is primary. `bridge.ts` has the rules of the game.
 */

import { invariant, requires } from '../contracts.js';
import { RECORD_HEADER_BYTES } from '../log/format.js';
import { batchEnd, recordSpan } from '../log/record.js';
import type { BatchBlock, Bridge } from './bridge.js';
import { BlockState, GROUP_HEADER_BYTES } from './bridge.js';
import type { LogWriter } from './log-writer.js';

/** A batch of this replica's own commands that was taken and is not known executed. */
export interface OwnBatch extends BatchBlock {
  readonly index: number;
  /** Ballot under which it was last proposed here or sent to the primary; 0 where neither was done yet. */
  submitted: number;
}

/**
 * Never lent where there is no other segment to go to: all that `LogWriter.hasRoom` asks for beside a decree. Else nothing would have room as
 * long as it is lent, and not even the frames of peers would be read.
 */
const RESERVE_BYTES = 6 * 4096;

export class Grants {
  /** In the order of their commands. */
  readonly batches: OwnBatch[] = [];

  readonly #bridge: Bridge;
  readonly #log: LogWriter;
  readonly #batchBytesMax: number;
  #next = 0;
  /** Sequence number of the first command in the next batch. */
  #nextFirst = 1;
  /** Bursts that were taken back: the application copies from the segment when it ends them. */
  #revoked: { readonly index: number; readonly segment: number }[] = [];
  /** Batches of the outbox that were executed, oldest first: a connection may still refer to their memory. */
  #executed: { readonly last: number; readonly memory: number }[] = [];
  #epoch = 0;
  #open = false;
  #short = false;
  /** While open: where the application's next batch in granted memory begins. */
  #limit = 0;

  constructor(bridge: Bridge, log: LogWriter, batchBytesMax: number) {
    this.#bridge = bridge;
    this.#log = log;
    this.#batchBytesMax = batchBytesMax;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** Less is lent than could be by now: there was no other segment then. */
  get isShort(): boolean {
    return this.#open && this.#short && this.#log.hasStandby;
  }

  /** Whether there is a batch to take. */
  get hasReady(): boolean {
    return this.#bridge.blockState(this.#next) === BlockState.ready;
  }

  /** The next batch, if it is ready: from now on the engine's. In granted memory it lies at the tail. */
  take(): OwnBatch | null {
    if (!this.#bridge.changeBlockState(this.#next, BlockState.ready, BlockState.sealed)) return null;
    const { memory, offset, bytes, count, first, flags } = this.#bridge.readBlock(this.#next);
    const batch: OwnBatch = { memory, offset, bytes, count, first, flags, index: this.#next, submitted: 0 };
    invariant(batch.first === this.#nextFirst && batch.count >= 1, 'batches-in-order');
    this.#nextFirst = batch.first + batch.count;
    this.#next += 1;
    this.batches.push(batch);
    return batch;
  }

  /** Lends what is behind the tail, which must be at a block's beginning and the engine's own. */
  lend(): void {
    if (this.#open) return;
    const { tail, segment, blockBytes, hasStandby } = this.#log;
    const limit = this.#limitNow;
    if (tail + this.#batchBytesMax > limit) return;
    requires(tail % blockBytes === 0, 'grant-begins-a-block');
    this.#epoch += 1;
    this.#open = true;
    this.#short = !hasStandby;
    this.#setLimit(limit);
    this.#bridge.openGrant(this.#epoch, segment, tail, limit);
  }

  /** Where less is lent than could be: all of it. The application goes on in the same grant. */
  extend(): void {
    if (!this.isShort) return;
    this.#short = false;
    this.#setLimit(this.#limitNow);
    this.#bridge.extendGrant(this.#limit);
  }

  /**
   * Takes the tail back, if the application does not hold a batch there. If it does, the batch is `ready` and can be
   * taken, or a burst is under way; the grant goes on, unless `keepClosed`, and the caller tries again later.
   */
  reclaim(keepClosed: boolean): boolean {
    if (!this.#open) return true;
    this.#bridge.closeGrant();
    for (let index = this.#next; ; index += 1) {
      const state = this.#bridge.blockState(index);
      // Neither: the block is free, or the ring is full and it belongs to a batch that was taken a round ago.
      if (state !== BlockState.writing && state !== BlockState.ready) break;
      if (state === BlockState.writing || this.#bridge.readBlock(index).memory >= 0) {
        // The same epoch: where the application's next batch begins has not changed.
        if (!keepClosed)
          this.#bridge.openGrant(this.#epoch, this.#log.segment, this.#bridge.grantStart, this.#limit);
        return false;
      }
    }
    this.#open = false;
    this.#log.lentEnd = 0;
    return true;
  }

  /**
   * Takes the tail back at once, whatever the application does: this replica is primary no more, or the application has
   * stopped in the middle of a burst. Batches that lie there are taken but not proposed: the log passes over them,
   * and their commands are sent from there. A batch that is being written is the application's to write again.
   */
  revoke(): void {
    if (!this.#open) return;
    this.#bridge.closeGrant();
    this.#open = false;
    const { segment, blockBytes, lentEnd } = this.#log;
    this.#log.lentEnd = 0;
    let end = this.#log.tail;
    for (;;) {
      const state = this.#bridge.blockState(this.#next);
      if (state !== BlockState.writing && state !== BlockState.ready) break;
      if (state === BlockState.writing) {
        if (!this.#bridge.changeBlockState(this.#next, BlockState.writing, BlockState.revoked)) continue;
        this.#revoked.push({ index: this.#next, segment });
        this.#next += 1;
        end = Math.min(
          batchEnd(end + RECORD_HEADER_BYTES + GROUP_HEADER_BYTES + this.#batchBytesMax, blockBytes),
          lentEnd,
        );
        continue;
      }
      const batch = this.take();
      if (batch === null || batch.memory !== segment) continue;
      end = batchEnd(
        batch.offset -
          RECORD_HEADER_BYTES -
          GROUP_HEADER_BYTES +
          recordSpan(GROUP_HEADER_BYTES + batch.bytes),
        blockBytes,
      );
    }
    invariant(end <= lentEnd, 'grant-within-segment');
    // Less than that is left of the grant where its end was not worth a batch: then nothing was put there.
    if (end - this.#log.tail >= RECORD_HEADER_BYTES) this.#log.skipTo(end);
  }

  /** Forgets the batches whose commands were all executed, and gives their blocks back; yields what that was. */
  settle(resolved: number): { readonly count: number; readonly bytes: number } {
    let count = 0;
    let bytes = 0;
    for (const batch of this.batches) {
      const last = batch.first + batch.count - 1;
      if (last > resolved) break;
      this.#bridge.setBlockState(batch.index, BlockState.free);
      this.#executed.push({ last, memory: batch.memory });
      count += 1;
      bytes += batch.bytes;
    }
    if (count > 0) this.batches.splice(0, count);
    return { count, bytes };
  }

  /** Something waits for `release`. */
  get hasExecuted(): boolean {
    return this.#executed.length > 0;
  }

  /**
   * Gives the application back the memory of executed batches, but for what is `inUse`: a command may have been executed by way
   * of another primary while the link to an earlier one still holds it.
   */
  release(inUse: ReadonlySet<number>): void {
    let count = 0;
    for (const { last, memory } of this.#executed) {
      if (inUse.has(memory)) break;
      this.#bridge.released = last;
      count += 1;
    }
    this.#executed.splice(0, count);
  }

  /** Adds the segments that batches lie in, also those that the application has yet to move to its own memory. */
  addSegments(used: Set<number>): void {
    for (const batch of this.batches) if (batch.memory >= 0) used.add(batch.memory);
    if (this.#revoked.length === 0) return;
    this.#revoked = this.#revoked.filter(
      ({ index }) => this.#bridge.blockState(index) === BlockState.revoked,
    );
    for (const { segment } of this.#revoked) used.add(segment);
  }

  /**
   * Where no segment was made ahead, on a full disk, say, room for a few more records is kept: of what is lent nothing may be
   * left when it must be taken back.
   */
  get #limitNow(): number {
    const { segmentBytes, blockBytes, hasStandby } = this.#log;
    const kept = hasStandby ? 0 : this.#batchBytesMax + RESERVE_BYTES;
    return segmentBytes - kept - blockBytes - RECORD_HEADER_BYTES;
  }

  /** Before the application may know it. */
  #setLimit(limit: number): void {
    this.#limit = limit;
    this.#log.lentEnd = Math.min(batchEnd(limit + RECORD_HEADER_BYTES, this.#log.blockBytes), this.#end);
  }

  get #end(): number {
    return Math.floor(this.#log.segmentBytes / this.#log.blockBytes) * this.#log.blockBytes;
  }
}
