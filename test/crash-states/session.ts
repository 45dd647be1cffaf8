/**
 * One opening of a log: the real medium, recovery, writer and keeper, as the engine puts them together, over a
 * simulated system.
 */

import type { Crc32c } from '../../src/checksum.js';
import { appendRecord } from '../../src/engine/append-record.js';
import { LogKeeper } from '../../src/engine/log-keeper.js';
import { LogWriter } from '../../src/engine/log-writer.js';
import { HeapPlace } from '../../src/engine/places.js';
import { type RecoveredLog, recoverLog } from '../../src/engine/recover.js';
import { RecordKind } from '../../src/log/format.js';
import { silentLogger } from '../../src/logger.js';
import type { Configuration } from '../../src/protocol/configuration.js';
import { DecreeKind, type DecreeReference } from '../../src/protocol/decree.js';
import type { LogRecord } from '../../src/protocol/effects.js';
import { createFileMedium } from '../../src/storage/file/file-medium.js';
import type { LogMedium, SegmentSummary } from '../../src/storage/log-medium.js';
import { createPmemMedium } from '../../src/storage/pmem/pmem-medium.js';
import { createUringMedium } from '../../src/storage/uring/uring-medium.js';
import { encodeMemberList } from '../../src/wire/configuration-codec.js';
import type { History } from './history.js';
import { cachedImage } from './images.js';
import { identity, segmentsOf } from './recovery.js';
import type { SimulatedSystem } from './simulated-system.js';

export type MediumKind = 'file' | 'uring' | 'pmem';
export const mediumKinds: readonly MediumKind[] = ['file', 'uring', 'pmem'];

/** Where the log lies in the simulated file system. */
export const logPath: readonly string[] = ['data', 'log'];

const members: Configuration = {
  number: 1,
  members: [{ id: 'a', number: 1, incarnation: '07'.repeat(16), address: '127.0.0.1:7101' }],
  nextMember: 2,
};

/** Errors of the writer itself, to see that they are caught. */
export type WriterBreakage = 'unused-removed-early' | 'durability-overstated' | 'checksums-missing';

export interface MediumShape {
  readonly segmentBytes: number;
  readonly blockBytes: number;
  /** A payload that fits into a block with its header, and one that does not. */
  readonly smallBytes: number;
  readonly largeBytes: number;
}

export const shapes: Readonly<Record<MediumKind, MediumShape>> = {
  file: { segmentBytes: 32 * 1024, blockBytes: 4096, smallBytes: 24, largeBytes: 4500 },
  uring: { segmentBytes: 16 * 1024, blockBytes: 512, smallBytes: 24, largeBytes: 700 },
  pmem: { segmentBytes: 16 * 1024, blockBytes: 64, smallBytes: 24, largeBytes: 200 },
};

export interface SessionOptions {
  readonly kind: MediumKind;
  readonly system: SimulatedSystem;
  readonly history: History;
  readonly crc32c: Crc32c;
  readonly breakage: WriterBreakage | null;
  /** Never twice the same. */
  readonly drawNonce: () => readonly [number, number];
  /** Somebody was told that more is durable. */
  readonly onAcknowledged: () => void;
  /** A recovered log that is not what was written. */
  readonly onViolation: (what: string) => void;
}

function openSimulated(kind: MediumKind, system: SimulatedSystem): LogMedium {
  const directory = `/${logPath.join('/')}`;
  const { segmentBytes, blockBytes } = shapes[kind];
  const { fileSystem, ring, memory } = system;
  switch (kind) {
    case 'file':
      return createFileMedium({ directory, segmentBytes, fileSystem });
    case 'uring': {
      const directIo = { direct: true, blockBytes, description: 'simulated' };
      return createUringMedium({
        directory,
        segmentBytes,
        fileSystem,
        writesMax: 2,
        device: { ring, directIo },
      });
    }
    case 'pmem':
      return createPmemMedium({ directory, segmentBytes, fileSystem, memory });
  }
}

