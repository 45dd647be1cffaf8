/**
 * One owner per data directory.
 *
 * Two means, both always used, because one process may have the addon and the next may not:
 *
 * 1. With the addon, the file `LOCK` is locked through the kernel, which gives it back when the owner ends.
 * 2. Every contender puts down a claim: a file of its own, `<pid>-<random>.owner`, with its process, that process's
 *    start time, its process namespace and its machine. Then it looks at the other claims; if one of them is alive, it takes its
 *    own back. Of two that come at once at least the later one sees the other, so never both stay. The
 *    claim of a process that is gone may be deleted by anyone: its name is never used again, so that no deletion can
 *    hit a newcomer (with one file name for all owners it could).
 */

import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { SynodError } from '../errors.js';
import { loadAddon, type NativeFileLock } from '../native/addon.js';
import { storageError, systemCode } from './storage-error.js';

const LOCK_NAME = 'LOCK';
const CLAIM_SUFFIX = '.owner';
/** Contenders that came at once and both stepped back, or an owner that is being killed right now, clear up in this time. */
const ATTEMPTS_MAX = 20;
const ATTEMPT_DELAY_MS = 25;
/** Else the file is empty, or says that the system was never started. */
const MACHINE_ID = /^[0-9a-f]{32}$/;

interface Claim {
  readonly pid: number;
  /** When the process started, in kernel ticks since boot; null where the platform does not tell. */
  readonly started: string | null;
  /** Identity of the boot and process namespace in which `pid` means something; null where there is no such thing. */
  readonly namespace: string | null;
  /** Tells machines apart that share a file system; left out by builds that knew none. */
  readonly machine?: string;
  /** True where the owner also holds the kernel's lock on `LOCK`: then who gets that lock knows the owner is gone, if it cannot see it. */
  readonly kernelLock: boolean;
}

/** For whoever works in a directory that its caller has locked. */
export const lockedByCaller: typeof lockDirectory = (_directory, callback) =>
  void setImmediate(callback, null, { unlock() {} });

export interface DirectoryLock {
  /** Idempotent. */
  unlock(): void;
}

/**
 * Locks `directory`, which exists, or yields `ERR_SYNOD_DATA_DIRECTORY` if somebody has it, `ERR_SYNOD_STORAGE_FULL` if there is
 * no space. The owner's death, by kill -9 too, frees it. Without the addon, a directory shared between containers stays locked after
 * the owner's death if its namespace cannot be looked into, and one shared between machines if the owner was on another
 * one; the error says which file to delete.
 */
export function lockDirectory(
  directory: string,
  callback: (error: SynodError | null, lock?: DirectoryLock) => void,
): void {
  let attempts = 0;
  const attempt = (): void => {
    attempts += 1;
    let outcome: DirectoryLock | string;
    try {
      outcome = tryLock(directory);
    } catch (error) {
      callback(storageError(error, `cannot lock ${directory}`, directory, 'ERR_SYNOD_DATA_DIRECTORY'));
      return;
    }
    if (typeof outcome !== 'string') {
      callback(null, outcome);
      return;
    }
    if (attempts < ATTEMPTS_MAX) return void setTimeout(attempt, ATTEMPT_DELAY_MS * (0.5 + Math.random()));
    const message = `the log in ${directory} is in use: ${outcome}`;
    callback(new SynodError('ERR_SYNOD_DATA_DIRECTORY', message, { path: directory }));
  };
  setImmediate(attempt);
}

/** The lock, or in words who has it. */
function tryLock(directory: string): DirectoryLock | string {
  const { addon } = loadAddon();
  let kernelLock: NativeFileLock | null = null;
  if (addon !== null && process.platform !== 'win32') {
    kernelLock = addon.lockFile(path.join(directory, LOCK_NAME));
    if (kernelLock === null)
      return `another process, or another replica of this one, has locked ${LOCK_NAME}`;
  }
  const claimPath = path.join(directory, `${process.pid}-${randomBytes(8).toString('hex')}${CLAIM_SUFFIX}`);
  try {
    putClaim(claimPath, { ...claimOfProcess(process.pid), kernelLock: kernelLock !== null });
    const owner = findOtherOwner(directory, claimPath, kernelLock !== null);
    if (owner !== null) {
      fs.rmSync(claimPath, { force: true });
      kernelLock?.unlock();
      return owner;
    }
  } catch (error) {
    fs.rmSync(claimPath, { force: true });
    kernelLock?.unlock();
    throw error;
  }
  let held = true;
  return {
    unlock() {
      if (!held) return;
      held = false;
      try {
        fs.rmSync(claimPath, { force: true });
      } catch {
        // The claim dies with the process at the latest.
      }
      kernelLock?.unlock();
    },
  };
}

