/**
 * Aim: connections that keep what they received, or a part of it, do not keep the others from receiving, nor themselves once they may again.
 * Method: io_uring sockets at one end, whose receive buffers all connections share, and every wake-up waited for.
 */

import { describe, expect, test } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import { probeUring } from '../../src/native/uring-probe.js';
import { createTcpTransport } from '../../src/transport/tcp/tcp-transport.js';
import type { Connection } from '../../src/transport/transport.js';
import { createUringTransport } from '../../src/transport/uring/uring-transport.js';
import { FrameWriter } from '../../src/wire/codec.js';
import { FrameKind } from '../../src/wire/frame.js';
import { FrameReader } from '../../src/wire/frame-reader.js';
import { Endpoint, joined } from './endpoint.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const BUFFER_BYTES = 256 * KIB;
/** As many as are there at first. */
const BUFFERS = 16;

const { obstacle, incrementalBuffers } = probeUring('sockets');
if (obstacle !== null) console.log(`shared receive buffers are not tested: ${obstacle}`);

/** Worth that a buffer stays lent for it. */
const PIECE_BYTES = 16 * KIB;

function frameOf(payloadBytes: number): Uint8Array {
  const writer = new FrameWriter(crc32c);
  const payload = new Uint8Array(payloadBytes);
  const headerBytes = writer.plain(FrameKind.hello, 0, payloadBytes, crc32c(payload, 0, payloadBytes, 0));
  return Buffer.concat([writer.bytes.subarray(0, headerBytes), payload]);
}

/** One end that sends as told, and one that receives into shared buffers. */
class Pair {
  readonly near = new Endpoint(createTcpTransport());
  readonly far: Endpoint;

  constructor(receiveBytesMax: number) {
    this.far = new Endpoint(createUringTransport({ receiveBytesMax }));
  }

  async listen(): Promise<void> {
    await Promise.all([this.near.listen(), this.far.listen()]);
  }

  /** Resolves once all of it was received. */
  async say(there: Connection, here: Connection, bytes: Uint8Array): Promise<void> {
    const want = this.far.bytesFrom(here) + bytes.length;
    this.near.send(there, bytes);
    this.near.flush();
    await this.far.until(() => this.far.bytesFrom(here) === want);
  }

  async close(): Promise<void> {
    await Promise.all([this.near.close(), this.far.close()]);
    expect([...this.near.violations, ...this.far.violations]).toEqual([]);
  }
}

describe.runIf(obstacle === null && incrementalBuffers)('shared receive buffers', () => {
  test('who found none while it was over its bound receives once it may again, though others keep a piece of each', async () => {
    const bound = 128 * KIB;
    const pair = new Pair(bound);
    await pair.listen();
    const { near, far } = pair;
    const [slowThere, slowHere] = await joined(near, far);
    const [there, here] = await joined(near, far);
    far.releasing = false;
    for (let buffer = 1; buffer <= BUFFERS; buffer += 1) {
      await pair.say(slowThere, slowHere, new Uint8Array(64));
      for (let left = buffer === BUFFERS ? 0 : BUFFER_BYTES - 64; left > 0; left -= bound / 4) {
        await pair.say(there, here, new Uint8Array(Math.min(bound / 4, left)));
        far.releaseAll(here);
      }
    }
    // The rest of the last buffer is more than the bound, and behind it is none: both are heard of in one wake-up.
    const before = far.bytesFrom(here);
    near.send(there, new Uint8Array(MIB));
    near.flush();
    await far.until(() => far.bytesFrom(here) - before === BUFFER_BYTES - 64);
    // That wake-up is over.
    await new Promise((resolve) => setTimeout(resolve, 50));
    far.releasing = true;
    far.releaseAll(here);
    far.flush();
    await far.until(() => far.bytesFrom(here) - before === MIB);
    far.releaseAll(slowHere);
    await pair.close();
  }, 20_000);

  test('13 peers in the middle of their frames, as many as there may be, leave a buffer for another connection', async () => {
    const pair = new Pair(4 * MIB);
    await pair.listen();
    const { near, far } = pair;
    const readers = new Map<Connection, FrameReader>();
    far.releasing = false;
    const { onReceived, onTurnEnd } = far;
    far.onReceived = (connection, bytes, start, end, lease) => {
      const reader =
        readers.get(connection) ?? new FrameReader(crc32c, 2 * MIB, (one) => connection.release(one));
      readers.set(connection, reader);
      reader.push(bytes, start, end, lease);
      onReceived.call(far, connection, bytes, start, end, lease);
    };
    far.onTurnEnd = () => {
      for (const reader of readers.values()) while (reader.next() !== null);
      for (const reader of readers.values()) reader.releaseSpent();
      onTurnEnd.call(far);
    };
    const [others, here] = await joined(near, far);
    const [lastThere, lastHere] = await joined(near, far);
    const great = frameOf(MIB);
    const rest = frameOf((BUFFER_BYTES - PIECE_BYTES) / 8 - 24);
    for (let peer = 0; peer < 13; peer += 1) {
      const [there, peerHere] = await joined(near, far);
      for (let piece = 0; piece < 20; piece += 1) {
        await pair.say(there, peerHere, great.subarray(piece * PIECE_BYTES, (piece + 1) * PIECE_BYTES));
        // Others fill the rest of the buffer, and are done with it at once.
        for (let part = 0; part < 8; part += 1) await pair.say(others, here, rest);
      }
    }
    await pair.say(lastThere, lastHere, frameOf(100));
    await pair.close();
  }, 60_000);
});
