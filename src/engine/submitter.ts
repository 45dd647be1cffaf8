/**
 * Submits commands: as decrees while this replica is primary, else to whoever is. Its own commands are submitted
 * again, in order, whenever the primary or the link to it changes; executing them once is the sessions' business.
 */

import type { Crc32c } from '../checksum.js';
import type { Limits } from '../limits.js';
import { RECORD_HEADER_BYTES } from '../log/format.js';
import type { DecreeReference } from '../protocol/decree.js';
import { DecreeKind } from '../protocol/decree.js';
import type { FrameWriter } from '../wire/codec.js';
import type { Piece } from '../wire/frame.js';
import { type Bridge, GROUP_HEADER_BYTES } from './bridge.js';
import type { Grants, OwnBatch } from './grants.js';
import { writeGroupHeader } from './group.js';
import type { Link } from './links.js';
import type { LogWriter } from './log-writer.js';
import { TailPlace } from './places.js';
import type { StageTimes } from './stage-times.js';

/** Commands that a peer sent here because it takes this replica for the primary. */
export interface ForwardedBatch {
  readonly origin: number;
  readonly session: number;
  readonly first: number;
  readonly count: number;
  /** Of `GroupFlag`. */
  readonly flags: number;
  readonly pieces: readonly Piece[];
  readonly bytes: number;
  /** In memory of its own, no longer in a receive buffer. */
  readonly isKept: boolean;
  readonly at: number;
}

type DecreeLimits = Pick<Limits, 'decreeBytesMax' | 'decreeCommandsMax'>;

export interface SubmitterOptions {
  readonly log: LogWriter;
  readonly grants: Grants;
  readonly writer: FrameWriter;
  readonly crc32c: Crc32c;
  readonly limits: DecreeLimits;
  /** Bytes of own commands on their way to the primary and not executed yet. */
  readonly forwardBytesMax: number;
  readonly bridge: Bridge;
  readonly memory: (memory: number) => Uint8Array;
  readonly session: () => number;
  readonly self: () => number;
  readonly canPropose: () => boolean;
  /** Gives the decree to the protocol and carries out what it wants done. `flags`: of the command that it is alone with. */
  readonly propose: (decree: DecreeReference, flags: number) => void;
  readonly times?: StageTimes;
}

/** A forwarded batch has waited this long behind the application's bursts: it goes first. */
const PATIENCE_MS = 3;
/** After this long in one burst the application is taken to have stopped in it: the tail is taken from it. */
const BURST_MS_MAX = 50;

export class Submitter {
  readonly forwarded: ForwardedBatch[] = [];

  readonly #options: SubmitterOptions;
  /** Batches of `grants.batches` from the first on that are submitted to the present primary. */
  #submitted = 0;
  #submittedBytes = 0;
  /** What was forwarded waits for the end of a burst, which wakes the engine. */
  #awaitsBurst = false;

  constructor(options: SubmitterOptions) {
    this.#options = options;
  }

  /** The primary, or the link to it, is another one: nothing counts as submitted. */
  restart(): void {
    this.#submitted = 0;
    this.#submittedBytes = 0;
  }

  /** The first `count` batches were executed, `bytes` bytes of them. */
  settle(count: number, bytes: number): void {
    this.#submitted = Math.max(0, this.#submitted - count);
    this.#submittedBytes = Math.max(0, this.#submittedBytes - bytes);
  }

