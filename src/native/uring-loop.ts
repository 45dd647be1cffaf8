/**
 * The ring of one thread, shared by its log files and its sockets, so that one system call per turn takes log
 * writes and messages to the kernel together.
 *
 * Each wake-up is one call from C++ with a table of what happened; each flush is one call to C++ with a table of
 * what to send. Receivers of bytes never see a buffer that is not theirs: a buffer is counted by its holds, one per
 * lease and one for the kernel.
 */

import { getSystemErrorName } from 'node:util';
import { invariant, requires } from '../contracts.js';
import { requireAddon } from './addon.js';
import { type NativeUring, uringLayout } from './uring.js';
import { probeUring } from './uring-probe.js';

/** What happens to one socket. Calls come from the loop, never from inside a call to `UringLoop`. */
export interface UringSocketTarget {
  /** A listener accepted: `socket` stands. Yields who hears of it from now on. */
  onAccepted(socket: number): UringSocketTarget;
  /** A listener stopped accepting, `code` says why (EMFILE); `acceptAgain` resumes. */
  onAcceptStopped(code: string): void;
  onConnected(): void;
  /** [start, end) of `bytes`; one hold of `buffer` goes with it. */
  onReceived(bytes: Uint8Array, start: number, end: number, buffer: number): void;
  onSent(payloads: number): void;
  /** Whether it waits for bytes: asked where there were no buffers for them. */
  wantsBytes(): boolean;
  /** `code` is null where the peer ended, or nothing was wrong. The last call. */
  onClosed(code: string | null): void;
}

export type WriteCallback = (code: string | null) => void;

/** Receive buffers come in regions of this size; the pool grows by one where all are lent and bytes wait. */
const REGION_BYTES = 4 * 1024 * 1024;
/** All regions together: what received bytes may take in one thread, whoever keeps them. */
const REGIONS_MAX = 16;
/** A buffer that is filled in pieces loses little to small messages, so it may be large. */
const INCREMENTAL_BUFFER_BYTES = 256 * 1024;
const WHOLE_BUFFER_BYTES = 64 * 1024;
/** Up to this many bytes a loop copies faster than a view is made for `set`. */
const LOOP_COPY_BYTES_MAX = 48;

const { eventFields, sendFields, sendRows, stagingBytes } = uringLayout;

export interface UringLoopOptions {
  /** False makes the kernel take a whole buffer for each piece, as kernels before 6.12 do. */
  readonly incrementalBuffers?: boolean;
}

let shared: UringLoop | null = null;
let sharedOptions: UringLoopOptions = {};

/** For measurements and tests: how the next ring of this thread is made. */
export function configureUringLoop(options: UringLoopOptions): void {
  sharedOptions = options;
}

/** The thread's ring, made where there is none. Throws what the kernel says; see `probeUring`. Pair it with `release`. */
export function acquireUringLoop(): UringLoop {
  shared ??= new UringLoop(sharedOptions);
  shared.retain();
  return shared;
}

export class UringLoop {
  readonly #native: NativeUring;
  readonly #events: Int32Array;
  readonly #holds: Int32Array;
  readonly #sends: Float64Array;
  readonly #staging: Uint8Array;
  readonly #returns: Int32Array;
  /** Per socket: bytes that the kernel took. */
  readonly bytesSent: Float64Array;

  #users = 0;
  #closed = false;
  #dispatching = false;

  #sendCount = 0;
  #stagingUsed = 0;
  #returnCount = 0;

  readonly #sockets: Array<UringSocketTarget | null> = [];
  readonly #writes: Array<WriteCallback | null> = [];
  /** Called after everything of one wake-up was handed over. */
  readonly #turnEnds = new Set<() => void>();

  readonly #memoryIds = new WeakMap<ArrayBufferLike, number>();
  readonly #collected: FinalizationRegistry<number>;
  /** Engines send from one segment for a long time, each payload to several peers. */
  #lastBuffer: ArrayBufferLike | null = null;
  #lastMemoryId = 0;

  #poolOpen = false;
  #bufferBytes = WHOLE_BUFFER_BYTES;
  #buffersPerRegion = 1;
  #incremental = false;
  readonly #incrementalWanted: boolean;
  readonly #regions: Uint8Array[] = [];
  /** Sockets that found no buffer in this wake-up. */
  readonly #starved: number[] = [];
  /** Some socket found no buffer, and none came back since. */
  #bytesWait = false;

