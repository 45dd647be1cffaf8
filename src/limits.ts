/**
 * Every bound in one place, with the relations between them checked: for the defaults when this module is
 * loaded, for what a user chose when the options are validated.
 *
 * Two kinds stand apart. The constants below are part of the formats on disk and on the wire, or sized by
 * them: they are the same on every replica of every cluster. The tunables in `Limits` may differ from
 * process to process, and whatever a peer may send under its own tunables is received under ours, because
 * receivers check against the constants.
 */

import { invariant } from './contracts.js';

const KIBIBYTE = 1024;
const MEBIBYTE = 1024 * KIBIBYTE;

/** Cluster and replica ids: ASCII letters, digits, `.`, `_`, `-`. */
export const ID_LENGTH_MAX = 63;
export const ID_PATTERN: RegExp = /^[A-Za-z0-9._-]{1,63}$/;

export const MEMBERS_MIN = 1;
/** Beyond seven, each write waits for more acknowledgements than it gains safety. */
export const MEMBERS_MAX = 7;
/** A member set as bytes, without its cookie: what the header of a checkpoint has room for. */
export const CONFIGURATION_BYTES_MAX = 2048;
/** The longest cookie that may be left with a member set, in bytes. */
export const CONFIGURATION_COOKIE_BYTES_MAX = 8192;

/** Room in a decree for what stands around a single command of the greatest size. */
export const DECREE_OVERHEAD_BYTES: number = 4 * KIBIBYTE;
/** Room in a frame for what stands around a decree, or around a chunk of a log. */
export const FRAME_OVERHEAD_BYTES: number = 4 * KIBIBYTE;
/** Room in a segment beside its greatest record: header page, record headers, padding to the greatest block, and what is kept for promises. */
export const SEGMENT_OVERHEAD_BYTES: number = 24 * KIBIBYTE;
/** The greatest block that a medium may write in. */
export const BLOCK_BYTES_MAX: number = 4 * KIBIBYTE;

/** No replica of any cluster makes a decree longer than this. */
export const DECREE_BYTES_CEILING: number = 16 * MEBIBYTE + DECREE_OVERHEAD_BYTES;
/** No replica sends a longer frame, whatever its options say. Length fields beyond this are garbage. */
export const FRAME_BYTES_MAX: number = DECREE_BYTES_CEILING + FRAME_OVERHEAD_BYTES;
/** A connection that did not complete its handshake may not make its peer hold more than this. */
export const HANDSHAKE_BYTES_MAX: number = 4 * KIBIBYTE;

/** The tunable bounds. Bytes are payload bytes, unless said otherwise. */
export interface Limits {
  /** One command. Longer ones are refused by `replicate` with `ERR_SYNOD_ARGUMENT`. */
  readonly commandBytesMax: number;
  /** One decree: its commands and what stands around them. */
  readonly decreeBytesMax: number;
  /** Commands in one decree. */
  readonly decreeCommandsMax: number;
  /** Decrees that are proposed and not yet chosen. */
  readonly pipelineDecreesMax: number;
  /** Bytes of decrees that are proposed and not yet chosen. */
  readonly pipelineBytesMax: number;
  /**
   * Bytes of commands that were given to `replicate` and have no result yet, and 64 for each; beyond it
   * `ERR_SYNOD_OVERLOADED`.
   */
  readonly outstandingBytesMax: number;
  /** Bytes queued for one peer. A peer that lets more pile up is cut off and catches up from the log later. */
  readonly sendQueueBytesMax: number;
  /** Bytes of log in one reply to a replica that catches up. */
  readonly fetchBytesMax: number;
  /** Bytes of checkpoints sent in a second, to all peers together: commands go on meanwhile. */
  readonly checkpointBytesPerSecondMax: number;
}

export interface Bounds {
  readonly min: number;
  readonly max: number;
  readonly default: number;
}

export const limitBounds: { readonly [Name in keyof Limits]: Bounds } = {
  commandBytesMax: { min: KIBIBYTE, max: 16 * MEBIBYTE, default: MEBIBYTE },
  decreeBytesMax: { min: 8 * KIBIBYTE, max: DECREE_BYTES_CEILING, default: MEBIBYTE + DECREE_OVERHEAD_BYTES },
  decreeCommandsMax: { min: 1, max: 65_536, default: 65_536 },
  pipelineDecreesMax: { min: 1, max: 4096, default: 256 },
  pipelineBytesMax: { min: 8 * KIBIBYTE, max: 1024 * MEBIBYTE, default: 16 * MEBIBYTE },
  outstandingBytesMax: { min: 8 * KIBIBYTE, max: 4096 * MEBIBYTE, default: 64 * MEBIBYTE },
  sendQueueBytesMax: { min: 64 * KIBIBYTE, max: 4096 * MEBIBYTE, default: 32 * MEBIBYTE },
  fetchBytesMax: { min: 8 * KIBIBYTE, max: DECREE_BYTES_CEILING, default: 4 * MEBIBYTE },
  checkpointBytesPerSecondMax: { min: 64 * KIBIBYTE, max: 65_536 * MEBIBYTE, default: 64 * MEBIBYTE },
};

