/**
 * `npm run bench:recovery`: how long a replica takes that was killed, with a log of so many bytes and no checkpoint, until it has executed all
 * of it again and answers the next command. One replica, alone: what is measured is its log, not its peers.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { StorageOption } from 'synod';
import { readArguments } from './arguments.js';
import { Child } from './child.js';
import { median } from './figures.js';
import { freePort } from './free-port.js';
import { machineLabel } from './label.js';
import type { ReplicaCommand, ReplicaReport, ReplicaSettings } from './replica-process.js';

type ReplicaChild = Child<ReplicaCommand, ReplicaReport>;

const { storage, gigabytes, size, runs, dir, json } = readArguments('bench:recovery', {
  storage: { kind: 'word', value: 'pmem', words: ['pmem', 'uring', 'file'] },
  gigabytes: { kind: 'number', value: 1, min: 0.001, max: 100 },
  size: { kind: 'number', value: 64, min: 1, max: 65_536 },
  runs: { kind: 'number', value: 3, min: 1, max: 101 },
  dir: { kind: 'text', value: '' },
  json: { kind: 'flag' },
});

const root = mkdtempSync(
  path.join(dir !== '' ? dir : storage === 'pmem' ? '/dev/shm' : tmpdir(), 'synod-recovery-'),
);
let child: ReplicaChild | null = null;

async function open(): Promise<ReplicaChild> {
  const settings: ReplicaSettings = {
    cluster: 'bench',
    replica: 'r1',
    members: [{ id: 'r1', address: `127.0.0.1:${await freePort()}` }],
    dataDir: path.join(root, 'r1'),
    storage: { kind: storage as StorageOption, allowVolatile: true },
    transport: { kind: 'auto' },
    engine: 'worker',
  };
  child = new Child('replica r1', './replica-process.js', 0);
  await child.ask({ kind: 'open', settings, keepsLog: true }, 'opened');
  return child;
}

async function load(replica: ReplicaChild, outstanding: number, seconds: number): Promise<number> {
  const batch = Math.min(500, outstanding);
  const settings = { size, outstanding, seconds, batch, rate: 0, form: 'packed' as const };
  const { result } = await replica.ask({ kind: 'load', settings }, 'loaded');
  if (result.failed > 0) throw new Error(`${result.failed} calls failed`);
  return result.commands;
}

async function fill(): Promise<{ bytes: number; commands: number }> {
  const replica = await open();
  const wanted = gigabytes * 1e9;
  let commands = 0;
  for (;;) {
    commands += await load(replica, Math.max(1, Math.min(5000, Math.floor(4e6 / size))), 0.25);
    const { bytesLogged } = (await replica.ask({ kind: 'status' }, 'status')).status;
    process.stderr.write(`${(bytesLogged / 1e9).toFixed(2)} of ${gigabytes} GB logged\n`);
    if (bytesLogged < wanted) continue;
    replica.kill();
    await replica.end();
    return { bytes: bytesLogged, commands };
  }
}

try {
  const { bytes, commands } = await fill();
  const openedSeconds: number[] = [];
  const servingSeconds: number[] = [];
  for (let index = 0; index < runs; index += 1) {
    const began = performance.now();
    const replica = await open();
    openedSeconds.push((performance.now() - began) / 1000);
    await load(replica, 1, 0.001);
    servingSeconds.push((performance.now() - began) / 1000);
    process.stderr.write(`run ${index + 1} of ${runs}: ${servingSeconds.at(-1)!.toFixed(2)} s\n`);
    replica.kill();
    await replica.end();
  }
  const result = {
    secondsToServing: median(servingSeconds),
    secondsToOpen: median(openedSeconds),
    runs: servingSeconds,
    bytesLogged: bytes,
    commands,
    label: {
      payload: `${size} B`,
      storage: `${storage} in ${path.dirname(root)}, in the page cache`,
      topology:
        'one replica, killed, started again in a new process: from its start to the answer of the next command',
      ...machineLabel(),
    },
  };
  if (json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else {
    process.stdout.write(
      [
        `${result.secondsToServing.toFixed(2)} s to serving, ${result.secondsToOpen.toFixed(2)} s of them until the log is recovered`,
        `${(bytes / 1e9).toFixed(2)} GB of log, ${commands.toLocaleString('en')} commands executed again`,
        ...Object.entries(result.label).map(([key, value]) => `  ${key}: ${value}`),
        '',
      ].join('\n'),
    );
  }
} finally {
  (child as ReplicaChild | null)?.kill();
  rmSync(root, { recursive: true, force: true });
}
