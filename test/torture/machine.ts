/** What can be had on this machine, asked once, and everything that is made on it and must go again. */

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { StorageChoice, TortureOptions } from './arguments.js';
import type { Choices } from './cluster.js';
import { findClockLibrary } from './faults/clocks.js';
import { whyNoNamespaces } from './network/netns-network.js';
import type { NetworkKind } from './network/network.js';
import { whyNoSmallDisk } from './small-disk.js';

export interface Machine {
  readonly choices: Choices;
  readonly networks: readonly NetworkKind[];
  readonly clockLibrary: string | null;
  readonly noClocks: string | null;
  readonly noSmallDisk: string | null;
  /** What cannot be had, and why, for people. */
  readonly missing: readonly string[];
}

type AddonModule = typeof import('../../src/native/addon.js');
type ProbeModule = typeof import('../../src/native/uring-probe.js');

async function ofProgram<Module>({ program }: TortureOptions, name: string): Promise<Module> {
  return (await import(pathToFileURL(join(dirname(program), '../native', `${name}.js`)).href)) as Module;
}

/** Throws where what was asked for by name cannot be had. */
export async function probeMachine(options: TortureOptions): Promise<Machine> {
  const missing: string[] = [];
  const note = (what: string, why: string | null): boolean => {
    if (why !== null) missing.push(`${what}: ${why}`);
    return why === null;
  };
  // What the tortured program itself would find: this one may be compiled to a place from which it finds no addon.
  const { addon, reason } = (await ofProgram<AddonModule>(options, 'addon')).loadAddon();
  const { probeUring } = await ofProgram<ProbeModule>(options, 'uring-probe');
  const storages: Exclude<StorageChoice, 'mixed'>[] = ['file'];
  if (note('storage uring', probeUring('files').obstacle)) storages.push('uring');
  if (note('storage pmem', addon === null ? reason : null)) storages.push('pmem');
  const transports = ['tcp'];
  if (note('transport uring', probeUring('sockets').obstacle)) transports.push('uring');
  const { storage, partitions } = options;
  if (storage !== 'mixed' && storage !== 'memory' && !storages.includes(storage))
    throw new Error(`--storage ${storage} cannot be had here: ${missing.join('; ')}`);
  const noNamespaces = partitions === 'proxy' ? null : whyNoNamespaces();
  if (partitions === 'netns' && noNamespaces !== null)
    throw new Error(`--partitions netns cannot be had here: ${noNamespaces}`);
  note('network namespaces', noNamespaces);
  const networks: NetworkKind[] = [];
  if (partitions !== 'netns') networks.push('proxy');
  if (partitions !== 'proxy' && noNamespaces === null) networks.push('netns');
  const clocks = findClockLibrary();
  const noSmallDisk = whyNoSmallDisk();
  note('changed clocks', clocks.obstacle);
  note('a full disk', noSmallDisk);
  return {
    choices: { storages: storage === 'mixed' ? storages : [storage], transports },
    networks,
    clockLibrary: clocks.path,
    noClocks: clocks.obstacle,
    noSmallDisk,
    missing,
  };
}

/** A folder for one run, on a disk. */
export function makeFolder(): string {
  return mkdtempSync(join(tmpdir(), 'synod-torture-'));
}

export function removeFolder(folder: string): void {
  if (existsSync(folder)) rmSync(folder, { recursive: true, force: true });
}
