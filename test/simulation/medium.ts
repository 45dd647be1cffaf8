/** The log medium of one process on a simulated disk. Every call and every completion is a step at which it may die. */

import { requires } from '../../src/contracts.js';
import type { SynodError } from '../../src/errors.js';
import type {
  Callback,
  LogMedium,
  LogMediumHandler,
  SegmentMemory,
  SegmentSummary,
  StorageKind,
} from '../../src/storage/log-medium.js';
import { storageError } from '../../src/storage/storage-error.js';
import type { Random } from '../properties/random.js';
import type { Disk, InFlight } from './disk.js';
import type { EventQueue } from './event-queue.js';
import type { Thread } from './thread.js';

export interface MediumOptions {
  readonly disk: Disk;
  readonly events: EventQueue;
  readonly thread: Thread;
  readonly random: Random;
  /** A step of persistence: the process may die here, by an exception. */
  readonly onStep: () => void;
  /** Bytes [from, to) of the segment's memory were given to the disk. */
  readonly onWrite: (memory: SegmentMemory, from: number, to: number) => void;
  /** The segment is removed; its bytes are still there. */
  readonly onRemove?: (segment: number) => void;
  /** The first `count` writes that were not durable yet now are. */
  readonly onDurable: (count: number) => void;
}

interface Write extends InFlight {
  readonly ticket: number;
  isDone: boolean;
}

export class SimulatedMedium implements LogMedium {
  readonly kind: StorageKind;
  readonly reason = 'simulated';
  readonly durable = true;
  readonly segmentBytes: number;
  readonly blockBytes: number;

  readonly #options: MediumOptions;
  readonly #memories: Map<number, { readonly memory: SegmentMemory; given: number }> = new Map();
  #handler: LogMediumHandler | null = null;
  #queued: Write[] = [];
  /** In the order of their tickets: given to the disk, and not reported yet. */
  #writes: Write[] = [];
  /** Segments that are being made. */
  readonly #creating: Set<number> = new Set();
  #failed = false;
  #isGone = false;

  constructor(options: MediumOptions) {
    this.#options = options;
    const { model } = options.disk;
    this.kind = model.isMapped ? 'pmem' : 'uring';
    this.segmentBytes = model.segmentBytes;
    this.blockBytes = model.blockBytes;
  }

