/**
 * Recovery of a log from its segments: which records it consists of, where it ends, and whether that end is what a crash
 * may leave. Pure: it asks for segments one at a time and is given their bytes.
 *
 *     const recovery = new LogRecovery({ segments, beginning: 'whole', crc32c });
 *     for (let segment = recovery.next(); segment !== null; segment = recovery.next()) {
 *       const scan = recovery.examine(bytes of the segment);
 *       if (scan !== null) state.fold(scan);
 *     }
 *     const verdict = recovery.verdict(); // what was folded counts only if this is not 'corrupt'
 *
 * Which segments count follows from the headers alone. A header that begins at sequence F voids everything from F on in the
 * segments before it, so a segment that begins at or behind the beginning of a later one is void altogether. The rest, the
 * line, is read in order; its segments must continue each other without a gap, in sequence and in chain.
 */

import type { Crc32c } from '../checksum.js';
import { invariant, requires } from '../contracts.js';
import { SEGMENT_HEADER_BYTES } from './format.js';
import { type EndFacts, foundBy, judgeEnd, type RuleName } from './recovery-table.js';
import type { SegmentHeader, SegmentHeaderReading } from './segment.js';
import {
  findClaims,
  type MissingReason,
  RecordColumns,
  type SegmentScan,
  scanSegment,
} from './segment-scan.js';

/** A segment that exists, and what its first page holds. */
export interface FoundSegment {
  /** The number in its file name. */
  readonly segment: number;
  readonly header: SegmentHeaderReading;
}

/** Whose log this must be. A field left out is not compared. */
export interface LogIdentity {
  readonly cluster?: string;
  readonly replica?: string;
  readonly diskIncarnation?: Uint8Array;
}

export interface LogRecoveryOptions {
  /** All segments that exist, by ascending number. */
  readonly segments: readonly FoundSegment[];
  /** `whole`: the log must begin with sequence 1. `suffix`: segments may have been dropped at its beginning. */
  readonly beginning: 'whole' | 'suffix';
  readonly identity?: LogIdentity;
  readonly crc32c: Crc32c;
}

export type CorruptReason =
  /** A record that was durable is damaged or gone. */
  | 'record-damaged'
  /** An intact record that cannot be there, or is not understood. */
  | 'record-impossible'
  /** The header of a segment with durable records is damaged or gone. */
  | 'segment-header-damaged'
  /** An intact header with values that cannot be. */
  | 'segment-header-impossible'
  /** Of a format version that this code does not know. */
  | 'segment-unsupported'
  /** Of another cluster, replica or disk. */
  | 'segment-foreign'
  /** The file has another segment's name. */
  | 'segment-misplaced'
  /** A segment file between others is gone. */
  | 'segment-lost'
  /** A segment does not continue the one before it. */
  | 'chain-broken'
  /** The log does not begin with its first record. */
  | 'beginning-lost';

/** How many bytes of a segment are in use. What follows them is void. */
export interface SegmentUse {
  readonly segment: number;
  readonly bytes: number;
}

export type LogVerdict =
  /** `clean`: nothing follows the last record. `torn`: writes that were under way when the crash came are discarded. */
  | {
      readonly kind: 'clean' | 'torn';
      readonly rule: RuleName;
      /** Sequence and `previous` of the next record, that is of the first one in the next segment. */
      readonly nextSequence: number;
      readonly chain: number;
      /** The number that the next segment must have. */
      readonly nextSegment: number;
      /** The segments that make up the log, in order. */
      readonly line: readonly SegmentUse[];
      /**
       * Segments that hold nothing of the log. They may be removed once the header of `nextSegment` is durable, not before:
       * a number that is missing without such a header means a lost segment.
       */
      readonly unused: readonly number[];
      /** Where what is discarded begins; null for clean. */
      readonly discarded: { readonly segment: number; readonly offset: number } | null;
    }
  /** The log must neither be served nor continued nor cut. */
  | {
      readonly kind: 'corrupt';
      readonly reason: CorruptReason;
      readonly segment: number;
      readonly offset: number;
      /** For people. */
      readonly detail: string;
    };

