/**
 * The uring transport on Linux 6.0 to 6.11, which has buffer rings, and takes a whole buffer for each piece that it receives. Aim: a connection
 * keeps as many pieces as ever, and a frame in more pieces than that arrives. Method: the addon's answers are those of such a kernel.
 */

import { describe, expect, test } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import { loadAddon } from '../../src/native/addon.js';
import { probeUring } from '../../src/native/uring-probe.js';
import { createUringTransport } from '../../src/transport/uring/uring-transport.js';
import { FrameWriter } from '../../src/wire/codec.js';
import { FrameReader } from '../../src/wire/frame-reader.js';
import { Endpoint, joined } from './endpoint.js';

const opened: [incremental: boolean, bufferBytes: number][] = [];
const { addon } = loadAddon();
if (addon?.probeUring !== undefined && addon.createUring !== undefined) {
  const { probeUring: probe, createUring } = addon;
  addon.probeUring = () => ({ ...probe(), incrementalBuffers: false });
  addon.createUring = (wake) => {
    const native = createUring(wake);
    const { openPool } = native;
    native.openPool = (incremental, bufferBytes) => {
      opened.push([incremental, bufferBytes]);
      // The flag is unknown there: the addon does without it, and says so.
      return openPool(false, bufferBytes);
    };
    return native;
  };
}
const { obstacle, description } = probeUring('sockets');

if (obstacle === null) {
  test('has buffers of 64 KiB, and says that they are taken whole', async () => {
    const endpoint = new Endpoint(createUringTransport());
    await endpoint.listen();
    await endpoint.close();
    expect(opened).toEqual([[false, 64 * 1024]]);
    expect(description).toMatch(/whole buffers/);
  });

  test('lends 64 small pieces of a connection before it stops to receive', async () => {
    const [near, far] = [new Endpoint(createUringTransport()), new Endpoint(createUringTransport())];
    await Promise.all([near.listen(), far.listen()]);
    const [there, here] = await joined(near, far);
    far.releasing = false;
    for (let sent = 1; sent <= 64; sent += 1) {
      near.send(there, new Uint8Array(10));
      near.flush();
      await far.until(() => far.bytesFrom(here) === sent * 10);
    }
    far.releaseAll(here);
    await Promise.all([near.close(), far.close()]);
    expect([...near.violations, ...far.violations]).toEqual([]);
  });

  test('a frame in hundreds of pieces arrives, though it is lent until it is complete', async () => {
    const [near, far] = [new Endpoint(createUringTransport()), new Endpoint(createUringTransport())];
    await Promise.all([near.listen(), far.listen()]);
    const [there, here] = await joined(near, far);
    const reader = new FrameReader(crc32c, 1024 * 1024, (lease) => here.release(lease));
    let frames = 0;
    let pieces = 0;
    far.onReceived = (_, bytes, start, end, lease) => {
      pieces += 1;
      reader.push(bytes, start, end, lease);
    };
    let isComplete = (): void => {};
    const complete = new Promise<void>((resolve) => {
      isComplete = resolve;
    });
    let turned = (): void => {};
    far.onTurnEnd = () => {
      for (let frame = reader.next(); frame !== null; frame = reader.next()) frames += 1;
      reader.releaseSpent();
      far.flush();
      turned();
      if (frames === 1) isComplete();
    };
    const payload = Uint8Array.from({ length: 300_000 }, (_, index) => index % 251);
    const writer = new FrameWriter(crc32c);
    const checksum = crc32c(payload, 0, payload.length, 0);
    const headerBytes = writer.plain(1, 0, payload.length, checksum);
    near.send(there, writer.bytes.slice(0, headerBytes));
    for (let at = 0; at < payload.length; at += 1000) {
      const next = new Promise<void>((done) => {
        turned = done;
      });
      near.send(there, new Uint8Array(0), payload, at, Math.min(payload.length, at + 1000));
      near.flush();
      // One piece a turn, as a slow network brings them.
      await next;
    }
    await complete;
    expect(pieces).toBeGreaterThan(200);
    expect(reader.heldBytes).toBe(0);
    await Promise.all([near.close(), far.close()]);
  });
} else {
  describe('uring on an old kernel', () => {
    test('is not run here', () => {
      console.log(`transport uring on an old kernel is not tested: ${obstacle}`);
    });
  });
}
