/**
 * How long a replica takes that was killed, with a log of so many bytes and no checkpoint, until it has executed all of it again and answers
 * the next command. One replica, alone: what is measured is its log, not its peers.
 */

import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { StorageOption } from 'synod';
import { Child } from './child.js';
import { freePort } from './free-port.js';
import { machineLabel } from './label.js';
import type { ReplicaCommand, ReplicaReport, ReplicaSettings } from './replica-process.js';

export interface RecoverySettings {
  readonly storage: string;
  readonly gigabytes: number;
  /** Bytes of a command. */
  readonly size: number;
  readonly runs: number;
  /** Empty: where such a storage would be. */
  readonly dir: string;
}

export interface RecoveryMeasured {
  readonly bytesLogged: number;
  readonly commands: number;
  /** Of each run, from the start of the process. */
  readonly openedSeconds: readonly number[];
  readonly servingSeconds: readonly number[];
  readonly label: Readonly<Record<string, string | number>>;
}

type ReplicaChild = Child<ReplicaCommand, ReplicaReport>;
type Tell = (line: string) => void;

/** Of the log's bytes, and a quarter more: segments that wait take space, too. */
const ROOM = 1.25;

function parentOf({ storage, dir }: RecoverySettings): string {
  return dir !== '' ? dir : storage === 'pmem' ? '/dev/shm' : tmpdir();
}

/** Whether the file system has room for the log. */
export function hasRoom(settings: RecoverySettings): boolean {
  const { bavail, bsize } = statfsSync(parentOf(settings));
  return bavail * bsize > settings.gigabytes * 1e9 * ROOM;
}

export async function measureRecovery(settings: RecoverySettings, tell: Tell): Promise<RecoveryMeasured> {
  const root = mkdtempSync(path.join(parentOf(settings), 'synod-recovery-'));
  let child: ReplicaChild | null = null;
  const open = async (): Promise<ReplicaChild> => {
    child = await openReplica(path.join(root, 'r1'), settings.storage);
    return child;
  };
  try {
    const { bytesLogged, commands } = await fill(await open(), settings, tell);
    const openedSeconds: number[] = [];
    const servingSeconds: number[] = [];
    for (let run = 1; run <= settings.runs; run += 1) {
      const began = performance.now();
      const replica = await open();
      openedSeconds.push((performance.now() - began) / 1000);
      await load(replica, settings.size, 1, 0.001);
      servingSeconds.push((performance.now() - began) / 1000);
      tell(`run ${run} of ${settings.runs}: ${servingSeconds.at(-1)!.toFixed(2)} s`);
      replica.kill();
      await replica.end();
    }
    const label = {
      payload: `${settings.size} B`,
      storage: `${settings.storage} in ${path.dirname(root)}, as far as there is memory in the page cache`,
      topology:
        'one replica, killed, started again in a new process: from its start to the answer of the next command',
      ...machineLabel(),
    };
    return { bytesLogged, commands, openedSeconds, servingSeconds, label };
  } finally {
    (child as ReplicaChild | null)?.kill();
    rmSync(root, { recursive: true, force: true });
  }
}

async function openReplica(dataDir: string, storage: string): Promise<ReplicaChild> {
  const settings: ReplicaSettings = {
    cluster: 'bench',
    replica: 'r1',
    members: [{ id: 'r1', address: `127.0.0.1:${await freePort()}` }],
    dataDir,
    storage: { kind: storage as StorageOption, allowVolatile: true },
    transport: { kind: 'auto' },
    engine: 'worker',
  };
  const child: ReplicaChild = new Child('replica r1', './replica-process.js', 0);
  try {
    await child.ask({ kind: 'open', settings, keepsLog: true }, 'opened');
  } catch (error) {
    child.kill();
    throw error;
  }
  return child;
}

async function load(
  replica: ReplicaChild,
  size: number,
  outstanding: number,
  seconds: number,
): Promise<number> {
  const batch = Math.min(500, outstanding);
  const settings = { size, outstanding, seconds, batch, rate: 0, form: 'packed' as const };
  const { result } = await replica.ask({ kind: 'load', settings }, 'loaded');
  if (result.failed > 0) throw new Error(`${result.failed} calls failed`);
  return result.commands;
}

async function fill(
  replica: ReplicaChild,
  { gigabytes, size }: RecoverySettings,
  tell: Tell,
): Promise<{ bytesLogged: number; commands: number }> {
  let commands = 0;
  let toldAt = Number.NEGATIVE_INFINITY;
  for (;;) {
    commands += await load(replica, size, Math.max(1, Math.min(5000, Math.floor(4e6 / size))), 0.25);
    const { bytesLogged } = (await replica.ask({ kind: 'status' }, 'status')).status;
    const isFull = bytesLogged >= gigabytes * 1e9;
    if (isFull || performance.now() - toldAt > 2000) {
      tell(`${(bytesLogged / 1e9).toFixed(2)} of ${gigabytes} GB logged`);
      toldAt = performance.now();
    }
    if (!isFull) continue;
    replica.kill();
    await replica.end();
    return { bytesLogged, commands };
  }
}
