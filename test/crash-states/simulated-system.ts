/**
 * The file system, ring and persistent memory that the real media run against here: each call becomes events on a `Disk`, and
 * its callback comes when the queue is run. Nothing happens by itself.
 */

import path from 'node:path';
import type { NativeAddon } from '../../src/native/addon.js';
import type { FileSystem } from '../../src/storage/file-system.js';
import type { PersistentMemory } from '../../src/storage/pmem/pmem-medium.js';
import type { FileRing } from '../../src/storage/uring/uring-medium.js';
import { type Disk, type DiskEvent, type Image, LINE_BYTES, ROOT } from './disk.js';
import { StoreRecorder } from './store-recorder.js';

/** What a wrong medium or a lying device does, to see that it is caught. */
export type Breakage =
  | 'directory-not-synced'
  | 'parents-not-synced'
  | 'acknowledged-before-sync'
  | 'recovered-not-synced'
  | 'completions-mixed-up'
  | 'flush-missing'
  | 'flush-too-short'
  | 'fence-too-early';

type Done = (error: NodeJS.ErrnoException | null, ...values: unknown[]) => void;

interface Due {
  /** Log writes and their syncs; everything else is making and removing segments. */
  readonly isData: boolean;
  readonly run: () => void;
}

/** Calls that were begun and have not ended. */
export class CallQueue {
  #due: Due[] = [];

  add(isData: boolean, run: () => void): void {
    this.#due.push({ isData, run });
  }

  get length(): number {
    return this.#due.length;
  }

  /** Ends the oldest one of its kind. False where there is none. */
  runOldest(isData: boolean): boolean {
    const index = this.#due.findIndex((due) => due.isData === isData);
    if (index < 0) return false;
    this.runAt(index);
    return true;
  }

  /** The same for the one that was begun last. */
  runNewest(isData: boolean): boolean {
    const index = this.#due.findLastIndex((due) => due.isData === isData);
    if (index < 0) return false;
    this.runAt(index);
    return true;
  }

  runAt(index: number): void {
    const [due] = this.#due.splice(index, 1);
    due!.run();
  }

  /** All of them, also those that they cause. */
  runAll(): void {
    while (this.#due.length > 0) this.runAt(0);
  }

  /** The process that waits for them is gone. */
  clear(): void {
    this.#due = [];
  }
}

export interface SystemOptions {
  readonly breakage?: Breakage | null;
  /** For a report of what happened. */
  readonly onEvent?: (event: DiskEvent) => void;
}

interface OpenFile {
  readonly node: number;
  /** Opened by the name under which a file is made: bytes written now are no records yet. */
  readonly isNew: boolean;
  readonly readOnly: boolean;
}

export class SimulatedSystem {
  readonly queue = new CallQueue();
  readonly disk: Disk;
  readonly fileSystem: FileSystem;
  readonly ring: FileRing;
  readonly memory: PersistentMemory;
  readonly #breakage: Breakage | null;
  readonly #onEvent: ((event: DiskEvent) => void) | undefined;
  readonly #open = new Map<number, OpenFile>();
  readonly #recorder: StoreRecorder;
  /** Nodes of files whose memory is mapped. */
  readonly #mapped = new Map<ArrayBufferLike, number>();
  #nextFd = 3;
  #nextNode: number;
  /** A fence that comes too early orders the flushes of the call before. */
  #unfenced: DiskEvent | null = null;
  #completions: (() => void)[] = [];

