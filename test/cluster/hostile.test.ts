/**
 * Aim: whatever comes to the port for peers is refused or cut off with a reason in the log; the cluster goes on, and no
 * replica holds more memory for it than its bounds say.
 */

import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import type { Hello } from '../../src/engine/hello.js';
import { readSegmentHeader } from '../../src/log/segment.js';
import { FrameKind } from '../../src/wire/frame.js';
import { disposeAll, TestCluster, type TestReplica, takePorts } from './support/cluster.js';
import { portable } from './support/kinds.js';
import { FakePeer } from './support/peer.js';
import { RespClient } from './support/resp-client.js';

const MEBIBYTE = 1024 * 1024;
const ELECTION_TIMEOUT_MS = 300;
const peers: FakePeer[] = [];

let cluster: TestCluster;
let target: TestReplica;

const settings = {
  storage: { kind: 'file', segmentBytes: MEBIBYTE },
  electionTimeoutMs: ELECTION_TIMEOUT_MS,
  limits: {
    pipelineBytesMax: MEBIBYTE,
    fetchBytesMax: MEBIBYTE,
    sendQueueBytesMax: 4 * MEBIBYTE,
    outstandingBytesMax: 8 * MEBIBYTE,
  },
};

afterEach(async () => {
  for (const peer of peers.splice(0)) peer.end();
  await disposeAll();
});

async function dial(): Promise<FakePeer> {
  const peer = await FakePeer.dial(target.peerPort);
  peers.push(peer);
  return peer;
}

function hello(change: Partial<Hello> = {}): Hello {
  return {
    cluster: 'test',
    id: 'c',
    incarnation: 'f'.repeat(32),
    start: 1,
    life: '0'.repeat(16),
    sequence: 1,
    promised: 0,
    accepted: 0,
    hasGenesis: true,
    durable: true,
    versionMin: 1,
    versionMax: 1,
    version: 0,
    ...change,
  };
}

/** Writes through each replica work. */
async function expectServing(): Promise<void> {
  for (const replica of cluster.alive) expect(await replica.ask('SET', `by-${replica.id}`, '1')).toBe('OK');
}

const untilLogged = (replica: TestReplica, pattern: RegExp): Promise<void> =>
  cluster.until(`${pattern} in the log of ${replica.id}`, () => pattern.test(replica.log), 15_000);

