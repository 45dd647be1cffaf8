/**
 * What the records of a log add up to: the state that an acceptor had when it wrote the last of them. Records are folded in
 * log order, segment by segment, as recovery hands them out.
 */

import { ensures, requires } from '../contracts.js';
import { RECORD_HEADER_BYTES, RecordKind } from './format.js';
import { LogIndex } from './log-index.js';
import type { CorruptVerdict } from './recovery.js';
import type { SegmentScan } from './segment-scan.js';
import { SegmentSlots } from './segment-slots.js';

/** Where a payload is. */
export interface PayloadLocation {
  readonly segment: number;
  /** Of the payload, not of the record. */
  readonly offset: number;
  readonly bytes: number;
  readonly checksum: number;
}

/** The recovered state. Its fields are final once every scan was folded and the verdict was not `corrupt`. */
export class LogState {
  /** The newest accepted or learned decree per slot. */
  readonly index: LogIndex;
  /** Which slots keep a segment from being dropped. */
  readonly segmentSlots: SegmentSlots = new SegmentSlots();
  /** The highest ballot promised, by a promise or an acceptance. 0: none. */
  promised = 0;
  /** The highest start number. 0: the replica was never opened. */
  startNumber = 0;
  /** All slots up to this are known chosen. */
  chosenThrough = 0;
  /** Payload of the genesis record, the first configuration; null where it is not in the log (any more). */
  genesis: PayloadLocation | null = null;
  /** Payload of the record of the list that the first configuration is to be drawn up for; null where there is none. */
  list: PayloadLocation | null = null;
  /** The configuration in the newest segment header that has one; empty where none has. */
  configuration: Uint8Array = new Uint8Array(0);
  /** Sequence of the next record. */
  nextSequence = 1;
  /** `previous` of the next record. */
  chain = 0;
  /** The first record that no acceptor writes, intact as it is: nothing that was folded counts then. */
  fault: CorruptVerdict | null = null;
  #segment = -1;

  /** `index` may be one whose floor is set: slots below it are passed over. */
  constructor(index: LogIndex = new LogIndex()) {
    this.index = index;
  }

  /** Adds the records of the next segment. */
  fold(scan: SegmentScan): void {
    const { header, records } = scan;
    if (this.#segment !== -1) {
      requires(header.segment > this.#segment, 'state-folds-segments-in-order');
      requires(header.firstSequence === this.nextSequence, 'state-folds-without-gap');
      requires(header.previous === this.chain, 'state-folds-one-chain');
    }
    this.#segment = header.segment;
    this.segmentSlots.add(header.segment);
    this.promised = Math.max(this.promised, header.promised);
    this.startNumber = Math.max(this.startNumber, header.startNumber);
    this.chosenThrough = Math.max(this.chosenThrough, header.chosen);
    if (header.configuration.length > 0) this.configuration = header.configuration;

    for (let at = 0; at < records.count; at++) {
      const ballot = records.ballots[at]!;
      const slot = records.slots[at]!;
      const chosen = records.chosen[at]!;
      if (chosen > this.chosenThrough) this.chosenThrough = chosen;
      switch (records.kinds[at] as RecordKind) {
        case RecordKind.accept:
          if (ballot > this.promised) this.promised = ballot;
          this.#accept(header.segment, scan, at, slot, ballot);
          break;
        case RecordKind.learn:
          // Learned in order, and only what is chosen: the record says as much as a later `chosen` field would.
          if (slot > this.chosenThrough) this.chosenThrough = slot;
          this.#set(header.segment, scan, at, slot, ballot);
          break;
        case RecordKind.promise:
          if (ballot > this.promised) this.promised = ballot;
          break;
        case RecordKind.start:
          if (slot > this.startNumber) this.startNumber = slot;
          break;
        case RecordKind.genesis:
          this.genesis = payloadOf(scan, at);
          break;
        case RecordKind.list:
          this.list = payloadOf(scan, at);
          break;
        case RecordKind.jump:
          if (slot > this.chosenThrough) this.chosenThrough = slot;
          // What was accepted there and not known chosen may have lost: it must not be taken for what was chosen.
          this.index.dropBelow(slot + 1);
          break;
        default:
          // A mark is its `chosen` field; a pad is nothing.
          break;
      }
    }
    ensures(scan.nextSequence === header.firstSequence + records.count, 'state-folds-every-record');
    this.nextSequence = scan.nextSequence;
    this.chain = scan.chain;
  }

  #accept(segment: number, scan: SegmentScan, at: number, slot: number, ballot: number): void {
    const kind = this.index.kindOf(slot);
    if (kind !== 0) {
      const before = this.index.ballotOf(slot);
      // A learned decree is chosen. An acceptance under a lower ballot came late and may be of another decree.
      if (kind === RecordKind.learn && ballot < before) return;
      if (kind === RecordKind.accept && ballot < before) {
        this.fault ??= {
          kind: 'corrupt',
          reason: 'record-impossible',
          segment,
          offset: scan.records.offsets[at]!,
          detail: `slot ${slot} was accepted under ballot ${ballot} after ${before}`,
        };
        return;
      }
    }
    this.#set(segment, scan, at, slot, ballot);
  }

  #set(segment: number, scan: SegmentScan, at: number, slot: number, ballot: number): void {
    const { records } = scan;
    this.segmentSlots.note(segment, slot);
    this.index.set(
      slot,
      records.kinds[at] as RecordKind,
      records.decreeKinds[at]!,
      ballot,
      segment,
      records.offsets[at]! + RECORD_HEADER_BYTES,
      records.payloadBytes[at]!,
      records.payloadChecksums[at]!,
      records.commandCounts[at]!,
    );
  }
}

function payloadOf({ header, records }: SegmentScan, at: number): PayloadLocation {
  return {
    segment: header.segment,
    offset: records.offsets[at]! + RECORD_HEADER_BYTES,
    bytes: records.payloadBytes[at]!,
    checksum: records.payloadChecksums[at]!,
  };
}
