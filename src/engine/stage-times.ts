/** Times the stages that a decree goes through in the engine. Costs a store or two for each decree, and nothing for a command. */

import type { MemberNumber } from '../protocol/ballot.js';
import type { Slot } from '../protocol/decree.js';
import type { StatisticsBoard } from '../statistics.js';

/** More than decrees can be open at once (`limits.pipelineDecreesMax`), and a power of two; likewise for writes of the log. */
const OPEN_DECREES = 8192;
const OPEN_WRITES = 1024;

export class StageTimes {
  readonly #board: StatisticsBoard;
  readonly #now: () => number;
  /** By slot: when it was proposed here, and which slot that is. */
  readonly #proposedAt = new Float64Array(OPEN_DECREES);
  readonly #proposed = new Float64Array(OPEN_DECREES);
  readonly #writtenAt = new Float64Array(OPEN_WRITES);
  readonly #heartbeats: Map<MemberNumber, { round: number; at: number }> = new Map();
  #ticket = 0;
  #durable = 0;
  #chosen: Slot;

  constructor(board: StatisticsBoard, chosen: Slot, now: () => number) {
    this.#board = board;
    this.#chosen = chosen;
    this.#now = now;
  }

  onProposed(slot: Slot): void {
    this.#proposedAt[slot % OPEN_DECREES] = this.#now();
    this.#proposed[slot % OPEN_DECREES] = slot;
    this.#board.count('decreesProposed', 1);
  }

  /** Up to here; by whomever it was proposed. */
  onChosen(through: Slot): void {
    const now = this.#now();
    const { quorum } = this.#board.stages;
    this.#board.count('decreesChosen', through - this.#chosen);
    // After a jump there are fewer places than slots.
    for (let slot = Math.max(this.#chosen, through - OPEN_DECREES) + 1; slot <= through; slot += 1) {
      const at = slot % OPEN_DECREES;
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
