/**
 * What the replicas tell each other of themselves, several times a second and apart from the protocol: 64 bits of the application, how far
 * they are, how their disks do. Whoever asks gets the newest of each.
 */

import { type LogIndex, type MutableLogEntry, makeLogEntry } from '../log/log-index.js';
import type { Slot } from '../protocol/decree.js';
import type { StatisticsBoard } from '../statistics.js';
import { decodeReport, type FrameWriter, ReportFlag } from '../wire/codec.js';
import type { Frame } from '../wire/frame.js';
import type { Link } from './links.js';
import type { StageTimes } from './stage-times.js';

/** `slow`: a write of the log has been on its way for longer than `electionTimeoutMs`. `full`: there is no space for another segment. */
export type DiskState = 'ok' | 'slow' | 'full';

/** What is known of one member. Null where this replica does not know. */
export interface MemberHealth {
  readonly id: string;
  /** This replica: what it says of itself is of this moment. */
  readonly isSelf: boolean;
  readonly connected: boolean;
  /** Milliseconds since it told of itself last, which a connected one does every 100 ms; 0 for this replica. */
  readonly lastHeardMs: number | null;
  /** Every slot up to this one it knows to be chosen. */
  readonly chosen: number | null;
  /** Every decree up to this slot its state machine has executed. */
  readonly applied: number | null;
  /** Slots that are known to be chosen here and were not there, as it told last; and the bytes of their commands. */
  readonly lag: number | null;
  readonly lagBytes: number | null;
  /** Bytes that were sent to it and that its connection has not taken yet. */
  readonly queuedBytes: number;
  /** What its application set with `setVotePayload`; 0 where it set nothing. */
  readonly payload: bigint | null;
  readonly disk: DiskState | null;
}

/** A replica tells of itself this often. */
const REPORT_MS = 100;
/** Beyond so many slots the bytes of a lag are taken from their mean: nobody waits for an answer that counts millions. */
const LAG_SLOTS_MAX = 10_000;

export interface HealthOptions {
  readonly id: string;
  /** Ids of the members, this replica's among them. */
  readonly ids: () => readonly string[];
  readonly writer: FrameWriter;
  readonly links: () => ReadonlyMap<string, Link>;
  readonly board: StatisticsBoard;
  readonly times: StageTimes;
  readonly index: LogIndex;
  readonly chosen: () => Slot;
  readonly applied: () => Slot;
  readonly isFull: () => boolean;
  readonly slowMs: number;
  readonly now: () => number;
}

interface Heard {
  readonly at: number;
  readonly payload: bigint;
  readonly chosen: number;
  readonly applied: number;
  readonly disk: DiskState;
}

export class Health {
  readonly #options: HealthOptions;
  readonly #heard: Map<string, Heard> = new Map();
  readonly #entry: MutableLogEntry = makeLogEntry();
  #reportAt = Number.NEGATIVE_INFINITY;

  constructor(options: HealthOptions) {
    this.#options = options;
  }

  /** Tells the peers of this replica, where it is time to. */
  tick(now: number): void {
    if (now < this.#reportAt) return;
    this.#reportAt = now + REPORT_MS;
    const { writer, links, board, chosen, applied } = this.#options;
    const disk = this.#disk;
    const report = {
      payload: board.payload,
      chosen: chosen(),
      applied: applied(),
      flags: disk === 'ok' ? 0 : disk === 'slow' ? ReportFlag.slow : ReportFlag.full,
    };
    for (const link of links().values()) {
      // Who does not read is not sent more.
      if (!link.congested) link.connection.send(writer.bytes, writer.report(report));
    }
  }

  /** Throws `FrameError`. */
  onReport(link: Link, frame: Frame): void {
    const { payload, chosen, applied, flags } = decodeReport(frame);
    const disk = flags === ReportFlag.full ? 'full' : flags === ReportFlag.slow ? 'slow' : 'ok';
    // Others may come under ever new names.
    if (link.peer === null || !this.#options.ids().includes(link.peer.id)) return;
    this.#heard.set(link.peer.id, { at: this.#options.now(), payload, chosen, applied, disk });
  }

  get members(): readonly MemberHealth[] {
    const { id: own, ids } = this.#options;
    return ids().map((id) => (id === own ? this.#self : this.#peer(id)));
  }

  get #self(): MemberHealth {
    const { id, chosen, applied, board } = this.#options;
    return {
      id,
      isSelf: true,
      connected: true,
      lastHeardMs: 0,
      chosen: chosen(),
      applied: applied(),
      lag: 0,
      lagBytes: 0,
      queuedBytes: 0,
      payload: board.payload,
      disk: this.#disk,
    };
  }

  #peer(id: string): MemberHealth {
    const { links, now } = this.#options;
    const link = links().get(id);
    const heard = this.#heard.get(id);
    const lag = heard === undefined ? null : Math.max(0, this.#options.chosen() - heard.chosen);
    return {
      id,
      isSelf: false,
      connected: link !== undefined,
      lastHeardMs: heard === undefined ? null : Math.round(now() - heard.at),
      chosen: heard?.chosen ?? null,
      applied: heard?.applied ?? null,
      lag,
      lagBytes: heard === undefined ? null : this.#bytesBehind(heard.chosen),
      queuedBytes: link?.connection.queuedBytes ?? 0,
      payload: heard?.payload ?? null,
      disk: heard?.disk ?? null,
    };
  }

  get #disk(): DiskState {
    const { isFull, times, slowMs } = this.#options;
    if (isFull()) return 'full';
    return times.writingMs > slowMs ? 'slow' : 'ok';
  }

  /** Slots whose decrees this log does not have any more count as the mean of the others. */
  #bytesBehind(slot: Slot): number {
    const { index, chosen } = this.#options;
    const through = chosen();
    const slots = through - slot;
    if (slots <= 0) return 0;
    let bytes = 0;
    let counted = 0;
    for (let each = through; each > slot && counted < LAG_SLOTS_MAX; each -= 1) {
      if (!index.get(each, this.#entry)) break;
      bytes += this.#entry.payloadBytes;
      counted += 1;
    }
    return counted === 0 ? 0 : Math.round((bytes / counted) * slots);
  }
}