/** Appears under its name complete or not at all: a claim that is there and cannot be read would be of no use. */
function putClaim(claimPath: string, claim: Claim): void {
  const temporary = `${claimPath}.new`;
  try {
    fs.writeFileSync(temporary, JSON.stringify(claim), { flag: 'wx' });
    fs.renameSync(temporary, claimPath);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw error;
  }
}

function findOtherOwner(directory: string, ownPath: string, hasKernelLock: boolean): string | null {
  for (const name of fs.readdirSync(directory)) {
    if (!name.endsWith(CLAIM_SUFFIX) || name === path.basename(ownPath)) continue;
    const otherPath = path.join(directory, name);
    let claim: Claim;
    try {
      claim = JSON.parse(fs.readFileSync(otherPath, 'utf8')) as Claim;
    } catch (error) {
      if (systemCode(error) === 'ENOENT') continue; // Its owner has just taken it back.
      if (!(error instanceof SyntaxError)) throw error;
      // Cut short by a power loss: made in an earlier boot, by an owner that is gone.
      fs.rmSync(otherPath, { force: true });
      continue;
    }
    // Whoever has the kernel's lock knows that no owner of before has it, unless somebody deleted `LOCK` and it was made anew.
    const isGone = hasKernelLock && claim.kernelLock && !isSeenAlive(claim);
    const alive = isGone ? null : describeIfAlive(claim, otherPath);
    if (alive !== null) return alive;
    fs.rmSync(otherPath, { force: true });
  }
  return null;
}

/** The very process that made the claim can be seen from here, and is another one than this. */
function isSeenAlive({ pid, started, namespace }: Claim): boolean {
  if (namespace === null || namespace !== namespaceOfThisProcess() || pid === process.pid) return false;
  return started !== null && started === startOf(pid);
}

function describeIfAlive(claim: Claim, claimPath: string): string | null {
  const own = namespaceOfThisProcess();
  if (claim.namespace !== own) {
    const sameBoot =
      claim.namespace !== null && own !== null && claim.namespace.split(' ')[0] === own.split(' ')[0];
    // In another namespace (a container) nothing can be known: refuse.
    if (sameBoot)
      return `a process ${claim.pid} of another container claims it; if that one is gone, delete ${claimPath}`;
    // After a reboot nobody is left. But each machine boots by itself: what runs on another one is no less alive for its other boot.
    return isOfAnotherMachine(claim) ? elsewhere(claim, claimPath) : null;
  }
  // Where there are no namespaces, a process number means nothing on another machine either.
  if (own === null && isOfAnotherMachine(claim)) return elsewhere(claim, claimPath);
  try {
    process.kill(claim.pid, 0);
  } catch (error) {
    if (systemCode(error) === 'ESRCH') return null;
  }
  const started = startOf(claim.pid);
  // The number may have been given to a new process since. Where that cannot be seen, refuse.
  if (claim.started !== null && started !== null && started !== claim.started) return null;
  return `process ${claim.pid} has it`;
}

function isOfAnotherMachine({ machine }: Claim): boolean {
  return machine !== undefined && machine !== machineOfThisProcess();
}

function elsewhere({ pid }: Claim, claimPath: string): string {
  return `a process ${pid} of another machine claims it; if that one is gone, delete ${claimPath}`;
}

function claimOfProcess(pid: number): Omit<Claim, 'kernelLock'> {
  const [namespace, machine] = [namespaceOfThisProcess(), machineOfThisProcess()];
  return { pid, started: startOf(pid), namespace, machine };
}

/** 'ended' where only a remainder is left, waiting for its parent to take note; null where it cannot be seen. */
function startOf(pid: number): string | null {
  try {
    const text = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field, the name, is in parentheses and may contain anything.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const isRemainder =
      (fields[0] === 'Z' || fields[0] === 'X') && fs.readdirSync(`/proc/${pid}/task`).length <= 1;
    return isRemainder ? 'ended' : (fields[19] ?? null);
  } catch {
    return null;
  }
}

let namespaceFound: string | null | undefined;

function namespaceOfThisProcess(): string | null {
  if (namespaceFound === undefined) {
    try {
      const boot = fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
      namespaceFound = `${boot} ${fs.readlinkSync('/proc/self/ns/pid')}`;
    } catch {
      namespaceFound = null;
    }
  }
  return namespaceFound;
}

let machineFound: string | undefined;

/** Its number is not to be told to others (machine-id(5)), who may read the directory: a digest is as good. */
function machineOfThisProcess(): string {
  if (machineFound === undefined) {
    let identity = '';
    try {
      identity = fs.readFileSync('/etc/machine-id', 'utf8').trim();
    } catch {
      // Not every container has one, nor every system.
    }
    if (!MACHINE_ID.test(identity)) identity = os.hostname();
    machineFound = createHash('sha256').update(`synod ${identity}`).digest('hex').slice(0, 32);
  }
  return machineFound;
}
