import { describe, test } from 'vitest';
import { probeUring } from '../../src/native/uring-probe.js';
import { createTcpTransport } from '../../src/transport/tcp/tcp-transport.js';
import { createUringTransport } from '../../src/transport/uring/uring-transport.js';
import { describeTransport } from './conformance.js';
import { silentListener } from './silent-listener.js';
import { describeSockets } from './sockets-conformance.js';

const { obstacle } = probeUring('sockets');

if (obstacle === null) {
  describeTransport('uring', () => ({
    near: createUringTransport(),
    far: createUringTransport(),
    silent: silentListener,
  }));
  describeTransport('uring to tcp', () => ({
    near: createUringTransport(),
    far: createTcpTransport(),
    silent: silentListener,
  }));
  describeTransport('tcp to uring', () => ({
    near: createTcpTransport(),
    far: createUringTransport(),
    silent: silentListener,
  }));
  describeSockets('uring', () => createUringTransport());
} else {
  describe('uring', () => {
    test('is not run here', () => {
      console.log(`transport uring is not tested: ${obstacle}`);
    });
  });
}
