/** Opening a log: reads its segments, has them judged, and gathers the state that the protocol goes on from. */

import type { Crc32c } from '../checksum.js';
import { ContractViolation, invariant } from '../contracts.js';
import { SynodError } from '../errors.js';
import { SEGMENT_HEADER_BYTES } from '../log/format.js';
import { LogIndex, makeLogEntry } from '../log/log-index.js';
import { LogState } from '../log/log-state.js';
import { type FoundSegment, LogRecovery, type LogVerdict } from '../log/recovery.js';
import { readSegmentHeader } from '../log/segment.js';
import { type SegmentRange, UnprovenTail } from '../log/unproven-tail.js';
import { type Ballot, noBallot } from '../protocol/ballot.js';
import type { Configuration } from '../protocol/configuration.js';
import type { Acceptance, DecreeReference, Slot } from '../protocol/decree.js';
import { DecreeKind } from '../protocol/decree.js';
import type { RecoveredState } from '../protocol/replica.js';
import type { LogMedium, SegmentSummary } from '../storage/log-medium.js';
import { storageError } from '../storage/storage-error.js';
import { decodeConfiguration, decodeMemberList, type ListedMember } from '../wire/configuration-codec.js';
import type { ProtocolVersions } from '../wire/frame.js';
import { HeapPlace } from './places.js';
import { tooNew, tooOld, versionsOf } from './versions.js';

/** The state that the application has restored, and that the log goes on from. */
export interface RestoredCheckpoint {
  readonly slot: Slot;
  /** The member set in force behind the slot, and the first one. */
  readonly configuration: Configuration;
  readonly firstConfiguration: Configuration;
  /** The ballot that its maker had promised. */
  readonly promised: Ballot;
}

export interface RecoveredLog {
  readonly state: LogState;
  readonly verdict: Exclude<LogVerdict, { kind: 'corrupt' }>;
  /** Null where the disk is new. */
  readonly diskIncarnation: Uint8Array | null;
  readonly genesis: Configuration | null;
  /** Who the first configuration is to have, where that was told to this disk and there is none yet. */
  readonly list: readonly ListedMember[] | null;
  readonly protocol: RecoveredState;
  /** What was restored before the log was opened; null where the log has everything. */
  readonly checkpoint: RestoredCheckpoint | null;
  readonly bytesRead: number;
}

type Done = (error: SynodError | null, recovered?: RecoveredLog) => void;

/** Whose log it must be, and what is restored already. */
export interface LogOwner {
  readonly cluster: string;
  readonly replica: string;
  readonly checkpoint?: RestoredCheckpoint | null;
  /** Of the protocol, that this build speaks. */
  readonly versions?: ProtocolVersions;
}

/** `segments` is what `medium.start` yielded. */
export function recoverLog(
  medium: LogMedium,
  segments: readonly SegmentSummary[],
  whose: LogOwner,
  crc32c: Crc32c,
  done: Done,
): void {
  new Recovering(medium, segments, whose, crc32c, done).begin();
}

class Recovering {
  readonly #medium: LogMedium;
  readonly #segments: readonly SegmentSummary[];
  readonly #identity: { cluster: string; replica: string };
  readonly #checkpoint: RestoredCheckpoint | null;
  readonly #versions: ProtocolVersions;
  readonly #crc32c: Crc32c;
  readonly #done: Done;
  #isDone = false;
  readonly #found: FoundSegment[] = [];
  readonly #state: LogState;
  readonly #tail = new UnprovenTail();
  #buffer = new Uint8Array(0);
  #bytesRead = 0;

