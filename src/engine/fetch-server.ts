/** Serves chosen decrees out of this replica's log to peers that missed them, one chunk per request. */

import type { SynodError } from '../errors.js';
import type { DecreeReference } from '../protocol/decree.js';
import { DecreeKind } from '../protocol/decree.js';
import type { Message } from '../protocol/messages.js';
import { decodeConfiguration } from '../wire/configuration-codec.js';
import type { Link } from './links.js';
import type { Chunk, LogReader } from './log-reader.js';
import { HeapPlace, LogPlace } from './places.js';

export interface FetchServerOptions {
  readonly reader: LogReader;
  readonly send: (link: Link, message: Message) => void;
  readonly isUp: (link: Link) => boolean;
  /** Reading back failed, or came back damaged. */
  readonly onError: (error: SynodError) => void;
  /** Something was sent outside of a turn. */
  readonly onSent: () => void;
}

export class FetchServer {
  readonly #options: FetchServerOptions;
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
    chunk: Chunk | null,
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
        reader.readChunk(entry, new Uint8Array(reader.chunkBytes(entry)), (error, read) => {
          if (error !== null) onError(error);
          else {
            this.#continue(link, request, slot, through, left, read!);
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
        source: resident ? new LogPlace(entry.segment, entry.payloadOffset) : new HeapPlace([payload]),
      };
      left -= entry.payloadBytes + 64;
      send(link, { kind: 'learn', slot, ballot: entry.ballot, decree });
    }
    this.#serving.delete(link);
    send(link, { kind: 'fetch-end', through: slot - 1, chosen: through });
  }
}
