/** One run of the bare loop that says what the hardware allows: native/bench/limit.cc. */

import { mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { buildNative, runNative } from './native-program.js';
import type { Percentiles } from './percentiles.js';

export interface LimitSettings {
  readonly storage: string;
  readonly dir: string;
  readonly size: number;
  readonly outstanding: number;
  readonly seconds: number;
  readonly replicas: number;
}

export interface LimitResult {
  readonly opsPerSecond: number;
  readonly latencyUs: Percentiles;
  readonly commandsPerBatch: number;
  readonly checksum: string;
}

export async function runLimit(settings: LimitSettings): Promise<LimitResult> {
  const file = buildNative('limit');
  const dir = mkdtempSync(path.join(settings.dir, 'synod-limit-'));
  try {
    const { storage, size, outstanding, seconds, replicas } = settings;
    const text = await runNative(file, [
      ...['--dir', dir, '--medium', storage, '--size', `${size}`, '--outstanding', `${outstanding}`],
      ...['--seconds', `${seconds}`, '--replicas', `${replicas}`],
    ]);
    return JSON.parse(text) as LimitResult;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
