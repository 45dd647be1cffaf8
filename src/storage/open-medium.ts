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
  /** Whoever opens it has locked the directory, and unlocks it once it is closed. */
  readonly isLocked?: boolean | undefined;
  /** Lets `pmem` asked for by name take a path that is not persistent memory; nothing is durable then. */
  readonly allowVolatile?: boolean;
}

/**
 * Makes the medium, without starting it. Asked for by name, a kind that cannot be had here throws
 * `ERR_SYNOD_STORAGE_UNAVAILABLE` with what blocks it; `auto` takes the next, and says so in `reason`.
 */
export function openMedium(options: OpenMediumOptions): LogMedium {
  const { kind, directory, segmentBytes, isLocked } = options;
  const place: Place = { directory, segmentBytes, isLocked };
  switch (kind) {
    case 'memory':
      return createMemoryMedium({ segmentBytes });
    case 'file':
      return createFileMedium(place);
    case 'uring': {
      const { addon, reason } = loadAddon();
      const blocked = addon === null ? reason : probeUring();
      if (blocked === null) return createUringMedium(place);
      throw new SynodError('ERR_SYNOD_STORAGE_UNAVAILABLE', `storage kind uring: ${blocked}`, {
        path: directory,
      });
    }
    case 'pmem':
      return createPmemMedium({ ...place, allowVolatile: options.allowVolatile ?? false });
    case 'auto':
      return openBest(place);
    default:
      return unreachable(kind);
  }
}

type Place = Pick<OpenMediumOptions, 'directory' | 'segmentBytes' | 'isLocked'>;

function openBest(place: Place): LogMedium {
  if (addonIsDemanded()) requireAddon();
  const { addon, reason } = loadAddon();
  // One line that tells the one cause, not once for each kind that needs the addon.
  if (addon === null) return withReason(createFileMedium(place), `no pmem, no uring: ${reason}`);
  const pmemBlocked = probePmem(place.directory);
  if (pmemBlocked === null) return withReason(createPmemMedium(place), '');
  const uringBlocked = probeUring();
  if (uringBlocked === null) {
    return withReason(createUringMedium(place), `no pmem: ${pmemBlocked}`);
  }
  return withReason(createFileMedium(place), `no pmem: ${pmemBlocked}; no uring: ${uringBlocked}`);
}

/** The same medium, with what `auto` found added to its reason. */
function withReason(medium: LogMedium, found: string): LogMedium {
  const reason = found === '' ? `auto: ${medium.reason}` : `auto: ${medium.reason}; ${found}`;
  Object.defineProperty(medium, 'reason', { value: reason, enumerable: true });
  return medium;
}
