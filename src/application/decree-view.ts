/** The decree that a state machine sees: one object, used for every decree; see `Decree` in state-machine.ts. */

import type { CommandView, Decree } from '../state-machine.js';
import type { Memory } from './memory-map.js';

/** Takes the result of an own command, by its sequence number. */
export type Reply<Result> = (sequence: number, result: Result) => void;

export class DecreeView<Result> implements Decree<Result> {
  slot = 0;
  count = 0;
  bytes: Uint8Array = new Uint8Array(0);
  view: DataView = new DataView(new ArrayBuffer(0));

  readonly #reply: Reply<Result>;
  readonly #contextOf: (sequence: number) => unknown;
  #starts = new Int32Array(1024);
  #ends = new Int32Array(1024);
  /** Runs of own commands: index of the first, index behind the last, sequence number of the first. */
  #own: number[] = [];

  constructor(reply: Reply<Result>, contextOf: (sequence: number) => unknown = () => undefined) {
    this.#reply = reply;
    this.#contextOf = contextOf;
  }

  begin(slot: number, memory: Memory): void {
    this.slot = slot;
    this.count = 0;
    this.bytes = memory.bytes;
    this.view = memory.view;
    if (this.#own.length > 0) this.#own = [];
  }

  /** Adds the commands of a group that lies at `at`. False where they do not fill exactly `bytes` bytes. */
  addGroup(at: number, bytes: number, count: number, ownFirst: number): boolean {
    // A count from the log: what it makes this allocate must be bounded by bytes that are there.
    if (count > bytes / 4) return false;
    const needed = this.count + count;
    if (needed > this.#starts.length) this.#grow(needed);
    const starts = this.#starts;
    const ends = this.#ends;
    const { view } = this;
    const end = at + bytes;
    let cursor = at;
    for (let index = this.count; index < needed; index += 1) {
      if (cursor + 4 > end) return false;
      const start = cursor + 4;
      cursor = start + view.getUint32(cursor, true);
      starts[index] = start;
      ends[index] = cursor;
    }
    if (cursor !== end) return false;
    if (ownFirst > 0) this.#own.push(this.count, needed, ownFirst);
    this.count = needed;
    return true;
  }

  start(index: number): number {
    return this.#starts[index]!;
  }
  end(index: number): number {
    return this.#ends[index]!;
  }
  command(index: number): Uint8Array {
    return this.bytes.subarray(this.#starts[index], this.#ends[index]);
  }

  isAwaited(index: number): boolean {
    return this.#sequenceOf(index) !== 0;
  }

  context(index: number): unknown {
    const sequence = this.#sequenceOf(index);
    return sequence === 0 ? undefined : this.#contextOf(sequence);
  }

  reply(index: number, result: Result): void {
    const sequence = this.#sequenceOf(index);
    if (sequence !== 0) this.#reply(sequence, result);
  }

  *[Symbol.iterator](): Iterator<CommandView<Result>> {
    const { slot } = this;
    for (let index = 0; index < this.count; index += 1) {
      // A view that was kept must not answer whoever stands in its place in a later decree: this object is used again for that.
      const reply = (result: Result): void => {
        if (this.slot === slot) this.reply(index, result);
      };
      yield { bytes: this.command(index), reply };
    }
  }

  #sequenceOf(index: number): number {
    const own = this.#own;
    for (let run = 0; run < own.length; run += 3) {
      if (index >= own[run]! && index < own[run + 1]!) return own[run + 2]! + index - own[run]!;
    }
    return 0;
  }

  #grow(needed: number): void {
    const length = Math.max(needed, this.#starts.length * 2);
    const starts = new Int32Array(length);
    starts.set(this.#starts);
    this.#starts = starts;
    const ends = new Int32Array(length);
    ends.set(this.#ends);
    this.#ends = ends;
  }
}
