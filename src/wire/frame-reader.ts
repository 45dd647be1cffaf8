/**
 * Cuts frames from received bytes without copying payloads: a frame may lie across several receive buffers, which
 * stay lent until it has been dealt with. Only a frame that is greater, or in more pieces, than a transport can be expected to lend
 * is put together in memory of its own, or the transport would wait for its buffers and the reader for the rest of the frame.
 */

import type { Crc32c } from '../checksum.js';
import type { Frame, Piece } from './frame.js';
import { FRAME_HEADER_BYTES, FRAME_HEADER_BYTES_MAX, FrameError, FrameField, WIRE_VERSION } from './frame.js';

interface Chunk {
  readonly bytes: Uint8Array;
  start: number;
  readonly end: number;
  /** `OWN_MEMORY` where the bytes are not lent. */
  readonly lease: number;
}

const nothing = new Uint8Array(0);
const OWN_MEMORY = -1;
/** Greater frames are put together. */
const LENT_FRAME_BYTES_MAX = 2 * 1024 * 1024;
/**
 * So many pieces of a frame whose rest is yet to come stay lent. A piece may keep a whole receive buffer (256 KiB at most) from everybody:
 * the kernel takes one for each piece, or other connections have filled the rest of it. A peer that is slow, or gone in the middle of a
 * frame, must not hold up the others, nor itself. Enough for a decree of usual limits, 1 MiB, that comes in pieces of 64 KiB.
 */
const LENT_CHUNKS_MAX = 18;
/** From here on only pieces that are worth it stay lent: to copy small ones costs nothing. */
const LENT_CHUNKS_FREE = 4;
const LENT_CHUNK_BYTES_MIN = 16 * 1024;

export class FrameReader {
  readonly #crc32c: Crc32c;
  readonly #release: (lease: number) => void;
  readonly #chunks: Chunk[] = [];
  #spent: number[] = [];
  #frameBytesMax: number;
  #isLending = true;
  #available = 0;
  #head: Uint8Array = nothing;
  #headStart = 0;
  /** A great frame that is being put together. While it is, `#chunks` is empty. */
  #great: { readonly bytes: Uint8Array; filled: number } | null = null;

  constructor(crc32c: Crc32c, frameBytesMax: number, release: (lease: number) => void) {
    this.#crc32c = crc32c;
    this.#frameBytesMax = frameBytesMax;
    this.#release = release;
  }

  /** Bytes held of frames that are not complete yet. */
  get heldBytes(): number {
    return this.#available + (this.#great?.filled ?? 0);
  }

  /** The bound while the peer is unknown is lower. */
  setFrameBytesMax(bytes: number): void {
    this.#frameBytesMax = bytes;
  }

  /** False: a frame that is not complete keeps no buffers, of however few pieces it is. */
  setLending(isLending: boolean): void {
    this.#isLending = isLending;
  }

  push(bytes: Uint8Array, start: number, end: number, lease: number): void {
    if (this.#great !== null) {
      this.#pushGreat(this.#great, bytes, start, end, lease);
      return;
    }
    this.#chunks.push({ bytes, start, end, lease });
    this.#available += end - start;
  }

