/**
 * Aim: a payload is copied once at most on its way into the log: on the primary from the caller's buffer, on a secondary
 * from the receive buffer. Method: load on the primary alone; bytes copied over bytes logged, from `status`.
 */

import { afterEach, describe, expect, it } from 'vitest';
import { disposeEmbedded, EmbeddedCluster, type Load } from './support/embedded.js';
import { allKinds } from './support/kinds.js';

const LOAD_MS = 1500;

afterEach(disposeEmbedded);

describe.each(allKinds)('bytes copied on $name', (kind) => {
  it.each([
    { lanes: 64, bytes: 64 },
    { lanes: 4, bytes: 50_000 },
  ])('are at most those logged: $lanes callers, $bytes bytes each', async ({ lanes, bytes }) => {
    const cluster = await EmbeddedCluster.start(kind);
    const { primary } = await cluster.untilReady();
    const before = await cluster.untilEqual();
    await primary.call('startLoad', { lanes, bytes });
    await new Promise((resolve) => setTimeout(resolve, LOAD_MS));
    const load = await primary.call<Load>('stopLoad');
    expect(load.failed).toEqual([]);
    const after = await cluster.untilEqual();
    const figures = after.map((status, index) => {
      const copied = status.bytesCopied - before[index]!.bytesCopied;
      const logged = status.bytesLogged - before[index]!.bytesLogged;
      // Every command is in the log of every replica.
      expect(logged).toBeGreaterThanOrEqual(load.acknowledged * bytes);
      expect(copied / logged, `${status.role} ${status.replica}: ${copied} / ${logged}`).toBeLessThanOrEqual(
        1,
      );
      return `${status.role} ${(copied / logged).toFixed(3)}`;
    });
    // And it does count: each byte was copied somewhere.
    expect(
      after[0]!.bytesCopied - before[0]!.bytesCopied,
      'the counter counts what callers gave',
    ).toBeGreaterThanOrEqual(load.acknowledged * bytes);
    console.log(`copied / logged on ${kind.name}, ${bytes} bytes: ${figures.join(', ')}`);
  });
});