  start(handler: LogMediumHandler, callback: Callback<readonly SegmentSummary[]>): void {
    this.#options.onStep();
    this.#handler = handler;
    this.#answer(() => {
      const { segments } = this.#options.disk;
      const found = [...segments].map(([segment, bytes]) => ({ segment, bytes: bytes.length }));
      callback(
        null,
        found.sort((a, b) => a.segment - b.segment),
      );
    });
  }

  create(segment: number, callback: Callback<SegmentMemory>): void {
    const { disk, events, onStep } = this.#options;
    requires(!disk.segments.has(segment), 'segment-is-new');
    onStep();
    this.#creating.add(segment);
    this.#answer(() => {
      this.#creating.delete(segment);
      if (this.#fails()) {
        callback(failure('cannot make a segment', 'EIO'));
      } else if (events.now < disk.fullUntil) callback(failure('cannot make a segment', 'ENOSPC'));
      else {
        disk.create(segment);
        const buffer = takeMemory(this.segmentBytes);
        const memory: SegmentMemory = {
          segment,
          bytes: new Uint8Array(buffer),
          reference: { kind: 'shared', buffer, byteOffset: 0 },
        };
        this.#memories.set(segment, { memory, given: 0 });
        callback(null, memory);
      }
    });
  }

  persist(memory: SegmentMemory, from: number, to: number, ticket: number): void {
    const { onStep, onWrite } = this.#options;
    const live = this.#memories.get(memory.segment);
    requires(live !== undefined && live.memory === memory, 'memory-is-live');
    requires(from === live.given && from < to && to <= this.segmentBytes, 'persist-range');
    requires(from % this.blockBytes === 0 && to % this.blockBytes === 0, 'persist-whole-blocks');
    onStep();
    live.given = to;
    onWrite(memory, from, to);
    this.#queued.push({ segment: memory.segment, memory: memory.bytes, from, to, ticket, isDone: false });
    onStep();
  }

  flush(): void {
    if (this.#queued.length === 0) return;
    const { disk, events, random, thread, onStep } = this.#options;
    onStep();
    const writes = this.#queued;
    this.#queued = [];
    this.#writes.push(...writes);
    if (this.#failed) return;
    const [least, most] = disk.model.writeMs;
    if (most === 0 && events.now >= disk.stalledUntil) {
      for (const write of writes) this.#land(write);
      this.#report();
      return;
    }
    let last = 0;
    for (const write of writes) {
      // They complete in any order; what is reported waits for all before it.
      const slowness = random.chance(0.02) && !disk.isHealed ? 10 : 1;
      const delay = random.between(least, most) * slowness;
      events.at(Math.max(events.now + delay, disk.stalledUntil), () => this.#complete(write, thread));
      last = Math.max(last, delay);
    }
  }

  read(segment: number, offset: number, target: Uint8Array, callback: Callback<number>): void {
    this.#options.onStep();
    this.#answer(() => {
      const bytes = this.#options.disk.segments.get(segment);
      if (bytes === undefined) callback(failure(`no segment ${segment}`, 'ENOENT'));
      else {
        const part = bytes.subarray(offset, offset + target.length);
        target.set(part);
        callback(null, part.length);
      }
    });
  }

  release(memory: SegmentMemory): void {
    requires(this.#memories.get(memory.segment)?.memory === memory, 'memory-is-live');
    requires(!this.#pending.some((write) => write.segment === memory.segment), 'memory-not-in-flight');
    this.#memories.delete(memory.segment);
    // Whoever still reads from it reads this.
    memory.bytes.fill(0xdd, 0, this.#options.disk.segments.get(memory.segment)?.length ?? 0);
    giveMemory(memory);
  }

  harden(_segment: number, _from: number, _to: number, callback: Callback<void>): void {
    this.#options.onStep();
    // A simulated disk has no cache that shows what it does not hold.
    this.#answer(() => callback(null));
  }

  truncate(segment: number, bytes: number, callback: Callback<void>): void {
    this.#options.onStep();
    this.#answer(() => {
      const { segments } = this.#options.disk;
      const before = segments.get(segment);
      if (before !== undefined && bytes < before.length) segments.set(segment, before.slice(0, bytes));
      callback(null);
    });
  }

  remove(segment: number, callback: Callback<void>): void {
    this.#options.onStep();
    this.#answer(() => {
      this.#options.onRemove?.(segment);
      this.#options.disk.remove(segment);
      callback(null);
    });
  }

  close(callback: Callback<void>): void {
    const { events, thread } = this.#options;
    const closed = (): void => {
      if (this.#isGone) return;
      if (this.#writes.length > 0 && !this.#failed) events.after(1, () => thread.run(closed));
      else callback(null);
    };
    events.after(0.1, () => thread.run(closed));
  }

  /** The process dies: what was on its way comes through in part. */
  abandon(): void {
    const { disk, random } = this.#options;
    this.#isGone = true;
    disk.interrupt(this.#pending, random);
    disk.checkpoints.interrupt(random);
    for (const segment of this.#creating) if (random.chance(0.5)) disk.create(segment);
    for (const { memory, given } of this.#memories.values()) {
      if (disk.model.isMapped) disk.settleStores(memory.segment, memory.bytes, given, random);
      giveMemory(memory);
    }
    this.#memories.clear();
  }

  get #pending(): readonly Write[] {
    return [...this.#writes, ...this.#queued].filter((write) => !write.isDone);
  }

  #complete(write: Write, thread: Thread): void {
    const { disk, events } = this.#options;
    if (this.#isGone || this.#failed) return;
    if (events.now < disk.stalledUntil) {
      events.at(disk.stalledUntil, () => this.#complete(write, thread));
      return;
    }
    this.#land(write);
    if (!this.#failed) thread.run(() => this.#report());
  }

  #land(write: Write): void {
    const { disk, random } = this.#options;
    if (this.#fails()) {
      this.#fail();
      return;
    }
    disk.land(write, random);
    write.isDone = true;
  }

  #report(): void {
    const { onStep, onDurable } = this.#options;
    let count = 0;
    while (count < this.#writes.length && this.#writes[count]!.isDone) count += 1;
    if (count === 0 || this.#isGone) return;
    const { ticket } = this.#writes[count - 1]!;
    this.#writes.splice(0, count);
    onDurable(count);
    onStep();
    this.#handler!.onPersisted(ticket);
    onStep();
  }

  #fails(): boolean {
    const { disk } = this.#options;
    if (!disk.failsNext) return false;
    disk.failsNext = false;
    return true;
  }

  #fail(): void {
    const { events, thread } = this.#options;
    this.#failed = true;
    events.after(0, () => thread.run(() => this.#handler!.onFailure(failure('cannot sync the log', 'EIO'))));
  }

  #answer(call: () => void): void {
    const { disk, events, random, thread, onStep } = this.#options;
    const at = Math.max(events.now + random.between(0.01, 0.5), disk.stalledUntil);
    events.at(at, () =>
      thread.run(() => {
        if (this.#isGone) return;
        onStep();
        call();
      }),
    );
  }
}

function failure(what: string, code: string): SynodError {
  return storageError(Object.assign(new Error(code), { code }), what, 'simulated');
}

const MEMORIES_KEPT = 64;
const spare: Map<number, SharedArrayBuffer[]> = new Map();

function takeMemory(bytes: number): SharedArrayBuffer {
  const buffer = spare.get(bytes)?.pop();
  if (buffer === undefined) return new SharedArrayBuffer(bytes);
  new Uint8Array(buffer).fill(0);
  return buffer;
}

function giveMemory({ bytes, reference }: SegmentMemory): void {
  if (reference.kind !== 'shared') return;
  const kept = spare.get(bytes.length);
  if (kept === undefined) spare.set(bytes.length, [reference.buffer]);
  else if (kept.length < MEMORIES_KEPT) kept.push(reference.buffer);
}
