/** A file system in memory of its own for the data of one replica, whose size can be changed while it is in use. Needs root. */

import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, statfsSync } from 'node:fs';

const SIZE_BYTES = 8 * 1024 * 1024 * 1024;

function run(command: string, words: readonly string[]): string | null {
  const { status, stderr, error } = spawnSync(command, words, { encoding: 'utf8' });
  return status === 0 ? null : (error?.message ?? stderr.trim());
}

/** Why there can be none here, or null. */
export function whyNoSmallDisk(): string | null {
  if (process.getuid?.() !== 0) return 'mounting needs root';
  const failed = run('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']);
  return failed === null ? null : `mounting does not work here: ${failed}`;
}

export class SmallDisk {
  readonly folder: string;

  /** Mounts it on `folder`, which is made if missing. It has much space at first. */
  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
    const failed = run('mount', ['-t', 'tmpfs', '-o', `size=${SIZE_BYTES}`, 'tmpfs', folder]);
    if (failed !== null) throw new Error(`mount ${folder}: ${failed}`);
  }

  /** Leaves that much space. */
  shrink(leftBytes: number): void {
    const { blocks, bfree, bsize } = statfsSync(this.folder);
    this.#resize((blocks - bfree) * bsize + leftBytes);
  }

  grow(): void {
    this.#resize(SIZE_BYTES);
  }

  /** Unmounts it; with `keep`, what is on it is copied to the folder that it was mounted on. */
  dispose(keep: boolean): void {
    if (!readFileSync('/proc/mounts', 'utf8').includes(` ${this.folder} `)) return;
    const copy = `${this.folder}.kept`;
    if (keep) cpSync(this.folder, copy, { recursive: true });
    if (run('umount', [this.folder]) !== null) run('umount', ['--lazy', this.folder]);
    if (keep) cpSync(copy, this.folder, { recursive: true });
    rmSync(copy, { recursive: true, force: true });
  }

  #resize(bytes: number): void {
    const failed = run('mount', ['-o', `remount,size=${bytes}`, this.folder]);
    if (failed !== null) throw new Error(`remount ${this.folder}: ${failed}`);
  }
}
