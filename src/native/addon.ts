/**
 * Finds, loads and checks the addon. Nobody else loads it.
 *
 * Loading never throws and is tried once per thread: what came of it is kept with the reason, for `auto` to fall back
 * on portable backends and say why. `SYNOD_NATIVE` in the environment decides: `0` leaves the addon out, `1` makes
 * its absence an error where a backend is chosen, anything else is the path of the `.node` file to take.
 */

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { SynodError } from '../errors.js';
import { compareBuild } from './build-check.js';
import type { UringAddon } from './uring.js';

/** An event that this thread's loop waits for. Lives until `close`, or until the thread ends. */
export interface NativeEvent {
  /** Give it to `openEventSender`, in any thread of this process, while the event is not closed. */
  readonly fd: number;
  /** Idempotent. No callback after it. */
  close(): void;
  /** An event keeps the thread's loop alive from `ref` (the state it begins in) to `unref`. */
  ref(): void;
  unref(): void;
}

/** The sending end. It has its own descriptor: it stays harmless when the event was closed. */
export interface NativeEventSender {
  /** Wakes the receiver; several signals before it runs are one. After `close`: does nothing. */
  signal(): void;
  /** Idempotent. */
  close(): void;
}

/** A lock on a file, held by this process until `unlock` or its end, however it ends. */
export interface NativeFileLock {
  /** Idempotent. */
  unlock(): void;
}

/** Wrong arguments throw TypeError or RangeError; what the system refuses, an Error with `code` and `syscall`. */
export interface NativeAddon extends UringAddon {
  /** CRC-32C of bytes [start, end). `seed` is 0, or the checksum of the bytes before. */
  crc32c(bytes: Uint8Array, start: number, end: number, seed: number): number;
  /** Which implementation `crc32c` uses: 'sse4.2', 'armv8' or 'table'. */
  readonly checksumKind: string;
  /** Copies bytes [start, end) of `source` to `target` from `targetStart` on; counted in `bytesCopied`. */
  copy(target: Uint8Array, targetStart: number, source: Uint8Array, start: number, end: number): void;
  /** Both in one pass. The checksum is that of the copy. */
  copyAndChecksum(
    target: Uint8Array,
    targetStart: number,
    source: Uint8Array,
    start: number,
    end: number,
    seed: number,
  ): number;
  /** What the addon did in this thread; index it by `counterIndex`. Only grows. */
  readonly counters: Float64Array;
  readonly counterIndex: CounterIndex;
  /** The log format and the version of this interface that the addon was built with; compared at load. */
  readonly constants: Readonly<Record<string, number>>;

  /**
   * Maps the first `bytes` bytes of a file, which must be that long. `sync` tells whether a flushed cache line is
   * durable (MAP_SYNC on DAX); with `requireSync`, ENOTSUP where it would not be. Unmapped when collected. `region` names
   * the mapping in all threads of this process.
   */
  mapSegment(
    path: string,
    bytes: number,
    readOnly: boolean,
    requireSync: boolean,
  ): { bytes: Uint8Array; sync: boolean; region: number };
  /**
   * The mapping of that name, which another thread made: the same memory, without a mapping or page faults of its own. It lasts until both have
   * let go of it. Null where it is gone, or where this thread has it already.
   */
  openRegion(region: number): Uint8Array | null;
  /** This thread holds the mapping, with or without its bytes, until `dropRegion` or its end. Throws TypeError where there is none. */
  keepRegion(region: number): void;
  /** Idempotent. */
  dropRegion(region: number): void;
  /** Unmaps at once; `bytes` and all views of its buffer have no length afterwards. */
  unmapSegment(bytes: Uint8Array): void;
  /** Makes bytes [from, to) of a mapped segment durable where it was mapped with `sync`. Whole cache lines are flushed. */
  flushRange(bytes: Uint8Array, from: number, to: number): void;
  /** Touches the pages of [from, to) for writing, so that no later store waits for the file system. Changes nothing. */
  populate(bytes: Uint8Array, from: number, to: number): void;
  /** How `flushRange` does it: 'clwb', 'clflushopt', 'clflush', 'dc cvap', 'fence only' (eADR) or 'msync'. */
  readonly flushInstruction: string;

  /** Calls `callback` on this thread's loop after signals. Throws where the platform has no such thing (ENOSYS). */
  createEvent(callback: () => void): NativeEvent;
  openEventSender(fd: number): NativeEventSender;
  /** Locks the file, made if missing; null where another opening of it, in any process, holds the lock. */
  lockFile(path: string): NativeFileLock | null;
}

