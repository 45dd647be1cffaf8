/**
 * Aim: a replica on mapped files lets go of each that its log has dropped, in both of its threads, and does not leave that to the collection
 * of garbage, which may be minutes away. Method: the mappings of this process, as the kernel tells.
 */

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Decree, Replica } from '../../src/index.js';
import { loadAddon } from '../../src/native/addon.js';
import { setup as buildIfStale } from '../built.setup.js';
import { freePorts, silentLogger, until } from './support.js';

const { addon, reason } = loadAddon();
const isHere = addon !== null && process.platform === 'linux';
if (!isHere) process.stdout.write(`mapped memory is not looked at here: ${reason}\n`);

const SEGMENT_BYTES = 2 * 1024 * 1024;
const COMMAND = new Uint8Array(50_000);

class Count {
  count = 0;
  apply(decree: Decree<number>): void {
    this.count += decree.count;
    for (let index = 0; index < decree.count; index += 1) decree.reply(index, this.count);
  }
  *takeCheckpoint(): Iterable<Uint8Array> {
    yield Uint8Array.of(1);
  }
  async restore(): Promise<void> {}
}

// The worker runs compiled code.
buildIfStale();

let directory: string;
let replica: Replica<number> | null;

beforeEach(() => {
  replica = null;
  directory = mkdtempSync(path.join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'synod-mapped-'));
});

afterEach(async () => {
  await replica?.close();
  rmSync(directory, { recursive: true, force: true });
});

/** Files of the log that are mapped, and of them those that are no more. */
function mappings(): { readonly all: number; readonly deleted: number } {
  const lines = readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) => line.includes(directory));
  return { all: lines.length, deleted: lines.filter((line) => line.endsWith('(deleted)')).length };
}

test.runIf(isHere).each(['worker', 'inline'] as const)(
  'nothing stays mapped whose file is gone, engine %s',
  async (engine) => {
    const opened = await Replica.open<number>(
      {
        cluster: 'mapped',
        replica: 'a',
        members: [{ id: 'a', address: `127.0.0.1:${(await freePorts(1))[0]}` }],
        dataDir: directory,
        storage: { kind: 'pmem', allowVolatile: true, segmentBytes: SEGMENT_BYTES },
        engine,
        // Many segments are dropped at once: more than there are made new ones of.
        checkpoints: { everyBytes: 12 * SEGMENT_BYTES, retain: 1 },
        logger: silentLogger,
      },
      new Count(),
    );
    replica = opened;
    const filesBefore = new Set<string>();
    for (let round = 0; round < 120; round += 1) {
      await Promise.all(Array.from({ length: 20 }, () => opened.replicate(COMMAND)));
      for (const line of readFileSync('/proc/self/maps', 'utf8').split('\n'))
        if (line.includes(directory)) filesBefore.add(line.slice(line.indexOf(directory)));
    }
    expect(filesBefore.size, 'many segments were mapped').toBeGreaterThan(30);
    await until('no mapping is left', () => mappings().deleted === 0);
    expect(mappings().all).toBeGreaterThan(0);
  },
);
