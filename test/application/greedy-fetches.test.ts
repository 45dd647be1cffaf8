/**
 * Aim: who asks for the log again and again gets no more at once than honest replicas do, and what waits for it is bounded where it does not
 * read. Method: a replica over real sockets, and an outsider that asks by hand and counts what comes.
 */

import { afterEach, describe, expect, it } from 'vitest';
import type { Replica } from '../../src/index.js';
import { FrameKind } from '../../src/wire/frame.js';
import { FakePeer } from '../cluster/support/peer.js';
import { helloOf } from '../engine/hellos.js';
import { bytesOf, closeAll, freePorts, openCluster } from './support.js';

const MIB = 1024 * 1024;
const VALUE_BYTES = 100_000;
const peers: FakePeer[] = [];

afterEach(async () => {
  for (const peer of peers.splice(0)) peer.end();
  await closeAll();
});

describe.each(['tcp', 'auto'] as const)('over %s, an outsider', (kind) => {
  /** A replica with `count` decrees in its log, and an outsider that is linked to it. */
  async function open(
    count: number,
    sendQueueBytesMax = 4 * MIB,
  ): Promise<{ replica: Replica<string>; peer: FakePeer }> {
    const [port] = await freePorts(1);
    const [member] = await openCluster(1, {
      members: [{ id: 'a', address: `127.0.0.1:${port}` }],
      // What is asked for lies in the segment that is in memory: it is sent at once.
      storage: { kind: 'memory', segmentBytes: 4 * MIB },
      limits: {
        ...{ commandBytesMax: MIB / 2, decreeBytesMax: MIB },
        ...{ fetchBytesMax: MIB, pipelineBytesMax: MIB, sendQueueBytesMax },
      },
      transport: { kind },
    });
    const { replica } = member!;
    for (let round = 0; round < count; round += 1) await replica.replicate(bytesOf('x'.repeat(VALUE_BYTES)));
    const peer = await FakePeer.dial(port!);
    peers.push(peer);
    const range = { versionMin: 1, versionMax: 1, version: 0 };
    peer.send(peer.hello({ ...helloOf('z'), cluster: 'here', ...range }));
    await peer.until(({ frames }) => frames.find((frame) => frame.kind === FrameKind.welcome) ?? null);
    return { replica, peer };
  }

  const fetch = (peer: FakePeer, bytesMax: number): Uint8Array =>
    peer.message({ kind: 'fetch', from: 1, bytesMax }, 1);

  const countOf = (peer: FakePeer, kind: number): number =>
    peer.frames.filter((frame) => frame.kind === kind).length;

  /** Decrees that came, once nothing is on its way any more: a report is sent every 100 ms, behind all that is queued. */
  async function decreesOf(peer: FakePeer): Promise<number> {
    const before = countOf(peer, FrameKind.report);
    await peer.until(() => (countOf(peer, FrameKind.report) >= before + 5 ? true : null));
    expect(peer.closed).toBe(false);
    return countOf(peer, FrameKind.learn);
  }

  it('gets what a fetch brings at most, whatever it asks for', async () => {
    const { peer } = await open(50);
    peer.send(fetch(peer, 0xffff_ffff));
    expect(await decreesOf(peer)).toBe(11);
  });

  it('gets the answer to one of many fetches that come at once', async () => {
    const { peer } = await open(20, 64 * MIB);
    peer.send(Buffer.concat(Array.from({ length: 100 }, () => fetch(peer, MIB))));
    // They may come in a few pieces.
    expect(await decreesOf(peer)).toBeLessThanOrEqual(5 * 11);
  });

  it('that does not read is sent nothing beyond its queue, and is answered again once it reads', async () => {
    const { replica, peer } = await open(20);
    peer.socket.pause();
    for (let round = 0; round < 100; round += 1) {
      peer.send(fetch(peer, MIB));
      // A turn, or two; and time, or many of them come in one piece and are answered as one.
      await replica.replicate(bytesOf('y'));
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    peer.socket.resume();
    // Of 100 MiB: 4 MiB, a fetch, and what the kernel holds.
    expect((await decreesOf(peer)) * VALUE_BYTES).toBeLessThan(40 * MIB);
    const before = await decreesOf(peer);
    peer.send(fetch(peer, MIB));
    expect(await decreesOf(peer)).toBe(before + 11);
  }, 30_000);
});
