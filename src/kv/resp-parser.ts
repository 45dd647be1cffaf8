/**
 * Reads requests from a stream of chunks: arrays of bulk strings (the same in RESP2 and RESP3) and inline
 * commands. Pull-based, so that a connection that must wait stops in the middle of a chunk and goes on later.
 *
 * Arguments are handed out as ranges of `bytes`, the chunk itself, without a copy. Only a request that
 * straddles chunks is gathered in a buffer of its own. What comes out does not depend on where the chunks
 * were cut, errors included: every bound is checked at a place of the stream, never at a chunk's end.
 */

export const ARGUMENTS_MAX: number = 1_048_576;
export const INLINE_BYTES_MAX: number = 65_536;

/** Longest line that holds a count, without its type byte. The widest valid count is far shorter. */
const COUNT_LINE_BYTES_MAX = 32;
const GATHER_BYTES_KEPT_MAX = 65_536;
const ARGUMENTS_KEPT_MAX = 4096;

const STAR = 42;
const DOLLAR = 36;
const CARRIAGE_RETURN = 13;
const LINE_FEED = 10;

const COMPLETE = 1;
const INCOMPLETE = 0;
const EMPTY = -1;

/** What `#readCount` yields where the line has not arrived yet. */
const NOT_YET = -2;

/** The peer does not speak the protocol, or exceeds a bound. The stream cannot be read on. */
export class RespProtocolError extends Error {
  readonly code = 'ERR_SYNOD_KV_PROTOCOL';
  constructor(message: string) {
    super(`Protocol error: ${message}`);
    this.name = 'RespProtocolError';
  }
}

export interface RespParserOptions {
  /** Longest argument in bytes. */
  readonly bulkBytesMax: number;
  /** Longest request in bytes, with its framing. */
  readonly requestBytesMax: number;
}

export class RespParser {
  /** Where the arguments of the current request lie. Valid, like all below, until the next `next` or `push`. */
  bytes: Buffer = EMPTY_BUFFER;
  /** Argument `index` is bytes [starts[index], ends[index]). */
  starts: Int32Array = new Int32Array(16);
  ends: Int32Array = new Int32Array(16);
  argumentCount = 0;
  /** Bytes of the current request with its framing, at most. */
  requestBytes = 0;
  #isInline = false;

  readonly #bulkBytesMax: number;
  readonly #requestBytesMax: number;
  readonly #inlineBytesMax: number;

  #chunk: Buffer = EMPTY_BUFFER;
  #chunkPosition = 0;

  #gather: Buffer = EMPTY_BUFFER;
  /** Bytes of a request that straddles chunks, in `#gather`; 0 while the request lies in one chunk. */
  #gathered = 0;

  // How far the request that is being read has come, in the chunk or in `#gather`.
  #requestStart = 0;
  #position = 0;
  /** Arguments that the request says it has; -1 before that is known. */
  #expected = -1;
  /** Length of the bulk string whose bytes are next; -1 before its header was read. */
  #bulkBytes = -1;
  /** No line feed lies before this position. Keeps byte-wise arrival of a long line linear. */
  #lineScanned = 0;

  #failure: RespProtocolError | null = null;

  constructor(options: RespParserOptions) {
    this.#bulkBytesMax = options.bulkBytesMax;
    this.#requestBytesMax = options.requestBytesMax;
    this.#inlineBytesMax = Math.min(INLINE_BYTES_MAX, options.requestBytesMax);
  }

  /** Bytes that the parser itself holds on to, beside the chunk it was given. */
  get heldBytes(): number {
    return this.#gather.length + this.starts.byteLength + this.ends.byteLength;
  }

  /** The arguments of the current request, each behind its length as a varint, have no more bytes. */
  get encodedBytesMax(): number {
    // Where an inline request has a blank, a length may have two bytes, or three.
    return this.#isInline ? this.requestBytes + this.argumentCount : this.requestBytes;
  }

  /** True where the chunk was read to its end, so that `push` may be called. */
  get drained(): boolean {
    return this.#chunkPosition >= this.#chunk.length;
  }

