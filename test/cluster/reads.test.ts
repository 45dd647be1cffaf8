/**
 * Aim: GET on any replica never misses a value that was acknowledged before it was sent, while the primary stands still, goes on as one that was
 * deposed, and is killed. Method: three processes; one writer counts up by SET, readers on every replica compare what they get
 * with the last count that was acknowledged when they asked.
 */

import { afterEach, describe, expect, it } from 'vitest';
import { disposeAll, TestCluster, type TestReplica } from './support/cluster.js';
import { RespClient, RespError } from './support/resp-client.js';

const ROUNDS = 3;
const PAUSE_MS = 1200;

afterEach(disposeAll);

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

class Oracle {
  acknowledged = 0;
  reads = 0;
  readonly stale: string[] = [];
  isOver = false;

  /** Counts up through whichever replica answers. */
  async write(replicas: readonly TestReplica[]): Promise<void> {
    let count = 0;
    for (let at = 0; !this.isOver; at += 1) {
      try {
        const client = await RespClient.connect(replicas[at % replicas.length]!.kvPort);
        try {
          while (!this.isOver) {
            count += 1;
            await client.send('SET', 'count', count);
            this.acknowledged = count;
          }
        } finally {
          client.close();
        }
      } catch {
        await pause(20);
      }
    }
  }

  /** Reads there, several at a time. */
  async read(replica: TestReplica): Promise<void> {
    while (!this.isOver) {
      try {
        const client = await RespClient.connect(replica.kvPort);
        try {
          while (!this.isOver) {
            const least = this.acknowledged;
            const replies = await Promise.allSettled(
              Array.from({ length: 8 }, () => client.send('GET', 'count')),
            );
            for (const reply of replies) {
              if (reply.status === 'rejected' && reply.reason instanceof RespError) continue;
              if (reply.status === 'rejected') throw reply.reason;
              this.reads += 1;
              if (Number(reply.value) < least)
                this.stale.push(`${replica.id}: ${Number(reply.value)} where ${least} was acknowledged`);
            }
          }
        } finally {
          client.close();
        }
      } catch {
        await pause(20);
      }
    }
  }
}

describe('GET on every replica', () => {
  it('misses nothing that was acknowledged, whatever becomes of the primary', {
    timeout: 90_000,
  }, async () => {
    const cluster = await TestCluster.start();
    await cluster.untilReady();
    const oracle = new Oracle();
    const all = [oracle.write(cluster.replicas), ...cluster.replicas.map((replica) => oracle.read(replica))];
    for (let round = 0; round < ROUNDS; round += 1) {
      const primary = await cluster.untilReady();
      const before = oracle.acknowledged;
      process.kill(primary.pid, 'SIGSTOP');
      await pause(PAUSE_MS);
      process.kill(primary.pid, 'SIGCONT');
      await cluster.until('writes go on', () => oracle.acknowledged > before + 10);
      const next = await cluster.untilReady();
      await next.kill();
      await pause(PAUSE_MS / 4);
      await next.start();
      await cluster.until('writes go on', () => oracle.acknowledged > before + 20);
    }
    oracle.isOver = true;
    await Promise.all(all);
    expect(oracle.stale).toEqual([]);
    expect(oracle.reads).toBeGreaterThan(500);
    console.log(`${oracle.reads} reads, ${oracle.acknowledged} writes`);
  });
});
