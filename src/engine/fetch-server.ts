/**
 * Serves chosen decrees out of this replica's log to peers that missed them, one chunk per request. What is read for them lies in buffers that
 * are used again: the first touch of a page, with the kernel's fault and zeros, costs more than reading what comes into it.
 */

import type { SynodError } from '../errors.js';
import type { DecreeReference } from '../protocol/decree.js';
import { DecreeKind } from '../protocol/decree.js';
import type { Message } from '../protocol/messages.js';
import { decodeConfiguration } from '../wire/configuration-codec.js';
import type { Link } from './links.js';
import { CHUNK_BYTES, type Chunk, type LogReader } from './log-reader.js';
import { HeapPlace, LogPlace, OWN_MEMORY } from './places.js';

/** Memories of the fetch server in `Link.sending`: far from those of the application's outbox, which count down too. */
export const FETCH_MEMORY: number = -(2 ** 40);
/** More are made where they are needed, and not kept. */
const BUFFERS_KEPT_MAX = 4;

export interface FetchServerOptions {
  readonly reader: LogReader;
  readonly send: (link: Link, message: Message) => void;
  readonly isUp: (link: Link) => boolean;
  /** Adds the memories that connections may still refer to. */
  readonly addMemories: (used: Set<number>) => void;
  /** Reading back failed, or came back damaged. */
  readonly onError: (error: SynodError) => void;
  /** Something was sent outside of a turn. */
  readonly onSent: () => void;
}

interface FetchBuffer {
  readonly memory: number;
  readonly bytes: Uint8Array;
  /** The log is being read into it. */
  isFilling: boolean;
}

type FetchChunk = Chunk & { readonly memory: number };

export class FetchServer {
  readonly #options: FetchServerOptions;
  readonly #buffers: FetchBuffer[] = [];
  /** A peer asks for one chunk at a time; a second request of the same link takes the place of the first. */
  readonly #serving: Map<Link, object> = new Map();

  constructor(options: FetchServerOptions) {
    this.#options = options;
  }

  serve(link: Link, from: number, through: number, bytesMax: number): void {
    const request = {};
    this.#serving.set(link, request);
    this.#continue(link, request, from, through, bytesMax, null);
  }

  onDown(link: Link): void {
    this.#serving.delete(link);
  }

  #continue(
    link: Link,
    request: object,
    from: number,
    through: number,
    bytesLeft: number,
    chunk: FetchChunk | null,
  ): void {
    const { reader, send, isUp, onError } = this.#options;
    if (this.#serving.get(link) !== request || !isUp(link)) return;
    let left = bytesLeft;
    let slot = from;
    for (; slot <= through && left > 0; slot += 1) {
      const entry = reader.find(slot);
      if (entry === null) break;
      const resident = entry.payloadBytes === 0 || reader.residentBytes(entry) !== null;
      if (!resident && !reader.holds(chunk, entry)) {
        const wanted = reader.chunkBytes(entry);
        const buffer = this.#take(wanted);
        reader.readChunk(entry, buffer.bytes.subarray(0, wanted), (error, read) => {
          buffer.isFilling = false;
          if (error !== null) onError(error);
          else {
            this.#continue(link, request, slot, through, left, { ...read!, memory: buffer.memory });
            this.#options.onSent();
          }
        });
        return;
      }
      if (!resident) {
        const damaged = reader.verify(chunk!, entry);
        if (damaged !== null) {
          onError(damaged);
          return;
        }
      }
      const start = resident ? entry.payloadOffset : entry.payloadOffset - chunk!.start;
      const bytes = resident ? reader.residentBytes(entry) : chunk!.bytes;
      const payload = bytes?.subarray(start, start + entry.payloadBytes) ?? new Uint8Array(0);
      const decree: DecreeReference = {
        kind: entry.decreeKind as DecreeKind,
        bytes: entry.payloadBytes,
        checksum: entry.payloadChecksum,
        commands: entry.commandCount,
        configuration: entry.decreeKind === DecreeKind.configuration ? decodeConfiguration(payload) : null,
        source: resident
          ? new LogPlace(entry.segment, entry.payloadOffset)
          : new HeapPlace([payload], chunk?.memory),
      };
      left -= entry.payloadBytes + 64;
      send(link, { kind: 'learn', slot, ballot: entry.ballot, decree });
    }
    this.#serving.delete(link);
    send(link, { kind: 'fetch-end', through: slot - 1, chosen: through });
  }

  /** One that no link sends from any more, or a new one. */
  #take(bytes: number): FetchBuffer {
    const used = new Set<number>();
    this.#options.addMemories(used);
    const isFree = (one: FetchBuffer): boolean =>
      !one.isFilling && !used.has(one.memory) && one.bytes.length >= bytes;
    let buffer = this.#buffers.find(isFree);
    if (buffer === undefined) {
      const usual = Math.min(CHUNK_BYTES, this.#options.reader.segmentBytes);
      const isKept = this.#buffers.length < BUFFERS_KEPT_MAX && bytes <= usual;
      const memory = isKept ? FETCH_MEMORY - this.#buffers.length : OWN_MEMORY;
      buffer = { memory, bytes: new Uint8Array(isKept ? usual : bytes), isFilling: false };
      if (isKept) this.#buffers.push(buffer);
    }
    buffer.isFilling = true;
    return buffer;
  }
}
