/** The uring transport as on kernels before 6.12: each received piece takes a whole buffer. */

import { describe, expect, test } from 'vitest';
import { configureUringLoop } from '../../src/native/uring-loop.js';
import { probeUring } from '../../src/native/uring-probe.js';
import { createUringTransport } from '../../src/transport/uring/uring-transport.js';
import { describeTransport } from './conformance.js';
import { Endpoint, joined } from './endpoint.js';
import { silentListener } from './silent-listener.js';

const { obstacle } = probeUring('sockets');

if (obstacle === null) {
  configureUringLoop({ incrementalBuffers: false });
  describeTransport('uring with whole buffers', () => ({
    near: createUringTransport(),
    far: createUringTransport(),
    silent: silentListener,
  }));

  test('many small leases that are kept take whole buffers, and others still receive', async () => {
    const near = new Endpoint(createUringTransport({ receiveBytesMax: 1024 * 1024 }));
    const far = new Endpoint(createUringTransport({ receiveBytesMax: 1024 * 1024 }));
    await Promise.all([near.listen(), far.listen()]);
    const [there, here] = await joined(near, far);
    const [otherThere, otherHere] = await joined(near, far);
    far.releasing = false;
    let sent = 0;
    // 16 buffers of 64 KiB are the bound of one connection: the seventeenth message waits in the kernel.
    for (; sent < 16; sent += 1) {
      near.send(there, new Uint8Array(10));
      near.flush();
      await far.until(() => far.bytesFrom(here) === (sent + 1) * 10);
    }
    near.send(there, new Uint8Array(10));
    near.flush();
    for (let round = 1; round <= 50; round += 1) {
      near.send(otherThere, new Uint8Array(10));
      near.flush();
      await far.until(() => far.bytesFrom(otherHere) === round * 10);
      far.releaseAll(otherHere);
    }
    expect(far.bytesFrom(here)).toBe(160);
    far.releaseAll(here);
    await far.until(() => far.bytesFrom(here) === 170);
    far.releaseAll(here);
    await Promise.all([near.close(), far.close()]);
    expect([...near.violations, ...far.violations]).toEqual([]);
  });
} else {
  describe('uring with whole buffers', () => {
    test('is not run here', () => {
      console.log(`transport uring with whole buffers is not tested: ${obstacle}`);
    });
  });
}
