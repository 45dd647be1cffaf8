/**
 * What checkpoints change for the engine: the log behind them is dropped, peers that need what was dropped get a checkpoint
 * instead, and one that a peer sends is put in the place of the decrees that it holds.
 */

import type { SynodError } from '../errors.js';
import type { Slot } from '../protocol/decree.js';
import type { CheckpointStore } from '../storage/checkpoint-store.js';
import { isNotThere } from '../storage/storage-error.js';
import {
  type CheckpointFetch,
  decodeCheckpointChunk,
  decodeCheckpointFetch,
  type FrameWriter,
  joinPayload,
} from '../wire/codec.js';
import { type Frame, FrameKind } from '../wire/frame.js';
import { CheckpointDemand, type CopyOrder } from './checkpoint-demand.js';
import { ASKED_NAME, CheckpointInstaller, COPY_NAME } from './checkpoint-installer.js';
import { CheckpointServer, type ServedCheckpoint } from './checkpoint-server.js';
import type { EngineParts } from './engine-types.js';
import type { Link } from './links.js';
import type { LogReader } from './log-reader.js';
import type { LogWriter } from './log-writer.js';
import type { RestoredCheckpoint } from './recover.js';
import { versionsOf } from './versions.js';

/** What the engine is told of the checkpoints of its replica. */
export interface CheckpointNotice {
  readonly newest: ServedCheckpoint;
  /** The oldest one that is kept: the log from the slot behind it on is kept too. */
  readonly keptFrom: Slot;
}

/** Bytes of a checkpoint in one frame: what a peer that catches up makes this replica read and send at once. */
const CHUNK_BYTES = 1024 * 1024;
/** Requests are counted from 1. */
const NOBODY = 0;
/** A segment that could not be removed is tried again after so long. */
const DROP_AGAIN_MS = 10_000;
/** A checkpoint with another configuration: what its maker promised, the jump, and a primary's promise to itself that it prepares anew. */
const INSTALL_RECORDS = 3;

export interface CheckpointsOptions {
  readonly parts: EngineParts;
  readonly store: CheckpointStore;
  /** What there was when the replica was opened. */
  readonly notice: CheckpointNotice | null;
  readonly log: LogWriter;
  readonly writer: FrameWriter;
  readonly chosen: () => Slot;
  readonly isUp: (link: Link) => boolean;
  /** Links that are up, by peer id. */
  readonly links: () => ReadonlyMap<string, Link>;
  /** Id of the primary, or null. */
  readonly primary: () => string | null;
  /** The peer whose link it is sends a checkpoint. */
  readonly onProgress: (link: Link) => void;
  /** It is durable: the protocol may count on it. */
  readonly onInstalled: (checkpoint: RestoredCheckpoint) => void;
  /** The copy came to nothing. */
  readonly onLost: () => void;
  readonly reader: LogReader;
}

export class Checkpoints {
  readonly #options: CheckpointsOptions;
  readonly #server: CheckpointServer;
  readonly #installer: CheckpointInstaller;
  readonly #demand: CheckpointDemand;
  /** The log up to this slot is not needed. */
  #droppable: Slot = 0;
  #dropping = false;
  /** Sequence of the record that says that what an installed checkpoint holds is chosen, or of a later one. */
  #jumpedAt = 0;
  #dropAgainAt = Number.NEGATIVE_INFINITY;
  #stopped = false;
  /** It is durable; the log must say so next. */
  #arrived: { readonly checkpoint: RestoredCheckpoint; readonly served: ServedCheckpoint } | null = null;

