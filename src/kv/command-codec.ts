/**
 * How operations lie in a command of the log, version 1:
 *
 *     version     u8, 1
 *     flags       u8, bit 0: whoever waits for the replies reads RESP3
 *     clock       u48, little endian: the issuer's clock in ms since 1970
 *     operations  one or more, to the end of the command
 *
 *     operation   code u8; where the code takes any number of arguments, their count as varint; arguments
 *     argument    length as varint, bytes
 *     transaction code u8; count of operations as varint; then that many operations, none a transaction
 *
 * A varint has 7 bits in each byte, lowest first, bit 7 set where another byte follows; at most 4 bytes.
 */

import { argumentsOf, Operation, TRANSACTION, UNKNOWN, VARIADIC } from './operations.js';
import type { RespVersion } from './resp-writer.js';

export const COMMAND_VERSION = 1;
export const COMMAND_HEADER_BYTES = 8;
/** Most bytes that a transaction's own code and count take. */
export const TRANSACTION_HEADER_BYTES_MAX = 5;
/** The latest time that the header can hold: some day in the year 10889. */
export const CLOCK_MS_MAX: number = 2 ** 48 - 1;

const FLAG_RESP3 = 1;
const VARINT_BYTES_MAX = 4;
/** Below this a loop beats a call out of JavaScript. */
const LOOP_BYTES_MAX = 32;
const BYTES_KEPT_MAX = 262_144;
const OPERATIONS_KEPT_MAX = 16_384;
/** More arguments than this in one command are malformed: the tables of the decoder are bounded by it. */
export const COMMAND_ARGUMENTS_MAX: number = 4 * 1_048_576;

/** Builds one command, in memory that is used again for the next one. */
export class CommandEncoder {
  #bytes: Buffer = Buffer.allocUnsafeSlow(4096);
  #length = 0;
  #operations = 0;

  /** Bytes so far. */
  get length(): number {
    return this.#length;
  }

  /** Operations so far, a transaction counted as one: as many as there will be replies. */
  get operations(): number {
    return this.#operations;
  }

