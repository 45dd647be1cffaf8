/**
 * The store's state as bytes, and back. Little endian:
 *
 *     0  u32  version, 1
 *     4  u32  0
 *     8  f64  the store's clock, in ms since 1970
 *    16       entries: u32 bytes of the key, u32 bytes of the value, f64 deadline in ms (0: none), key, value
 */

import type { Entry } from './keyspace.js';

const VERSION = 1;
const HEADER_BYTES = 16;
const ENTRY_HEADER_BYTES = 16;
/** Entries are gathered into pieces of about this size; the first is small, for stores that are. */
const PIECE_BYTES = 64 * 1024;
const FIRST_PIECE_BYTES = 4096;

/** `entries` is read as the pieces are asked for. */
export function* encodeSnapshot(clockMs: number, entries: Iterable<Entry>): Generator<Buffer, void, void> {
  let piece = Buffer.allocUnsafe(FIRST_PIECE_BYTES);
  piece.writeUInt32LE(VERSION, 0);
  piece.writeUInt32LE(0, 4);
  piece.writeDoubleLE(clockMs, 8);
  let at = HEADER_BYTES;
  for (const { key, value, deadline } of entries) {
    const bytes = ENTRY_HEADER_BYTES + key.length + value.length;
    if (at + bytes > piece.length) {
      if (at > 0) yield piece.subarray(0, at);
      piece = Buffer.allocUnsafe(Math.max(PIECE_BYTES, bytes));
      at = 0;
    }
    piece.writeUInt32LE(key.length, at);
    piece.writeUInt32LE(value.length, at + 4);
    piece.writeDoubleLE(deadline, at + 8);
    piece.write(key, at + ENTRY_HEADER_BYTES, 'latin1');
    piece.write(value, at + ENTRY_HEADER_BYTES + key.length, 'latin1');
    at += bytes;
  }
  if (at > 0) yield piece.subarray(0, at);
}

export interface SnapshotTarget {
  /** Called once, first. */
  setClock(clockMs: number): void;
  load(entry: Entry): void;
}

/** Reads a snapshot from pieces of any size. */
export class SnapshotReader {
  readonly #target: SnapshotTarget;
  /** The beginning of what is read next. Put together once all of it is there: a long value comes in many pieces. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  #needed = HEADER_BYTES;
  #begun = false;

  constructor(target: SnapshotTarget) {
    this.#target = target;
  }

  /** Throws where the bytes are of another version. */
  push(piece: Uint8Array): void {
    this.#held.push(Buffer.from(piece));
    this.#heldBytes += piece.length;
    if (this.#heldBytes < this.#needed) return;
    const bytes = this.#held.length === 1 ? this.#held[0]! : Buffer.concat(this.#held, this.#heldBytes);
    let at = 0;
    if (!this.#begun) {
      const version = bytes.readUInt32LE(0);
      if (version !== VERSION) throw new Error(`key-value snapshot of version ${version}`);
      this.#target.setClock(bytes.readDoubleLE(8));
      this.#begun = true;
      at = HEADER_BYTES;
    }
    for (;;) {
      const left = bytes.length - at;
      this.#needed = ENTRY_HEADER_BYTES;
      if (left < this.#needed) break;
      const keyEnd = at + ENTRY_HEADER_BYTES + bytes.readUInt32LE(at);
      const valueEnd = keyEnd + bytes.readUInt32LE(at + 4);
      this.#needed = valueEnd - at;
      if (left < this.#needed) break;
      this.#target.load({
        key: bytes.toString('latin1', at + ENTRY_HEADER_BYTES, keyEnd),
        value: bytes.toString('latin1', keyEnd, valueEnd),
        deadline: bytes.readDoubleLE(at + 8),
      });
      at = valueEnd;
    }
    this.#held = at < bytes.length ? [bytes.subarray(at)] : [];
    this.#heldBytes = bytes.length - at;
  }

  /** Throws where something is missing at the end. */
  end(): void {
    if (!this.#begun || this.#heldBytes > 0) throw new Error('key-value snapshot that ends early');
  }
}
