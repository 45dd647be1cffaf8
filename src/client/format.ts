/**
 * Frames between a client and a replica's process, version 1. Little endian. docs/client-protocol.md.
 *
 *     0  u32  bytes of the whole frame
 *     4  u32  CRC-32C of bytes 8 to the end, begun with the first field as seed
 *     8  u8   version   9 u8 kind   10 u16 0
 *    12  u32  count: commands or results in the body
 *    16  u64  first: sequence number of the first of them in its session
 *    24  u64  acknowledged: the client has the results of all commands up to this one
 *    32       body, by kind
 */

import type { Crc32c } from '../checksum.js';

export const CLIENT_PROTOCOL_VERSION = 1;
export const HEADER_BYTES = 32;
export const SESSION_ID_BYTES = 16;
/** Of hello, welcome, failure, primary and refusal: all that is not commands and results. */
export const SMALL_FRAME_BYTES_MAX = 2048;
/** No frame is longer. */
export const FRAME_BYTES_CEILING: number = 32 * 1024 * 1024;
export const LENGTH_BYTES = 4;
/** In the place of a result's length: it is lost, and no bytes follow. */
export const LOST_RESULT = 0xffff_ffff;
/** A frame of results with more than this is ended and another one begun: with the longest result it stays below the ceiling. */
export const RESULTS_BYTES_TARGET: number = 8 * 1024 * 1024;
/** All results of one frame of commands: what a client holds until it has the last of them. */
export const ANSWER_BYTES_MAX: number = 1024 * 1024 * 1024;
/** A server says something at least so often: a client that hears nothing for several of them takes it for gone. */
export const HEARTBEAT_MS = 500;

export const ClientFrameKind = {
  /** Client: session id (16 bytes), life that it was begun with or zeros (16), u64 results received, cluster id. */
  hello: 1,
  /** Server: life (16 bytes), u64 commands received, u32 commandBytesMax, u32 frameBytesMax, id of the primary. `count` 1: resumed. */
  welcome: 2,
  /** Client: `count` commands, each behind its length (u32). None: acknowledges alone. */
  commands: 3,
  /**
   * Server: `count` results, each behind its length (u32), or `LOST_RESULT` alone. Those of one frame of commands come in one frame or
   * in several.
   */
  results: 4,
  /** Server: in the place of results. u8 outcome, u8 bytes of the code, code, message. */
  failure: 5,
  /** Server: id of the primary, empty where none is known. */
  primary: 6,
  /** Server, before it closes: u8 outcome, u8 bytes of the code, code, message. */
  refusal: 7,
  /** Client, before it closes: nothing more comes of this session. */
  goodbye: 8,
} as const;

/** A whole frame whose checksum is right. */
export interface ClientFrame {
  readonly kind: number;
  readonly count: number;
  readonly first: number;
  readonly acknowledged: number;
  /** The whole frame; the body begins at `HEADER_BYTES`. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** Why the bytes of a connection are refused. After this it cannot be read on. */
export class ClientFrameError extends Error {
  override readonly name = 'ClientFrameError';
}

/** Writes the header of the frame that fills `bytes` up to `end`, whose body stands already. */
export function sealFrame(
  bytes: Uint8Array,
  view: DataView,
  end: number,
  kind: number,
  count: number,
  first: number,
  acknowledged: number,
  crc32c: Crc32c,
): void {
  view.setUint32(0, end, true);
  view.setUint8(8, CLIENT_PROTOCOL_VERSION);
  view.setUint8(9, kind);
  view.setUint16(10, 0, true);
  view.setUint32(12, count, true);
  writeNumber(view, 16, first);
  writeNumber(view, 24, acknowledged);
  view.setUint32(4, crc32c(bytes, 8, end, end), true);
}

/** The acknowledgement of a frame that is sent, perhaps again, later than it was made. */
export function sealAgain(bytes: Uint8Array, acknowledged: number, crc32c: Crc32c): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  writeNumber(view, 24, acknowledged);
  view.setUint32(4, crc32c(bytes, 8, bytes.length, bytes.length), true);
}