  get hasWork(): boolean {
    const { grants } = this.#options;
    if (this.#submitted < grants.batches.length || grants.hasReady) return true;
    return this.forwarded.length > 0 && !this.#awaitsBurst;
  }

  /** End of turn: forwarded batches that had to wait leave the receive buffers. A peer bounds what it has on its way. */
  keep(join: (pieces: readonly Piece[]) => Uint8Array): void {
    for (const [index, batch] of this.forwarded.entries()) {
      if (batch.isKept) continue;
      const pieces = [{ bytes: join(batch.pieces), start: 0, end: batch.bytes }];
      this.forwarded[index] = { ...batch, pieces, isKept: true };
    }
  }

  /** As primary. */
  propose(now: number): void {
    const { grants, log, canPropose, memory } = this.#options;
    this.#awaitsBurst = false;
    while (canPropose() && log.hasRoom(this.#options.limits.decreeBytesMax)) {
      if (this.#submitted < grants.batches.length) {
        if (!grants.reclaim(false)) grants.revoke();
        this.#proposeCopy(this.#ownGroups());
      } else if (
        this.forwarded.length > 0 &&
        this.#reclaimTail(now - this.forwarded[0]!.at) &&
        // A peer with other limits may have sent a greater one than any of this replica's own. Only now: what is lent counts as used.
        log.hasRoom(GROUP_HEADER_BYTES + this.forwarded[0]!.bytes)
      ) {
        this.#proposeCopy(this.#forwardedGroups());
      } else if (grants.hasReady) {
        const batch = this.#take(now);
        if (batch === null) break;
        if (batch.memory >= 0) {
          this.#submitted += 1;
          this.#proposeInPlace(batch, memory(batch.memory));
        }
        // In the application's memory: it is proposed as one of `batches` in the next round.
      } else {
        this.#awaitsBurst = this.forwarded.length > 0;
        break;
      }
    }
    if (this.#submitted < grants.batches.length || this.forwarded.length > 0) return;
    // Before the segment is used up: what does not fit into it any more would be copied twice.
    if (grants.isOpen && !this.#isWorthLending && log.hasStandby) grants.reclaim(false);
    grants.extend();
    if (!grants.isOpen) this.#lend();
  }

  /** As secondary, to the primary by `link`. */
  forward(link: Link, now: number): void {
    const { grants, writer, crc32c, memory, session, forwardBytesMax } = this.#options;
    while (grants.hasReady && this.#take(now) !== null);
    while (this.#submitted < grants.batches.length) {
      const batch = grants.batches[this.#submitted]!;
      if (this.#submittedBytes > 0 && this.#submittedBytes + batch.bytes > forwardBytesMax) {
        this.#options.bridge.setDeliveryBlocked();
        break;
      }
      const bytes = memory(batch.memory);
      const checksum = crc32c(bytes, batch.offset, batch.offset + batch.bytes, 0);
      const { first, count, flags } = batch;
      const headerBytes = writer.forward(session(), first, count, batch.bytes, checksum, flags);
      link.sending.push(batch.memory);
      link.connection.send(writer.bytes, headerBytes, bytes, batch.offset, batch.offset + batch.bytes);
      this.#submitted += 1;
      this.#submittedBytes += batch.bytes;
    }
  }

  #take(now: number): OwnBatch | null {
    const { grants, bridge, times } = this.#options;
    const batch = grants.take();
    if (batch !== null) times?.onQueued(bridge.blockAgeMs(batch.index, now));
    return batch;
  }

  /** The batch lies at the tail: its decree is made around it. */
  #proposeInPlace(batch: OwnBatch, bytes: Uint8Array): void {
    const { crc32c, log, propose, self, session } = this.#options;
    const start = batch.offset - GROUP_HEADER_BYTES;
    const { count, first, flags } = batch;
    writeGroupHeader(bytes, start, self(), count, session(), first, batch.bytes, flags);
    const decree: DecreeReference = {
      kind: DecreeKind.commands,
      bytes: GROUP_HEADER_BYTES + batch.bytes,
      checksum: crc32c(bytes, start, batch.offset + batch.bytes, 0),
      commands: count,
      configuration: null,
      source: new TailPlace(start),
    };
    propose(decree, flags);
    // The application's next batch begins at a block.
    log.padToBlock();
  }

  /** For what was forwarded: it waits for the end of a burst, but not for an application that blocks its loop in one. */
  #reclaimTail(waitedMs: number): boolean {
    const { grants } = this.#options;
    if (grants.reclaim(waitedMs > PATIENCE_MS)) return true;
    if (waitedMs <= BURST_MS_MAX || grants.hasReady) return false;
    grants.revoke();
    return true;
  }

  #proposeCopy(groups: Groups): void {
    const { crc32c, propose } = this.#options;
    let checksum = 0;
    for (const piece of groups.pieces) checksum = crc32c(piece.bytes, piece.start, piece.end, checksum);
    const decree: DecreeReference = {
      kind: DecreeKind.commands,
      bytes: groups.bytes,
      checksum,
      commands: groups.commands,
      configuration: null,
      source: { payload: groups.pieces },
    };
    propose(decree, groups.flags);
  }

  #ownGroups(): Groups {
    const { grants, limits, memory, self, session } = this.#options;
    const groups: Groups = { pieces: [], bytes: 0, commands: 0, flags: 0 };
    while (this.#submitted < grants.batches.length) {
      const batch = grants.batches[this.#submitted]!;
      const { bytes, offset, memory: place } = batch;
      if (!goesWith(groups, batch, limits)) break;
      const commands: Piece = { bytes: memory(place), start: offset, end: offset + bytes };
      addGroup(groups, self(), session(), batch, [commands]);
      this.#submitted += 1;
    }
    return groups;
  }

  #forwardedGroups(): Groups {
    const { limits } = this.#options;
    const groups: Groups = { pieces: [], bytes: 0, commands: 0, flags: 0 };
    let count = 0;
    for (const batch of this.forwarded) {
      if (!goesWith(groups, batch, limits)) break;
      addGroup(groups, batch.origin, batch.session, batch, batch.pieces);
      count += 1;
    }
    this.forwarded.splice(0, count);
    return groups;
  }

  /** The segment has room for a decree of any size. */
  get #isWorthLending(): boolean {
    return this.#options.log.fits(this.#options.limits.decreeBytesMax + RECORD_HEADER_BYTES);
  }

  #lend(): void {
    const { grants, log } = this.#options;
    if (!this.#isWorthLending) {
      if (!log.hasStandby) return;
      log.roll();
    }
    log.padToBlock();
    grants.lend();
  }
}

/** What a decree is made of. */
interface Groups {
  readonly pieces: Piece[];
  bytes: number;
  commands: number;
  /** Of its one command, if that has any. */
  flags: number;
}

type Part = Pick<OwnBatch, 'first' | 'count' | 'bytes' | 'flags'>;

/** Whether the batch may stand in the decree that `groups` are for. A command with flags stands alone. */
function goesWith(groups: Groups, { count, bytes, flags }: Part, limits: DecreeLimits): boolean {
  if (groups.bytes === 0) return true;
  if (groups.flags !== 0 || flags !== 0) return false;
  if (groups.commands + count > limits.decreeCommandsMax) return false;
  return groups.bytes + GROUP_HEADER_BYTES + bytes <= limits.decreeBytesMax;
}

function addGroup(
  groups: Groups,
  origin: number,
  session: number,
  { first, count, bytes, flags }: Part,
  commands: readonly Piece[],
): void {
  const header = new Uint8Array(GROUP_HEADER_BYTES);
  writeGroupHeader(header, 0, origin, count, session, first, bytes, flags);
  groups.pieces.push({ bytes: header, start: 0, end: GROUP_HEADER_BYTES }, ...commands);
  groups.bytes += GROUP_HEADER_BYTES + bytes;
  groups.commands += count;
  groups.flags = flags;
}
