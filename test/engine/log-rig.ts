/** A log writer over a memory medium whose callbacks come when the test says so, and what of it is durable. */

import { crc32c } from '../../src/checksum.js';
import { LogWriter } from '../../src/engine/log-writer.js';
import { HeapPlace } from '../../src/engine/places.js';
import { type LogOwner, type RecoveredLog, recoverLog } from '../../src/engine/recover.js';
import type { SynodError } from '../../src/errors.js';
import { RecordKind } from '../../src/log/format.js';
import { DecreeKind } from '../../src/protocol/decree.js';
import type { Callback, LogMedium, SegmentMemory, SegmentSummary } from '../../src/storage/log-medium.js';
import { createMemoryMedium, type MemoryContents } from '../../src/storage/memory/memory-medium.js';
import type { ProtocolVersions } from '../../src/wire/frame.js';

export interface LogRigOptions {
  readonly segmentBytes?: number;
  readonly blockBytes?: number;
  readonly contents?: MemoryContents;
  readonly cluster?: string;
  readonly replica?: string;
  /** Of the protocol, that this build speaks. */
  readonly versions?: ProtocolVersions;
}

/** Calls that are due, in order; `run` makes them all, also those that they cause. */
export class CallQueue {
  readonly #due: (() => void)[] = [];
  readonly defer = (call: () => void): void => void this.#due.push(call);

  runOne(): void {
    this.#due.shift()?.();
  }

  run(): void {
    for (let call = this.#due.shift(); call !== undefined; call = this.#due.shift()) call();
  }
}

export class LogRig {
  readonly queue = new CallQueue();
  readonly medium: LogMedium;
  readonly contents: MemoryContents;
  readonly log: LogWriter;
  readonly recovered: RecoveredLog;
  readonly copied = { bytes: 0 };
  /** What a crash leaves: the durable ranges of each segment, zeros elsewhere. */
  readonly durable = new Map<number, Uint8Array>();
  readonly persisted: number[] = [];
  readonly memories: SegmentMemory[] = [];
  /** What recovery had written again. */
  readonly hardened: { segment: number; from: number; to: number }[] = [];
  /** The highest write that is durable. */
  durableWrite = 0;
  onPersisted: (write: number) => void = () => {};
  readonly #ranges: { ticket: number; memory: SegmentMemory; from: number; to: number }[] = [];
  readonly #nonces = { next: 1 };

