/** Messages to frame headers and back. Payloads (decrees, configurations, hand-shakes) follow the header. */

import type { Crc32c } from '../checksum.js';
import type { Configuration } from '../protocol/configuration.js';
import type { DecreeReference } from '../protocol/decree.js';
import { DecreeKind } from '../protocol/decree.js';
import type { Message } from '../protocol/messages.js';
import { decodeConfiguration, decodeJoin } from './configuration-codec.js';
import type { Frame } from './frame.js';
import {
  FRAME_HEADER_BYTES,
  FRAME_HEADER_BYTES_MAX,
  FrameError,
  FrameField,
  FrameKind,
  WIRE_VERSION,
} from './frame.js';

const BODY = FrameField.body;

/** One frame header being built; used again for each. */
export class FrameWriter {
  readonly bytes: Uint8Array = new Uint8Array(FRAME_HEADER_BYTES_MAX);
  readonly #view: DataView = new DataView(this.bytes.buffer);
  readonly #crc32c: Crc32c;

  constructor(crc32c: Crc32c) {
    this.#crc32c = crc32c;
  }

  /** Encodes `message`; yields the header's bytes. The payload, if any, is `payloadBytes` long with that checksum. */
  message(message: Message, configuration: number, payloadBytes: number, payloadChecksum: number): number {
    const view = this.#view;
    switch (message.kind) {
      case 'status-query':
        this.#u64(BODY, message.round);
        return this.#finish(FrameKind.statusQuery, 8, configuration, 0, 0);
      case 'status-reply':
        this.#u64(BODY, message.round);
        this.#u64(BODY + 8, message.promised);
        this.#u64(BODY + 16, message.chosen);
        view.setUint32(BODY + 24, message.primaryAlive ? 1 : message.standing * STANDING_UNIT, true);
        return this.#finish(FrameKind.statusReply, 28, configuration, 0, 0);
      case 'prepare':
        this.#u64(BODY, message.ballot);
        this.#u64(BODY + 8, message.from);
        return this.#finish(FrameKind.prepare, 16, configuration, 0, 0);
      case 'promise-entry':
        this.#u64(BODY, message.ballot);
        this.#u64(BODY + 8, message.slot);
        this.#u64(BODY + 16, message.acceptedBallot);
        this.#decree(BODY + 24, message.decree);
        return this.#finish(FrameKind.promiseEntry, 32, configuration, payloadBytes, payloadChecksum);
      case 'promised':
        this.#u64(BODY, message.ballot);
        this.#u64(BODY + 8, message.chosen);
        view.setUint32(BODY + 16, message.entries, true);
        return this.#finish(FrameKind.promised, 20, configuration, 0, 0);
      case 'accept':
        this.#u64(BODY, message.ballot);
        this.#u64(BODY + 8, message.slot);
        this.#u64(BODY + 16, message.chosen);
        this.#decree(BODY + 24, message.decree);
        return this.#finish(FrameKind.accept, 32, configuration, payloadBytes, payloadChecksum);
      case 'accepted':
        this.#u64(BODY, message.ballot);
        this.#u64(BODY + 8, message.from);
        this.#u64(BODY + 16, message.through);
        return this.#finish(FrameKind.accepted, 24, configuration, 0, 0);
      case 'heartbeat':
        this.#u64(BODY, message.ballot);
        this.#u64(BODY + 8, message.chosen);
        this.#u64(BODY + 16, message.round);
        return this.#finish(FrameKind.heartbeat, 24, configuration, 0, 0);
      case 'heartbeat-reply':
        this.#u64(BODY, message.ballot);
        this.#u64(BODY + 8, message.round);
        this.#u64(BODY + 16, message.from);
        this.#u64(BODY + 24, message.through);
        this.#u64(BODY + 32, message.chosen);
        view.setUint32(BODY + 40, message.standing, true);
        return this.#finish(FrameKind.heartbeatReply, 44, configuration, 0, 0);
      case 'hand-over':
        this.#u64(BODY, message.ballot);
        this.#u64(BODY + 8, message.last);
        return this.#finish(FrameKind.handOver, 16, configuration, 0, 0);
      case 'hand-over-declined':
        this.#u64(BODY, message.ballot);
        return this.#finish(FrameKind.handOverDeclined, 8, configuration, 0, 0);
      case 'resign':
        this.#u64(BODY, message.ballot);
        return this.#finish(FrameKind.resign, 8, configuration, 0, 0);
      case 'refuse':
        this.#u64(BODY, message.ballot);
        this.#u64(BODY + 8, message.promised);
        return this.#finish(FrameKind.refuse, 16, configuration, 0, 0);
      case 'fetch':
        this.#u64(BODY, message.from);
        view.setUint32(BODY + 8, message.bytesMax, true);
        return this.#finish(FrameKind.fetch, 12, configuration, 0, 0);
      case 'learn':
        this.#u64(BODY, message.slot);
        this.#u64(BODY + 8, message.ballot);
        this.#decree(BODY + 16, message.decree);
        return this.#finish(FrameKind.learn, 24, configuration, payloadBytes, payloadChecksum);
      case 'fetch-end':
        this.#u64(BODY, message.through);
        this.#u64(BODY + 8, message.chosen);
        return this.#finish(FrameKind.fetchEnd, 16, configuration, 0, 0);
      case 'defunct':
        this.#u64(BODY, message.chosen);
        return this.#finish(FrameKind.defunct, 8, configuration, 0, 0);
      case 'join':
        this.#u64(BODY, message.chosen);
        return this.#finish(FrameKind.join, 8, configuration, payloadBytes, payloadChecksum);
      case 'genesis':
        return this.#finish(FrameKind.genesis, 0, configuration, payloadBytes, payloadChecksum);
      case 'read-query':
        this.#u64(BODY, message.life);
        this.#u64(BODY + 8, message.read);
        return this.#finish(FrameKind.readQuery, 16, configuration, 0, 0);
      case 'read-reply':
        this.#u64(BODY, message.life);
        this.#u64(BODY + 8, message.read);
        this.#u64(BODY + 16, message.slot);
        return this.#finish(FrameKind.readReply, 24, configuration, 0, 0);
      case 'lease-request':
        this.#u64(BODY, message.ballot);
        this.#u64(BODY + 8, message.round);
        view.setUint32(BODY + 16, message.durationMs, true);
        return this.#finish(FrameKind.leaseRequest, 20, configuration, 0, 0);
      case 'lease-grant':
        this.#u64(BODY, message.ballot);
        this.#u64(BODY + 8, message.round);
        return this.#finish(FrameKind.leaseGrant, 16, configuration, 0, 0);
      case 'lease-release':
        this.#u64(BODY, message.ballot);
        return this.#finish(FrameKind.leaseRelease, 8, configuration, 0, 0);
      case 'lease-query':
        this.#u64(BODY, message.life);
        this.#u64(BODY + 8, message.read);
        return this.#finish(FrameKind.leaseQuery, 16, configuration, 0, 0);
      case 'lease-reply':
        this.#u64(BODY, message.life);
        this.#u64(BODY + 8, message.read);
        this.#u64(BODY + 16, message.slot);
        return this.#finish(FrameKind.leaseReply, 24, configuration, 0, 0);
    }
  }

