/** What was written to a log, what of it was acknowledged, and whether a recovered log is a state that this allows. */

import type { RecoveredLog, RestoredCheckpoint } from '../../src/engine/recover.js';
import { RecordKind } from '../../src/log/format.js';
import { makeLogEntry } from '../../src/log/log-index.js';
import type { PayloadLocation } from '../../src/log/log-state.js';

export interface Entry {
  readonly kind: RecordKind;
  readonly ballot: number;
  readonly slot: number;
  readonly payload: Uint8Array;
  readonly sequence: number;
}

const noBytes = new Uint8Array(0);

function isAt(
  found: Pick<PayloadLocation, 'segment' | 'offset' | 'bytes'> | null,
  payload: Uint8Array,
  segments: ReadonlyMap<number, Uint8Array>,
): boolean {
  if (found === null) return false;
  const source = segments.get(found.segment) ?? noBytes;
  return Buffer.compare(source.subarray(found.offset, found.offset + found.bytes), payload) === 0;
}

export class History {
  /** Everything that was laid out, in order; pads left out. */
  entries: Entry[] = [];
  /** Sequence of the last record that somebody was told of. */
  acknowledged = 0;
  /** What the writer knew: headers may say as much. */
  promisedMax = 0;
  chosenMax = 0;
  startMax = 0;
  nextSlot = 1;
  /** The newest that is durable beside the log. */
  checkpoint: RestoredCheckpoint | null = null;
  ballot = 65_537;

  fork(): History {
    const copy = Object.assign(new History(), this);
    copy.entries = [...this.entries];
    return copy;
  }

  /** The highest slot up to which everything was accepted, or learned, and acknowledged. */
  get chosenNow(): number {
    let chosen = 0;
    for (const { kind, slot, sequence } of this.entries) {
      if (sequence > this.acknowledged) break;
      if (kind === RecordKind.accept || kind === RecordKind.learn) chosen = Math.max(chosen, slot);
    }
    return chosen;
  }

  /** A process goes on from what it has found: whatever is not there was never written. */
  reopen(recovered: RecoveredLog): void {
    const { nextSequence } = recovered.verdict;
    this.entries = this.entries.filter(({ sequence }) => sequence < nextSequence);
    this.acknowledged = nextSequence - 1;
    this.promisedMax = recovered.protocol.promised;
    this.chosenMax = recovered.protocol.chosen;
    this.startMax = recovered.state.startNumber;
    this.nextSlot = Math.max(this.chosenMax, recovered.state.index.lastSlot) + 1;
  }

  /** Null, or in words what is wrong with it. `segments` is what it was recovered from. */
  check(recovered: RecoveredLog, segments: ReadonlyMap<number, Uint8Array>): string | null {
    const { state, verdict } = recovered;
    const through = verdict.nextSequence - 1;
    if (through < this.acknowledged) {
      return `lost: record ${this.acknowledged} was acknowledged, and the log ends with ${through} (${verdict.kind}, ${verdict.rule})`;
    }
    const slots = new Map<number, Entry>();
    let promised = 0;
    let startNumber = 0;
    let learned = 0;
    // What the checkpoint holds is not looked up in the log.
    let floor = this.checkpoint?.slot ?? 0;
    let jumped = 0;
    let list: Uint8Array | null = null;
    for (const entry of this.entries) {
      if (entry.sequence > through) break;
      const { kind, slot, ballot, payload } = entry;
      if (kind === RecordKind.promise || kind === RecordKind.accept) promised = Math.max(promised, ballot);
      if (kind === RecordKind.start) startNumber = Math.max(startNumber, slot);
      if (kind === RecordKind.learn) learned = Math.max(learned, slot);
      if (kind === RecordKind.list) list = payload;
      if (kind === RecordKind.jump) {
        jumped = Math.max(jumped, slot);
        floor = Math.max(floor, slot);
        for (const below of slots.keys()) if (below <= floor) slots.delete(below);
      }
      if (slot <= floor) continue;
      if (kind === RecordKind.accept) {
        const before = slots.get(slot);
        if (before?.kind !== RecordKind.learn || ballot >= before.ballot) slots.set(slot, entry);
      } else if (kind === RecordKind.learn) slots.set(slot, entry);
    }
    if (state.promised < promised) return `lost: ballot ${promised} was promised, ${state.promised} is left`;
    if (state.promised > this.promisedMax) return `invented: a promise of ballot ${state.promised}`;
    if (state.startNumber < startNumber) return `lost: start ${startNumber}`;
    if (state.startNumber > this.startMax) return `invented: start ${state.startNumber}`;
    if (state.chosenThrough < jumped) return `lost: the jump to slot ${jumped}`;
    if (list !== null && !isAt(state.list, list, segments)) return 'lost: the list of the first members';
    if (list === null && state.list !== null) return 'invented: a list of the first members';
    if (state.chosenThrough > Math.max(this.chosenMax, learned))
      return `invented: chosen ${state.chosenThrough}`;
    if (state.index.size !== slots.size)
      return `${slots.size} slots were written, ${state.index.size} are there`;
    const found = makeLogEntry();
    for (const [slot, { kind, ballot, payload }] of slots) {
      if (!state.index.get(slot, found)) return `lost: slot ${slot}`;
      if (found.kind !== kind || found.ballot !== ballot) return `changed: slot ${slot}, kind or ballot`;
      const { segment, payloadOffset: offset, payloadBytes: bytes } = found;
      if (!isAt({ segment, offset, bytes }, payload, segments)) return `changed: the decree of slot ${slot}`;
    }
    return null;
  }
}
