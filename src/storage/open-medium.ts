/** The one place that picks a log medium. */

import { unreachable } from '../contracts.js';
import { SynodError } from '../errors.js';
import { addonIsDemanded, loadAddon, requireAddon } from '../native/addon.js';
import { createFileMedium } from './file/file-medium.js';
import type { LogMedium, StorageKind } from './log-medium.js';
import { createMemoryMedium } from './memory/memory-medium.js';
import { createPmemMedium, probePmem } from './pmem/pmem-medium.js';
import { createUringMedium, probeUring } from './uring/uring-medium.js';

export interface OpenMediumOptions {
  /** `auto`: pmem on a DAX file system, else uring where the kernel allows it, else file. Never memory. */
  readonly kind: 'auto' | StorageKind;
  /** The log's directory; made if missing. Not used by `memory`. */
  readonly directory: string;
  /** A multiple of 4096 from 16 KiB to 1 GiB. */
  readonly segmentBytes: number;
  /** Lets `pmem` asked for by name take a path that is not persistent memory; nothing is durable then. */
  readonly allowVolatile?: boolean;
}

/**
 * Makes the medium, without starting it. Asked for by name, a kind that cannot be had here throws
 * `ERR_SYNOD_STORAGE_UNAVAILABLE` with what blocks it; `auto` takes the next, and says so in `reason`.
 */
export function openMedium(options: OpenMediumOptions): LogMedium {
  const { kind, directory, segmentBytes } = options;
  switch (kind) {
    case 'memory':
      return createMemoryMedium({ segmentBytes });
    case 'file':
      return createFileMedium({ directory, segmentBytes });
    case 'uring': {
      const { addon, reason } = loadAddon();
      const blocked = addon === null ? reason : probeUring();
      if (blocked === null) return createUringMedium({ directory, segmentBytes });
      throw new SynodError('ERR_SYNOD_STORAGE_UNAVAILABLE', `storage kind uring: ${blocked}`, {
        path: directory,
      });
    }
    case 'pmem':
      return createPmemMedium({ directory, segmentBytes, allowVolatile: options.allowVolatile ?? false });
    case 'auto':
      return openBest(directory, segmentBytes);
    default:
      return unreachable(kind);
  }
}

function openBest(directory: string, segmentBytes: number): LogMedium {
  if (addonIsDemanded()) requireAddon();
  const { addon, reason } = loadAddon();
  // One line that tells the one cause, not once for each kind that needs the addon.
  if (addon === null)
    return withReason(createFileMedium({ directory, segmentBytes }), `no pmem, no uring: ${reason}`);
  const pmemBlocked = probePmem(directory);
  if (pmemBlocked === null) return withReason(createPmemMedium({ directory, segmentBytes }), '');
  const uringBlocked = probeUring();
  if (uringBlocked === null) {
    return withReason(createUringMedium({ directory, segmentBytes }), `no pmem: ${pmemBlocked}`);
  }
  return withReason(
    createFileMedium({ directory, segmentBytes }),
    `no pmem: ${pmemBlocked}; no uring: ${uringBlocked}`,
  );
}

/** The same medium, with what `auto` found added to its reason. */
function withReason(medium: LogMedium, found: string): LogMedium {
  const reason = found === '' ? `auto: ${medium.reason}` : `auto: ${medium.reason}; ${found}`;
  Object.defineProperty(medium, 'reason', { value: reason, enumerable: true });
  return medium;
}