  /** A frame whose payload says everything: hand-shakes. */
  plain(kind: FrameKind, configuration: number, payloadBytes: number, payloadChecksum: number): number {
    return this.#finish(kind, 0, configuration, payloadBytes, payloadChecksum);
  }

  /** A group of commands on its way to the primary. */
  forward(
    session: number,
    first: number,
    count: number,
    payloadBytes: number,
    payloadChecksum: number,
    flags = 0,
  ): number {
    this.#u64(BODY, session);
    this.#u64(BODY + 8, first);
    this.#view.setUint32(BODY + 16, count + flags * FORWARD_FLAG_UNIT, true);
    return this.#finish(FrameKind.forward, 20, 0, payloadBytes, payloadChecksum);
  }

  /** Asks for bytes of a checkpoint. */
  checkpointFetch({ slot, nonceLow, nonceHigh, offset, bytesMax }: CheckpointFetch): number {
    this.#u64(BODY, slot);
    this.#u64(BODY + 8, offset);
    this.#view.setUint32(BODY + 16, nonceLow, true);
    this.#view.setUint32(BODY + 20, nonceHigh, true);
    this.#view.setUint32(BODY + 24, bytesMax, true);
    return this.#finish(FrameKind.checkpointFetch, 28, 0, 0, 0);
  }

