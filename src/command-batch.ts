/** Commands in one piece of memory, as they lie in the log: each behind its length (u32, little endian). */

import { SynodError } from './errors.js';

const LENGTH_BYTES = 4;
const BYTES_FIRST = 4096;
/** Places in it are numbers of 31 bits. */
const BYTES_MAX = 1024 * 1024 * 1024;

/**
 * A list of commands for `replicateBatch`. It costs one copy in one piece instead of one each, can be filled while an
 * earlier call waits, and used again after `clear`: `replicateBatch` has copied it when it returns.
 */
export class CommandBatch {
  #bytes: Uint8Array;
  #view: DataView;
  #end = 0;
  #count = 0;

  /** `bytes`: memory to begin with. It grows as needed, to 1 GiB. */
  constructor(bytes: number = BYTES_FIRST) {
    if (!Number.isInteger(bytes) || bytes < 0 || bytes > BYTES_MAX) throw beyond(`bytes: ${bytes}`);
    this.#bytes = new Uint8Array(Math.max(bytes, LENGTH_BYTES));
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Commands in it. */
  get count(): number {
    return this.#count;
  }

  /** Bytes of its commands, without their lengths. */
  get commandBytes(): number {
    return this.#end - this.#count * LENGTH_BYTES;
  }

  /** Bytes of its longest command; -1 where somebody wrote over a length, so that they are no commands any more. */
  get longestBytes(): number {
    const view = this.#view;
    const end = this.#end;
    let at = 0;
    let longest = 0;
    for (let index = 0; index < this.#count; index += 1) {
      if (at + LENGTH_BYTES > end) return -1;
      const length = view.getUint32(at, true);
      if (length > longest) longest = length;
      at += LENGTH_BYTES + length;
    }
    return at === end ? longest : -1;
  }

  /** The memory: commands and their lengths, up to `end`. Replaced when it grows. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }
  get view(): DataView {
    return this.#view;
  }
  get end(): number {
    return this.#end;
  }

  /** Copies `command` behind the others. Throws `ERR_SYNOD_ARGUMENT` where it is no Uint8Array, or beyond 1 GiB in all. */
  add(command: Uint8Array): void {
    if (!(command instanceof Uint8Array))
      throw beyond(`command: expected a Uint8Array, got ${typeof command}`);
    const at = this.#reserve(command.length);
    this.#bytes.set(command, at);
  }

  /**
   * Makes room for a command of `length` bytes and yields where to write it in `bytes` and `view`, before anything else is
   * added: for commands that are built in place. Look at `bytes` and `view` behind the call: it may have replaced them. What was there before stays in it until it is written over.
   */
  reserve(length: number): number {
    if (!Number.isInteger(length) || length < 0) throw beyond(`length: ${length}`);
    return this.#reserve(length);
  }

  /** Takes all commands out. The memory stays. */
  clear(): void {
    this.#end = 0;
    this.#count = 0;
  }

  /**
   * Takes `count` commands over that lie in `bytes` already, without a copy. Whether they do is found out by who takes them from
   * here. Throws `ERR_SYNOD_ARGUMENT` where other threads could write into them.
   */
  adopt(bytes: Uint8Array, count: number): void {
    if (!(bytes.buffer instanceof ArrayBuffer)) throw beyond('bytes: shared memory');
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#end = bytes.length;
    this.#count = count;
  }

  #reserve(length: number): number {
    const at = this.#end + LENGTH_BYTES;
    const end = at + length;
    if (end > this.#bytes.length) this.#grow(end);
    this.#view.setUint32(at - LENGTH_BYTES, length, true);
    this.#end = end;
    this.#count += 1;
    return at;
  }

  #grow(needed: number): void {
    if (needed > BYTES_MAX) throw beyond(`${needed} bytes of commands`);
    const bytes = new Uint8Array(Math.min(BYTES_MAX, Math.max(needed, this.#bytes.length * 2)));
    bytes.set(this.#bytes.subarray(0, this.#end));
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}

function beyond(message: string): SynodError {
  return new SynodError('ERR_SYNOD_ARGUMENT', message, { outcome: 'not-applied' });
}
