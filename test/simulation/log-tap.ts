/**
 * Reads back what is written to a disk, record by record, and knows which of it is durable. What a process finds when it
 * opens the disk is held against that.
 */

import { crc32c } from '../../src/checksum.js';
import { RecordKind, SEGMENT_HEADER_BYTES } from '../../src/log/format.js';
import { byteView, makeRecordHeader, readRecordHeader, recordSpan } from '../../src/log/record.js';
import type { Configuration } from '../../src/protocol/configuration.js';
import { DecreeKind } from '../../src/protocol/decree.js';
import { decodeConfiguration } from '../../src/wire/configuration-codec.js';
import type { Disk } from './disk.js';
import { type SeenRecord, type Value, Violation } from './observation.js';

/** One record, at its sequence number less 1. */
interface TrackedRecord {
  readonly checksum: number;
  /** Null for padding. */
  readonly seen: SeenRecord | null;
  readonly segment: number;
  readonly offset: number;
  readonly bytes: number;
  /** Sequence up to which it says that the log is durable. */
  readonly durable: number;
  readonly chosen: number;
}

export interface LogTapHandler {
  onWritten(record: SeenRecord): void;
  onDurable(record: SeenRecord): void;
}

export type RecoveryJudgement = 'complete' | 'lost-unclaimed';

const kinds: Record<RecordKind, SeenRecord['kind'] | null> = {
  [RecordKind.accept]: 'accept',
  [RecordKind.promise]: 'promise',
  [RecordKind.mark]: 'mark',
  [RecordKind.learn]: 'learn',
  [RecordKind.start]: 'start',
  [RecordKind.genesis]: 'configuration',
  [RecordKind.pad]: null,
  [RecordKind.jump]: 'jump',
  [RecordKind.list]: 'list',
};

export function valueText(kind: number, bytes: number, checksum: number): Value {
  return `${kind}:${bytes}:${checksum}`;
}

export class LogTap {
  /** Records told as durable. */
  durableTold = 0;
  genesis: Configuration | null = null;
  hasGenesisDurable = false;
  /** The highest slot that durable records say is chosen. */
  chosenDurable = 0;

  readonly #disk: Disk;
  readonly #handler: LogTapHandler;
  readonly #records: TrackedRecord[] = [];
  /** So many records are durable. */
  #durable = 0;
  /** The number of records at the end of each write that is not durable yet. */
  #writes: number[] = [];
  readonly #header = makeRecordHeader();
  /** The newest value of each slot. */
  readonly #values: Map<number, SeenRecord> = new Map();

  constructor(disk: Disk, handler: LogTapHandler) {
    this.#disk = disk;
    this.#handler = handler;
  }

  /** The newest record of the slot that was written. */
  valueAt(slot: number): SeenRecord | undefined {
    return this.#values.get(slot);
  }

  get durableRecords(): number {
    return this.#durable;
  }

  onWrite(segment: number, memory: Uint8Array, from: number, to: number): void {
    this.#read(segment, memory, from === 0 ? SEGMENT_HEADER_BYTES : from, to);
    this.#writes.push(this.#records.length);
  }

  onDurable(writes: number): void {
    const count = this.#writes[writes - 1]!;
    this.#writes.splice(0, writes);
    this.#harden(count);
  }

  /** The process is gone. */
  onEnded(): void {
    this.#writes = [];
  }