  constructor(options: LogRigOptions = {}) {
    const { segmentBytes = 64 * 1024, blockBytes = 64, cluster = 'test', replica = 'a', versions } = options;
    this.contents = options.contents ?? new Map();
    const medium = createMemoryMedium({
      segmentBytes,
      blockBytes,
      contents: this.contents,
      defer: this.queue.defer,
    });
    this.medium = this.#watched(medium);
    for (const [segment, { bytes }] of this.contents) this.durable.set(segment, bytes.slice());
    const build = versions === undefined ? {} : { versions };
    this.recovered = this.#recover(this.medium, { cluster, replica, ...build });
    const { state, verdict, protocol, diskIncarnation } = this.recovered;
    this.log = new LogWriter({
      medium: this.medium,
      index: state.index,
      segmentSlots: state.segmentSlots,
      crc32c,
      copy: (target, at, source, start, end) => {
        target.set(source.subarray(start, end), at);
        this.copied.bytes += end - start;
      },
      cluster,
      replica,
      diskIncarnation: diskIncarnation ?? new Uint8Array(16).fill(7),
      startNumber: state.startNumber + 1,
      nextSegment: verdict.nextSegment,
      nextSequence: verdict.nextSequence,
      chain: verdict.chain,
      promised: protocol.promised,
      chosen: protocol.chosen,
      drawNonce: () => {
        this.#nonces.next += 1;
        return [verdict.nextSegment * 1000 + this.#nonces.next, 5];
      },
      now: () => 0,
      onSegment: (error) => {
        if (error !== null) throw error;
      },
      onMemory: (memory) => void this.memories.push(memory),
    });
    // What recovery found of no use goes, as in the engine once its first record is durable.
    for (const segment of verdict.unused) {
      this.contents.delete(segment);
      this.durable.delete(segment);
    }
    this.log.prepareStandby();
    this.queue.run();
  }

  /** Opens the log, with its first record durable. */
  begin(): void {
    this.log.roll();
    this.log.append(RecordKind.start, 0, 0, this.recovered.state.startNumber + 1, null);
    this.log.flush();
    this.settle();
  }

  /** A decree of `bytes`, each of them `slot % 251`, durable; none, and it has no commands. */
  accept(slot: number, bytes: number): void {
    const payload = new Uint8Array(bytes).fill(slot % 251);
    if (!this.log.hasRoom(bytes)) this.settle();
    this.log.appendDecree(RecordKind.accept, slot, 0x1_0001, slot, {
      kind: bytes === 0 ? DecreeKind.noop : DecreeKind.commands,
      bytes,
      checksum: crc32c(payload, 0, bytes, 0),
      commands: bytes === 0 ? 0 : 1,
      configuration: null,
      source: bytes === 0 ? null : new HeapPlace([payload]),
    });
    this.log.flush();
    this.settle();
  }

  /** Has no segment in memory but the one that is written to. */
  forgetSealed(): void {
    for (const segment of [...this.log.resident.keys()])
      if (segment !== this.log.segment) this.log.release(segment);
  }

  /**
   * What the disk has after a crash now, for another rig. Of the writes that are under way, oldest first, those whose bit is
   * set in `lucky` came through: writes complete in any order.
   */
  crash(lucky = 0): MemoryContents {
    const disk = new Map([...this.durable].map(([segment, bytes]) => [segment, bytes.slice()]));
    for (const [index, { memory, from, to }] of this.#ranges.entries()) {
      if (((lucky >>> (index % 31)) & 1) === 0) continue;
      const bytes = disk.get(memory.segment) ?? new Uint8Array(memory.bytes.length);
      disk.set(memory.segment, bytes);
      bytes.set(memory.bytes.subarray(from, to), from);
    }
    return new Map([...disk].map(([segment, bytes]) => [segment, { bytes, memory: null }]));
  }

  /** Makes durable what the oldest flush that is under way was about. */
  settleOne(): void {
    this.queue.runOne();
  }

  /** Makes durable what was flushed. */
  settle(): void {
    this.queue.run();
    if (!this.log.hasStandby) this.log.prepareStandby();
    this.queue.run();
  }

  #recover(medium: LogMedium, whose: LogOwner): RecoveredLog {
    let summaries: readonly SegmentSummary[] = [];
    medium.start(
      {
        onPersisted: (ticket) => this.#onPersisted(ticket),
        onFailure: (error) => {
          throw error;
        },
      },
      (error, segments) => {
        if (error !== null) throw error;
        summaries = segments!;
      },
    );
    this.queue.run();
    let failed: SynodError | null = null;
    let recovered: RecoveredLog | undefined;
    recoverLog(medium, summaries, whose, crc32c, (error, result) => {
      failed = error;
      recovered = result;
    });
    this.queue.run();
    if (recovered === undefined) throw failed ?? new Error('recovery did not end');
    return recovered;
  }

  #onPersisted(ticket: number): void {
    while (this.#ranges.length > 0 && this.#ranges[0]!.ticket <= ticket) {
      const { memory, from, to } = this.#ranges.shift()!;
      let bytes = this.durable.get(memory.segment);
      if (bytes === undefined) {
        bytes = new Uint8Array(memory.bytes.length);
        this.durable.set(memory.segment, bytes);
      }
      bytes.set(memory.bytes.subarray(from, to), from);
    }
    this.persisted.push(ticket);
    const write = this.log.onPersisted(ticket);
    if (write >= 0) {
      this.durableWrite = write;
      this.onPersisted(write);
    }
  }

  #watched(medium: LogMedium): LogMedium {
    const ranges = this.#ranges;
    const watched: LogMedium = Object.create(medium, {
      harden: {
        value: (segment: number, from: number, to: number, callback: Callback<void>): void => {
          this.hardened.push({ segment, from, to });
          medium.harden(segment, from, to, callback);
        },
      },
      persist: {
        value: (memory: SegmentMemory, from: number, to: number, ticket: number): void => {
          ranges.push({ ticket, memory, from, to });
          medium.persist(memory, from, to, ticket);
        },
      },
    });
    // The medium's own methods need the medium itself.
    for (const name of [
      'start',
      'create',
      'flush',
      'read',
      'release',
      'truncate',
      'remove',
      'close',
    ] as const) {
      Object.defineProperty(watched, name, { value: medium[name].bind(medium) });
    }
    for (const name of ['segmentBytes', 'blockBytes', 'kind', 'reason', 'durable'] as const) {
      Object.defineProperty(watched, name, { value: medium[name] });
    }
    return watched;
  }
}
