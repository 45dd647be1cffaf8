/**
 * What the server knows of one client's session: which commands it has received, so that one that is sent again is not executed
 * again, and the results that the client has not acknowledged. Lives in the server's process, and no longer.
 */

import { Queue } from './queue.js';

/** With each answer, what is expected of a result falls by such a part at most: the next after a long one may be long too. */
const DECAY = 4;

/** A frame of commands, and the frame that answers it, once there is one. */
interface Answer {
  readonly first: number;
  readonly last: number;
  frame: Uint8Array | null;
}

export class Session {
  readonly id: string;
  /** Sequence number of the last command that was received. */
  received = 0;
  /** Bytes of commands that were received and have no answer, and 64 for each. */
  outstandingBytes = 0;

  readonly #keptBytesMax: number;
  /** Commands that were received and have no answer. */
  #underWay = 0;
  /** What a result is expected to weigh. */
  #resultBytes: number;
  /** Oldest first. Those that are answered and not acknowledged stand before or between those that are not answered. */
  readonly #answers: Queue<Answer> = new Queue();
  /** Of `#answers`, those that were sent by the present connection. */
  #sent = 0;
  #keptBytes = 0;
  #acknowledged = 0;
  /** Answers up to this one are no longer kept. */
  #forgotten = 0;

  /** `resultBytesMax`: expected of each until some are known. */
  constructor(id: string, keptBytesMax: number, resultBytesMax: number) {
    this.id = id;
    this.#keptBytesMax = keptBytesMax;
    this.#resultBytes = resultBytesMax;
  }

  /** Bytes of the answers that are to come, going by those that came: no result tells of its length before it is there. */
  get expectedBytes(): number {
    return this.#underWay * this.#resultBytes;
  }

  /** Bytes of the answers that are kept, to be sent or until they are acknowledged. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  /**
   * Whether commands [first, first + count) are new. Those that came before are not; null where they begin or end in
   * between: no client sends that.
   */
  admit(first: number, count: number): boolean | null {
    const last = first + count - 1;
    if (first === this.received + 1) {
      this.received = last;
      this.#answers.push({ first, last, frame: null });
      this.#underWay += count;
      return true;
    }
    if (first < 1 || last > this.received) return null;
    return false;
  }

  /** Commands from `first` on are answered by `frame`. */
  answer(first: number, frame: Uint8Array): void {
    const answer = this.#find(first);
    if (answer === undefined) return;
    answer.frame = frame;
    this.#keptBytes += frame.length;
    const count = answer.last - first + 1;
    this.#underWay -= count;
    this.#resultBytes = Math.max(frame.length / count, this.#resultBytes - this.#resultBytes / DECAY);
  }

  /** By halves: many that are answered may stand before it. */
  #find(first: number): Answer | undefined {
    const answers = this.#answers;
    let low = 0;
    let high = answers.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (answers.at(middle)!.first < first) low = middle + 1;
      else high = middle;
    }
    const found = answers.at(low);
    return found?.first === first ? found : undefined;
  }

  /** The client has the answers to all commands up to this one. False where it cannot. */
  acknowledge(sequence: number): boolean {
    if (sequence > this.received) return false;
    if (sequence <= this.#acknowledged) return true;
    this.#acknowledged = sequence;
    this.#dropWhile((answer) => answer.last <= sequence);
    return true;
  }

  /** The next answers to be sent, in the order of the commands. */
  takeSendable(): Uint8Array[] {
    const frames: Uint8Array[] = [];
    for (let frame = this.#answers.at(this.#sent)?.frame; frame != null; ) {
      frames.push(frame);
      this.#sent += 1;
      frame = this.#answers.at(this.#sent)?.frame;
    }
    // A client that acknowledges nothing makes nobody hold more than this. Without a connection all is kept that it may come back for.
    this.#dropWhile((answer) => {
      if (this.#keptBytes <= this.#keptBytesMax) return false;
      this.#forgotten = answer.last;
      return true;
    });
    return frames;
  }

  /** Another connection, whose client has the answers up to `received`. False where some that it lacks are gone. */
  resume(received: number): boolean {
    if (received < this.#forgotten || !this.acknowledge(received)) return false;
    this.#sent = 0;
    return true;
  }

  #dropWhile(isSpent: (answer: Answer) => boolean): void {
    let count = 0;
    for (const answer of this.#answers) {
      if (count >= this.#sent || answer.frame === null || !isSpent(answer)) break;
      this.#keptBytes -= answer.frame.length;
      count += 1;
    }
    if (count === 0) return;
    this.#answers.drop(count);
    this.#sent -= count;
  }
}