  /** Bytes of a checkpoint, which are the payload. */
  checkpointChunk(chunk: CheckpointChunk, payloadBytes: number, payloadChecksum: number): number {
    this.#u64(BODY, chunk.slot);
    this.#u64(BODY + 8, chunk.offset);
    this.#u64(BODY + 16, chunk.bytes);
    this.#view.setUint32(BODY + 24, chunk.nonceLow, true);
    this.#view.setUint32(BODY + 28, chunk.nonceHigh, true);
    return this.#finish(FrameKind.checkpointChunk, 32, 0, payloadBytes, payloadChecksum);
  }

  /** What a replica tells of itself. */
  report({ payload, chosen, applied, flags }: Report): number {
    this.#view.setBigUint64(BODY, payload, true);
    this.#u64(BODY + 8, chosen);
    this.#u64(BODY + 16, applied);
    this.#view.setUint32(BODY + 24, flags, true);
    return this.#finish(FrameKind.report, 28, 0, 0, 0);
  }

  #finish(
    kind: FrameKind,
    bodyBytes: number,
    configuration: number,
    payloadBytes: number,
    payloadChecksum: number,
  ): number {
    const view = this.#view;
    const headerBytes = FRAME_HEADER_BYTES + bodyBytes;
    const total = headerBytes + payloadBytes;
    view.setUint32(FrameField.total, total, true);
    view.setUint8(FrameField.version, WIRE_VERSION);
    view.setUint8(FrameField.kind, kind);
    view.setUint16(FrameField.headerBytes, headerBytes, true);
    view.setUint32(FrameField.configuration, configuration, true);
    view.setUint32(FrameField.group, 0, true);
    view.setUint32(FrameField.payloadChecksum, payloadChecksum, true);
    view.setUint32(
      FrameField.checksum,
      this.#crc32c(this.bytes, FrameField.version, headerBytes, total),
      true,
    );
    return headerBytes;
  }

  #decree(at: number, decree: DecreeReference): void {
    this.#view.setUint32(at, decree.kind, true);
    this.#view.setUint32(at + 4, decree.commands, true);
  }

  #u64(at: number, value: number): void {
    this.#view.setUint32(at, value % 0x1_0000_0000, true);
    this.#view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true);
  }
}

/** Bytes that the body of each kind must have. */
const bodyBytes: Record<number, number> = {
  [FrameKind.statusQuery]: 8,
  [FrameKind.statusReply]: 28,
  [FrameKind.prepare]: 16,
  [FrameKind.promiseEntry]: 32,
  [FrameKind.promised]: 20,
  [FrameKind.accept]: 32,
  [FrameKind.accepted]: 24,
  [FrameKind.heartbeat]: 24,
  [FrameKind.heartbeatReply]: 44,
  [FrameKind.handOver]: 16,
  [FrameKind.handOverDeclined]: 8,
  [FrameKind.resign]: 8,
  [FrameKind.refuse]: 16,
  [FrameKind.fetch]: 12,
  [FrameKind.learn]: 24,
  [FrameKind.fetchEnd]: 16,
  [FrameKind.defunct]: 8,
  [FrameKind.join]: 8,
  [FrameKind.genesis]: 0,
  [FrameKind.readQuery]: 16,
  [FrameKind.readReply]: 24,
  [FrameKind.forward]: 20,
  [FrameKind.checkpointFetch]: 28,
  [FrameKind.checkpointChunk]: 32,
  [FrameKind.report]: 28,
  [FrameKind.leaseRequest]: 20,
  [FrameKind.leaseGrant]: 16,
  [FrameKind.leaseRelease]: 8,
  [FrameKind.leaseQuery]: 16,
  [FrameKind.leaseReply]: 24,
  [FrameKind.invite]: 0,
  [FrameKind.enrolled]: 0,
  [FrameKind.cookie]: 0,
  [FrameKind.hello]: 0,
  [FrameKind.welcome]: 0,
  [FrameKind.refusal]: 0,
};