  constructor(disk: Disk, options: SystemOptions = {}) {
    this.disk = disk;
    this.#breakage = options.breakage ?? null;
    this.#onEvent = options.onEvent;
    this.#nextNode = Math.max(...disk.nodes.keys()) + 1;
    this.#recorder = new StoreRecorder((buffer, offset, bytes) => {
      this.#emit({ kind: 'store', node: this.#mapped.get(buffer)!, offset, bytes });
    });
    this.fileSystem = this.#makeFileSystem();
    this.ring = this.#makeRing();
    this.memory = this.#makeMemory();
  }

  /** Runs `action` with stores to mapped memory recorded. */
  recording<T>(action: () => T): T {
    return this.#recorder.run(action);
  }

  #emit(event: DiskEvent): void {
    this.#onEvent?.(event);
    this.disk.apply(event);
  }

  #lookUp(file: string): { directory: number; name: string; node: number | undefined } {
    const names = file.split('/').filter((name) => name !== '');
    const name = names.pop() ?? '';
    let directory = ROOT;
    for (const each of names) directory = this.disk.directory(directory).cached.get(each) ?? -1;
    const node = name === '' ? ROOT : this.disk.directory(directory).cached.get(name);
    return { directory, name, node };
  }

  #makeFileSystem(): FileSystem {
    const { disk, queue } = this;
    const calls = {
      lock: (_directory: string, done: (error: null, lock: { unlock(): void }) => void) =>
        queue.add(false, () => done(null, { unlock: () => {} })),

      mkdir: (directory: string, _options: unknown, done: Done) =>
        queue.add(false, () => {
          let above = ROOT;
          let made: string | undefined;
          let at = '';
          for (const name of directory.split('/').filter((each) => each !== '')) {
            at += `/${name}`;
            let node = disk.directory(above).cached.get(name);
            if (node === undefined) {
              node = this.#nextNode++;
              made ??= at;
              this.#emit({ kind: 'make-directory', directory: above, name, node });
            }
            above = node;
          }
          done(null, made);
        }),

      readdir: (directory: string, done: Done) =>
        queue.add(false, () => done(null, [...disk.directory(this.#lookUp(directory).node!).cached.keys()])),

      open: (file: string, flags: string | number, done: Done) =>
        queue.add(false, () => {
          let { directory, name, node } = this.#lookUp(file);
          if (node === undefined) {
            if (flags !== 'w+') return done(missing(file));
            node = this.#nextNode++;
            this.#emit({ kind: 'create', directory, name, node });
          } else if (flags === 'w+') this.#emit({ kind: 'truncate', node, bytes: 0 });
          const fd = this.#nextFd++;
          this.#open.set(fd, { node, isNew: flags === 'w+', readOnly: flags === 'r' });
          done(null, fd);
        }),

      close: (fd: number, done: Done) =>
        queue.add(false, () => {
          this.#open.delete(fd);
          done(null);
        }),

      fstat: (fd: number, done: Done) =>
        queue.add(false, () => {
          const node = disk.nodes.get(this.#open.get(fd)!.node)!;
          done(null, {
            size: node.kind === 'file' ? node.cached.length : 0,
            isFile: () => node.kind === 'file',
          });
        }),

      read: (fd: number, target: Uint8Array, at: number, length: number, position: number, done: Done) =>
        queue.add(false, () => {
          const source = disk.file(this.#open.get(fd)!.node).cached.subarray(position, position + length);
          target.set(source, at);
          done(null, source.length);
        }),

      write: (fd: number, source: Uint8Array, at: number, length: number, offset: number, done: Done) => {
        const { node } = this.#open.get(fd)!;
        const call = this.disk.drawCall();
        const bytes = Uint8Array.from(source.subarray(at, at + length));
        this.#emit({ kind: 'write', node, call, offset, bytes, synced: false });
        queue.add(this.#isData(fd), () => {
          this.#emit({ kind: 'done', call });
          done(null, length);
        });
      },

      fsync: (fd: number, done: Done) => this.#sync(fd, done),
      fdatasync: (fd: number, done: Done) => this.#sync(fd, done),

      ftruncate: (fd: number, bytes: number, done: Done) =>
        queue.add(false, () => {
          this.#emit({ kind: 'truncate', node: this.#open.get(fd)!.node, bytes });
          done(null);
        }),

      rename: (from: string, to: string, done: Done) =>
        queue.add(false, () => {
          const { directory, name } = this.#lookUp(from);
          this.#emit({ kind: 'rename', directory, from: name, to: path.basename(to) });
          done(null);
        }),

      unlink: (file: string, done: Done) =>
        queue.add(false, () => {
          const { directory, name, node } = this.#lookUp(file);
          if (node === undefined) return done(missing(file));
          this.#emit({ kind: 'unlink', directory, name });
          done(null);
        }),
    };
    return calls as unknown as FileSystem;
  }

  /** A segment that has its name gets records; before, it is being filled with zeros. */
  #isData(fd: number): boolean {
    const { node, isNew } = this.#open.get(fd)!;
    return !isNew || this.#isNamed(node);
  }

  #isNamed(node: number): boolean {
    for (const directory of this.disk.nodes.values()) {
      if (directory.kind !== 'directory') continue;
      for (const [name, each] of directory.cached) if (each === node) return name.endsWith('.segment');
    }
    return true;
  }

  #sync(fd: number, done: Done): void {
    const { node, readOnly, isNew } = this.#open.get(fd)!;
    const isDirectory = this.disk.nodes.get(node)!.kind === 'directory';
    const isData = !isDirectory && !readOnly && this.#isData(fd);
    let isBroken = false;
    switch (this.#breakage) {
      case 'directory-not-synced':
        isBroken = isDirectory;
        break;
      case 'parents-not-synced':
        isBroken = isDirectory && node === ROOT;
        break;
      case 'acknowledged-before-sync':
        isBroken = isData;
        break;
      case 'recovered-not-synced':
        isBroken = !isNew && !isDirectory;
    }
    const call = this.disk.drawCall();
    if (!isBroken) this.#emit({ kind: 'sync', node, call });
    this.queue.add(isData, () => {
      if (!isBroken) this.#emit({ kind: 'done', call });
      done(null);
    });
  }

  #makeRing(): FileRing {
    return {
      hasSockets: false,
      flush: () => {},
      release: () => {},
      write: (fd, bytes, start, end, offset, synced, callback) => {
        const { node } = this.#open.get(fd)!;
        const call = this.disk.drawCall();
        const isSynced = synced && this.#breakage !== 'acknowledged-before-sync';
        const copy = Uint8Array.from(bytes.subarray(start, end));
        this.#emit({ kind: 'write', node, call, offset, bytes: copy, synced: isSynced });
        const completion = (): void => callback(null);
        this.#completions.push(completion);
        this.queue.add(true, () => {
          this.#emit({ kind: 'done', call });
          // Mixed up: another one that is under way is said to be done.
          const isMixedUp = this.#breakage === 'completions-mixed-up';
          const told =
            (isMixedUp ? this.#completions.find((each) => each !== completion) : undefined) ?? completion;
          this.#completions = this.#completions.filter((each) => each !== told);
          told();
        });
      },
    };
  }

  #makeMemory(): PersistentMemory {
    const map = (node: number): Uint8Array => {
      const { cached } = this.disk.file(node);
      const buffer = new ArrayBuffer(cached.length);
      const view = new Uint8Array(buffer);
      view.set(cached);
      this.#mapped.set(buffer, node);
      this.#recorder.watch(buffer);
      return view;
    };
    const mapSegment: NativeAddon['mapSegment'] = (file) => {
      const node = this.#lookUp(file).node!;
      return { bytes: map(node), sync: true, region: node };
    };
    return {
      flushInstruction: 'recorded',
      mapSegment,
      keepRegion: () => {},
      dropRegion: () => {},
      openRegion: (region) => map(region),
      unmapSegment: (bytes) => {
        this.#recorder.settle(bytes.buffer);
        this.#mapped.delete(bytes.buffer);
        this.#recorder.forget(bytes.buffer);
      },
      populate: () => {},
      flushRange: (bytes, from, to) => {
        this.#recorder.settle(bytes.buffer);
        const node = this.#mapped.get(bytes.buffer)!;
        if (this.#breakage === 'flush-missing') return;
        const short = this.#breakage === 'flush-too-short' ? LINE_BYTES : 0;
        const fence: DiskEvent = { kind: 'fence', node, from, to: to - short };
        if (this.#breakage === 'fence-too-early') {
          if (this.#unfenced !== null) this.#emit(this.#unfenced);
          this.#unfenced = fence;
        } else this.#emit(fence);
      },
    };
  }
}

/** A disk that holds these files, all durable, in the directory at `names`. */
export function fillDisk(disk: Disk, names: readonly string[], image: Image): void {
  let node = 1;
  let directory = ROOT;
  for (const name of names) {
    disk.apply({ kind: 'make-directory', directory, name, node });
    directory = node;
    node += 1;
  }
  for (const [name, bytes] of image) {
    disk.apply({ kind: 'create', directory, name, node });
    const file = disk.file(node);
    file.cached = bytes.slice();
    file.durable = bytes.slice();
    node += 1;
  }
  for (const each of disk.nodes.values()) {
    if (each.kind !== 'directory') continue;
    each.durable = new Map(each.cached);
    each.pending = [];
  }
}

function missing(file: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`ENOENT: ${file}`), { code: 'ENOENT' });
}
