/** What every figure is printed with. */

import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';

export interface MachineLabel {
  readonly machine: string;
  readonly kernel: string;
  readonly node: string;
  readonly version: string;
  /** Of the last minute, when the run began: what else the machine did. */
  readonly loadBefore: number;
}

export function machineLabel(): MachineLabel {
  const manifest = new URL('../../package.json', import.meta.url);
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
  const gigabytes = Math.round(totalmem() / 2 ** 30);
  return {
    machine: `${cpus().length} x ${cpus()[0]?.model.trim() ?? '?'}, ${gigabytes} GiB`,
    kernel: release(),
    node: process.version,
    version: `synod ${version}`,
    loadBefore: Math.round(loadavg()[0]! * 10) / 10,
  };
}