  /** Gives the next chunk, which must stay unchanged until read. The last one must be `drained`. */
  push(chunk: Buffer): void {
    if (!this.drained) throw new RangeError('the last chunk has not been read to its end');
    this.#chunk = chunk;
    this.#chunkPosition = 0;
    if (this.#gathered === 0) {
      this.#requestStart = 0;
      this.#position = 0;
      this.#lineScanned = 0;
    }
  }

  /**
   * Reads the next request into the fields above. False where more bytes are needed.
   * @throws RespProtocolError, now and at every later call.
   */
  next(): boolean {
    if (this.#failure !== null) throw this.#failure;
    if (this.#expected < 0) this.argumentCount = 0;
    if (this.#gathered > 0) {
      if (this.#nextGathered()) return true;
    } else if (this.#gather.length > GATHER_BYTES_KEPT_MAX) {
      this.#gather = EMPTY_BUFFER;
    }
    if (this.#gathered === 0 && this.#nextInChunk()) return true;
    this.bytes = EMPTY_BUFFER;
    return false;
  }

  #nextInChunk(): boolean {
    const chunk = this.#chunk;
    for (;;) {
      const state = this.#read(chunk, chunk.length);
      if (state === INCOMPLETE) break;
      this.#chunkPosition = this.#position;
      if (state === COMPLETE) {
        this.#finish(chunk);
        return true;
      }
      this.#restart(this.#position);
    }
    if (this.#requestStart < chunk.length) this.#beginGathering(chunk);
    this.#chunk = EMPTY_BUFFER;
    this.#chunkPosition = 0;
    if (this.#gathered === 0) {
      this.#restart(0);
      // Nothing may follow for hours.
      if (this.starts.length > ARGUMENTS_KEPT_MAX) this.#shrinkArguments();
    }
    return false;
  }

  #nextGathered(): boolean {
    for (;;) {
      const state = this.#read(this.#gather, this.#gathered);
      if (state !== INCOMPLETE) {
        this.#gathered = 0;
        if (state === COMPLETE) {
          this.#finish(this.#gather);
          this.#requestStart = this.#chunkPosition;
          this.#position = this.#chunkPosition;
          this.#lineScanned = this.#chunkPosition;
          return true;
        }
        this.#restart(this.#chunkPosition);
        return false;
      }
      if (this.drained) return false;
      this.#gatherToken();
    }
  }

  /** A request is complete: shows it, and makes ready for the one after it. */
  #finish(bytes: Buffer): void {
    this.bytes = bytes;
    this.requestBytes = this.#position - this.#requestStart;
    this.#isInline = this.#expected < 0;
    this.#requestStart = this.#position;
    this.#lineScanned = this.#position;
    this.#expected = -1;
    this.#bulkBytes = -1;
  }

  #restart(position: number): void {
    this.#requestStart = position;
    this.#position = position;
    this.#lineScanned = position;
    this.#expected = -1;
    this.#bulkBytes = -1;
    this.argumentCount = 0;
  }

  /** Moves what the chunk has of an unfinished request to `#gather`. */
  #beginGathering(chunk: Buffer): void {
    const start = this.#requestStart;
    const bytes = chunk.length - start;
    this.#growGather(bytes);
    chunk.copy(this.#gather, 0, start, chunk.length);
    this.#gathered = bytes;
    for (let index = 0; index < this.argumentCount; index++) {
      this.starts[index] = (this.starts[index] as number) - start;
      this.ends[index] = (this.ends[index] as number) - start;
    }
    this.#position -= start;
    this.#lineScanned -= start;
    this.#requestStart = 0;
  }

  /** Takes from the chunk what the next line or bulk string lacks and no more: what follows is read in place. */
  #gatherToken(): void {
    const chunk = this.#chunk;
    const from = this.#chunkPosition;
    let to = chunk.length;
    if (this.#bulkBytes >= 0) {
      const lacking = this.#position + this.#bulkBytes + 2 - this.#gathered;
      to = Math.min(to, from + lacking);
    } else {
      const lineEnd = chunk.indexOf(LINE_FEED, from);
      // A line longer than any bound is refused by what is here of it; the rest need not be copied.
      to = Math.min(to, lineEnd < 0 ? to : lineEnd + 1, from + INLINE_BYTES_MAX + 2);
    }
    this.#growGather(this.#gathered + to - from);
    chunk.copy(this.#gather, this.#gathered, from, to);
    this.#gathered += to - from;
    this.#chunkPosition = to;
  }

  /** Grows with what has arrived, not with what the peer says will come. */
  #growGather(bytes: number): void {
    if (bytes <= this.#gather.length) return;
    const grown = Buffer.allocUnsafeSlow(
      Math.max(4096, Math.min(bytes * 2, this.#requestBytesMax + 4096), bytes),
    );
    this.#gather.copy(grown, 0, 0, this.#gathered);
    this.#gather = grown;
  }

  #read(bytes: Buffer, limit: number): number {
    if (this.#expected < 0) {
      if (this.#position >= limit) return INCOMPLETE;
      if (bytes[this.#position] !== STAR) return this.#readInline(bytes, limit);
      const count = this.#readCount(bytes, limit, 'invalid multibulk length', 'too big mbulk count string');
      if (count === NOT_YET) return INCOMPLETE;
      if (count > ARGUMENTS_MAX) throw this.#fail('invalid multibulk length');
      if (count <= 0) return EMPTY;
      this.#expected = count;
      this.argumentCount = 0;
      if (this.starts.length > ARGUMENTS_KEPT_MAX && count <= ARGUMENTS_KEPT_MAX) this.#shrinkArguments();
    }
    while (this.argumentCount < this.#expected) {
      if (this.#bulkBytes < 0) {
        if (this.#position >= limit) return INCOMPLETE;
        const type = bytes[this.#position] as number;
        if (type !== DOLLAR) throw this.#fail(`expected '$', got '${printable(type)}'`);
        const length = this.#readCount(bytes, limit, 'invalid bulk length', 'too big bulk count string');
        if (length === NOT_YET) return INCOMPLETE;
        if (length < 0 || length > this.#bulkBytesMax) throw this.#fail('invalid bulk length');
        if (this.#position - this.#requestStart + length + 2 > this.#requestBytesMax) {
          throw this.#fail('too big request');
        }
        this.#bulkBytes = length;
      }
      const end = this.#position + this.#bulkBytes;
      if (end + 2 > limit) return INCOMPLETE;
      if (bytes[end] !== CARRIAGE_RETURN || bytes[end + 1] !== LINE_FEED) {
        throw this.#fail('expected CRLF after bulk string');
      }
      this.#addArgument(this.#position, end);
      this.#position = end + 2;
      this.#bulkBytes = -1;
    }
    return COMPLETE;
  }

  /**
   * Reads the count of the line whose type byte is at `#position` and moves behind the line. -1 for any
   * negative count, `NOT_YET` where the line has not arrived.
   */
  #readCount(bytes: Buffer, limit: number, invalid: string, tooBig: string): number {
    const first = this.#position + 1;
    let value = 0;
    let index = first;
    while (index < limit && index - first < 10) {
      const digit = (bytes[index] as number) - 48;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
      index++;
    }
    if (
      index > first &&
      index + 1 < limit &&
      bytes[index] === CARRIAGE_RETURN &&
      bytes[index + 1] === LINE_FEED &&
      (bytes[first] !== 48 || index === first + 1)
    ) {
      this.#position = index + 2;
      return value;
    }
    return this.#readUnusualCount(bytes, limit, invalid, tooBig);
  }

  #readUnusualCount(bytes: Buffer, limit: number, invalid: string, tooBig: string): number {
    const first = this.#position + 1;
    const lineLimit = Math.min(limit, first + COUNT_LINE_BYTES_MAX);
    let lineEnd = first;
    while (lineEnd < lineLimit && bytes[lineEnd] !== LINE_FEED) lineEnd++;
    if (lineEnd === lineLimit) {
      if (lineLimit - first === COUNT_LINE_BYTES_MAX) throw this.#fail(tooBig);
      return NOT_YET;
    }
    const line = bytes.toString('latin1', first, lineEnd);
    if (!/^(?:0|-?[1-9]\d{0,9})\r$/.test(line)) throw this.#fail(invalid);
    this.#position = lineEnd + 1;
    const value = Number(line.slice(0, -1));
    return value < 0 ? -1 : value;
  }

  #readInline(bytes: Buffer, limit: number): number {
    const start = this.#position;
    const lineLimit = Math.min(limit, start + this.#inlineBytesMax);
    let lineEnd = Math.max(start, this.#lineScanned);
    while (lineEnd < lineLimit && bytes[lineEnd] !== LINE_FEED) lineEnd++;
    this.#lineScanned = lineEnd;
    if (lineEnd === lineLimit) {
      if (lineLimit - start === this.#inlineBytesMax) throw this.#fail('too big inline request');
      return INCOMPLETE;
    }
    const textEnd = lineEnd > start && bytes[lineEnd - 1] === CARRIAGE_RETURN ? lineEnd - 1 : lineEnd;
    this.argumentCount = 0;
    if (!this.#splitInline(bytes, start, textEnd)) throw this.#fail('unbalanced quotes in request');
    this.#position = lineEnd + 1;
    return this.argumentCount === 0 ? EMPTY : COMPLETE;
  }

  /**
   * Splits at blanks; "..." knows escapes, '...' only \'. Quotes only make the text shorter, so an argument is
   * written over the part of the line that it comes from. False where a quote is not closed, or is not followed by a blank.
   */
  #splitInline(bytes: Buffer, start: number, end: number): boolean {
    let read = start;
    let write: number;
    for (;;) {
      while (read < end && isBlank(bytes[read] as number)) read++;
      if (read >= end) return true;
      write = read;
      const argumentStart = write;
      while (read < end && !isBlank(bytes[read] as number)) {
        const code = bytes[read] as number;
        if (code !== 34 && code !== 39) {
          bytes[write++] = code;
          read++;
          continue;
        }
        read++;
        for (;;) {
          if (read >= end) return false;
          const inner = bytes[read] as number;
          if (inner === code) break;
          if (inner === 92 && read + 1 < end && (code === 34 || bytes[read + 1] === 39)) {
            read++;
            const escaped = bytes[read] as number;
            const value =
              code === 34 && escaped === 120 && read + 2 < end
                ? hexadecimal(bytes[read + 1] as number, bytes[read + 2] as number)
                : -1;
            if (value >= 0) {
              bytes[write++] = value;
              read += 3;
            } else {
              bytes[write++] = code === 34 ? controlCharacter(escaped) : escaped;
              read++;
            }
          } else {
            bytes[write++] = inner;
            read++;
          }
        }
        read++;
        if (read < end && !isBlank(bytes[read] as number)) return false;
      }
      this.#addArgument(argumentStart, write);
    }
  }

  #addArgument(start: number, end: number): void {
    const index = this.argumentCount;
    if (index === this.starts.length) {
      const starts = new Int32Array(index * 2);
      const ends = new Int32Array(index * 2);
      starts.set(this.starts);
      ends.set(this.ends);
      this.starts = starts;
      this.ends = ends;
    }
    this.starts[index] = start;
    this.ends[index] = end;
    this.argumentCount = index + 1;
  }

  #shrinkArguments(): void {
    this.starts = new Int32Array(16);
    this.ends = new Int32Array(16);
  }

  #fail(message: string): RespProtocolError {
    this.#failure = new RespProtocolError(message);
    this.argumentCount = 0;
    this.#gather = EMPTY_BUFFER;
    this.#chunk = EMPTY_BUFFER;
    this.#chunkPosition = 0;
    return this.#failure;
  }
}

const EMPTY_BUFFER: Buffer = Buffer.alloc(0);

function isBlank(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13) || code === 0;
}

function printable(code: number): string {
  return code >= 32 && code < 127 ? String.fromCharCode(code) : '?';
}

function hexadecimal(high: number, low: number): number {
  const text = String.fromCharCode(high, low);
  return /^[0-9a-fA-F]{2}$/.test(text) ? Number.parseInt(text, 16) : -1;
}

function controlCharacter(code: number): number {
  if (code === 110) return 10;
  if (code === 114) return 13;
  if (code === 116) return 9;
  if (code === 98) return 8;
  if (code === 97) return 7;
  return code;
}