export type CorruptVerdict = Extract<LogVerdict, { kind: 'corrupt' }>;

function corrupt(reason: CorruptReason, segment: number, offset: number, detail: string): CorruptVerdict {
  return { kind: 'corrupt', reason, segment, offset, detail };
}

/** Where the log stopped: `position` is the index in the line, -1 where no segment has a readable header. */
interface Stop {
  readonly position: number;
  readonly segment: number;
  readonly offset: number;
  readonly reason: MissingReason;
  readonly sequence: number;
  readonly chain: number;
}

interface Evidence {
  readonly where: 'same-segment' | 'later-segment';
  readonly detail: string;
}

/** See the head of this file. */
export class LogRecovery {
  readonly #crc32c: Crc32c;
  readonly #segments: readonly FoundSegment[];
  /** Headers that count, by ascending segment and ascending `firstSequence`. */
  readonly #line: readonly SegmentHeader[];
  readonly #columns = new RecordColumns();
  readonly #uses: SegmentUse[] = [];
  /** Index in the line of the next segment to scan. */
  #position = 0;
  #sequence = 1;
  #chain = 0;
  /** Set once the log has stopped: then later segments are searched for claims. */
  #stop: Stop | null = null;
  #toSearch: FoundSegment[] = [];
  #evidence: Evidence | null = null;
  #leftovers = false;
  #asked: number | null = null;
  #verdict: LogVerdict | null = null;

