/** The folders of a data directory. */

import path from 'node:path';
import type { StorageKind } from './log-medium.js';

export function logDirectory(dataDir: string): string {
  return path.join(dataDir, 'log');
}

/**
 * Checkpoints of a log in memory have a folder of their own: they say nothing to whoever comes next, and a replica that keeps its log
 * must not restore the history of one that did not.
 */
export function checkpointDirectory(dataDir: string, kind: 'auto' | StorageKind = 'auto'): string {
  return path.join(dataDir, kind === 'memory' ? 'memory-checkpoints' : 'checkpoints');
}