  constructor(options: CheckpointsOptions) {
    const { parts, store, writer, chosen, isUp } = options;
    const { crc32c, logger, schedule, now } = parts;
    const { cluster, limits } = parts.options;
    // A quarter of a second's worth: a peer that waits longer than for a few of them asks somebody else.
    const budget = Math.floor(limits.checkpointBytesPerSecondMax / 4);
    const chunkBytesMax = Math.min(CHUNK_BYTES, limits.fetchBytesMax, budget);
    this.#options = options;
    this.#server = new CheckpointServer({
      store,
      writer,
      crc32c,
      logger,
      chunkBytesMax,
      bytesPerSecondMax: limits.checkpointBytesPerSecondMax,
      sendQueueBytesMax: limits.sendQueueBytesMax,
      now,
      isUp,
      onDamaged: (slot) => parts.emit({ kind: 'checkpoint-damaged', slot }),
      onSent: schedule,
    });
    const ask = (link: Link, fetch: CheckpointFetch): void => {
      link.connection.send(writer.bytes, writer.checkpointFetch(fetch));
      schedule();
    };
    const versions = versionsOf(parts.options);
    const copying = { store, crc32c, logger, cluster, versions, chunkBytesMax, ask, isUp };
    this.#installer = new CheckpointInstaller({
      ...copying,
      name: COPY_NAME,
      isWanted: (slot) => slot > chosen(),
      onLost: options.onLost,
      onProgress: options.onProgress,
      onInstalled: (checkpoint, served) => {
        this.#arrived = { checkpoint, served };
        this.#install();
      },
    });
    this.#demand = new CheckpointDemand({
      ...copying,
      name: ASKED_NAME,
      chosen,
      links: options.links,
      primary: options.primary,
      newest: () => this.#server.newest,
      isCatchingUp: () => this.#installer.isAtWork || this.#arrived !== null,
      now,
      onSettled: (request, outcome) => parts.emit({ kind: 'copy-settled', request, outcome }),
    });
    // What an earlier life of this process began is not gone on with.
    for (const name of [COPY_NAME, ASKED_NAME]) store.clear(name, () => {});
    if (options.notice !== null) this.onNotice(options.notice);
  }

  /** There is another checkpoint: made here, or copied. */
  onNotice({ newest, keptFrom }: CheckpointNotice): void {
    if (newest.slot >= (this.#server.newest?.slot ?? 0)) this.#server.newest = newest;
    if (keptFrom > this.#droppable) this.#droppable = keptFrom;
  }

  /** True where the log does not have slot `from`, and the peer gets a checkpoint instead. */
  offer(link: Link, from: Slot): boolean {
    const { newest } = this.#server;
    // A log whose beginning was not dropped yet may lack it too: what lies before a checkpoint that was copied was never here.
    if (newest === null || from > newest.slot || this.#options.reader.find(from) !== null) {
      this.#server.onLogFetch(link, from);
      return false;
    }
    this.#server.offer(link);
    return true;
  }

  /** Takes in a frame of this kind. Throws `FrameError`. */
  onFrame(link: Link, frame: Frame): void {
    // Of the frames that came with one by which the replica was fenced.
    if (this.#stopped) return;
    if (frame.kind === FrameKind.checkpointFetch) this.#server.serve(link, decodeCheckpointFetch(frame));
    else {
      const chunk = decodeCheckpointChunk(frame);
      const payload = joinPayload(frame);
      const isAsked = !this.#installer.isCopyOf(chunk) && this.#demand.onChunk(link, chunk, payload);
      if (!isAsked) this.#installer.onChunk(link, chunk, payload);
    }
  }

  /** The application wants the newest checkpoint of a peer; a `copy-settled` event tells what became of it. */
  copy(order: CopyOrder): void {
    if (!this.#stopped) this.#demand.take(order);
  }

  onDown(link: Link): void {
    this.#server.onDown(link);
    this.#demand.onDown(link);
  }

  /** Drops nothing more: the medium is closed next, and the segments may be somebody else's. */
  stop(): void {
    this.#stopped = true;
    this.#server.close();
    this.#demand.close();
    this.#installer.giveUp();
  }

  /**
   * It is stopped. Calls back once no copy is being written any more: whoever opens the directory next copies under the same name, and a
   * commit or a deletion that is late would hit that file.
   */
  whenIdle(call: () => void): void {
    this.#installer.whenIdle(() => this.#demand.whenIdle(call));
  }

  /** From time to time. */
  tick(): void {
    this.#server.tick();
    this.#demand.tick();
    this.#installer.tick();
    this.#install();
    this.#drop();
  }

  #install(): void {
    const { parts, log, chosen, onInstalled } = this.#options;
    const arrived = this.#arrived;
    if (arrived === null || this.#stopped) return;
    const { checkpoint, served } = arrived;
    if (checkpoint.slot <= chosen()) {
      // While it became durable, or waited, others gave the decrees up to it. Nothing is jumped over, and the log before it is needed until
      // it is executed: it is kept from then on, as one that was asked for.
      this.#arrived = null;
      parts.emit({
        kind: 'copy-settled',
        request: NOBODY,
        outcome: { kind: 'copied', from: '', checkpoint: served },
      });
      return;
    }
    // Records tell of it: it waits for room, as every record does.
    if (!log.hasRoom(0, INSTALL_RECORDS)) return;
    this.#arrived = null;
    // What the log has of the slots in between is no use without the rest.
    this.onNotice({ newest: served, keptFrom: checkpoint.slot });
    onInstalled(checkpoint);
    this.#jumpedAt = log.sequence;
    parts.schedule();
  }

  /** Drops the oldest segments, as far as nothing in them is needed. */
  #drop(): void {
    const { parts, log, reader } = this.#options;
    const { medium, logger, now } = parts;
    const { index, segmentSlots } = parts.recovered.state;
    // Without a checkpoint the log must have its beginning, be there any decree in it or not.
    if (this.#stopped || this.#dropping || this.#droppable === 0 || now() < this.#dropAgainAt) return;
    // Whoever copies a checkpoint needs the log behind it next.
    const through = Math.min(this.#droppable, this.#server.heldSlot());
    // With an older checkpoint, a log that was dropped and does not say what is chosen would be taken for one that lacks nothing.
    if (log.durable < this.#jumpedAt) return;
    const found = segmentSlots.droppable(through);
    if (found === null || log.resident.has(found.segment)) return;
    const { segment, next } = found;
    // The next segment's header repeats what was promised before. Until it is durable, a power cut must find the records.
    if (next >= log.persistedBelow && !log.isIdle) return;
    // Whoever asks from here on finds nothing; who reads it already is waited for.
    index.dropBelow(through + 1);
    if (reader.isReading(segment)) return;
    this.#dropping = true;
    medium.remove(segment, (error: SynodError | null) => {
      this.#dropping = false;
      if (error !== null && !isNotThere(error)) {
        // Without the segments behind it, it would be taken for the beginning of a log that is damaged.
        logger.warn({ error, segment }, 'log segment not dropped');
        this.#dropAgainAt = now() + DROP_AGAIN_MS;
        return;
      }
      segmentSlots.remove(segment);
      // Under load more than one becomes free from one tick to the next.
      this.#drop();
    });
  }
}
