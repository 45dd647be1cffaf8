/**
 * Aim: nothing that was acknowledged is lost, nothing is executed twice, and all replicas agree, when processes are
 * killed with SIGKILL under load and started again. Method: four clients write and remember; between rounds what they
 * know is compared with what the service has. `ROUNDS=100` makes it long, `SEED=` repeats its choices.
 */

import { afterEach, describe, expect, it } from 'vitest';
import { disposeAll, TestCluster } from './support/cluster.js';
import { allKinds } from './support/kinds.js';
import { Random, runSeed } from './support/random.js';
import { RespClient } from './support/resp-client.js';
import { Workload } from './support/workload.js';

const ROUNDS = Number(process.env.ROUNDS ?? 4);
/** The default election timeout. */
const ELECTION_TIMEOUT_MS = 300;

afterEach(disposeAll);

describe.each(allKinds)('kill -9 on $name', ({ name, storage, env }) => {
  it(
    `loses nothing in ${ROUNDS} rounds`,
    async () => {
      const random = new Random(runSeed);
      const cluster = await TestCluster.start({ storage, env });
      const workload = new Workload(cluster, random);
      // The first round of the five in which all are killed at once is always among the normal run's.
      const everybodyAt = random.below(Math.min(5, ROUNDS));
      try {
        for (let round = 0; round < ROUNDS; round += 1) {
          await runRound(cluster, workload, random, round % 5 === everybodyAt);
        }
      } catch (error) {
        console.error(`seed ${runSeed}, storage ${name}\n${await cluster.describe()}`);
        throw error;
      }
      console.log(`kill -9 on ${name}: ${ROUNDS} rounds, ${workload.acknowledged} acknowledged writes`);
    },
    60_000 + ROUNDS * 15_000,
  );
});

async function runRound(
  cluster: TestCluster,
  workload: Workload,
  random: Random,
  everybody: boolean,
): Promise<void> {
  const { replicas } = cluster;
  const untilAcknowledged = async (more: number): Promise<void> => {
    const target = workload.acknowledged + more;
    await cluster.until(`${more} more acknowledged writes`, () => workload.acknowledged >= target);
  };
  workload.start();
  await untilAcknowledged(200 + random.below(400));
  const victims = everybody ? replicas : [random.pick(replicas)];
  await Promise.all(victims.map((victim) => victim.kill()));
  // Writes go on without it.
  if (!everybody) await untilAcknowledged(100 + random.below(400));
  await cluster.startAll();
  await untilAcknowledged(100);
  await workload.stop();

  const statuses = await cluster.untilEqual();
  expect(new Set(statuses.map(({ stateDigest }) => stateDigest)).size, 'digests differ').toBe(1);
  expect(await workload.check(random.pick(replicas))).toEqual([]);
  // A kill breaks connections; it makes nobody fence itself or talk garbage.
  for (const replica of replicas) expect(replica.logs).not.toMatch(/replica fenced|connection cut off/);
  await workload.forget(replicas[0]!);
}

describe('kill -9 of the primary', () => {
  it('lets writes go on within two election timeouts', async () => {
    const cluster = await TestCluster.start({ storage: { kind: 'file' } });
    const figures: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      const primary = await cluster.untilReady();
      const survivor = cluster.replicas.find((replica) => replica !== primary)!;
      const client = await RespClient.connect(survivor.kvPort);
      await client.send('SET', 'before', round);
      const killed = primary.kill();
      const began = performance.now();
      await client.send('SET', 'after', round);
      figures.push(Math.round(performance.now() - began));
      await killed;
      expect(await client.send('MGET', 'before', 'after')).toEqual([String(round), String(round)]);
      client.close();
      await primary.start();
      await cluster.untilEqual();
    }
    console.log(`writes went on ${figures.join(', ')} ms after kill -9 of the primary`);
    // Two election timeouts are the aim; machines that run tests stall.
    expect(Math.min(...figures)).toBeLessThan(2 * ELECTION_TIMEOUT_MS);
    expect(Math.max(...figures)).toBeLessThan(3000);
  });
});