  constructor(options: UringLoopOptions = {}) {
    const addon = requireAddon();
    requires(addon.createUring !== undefined, 'uring-probed-before-use');
    this.#native = addon.createUring((count) => this.#wake(count));
    this.#events = this.#native.events;
    this.#holds = this.#native.holds;
    this.#sends = this.#native.sends;
    this.#staging = this.#native.staging;
    this.#returns = this.#native.returns;
    this.bytesSent = this.#native.bytesSent;
    this.#incrementalWanted = options.incrementalBuffers ?? true;
    this.#collected = new FinalizationRegistry((id) => {
      if (!this.#closed) this.#native.unregisterMemory(id);
    });
  }

  retain(): void {
    this.#users++;
  }

  /** The last user's release closes the ring. Its sockets are closed and its writes done by then. */
  release(): void {
    invariant(this.#users > 0, 'uring-loop-released-once');
    this.#users--;
    if (this.#users > 0) return;
    if (shared === this) shared = null;
    // From inside a handler: the rows that are still to be handed over lie in memory of the ring.
    if (!this.#dispatching) this.#close();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#native.close();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** True where a flush of the sockets follows each flush of the files, so that the files leave it to that one. */
  get hasSockets(): boolean {
    return this.#turnEnds.size > 0;
  }

  // Memory

  /** The id of `buffer` for the kernel. The caller keeps the buffer alive while it is used. */
  memoryId(buffer: ArrayBufferLike): number {
    if (buffer === this.#lastBuffer) return this.#lastMemoryId;
    let id = this.#memoryIds.get(buffer);
    if (id === undefined) {
      id = this.#native.registerMemory(new Uint8Array(buffer));
      this.#memoryIds.set(buffer, id);
      this.#collected.register(buffer, id);
    }
    this.#lastBuffer = buffer;
    this.#lastMemoryId = id;
    return id;
  }

  // Sockets

  /** Makes the ring ready for sockets. `turnEnd` is called at the end of each wake-up until `detachSockets`. */
  attachSockets(turnEnd: () => void): void {
    this.#turnEnds.add(turnEnd);
    if (this.#poolOpen) return;
    this.#poolOpen = true;
    // Asked before: the pool is opened once, and where each piece takes a whole buffer, 16 of the large ones are all that a connection may keep.
    const incremental = this.#incrementalWanted && probeUring('sockets').incrementalBuffers;
    this.#bufferBytes = incremental ? INCREMENTAL_BUFFER_BYTES : WHOLE_BUFFER_BYTES;
    this.#incremental = this.#native.openPool(incremental, this.#bufferBytes);
    this.#buffersPerRegion = REGION_BYTES / this.#bufferBytes;
    this.#addRegion();
  }

  detachSockets(turnEnd: () => void): void {
    this.#turnEnds.delete(turnEnd);
  }

  /** What keeping a piece of `length` received bytes costs: the whole buffer where it is filled in one piece. */
  costOf(length: number): number {
    return this.#incremental ? length : this.#bufferBytes;
  }

  #addRegion(): void {
    const region = new Uint8Array(new ArrayBuffer(REGION_BYTES));
    this.#regions.push(region);
    this.#native.addReceiveMemory(region);
  }

  /** Binds and listens. Throws what the system says. */
  listen(host: string, port: number, backlog: number, target: UringSocketTarget): number {
    return this.#add(this.#native.listen(host, port, backlog), target);
  }

  /** Dials a numeric address; ends in `onConnected` or `onClosed`. Throws what the system says. */
  connect(host: string, port: number, target: UringSocketTarget): number {
    return this.#add(this.#native.connect(host, port), target);
  }

  #add(socket: number, target: UringSocketTarget): number {
    this.#sockets[socket] = target;
    return socket;
  }

  acceptAgain(socket: number): void {
    if (!this.#closed) this.#native.acceptAgain(socket);
  }

  /** Ends in `onClosed`. */
  closeSocket(socket: number): void {
    if (!this.#closed) this.#native.closeSocket(socket);
  }

  setReceiving(socket: number, receiving: boolean): void {
    if (!this.#closed) this.#native.setReceiving(socket, receiving);
  }

  addressOf(socket: number, otherEnd: boolean): { readonly host: string; readonly port: number } {
    return this.#native.addressOf(socket, otherEnd) ?? { host: 'unknown', port: 0 };
  }

  /** Copies the header; it leaves with the next flush. */
  queueHeader(socket: number, header: Uint8Array, headerBytes: number): void {
    let done = 0;
    while (done < headerBytes) {
      if (this.#sendCount === sendRows || this.#stagingUsed === stagingBytes) this.#ingest();
      const count = Math.min(headerBytes - done, stagingBytes - this.#stagingUsed);
      const target = this.#stagingUsed;
      if (count <= LOOP_COPY_BYTES_MAX) {
        for (let index = 0; index < count; index++) {
          this.#staging[target + index] = header[done + index] as number;
        }
      } else {
        this.#staging.set(count === header.length ? header : header.subarray(done, done + count), target);
      }
      this.#pushRow(socket, -1, target, count);
      this.#stagingUsed += count;
      done += count;
    }
  }

  /** The payload leaves with the next flush, and must stay until `onSent` has counted it. */
  queuePayload(socket: number, payload: Uint8Array, start: number, end: number): void {
    if (this.#sendCount === sendRows) this.#ingest();
    if (end === start) this.#pushRow(socket, 0, 0, 0);
    else this.#pushRow(socket, this.memoryId(payload.buffer), payload.byteOffset + start, end - start);
  }

  #pushRow(socket: number, memory: number, offset: number, length: number): void {
    const at = this.#sendCount++ * sendFields;
    const sends = this.#sends;
    sends[at] = socket;
    sends[at + 1] = memory;
    sends[at + 2] = offset;
    sends[at + 3] = length;
  }

  /** Gives one hold of a receive buffer back. */
  releaseBuffer(buffer: number): void {
    const left = (this.#holds[buffer] as number) - 1;
    requires(left >= 0, 'uring-release-once', () => String(buffer));
    this.#holds[buffer] = left;
    if (left > 0) return;
    this.#returns[this.#returnCount] = buffer;
    this.#returnCount++;
    if (!this.#bytesWait || this.#dispatching) return;
    // Nobody need flush after a release; and no wake-up comes while there is no buffer to receive into.
    this.#bytesWait = false;
    setImmediate(() => this.flush());
  }

  // Files

  /** Queues a write of [start, end) of `bytes` at `fileOffset`; `synced`: durable when called back. Keeps nothing alive. */
  write(
    fd: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    fileOffset: number,
    synced: boolean,
    callback: WriteCallback,
  ): void {
    const memory = this.memoryId(bytes.buffer);
    const token = this.#native.write(fd, memory, bytes.byteOffset + start, end - start, fileOffset, synced);
    this.#writes[token] = callback;
  }

  /** Queues fdatasync. */
  sync(fd: number, callback: WriteCallback): void {
    this.#writes[this.#native.sync(fd)] = callback;
  }

  /** Everything that is queued goes out in one system call. */
  flush(): void {
    if (this.#closed) return;
    const sends = this.#sendCount;
    const returns = this.#returnCount;
    this.#sendCount = 0;
    this.#stagingUsed = 0;
    this.#returnCount = 0;
    this.#native.flush(sends, returns, true);
  }

  /** Hands the tables over without submitting: they are full, or sockets are about to change hands. */
  #ingest(): void {
    const sends = this.#sendCount;
    const returns = this.#returnCount;
    this.#sendCount = 0;
    this.#stagingUsed = 0;
    this.#returnCount = 0;
    if (sends > 0 || returns > 0) this.#native.flush(sends, returns, false);
  }

  // Events

  #wake(count: number): void {
    this.#dispatching = true;
    // Rows name sockets by index: what was queued for one that this wake-up closes must not meet the next of that index.
    this.#ingest();
    let row = 0;
    while (row < count) {
      try {
        while (row < count) this.#dispatch(row++ * eventFields);
      } catch (error) {
        // One handler's failure must not lose what the others were to be told.
        rethrowLater(error);
      }
    }
    for (const turnEnd of this.#turnEnds) {
      try {
        turnEnd();
      } catch (error) {
        rethrowLater(error);
      }
    }
    if (this.#starved.length > 0) {
      const waiting = this.#starved.some((socket) => this.#sockets[socket]?.wantsBytes());
      this.#starved.length = 0;
      // Nothing came back in this turn, and bytes wait: somebody keeps leases. Others must not wait for that.
      if (waiting && this.#returnCount === 0 && this.#regions.length < REGIONS_MAX) this.#addRegion();
    }
    if (this.#returnCount > 0) this.#bytesWait = false;
    this.#dispatching = false;
    if (this.#users === 0) this.#close();
    else this.#ingest();
  }

  #dispatch(at: number): void {
    const events = this.#events;
    const subject = events[at + 1] as number;
    switch (events[at]) {
      case uringLayout.eventReceived: {
        const buffer = events[at + 2] as number;
        const region = Math.floor(buffer / this.#buffersPerRegion);
        const start =
          (buffer - region * this.#buffersPerRegion) * this.#bufferBytes + (events[at + 3] as number);
        const target = this.#sockets[subject];
        const end = start + (events[at + 4] as number);
        if (target) target.onReceived(this.#regions[region] as Uint8Array, start, end, buffer);
        else this.releaseBuffer(buffer);
        return;
      }
      case uringLayout.eventSent:
        this.#sockets[subject]?.onSent(events[at + 2] as number);
        return;
      case uringLayout.eventWritten: {
        const callback = this.#writes[subject];
        this.#writes[subject] = null;
        callback?.(codeOf(events[at + 2] as number));
        return;
      }
      case uringLayout.eventAccepted: {
        const socket = events[at + 2] as number;
        const listener = this.#sockets[subject];
        if (listener) this.#sockets[socket] = listener.onAccepted(socket);
        else this.closeSocket(socket);
        return;
      }
      case uringLayout.eventConnected:
        this.#sockets[subject]?.onConnected();
        return;
      case uringLayout.eventClosed: {
        const target = this.#sockets[subject];
        this.#sockets[subject] = null;
        target?.onClosed(codeOf(events[at + 2] as number));
        return;
      }
      case uringLayout.eventStarved:
        this.#starved.push(subject);
        this.#bytesWait = true;
        return;
      case uringLayout.eventAcceptStopped:
        this.#sockets[subject]?.onAcceptStopped(codeOf(events[at + 2] as number) ?? 'EIO');
        return;
      default:
        invariant(false, 'uring-event-known', () => String(events[at]));
    }
  }
}

function codeOf(errno: number): string | null {
  return errno === 0 ? null : getSystemErrorName(-errno);
}

function rethrowLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