  constructor(options: LogRecoveryOptions) {
    const { segments } = options;
    this.#crc32c = options.crc32c;
    this.#segments = segments;
    for (let index = 1; index < segments.length; index++) {
      requires(segments[index - 1]!.segment < segments[index]!.segment, 'recovery-segments-ascending');
    }
    this.#line = findLine(segments);
    this.#verdict = headerFault(segments, options.identity);
    if (this.#verdict === null) this.#begin(options.beginning);
  }

  /** The segment whose bytes `examine` wants next, or null: the verdict is there. */
  next(): number | null {
    this.#asked = null;
    if (this.#verdict === null) {
      this.#asked =
        this.#stop === null ? this.#line[this.#position]!.segment : (this.#toSearch[0]?.segment ?? null);
      if (this.#asked === null) this.#verdict = this.#judge(this.#stop!);
    }
    return this.#asked;
  }

  /**
   * Takes the bytes, all there are, of the segment that `next` asked for. Yields the records that the log has there, valid until
   * the next call, or null where the segment was wanted as a witness only.
   */
  examine(bytes: Uint8Array): SegmentScan | null {
    requires(this.#asked !== null, 'recovery-examines-what-it-asked-for');
    this.#asked = null;
    if (this.#stop === null) return this.#walk(bytes);
    this.#search(bytes);
    return null;
  }

  /** What the log is. To be asked when `next` has returned null. */
  verdict(): LogVerdict {
    requires(this.#verdict !== null, 'recovery-finished');
    return this.#verdict;
  }

  #begin(beginning: 'whole' | 'suffix'): void {
    const first = this.#line[0];
    const lowest = this.#segments[0];
    // A log that begins with 1 has its beginning, whatever unreadable segments lie before.
    if (first !== undefined && (first.firstSequence === 1 || lowest?.header.kind === 'valid')) {
      this.#sequence = first.firstSequence;
      this.#chain = first.previous;
      if (first.firstSequence !== 1 && beginning === 'whole') {
        const detail = `the first record is ${first.firstSequence}, in segment ${first.segment}`;
        this.#verdict = corrupt('beginning-lost', first.segment, 0, detail);
      }
      return;
    }
    // The first segment cannot be read, or there is none. If nothing was ever durable, nothing is lost: the log was being
    // begun. If segments were dropped, then something was.
    this.#stopAt({ position: -1, segment: lowest?.segment ?? 0, offset: 0, reason: 'blank' });
  }

  #walk(bytes: Uint8Array): SegmentScan {
    const position = this.#position;
    const header = this.#line[position]!;
    const successor = this.#line[position + 1];
    const scan = scanSegment(bytes, {
      header,
      untilSequence: successor?.firstSequence ?? Number.POSITIVE_INFINITY,
      crc32c: this.#crc32c,
      columns: this.#columns,
    });
    this.#uses.push({ segment: header.segment, bytes: scan.endOffset });
    this.#sequence = scan.nextSequence;
    this.#chain = scan.chain;
    if (scan.end.kind === 'complete') {
      invariant(successor !== undefined, 'recovery-newest-segment-has-no-end');
      if (scan.chain !== successor.previous) {
        this.#verdict = corrupt(
          'chain-broken',
          successor.segment,
          0,
          `segment ${successor.segment} does not continue record ${scan.nextSequence - 1} of segment ${header.segment}`,
        );
      }
      this.#position += 1;
      return scan;
    }
    const { reason, claims } = scan.end;
    if (claims.count > 0) this.#leftovers = true;
    if (claims.durableMax >= scan.nextSequence) {
      this.#evidence = {
        where: 'same-segment',
        detail: `the record at ${claims.offset} says that ${claims.durableMax} was durable`,
      };
    }
    this.#stopAt({ position, segment: header.segment, offset: scan.endOffset, reason });
    return scan;
  }

  #stopAt(at: Omit<Stop, 'sequence' | 'chain'>): void {
    this.#stop = { ...at, sequence: this.#sequence, chain: this.#chain };
    const later = this.#line.slice(at.position + 1);
    for (const header of later) {
      if (header.durable >= this.#sequence && this.#evidence === null) {
        this.#evidence = {
          where: 'later-segment',
          detail: `the header of segment ${header.segment} says that ${header.durable} was durable`,
        };
      }
    }
    // Once decided, nothing is gained from reading on.
    if (this.#evidence !== null || foundBy(at.reason) === 'impossible') return;
    const after = at.position < 0 ? -1 : at.segment;
    this.#toSearch = this.#segments.filter(
      ({ segment, header }) =>
        segment > after && (header.kind !== 'valid' || later.some((each) => each.segment === segment)),
    );
  }

  #search(bytes: Uint8Array): void {
    const { segment, header } = this.#toSearch.shift()!;
    const stop = this.#stop!;
    // Without a header there is no nonce to go by, and none is needed: what an older segment of this log says was durable,
    // was, and is still there. Only what lies behind the missing record can name it.
    const nonce = header.kind === 'valid' ? header.header.nonceLow : null;
    const claims = findClaims(bytes, SEGMENT_HEADER_BYTES, nonce, this.#crc32c);
    if (header.kind === 'damaged' || (header.kind === 'blank' && claims.count > 0)) this.#leftovers = true;
    if (claims.durableMax < stop.sequence) return;
    this.#evidence = {
      where: 'later-segment',
      detail: `the record at ${claims.offset} of segment ${segment} says that ${claims.durableMax} was durable`,
    };
    this.#toSearch = [];
  }

  #judge(stop: Stop): LogVerdict {
    const successor = this.#line[stop.position + 1];
    const facts: EndFacts = {
      found: foundBy(stop.reason),
      claimed: this.#evidence?.where ?? 'nowhere',
      leftovers: this.#leftovers,
      successor:
        successor === undefined
          ? 'none'
          : this.#isGapBetween(stop.segment, successor.segment)
            ? 'after-gap'
            : 'next-number',
    };
    const { name, ruling } = judgeEnd(facts);
    if (ruling === 'corrupt') return this.#blame(name, stop, successor);
    const used = new Set(this.#uses.map(({ segment }) => segment));
    return {
      kind: ruling,
      rule: name,
      nextSequence: stop.sequence,
      chain: stop.chain,
      nextSegment: (this.#segments.at(-1)?.segment ?? 0) + 1,
      line: this.#uses,
      unused: this.#segments.map(({ segment }) => segment).filter((segment) => !used.has(segment)),
      discarded: ruling === 'torn' ? { segment: stop.segment, offset: stop.offset } : null,
    };
  }

  #isGapBetween(segment: number, later: number): boolean {
    const between = this.#segments.filter((each) => each.segment > segment && each.segment < later).length;
    return between < later - segment - 1;
  }

  /** Names the place that is damaged, as well as it can be known. */
  #blame(rule: RuleName, stop: Stop, successor: SegmentHeader | undefined): CorruptVerdict {
    const what = `record ${stop.sequence} is missing (${stop.reason})`;
    if (rule === 'impossible-record') {
      return corrupt('record-impossible', stop.segment, stop.offset, `${what}: no crash leaves this`);
    }
    if (rule === 'segment-lost') {
      const detail = `${what} and segment ${successor?.segment} begins with ${successor?.firstSequence}`;
      return corrupt('segment-lost', stop.segment, stop.offset, detail);
    }
    const detail = `${what}, but ${this.#evidence?.detail}`;
    const end = successor?.segment ?? Number.POSITIVE_INFINITY;
    const headless = this.#segments.find(
      ({ segment, header }) =>
        header.kind !== 'valid' && segment < end && (segment > stop.segment || stop.position < 0),
    );
    // Where nothing was ever written at the place itself, the record was in the segment that cannot be read.
    if (
      foundBy(stop.reason) === 'nothing' &&
      headless !== undefined &&
      this.#evidence?.where !== 'same-segment'
    ) {
      return corrupt('segment-header-damaged', headless.segment, 0, detail);
    }
    return corrupt('record-damaged', stop.segment, stop.offset, detail);
  }
}

