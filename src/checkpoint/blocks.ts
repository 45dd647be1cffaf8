/**
 * The body of a checkpoint: blocks, each with a checksum that continues the one before. So a block that is damaged, missing,
 * doubled, or from another checkpoint is found when it is read, and a file that was cut off lacks its last block.
 *
 * Pure: bytes in, bytes out, a block at a time.
 */

import type { Crc32c } from '../checksum.js';
import { requires } from '../contracts.js';
import { readUint64, writeUint64 } from '../log/record.js';
import {
  BLOCK_HEADER_BYTES,
  BLOCK_PAYLOAD_BYTES_MAX,
  BlockField,
  BlockKind,
  COOKIE_BYTES_MAX,
  END_PAYLOAD_BYTES,
  SESSION_BYTES,
} from './format.js';

/** How far one session has come: what `SessionTable.entries` yields. */
export type SessionEntry = readonly [origin: number, session: number, next: number];

/** Makes the blocks of one checkpoint, in order. What it returns is the caller's to keep. */
export class BlockWriter {
  readonly #crc32c: Crc32c;
  #chain: number;
  #index = 0;
  #cookies = 0;
  #stateBytes = 0;
  #filled = 0;
  /** Null until anything is put into it. */
  #block: Uint8Array | null = null;
  #ended = false;

  /** `chain` is what `writeCheckpointHeader` yielded. */
  constructor(chain: number, crc32c: Crc32c) {
    this.#chain = chain;
    this.#crc32c = crc32c;
  }

  /** Bytes of state so far. */
  get stateBytes(): number {
    return this.#stateBytes;
  }

