/** The lines that each recovery writes into the data directory: one before it changes anything, by which another run goes on, and one when it is done. */

import { closeSync, fstatSync, fsyncSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { recoveriesFile, unfinishedRecovery } from '../application/recoveries.js';
import { SynodError } from '../errors.js';
import type { Configuration } from '../protocol/configuration.js';
import { storageError, systemCode } from '../storage/storage-error.js';
import { decodeConfiguration, encodeConfiguration } from '../wire/configuration-codec.js';
import { makeNameDurable } from './durable-name.js';

export interface RecoveryPlan {
  readonly dataDir: string;
  readonly cluster: string;
  readonly replica: string;
  /** Of the disk, in hexadecimal. */
  readonly incarnation: string;
  readonly configuration: Configuration;
  /** Members that would be lost. */
  readonly lost: readonly string[];
  /** Every slot up to this one is known to be chosen: nothing of it can be lost. */
  readonly chosen: number;
  /** Slots behind it up to the last that this disk has accepted: they are kept, though some may never have been acknowledged. */
  readonly kept: number;
  /** The highest that it has accepted one of those under; null where there are none. Builds that did not compare them wrote none. */
  readonly ballot?: string | null;
  /** Slots among them that this disk has nothing for: they become no-ops, and what was chosen there is lost. */
  readonly holes: number;
  /** From this slot on, whatever the lost members have chosen without this one is lost. Nobody who is left knows how much that is. */
  readonly lostFrom: number;
  readonly next: Configuration;
}

/** Adds a line, durably. Rejects with `ERR_SYNOD_STORAGE_FULL` or `ERR_SYNOD_STORAGE_FAILED`. */
export async function writeDown(state: 'begun' | 'done', plan: RecoveryPlan): Promise<void> {
  const file = recoveriesFile(plan.dataDir);
  const line = JSON.stringify({
    at: new Date().toISOString(),
    state,
    ...plan,
    host: process.env.HOSTNAME ?? null,
    user: process.env.USER ?? null,
  });
  let fd = -1;
  try {
    fd = openSync(file, 'a+');
    // A line that was cut short would swallow the one behind it.
    const bytes = Buffer.from(`${isCutShort(fd) ? '\n' : ''}${line}\n`);
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    fsyncSync(fd);
  } catch (error) {
    throw storageError(error, `cannot write ${file}`, file);
  } finally {
    if (fd >= 0) closeSync(fd);
  }
  await makeNameDurable(file);
}

function isCutShort(fd: number): boolean {
  const { size } = fstatSync(fd);
  const last = Buffer.alloc(1);
  return size > 0 && readSync(fd, last, 0, 1, size - 1) === 1 && last.toString() !== '\n';
}

/** The plan of the recovery that was begun in `dataDir` and is not done; null where there is none. Throws `ERR_SYNOD_DATA_DIRECTORY`. */
export function unfinishedPlan(dataDir: string): RecoveryPlan | null {
  const file = recoveriesFile(dataDir);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null;
    throw storageError(error, `cannot read ${file}`, file, 'ERR_SYNOD_DATA_DIRECTORY');
  }
  const found = unfinishedRecovery(text);
  if (found === null) return null;
  const { at: _at, state: _state, host: _host, user: _user, ...rest } = found;
  // The folder may have another path by now.
  const plan = { ...rest, dataDir } as unknown as RecoveryPlan;
  const isUsable =
    Array.isArray(plan.lost) &&
    [plan.chosen, plan.kept, plan.holes, plan.lostFrom].every(Number.isSafeInteger) &&
    [plan.configuration, plan.next].every(isConfiguration);
  if (isUsable) return plan;
  throw new SynodError('ERR_SYNOD_DATA_DIRECTORY', `the last line of ${file} is no recovery that was begun`, {
    path: file,
  });
}

function isConfiguration(found: Configuration): boolean {
  try {
    return decodeConfiguration(encodeConfiguration(found)) !== null;
  } catch {
    return false;
  }
}
