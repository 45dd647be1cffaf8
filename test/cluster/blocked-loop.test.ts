/**
 * Aim: an application that blocks its own event loop for 10 s, on the primary, causes no election and no lost or failed
 * command, and the other replicas' commands go on meanwhile.
 */

import { afterEach, describe, expect, it } from 'vitest';
import { disposeEmbedded, EmbeddedCluster, type Load } from './support/embedded.js';
import { allKinds, kinds, portable } from './support/kinds.js';

const BLOCKED_MS = 10_000;
const COMMAND_BYTES = 64;
/** A disk that other tests keep busy may stall for longer than half of the default: then a primary hands over, as it should. */
const timeouts = { electionTimeoutMs: 1500, heartbeatMs: 100 };

afterEach(disposeEmbedded);

/** Runs `blocked` on the primary while the secondaries are under load; compares before and after. */
async function whileBlocked<Result>(
  cluster: EmbeddedCluster,
  blocked: (primary: EmbeddedCluster['replicas'][number]) => Promise<Result>,
): Promise<Result> {
  const { primary, secondaries } = await cluster.untilReady();
  // The state machines are warm, the links have carried something.
  await primary.call('burst', { before: 100, ms: 0, after: 0, bytes: COMMAND_BYTES });
  const before = await Promise.all(cluster.replicas.map((replica) => replica.status()));
  for (const secondary of secondaries) await secondary.call('startLoad', { lanes: 4, bytes: COMMAND_BYTES });
  const result = await blocked(primary);
  const loads = await Promise.all(secondaries.map((secondary) => secondary.call<Load>('stopLoad')));

  const after = await cluster.untilEqual();
  expect(
    after.map(({ ballot }) => ballot),
    cluster.describe(),
  ).toEqual(before.map(({ ballot }) => ballot));
  for (const load of loads) {
    expect(load.failed).toEqual([]);
    // Without the primary's application, which answers nobody but its own callers.
    expect(load.acknowledged).toBeGreaterThan(100);
    expect(load.latencyMsMax).toBeLessThan(BLOCKED_MS / 2);
  }
  expect(new Set(after.map(({ stateDigest }) => stateDigest)).size, 'digests differ').toBe(1);
  console.log(
    `loop of the primary blocked for ${BLOCKED_MS} ms: ${loads.map((load) => `${load.acknowledged} commands, the slowest ${Math.round(load.latencyMsMax)} ms`).join('; ')}`,
  );
  return result;
}

const kind = allKinds.includes(kinds[0]!) ? kinds[0]! : portable;

describe(`the loop of the primary's application is blocked (${kind.name})`, () => {
  it('while it is idle', async () => {
    const cluster = await EmbeddedCluster.start(kind, timeouts);
    await whileBlocked(cluster, (primary) => primary.call('block', BLOCKED_MS));
  });

  it('in the middle of a burst of commands', async () => {
    const cluster = await EmbeddedCluster.start(kind, timeouts);
    const [before, after] = [500, 500];
    const burst = await whileBlocked(cluster, (primary) =>
      primary.call<{ results: number[]; failed: string[] }>('burst', {
        before,
        ms: BLOCKED_MS,
        after,
        bytes: COMMAND_BYTES,
      }),
    );
    expect(burst.failed).toEqual([]);
    // Each has its result, and they were executed in the order of the calls.
    expect(burst.results).toHaveLength(before + after);
    expect(burst.results).toEqual([...burst.results].sort((a, b) => a - b));
    expect(new Set(burst.results).size).toBe(before + after);
  });
});