const withPayload: ReadonlySet<number> = new Set([
  FrameKind.promiseEntry,
  FrameKind.accept,
  FrameKind.learn,
  FrameKind.join,
  FrameKind.genesis,
  FrameKind.forward,
  FrameKind.checkpointChunk,
  FrameKind.invite,
  FrameKind.enrolled,
  FrameKind.cookie,
  FrameKind.hello,
  FrameKind.welcome,
  FrameKind.refusal,
]);

/** Throws `FrameError` where the frame's kind, or its size for its kind, is none that this version knows. */
export function checkFrame(frame: Frame): void {
  const expected = bodyBytes[frame.kind];
  if (expected === undefined) throw new FrameError(`frame kind ${frame.kind}`);
  if (frame.view.byteLength !== FRAME_HEADER_BYTES + expected)
    throw new FrameError(`frame body of kind ${frame.kind}`);
  if (frame.payloadBytes > 0 && !withPayload.has(frame.kind))
    throw new FrameError(`payload on frame kind ${frame.kind}`);
}

export interface ForwardedGroup {
  readonly session: number;
  readonly first: number;
  readonly count: number;
  /** See `GroupFlag`: 1 exclusive, 3 exclusive and last. */
  readonly flags: number;
}

/** Flags of a forwarded group stand above its count. */
const FORWARD_FLAG_UNIT = 0x1000_0000;
/** The standing in a status-reply stands above whether its sender hears a primary. */
const STANDING_UNIT = 0x100;

export function decodeForward(frame: Frame): ForwardedGroup {
  const word = frame.view.getUint32(BODY + 16, true);
  const group = {
    session: readU64(frame.view, BODY),
    first: readU64(frame.view, BODY + 8),
    count: word % FORWARD_FLAG_UNIT,
    flags: Math.floor(word / FORWARD_FLAG_UNIT),
  };
  if (group.count === 0 || group.first === 0) throw new FrameError('empty forward');
  // Each command begins with its length. Proposed as it is, a count beyond that would stop every replica that executes it.
  if (group.count > frame.payloadBytes / 4)
    throw new FrameError('forward of more commands than its bytes hold');
  if (group.flags !== 0 && ((group.flags !== 1 && group.flags !== 3) || group.count !== 1))
    throw new FrameError(`forward of ${group.count} commands with flags ${group.flags}`);
  return group;
}

/** Which checkpoint: two of one slot may differ in their bytes, but not with the same nonce. */
export interface CheckpointName {
  readonly slot: number;
  readonly nonceLow: number;
  readonly nonceHigh: number;
}

/** Asks for bytes of a checkpoint from `offset` on; of the newest one where the slot is 0. */
export interface CheckpointFetch extends CheckpointName {
  readonly offset: number;
  readonly bytesMax: number;
}

/** Says where the bytes in the payload stand, and how long the checkpoint is. All is 0, and there is no payload, where there is no checkpoint. */
export interface CheckpointChunk extends CheckpointName {
  readonly offset: number;
  readonly bytes: number;
}

export function decodeCheckpointFetch({ view }: Frame): CheckpointFetch {
  return {
    slot: readU64(view, BODY),
    offset: readU64(view, BODY + 8),
    nonceLow: view.getUint32(BODY + 16, true),
    nonceHigh: view.getUint32(BODY + 20, true),
    bytesMax: view.getUint32(BODY + 24, true),
  };
}

