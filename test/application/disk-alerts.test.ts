/**
 * Aim: a listener hears once that the log or a checkpoint is too large, or the disk too full, and once that it is over; a disk that does not
 * answer changes nothing. Method: a disk and a clock of the test's own; and replicas on a real disk.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DiskAlerts } from '../../src/application/disk-alerts.js';
import type { Decree, DiskAlert, StateMachine } from '../../src/index.js';
import { Replica, SynodError } from '../../src/index.js';
import type { DiskUsage } from '../../src/storage/disk-usage.js';
import type { Callback } from '../../src/storage/log-medium.js';
import { bytesOf, freePorts, silentLogger, until } from './support.js';

const none = { checkpointBytesMax: null, logBytesMax: null, freeBytesMin: null, freeCheckpointsMin: 0 };
const EVERY_MS = 1000;

let told: DiskAlert[];
let warned: string[];
/** Measurements that the disk has not answered. */
let asked: Callback<DiskUsage>[];
let timers: { readonly waitMs: number; readonly call: () => void }[];

function alertsWith(bounds: Partial<Record<keyof typeof none, number>>): DiskAlerts {
  return new DiskAlerts({
    bounds: { ...none, everyMs: EVERY_MS, ...bounds },
    measure: (callback) => void asked.push(callback),
    startTimer: (waitMs, call) => {
      const timer = { waitMs, call };
      timers.push(timer);
      return () => {
        timers = timers.filter((each) => each !== timer);
      };
    },
    logger: { ...silentLogger, warn: (_fields, event) => void warned.push(event) },
    onAlert: (alert) => void told.push(alert),
  });
}

/** The disk answers; whatever comes next is asked for by a timer. */
function answer(usage: Partial<DiskUsage>): void {
  asked.shift()!(null, { logBytes: 0, checkpointBytes: 0, freeBytes: 1e12, ...usage });
  const next = timers.shift()!;
  expect(next.waitMs).toBe(EVERY_MS);
  next.call();
}

beforeEach(() => {
  [told, warned, asked, timers] = [[], [], [], []];
});

describe('an alert', () => {
  it('is told once, and once when the bound is kept by a sixteenth again', () => {
    const alerts = alertsWith({ logBytesMax: 1600 });
    alerts.check();
    for (const logBytes of [1600, 1601, 1700, 1600, 1501]) answer({ logBytes });
    expect(told).toEqual([{ kind: 'log-bytes', isRaised: true, bytes: 1601, boundBytes: 1600 }]);
    expect(alerts.raised).toEqual([{ kind: 'log-bytes', isRaised: true, bytes: 1501, boundBytes: 1600 }]);
    for (const logBytes of [1500, 1600, 0]) answer({ logBytes });
    expect(told.slice(1)).toEqual([{ kind: 'log-bytes', isRaised: false, bytes: 1500, boundBytes: 1600 }]);
    expect(alerts.raised).toEqual([]);
    answer({ logBytes: 1601 });
    expect(told.length).toBe(3);
  });

  it('tells of checkpoints that are too large, apart from the log', () => {
    const alerts = alertsWith({ checkpointBytesMax: 100, logBytesMax: 100 });
    alerts.check();
    answer({ checkpointBytes: 101, logBytes: 50 });
    answer({ checkpointBytes: 10, logBytes: 101 });
    expect(told.map(({ kind, isRaised }) => `${kind} ${isRaised}`)).toEqual([
      'checkpoint-bytes true',
      'checkpoint-bytes false',
      'log-bytes true',
    ]);
  });

  it('tells of too little space: in bytes, or for so many checkpoints, whichever is more', () => {
    const alerts = alertsWith({ freeBytesMin: 1600, freeCheckpointsMin: 2 });
    alerts.check();
    for (const freeBytes of [1600, 1599, 1699, 1700]) answer({ freeBytes });
    answer({ freeBytes: 3199, checkpointBytes: 1600 });
    expect(told).toEqual([
      { kind: 'free-bytes', isRaised: true, bytes: 1599, boundBytes: 1600 },
      { kind: 'free-bytes', isRaised: false, bytes: 1700, boundBytes: 1600 },
      { kind: 'free-bytes', isRaised: true, bytes: 3199, boundBytes: 3200 },
    ]);
  });

  it('stays where the disk does not answer, which is logged once', () => {
    const alerts = alertsWith({ freeBytesMin: 10 });
    alerts.check();
    answer({ freeBytes: 9 });
    for (let times = 0; times < 3; times += 1) {
      asked.shift()!(new SynodError('ERR_SYNOD_STORAGE_FAILED', 'no answer'));
      timers.shift()!.call();
    }
    expect(alerts.raised.length).toBe(1);
    expect(warned).toEqual(['disk alert', 'disk usage cannot be measured']);
    answer({ freeBytes: 100 });
    expect(told.map(({ isRaised }) => isRaised)).toEqual([true, false]);
  });
});