  /** Starts anew, without a header: for operations that are kept for `transaction`. */
  clear(): void {
    if (this.#bytes.length > BYTES_KEPT_MAX) this.#bytes = Buffer.allocUnsafeSlow(4096);
    this.#length = 0;
    this.#operations = 0;
  }

  /** Starts a command. `clockMs` is cut to what the format can hold. */
  begin(clockMs: number, version: RespVersion): void {
    this.clear();
    const clock = Math.min(Math.max(Math.trunc(clockMs), 0), CLOCK_MS_MAX);
    const bytes = this.#bytes;
    bytes[0] = COMMAND_VERSION;
    bytes[1] = version === 3 ? FLAG_RESP3 : 0;
    bytes.writeUIntLE(clock, 2, 6);
    this.#length = COMMAND_HEADER_BYTES;
  }

  /** Adds an operation with arguments [first, count) of those described by `starts` and `ends`. */
  operation(
    operation: Operation,
    source: Uint8Array,
    starts: Int32Array,
    ends: Int32Array,
    first: number,
    count: number,
  ): void {
    this.#reserve(1 + VARINT_BYTES_MAX);
    this.#bytes[this.#length++] = operation;
    if (argumentsOf[operation] === VARIADIC) this.#varint(count - first);
    for (let index = first; index < count; index++) {
      this.#argument(source, starts[index] as number, ends[index] as number);
    }
    this.#operations++;
  }

  /** Adds the operations of `queued` as one transaction. */
  transaction(queued: CommandEncoder): void {
    this.#reserve(TRANSACTION_HEADER_BYTES_MAX + queued.#length);
    this.#bytes[this.#length++] = Operation.transaction;
    this.#varint(queued.#operations);
    queued.#bytes.copy(this.#bytes, this.#length, 0, queued.#length);
    this.#length += queued.#length;
    this.#operations++;
  }

  /** The command. Overwritten by the next one. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #argument(source: Uint8Array, start: number, end: number): void {
    const count = end - start;
    this.#reserve(VARINT_BYTES_MAX + count);
    this.#varint(count);
    const bytes = this.#bytes;
    const at = this.#length;
    if (count <= LOOP_BYTES_MAX) {
      for (let index = 0; index < count; index++) bytes[at + index] = source[start + index] as number;
    } else {
      bytes.set(source.subarray(start, end), at);
    }
    this.#length = at + count;
  }

  #varint(value: number): void {
    let rest = value;
    while (rest > 127) {
      this.#bytes[this.#length++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    this.#bytes[this.#length++] = rest;
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(needed * 2);
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}

/**
 * Finds the operations of a command and where their arguments lie, without copying them. Total: whatever the
 * bytes are, `decode` says yes or no, and nothing is executed of a command that is malformed anywhere.
 */
export class CommandDecoder {
  clockMs = 0;
  version: RespVersion = 2;
  /** Operations in the command, those inside transactions counted too. */
  count = 0;
  operations: Uint8Array = new Uint8Array(64);
  /** Arguments of operation `index` are [firstArgument[index], firstArgument[index + 1]). */
  firstArgument: Int32Array = new Int32Array(65);
  /** For a transaction: how many of the operations behind it belong to it. */
  nested: Int32Array = new Int32Array(64);
  /** Argument `index` is bytes [starts[index], ends[index]) of what was decoded. */
  starts: Int32Array = new Int32Array(128);
  ends: Int32Array = new Int32Array(128);

  #bytes: Uint8Array = EMPTY;
  #position = 0;
  #end = 0;

  /** Reads bytes [start, end). False where they are no command of this version. */
  decode(bytes: Uint8Array, start: number, end: number): boolean {
    this.count = 0;
    if (end - start <= COMMAND_HEADER_BYTES) return false;
    if (bytes[start] !== COMMAND_VERSION) return false;
    const flags = bytes[start + 1] as number;
    if (flags > FLAG_RESP3) return false;
    this.version = flags === FLAG_RESP3 ? 3 : 2;
    this.clockMs = readClock(bytes, start + 2);
    this.#bytes = bytes;
    this.#position = start + COMMAND_HEADER_BYTES;
    this.#end = end;
    const decoded = this.#decodeOperations();
    this.#bytes = EMPTY;
    if (!decoded) this.count = 0;
    return decoded;
  }

  #decodeOperations(): boolean {
    const bytes = this.#bytes;
    const end = this.#end;
    let operations = 0;
    let nestedLeft = 0;
    let argument = 0;
    if (this.starts.length > 4 * OPERATIONS_KEPT_MAX || this.operations.length > OPERATIONS_KEPT_MAX) {
      if (end - this.#position < OPERATIONS_KEPT_MAX) this.#shrink();
    }
    while (this.#position < end) {
      const operation = bytes[this.#position++] as number;
      if (operations === this.operations.length) this.#growOperations();
      this.operations[operations] = operation;
      this.firstArgument[operations] = argument;
      let expected = argumentsOf[operation] as number;
      if (expected === UNKNOWN) return false;
      if (expected === TRANSACTION) {
        const count = this.#readVarint();
        // Each operation takes a byte at least, so a count beyond the rest of the command cannot be right.
        if (count < 0 || nestedLeft > 0 || count > end - this.#position) return false;
        this.nested[operations] = count;
        nestedLeft = count;
        operations++;
        continue;
      }
      if (expected === VARIADIC) {
        expected = this.#readVarint();
        if (expected < 0 || expected > end - this.#position) return false;
      }
      for (; expected > 0; expected--) {
        let length = this.#position < end ? (bytes[this.#position] as number) : 128;
        if (length < 128) this.#position++;
        else length = this.#readVarint();
        const start = this.#position;
        if (length < 0 || length > end - start) return false;
        if (argument === this.starts.length) {
          if (argument >= COMMAND_ARGUMENTS_MAX) return false;
          this.#growArguments();
        }
        this.starts[argument] = start;
        this.ends[argument] = start + length;
        argument++;
        this.#position = start + length;
      }
      operations++;
      if (nestedLeft > 0) nestedLeft--;
    }
    this.firstArgument[operations] = argument;
    this.count = operations;
    return nestedLeft === 0;
  }

  /** -1 where it is cut off, longer than it may be, or longer than it need be. */
  #readVarint(): number {
    let value = 0;
    for (let index = 0; index < VARINT_BYTES_MAX; index++) {
      if (this.#position >= this.#end) return -1;
      const byte = this.#bytes[this.#position++] as number;
      value |= (byte & 127) << (7 * index);
      if (byte < 128) return byte === 0 && index > 0 ? -1 : value;
    }
    return -1;
  }

  #growOperations(): void {
    const capacity = this.operations.length * 2;
    this.operations = grow(this.operations, new Uint8Array(capacity));
    this.nested = grow(this.nested, new Int32Array(capacity));
    this.firstArgument = grow(this.firstArgument, new Int32Array(capacity + 1));
  }

  #growArguments(): void {
    const capacity = this.starts.length * 2;
    this.starts = grow(this.starts, new Int32Array(capacity));
    this.ends = grow(this.ends, new Int32Array(capacity));
  }

  #shrink(): void {
    this.operations = new Uint8Array(64);
    this.nested = new Int32Array(64);
    this.firstArgument = new Int32Array(65);
    this.starts = new Int32Array(128);
    this.ends = new Int32Array(128);
  }
}

const EMPTY: Uint8Array = new Uint8Array(0);

function readClock(bytes: Uint8Array, at: number): number {
  const low =
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24);
  return (low >>> 0) + ((bytes[at + 4] as number) | ((bytes[at + 5] as number) << 8)) * 2 ** 32;
}

function grow<T extends Uint8Array | Int32Array>(from: T, into: T): T {
  into.set(from);
  return into;
}
