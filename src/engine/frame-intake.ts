/**
 * Takes in what arrived: frames to protocol inputs and to commands of peers. Frames wait in their receive buffers while the
 * log has no room for what they may bring, so a full disk meets the peers as back-pressure.
 */

import type { SynodError } from '../errors.js';
import { MEMBER_NUMBER_MAX } from '../protocol/ballot.js';
import type { Configuration } from '../protocol/configuration.js';
import type { Input } from '../protocol/inputs.js';
import type { Message } from '../protocol/messages.js';
import { PeerFault } from '../protocol/plausible.js';
import { decodeForward, decodeMessage, joinPayload } from '../wire/codec.js';
import type { Frame } from '../wire/frame.js';
import { FrameError, FrameKind } from '../wire/frame.js';
import { holdsCommands } from './group.js';
import type { Link, Links } from './links.js';
import type { ForwardedBatch } from './submitter.js';
import { configurationIn } from './versions.js';

export interface FrameIntakeOptions {
  readonly links: Links;
  /** Whether records of so many bytes of payload, so many of them, can be appended now. */
  readonly hasRoom: (bytes: number, records: number) => boolean;
  /** The greatest decree that is expected; a peer with other limits may send a greater one. */
  readonly decreeBytesMax: number;
  /** The greatest payload that one record of this log can have. */
  readonly payloadBytesMax: number;
  readonly step: (input: Input) => void;
  /** Has the records that the inputs so far asked for appended. */
  readonly carryOut: () => void;
  /** Why nothing of a message with this configuration may be taken, and this replica must not go on; or null. */
  readonly tooNew: (configuration: Configuration) => SynodError | null;
  readonly onTooNew: (error: SynodError) => void;
  /** A peer gives the first configuration: false where it must not be taken. */
  readonly onGenesis: (configuration: Configuration) => boolean;
  /** A frame about who the first configuration is to have. Throws `FrameError`. */
  readonly onListFrame: (link: Link, kind: number, payload: Uint8Array) => void;
  /** Commands of a peer that takes this replica for the primary; their pieces lie in receive buffers. */
  readonly onForward: (batch: ForwardedBatch) => void;
  /** A frame about a checkpoint. Throws `FrameError`. */
  readonly onCheckpointFrame: (link: Link, frame: Frame) => void;
  /** The cookie of a peer's candidacy. Throws `FrameError`. */
  readonly onCookie: (link: Link, frame: Frame) => void;
  /** A peer tells of itself. Throws `FrameError`. */
  readonly onReport: (link: Link, frame: Frame) => void;
  readonly onHeartbeatReply: (link: Link, round: number) => void;
  readonly isPrimary: () => boolean;
  readonly now: () => number;
}

/** Records that a frame may cause beside those of its payload. */
const RECORDS_SPARE = 3;

export class FrameIntake {
  readonly #options: FrameIntakeOptions;
  readonly #received: Set<Link> = new Set();
  #bytes = 0;
  #records = RECORDS_SPARE;

  constructor(options: FrameIntakeOptions) {
    this.#options = options;
  }

  onReceived(link: Link): void {
    this.#received.add(link);
  }

  onClosed(link: Link): void {
    this.#received.delete(link);
  }

  /** Deals with every complete frame. */
  read(): void {
    if (this.#received.size === 0) return;
    this.#bytes = 0;
    this.#records = RECORDS_SPARE;
    for (const link of this.#received) if (!this.#readLink(link)) return;
  }

  /** False where the log has no room. */
  #readLink(link: Link): boolean {
    const { links, hasRoom, decreeBytesMax } = this.#options;
    for (;;) {
      if (!hasRoom(this.#bytes + decreeBytesMax, this.#records)) {
        if (this.#records === RECORDS_SPARE) return false;
        this.#carryOut();
        continue;
      }
      const frame = links.nextFrame(link);
      if (frame === null) break;
      this.#take(link, frame);
    }
    this.#received.delete(link);
    if (link.peer === null) link.reader.releaseSpent();
    return true;
  }

  #take(link: Link, frame: Frame): void {
    const { links, step, onGenesis, tooNew, onTooNew } = this.#options;
    try {
      if (frame.kind === FrameKind.checkpointFetch || frame.kind === FrameKind.checkpointChunk) {
        // Nothing of it goes into the log.
        this.#options.onCheckpointFrame(link, frame);
        return;
      }
      if (frame.kind === FrameKind.cookie) {
        this.#options.onCookie(link, frame);
        return;
      }
      if (frame.kind === FrameKind.report) {
        this.#options.onReport(link, frame);
        return;
      }
      this.#checkRoom(frame.payloadBytes);
      if (frame.kind === FrameKind.forward) {
        this.#takeForward(link, frame);
        return;
      }
      if (frame.kind === FrameKind.invite || frame.kind === FrameKind.enrolled) {
        this.#records += 1;
        this.#bytes += frame.payloadBytes;
        this.#options.onListFrame(link, frame.kind, joinPayload(frame));
        return;
      }
      const message = decodeMessage(frame);
      const configuration = configurationIn(message);
      const reason = configuration === null ? null : tooNew(configuration);
      if (reason !== null) {
        onTooNew(reason);
        return;
      }
      this.#bytes += frame.payloadBytes;
      // A configuration that is learned has a promise ahead of it.
      this.#records += configuration === null ? 1 : 2;
      if (message.kind === 'genesis' && !onGenesis(message.configuration)) return;
      this.#noteAcknowledged(link, message);
      if (message.kind === 'heartbeat-reply') this.#options.onHeartbeatReply(link, message.round);
      step({ kind: 'message', from: link.number, configuration: frame.configuration, message });
    } catch (error) {
      if (error instanceof PeerFault) links.refuseFrame(link, new FrameError(error.message));
      else if (error instanceof FrameError) links.refuseFrame(link, error);
      else throw error;
    }
  }

  /** What a peer says to be durable on its disk. */
  #noteAcknowledged(link: Link, message: Message): void {
    const { links } = this.#options;
    if (message.kind === 'accepted' || message.kind === 'heartbeat-reply')
      links.onAcknowledged(link, 0, message.through);
    else if (message.kind === 'promised' || message.kind === 'prepare')
      links.onAcknowledged(link, message.ballot, 0);
  }

  /** The peer connects again and sends it again: by then the next segment is there, or the disk is full. */
  #checkRoom(bytes: number): void {
    const { hasRoom, payloadBytesMax } = this.#options;
    if (bytes > payloadBytesMax)
      throw new FrameError(`decree of ${bytes} bytes, segments here take ${payloadBytesMax}`);
    if (hasRoom(this.#bytes + bytes, this.#records)) return;
    this.#carryOut();
    if (!hasRoom(bytes, this.#records)) throw new FrameError(`no room yet for a decree of ${bytes} bytes`);
  }

  #carryOut(): void {
    this.#options.carryOut();
    this.#bytes = 0;
    this.#records = RECORDS_SPARE;
  }

  #takeForward(link: Link, frame: Frame): void {
    const { isPrimary, now, onForward } = this.#options;
    const { session, first, count, flags } = decodeForward(frame);
    if (!isPrimary() || link.number > MEMBER_NUMBER_MAX) return;
    // Once it is chosen no replica could pass over it any more.
    if (session < 1 || !holdsCommands(frame.payload, count)) throw new FrameError('forward of no commands');
    onForward({
      origin: link.number,
      session,
      first,
      count,
      flags,
      pieces: frame.payload,
      bytes: frame.payloadBytes,
      isKept: false,
      at: now(),
    });
  }
}