  /** The block of the cookie; none where that is null. Before everything else. */
  cookie(bytes: Uint8Array | null): readonly Uint8Array[] {
    if (bytes === null) return [];
    requires(this.#index === 0 && this.#filled === 0, 'checkpoint-cookie-first');
    requires(bytes.length >= 1 && bytes.length <= COOKIE_BYTES_MAX, 'checkpoint-cookie-length');
    this.#roomFor(bytes.length).set(bytes, BLOCK_HEADER_BYTES);
    this.#cookies = 1;
    return [this.#finish(BlockKind.cookie, bytes.length)];
  }

  /** The blocks of the session table. Before any state. */
  sessions(entries: readonly SessionEntry[]): readonly Uint8Array[] {
    requires(this.#index === this.#cookies && this.#filled === 0, 'checkpoint-sessions-first');
    const perBlock = Math.floor(BLOCK_PAYLOAD_BYTES_MAX / SESSION_BYTES);
    const blocks: Uint8Array[] = [];
    for (let from = 0; from < entries.length; from += perBlock) {
      const part = entries.slice(from, from + perBlock);
      const view = viewOf(this.#roomFor(part.length * SESSION_BYTES));
      for (const [index, [origin, session, next]] of part.entries()) {
        const at = BLOCK_HEADER_BYTES + index * SESSION_BYTES;
        view.setUint32(at, origin, true);
        view.setUint32(at + 4, 0, true);
        writeUint64(view, at + 8, session);
        writeUint64(view, at + 16, next);
      }
      blocks.push(this.#finish(BlockKind.sessions, part.length * SESSION_BYTES));
    }
    return blocks;
  }

  /** Adds state; yields the blocks that became full. */
  state(bytes: Uint8Array): readonly Uint8Array[] {
    requires(!this.#ended, 'checkpoint-ends-once');
    const blocks: Uint8Array[] = [];
    let from = 0;
    while (from < bytes.length) {
      const count = Math.min(bytes.length - from, BLOCK_PAYLOAD_BYTES_MAX - this.#filled);
      const block = this.#roomFor(this.#filled + count);
      block.set(bytes.subarray(from, from + count), BLOCK_HEADER_BYTES + this.#filled);
      this.#filled += count;
      from += count;
      if (this.#filled === BLOCK_PAYLOAD_BYTES_MAX) blocks.push(this.#finish(BlockKind.state, this.#filled));
    }
    this.#stateBytes += bytes.length;
    return blocks;
  }

  /** What is left, and the last block. */
  end(): readonly Uint8Array[] {
    requires(!this.#ended, 'checkpoint-ends-once');
    this.#ended = true;
    const blocks = this.#filled > 0 ? [this.#finish(BlockKind.state, this.#filled)] : [];
    writeUint64(viewOf(this.#roomFor(END_PAYLOAD_BYTES)), BLOCK_HEADER_BYTES, this.#stateBytes);
    return [...blocks, this.#finish(BlockKind.end, END_PAYLOAD_BYTES)];
  }

  /** The block, with room for so many bytes of payload. It grows: most of what is small stays far below the 256 KiB of a block. */
  #roomFor(payloadBytes: number): Uint8Array {
    const before = this.#block;
    const bytes = BLOCK_HEADER_BYTES + payloadBytes;
    if (before !== null && bytes <= before.length) return before;
    const most = BLOCK_HEADER_BYTES + BLOCK_PAYLOAD_BYTES_MAX;
    this.#block = new Uint8Array(Math.min(most, Math.max(bytes, 4 * (before?.length ?? 0))));
    if (before !== null) this.#block.set(before);
    return this.#block;
  }

  #finish(kind: BlockKind, payloadBytes: number): Uint8Array {
    const block = this.#block!.subarray(0, BLOCK_HEADER_BYTES + payloadBytes);
    const view = viewOf(block);
    view.setUint32(BlockField.kind, kind, true);
    view.setUint32(BlockField.payloadBytes, payloadBytes, true);
    view.setUint32(BlockField.index, this.#index, true);
    this.#chain = blockChecksum(block, 0, payloadBytes, this.#chain, this.#crc32c);
    view.setUint32(BlockField.checksum, this.#chain, true);
    this.#index += 1;
    this.#filled = 0;
    this.#block = null;
    return block;
  }
}

/** What `BlockReader` found out, besides what it handed on. */
export type BlockReaderState =
  /** More must come. */
  | { readonly kind: 'open' }
  /** The last block was read, and it fits. */
  | { readonly kind: 'complete'; readonly stateBytes: number }
  /** `offset` of the block in the checkpoint; `reason` for people. */
  | { readonly kind: 'damaged'; readonly offset: number; readonly reason: string };

export interface BlockHandler {
  /** Before everything else, where there is one that is too long for the header. */
  onCookie(bytes: Uint8Array): void;
  onSessions(entries: readonly SessionEntry[]): void;
  /** Lent for the call. */
  onState(bytes: Uint8Array): void;
}

/** Reads the body of a checkpoint from pieces of any size. Nothing of a block is handed on before its checksum was checked. */
export class BlockReader {
  readonly #crc32c: Crc32c;
  readonly #handler: BlockHandler;
  #chain: number;
  #index = 0;
  #stateBytes = 0;
  /** Where the block that is being read begins in the checkpoint. */
  #offset: number;
  #held: Uint8Array = new Uint8Array(BLOCK_HEADER_BYTES);
  #filled = 0;
  #state: BlockReaderState = { kind: 'open' };

  /** `offset` is where the first block begins. */
  constructor(chain: number, offset: number, crc32c: Crc32c, handler: BlockHandler) {
    this.#chain = chain;
    this.#offset = offset;
    this.#crc32c = crc32c;
    this.#handler = handler;
  }

  get state(): BlockReaderState {
    return this.#state;
  }

  /** Takes the next bytes. After damage, and behind the last block, nothing counts any more. */
  push(bytes: Uint8Array): BlockReaderState {
    let from = 0;
    while (from < bytes.length) {
      if (this.#state.kind === 'complete') this.#damage('bytes behind the last block');
      if (this.#state.kind !== 'open') break;
      const wanted = this.#wanted();
      const count = Math.min(bytes.length - from, wanted - this.#filled);
      this.#reserve(wanted);
      this.#held.set(bytes.subarray(from, from + count), this.#filled);
      this.#filled += count;
      from += count;
      if (this.#filled === BLOCK_HEADER_BYTES) this.#checkHeader();
      if (this.#state.kind === 'open' && this.#filled === this.#wanted()) this.#take();
    }
    return this.#state;
  }

  /** Bytes that the block takes, as far as is known: its header first. */
  #wanted(): number {
    if (this.#filled < BLOCK_HEADER_BYTES) return BLOCK_HEADER_BYTES;
    return BLOCK_HEADER_BYTES + viewOf(this.#held).getUint32(BlockField.payloadBytes, true);
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#held.length) return;
    const held = new Uint8Array(bytes);
    held.set(this.#held.subarray(0, this.#filled));
    this.#held = held;
  }

  /** Before a payload is waited for: a length that is damaged must not make anyone wait for it, or hold it. */
  #checkHeader(): void {
    const view = viewOf(this.#held);
    const kind = view.getUint32(BlockField.kind, true);
    const payloadBytes = view.getUint32(BlockField.payloadBytes, true);
    if (view.getUint32(BlockField.index, true) !== this.#index) this.#damage('not the next block');
    else if (payloadBytes > BLOCK_PAYLOAD_BYTES_MAX) this.#damage('a block that is too long');
    else if (kind < BlockKind.sessions || kind > BlockKind.cookie) this.#damage('a block of no known kind');
    else if (payloadBytes === 0) this.#damage('an empty block');
  }

  #take(): void {
    const wrong = this.#accept();
    if (wrong !== null) this.#damage(wrong);
  }

  /** What is wrong with the block that is there in whole, or null: then it was handed on. */
  #accept(): string | null {
    const payloadBytes = this.#filled - BLOCK_HEADER_BYTES;
    const view = viewOf(this.#held);
    const checksum = view.getUint32(BlockField.checksum, true);
    if (blockChecksum(this.#held, 0, payloadBytes, this.#chain, this.#crc32c) !== checksum)
      return 'a wrong checksum';
    const payload = this.#held.subarray(BLOCK_HEADER_BYTES, this.#filled);
    switch (view.getUint32(BlockField.kind, true) as BlockKind) {
      case BlockKind.cookie:
        if (this.#index !== 0 || payloadBytes > COOKIE_BYTES_MAX) return 'a cookie that cannot be';
        this.#handler.onCookie(payload.slice());
        break;
      case BlockKind.sessions: {
        const entries = this.#stateBytes === 0 ? readSessions(payload) : null;
        if (entries === null) return 'sessions that cannot be';
        this.#handler.onSessions(entries);
        break;
      }
      case BlockKind.state:
        this.#stateBytes += payloadBytes;
        this.#handler.onState(payload);
        break;
      case BlockKind.end:
        if (payloadBytes !== END_PAYLOAD_BYTES || readUint64(viewOf(payload), 0) !== this.#stateBytes)
          return 'an end that does not fit';
        this.#state = { kind: 'complete', stateBytes: this.#stateBytes };
        break;
    }
    this.#chain = checksum;
    this.#index += 1;
    this.#offset += this.#filled;
    this.#filled = 0;
    return null;
  }

  #damage(reason: string): void {
    this.#state = { kind: 'damaged', offset: this.#offset, reason };
  }
}

function readSessions(payload: Uint8Array): readonly SessionEntry[] | null {
  if (payload.length % SESSION_BYTES !== 0) return null;
  const view = viewOf(payload);
  const entries: SessionEntry[] = [];
  for (let at = 0; at < payload.length; at += SESSION_BYTES) {
    const session = readUint64(view, at + 8);
    const next = readUint64(view, at + 16);
    if (view.getUint32(at + 4, true) !== 0 || session < 1 || next < 1) return null;
    entries.push([view.getUint32(at, true), session, next]);
  }
  return entries;
}

/** Of the block at `at`, header field and payload, continued from `seed`. */
function blockChecksum(
  bytes: Uint8Array,
  at: number,
  payloadBytes: number,
  seed: number,
  crc32c: Crc32c,
): number {
  const fields = crc32c(bytes, at, at + BlockField.checksum, seed);
  return crc32c(bytes, at + BLOCK_HEADER_BYTES, at + BLOCK_HEADER_BYTES + payloadBytes, fields);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