/** The headers that are not voided by a later one. */
function findLine(segments: readonly FoundSegment[]): SegmentHeader[] {
  const line: SegmentHeader[] = [];
  let bound = Number.POSITIVE_INFINITY;
  for (const { header: reading } of segments.toReversed()) {
    if (reading.kind !== 'valid' || reading.header.firstSequence >= bound) continue;
    line.push(reading.header);
    bound = reading.header.firstSequence;
  }
  return line.reverse();
}

/** A header that is intact and yet cannot be part of this log, or null. */
function headerFault(
  segments: readonly FoundSegment[],
  identity: LogIdentity | undefined,
): CorruptVerdict | null {
  let expected: LogIdentity = identity ?? {};
  for (const { segment, header: reading } of segments) {
    if (reading.kind === 'unsupported') {
      return corrupt('segment-unsupported', segment, 0, `format version ${reading.version}`);
    }
    if (reading.kind === 'malformed') {
      return corrupt('segment-header-impossible', segment, 0, `field ${reading.field}`);
    }
    if (reading.kind !== 'valid') continue;
    const { header } = reading;
    const foreign = identityDifference(header, expected);
    if (foreign !== null) return corrupt('segment-foreign', segment, 0, foreign);
    if (header.segment !== segment) {
      return corrupt('segment-misplaced', segment, 0, `this is segment ${header.segment}`);
    }
    if (header.firstSequence === 1 && header.previous !== 0) {
      return corrupt('segment-header-impossible', segment, 0, 'field previous');
    }
    // What the caller does not know, the first segment says for all.
    const { cluster, replica, diskIncarnation } = header;
    expected = { cluster, replica, diskIncarnation, ...expected };
  }
  return null;
}

function identityDifference(header: SegmentHeader, expected: LogIdentity): string | null {
  if (expected.cluster !== undefined && expected.cluster !== header.cluster) {
    return `cluster '${header.cluster}' instead of '${expected.cluster}'`;
  }
  if (expected.replica !== undefined && expected.replica !== header.replica) {
    return `replica '${header.replica}' instead of '${expected.replica}'`;
  }
  const incarnation = expected.diskIncarnation;
  if (incarnation?.some((byte, index) => byte !== header.diskIncarnation[index])) {
    return 'another disk incarnation';
  }
  return null;
}