/** A frame of its own memory around `body`. */
export function makeFrame(
  kind: number,
  count: number,
  first: number,
  acknowledged: number,
  body: Uint8Array,
  crc32c: Crc32c,
): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + body.length);
  bytes.set(body, HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  sealFrame(bytes, view, bytes.length, kind, count, first, acknowledged, crc32c);
  return bytes;
}

export function writeNumber(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % 0x1_0000_0000, true);
  view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true);
}

/** -1 where it is no safe integer. */
export function readNumber(view: DataView, at: number): number {
  const value = view.getUint32(at, true) + view.getUint32(at + 4, true) * 0x1_0000_0000;
  return Number.isSafeInteger(value) ? value : -1;
}

/** Cuts frames out of the bytes of a connection. What a peer can make it hold is bounded by `bytesMax`. */
export class ClientFrameReader {
  /** Longest frame that is taken. */
  bytesMax: number;
  readonly #crc32c: Crc32c;
  readonly #onFrame: (frame: ClientFrame) => void;
  /** A frame that has not come whole: its bytes so far, and their count. */
  #partial: Uint8Array = new Uint8Array(HEADER_BYTES);
  #held = 0;
  #needed = 0;

  constructor(bytesMax: number, crc32c: Crc32c, onFrame: (frame: ClientFrame) => void) {
    this.bytesMax = bytesMax;
    this.#crc32c = crc32c;
    this.#onFrame = onFrame;
  }

  /** Of a frame that has not come whole: its bytes so far. */
  get heldBytes(): number {
    return this.#held;
  }

  /** @throws ClientFrameError */
  read(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#held === 0 && chunk.length - at >= 4) {
        const total = this.#total(chunk, at);
        if (chunk.length - at >= total) {
          // Lies there whole: no copy.
          this.#take(chunk.subarray(at, at + total));
          at += total;
          continue;
        }
        this.#begin(total);
      }
      at += this.#fill(chunk, at);
    }
  }

  #begin(total: number): void {
    this.#needed = total;
    this.#partial = new Uint8Array(total);
  }

  /** Copies what the frame that has not come whole lacks; yields how much. */
  #fill(chunk: Uint8Array, at: number): number {
    if (this.#needed === 0) {
      // Its length itself is cut.
      const part = Math.min(4 - this.#held, chunk.length - at);
      this.#partial.set(chunk.subarray(at, at + part), this.#held);
      this.#held += part;
      if (this.#held === 4) {
        const length = this.#partial;
        this.#begin(this.#total(length, 0));
        this.#partial.set(length.subarray(0, 4));
      }
      return part;
    }
    const part = Math.min(this.#needed - this.#held, chunk.length - at);
    this.#partial.set(chunk.subarray(at, at + part), this.#held);
    this.#held += part;
    if (this.#held === this.#needed) {
      const whole = this.#partial;
      this.#partial = new Uint8Array(HEADER_BYTES);
      this.#held = 0;
      this.#needed = 0;
      this.#take(whole);
    }
    return part;
  }

  #total(bytes: Uint8Array, at: number): number {
    const total =
      bytes[at]! + bytes[at + 1]! * 0x100 + bytes[at + 2]! * 0x1_0000 + bytes[at + 3]! * 0x100_0000;
    if (total < HEADER_BYTES || total > this.bytesMax)
      throw new ClientFrameError(`a frame of ${total} bytes, at most ${this.bytesMax} are taken`);
    return total;
  }

  #take(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (view.getUint32(4, true) !== this.#crc32c(bytes, 8, bytes.length, bytes.length))
      throw new ClientFrameError('wrong checksum');
    if (view.getUint8(8) !== CLIENT_PROTOCOL_VERSION)
      throw new ClientFrameError(`version ${view.getUint8(8)}, this is ${CLIENT_PROTOCOL_VERSION}`);
    const first = readNumber(view, 16);
    const acknowledged = readNumber(view, 24);
    if (first < 0 || acknowledged < 0) throw new ClientFrameError('a number beyond 2^53 - 1');
    const frame = { kind: view.getUint8(9), count: view.getUint32(12, true), first, acknowledged };
    this.#onFrame({ ...frame, bytes, view });
  }
}
