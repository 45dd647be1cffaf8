/** Times the stages that a decree goes through in the engine. Costs a store or two for each decree, and nothing for a command. */

import type { MemberNumber } from '../protocol/ballot.js';
import type { Slot } from '../protocol/decree.js';
import type { StatisticsBoard } from '../statistics.js';

/** A power of two above the writes of the log that are ever under way at once. */
const OPEN_WRITES = 1024;

export class StageTimes {
  readonly #board: StatisticsBoard;
  readonly #now: () => number;
  /** By slot, in twice as many places as decrees are open at once: when it was proposed here, and which slot that is. */
  readonly #proposedAt: Float64Array;
  readonly #proposed: Float64Array;
  readonly #writtenAt = new Float64Array(OPEN_WRITES);
  readonly #heartbeats: Map<MemberNumber, { round: number; at: number }> = new Map();
  #ticket = 0;
  #durable = 0;
  #chosen: Slot;

  /** `openDecreesMax`: of `limits.pipelineDecreesMax`. */
  constructor(board: StatisticsBoard, chosen: Slot, openDecreesMax: number, now: () => number) {
    const places = 2 ** Math.ceil(Math.log2(2 * openDecreesMax));
    this.#proposedAt = new Float64Array(places);
    this.#proposed = new Float64Array(places);
    this.#board = board;
    this.#chosen = chosen;
    this.#now = now;
  }

  onProposed(slot: Slot): void {
    const at = slot % this.#proposed.length;
    this.#proposedAt[at] = this.#now();
    this.#proposed[at] = slot;
    this.#board.count('decreesProposed', 1);
  }

  /** Up to here; by whomever it was proposed. */
  onChosen(through: Slot): void {
    const now = this.#now();
    const { quorum } = this.#board.stages;
    this.#board.count('decreesChosen', through - this.#chosen);
    // After a jump there are fewer places than slots.
    const places = this.#proposed.length;
    for (let slot = Math.max(this.#chosen, through - places) + 1; slot <= through; slot += 1) {
      const at = slot % places;
      if (this.#proposed[at] === slot) quorum.record(now - this.#proposedAt[at]!);
    }
    this.#chosen = through;
  }

  /** A write of the log is on its way to the medium. Tickets only grow. */
  onWrite(ticket: number, bytes: number): void {
    this.#ticket = ticket;
    this.#writtenAt[ticket % OPEN_WRITES] = this.#now();
    this.#board.count('logWrites', 1);
    this.#board.count('logWriteBytes', bytes);
  }

  /** Every write up to this one is durable. */
  onWritten(ticket: number): void {
    const now = this.#now();
    const { log } = this.#board.stages;
    for (let each = Math.max(this.#durable, ticket - OPEN_WRITES) + 1; each <= ticket; each += 1)
      log.record(now - this.#writtenAt[each % OPEN_WRITES]!);
    this.#durable = ticket;
  }

  /** How long the oldest write has been on its way; 0 where none is. */
  get writingMs(): number {
    if (this.#durable === this.#ticket) return 0;
    const oldest = Math.max(this.#durable + 1, this.#ticket - OPEN_WRITES + 1);
    return this.#now() - this.#writtenAt[oldest % OPEN_WRITES]!;
  }

  /** A heartbeat of the round may be sent again, with word of what was chosen: the first one counts. */
  onHeartbeat(member: MemberNumber, round: number): void {
    const last = this.#heartbeats.get(member);
    if (last === undefined) this.#heartbeats.set(member, { round, at: this.#now() });
    else if (last.round < round) {
      last.round = round;
      last.at = this.#now();
    }
  }

  onHeartbeatReply(member: MemberNumber, round: number): void {
    const last = this.#heartbeats.get(member);
    if (last === undefined || last.round !== round || last.at < 0) return;
    this.#board.stages.network.record(this.#now() - last.at);
    last.at = -1;
  }

  onQueued(sinceMs: number): void {
    this.#board.stages.queue.record(sinceMs);
  }

  onPrimary(): void {
    this.#board.count('timesPrimary', 1);
    // Rounds go on from one leadership to the next, links do not.
    this.#heartbeats.clear();
  }
}