/** A power of two: the medium aligns ranges and reuses segment memory. */
export const segmentBytesBounds: Bounds = { min: MEBIBYTE, max: 256 * MEBIBYTE, default: 64 * MEBIBYTE };

export const checkpointBounds: { readonly everyBytes: Bounds; readonly retain: Bounds } = {
  everyBytes: { min: MEBIBYTE, max: 1024 * 1024 * MEBIBYTE, default: 256 * MEBIBYTE },
  retain: { min: 1, max: 16, default: 2 },
};

/** There is no default: checkpoints are not made by time unless that is asked for. */
export const checkpointEveryMsBounds: { readonly min: number; readonly max: number } = {
  min: 1000,
  max: 0x7fff_ffff,
};

/** Bounds of `alerts`. What is counted in bytes has no default: what is too much is for the application to say. */
export const alertBytesBounds: { readonly min: number; readonly max: number } = {
  min: 1,
  max: Number.MAX_SAFE_INTEGER,
};
export const alertBounds: { readonly freeCheckpointsMin: Bounds; readonly everyMs: Bounds } = {
  freeCheckpointsMin: { min: 0, max: 16, default: 2 },
  everyMs: { min: 100, max: 3_600_000, default: 10_000 },
};

export const electionTimeoutMsBounds: Bounds = { min: 50, max: 60_000, default: 300 };
/** Heartbeats in one election timeout: one or two may be lost without an election. */
export const HEARTBEATS_PER_ELECTION_TIMEOUT = 6;
/** The least that an election timeout must hold of them. */
export const HEARTBEATS_PER_ELECTION_TIMEOUT_MIN = 2;

/** Priority of a replica as primary; 0: it does not lead of its own accord. */
export const priorityBounds: Bounds = { min: 0, max: 255, default: 100 };

/** How far clocks may drift where leases are allowed. */
export const clockDriftBounds = { min: 0.000_001, max: 0.2 } as const;

/** The cookie of a candidacy. */
export const COOKIE_BYTES_MAX = 256;

/** The heartbeat interval for an election timeout, unless the options name another one. */
export function defaultHeartbeatMs(electionTimeoutMs: number): number {
  return Math.floor(electionTimeoutMs / HEARTBEATS_PER_ELECTION_TIMEOUT);
}

/**
 * Limits as `chosen`, the rest by default. Where the segments are small, the default size of a command and of a
 * decree shrinks with them, so that choosing small segments alone is valid.
 */
export function completeLimits(
  chosen: { readonly [Name in keyof Limits]?: number | undefined },
  segmentBytes: number,
): Limits {
  const commandBytesMax =
    chosen.commandBytesMax ??
    Math.min(
      limitBounds.commandBytesMax.default,
      segmentBytes / 4,
      (chosen.decreeBytesMax ?? Number.POSITIVE_INFINITY) - DECREE_OVERHEAD_BYTES,
    );
  const decreeBytesMax =
    chosen.decreeBytesMax ??
    Math.max(
      commandBytesMax + DECREE_OVERHEAD_BYTES,
      Math.min(limitBounds.decreeBytesMax.default, segmentBytes / 2),
    );
  const fetchBytesMax = chosen.fetchBytesMax ?? Math.max(limitBounds.fetchBytesMax.default, decreeBytesMax);
  const pipelineBytesMax =
    chosen.pipelineBytesMax ?? Math.max(limitBounds.pipelineBytesMax.default, decreeBytesMax);
  return {
    commandBytesMax,
    decreeBytesMax,
    decreeCommandsMax: chosen.decreeCommandsMax ?? limitBounds.decreeCommandsMax.default,
    pipelineDecreesMax: chosen.pipelineDecreesMax ?? limitBounds.pipelineDecreesMax.default,
    pipelineBytesMax,
    outstandingBytesMax:
      chosen.outstandingBytesMax ?? Math.max(limitBounds.outstandingBytesMax.default, pipelineBytesMax),
    sendQueueBytesMax:
      chosen.sendQueueBytesMax ??
      Math.max(
        limitBounds.sendQueueBytesMax.default,
        pipelineBytesMax + fetchBytesMax + 2 * FRAME_OVERHEAD_BYTES,
      ),
    fetchBytesMax,
    checkpointBytesPerSecondMax:
      chosen.checkpointBytesPerSecondMax ?? limitBounds.checkpointBytesPerSecondMax.default,
  };
}

/** A relation between bounds that does not hold. `name` is the limit to change. */
export interface LimitConflict {
  readonly name: keyof Limits;
  readonly expected: string;
}

