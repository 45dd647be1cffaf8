/**
 * Whether the disk keeps up: how long the oldest write that is not durable has been under way. Looked at once a tick, so it
 * costs nothing on the way of a command.
 */

/** A tick that comes so late, as part of the patience, says more about this process than about its disk. */
const LATE_TICK = 0.25;

export class DiskHealth {
  #ticket = 0;
  #canAppend = true;
  #since = 0;
  #tickAt = 0;

  /**
   * True where for `patienceMs` no write became durable though one is under way, or no segment came to be though one is
   * needed. `oldestTicket` is 0 where nothing is under way.
   */
  isStalled(oldestTicket: number, canAppend: boolean, now: number, patienceMs: number): boolean {
    // After a pause of the process, word of what was durable long ago waits to be heard.
    const isLate = now - this.#tickAt > patienceMs * LATE_TICK;
    this.#tickAt = now;
    if (isLate || oldestTicket !== this.#ticket || canAppend !== this.#canAppend) this.#since = now;
    this.#ticket = oldestTicket;
    this.#canAppend = canAppend;
    return (oldestTicket !== 0 || !canAppend) && now - this.#since >= patienceMs;
  }
}
