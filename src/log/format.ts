/**
 * Constants of log format version 1, shared by TypeScript and, compared at load, the addon.
 * docs/storage-format.md is the full description. All integers are little endian.
 */

export const FORMAT_VERSION = 1;

/** Segment files are `<16 hexadecimal digits of the segment number>.segment` in `<dataDir>/log`. */
export const SEGMENT_SUFFIX = '.segment';
/** The segment header takes the first page whatever the medium's block is. */
export const SEGMENT_HEADER_BYTES = 4096;
/** 'SYNODSEG' read as two little-endian words. */
export const SEGMENT_MAGIC_LOW = 0x4f4e5953;
export const SEGMENT_MAGIC_HIGH = 0x47455344;
/** Recovery reads one segment at a time into memory, and keeps 32-bit offsets: this bounds both. */
export const SEGMENT_BYTES_MAX = 268_435_456;
/** Batches begin and end at multiples of the medium's block, a power of two within these bounds. */
export const BLOCK_BYTES_MIN = 64;
export const BLOCK_BYTES_MAX = 4096;
/** Cluster and replica ids, in UTF-8. */
export const IDENTIFIER_BYTES_MAX = 63;
export const DISK_INCARNATION_BYTES = 16;

/** Byte offsets in the segment header. `magic`, `checksum` and `version` stay where they are in every version. */
export const SegmentField = {
  magicLow: 0, // u32
  magicHigh: 4, // u32
  checksum: 8, // u32, CRC-32C of bytes 12 to 4095
  version: 12, // u32, FORMAT_VERSION
  segment: 16, // u64, the number that the file is named after
  nonceLow: 24, // u32, repeated in every record as segmentNonce
  nonceHigh: 28, // u32
  firstSequence: 32, // u64, sequence of the first record: the segment before ends right below it
  previous: 40, // u32, headerChecksum of the record before the first (0 for the first of the log)
  blockBytes: 44, // u32
  durable: 48, // u64, the highest sequence known durable when this was written
  promised: 56, // u64, ballot promised by the records before
  chosen: 64, // u64, all slots up to this were known chosen
  startNumber: 72, // u64, the newest start number by the records before
  segmentBytes: 80, // u64
  createdAtMs: 88, // u64, milliseconds since 1970, for people only
  diskIncarnation: 96, // 16 bytes
  clusterBytes: 112, // u8
  replicaBytes: 113, // u8
  configurationBytes: 114, // u16
  reserved: 116, // 12 bytes, 0
  cluster: 128, // 64 bytes, UTF-8, zeros behind
  replica: 192, // 64 bytes, UTF-8, zeros behind
  configuration: 256, // 2048 bytes, zeros behind; the rest of the page is 0
} as const;

/** 'REC1'. */
export const RECORD_MAGIC = 0x31434552;
export const RECORD_HEADER_BYTES = 80;

export const RecordKind = {
  /** An acceptance: ballot, slot, and the decree as payload. */
  accept: 1,
  /** A promise: ballot. */
  promise: 2,
  /** What is known to be chosen, when nothing else was written that says so. */
  mark: 3,
  /** A chosen decree learned from a peer: ballot under which the peer had it, slot, payload. */
  learn: 4,
  /** The replica was opened: slot holds the start number, unique for this disk. */
  start: 5,
  /** The first configuration, agreed by all members; payload. */
  genesis: 6,
  /** Fills up to the next block, or covers a range that was given up; length counts, content does not. */
  pad: 7,
  /** A checkpoint came from a peer: all up to slot is chosen, and no earlier record of these slots tells what was. */
  jump: 8,
  /** The members that the first configuration is to have: this disk takes no other list; payload. */
  list: 9,
} as const;
export type RecordKind = (typeof RecordKind)[keyof typeof RecordKind];

/** Byte offsets in the record header. */
export const RecordField = {
  magic: 0, // u32
  headerChecksum: 4, // u32, CRC-32C of bytes 8 to 79
  payloadBytes: 8, // u32
  payloadChecksum: 12, // u32, CRC-32C of the payload; 0 for pad
  version: 16, // u8
  kind: 17, // u8, RecordKind
  decreeKind: 18, // u8, for accept and learn: DecreeKind
  reserved: 19, // u8, 0
  group: 20, // u32, 0: one group per log today
  ballot: 24, // u64
  slot: 32, // u64
  sequence: 40, // u64, 1 for the first record of the log, then one more each
  durable: 48, // u64, the highest sequence known durable when this was written
  chosen: 56, // u64, all slots up to this were known chosen when this was written
  commandCount: 64, // u32
  segmentNonce: 68, // u32, low word of the segment's nonce: tells stale bytes of a reused segment
  previous: 72, // u32, headerChecksum of the record before (0 for the first): the chain
  reserved2: 76, // u32, 0
} as const;

/** Payloads of records begin right after the header; the next record begins at the next multiple of this. */
export const RECORD_ALIGNMENT = 8;