export class Session {
  readonly #options: SessionOptions;
  readonly #medium: LogMedium;
  #log: LogWriter | null = null;
  #keeper: LogKeeper | null = null;
  #write = 0;
  /** Sequence of each write, for what is reported durable. */
  readonly #sequences: number[] = [0];
  #startDurable = false;
  #failed = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#medium = openSimulated(options.kind, options.system);
  }

  /** False where the log was refused, or is wrong: told as a violation. */
  get isOpen(): boolean {
    return this.#startDurable && !this.#failed;
  }

  /** The segment that is written to. */
  get segment(): number {
    return this.#log!.segment;
  }

  get tail(): number {
    return this.#log!.tail;
  }

  get roomBytes(): number {
    return this.#log!.segmentBytes - this.#log!.tail;
  }

  /** Recovers the log, begins its next segment and waits until that is durable. */
  open(): void {
    const { system, history, onViolation } = this.#options;
    const { queue } = system;
    let summaries: readonly SegmentSummary[] | null = null;
    this.#medium.start(
      { onPersisted: (ticket) => this.#onPersisted(ticket), onFailure: (error) => this.fail(error.message) },
      (error, segments) => {
        if (error === null) summaries = segments!;
        else this.fail(error.message);
      },
    );
    queue.runAll();
    if (this.#failed) return;
    let recovered: RecoveredLog | null = null;
    const owner = { ...identity, checkpoint: history.checkpoint };
    recoverLog(this.#medium, summaries!, owner, this.#options.crc32c, (error, found) => {
      if (error === null) recovered = found!;
      else this.fail(`refused: ${error.message}`);
    });
    queue.runAll();
    if (recovered === null) return;
    const wrong = history.check(recovered, segmentsOf(cachedImage(system.disk, logPath)));
    if (wrong !== null) {
      this.#failed = true;
      onViolation(wrong);
      return;
    }
    // From here on it may be acted upon.
    history.reopen(recovered);
    this.#options.onAcknowledged();
    this.#begin(recovered);
    while (!this.#startDurable && !this.#failed) {
      if (!queue.runOldest(false) && !queue.runOldest(true)) throw new Error('the log is not opened');
    }
    this.settleBackground();
  }

  /** Making and removing of segments comes to its end. */
  settleBackground(): void {
    while (this.#options.system.queue.runOldest(false));
  }

  /** False where there is no room for it now. */
  accept(bytes: number, slot = this.#options.history.nextSlot): boolean {
    return this.#appendDecree('accept', slot, bytes);
  }

  learn(bytes: number): boolean {
    const { history } = this.#options;
    // Only what follows on what is known chosen is learned.
    return this.#appendDecree('learn', history.chosenMax + 1, bytes);
  }

  promise(): boolean {
    const { history } = this.#options;
    if (!this.#log!.hasRoom(0)) return false;
    history.ballot += 65_536;
    history.promisedMax = Math.max(history.promisedMax, history.ballot);
    this.#append({ kind: 'promise', ballot: history.ballot }, RecordKind.promise, 0, new Uint8Array(0));
    return true;
  }

  /** What is known chosen is told by the next record, or by a mark. */
  choose(): void {
    const { history } = this.#options;
    history.chosenMax = Math.max(history.chosenMax, history.chosenNow);
    this.#log!.chosen = history.chosenMax;
  }

  mark(): boolean {
    if (!this.#log!.hasRoom(0)) return false;
    this.choose();
    this.#note(RecordKind.mark, 0, this.#log!.chosen, new Uint8Array(0), (write) =>
      this.#log!.append(RecordKind.mark, write, 0, this.#log!.chosen, null),
    );
    return true;
  }

  /** A checkpoint of the slots up to one that is `by` beyond what is known chosen was copied: what was accepted there is void. */
  jump(by: number): boolean {
    const { history } = this.#options;
    const log = this.#log!;
    if (!log.hasRoom(0)) return false;
    const slot = history.chosenMax + by;
    // It is durable before the log says that it goes on behind it.
    history.checkpoint = { slot, configuration: members, firstConfiguration: members, promised: 0 };
    history.chosenMax = slot;
    history.nextSlot = Math.max(history.nextSlot, slot + 1);
    this.#append({ kind: 'jump', slot }, RecordKind.jump, slot, new Uint8Array(0));
    log.chosen = slot;
    return true;
  }

  /** The list of members that the first configuration is to be drawn up for. */
  list(hostBytes: number): boolean {
    const log = this.#log!;
    const payload = encodeMemberList([{ id: 'a', address: `${'h'.repeat(hostBytes)}:7101` }]);
    if (!log.hasRoom(payload.length)) return false;
    this.#note(RecordKind.list, 0, 0, payload, (write) => log.append(RecordKind.list, write, 0, 0, payload));
    return true;
  }

  /** What was put behind the tail ahead of its record is given up. */
  abandon(bytes: number): boolean {
    const log = this.#log!;
    if (!log.fits(bytes + 160)) return false;
    const memory = log.resident.get(log.segment)!.bytes;
    const at = log.tail + 80;
    memory.set(this.#pattern(bytes, log.sequence), at);
    log.skipTo(Math.ceil((at + bytes) / 8) * 8);
    return true;
  }

  flush(): boolean {
    if (!this.#log!.hasUnpersisted) return false;
    this.#log!.flush();
    if (this.#options.breakage === 'durability-overstated') this.#log!.onPersisted(this.#log!.persists);
    return true;
  }

  roll(): boolean {
    const log = this.#log!;
    if (!log.hasStandby || log.tail <= 4096) return false;
    log.roll();
    this.#keeper!.onAppended();
    return true;
  }

  /** Memory of what is durable is given back. */
  release(): void {
    this.#keeper!.release(this.#log!.persistedBelow, new Set());
  }

  #begin(recovered: RecoveredLog): void {
    const { history, crc32c, drawNonce, breakage } = this.#options;
    const { state, verdict, protocol, diskIncarnation } = recovered;
    const startNumber = state.startNumber + 1;
    history.startMax = startNumber;
    const log = new LogWriter({
      medium: this.#medium,
      index: state.index,
      segmentSlots: state.segmentSlots,
      crc32c,
      copy: (target, at, source, start, end) => target.set(source.subarray(start, end), at),
      ...identity,
      diskIncarnation: diskIncarnation ?? new Uint8Array(16).fill(7),
      startNumber,
      nextSegment: verdict.nextSegment,
      nextSequence: verdict.nextSequence,
      chain: verdict.chain,
      promised: protocol.promised,
      chosen: state.chosenThrough,
      drawNonce,
      now: () => 0,
      onSegment: (error) => {
        if (error !== null) return this.fail(error.message);
        if (log.segment !== -1) return;
        log.roll();
        this.#note(RecordKind.start, 0, startNumber, new Uint8Array(0), (write) =>
          log.append(RecordKind.start, write, 0, startNumber, null),
        );
        if (protocol.chosen > log.chosen) {
          this.#note(RecordKind.jump, 0, protocol.chosen, new Uint8Array(0), (write) =>
            log.appendJump(write, protocol.chosen),
          );
          log.chosen = protocol.chosen;
        }
        log.flush();
      },
      onMemory: () => this.#keeper!.onRolled(),
    });
    this.#log = log;
    this.#keeper = new LogKeeper({
      medium: this.#medium,
      log,
      recovered,
      logger: silentLogger,
      now: () => 0,
      onFull: () => {},
      reclaimTail: () => true,
      onMemoryGone: () => {},
    });
    history.ballot = Math.max(history.ballot, protocol.promised);
    if (breakage === 'unused-removed-early') {
      // The keeper itself refuses to.
      for (const segment of verdict.unused) this.#medium.remove(segment, () => {});
    }
    log.prepareStandby();
  }

  #appendDecree(kind: 'accept' | 'learn', slot: number, bytes: number): boolean {
    const { history, crc32c } = this.#options;
    if (!this.#log!.hasRoom(bytes)) return false;
    const payload = this.#pattern(bytes, slot);
    const { ballot } = history;
    const decree: DecreeReference = {
      kind: DecreeKind.commands,
      bytes,
      checksum: crc32c(payload, 0, bytes, 0),
      commands: 1,
      configuration: null,
      source: new HeapPlace([payload]),
    };
    if (kind === 'accept') history.promisedMax = Math.max(history.promisedMax, ballot);
    else history.chosenMax = Math.max(history.chosenMax, slot);
    history.nextSlot = Math.max(history.nextSlot, slot + 1);
    this.#append({ kind, ballot, slot, decree } as LogRecord, RecordKind[kind], slot, payload);
    return true;
  }

  #append(record: LogRecord, kind: RecordKind, slot: number, payload: Uint8Array): void {
    const ballot = 'ballot' in record ? record.ballot : 0;
    this.#note(kind, ballot, slot, payload, (write) =>
      appendRecord(this.#log!, record, write, this.#options.crc32c),
    );
  }

  #note(
    kind: RecordKind,
    ballot: number,
    slot: number,
    payload: Uint8Array,
    lay: (write: number) => void,
  ): void {
    this.#write += 1;
    lay(this.#write);
    const { sequence } = this.#log!;
    this.#sequences[this.#write] = sequence;
    this.#options.history.entries.push({ kind, ballot, slot, payload, sequence });
    this.#keeper!.onAppended();
  }

  #pattern(bytes: number, seed: number): Uint8Array {
    const payload = new Uint8Array(bytes);
    for (let at = 0; at < bytes; at += 1) payload[at] = ((seed * 37 + at * 11 + this.#write * 5) % 255) + 1;
    return payload;
  }

  #onPersisted(ticket: number): void {
    const { history, onAcknowledged } = this.#options;
    const write = this.#log!.onPersisted(ticket);
    const told = this.#options.breakage === 'durability-overstated' ? ticket : write;
    if (told < 0) return;
    if (write >= 0) history.acknowledged = Math.max(history.acknowledged, this.#sequences[write]!);
    onAcknowledged();
    if (this.#startDurable) return;
    this.#startDurable = true;
    if (this.#options.breakage !== 'unused-removed-early') this.#keeper!.dropUnused();
  }

  /** No more of it, and why. */
  fail(what: string): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#options.onViolation(what);
  }
}
