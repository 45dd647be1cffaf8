/**
 * The part of node:fs that storage uses: its callback calls, which run on the thread pool and never on the event
 * loop. Tests put one here that fails at the n-th call, or one that is not of this machine.
 */

import fs from 'node:fs';
import path from 'node:path';
import { loadAddon } from '../native/addon.js';
import type { lockDirectory } from './directory-lock.js';

export type FileSystem = Pick<
  typeof fs,
  | 'close'
  | 'fdatasync'
  | 'fstat'
  | 'fsync'
  | 'ftruncate'
  | 'mkdir'
  | 'open'
  | 'read'
  | 'readdir'
  | 'rename'
  | 'unlink'
  | 'write'
> &
  Partial<Pick<typeof fs, 'realpath' | 'statfs'>> & {
    /** Makes a directory one owner's. Left out where node:fs reaches it: then it is `lockDirectory`. */
    readonly lock?: typeof lockDirectory;
  };

export const nodeFileSystem: FileSystem = fs;

/** Bytes handed to the thread pool at once where a whole segment is walked: other calls get their turn between. */
export const CHUNK_BYTES_MAX: number = 1024 * 1024;

/** Below, the call costs more than it spares. */
const POPULATE_BYTES_MIN = 64 * 1024;

type Done = (error: NodeJS.ErrnoException | null) => void;

/** Writes bytes [from, to) of `source` at the same position of the file; short writes are continued. */
export function writeFully(
  fileSystem: FileSystem,
  fd: number,
  source: Uint8Array,
  from: number,
  to: number,
  position: number,
  done: Done,
): void {
  if (from >= to) {
    setImmediate(done, null);
    return;
  }
  fileSystem.write(fd, source, from, to - from, position, (error, count) => {
    if (error !== null) return done(error);
    // A call that takes nothing and reports nothing would be repeated for ever.
    if (count <= 0) return done(Object.assign(new Error('EIO: write took no bytes'), { code: 'EIO' }));
    if (from + count >= to) return done(null);
    writeFully(fileSystem, fd, source, from + count, to, position + count, done);
  });
}

/**
 * Reads into bytes [from, to) of `target` until they are full or the file ends; yields how many were read. Pages of a new memory are made
 * present before, a chunk at a time: where the kernel meets them one by one while it copies, each is a fault, and reading takes ten times as long.
 */
export function readFully(
  fileSystem: FileSystem,
  fd: number,
  target: Uint8Array,
  from: number,
  to: number,
  position: number,
  done: (error: NodeJS.ErrnoException | null, count: number) => void,
  countBefore = 0,
): void {
  const wanted = Math.min(to - from, CHUNK_BYTES_MAX);
  if (wanted >= POPULATE_BYTES_MIN) loadAddon().addon?.populate(target, from, from + wanted);
  fileSystem.read(fd, target, from, wanted, position, (error, count) => {
    if (error !== null) return done(error, countBefore);
    const total = countBefore + count;
    if (count === 0 || from + count >= to) return done(null, total);
    readFully(fileSystem, fd, target, from + count, to, position + count, done, total);
  });
}

let zeros: Uint8Array | null = null;

/** Fills bytes [0, bytes) of a file with zeros, so that later writes meet allocated, written blocks. */
export function writeZeros(
  fileSystem: FileSystem,
  fd: number,
  bytes: number,
  done: Done,
  position = 0,
): void {
  if (position >= bytes) {
    done(null);
    return;
  }
  zeros ??= new Uint8Array(CHUNK_BYTES_MAX);
  const count = Math.min(CHUNK_BYTES_MAX, bytes - position);
  writeFully(fileSystem, fd, zeros, 0, count, position, (error) => {
    if (error !== null) return done(error);
    writeZeros(fileSystem, fd, bytes, done, position + count);
  });
}