  constructor(
    medium: LogMedium,
    segments: readonly SegmentSummary[],
    { cluster, replica, checkpoint = null, ...build }: LogOwner,
    crc32c: Crc32c,
    done: Done,
  ) {
    this.#medium = medium;
    this.#segments = segments;
    this.#identity = { cluster, replica };
    this.#checkpoint = checkpoint;
    this.#versions = versionsOf(build);
    // What the checkpoint holds is not looked up in the log again.
    const index = new LogIndex();
    if (checkpoint !== null) index.dropBelow(checkpoint.slot + 1);
    this.#state = new LogState(index);
    this.#crc32c = crc32c;
    this.#done = (error, recovered) => {
      this.#isDone = true;
      done(error, recovered);
    };
  }

  begin(): void {
    this.#guard(() => this.#readHeaders(0));
  }

  #readHeaders(index: number): void {
    const summary = this.#segments[index];
    if (summary === undefined) {
      this.#examine();
      return;
    }
    const page = new Uint8Array(SEGMENT_HEADER_BYTES);
    this.#read(summary.segment, 0, page, (count) => {
      const header = readSegmentHeader(page.subarray(0, count), this.#crc32c);
      this.#found.push({ segment: summary.segment, header });
      this.#readHeaders(index + 1);
    });
  }

  #examine(): void {
    const recovery = new LogRecovery({
      segments: this.#found,
      // Only what a checkpoint holds is ever dropped.
      beginning: this.#checkpoint === null ? 'whole' : 'suffix',
      identity: this.#identity,
      crc32c: this.#crc32c,
    });
    const next = (): void => {
      const segment = recovery.next();
      if (segment === null) {
        const verdict = recovery.verdict();
        this.#judge(verdict.kind === 'corrupt' ? verdict : (this.#state.fault ?? verdict));
        return;
      }
      const summary = this.#segments.find((one) => one.segment === segment);
      invariant(summary !== undefined, 'recovery-asks-for-what-exists');
      if (!this.#hasRoomFor(summary)) return;
      const target = this.#buffer.subarray(0, summary.bytes);
      this.#read(segment, 0, target, (count) => {
        this.#bytesRead += count;
        const scan = recovery.examine(target.subarray(0, count));
        if (scan !== null) {
          this.#state.fold(scan);
          this.#tail.fold(scan);
        }
        next();
      });
    };
    next();
  }

  /** Thrown in a callback of the medium, memory that cannot be had would end the process. This way the log is not opened. */
  #hasRoomFor({ segment, bytes }: SegmentSummary): boolean {
    if (this.#buffer.length >= bytes) return true;
    try {
      this.#buffer = new Uint8Array(bytes);
      return true;
    } catch (noMemory) {
      this.#done(
        storageError(noMemory, `log segment ${segment} of ${bytes} bytes cannot be read`, String(segment)),
      );
      return false;
    }
  }

  #judge(verdict: LogVerdict): void {
    if (verdict.kind === 'corrupt') {
      const { segment, offset, reason, detail } = verdict;
      const foreign = reason === 'segment-foreign';
      this.#done(
        new SynodError(
          foreign ? 'ERR_SYNOD_DATA_DIRECTORY' : 'ERR_SYNOD_LOG_CORRUPT',
          `log segment ${segment}, byte ${offset}: ${reason}: ${detail}`,
          { path: String(segment), offset },
        ),
      );
      return;
    }
    this.#buffer = new Uint8Array(0);
    this.#harden(this.#tail.ranges(), 0, () => this.#readGenesis(verdict));
  }

  /** The next segment's header says that all before it is durable, and the protocol acts on it: here that is made true. */
  #harden(ranges: readonly SegmentRange[], index: number, then: () => void): void {
    const range = ranges[index];
    if (range === undefined) {
      then();
      return;
    }
    this.#medium.harden(range.segment, range.from, range.to, (error) => {
      if (error !== null) this.#done(error);
      else this.#guard(() => this.#harden(ranges, index + 1, then));
    });
  }

  #readGenesis(verdict: RecoveredLog['verdict']): void {
    const { index } = this.#state;
    // Before anything goes through the slots up to there.
    const hole = index.nextHole(this.#checkpointSlot + 1, this.#chosen);
    if (hole <= this.#chosen) {
      // The checkpoint that held it is gone or damaged, and the log behind an older one was dropped; or the log contradicts itself.
      this.#fail(0, 0, `slot ${hole} is chosen, but has no decree in the log or a checkpoint`);
      return;
    }
    const { genesis } = this.#state;
    if (this.#checkpoint !== null) {
      const { firstConfiguration, configuration } = this.#checkpoint;
      this.#readCurrent(verdict, firstConfiguration, configuration);
    } else if (genesis === null) {
      this.#readList(verdict);
    } else {
      this.#readConfiguration(genesis.segment, genesis.offset, genesis.bytes, (first) =>
        this.#readCurrent(verdict, first, first),
      );
    }
  }

  #readList(verdict: RecoveredLog['verdict']): void {
    const { list: at } = this.#state;
    if (at === null) {
      this.#finish(verdict, null, null, new Map());
      return;
    }
    const target = new Uint8Array(at.bytes);
    this.#read(at.segment, at.offset, target, (count) => {
      const list = count === at.bytes ? decodeMemberList(target) : null;
      if (list === null) this.#fail(at.segment, at.offset, 'no list of members');
      else this.#finish(verdict, null, null, new Map(), list);
    });
  }

  /** The newest configuration that is chosen is in force. */
  #readCurrent(verdict: RecoveredLog['verdict'], first: Configuration, last: Configuration): void {
    const { index } = this.#state;
    const entry = makeLogEntry();
    let slot = this.#chosen;
    while (
      slot > this.#checkpointSlot &&
      !(index.get(slot, entry) && entry.decreeKind === DecreeKind.configuration)
    )
      slot -= 1;
    if (slot === this.#checkpointSlot) {
      this.#readOpen(verdict, first, last);
      return;
    }
    this.#readConfiguration(entry.segment, entry.payloadOffset, entry.payloadBytes, (current) =>
      this.#readOpen(verdict, first, current),
    );
  }

  get #checkpointSlot(): Slot {
    return this.#checkpoint?.slot ?? 0;
  }

  /** A checkpoint may reach further than the log: it may have been copied from a peer. */
  get #chosen(): Slot {
    return Math.max(this.#state.chosenThrough, this.#checkpointSlot);
  }

  #readConfiguration(
    segment: number,
    offset: number,
    bytes: number,
    then: (configuration: Configuration) => void,
  ): void {
    const target = new Uint8Array(bytes);
    this.#read(segment, offset, target, (count) => {
      const configuration = count === bytes ? decodeConfiguration(target) : null;
      if (configuration === null) {
        return this.#fail(segment, offset, 'no configuration');
      }
      then(configuration);
    });
  }

  /** What may be proposed again must be in memory: everything above what is known chosen. */
  #readOpen(verdict: RecoveredLog['verdict'], genesis: Configuration, configuration: Configuration): void {
    const { index } = this.#state;
    const accepted = new Map<number, Acceptance>();
    const next = (slot: number): void => {
      const entry = makeLogEntry();
      const at = index.nextSlot(slot);
      if (!index.get(at, entry)) {
        this.#finish(verdict, genesis, configuration, accepted);
        return;
      }
      const bytes = new Uint8Array(entry.payloadBytes);
      this.#read(entry.segment, entry.payloadOffset, bytes, (count) => {
        const isConfiguration = entry.decreeKind === DecreeKind.configuration;
        const configuration = isConfiguration ? decodeConfiguration(bytes) : null;
        if (count !== bytes.length || (isConfiguration && configuration === null))
          return this.#fail(entry.segment, entry.payloadOffset, 'no decree');
        const decree: DecreeReference = {
          kind: entry.decreeKind as DecreeKind,
          bytes: entry.payloadBytes,
          checksum: entry.payloadChecksum,
          commands: entry.commandCount,
          configuration,
          source: new HeapPlace([bytes]),
        };
        accepted.set(at, { ballot: entry.ballot, decree });
        next(at + 1);
      });
    };
    next(this.#chosen + 1);
  }

  #read(segment: number, offset: number, target: Uint8Array, then: (count: number) => void): void {
    this.#medium.read(segment, offset, target, (error, count) => {
      if (error !== null) this.#done(error);
      else this.#guard(() => then(count!));
    });
  }

  /** A contract that breaks in a callback of the medium would end the process. This way the log is not opened. */
  #guard(call: () => void): void {
    try {
      call();
    } catch (error) {
      if (this.#isDone || !(error instanceof ContractViolation)) throw error;
      this.#done(
        new SynodError('ERR_SYNOD_CONTRACT', `opening the log: ${error.message}`, {
          cause: error,
        }),
      );
    }
  }

  #finish(
    verdict: RecoveredLog['verdict'],
    genesis: Configuration | null,
    configuration: Configuration | null,
    accepted: Map<number, Acceptance>,
    list: readonly ListedMember[] | null = null,
  ): void {
    const unspoken = this.#judgeVersions(configuration, accepted);
    if (unspoken !== null) {
      this.#done(unspoken);
      return;
    }
    // A checkpoint from a peer may be here while no record tells of it: its configuration is in force all the same (rule 7).
    const promised = Math.max(this.#state.promised, this.#checkpoint?.promised ?? noBallot);
    const header = this.#found.find((one) => one.header.kind === 'valid')?.header;
    this.#done(null, {
      state: this.#state,
      verdict,
      diskIncarnation: header?.kind === 'valid' ? header.header.diskIncarnation : null,
      genesis,
      list,
      protocol: { promised, chosen: this.#chosen, accepted, configuration },
      checkpoint: this.#checkpoint,
      bytesRead: this.#bytesRead,
    });
  }

  /** Why this build must not go on from there (rule 11), or null. */
  #judgeVersions(
    configuration: Configuration | null,
    accepted: ReadonlyMap<number, Acceptance>,
  ): SynodError | null {
    // Versions only rise: none before these is higher.
    for (const known of [
      configuration,
      ...[...accepted.values()].map(({ decree }) => decree.configuration),
    ]) {
      const error = known === null ? null : tooNew(known, this.#versions);
      if (error !== null) return error;
    }
    return configuration === null ? null : tooOld(configuration, this.#versions);
  }

  /** The records are intact, but are not what an acceptor writes. */
  #fail(segment: number, offset: number, what: string): void {
    this.#done(
      new SynodError('ERR_SYNOD_LOG_CORRUPT', `log segment ${segment}, byte ${offset}: ${what}`, {
        path: String(segment),
        offset,
      }),
    );
  }
}