/** Positions in `counters`. */
export interface CounterIndex {
  readonly bytesCopied: number;
  readonly bytesPersisted: number;
  readonly persists: number;
  readonly systemCalls: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly signals: number;
}

export interface AddonState {
  readonly addon: NativeAddon | null;
  /** The file that was loaded; null where none was. */
  readonly path: string | null;
  /** One line for people: what was loaded, or why nothing was. */
  readonly reason: string;
}

const packageRoot = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
const buildCommand = 'npm run build:native';

let state: AddonState | null = null;

/** The addon, or null, with the reason. Never throws; tried once per thread. */
export function loadAddon(): AddonState {
  state ??= load(process.env.SYNOD_NATIVE ?? '');
  return state;
}

/** The addon, or `ERR_SYNOD_NATIVE_UNAVAILABLE` with the reason and the command that builds it. */
export function requireAddon(): NativeAddon {
  const { addon, reason } = loadAddon();
  if (addon === null) throw new SynodError('ERR_SYNOD_NATIVE_UNAVAILABLE', reason);
  return addon;
}

/** An event for this thread, or null where there are none: without the addon, or where the platform has no such thing. */
export function createEventIfAny(addon: NativeAddon | null, callback: () => void): NativeEvent | null {
  if (addon === null) return null;
  try {
    return addon.createEvent(callback);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSYS') throw error;
    return null;
  }
}

/** True where SYNOD_NATIVE=1 forbids to fall back on portable backends for want of the addon. */
export function addonIsDemanded(): boolean {
  return process.env.SYNOD_NATIVE === '1';
}

/** `<os>-<cpu>`, with `musl` after the os where that is the C library. */
export function platformName(): string {
  return `${process.platform}${isMusl() ? 'musl' : ''}-${process.arch}`;
}

function isMusl(): boolean {
  // The dynamic loader's name tells: process.report would, too, but takes milliseconds and looks at the network.
  if (process.platform !== 'linux') return false;
  const cpu = { x64: 'x86_64', arm64: 'aarch64' }[process.arch as string] ?? process.arch;
  return existsSync(`/lib/ld-musl-${cpu}.so.1`) && !existsSync(`/lib64/ld-linux-x86-64.so.2`);
}

function load(setting: string): AddonState {
  const unavailable = (reason: string): AddonState => ({ addon: null, path: null, reason });
  if (setting === '0') return unavailable('the native addon is turned off by SYNOD_NATIVE=0');
  try {
    const { addon, file } =
      setting === '' || setting === '1' ? loadFromPackage() : loadFromFile(path.resolve(setting));
    const difference = compareBuild(addon.constants);
    if (difference !== null) {
      return unavailable(
        `the native addon was built from another version of synod (${difference}): run ${buildCommand}`,
      );
    }
    return { addon, path: file, reason: `native addon, ${platformName()}, CRC-32C by ${addon.checksumKind}` };
  } catch (error) {
    return unavailable(explain(error));
  }
}

interface LoadedFile {
  readonly addon: NativeAddon;
  readonly file: string;
}

function loadFromFile(file: string): LoadedFile {
  return { addon: createRequire(import.meta.url)(file) as NativeAddon, file };
}

type Bindings = (options: {
  bindings: string;
  module_root: string;
  try: string[][];
}) => NativeAddon & { path: string };

function loadFromPackage(): LoadedFile {
  const bindings = createRequire(import.meta.url)('bindings') as Bindings;
  const addon = bindings({
    bindings: 'synod_native.node',
    module_root: packageRoot,
    try: [
      ['module_root', 'build', 'Release', 'bindings'],
      ['module_root', 'build', 'Debug', 'bindings'],
      ['module_root', 'prebuilds', platformName(), 'bindings'],
    ],
  });
  // `bindings` puts the path into the exports.
  return { addon, file: addon.path };
}

function explain(error: unknown): string {
  const tries = (error as { tries?: string[] }).tries;
  const message = error instanceof Error ? error.message.split('\n')[0] : String(error);
  const what =
    tries === undefined
      ? message
      : `no synod_native.node in build/Release, build/Debug or prebuilds/${platformName()}`;
  return `the native addon is not there (${what}; Node ${process.version}): to build it, run ${buildCommand} in ${packageRoot}`;
}