/** False where the file system of `directory` says that it has less space than `bytes`; true also where it does not say. */
export function hasSpace(
  fileSystem: FileSystem,
  directory: string,
  bytes: number,
  done: (has: boolean) => void,
): void {
  if (fileSystem.statfs === undefined) {
    done(true);
    return;
  }
  fileSystem.statfs(directory, (error, stats) => {
    // What is set aside for root is there for root. And who does not count blocks does not know how many are free.
    const free = process.geteuid?.() === 0 ? stats?.bfree : stats?.bavail;
    done(error !== null || stats.blocks === 0 || free * stats.bsize >= bytes);
  });
}

/** Writes bytes [from, to) of a file once more, as they are read, and syncs it. */
export function rewrite(fileSystem: FileSystem, fd: number, from: number, to: number, done: Done): void {
  if (from >= to) {
    fileSystem.fsync(fd, done);
    return;
  }
  const bytes = new Uint8Array(Math.min(CHUNK_BYTES_MAX, to - from));
  readFully(fileSystem, fd, bytes, 0, bytes.length, from, (readError, count) => {
    if (readError !== null) return done(readError);
    if (count === 0)
      return done(Object.assign(new Error('EIO: the file has become shorter'), { code: 'EIO' }));
    writeFully(fileSystem, fd, bytes, 0, count, from, (error) => {
      if (error !== null) return done(error);
      rewrite(fileSystem, fd, from + count, to, done);
    });
  });
}

/** A directory that is open: what is left to do makes its names durable, and needs no descriptor any more. One call, once. */
export interface OpenDirectory {
  sync(done: Done): void;
  close(done: Done): void;
}

/** Platforms that cannot open a directory keep names by themselves. */
export function openDirectory(
  fileSystem: FileSystem,
  directory: string,
  done: (error: NodeJS.ErrnoException | null, opened?: OpenDirectory) => void,
): void {
  if (process.platform === 'win32') {
    const nothing = (call: Done): void => void setImmediate(call, null);
    setImmediate(done, null, { sync: nothing, close: nothing });
    return;
  }
  fileSystem.open(directory, 'r', (openError, fd) => {
    if (openError !== null) return done(openError);
    const close = (call: Done): void => fileSystem.close(fd, call);
    const sync = (call: Done): void =>
      fileSystem.fsync(fd, (syncError) => close((closeError) => call(syncError ?? closeError)));
    done(null, { sync, close });
  });
}

/** Makes the names in a directory durable. */
export function syncDirectory(fileSystem: FileSystem, directory: string, done: Done): void {
  openDirectory(fileSystem, directory, (error, opened) => {
    if (error !== null) done(error);
    else opened!.sync(done);
  });
}

const NO_SYNC_CODES: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'EINVAL', 'ENOTSUP', 'EROFS']);

/**
 * Makes the names of `directory` and of all directories above it durable. Not only those that this start has made: whoever made the others
 * (a probe of this path, a process that was killed) may not have come so far.
 */
export function syncAbove(fileSystem: FileSystem, directory: string, done: Done): void {
  syncParents(fileSystem, directory, (error) => {
    if (error !== null || fileSystem.realpath === undefined) {
      done(error);
      return;
    }
    // Behind a link on the way there are other directories than the path says.
    fileSystem.realpath(directory, (linkError, real) => {
      if (linkError !== null) done(unlessForbidden(linkError));
      else if (real === directory) done(null);
      else syncParents(fileSystem, real, done);
    });
  });
}

function syncParents(fileSystem: FileSystem, directory: string, done: Done): void {
  const above = path.dirname(directory);
  if (above === directory) {
    done(null);
    return;
  }
  syncDirectory(fileSystem, above, (error) => {
    if (error !== null && unlessForbidden(error) !== null) done(error);
    else syncParents(fileSystem, above, done);
  });
}

/** Null where this user may not look: it has made nothing there. And where a file system has no such syncs: it keeps names by itself. */
function unlessForbidden(error: NodeJS.ErrnoException): NodeJS.ErrnoException | null {
  return NO_SYNC_CODES.has(error.code ?? '') ? null : error;
}
