/**
 * Writes replies in RESP2 or RESP3, as the connection chose by HELLO. The replies to a batch of commands become
 * one run of bytes, cut from a slab that many batches share, so that a batch costs one small view and a socket
 * write needs no further copy.
 *
 * Text is Latin-1 here: one character is one byte, so that values of any bytes pass through unchanged.
 */

const SLAB_BYTES = 65_536;
const SLAB_BYTES_KEPT_MAX = 1_048_576;
/** Below this a loop beats a call out of JavaScript. */
const LOOP_BYTES_MAX = 24;

const CARRIAGE_RETURN = 13;
const LINE_FEED = 10;

export type RespVersion = 2 | 3;

export class RespWriter {
  version: RespVersion = 2;
  /** True where nobody waits for the replies: writing does nothing. */
  muted = false;
  /** True once a reply did not fit in `bytesMax`; it was left out. Cleared by `begin` and `truncate`. */
  overflowed = false;

  readonly #bytesMax: number;
  #unbounded = false;
  #slab: Buffer = Buffer.allocUnsafeSlow(SLAB_BYTES);
  #start = 0;
  #position = 0;

  /** `bytesMax` bounds the bytes from `begin` to `take`. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Bytes written since `begin`. */
  get length(): number {
    return this.#position - this.#start;
  }

  begin(version: RespVersion, muted: boolean = false): void {
    this.version = version;
    this.muted = muted;
    this.overflowed = false;
    if (this.#slab.length > SLAB_BYTES_KEPT_MAX) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.#start = 0;
    }
    this.#position = this.#start;
  }

  /** What was written since `begin`. Stays as it is; the writer goes on behind it. */
  take(): Buffer {
    const taken = this.#slab.subarray(this.#start, this.#position);
    this.#start = this.#position;
    return taken;
  }

  /** Drops what was written after `length` was `length`. */
  truncate(length: number): void {
    this.#position = this.#start + length;
    this.overflowed = false;
  }

  ok(): void {
    if (!this.#reserve(5)) return;
    const slab = this.#slab;
    const at = this.#position;
    slab[at] = 43;
    slab[at + 1] = 79;
    slab[at + 2] = 75;
    slab[at + 3] = CARRIAGE_RETURN;
    slab[at + 4] = LINE_FEED;
    this.#position = at + 5;
  }

  simple(text: string): void {
    this.#line(43, text);
  }

  /** `text` begins with the word that clients tell errors apart by. */
  error(text: string): void {
    this.#line(45, onOneLine(text));
  }

  /**
   * An error, or the header of a transaction's replies, even where the bound is reached: both are small, and
   * without them the client would take later replies for those of earlier requests.
   */
  overflowError(text: string): void {
    this.#unbounded = true;
    this.error(text);
    this.#unbounded = false;
  }

  transaction(count: number): void {
    this.#unbounded = true;
    this.array(count);
    this.#unbounded = false;
  }

  integer(value: number | bigint): void {
    if (typeof value === 'number' && value >= 0 && value <= 0x7fffffff) this.#header(58, value);
    else this.#line(58, String(value));
  }

  /** A bulk string of the characters' low bytes. */
  bulk(text: string): void {
    const length = text.length;
    this.#header(36, length);
    if (!this.#reserve(length + 2)) return;
    this.#text(text);
    this.#lineEnd();
  }

  bulkBytes(bytes: Uint8Array, start: number, end: number): void {
    this.#header(36, end - start);
    if (!this.#reserve(end - start + 2)) return;
    this.#slab.set(bytes.subarray(start, end), this.#position);
    this.#position += end - start;
    this.#lineEnd();
  }

  nil(): void {
    if (this.version === 3) this.#raw('_\r\n');
    else this.#raw('$-1\r\n');
  }

  nilArray(): void {
    if (this.version === 3) this.#raw('_\r\n');
    else this.#raw('*-1\r\n');
  }

  array(count: number): void {
    this.#header(42, count);
  }

  /** A map of `pairs` pairs; in RESP2 an array of keys and values by turns. */
  map(pairs: number): void {
    if (this.version === 3) this.#header(37, pairs);
    else this.#header(42, pairs * 2);
  }

  set(count: number): void {
    this.#header(this.version === 3 ? 126 : 42, count);
  }

  /** Text for people. */
  verbatim(text: string): void {
    if (this.version === 2) {
      this.bulk(text);
      return;
    }
    this.#header(61, text.length + 4);
    this.#raw(`txt:${text}\r\n`);
  }

  #line(type: number, text: string): void {
    if (!this.#reserve(text.length + 3)) return;
    this.#slab[this.#position++] = type;
    this.#text(text);
    this.#lineEnd();
  }

  #raw(text: string): void {
    if (this.#reserve(text.length)) this.#text(text);
  }

  #header(type: number, count: number): void {
    if (!this.#reserve(14)) return;
    const slab = this.#slab;
    let at = this.#position;
    slab[at++] = type;
    if (count < 10) {
      slab[at++] = 48 + count;
    } else {
      let digits = 2;
      for (let rest = count; rest >= 100; rest = Math.trunc(rest / 10)) digits++;
      let rest = count;
      for (let index = at + digits - 1; index >= at; index--) {
        const quotient = Math.trunc(rest / 10);
        slab[index] = 48 + rest - quotient * 10;
        rest = quotient;
      }
      at += digits;
    }
    slab[at] = CARRIAGE_RETURN;
    slab[at + 1] = LINE_FEED;
    this.#position = at + 2;
  }

  #text(text: string): void {
    const length = text.length;
    if (length <= LOOP_BYTES_MAX) {
      const slab = this.#slab;
      const at = this.#position;
      for (let index = 0; index < length; index++) slab[at + index] = text.charCodeAt(index);
    } else {
      this.#slab.write(text, this.#position, length, 'latin1');
    }
    this.#position += length;
  }

  #lineEnd(): void {
    this.#slab[this.#position] = CARRIAGE_RETURN;
    this.#slab[this.#position + 1] = LINE_FEED;
    this.#position += 2;
  }

  #reserve(bytes: number): boolean {
    if (this.muted || this.overflowed) return false;
    if (this.#position - this.#start + bytes > this.#bytesMax && !this.#unbounded) {
      this.overflowed = true;
      return false;
    }
    if (this.#position + bytes > this.#slab.length) this.#makeRoom(bytes);
    return true;
  }

  /** Replies that were taken keep their slab; only what was written since then moves to the new one. */
  #makeRoom(bytes: number): void {
    const written = this.#position - this.#start;
    const slab = Buffer.allocUnsafeSlow(
      Math.max(SLAB_BYTES, written + bytes > SLAB_BYTES / 2 ? (written + bytes) * 2 : 0),
    );
    this.#slab.copy(slab, 0, this.#start, this.#position);
    this.#slab = slab;
    this.#start = 0;
    this.#position = written;
  }
}

/** Line ends become blanks. So do letters of more than a byte question marks: their low byte alone is sent, and may be a line's end. */
export function onOneLine(text: string): string {
  return text.replace(/[\r\n]/g, ' ').replace(/[\u0100-\uffff]/g, '?');
}
