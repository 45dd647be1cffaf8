/** Whether io_uring can be used here, and if not, which of the usual obstacles it is. */

import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { loadAddon } from './addon.js';
import { uringLayout } from './uring.js';

export type UringUse = 'files' | 'sockets';

export interface UringAvailability {
  /** Null: it can be used. Else one line for people that names the cause. */
  readonly obstacle: string | null;
  /** How it is used, in a few words. */
  readonly description: string;
  /** Receive buffers can be filled in several pieces. */
  readonly incrementalBuffers: boolean;
}

interface Found {
  readonly general: string | null;
  readonly files: string | null;
  readonly sockets: string | null;
  readonly description: string;
  readonly incrementalBuffers: boolean;
}

let found: Found | null = null;

/** Probes the kernel once per thread. Never throws. */
export function probeUring(use: UringUse): UringAvailability {
  found ??= probe();
  return {
    obstacle: found.general ?? (use === 'files' ? found.files : found.sockets),
    description: found.description,
    incrementalBuffers: found.incrementalBuffers,
  };
}

function unavailable(general: string): Found {
  return { general, files: null, sockets: null, description: '', incrementalBuffers: false };
}

function probe(): Found {
  if (process.platform !== 'linux')
    return unavailable(`io_uring is a Linux interface, this is ${process.platform}`);
  const { addon, reason } = loadAddon();
  if (addon === null) return unavailable(reason);
  if (addon.probeUring === undefined || addon.uringConstants === undefined) {
    return unavailable('the native addon was built without io_uring');
  }
  for (const [name, value] of Object.entries(uringLayout)) {
    if (addon.uringConstants[name] !== value) {
      return unavailable(
        `the native addon is of another version (${name} is ${addon.uringConstants[name]}, not ${value})`,
      );
    }
  }
  const result = addon.probeUring();
  if (result.error !== null) return unavailable(explain(result.error));
  const lacks = (what: string): string | null =>
    what === '' ? null : `Linux ${release()} has io_uring without ${what}`;
  const buffers = result.incrementalBuffers ? 'incremental buffers' : 'whole buffers';
  return {
    general: null,
    files: lacks(result.missingForFiles),
    sockets: lacks(result.missingForSockets),
    description: `io_uring of Linux ${release()}, ${buffers}`,
    incrementalBuffers: result.incrementalBuffers,
  };
}

/** The cause behind what io_uring_setup answered. */
function explain(error: NodeJS.ErrnoException): string {
  const what = `${error.syscall ?? 'io_uring_setup'} says ${error.code ?? error.message}`;
  switch (error.code) {
    case 'EPERM':
    case 'EACCES': {
      const setting = readSetting('/proc/sys/kernel/io_uring_disabled');
      if (setting === '1' || setting === '2') {
        return `${what}: the system forbids it (sysctl kernel.io_uring_disabled is ${setting})`;
      }
      const value = setting === null ? 'is not there' : `is ${setting}`;
      return `${what}: most likely a seccomp filter, as containers have it (sysctl kernel.io_uring_disabled ${value})`;
    }
    case 'ENOSYS':
      return `${what}: Linux ${release()} was built without io_uring, or a seccomp filter hides it`;
    case 'ENOMEM':
      return `${what}: not enough lockable memory (limit of locked memory: ${lockedMemoryLimit()}; see ulimit -l)`;
    case 'EMFILE':
    case 'ENFILE':
      return `${what}: no file descriptors left (see ulimit -n)`;
    case 'ENOTSUP':
    case 'EINVAL':
      return `${what}: the io_uring of Linux ${release()} is too old`;
    default:
      return what;
  }
}

function readSetting(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return null;
  }
}

function lockedMemoryLimit(): string {
  const line = readSetting('/proc/self/limits')
    ?.split('\n')
    .find((one) => one.startsWith('Max locked memory'));
  return line?.replace('Max locked memory', '').trim().split(/\s+/)[0] ?? 'unknown';
}
