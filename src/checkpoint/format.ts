/**
 * Constants of checkpoint format version 1. docs/checkpoint-format.md is the full description. All integers are little
 * endian.
 */

export const CHECKPOINT_VERSION = 1;

/** Checkpoint files are `<16 hexadecimal digits of the slot>.checkpoint` in `<dataDir>/checkpoints`. */
export const CHECKPOINT_SUFFIX = '.checkpoint';
export const CHECKPOINT_HEADER_BYTES = 8192;
/** 'SYNODCKP' read as two little-endian words. */
export const CHECKPOINT_MAGIC_LOW = 0x4f4e5953;
export const CHECKPOINT_MAGIC_HIGH = 0x504b4344;

/** Byte offsets in the header. `magic`, `checksum` and `version` stay where they are in every version. */
export const CheckpointField = {
  magicLow: 0, // u32
  magicHigh: 4, // u32
  checksum: 8, // u32, CRC-32C of bytes 12 to 8191
  version: 12, // u32, CHECKPOINT_VERSION
  slot: 16, // u64, the state is that behind this slot
  ballot: 24, // u64, the highest ballot that its maker had promised
  nonceLow: 32, // u32, two checkpoints of one slot may differ in their bytes: these tell them apart
  nonceHigh: 36, // u32
  createdAtMs: 40, // u64, milliseconds since 1970, for people only
  clusterBytes: 48, // u8
  replicaBytes: 49, // u8
  configurationBytes: 50, // u16
  firstConfigurationBytes: 52, // u16
  reserved: 54, // 10 bytes, 0
  cluster: 64, // 64 bytes, UTF-8, zeros behind
  replica: 128, // 64 bytes, UTF-8, zeros behind: who made it
  reserved2: 192, // 64 bytes, 0
  configuration: 256, // 2048 bytes: the member set in force behind the slot; zeros behind
  firstConfiguration: 2304, // 2048 bytes: the first member set; zeros behind, and 0 up to 8191
} as const;

export const BLOCK_HEADER_BYTES = 16;
/** A reader holds one block: this bounds what it allocates, whatever the length field says. */
export const BLOCK_PAYLOAD_BYTES_MAX = 262_144;

/** Byte offsets in a block's header. */
export const BlockField = {
  kind: 0, // u32, BlockKind
  payloadBytes: 4, // u32
  index: 8, // u32, 0 for the first block, then one more each
  checksum: 12, // u32, CRC-32C of bytes 0 to 11 and the payload, continued from the block before (the header)
} as const;

export const BlockKind = {
  /** How far each session has come: [member u32, 0 u32, session u64, next u64] each. Before all state. */
  sessions: 1,
  /** What the state machine wrote. */
  state: 2,
  /** The last block: bytes of state u64. Nothing follows. */
  end: 3,
  /** What whoever changed the members left with them, where it is too long for the header: 1 to 8,192 bytes. The first block. */
  cookie: 4,
} as const;
export type BlockKind = (typeof BlockKind)[keyof typeof BlockKind];

export const COOKIE_BYTES_MAX = 8192;
export const SESSION_BYTES = 24;
export const END_PAYLOAD_BYTES = 8;
