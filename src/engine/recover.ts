/** Opening a log: reads its segments, has them judged, and gathers the state that the protocol goes on from. */

import type { Crc32c } from '../checksum.js';
import { ContractViolation, invariant } from '../contracts.js';
import { SynodError } from '../errors.js';
import { SEGMENT_HEADER_BYTES } from '../log/format.js';
import { makeLogEntry } from '../log/log-index.js';
import { LogState } from '../log/log-state.js';
import { type FoundSegment, LogRecovery, type LogVerdict } from '../log/recovery.js';
import { readSegmentHeader } from '../log/segment.js';
import type { Configuration } from '../protocol/configuration.js';
import type { Acceptance, DecreeReference } from '../protocol/decree.js';
import { DecreeKind } from '../protocol/decree.js';
import type { RecoveredState } from '../protocol/replica.js';
import type { LogMedium, SegmentSummary } from '../storage/log-medium.js';
import { decodeConfiguration } from '../wire/configuration-codec.js';
import { HeapPlace } from './places.js';

export interface RecoveredLog {
  readonly state: LogState;
  readonly verdict: Exclude<LogVerdict, { kind: 'corrupt' }>;
  /** Null where the disk is new. */
  readonly diskIncarnation: Uint8Array | null;
  readonly genesis: Configuration | null;
  readonly protocol: RecoveredState;
  /** Slots of the configuration decrees in the log that are known chosen. */
  readonly bytesRead: number;
}

type Done = (error: SynodError | null, recovered?: RecoveredLog) => void;

/** `segments` is what `medium.start` yielded. */
export function recoverLog(
  medium: LogMedium,
  segments: readonly SegmentSummary[],
  identity: { cluster: string; replica: string },
  crc32c: Crc32c,
  done: Done,
): void {
  new Recovering(medium, segments, identity, crc32c, done).begin();
}

class Recovering {
  readonly #medium: LogMedium;
  readonly #segments: readonly SegmentSummary[];
  readonly #identity: { cluster: string; replica: string };
  readonly #crc32c: Crc32c;
  readonly #done: Done;
  #isDone = false;
  readonly #found: FoundSegment[] = [];
  readonly #state = new LogState();
  #buffer = new Uint8Array(0);
  #bytesRead = 0;

  constructor(
    medium: LogMedium,
    segments: readonly SegmentSummary[],
    identity: { cluster: string; replica: string },
    crc32c: Crc32c,
    done: Done,
  ) {
    this.#medium = medium;
    this.#segments = segments;
    this.#identity = identity;
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
      beginning: 'whole',
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
      if (this.#buffer.length < summary.bytes) this.#buffer = new Uint8Array(summary.bytes);
      const target = this.#buffer.subarray(0, summary.bytes);
      this.#read(segment, 0, target, (count) => {
        this.#bytesRead += count;
        const scan = recovery.examine(target.subarray(0, count));
        if (scan !== null) this.#state.fold(scan);
        next();
      });
    };
    next();
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
    this.#readGenesis(verdict);
  }

  #readGenesis(verdict: RecoveredLog['verdict']): void {
    const { genesis, index, chosenThrough } = this.#state;
    // Before anything goes through the slots up to there.
    const hole = index.nextHole(1, chosenThrough);
    if (hole <= chosenThrough) {
      this.#fail(0, 0, `slot ${hole} is chosen, but has no decree`);
      return;
    }
    if (genesis === null) {
      this.#finish(verdict, null, null, new Map());
      return;
    }
    this.#readConfiguration(genesis.segment, genesis.offset, genesis.bytes, (first) => {
      // The newest configuration that is chosen is in force.
      let slot = chosenThrough;
      const entry = makeLogEntry();
      while (slot > 0 && !(index.get(slot, entry) && entry.decreeKind === DecreeKind.configuration))
        slot -= 1;
      if (slot === 0) this.#readOpen(verdict, first, first);
      else {
        this.#readConfiguration(entry.segment, entry.payloadOffset, entry.payloadBytes, (current) => {
          this.#readOpen(verdict, first, current);
        });
      }
    });
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
    const { index, chosenThrough } = this.#state;
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
    next(chosenThrough + 1);
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
  ): void {
    const { promised, chosenThrough } = this.#state;
    const header = this.#found.find((one) => one.header.kind === 'valid')?.header;
    this.#done(null, {
      state: this.#state,
      verdict,
      diskIncarnation: header?.kind === 'valid' ? header.header.diskIncarnation : null,
      genesis,
      protocol: { promised, chosen: chosenThrough, accepted, configuration },
      bytesRead: this.#bytesRead,
    });
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