  /**
   * A process found records up to sequence `last`, whose header's checksum is `chain`. Nothing that was durable may be
   * missing, unless nothing is left that says it was.
   */
  onOpened(last: number, chain: number): RecoveryJudgement {
    if (last > this.#records.length) this.#readOn(last);
    const found = this.#records[last - 1];
    if (last > 0 && found?.checksum !== chain)
      throw new Violation('recovered-what-was-written', `record ${last} of ${this.#disk.name}`);
    if (last < this.#durable) {
      const claimed = this.#claimedOnDisk();
      if (claimed > last)
        throw new Violation(
          'damage-is-detected',
          `${this.#disk.name}: ${last} records found, ${this.#durable} were durable, ${claimed} said to be`,
        );
      return 'lost-unclaimed';
    }
    if (this.#records.length > last) this.#forget(last);
    this.#harden(last);
    return 'complete';
  }

  /** The highest slot that the segment has a decree for; 0 where it has none. */
  lastSlotIn(segment: number): number {
    let last = 0;
    for (const record of this.#records)
      if (record.segment === segment && record.seen !== null) last = Math.max(last, record.seen.slot);
    return last;
  }

  /** A byte of the records that something intact says were durable, as [segment, offset]; null where there is none. */
  pickClaimed(draw: (count: number) => number): readonly [number, number] | null {
    const claimed = Math.min(this.#claimed, this.#durable);
    // Damage to the claim itself would hide the rest.
    if (claimed < 1) return null;
    // Those of segments that were dropped are not there to be damaged.
    const there = this.#records.slice(0, claimed).filter((record) => this.#disk.segments.has(record.segment));
    if (there.length === 0) return null;
    const { segment, offset, bytes } = there[draw(there.length)]!;
    return [segment, offset + draw(bytes)];
  }

  /** What it knows is true of the disk as it was when `count` records were durable. */
  setBack(count: number): void {
    this.#durable = count;
    this.#forget(count);
    this.#writes = [];
    this.durableTold = this.#records.filter(({ seen }) => seen !== null).length;
    this.chosenDurable = this.#records.reduce((chosen, record) => Math.max(chosen, record.chosen), 0);
  }

  /** Records behind `last` are not there any more. */
  #forget(last: number): void {
    this.#records.length = last;
    this.#values.clear();
    this.genesis = null;
    for (const { seen } of this.#records) {
      if (seen === null) continue;
      if (seen.slot > 0) this.#values.set(seen.slot, seen);
      else if (seen.kind === 'configuration') this.genesis = seen.configuration;
    }
    if (this.genesis === null) this.hasGenesisDurable = false;
  }

  /** The last durable record that is not alone in saying so: up to it the log's end cannot be taken for a torn write. */
  get #claimed(): number {
    let claimed = 0;
    for (let index = this.#durable - 1; index >= 0 && index >= this.#durable - 64; index -= 1)
      claimed = Math.max(claimed, this.#records[index]!.durable);
    return claimed;
  }

  /** The same, by what is still where it was written. */
  #claimedOnDisk(): number {
    let claimed = 0;
    for (const { segment, offset, checksum, durable } of this.#records) {
      const bytes = this.#disk.segments.get(segment);
      if (bytes === undefined || durable <= claimed) continue;
      const reading = readRecordHeader(byteView(bytes), offset, this.#header, crc32c);
      if (reading === 'valid' && this.#header.headerChecksum === checksum) claimed = durable;
    }
    return claimed;
  }

  #harden(count: number): void {
    for (; this.#durable < count; this.#durable += 1) {
      const { seen, chosen } = this.#records[this.#durable]!;
      if (chosen > this.chosenDurable) this.chosenDurable = chosen;
      if (seen === null) continue;
      if (seen.kind === 'configuration') this.hasGenesisDurable = true;
      if (seen.kind === 'learn' && seen.slot > this.chosenDurable) this.chosenDurable = seen.slot;
      this.durableTold += 1;
      this.#handler.onDurable(seen);
    }
  }

  #read(segment: number, bytes: Uint8Array, from: number, to: number): void {
    const source = byteView(bytes);
    const header = this.#header;
    let at = from;
    while (at < to) {
      const reading = readRecordHeader(source, at, header, crc32c);
      if (reading !== 'valid' || header.sequence !== this.#records.length + 1)
        throw new Violation('written-records-are-whole', `${reading} at ${at} of segment ${segment}`);
      this.#add(segment, at, bytes);
      at += recordSpan(header.payloadBytes);
    }
  }

  #add(segment: number, offset: number, bytes: Uint8Array): void {
    const { kind, payloadBytes, payloadChecksum, decreeKind, ballot, slot, chosen, durable } = this.#header;
    const seenKind = kinds[kind];
    let seen: SeenRecord | null = null;
    if (seenKind !== null) {
      const isDecree = kind === RecordKind.accept || kind === RecordKind.learn;
      const isConfiguration =
        kind === RecordKind.genesis || (isDecree && decreeKind === DecreeKind.configuration);
      seen = {
        kind: seenKind,
        ballot,
        slot: isDecree ? slot : 0,
        value: isDecree ? valueText(decreeKind, payloadBytes, payloadChecksum) : '',
        configuration: isConfiguration
          ? decodeConfiguration(bytes.slice(offset + 80, offset + 80 + payloadBytes))
          : null,
      };
      if (kind === RecordKind.genesis) this.genesis = seen.configuration;
      if (isDecree) this.#values.set(slot, seen);
      this.#handler.onWritten(seen);
    }
    this.#records.push({
      checksum: this.#header.headerChecksum,
      seen,
      segment,
      offset,
      bytes: kind === RecordKind.pad ? 80 : 80 + payloadBytes,
      durable,
      chosen,
    });
  }

  /** Persistent memory also keeps what nobody had asked it to keep yet. */
  #readOn(last: number): void {
    const newest = this.#records.at(-1);
    const segments = [...this.#disk.segments.keys()].sort((a, b) => a - b);
    for (const segment of segments) {
      if (newest !== undefined && segment < newest.segment) continue;
      const bytes = this.#disk.segments.get(segment)!;
      const source = byteView(bytes);
      let at =
        newest !== undefined && segment === newest.segment
          ? newest.offset + recordSpan(this.#spanBytes(source, newest.offset))
          : SEGMENT_HEADER_BYTES;
      while (
        this.#records.length < last &&
        readRecordHeader(source, at, this.#header, crc32c) === 'valid' &&
        this.#header.sequence === this.#records.length + 1
      ) {
        this.#add(segment, at, bytes);
        at += recordSpan(this.#header.payloadBytes);
      }
    }
  }

  #spanBytes(source: ReturnType<typeof byteView>, offset: number): number {
    const header = makeRecordHeader();
    return readRecordHeader(source, offset, header, crc32c) === 'valid' ? header.payloadBytes : 0;
  }
}
