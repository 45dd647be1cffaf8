/**
 * Power cuts on persistent memory, in the midst of writing: a virtual machine with a DAX file system runs a replica, is
 * killed, and is started again with the same memory. Each start checks what the one before has acknowledged.
 */

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Random } from '../properties/random.js';
import { CUT_REQUEST } from './power-cut-replica.js';

export interface PowerCutOptions {
  /** A program that boots the machine: `RUN --pmem-file FILE --kill-on TEXT -- COMMAND...`. */
  readonly machine: string;
  readonly rounds: number;
  readonly seed: number;
  readonly onProgress: (line: string) => void;
}

export interface PowerCutCounts {
  rounds: number;
  acknowledged: number;
  recovered: number;
  violations: string[];
}

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
export const builtAddon: string = path.join(root, 'build/Release/synod_native.node');
const BOOT_SECONDS_MAX = 280;
const POWER_CUT = 137;

interface Boot {
  readonly code: number | null;
  readonly lines: readonly string[];
  readonly error: string;
}

function boot(machine: string, memory: string, cutAfter: number, seed: number): Promise<Boot> {
  const replica = path.join(root, 'out/test/crash-states/power-cut-replica.js');
  const cut = cutAfter > 0 ? ['--kill-on', CUT_REQUEST] : [];
  const child = spawn(
    machine,
    [
      ...['--dir', root, '--pmem-file', memory, '--size', '256M', '--timeout', String(BOOT_SECONDS_MAX)],
      ...['--env', `SYNOD_NATIVE=${builtAddon}`],
      ...cut,
      ...['--', 'sh', '-c', `exec node ${replica} "$DAX_VM_PMEM/replica" ${seed} ${cutAfter}`],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let output = '';
  let error = '';
  child.stdout.on('data', (piece: Buffer) => {
    output += piece.toString();
  });
  child.stderr.on('data', (piece: Buffer) => {
    error += piece.toString();
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      // The last line may have been cut short: it counts only with its end.
      resolve({ code, lines: output.split(/\r?\n/).slice(0, -1), error });
    });
  });
}

function lastNumber(lines: readonly string[], word: string): number | null {
  const line = lines.findLast((each) => each.startsWith(`${word} `));
  return line === undefined ? null : Number(line.slice(word.length + 1));
}

export async function cutPower(options: PowerCutOptions): Promise<PowerCutCounts> {
  const { machine, rounds, seed, onProgress } = options;
  const counts: PowerCutCounts = { rounds: 0, acknowledged: 0, recovered: 0, violations: [] };
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'synod-power-cuts-'));
  const memory = path.join(folder, 'memory');
  const random = new Random(seed);
  try {
    for (let round = 0; round <= rounds && counts.violations.length === 0; round += 1) {
      const cutAfter = round === rounds ? 0 : 5 + random.below(80);
      const { code, lines, error } = await boot(machine, memory, cutAfter, seed + round);
      const wanted = cutAfter === 0 ? 0 : POWER_CUT;
      const recovered = lastNumber(lines, 'recovered');
      if (code !== wanted || recovered === null) {
        counts.violations.push(
          `round ${round}: exit code ${code}: ${[...lines, error].join('\n').slice(-2000)}`,
        );
        break;
      }
      if (recovered < counts.acknowledged) {
        counts.violations.push(
          `round ${round}: ${counts.acknowledged} commands were acknowledged, ${recovered} are left`,
        );
      }
      onProgress(
        `power cut ${round} of ${rounds}: ${counts.acknowledged} acknowledged, ${recovered} recovered`,
      );
      counts.recovered = recovered;
      counts.acknowledged = lastNumber(lines, 'acknowledged') ?? recovered;
      if (cutAfter > 0) counts.rounds += 1;
    }
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
  return counts;
}
