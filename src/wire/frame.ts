/**
 * Frames, version 1: how messages are cut from the bytes of a connection. Little endian. docs/wire-format.md.
 *
 *     0  u32  bytes of the whole frame
 *     4  u32  CRC-32C of bytes 8 to headerBytes - 1, begun with the first field as seed: a damaged length shows too
 *     8  u8   version   9 u8 kind   10 u16 headerBytes (header and body, without the payload)
 *    12  u32  configuration number of the sender, 0 where it has none
 *    16  u32  group, 0: one group per connection today
 *    20  u32  CRC-32C of the payload
 *    24       body, by kind; then the payload
 */

export const WIRE_VERSION = 1;

/**
 * The versions of the protocol that this build speaks: what messages and records mean, beside how they are cut. Told in the handshake; replicas
 * that have none in common refuse each other. Which of them is in force, the configuration says (docs/protocol.md, rule 11).
 */
export const PROTOCOL_VERSIONS: ProtocolVersions = { min: 1, max: 1 };

/** The lowest and the highest. */
export interface ProtocolVersions {
  readonly min: number;
  readonly max: number;
}

export const FRAME_HEADER_BYTES = 24;
/** The largest header with its body. */
export const FRAME_HEADER_BYTES_MAX = 128;

export const FrameField = {
  total: 0,
  checksum: 4,
  version: 8,
  kind: 9,
  headerBytes: 10,
  configuration: 12,
  group: 16,
  payloadChecksum: 20,
  body: 24,
} as const;

export const FrameKind = {
  hello: 1,
  welcome: 2,
  refusal: 3,
  statusQuery: 10,
  statusReply: 11,
  prepare: 12,
  promiseEntry: 13,
  promised: 14,
  accept: 15,
  accepted: 16,
  heartbeat: 17,
  heartbeatReply: 18,
  refuse: 19,
  fetch: 20,
  learn: 21,
  fetchEnd: 22,
  defunct: 23,
  join: 24,
  genesis: 25,
  handOver: 26,
  handOverDeclined: 27,
  readQuery: 28,
  readReply: 29,
  forward: 30,
  checkpointFetch: 31,
  checkpointChunk: 32,
  invite: 33,
  enrolled: 34,
  cookie: 35,
  leaseRequest: 36,
  leaseGrant: 37,
  leaseRelease: 38,
  resign: 39,
  report: 40,
  leaseQuery: 41,
  leaseReply: 42,
} as const;
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind];

/** A part of a payload in a receive buffer. */
export interface Piece {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** A frame whose checksums are right. Valid until the reader's `releaseSpent`. */
export interface Frame {
  readonly kind: number;
  readonly configuration: number;
  /** Over header and body. */
  readonly view: DataView;
  readonly payload: readonly Piece[];
  readonly payloadBytes: number;
  readonly payloadChecksum: number;
}

/** Why a connection's bytes are refused. After this the connection cannot be read on. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
}