describe('measuring', () => {
  it('is done one at a time, and once more where it was asked for meanwhile', () => {
    const alerts = alertsWith({ logBytesMax: 1 });
    for (let times = 0; times < 5; times += 1) alerts.check();
    expect([asked.length, timers.length]).toEqual([1, 0]);
    asked.shift()!(null, { logBytes: 0, checkpointBytes: 0, freeBytes: 0 });
    expect(timers.map(({ waitMs }) => waitMs)).toEqual([0]);
    alerts.check();
    expect([asked.length, timers.length]).toEqual([1, 0]);
  });

  it('is left out where nobody wants to know, and ends with the replica', () => {
    alertsWith({}).check();
    expect(asked.length).toBe(0);
    const alerts = alertsWith({ logBytesMax: 1 });
    alerts.check();
    alerts.close();
    asked.shift()!(null, { logBytes: 9, checkpointBytes: 0, freeBytes: 0 });
    alerts.check();
    expect([told.length, asked.length, timers.length]).toEqual([0, 0, 0]);
  });
});

class Ballast implements StateMachine<void> {
  bytes = 1;
  apply(decree: Decree<void>): void {
    for (let index = 0; index < decree.count; index += 1) decree.reply(index);
  }
  takeCheckpoint(): Iterable<Uint8Array> {
    return [new Uint8Array(this.bytes)];
  }
  async restore(): Promise<void> {}
}

describe('a replica', () => {
  let root: string | null = null;
  let replica: Replica<void> | null = null;

  afterEach(async () => {
    await replica?.close();
    if (root !== null) rmSync(root, { recursive: true, force: true });
  });

  it('tells of its disk by events and in its status', async () => {
    root = mkdtempSync(path.join(tmpdir(), 'synod-alerts-'));
    const [port] = await freePorts(1);
    const machine = new Ballast();
    replica = await Replica.open(
      {
        ...{ cluster: 'here', replica: 'a', dataDir: root, engine: 'inline', logger: silentLogger },
        members: [{ id: 'a', address: `127.0.0.1:${port}` }],
        storage: { kind: 'file', segmentBytes: 1024 * 1024 },
        transport: { kind: 'tcp' },
        // There is no such disk.
        alerts: { checkpointBytesMax: 100_000, logBytesMax: 1024 * 1024, freeBytesMin: 2 ** 53 - 1 },
      },
      machine,
    );
    const heard: string[] = [];
    replica.on('alert', ({ kind, isRaised }) => heard.push(`${kind} ${isRaised}`));
    await until('the first measurement is told', () => heard.length >= 2);
    expect(heard.sort()).toEqual(['free-bytes true', 'log-bytes true']);
    machine.bytes = 200_000;
    await replica.replicate(bytesOf('x'));
    await replica.checkpoint();
    await until('a large checkpoint is told', () => heard.at(-1) === 'checkpoint-bytes true');
    const { alerts } = await replica.status();
    expect(alerts.map(({ kind }) => kind).sort()).toEqual(['checkpoint-bytes', 'free-bytes', 'log-bytes']);
    expect(alerts.find(({ kind }) => kind === 'checkpoint-bytes')!.bytes).toBeGreaterThan(200_000);
    machine.bytes = 1;
    await replica.replicate(bytesOf('x'));
    await replica.checkpoint();
    await until('a small checkpoint is told', () => heard.at(-1) === 'checkpoint-bytes false');
    expect((await replica.status()).alerts.length).toBe(2);
  });
});
