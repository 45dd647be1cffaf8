/**
 * Aim: the log is bounded, however many commands there are; and a replica that was away for all of them has them by a checkpoint and the
 * tail of the log, without a restart, while commands go on at their speed.
 *
 * SYNOD_LONG_COMMANDS=20000000 npx vitest run --project cluster test/cluster/long-away.test.ts
 */

import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { disposeAll, TestCluster, type TestReplica } from './support/cluster.js';
import { PipelineLoad } from './support/pipeline-load.js';

const MEBIBYTE = 1024 * 1024;
const COMMANDS = Number(process.env.SYNOD_LONG_COMMANDS ?? 150_000);
/** A run of a few seconds is too short to compare speeds, and a small machine shares its processors with the replica that comes back. */
const COMPARES_SPEED = COMMANDS >= 1_000_000;
const SPEED_PART_MIN = 0.8;
const EVERY_BYTES = COMPARES_SPEED ? 64 * MEBIBYTE : MEBIBYTE;
const SEGMENT_BYTES = COMPARES_SPEED ? 16 * MEBIBYTE : MEBIBYTE;
const RETAIN = 2;
/** Files of removed segments that wait to be used again. */
const SPARES = 4;
/** As many checkpoints' worth as are kept, the one under way, and a part of a segment with each; twice as much where the disk is slow. */
const LOG_BYTES_MAX =
  2 * ((RETAIN + 1) * (EVERY_BYTES + SEGMENT_BYTES) + 2 * SEGMENT_BYTES) + SPARES * SEGMENT_BYTES;

afterEach(disposeAll);

function bytesIn(replica: TestReplica, folder: 'log' | 'checkpoints'): number {
  const at = join(replica.dataDir, folder);
  return readdirSync(at).reduce((sum, name) => {
    // A segment may be dropped just now.
    return sum + (statSync(join(at, name), { throwIfNoEntry: false })?.size ?? 0);
  }, 0);
}

async function speedOver(load: PipelineLoad, ms: number): Promise<number> {
  const before = load.done;
  const began = performance.now();
  await delay(ms);
  return ((load.done - before) / (performance.now() - began)) * 1000;
}

it(
  `${COMMANDS} commands, one replica away for all of them`,
  async () => {
    const cluster = await TestCluster.plan({ storage: { kind: 'file', segmentBytes: SEGMENT_BYTES } });
    for (const replica of cluster.replicas)
      replica.config.checkpoints = { everyBytes: EVERY_BYTES, retain: RETAIN };
    await cluster.startAll();
    const primary = await cluster.untilReady();
    const [away, other] = cluster.replicas.filter((replica) => replica !== primary) as [
      TestReplica,
      TestReplica,
    ];
    process.kill(away.pid, 'SIGSTOP');
    const there = [primary, other];

    const load = new PipelineLoad(primary.kvPort);
    const logBytes = (): number => Math.max(...there.map((replica) => bytesIn(replica, 'log')));
    // What waits on its link would spare it the checkpoint, and keeps segments in memory.
    await cluster.until(
      'it is cut off',
      async () => !(await primary.status()).peers.some(({ id, connected }) => id === away.id && connected),
    );
    await cluster.until('the log is short', () => logBytes() < LOG_BYTES_MAX);
    let most = 0;
    const first = load.done;
    const began = performance.now();
    let toldAt = began;
    while (load.done - first < COMMANDS) {
      most = Math.max(most, logBytes());
      if (performance.now() - toldAt > 10_000) {
        toldAt = performance.now();
        process.stderr.write(`${load.done} commands, log ${(most / MEBIBYTE).toFixed(0)} MiB at most\n`);
      }
      expect(load.refused).toBeNull();
      await delay(100);
    }
    const speed = ((load.done - first) / (performance.now() - began)) * 1000;
    const speedAlone = await speedOver(load, COMPARES_SPEED ? 5000 : 500);

    process.kill(away.pid, 'SIGCONT');
    const cameBack = performance.now();
    const doneBefore = load.done;
    await cluster.until(
      'the checkpoint is restored there',
      () => /"event":"checkpoint restored"/.test(away.log),
      120_000,
    );
    await cluster.until(
      'it has come as far as the others were',
      async () => {
        const [here, behind] = await Promise.all([primary.status(), away.status()]);
        return behind.applied > 0 && here.applied - behind.applied < 2000;
      },
      120_000,
    );
    const caughtUpMs = performance.now() - cameBack;
    const speedMeanwhile = ((load.done - doneBefore) / caughtUpMs) * 1000;
    await load.stop();
    const statuses = await cluster.untilEqual(60_000);

    const text = (bytes: number): string => `${(bytes / MEBIBYTE).toFixed(1)} MiB`;
    process.stdout.write(
      `${load.done} commands, ${speed.toFixed(0)}/s; log ${text(most)} at most of ${text(statuses.find(({ replica }) => replica === primary.id)!.bytesLogged)} written; ` +
        `caught up within ${caughtUpMs.toFixed(0)} ms, ${speedMeanwhile.toFixed(0)}/s meanwhile, ${speedAlone.toFixed(0)}/s before: ` +
        `${((100 * speedMeanwhile) / speedAlone).toFixed(0)} %\n`,
    );
    expect(new Set(statuses.map(({ stateDigest }) => stateDigest)).size).toBe(1);
    expect(load.refused).toBeNull();
    // It is the process that stood still.
    expect(away.runs.length).toBe(1);
    expect(away.log).toMatch(/"event":"checkpoint copied"/);
    expect(most).toBeLessThan(LOG_BYTES_MAX);
    if (COMPARES_SPEED) expect(speedMeanwhile).toBeGreaterThan(SPEED_PART_MIN * speedAlone);
  },
  120_000 + COMMANDS,
);