/** The relations between the bounds; every one that `limits` breaks. */
export function limitConflicts(limits: Limits, segmentBytes: number): readonly LimitConflict[] {
  const conflicts: LimitConflict[] = [];
  const need = (holds: boolean, name: keyof Limits, expected: string): void => {
    if (!holds) conflicts.push({ name, expected });
  };
  need(
    limits.decreeBytesMax >= limits.commandBytesMax + DECREE_OVERHEAD_BYTES,
    'decreeBytesMax',
    `at least limits.commandBytesMax + ${DECREE_OVERHEAD_BYTES} (${limits.commandBytesMax + DECREE_OVERHEAD_BYTES}), so that one command fits`,
  );
  need(
    limits.decreeBytesMax + SEGMENT_OVERHEAD_BYTES <= segmentBytes,
    'decreeBytesMax',
    `at most storage.segmentBytes - ${SEGMENT_OVERHEAD_BYTES} (${segmentBytes - SEGMENT_OVERHEAD_BYTES}), so that it fits into one segment`,
  );
  need(
    limits.pipelineBytesMax >= limits.decreeBytesMax,
    'pipelineBytesMax',
    `at least limits.decreeBytesMax (${limits.decreeBytesMax})`,
  );
  // Else the pipeline could not be filled, and a decree of the greatest size not be asked for.
  need(
    limits.outstandingBytesMax >= limits.commandBytesMax,
    'outstandingBytesMax',
    `at least limits.commandBytesMax (${limits.commandBytesMax})`,
  );
  // A peer that is one full pipeline and one fetch behind is slow, not lost: cutting it off would make it slower.
  const queue = limits.pipelineBytesMax + limits.fetchBytesMax + 2 * FRAME_OVERHEAD_BYTES;
  need(
    limits.sendQueueBytesMax >= queue,
    'sendQueueBytesMax',
    `at least limits.pipelineBytesMax + limits.fetchBytesMax + ${2 * FRAME_OVERHEAD_BYTES} (${queue})`,
  );
  need(
    limits.fetchBytesMax >= limits.decreeBytesMax,
    'fetchBytesMax',
    `at least limits.decreeBytesMax (${limits.decreeBytesMax}), so that catching up makes progress`,
  );
  return conflicts;
}

const isPowerOfTwo = (value: number): boolean => value > 0 && (value & (value - 1)) === 0;

/** What the bounds of this file are, for `checkBounds`. */
export interface AllBounds {
  readonly limits: { readonly [Name in keyof Limits]: Bounds };
  readonly segmentBytes: Bounds;
  readonly electionTimeoutMs: Bounds;
  readonly checkpoints: { readonly everyBytes: Bounds; readonly retain: Bounds };
  readonly blockBytesMax: number;
  readonly frameBytesMax: number;
}

export const allBounds: AllBounds = {
  limits: limitBounds,
  segmentBytes: segmentBytesBounds,
  electionTimeoutMs: electionTimeoutMsBounds,
  checkpoints: checkpointBounds,
  blockBytesMax: BLOCK_BYTES_MAX,
  frameBytesMax: FRAME_BYTES_MAX,
};

/** The relations between bounds that no option can change. */
export function checkBounds(all: AllBounds): void {
  const { limits, segmentBytes, electionTimeoutMs, checkpoints, blockBytesMax, frameBytesMax } = all;
  for (const [name, bounds] of Object.entries({
    ...limits,
    ...checkpoints,
    segmentBytes,
    electionTimeoutMs,
  })) {
    invariant(
      Number.isSafeInteger(bounds.min) && bounds.min <= bounds.default && bounds.default <= bounds.max,
      'limits-default-within-bounds',
      () => name,
    );
  }
  for (const bytes of [segmentBytes.min, segmentBytes.default, segmentBytes.max]) {
    invariant(isPowerOfTwo(bytes), 'limits-segment-power-of-two');
    invariant(limitConflicts(completeLimits({}, bytes), bytes).length === 0, 'limits-defaults-agree', () =>
      JSON.stringify(limitConflicts(completeLimits({}, bytes), bytes)),
    );
  }
  invariant(
    isPowerOfTwo(blockBytesMax) && segmentBytes.min % blockBytesMax === 0,
    'limits-block-divides-segment',
  );
  // Lengths travel in 32 bits, and a frame is parsed with 32-bit integer arithmetic.
  invariant(frameBytesMax < 0x7fff_ffff && segmentBytes.max < 0x7fff_ffff, 'limits-lengths-fit-32-bits');
  invariant(
    limits.decreeBytesMax.max + SEGMENT_OVERHEAD_BYTES <= segmentBytes.max,
    'limits-decree-fits-segment',
  );
  invariant(limits.fetchBytesMax.max + FRAME_OVERHEAD_BYTES <= frameBytesMax, 'limits-fetch-fits-frame');
  invariant(
    defaultHeartbeatMs(electionTimeoutMs.min) * HEARTBEATS_PER_ELECTION_TIMEOUT_MIN <= electionTimeoutMs.min,
    'limits-heartbeats-fit-election-timeout',
  );
}

checkBounds(allBounds);