export function decodeCheckpointChunk({ view, payloadBytes }: Frame): CheckpointChunk {
  const chunk = {
    slot: readU64(view, BODY),
    offset: readU64(view, BODY + 8),
    bytes: readU64(view, BODY + 16),
    nonceLow: view.getUint32(BODY + 24, true),
    nonceHigh: view.getUint32(BODY + 28, true),
  };
  const isNone = chunk.slot === 0 && chunk.offset === 0 && chunk.bytes === 0;
  if ((payloadBytes === 0 && !isNone) || chunk.offset + payloadBytes > chunk.bytes)
    throw new FrameError('checkpoint chunk out of bounds');
  return chunk;
}

/** At most one; a later version may add some. */
export const ReportFlag = { full: 1, slow: 2 } as const;

/** What a replica tells of itself: no part of the protocol. */
export interface Report {
  /** Any 64 bits. */
  readonly payload: bigint;
  readonly chosen: number;
  readonly applied: number;
  readonly flags: number;
}

export function decodeReport({ view }: Frame): Report {
  return {
    payload: view.getBigUint64(BODY, true),
    chosen: readU64(view, BODY + 8),
    applied: readU64(view, BODY + 16),
    flags: view.getUint32(BODY + 24, true),
  };
}

/** The payload's bytes in one piece; copies, so not for decrees. */
export function joinPayload(frame: Frame): Uint8Array {
  const joined = new Uint8Array(frame.payloadBytes);
  let at = 0;
  for (const piece of frame.payload) {
    joined.set(piece.bytes.subarray(piece.start, piece.end), at);
    at += piece.end - piece.start;
  }
  return joined;
}

