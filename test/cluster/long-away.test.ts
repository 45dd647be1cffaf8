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
import type { MemberHealth } from '../../src/engine/health.js';
import { disposeAll, TestCluster, type TestReplica } from './support/cluster.js';
import { PipelineLoad } from './support/pipeline-load.js';

const MEBIBYTE = 1024 * 1024;
const COMMANDS = Number(process.env.SYNOD_LONG_COMMANDS ?? 150_000);
/** A run of a few seconds is too short to compare speeds, and a small machine shares its processors with the replica that comes back. */
const COMPARES_SPEED = COMMANDS >= 1_000_000;
const SPEED_PART_MIN = 0.8;
/** In slots, of some hundred commands each: what is told of a replica is 100 ms old, and by then others are chosen. */
const LAG_MAX = 100;
/** Between two questions how far it is: each is a connection that the primary takes between the commands. */
const ASKED_EVERY_MS = 250;
const WARM_MS = 10_000;
const COMPARED_MS = COMPARES_SPEED ? 5000 : 500;
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

/** Commands in a second, over so long. */
async function speedOver(load: PipelineLoad, ms: number): Promise<number> {
  const before = load.done;
  const began = performance.now();
  await delay(ms);
  return ((load.done - before) / (performance.now() - began)) * 1000;
}

/**
 * How far a replica lags behind, in slots, as the primary has heard of it; null before it has. Unlike `SYNOD STATUS`, this does not bring
 * the digest of the whole state up to date.
 */
async function lagOf(away: TestReplica, primary: TestReplica): Promise<number | null> {
  const members = JSON.parse((await primary.ask('SYNOD', 'HEALTH')) as string) as readonly MemberHealth[];
  const { applied } = members.find(({ id }) => id === away.id)!;
  const own = members.find(({ isSelf }) => isSelf)!.applied!;
  return applied === null ? null : Math.max(0, own - applied);
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
    const load = new PipelineLoad(primary.kvPort);
    // What has just been started is compiled on the way.
    if (COMPARES_SPEED) await delay(WARM_MS);
    const speedBefore = await speedOver(load, COMPARED_MS);
    process.kill(away.pid, 'SIGSTOP');
    const there = [primary, other];

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
    const speedOfTwo = ((load.done - first) / (performance.now() - began)) * 1000;

    process.kill(away.pid, 'SIGCONT');
    const cameBack = performance.now();
    const doneBefore = load.done;
    const course: string[] = [];
    let partAt = cameBack;
    let partDone = doneBefore;
    await cluster.until(
      'it has come as far as the others were',
      async () => {
        await delay(ASKED_EVERY_MS);
        const lag = await lagOf(away, primary);
        const now = performance.now();
        const speed = ((load.done - partDone) / (now - partAt)) * 1000;
        course.push(`${(now - cameBack).toFixed(0)} ms: ${speed.toFixed(0)}/s, lag ${lag}`);
        partAt = now;
        partDone = load.done;
        return /"event":"checkpoint restored"/.test(away.log) && lag !== null && lag < LAG_MAX;
      },
      120_000,
    );
    const caughtUpMs = performance.now() - cameBack;
    const doneMeanwhile = load.done - doneBefore;
    // Half a second says nothing that could be compared with five: what its return costs is taken over as long at least.
    await delay(Math.max(0, COMPARED_MS - caughtUpMs));
    const speedMeanwhile = ((load.done - doneBefore) / (performance.now() - cameBack)) * 1000;
    const speedBehind = await speedOver(load, COMPARED_MS);
    // A machine that others use too is not as fast at any time.
    const speedOfAll = (speedBefore + speedBehind) / 2;
    await load.stop();
    const statuses = await cluster.untilEqual(60_000);

    const text = (bytes: number): string => `${(bytes / MEBIBYTE).toFixed(1)} MiB`;
    const part = (of: number): string => `${((100 * speedMeanwhile) / of).toFixed(0)} %`;
    process.stdout.write(
      `${load.done} commands; log ${text(most)} at most of ${text(statuses.find(({ replica }) => replica === primary.id)!.bytesLogged)} written; ` +
        `commands/s: ${speedBefore.toFixed(0)} with all, ${speedOfTwo.toFixed(0)} with one away; it caught up within ${caughtUpMs.toFixed(0)} ms, ` +
        `meanwhile ${((doneMeanwhile / caughtUpMs) * 1000).toFixed(0)}; ${speedMeanwhile.toFixed(0)} since its return, ${part(speedOfAll)} of the speed ` +
        `with all, ${part(speedOfTwo)} of that with one away; ${speedBehind.toFixed(0)} behind that\n${course.join('\n')}\n`,
    );
    expect(new Set(statuses.map(({ stateDigest }) => stateDigest)).size).toBe(1);
    expect(load.refused).toBeNull();
    // It is the process that stood still.
    expect(away.runs.length).toBe(1);
    expect(away.log).toMatch(/"event":"checkpoint copied"/);
    expect(most).toBeLessThan(LOG_BYTES_MAX);
    if (COMPARES_SPEED) expect(speedMeanwhile).toBeGreaterThan(SPEED_PART_MIN * speedOfAll);
  },
  120_000 + COMMANDS,
);