  /** The next complete frame, or null. Throws `FrameError` on bytes that are no frame. */
  next(): Frame | null {
    if (this.#available < FRAME_HEADER_BYTES) return this.#awaitHeader();
    this.#find(FRAME_HEADER_BYTES);
    const total = readUint32(this.#head, this.#headStart + FrameField.total);
    const headerBytes = readUint16(this.#head, this.#headStart + FrameField.headerBytes);
    const version = this.#head[this.#headStart + FrameField.version];
    if (version !== WIRE_VERSION)
      throw new FrameError(`frame version ${version}, this build speaks ${WIRE_VERSION}`);
    if (headerBytes < FRAME_HEADER_BYTES || headerBytes > FRAME_HEADER_BYTES_MAX || total < headerBytes) {
      throw new FrameError(`frame header of ${headerBytes} bytes in a frame of ${total}`);
    }
    if (total > this.#frameBytesMax)
      throw new FrameError(`frame of ${total} bytes, the bound is ${this.#frameBytesMax}`);
    if (this.#available < headerBytes) return this.#awaitHeader();
    this.#find(headerBytes);
    const head = this.#head;
    const start = this.#headStart;
    const view = new DataView(head.buffer, head.byteOffset + start, headerBytes);
    // Before waiting for `total` bytes: a damaged length would make the reader wait, and hold, for nothing.
    if (
      this.#crc32c(head, start + FrameField.version, start + headerBytes, total) !==
      view.getUint32(FrameField.checksum, true)
    ) {
      throw new FrameError('frame header checksum');
    }
    if (this.#available < total) {
      if (total > LENT_FRAME_BYTES_MAX || this.#isScattered()) this.#beginGreat(total);
      return null;
    }
    this.#skip(headerBytes);
    const payloadBytes = total - headerBytes;
    const payloadChecksum = view.getUint32(FrameField.payloadChecksum, true);
    const payload = payloadBytes === 0 ? [] : this.#take(payloadBytes);
    let checksum = 0;
    for (const piece of payload) checksum = this.#crc32c(piece.bytes, piece.start, piece.end, checksum);
    if (checksum !== payloadChecksum) throw new FrameError('frame payload checksum');
    return {
      kind: view.getUint8(FrameField.kind),
      configuration: view.getUint32(FrameField.configuration, true),
      view,
      payload,
      payloadBytes,
      payloadChecksum,
    };
  }

  /**
   * After `next` has yielded null: what is held of the next frame goes into memory of its own, so that its buffers come back
   * with the next `releaseSpent`.
   */
  copyHeld(): void {
    if (this.#available === 0) return;
    const own = new Uint8Array(this.#available);
    this.#moveTo(own);
    this.#chunks.push({ bytes: own, start: 0, end: own.length, lease: OWN_MEMORY });
    this.#available = own.length;
  }

  /** Gives back the buffers of the frames that were dealt with. */
  releaseSpent(): void {
    const spent = this.#spent;
    if (spent.length === 0) return;
    this.#spent = [];
    for (const lease of spent) this.#release(lease);
  }

  /** Gives back everything: the connection is gone. */
  drop(): void {
    for (const { lease } of this.#chunks) if (lease !== OWN_MEMORY) this.#spent.push(lease);
    this.#chunks.length = 0;
    this.#available = 0;
    this.#great = null;
    this.releaseSpent();
  }

  /** Has the next `count` bytes in one piece, at `#headStart` of `#head`: no view is made for what is only looked at. */
  #find(count: number): void {
    const first = this.#chunks[0]!;
    if (first.end - first.start >= count) {
      this.#head = first.bytes;
      this.#headStart = first.start;
      return;
    }
    const joined = new Uint8Array(count);
    let at = 0;
    for (const chunk of this.#chunks) {
      const part = Math.min(count - at, chunk.end - chunk.start);
      joined.set(chunk.bytes.subarray(chunk.start, chunk.start + part), at);
      at += part;
      if (at === count) break;
    }
    this.#head = joined;
    this.#headStart = 0;
  }

  #skip(count: number): void {
    let left = count;
    this.#available -= count;
    while (left > 0) {
      const first = this.#chunks[0]!;
      const part = Math.min(left, first.end - first.start);
      first.start += part;
      left -= part;
      this.#dropIfSpent(first);
    }
  }

  #take(count: number): Piece[] {
    const pieces: Piece[] = [];
    let left = count;
    this.#available -= count;
    while (left > 0) {
      const first = this.#chunks[0]!;
      const part = Math.min(left, first.end - first.start);
      pieces.push({ bytes: first.bytes, start: first.start, end: first.start + part });
      first.start += part;
      left -= part;
      this.#dropIfSpent(first);
    }
    return pieces;
  }

  #dropIfSpent(chunk: Chunk): void {
    if (chunk.start < chunk.end) return;
    this.#chunks.shift();
    if (chunk.lease !== OWN_MEMORY) this.#spent.push(chunk.lease);
  }

  /** A header of which only a part is there, in however many pieces, is a hundred bytes at most. */
  #awaitHeader(): null {
    if (!this.#isLending || this.#chunks.length > LENT_CHUNKS_FREE) this.copyHeld();
    return null;
  }

  /** What is held of a frame keeps more buffers lent than it should. */
  #isScattered(): boolean {
    if (!this.#isLending) return true;
    const { length } = this.#chunks;
    if (length <= LENT_CHUNKS_FREE) return false;
    return length > LENT_CHUNKS_MAX || this.#available < length * LENT_CHUNK_BYTES_MIN;
  }

  #beginGreat(total: number): void {
    const bytes = new Uint8Array(total);
    this.#great = { bytes, filled: this.#available };
    this.#moveTo(bytes);
  }

  /** Copies everything that is held to the beginning of `target`. Nothing is left, and its buffers are spent. */
  #moveTo(target: Uint8Array): void {
    let at = 0;
    for (const { bytes, start, end, lease } of this.#chunks) {
      target.set(bytes.subarray(start, end), at);
      at += end - start;
      if (lease !== OWN_MEMORY) this.#spent.push(lease);
    }
    this.#chunks.length = 0;
    this.#available = 0;
  }

  #pushGreat(
    great: { readonly bytes: Uint8Array; filled: number },
    bytes: Uint8Array,
    start: number,
    end: number,
    lease: number,
  ): void {
    const part = Math.min(end - start, great.bytes.length - great.filled);
    great.bytes.set(bytes.subarray(start, start + part), great.filled);
    great.filled += part;
    if (great.filled === great.bytes.length) {
      this.#great = null;
      this.#chunks.push({ bytes: great.bytes, start: 0, end: great.filled, lease: OWN_MEMORY });
      this.#available = great.filled;
    }
    if (start + part < end) {
      this.#chunks.push({ bytes, start: start + part, end, lease });
      this.#available += end - start - part;
    } else this.#spent.push(lease);
  }
}

function readUint16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}

function readUint32(bytes: Uint8Array, at: number): number {
  return (readUint16(bytes, at) | (readUint16(bytes, at + 2) << 16)) >>> 0;
}
