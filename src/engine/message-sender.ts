/** Puts messages on links: header by the codec, payload from where it lies, uncopied where that is the log. */

import type { Crc32c } from '../checksum.js';
import type { Message } from '../protocol/messages.js';
import type { SegmentMemory } from '../storage/log-medium.js';
import type { FrameWriter } from '../wire/codec.js';
import { encodeConfiguration, encodeJoin } from '../wire/configuration-codec.js';
import type { FrameKind, Piece } from '../wire/frame.js';
import type { Link } from './links.js';
import type { CopyBytes } from './log-writer.js';
import { HeapPlace, LogPlace, OWN_MEMORY } from './places.js';

export interface MessageSenderOptions {
  readonly writer: FrameWriter;
  readonly crc32c: Crc32c;
  readonly copy: CopyBytes;
  readonly resident: ReadonlyMap<number, SegmentMemory>;
  /** Number of the configuration in force; 0 before the first. */
  readonly configuration: () => number;
}

export class MessageSender {
  readonly #options: MessageSenderOptions;

  constructor(options: MessageSenderOptions) {
    this.#options = options;
  }

  /** Under the configuration of that number; that in force unless said otherwise. */
  send(link: Link, message: Message, configuration: number = this.#options.configuration()): void {
    const { writer, resident } = this.#options;
    const { connection } = link;
    switch (message.kind) {
      case 'accept':
      case 'promise-entry':
      case 'learn': {
        const { bytes, checksum, source } = message.decree;
        const headerBytes = writer.message(message, configuration, bytes, checksum);
        if (bytes === 0) {
          connection.send(writer.bytes, headerBytes);
        } else if (source instanceof LogPlace) {
          link.sending.push(source.segment);
          const memory = resident.get(source.segment)!;
          connection.send(writer.bytes, headerBytes, memory.bytes, source.offset, source.offset + bytes);
        } else {
          const payload = this.join(source);
          link.sending.push(source instanceof HeapPlace ? source.memory : OWN_MEMORY);
          connection.send(writer.bytes, headerBytes, payload, 0, payload.length);
        }
        return;
      }
      case 'genesis':
        this.#sendBytes(link, message, configuration, encodeConfiguration(message.configuration));
        return;
      case 'join':
        this.#sendBytes(link, message, configuration, encodeJoin(message));
        return;
      default:
        connection.send(writer.bytes, writer.message(message, configuration, 0, 0));
    }
  }

  /** A frame of which the payload says everything. */
  sendPlain(link: Link, kind: FrameKind, payload: Uint8Array): void {
    const { writer, crc32c, configuration } = this.#options;
    const headerBytes = writer.plain(
      kind,
      configuration(),
      payload.length,
      crc32c(payload, 0, payload.length, 0),
    );
    link.sending.push(OWN_MEMORY);
    link.connection.send(writer.bytes, headerBytes, payload, 0, payload.length);
  }

  /** The payload at a `HeapPlace`, or in a frame, in one piece of heap memory. */
  join(source: unknown): Uint8Array {
    if (source instanceof HeapPlace && source.parts.length === 1) return source.parts[0]!;
    const pieces: readonly Piece[] =
      source instanceof HeapPlace
        ? source.parts.map((bytes) => ({ bytes, start: 0, end: bytes.length }))
        : (source as { readonly payload: readonly Piece[] }).payload;
    const joined = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.end - piece.start, 0));
    let at = 0;
    for (const { bytes, start, end } of pieces) {
      this.#options.copy(joined, at, bytes, start, end);
      at += end - start;
    }
    return joined;
  }

  #sendBytes(link: Link, message: Message, configuration: number, payload: Uint8Array): void {
    const { writer, crc32c } = this.#options;
    const checksum = crc32c(payload, 0, payload.length, 0);
    const headerBytes = writer.message(message, configuration, payload.length, checksum);
    link.sending.push(OWN_MEMORY);
    link.connection.send(writer.bytes, headerBytes, payload, 0, payload.length);
  }
}