/** The protocol message in `frame`. The decree's `source` is the frame itself. Throws `FrameError`. */
export function decodeMessage(frame: Frame): Message {
  const { view } = frame;
  switch (frame.kind) {
    case FrameKind.statusQuery:
      return { kind: 'status-query', round: readU64(view, BODY) };
    case FrameKind.statusReply:
      return {
        kind: 'status-reply',
        round: readU64(view, BODY),
        promised: readU64(view, BODY + 8),
        chosen: readU64(view, BODY + 16),
        primaryAlive: view.getUint32(BODY + 24, true) === 1,
        standing: Math.floor(view.getUint32(BODY + 24, true) / STANDING_UNIT),
      };
    case FrameKind.prepare:
      return { kind: 'prepare', ballot: readU64(view, BODY), from: readU64(view, BODY + 8) };
    case FrameKind.promiseEntry:
      return {
        kind: 'promise-entry',
        ballot: readU64(view, BODY),
        slot: readU64(view, BODY + 8),
        acceptedBallot: readU64(view, BODY + 16),
        decree: decodeDecree(frame, BODY + 24),
      };
    case FrameKind.promised:
      return {
        kind: 'promised',
        ballot: readU64(view, BODY),
        chosen: readU64(view, BODY + 8),
        entries: view.getUint32(BODY + 16, true),
      };
    case FrameKind.accept:
      return {
        kind: 'accept',
        ballot: readU64(view, BODY),
        slot: readU64(view, BODY + 8),
        chosen: readU64(view, BODY + 16),
        decree: decodeDecree(frame, BODY + 24),
      };
    case FrameKind.accepted:
      return {
        kind: 'accepted',
        ballot: readU64(view, BODY),
        from: readU64(view, BODY + 8),
        through: readU64(view, BODY + 16),
      };
    case FrameKind.heartbeat:
      return {
        kind: 'heartbeat',
        ballot: readU64(view, BODY),
        chosen: readU64(view, BODY + 8),
        round: readU64(view, BODY + 16),
      };
    case FrameKind.heartbeatReply:
      return {
        kind: 'heartbeat-reply',
        ballot: readU64(view, BODY),
        round: readU64(view, BODY + 8),
        from: readU64(view, BODY + 16),
        through: readU64(view, BODY + 24),
        chosen: readU64(view, BODY + 32),
        standing: view.getUint32(BODY + 40, true),
      };
    case FrameKind.handOver:
      return { kind: 'hand-over', ballot: readU64(view, BODY), last: readU64(view, BODY + 8) };
    case FrameKind.handOverDeclined:
      return { kind: 'hand-over-declined', ballot: readU64(view, BODY) };
    case FrameKind.resign:
      return { kind: 'resign', ballot: readU64(view, BODY) };
    case FrameKind.refuse:
      return { kind: 'refuse', ballot: readU64(view, BODY), promised: readU64(view, BODY + 8) };
    case FrameKind.fetch:
      return { kind: 'fetch', from: readU64(view, BODY), bytesMax: view.getUint32(BODY + 8, true) };
    case FrameKind.learn:
      return {
        kind: 'learn',
        slot: readU64(view, BODY),
        ballot: readU64(view, BODY + 8),
        decree: decodeDecree(frame, BODY + 16),
      };
    case FrameKind.fetchEnd:
      return { kind: 'fetch-end', through: readU64(view, BODY), chosen: readU64(view, BODY + 8) };
    case FrameKind.defunct:
      return { kind: 'defunct', chosen: readU64(view, BODY) };
    case FrameKind.join: {
      const join = decodeJoin(joinPayload(frame));
      if (join === null) throw new FrameError('join');
      return { kind: 'join', chosen: readU64(view, BODY), ...join };
    }
    case FrameKind.genesis: {
      const configuration = decodeConfiguration(joinPayload(frame));
      if (configuration === null || configuration.number !== 1) throw new FrameError('genesis configuration');
      return { kind: 'genesis', configuration };
    }
    case FrameKind.readQuery:
      return { kind: 'read-query', life: readU64(view, BODY), read: readU64(view, BODY + 8) };
    case FrameKind.readReply:
      return {
        kind: 'read-reply',
        life: readU64(view, BODY),
        read: readU64(view, BODY + 8),
        slot: readU64(view, BODY + 16),
      };
    case FrameKind.leaseRequest:
      return {
        kind: 'lease-request',
        ballot: readU64(view, BODY),
        round: readU64(view, BODY + 8),
        durationMs: view.getUint32(BODY + 16, true),
      };
    case FrameKind.leaseGrant:
      return { kind: 'lease-grant', ballot: readU64(view, BODY), round: readU64(view, BODY + 8) };
    case FrameKind.leaseRelease:
      return { kind: 'lease-release', ballot: readU64(view, BODY) };
    case FrameKind.leaseQuery:
      return { kind: 'lease-query', life: readU64(view, BODY), read: readU64(view, BODY + 8) };
    case FrameKind.leaseReply:
      return {
        kind: 'lease-reply',
        life: readU64(view, BODY),
        read: readU64(view, BODY + 8),
        slot: readU64(view, BODY + 16),
      };
    default:
      throw new FrameError(`frame kind ${frame.kind} is no message`);
  }
}

function decodeDecree(frame: Frame, at: number): DecreeReference {
  const kind = frame.view.getUint32(at, true);
  const commands = frame.view.getUint32(at + 4, true);
  if (kind !== DecreeKind.commands && kind !== DecreeKind.noop && kind !== DecreeKind.configuration) {
    throw new FrameError(`decree kind ${kind}`);
  }
  let configuration: Configuration | null = null;
  if (kind === DecreeKind.configuration) {
    configuration = decodeConfiguration(joinPayload(frame));
    if (configuration === null) throw new FrameError('configuration decree');
  }
  if ((kind === DecreeKind.commands) !== commands > 0) throw new FrameError('decree without commands');
  return {
    kind,
    bytes: frame.payloadBytes,
    checksum: frame.payloadChecksum,
    commands,
    configuration,
    source: frame,
  };
}

function readU64(view: DataView, at: number): number {
  const high = view.getUint32(at + 4, true);
  if (high > 0x1f_ffff) throw new FrameError('number beyond 53 bits');
  return high * 0x1_0000_0000 + view.getUint32(at, true);
}