describe.each([
  { name: 'tcp', transport: 'tcp', env: portable.env },
  { name: 'the best there is', transport: 'auto', env: {} },
])('the port for peers, transport $name', ({ transport, env }) => {
  beforeEach(async () => {
    cluster = await TestCluster.start({ ...settings, transport, env });
    target = cluster.get('a');
  });

  it('refuses strangers, with a reason in the log, and goes on', async () => {
    const before = target.residentBytes();

    const garbage = await dial();
    garbage.send(randomBytes(4096));
    expect(await garbage.untilClosed()).toBe(true);
    await untilLogged(target, /connection cut off.*frame (version|header)/);

    const giant = await dial();
    const header = Buffer.from(giant.hello(hello()));
    header.writeUInt32LE(0xffff_fff0, 0);
    giant.send(header);
    expect(await giant.untilClosed()).toBe(true);
    await untilLogged(target, /frame of 4294967280 bytes/);

    // Well-formed, and within what a member may send, but too long for a stranger.
    const long = await dial();
    long.send(long.frame(FrameKind.hello, new Uint8Array(MEBIBYTE)));
    expect(await long.untilClosed()).toBe(true);
    await untilLogged(target, /frame of 10486\d\d bytes, the bound is 4096/);

    const damaged = await dial();
    const bytes = Buffer.from(damaged.hello(hello()));
    bytes[bytes.length - 1]! ^= 1;
    damaged.send(bytes);
    expect(await damaged.untilClosed()).toBe(true);
    await untilLogged(target, /frame payload checksum/);

    const early = await dial();
    early.send(early.message({ kind: 'heartbeat', ballot: 1, chosen: 1, round: 1 }, 1));
    expect(await early.untilClosed()).toBe(true);

    const [half, silent] = [await dial(), await dial()];
    half.send(half.hello(hello()).subarray(0, 40));
    for (const peer of [half, silent]) expect(await peer.untilClosed()).toBe(true);
    await untilLogged(target, /no handshake in time/);

    await expectServing();
    expect(target.residentBytes() - before).toBeLessThan(64 * MEBIBYTE);
  });

  it('refuses replicas that do not belong here, and says to both sides why', async () => {
    for (const [change, reason] of [
      [{ cluster: 'another' }, /cluster \\"another\\", this is \\"test\\"/],
      [{ id: 'a' }, /replica id \\"a\\" is this replica's own/],
      [{ id: 'c' }, /replica id \\"c\\" is in use by another disk/],
    ] as const) {
      const peer = await dial();
      peer.send(peer.hello(hello(change)));
      const refusal = await peer.until(
        ({ frames }) => frames.find(({ kind }) => kind === FrameKind.refusal) ?? null,
      );
      expect(refusal?.text).toMatch(reason);
      await untilLogged(target, new RegExp(`peer refused.*${reason.source}|${reason.source}.*peer refused`));
    }
    for (const text of ['', '{', '[]', '{"cluster":"test"}', JSON.stringify(hello({ incarnation: 'x' }))]) {
      const peer = await dial();
      peer.send(peer.frame(FrameKind.hello, new TextEncoder().encode(text)));
      expect(await peer.untilClosed(), text).toBe(true);
    }
    // Whoever is no member may be named in the next configuration: it is heard, and has no voice.
    const stranger = await dial();
    stranger.send(stranger.hello(hello({ id: 'z' })));
    await stranger.until(({ frames }) => frames.find(({ kind }) => kind === FrameKind.welcome) ?? null);
    await expectServing();
  });

  it('is not held up by many connections that say nothing', async () => {
    const before = target.residentBytes();
    const crowd = await Promise.all(Array.from({ length: 300 }, dial));
    for (const peer of crowd) peer.send(peer.hello(hello()).subarray(0, 60));
    await expectServing();
    const closed = await Promise.all(crowd.map((peer) => peer.untilClosed(15_000)));
    expect(closed.every(Boolean)).toBe(true);
    expect(target.residentBytes() - before).toBeLessThan(64 * MEBIBYTE);
    await expectServing();
  });
});

describe('a second process', () => {
  it('with the id of a live replica and another data directory is refused', async () => {
    cluster = await TestCluster.start(settings);
    const twin = await TestCluster.plan({ ...settings, replicas: 3 });
    const impostor = twin.get('c');
    const [peerPort] = await takePorts(1);
    impostor.config = {
      ...impostor.config,
      members: cluster.get('c').config.members,
      listen: `127.0.0.1:${peerPort}`,
    };
    await impostor.start();
    for (const id of ['a', 'b'])
      await untilLogged(
        cluster.get(id),
        /peer refused.*in use by another disk|in use by another disk.*peer refused/,
      );
    await cluster.until('the impostor is told', () => /refused by peer/.test(impostor.log));
    target = cluster.get('a');
    await expectServing();
    const [status] = await twin.statuses();
    expect(status).toMatchObject({ primary: null, chosen: 0 });
    for (const { configuration } of await cluster.statuses()) expect(configuration).toBe(1);
  });
});

/** What replica `id` would say of itself: its disk's incarnation, from the newest segment. */
function incarnationOf(replica: TestReplica): string {
  const folder = join(replica.dataDir, 'log');
  const [first] = readdirSync(folder)
    .filter((name) => name.endsWith('.segment'))
    .sort();
  const reading = readSegmentHeader(readFileSync(join(folder, first!)).subarray(0, 4096), crc32c);
  if (reading.kind !== 'valid') throw new Error(`segment ${first} is ${reading.kind}`);
  return Buffer.from(reading.header.diskIncarnation).toString('hex');
}

describe('a peer that handshakes properly and then never reads', () => {
  it('is cut off, and costs a bounded amount of memory', async () => {
    cluster = await TestCluster.start(settings);
    // Whose place is taken must not be the primary, and dials: c, unless it leads.
    let primary = await cluster.untilReady();
    if (primary.id === 'c') {
      await primary.kill();
      primary = await cluster.untilReady();
    } else await cluster.get('c').kill();
    target = primary;
    const peer = await dial();
    peer.send(
      peer.hello(
        hello({
          incarnation: incarnationOf(cluster.get('c')),
          start: 1000,
          sequence: 1e9,
          promised: 1e12,
          accepted: 1e9,
        }),
      ),
    );
    const heartbeat = await peer.until(
      ({ frames }) => frames.find(({ message }) => message?.kind === 'heartbeat') ?? null,
    );
    if (heartbeat?.message?.kind !== 'heartbeat')
      throw new Error(`no heartbeat\n${await cluster.describe()}`);
    const { ballot, round } = heartbeat.message;
    peer.send(
      peer.message(
        { kind: 'heartbeat-reply', ballot, round, from: 1, through: 0, chosen: 0, standing: 0 },
        heartbeat.configuration,
      ),
    );
    peer.socket.pause();

    const before = primary.residentBytes();
    const client = await RespClient.connect(primary.kvPort);
    const value = 'v'.repeat(50_000);
    let written = 0;
    let residentBytesMax = before;
    const writeSome = async (): Promise<void> => {
      await Promise.all(Array.from({ length: 8 }, (_, lane) => client.send('SET', `slow:${lane}`, value)));
      written += 8 * value.length;
      residentBytesMax = Math.max(residentBytesMax, primary.residentBytes());
    };
    await cluster.until(
      'the slow reader is cut off',
      async () => {
        await writeSome();
        return /reads too slowly/.test(primary.log);
      },
      45_000,
    );
    client.close();
    console.log(
      `slow reader: ${Math.round(written / MEBIBYTE)} MiB written, the primary grew by ${Math.round((residentBytesMax - before) / MEBIBYTE)} MiB`,
    );
    expect(residentBytesMax - before).toBeLessThan(112 * MEBIBYTE);
    await expectServing();
  });
});
