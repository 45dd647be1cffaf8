/**
 * A name may stand for several addresses, and the first may answer to nothing: a machine that is off, a network that drops what comes.
 * Method: the first address is that of a stopped process that accepts nobody, the second one refuses at once, which shows that it was dialled.
 */

import { afterAll, describe, expect, test, vi } from 'vitest';
import { probeUring } from '../../src/native/uring-probe.js';
import { attemptMs } from '../../src/transport/resolve.js';
import { createTcpTransport } from '../../src/transport/tcp/tcp-transport.js';
import { loadTls } from '../../src/transport/tls.js';
import type { Transport } from '../../src/transport/transport.js';
import { createUringTransport } from '../../src/transport/uring/uring-transport.js';
import { makeAuthority, removeCertificates, tlsFor } from './certificates.js';
import { Endpoint } from './endpoint.js';
import { silentListener } from './silent-listener.js';

const hosts = vi.hoisted(() => ({ of: {} as Record<string, readonly string[]> }));
vi.mock('../../src/transport/resolve.js', async (original) => {
  const real = await original<typeof import('../../src/transport/resolve.js')>();
  const resolveHost: typeof real.resolveHost = (host, callback) => {
    const found = hosts.of[host];
    if (found === undefined) real.resolveHost(host, callback);
    else setImmediate(callback, null, found);
  };
  return { ...real, resolveHost };
});

const DIAL_MS = 1500;
const tls = loadTls(tlsFor('a', makeAuthority()), 'a');
afterAll(removeCertificates);

const kinds: [name: string, make: () => Transport][] = [
  ['tcp', () => createTcpTransport()],
  ['tcp with TLS', () => createTcpTransport({ tls })],
];
if (probeUring('sockets').obstacle === null) kinds.push(['uring', () => createUringTransport()]);

describe.each(kinds)('an address that does not answer, %s', (_, make) => {
  test.each([
    ['leaves its time to the next', ['127.0.0.1', '127.0.0.2'], 'ERR_SYNOD_CONNECT', DIAL_MS],
    ['has all the time where it is the last', ['127.0.0.2', '127.0.0.1'], 'ERR_SYNOD_TIMEOUT', 300],
    ['leaves it one after another', ['127.0.0.1', '127.0.0.1', '127.0.0.2'], 'ERR_SYNOD_CONNECT', DIAL_MS],
  ] as const)('%s', async (__, addresses, code, timeoutMs) => {
    const endpoint = new Endpoint(make());
    const silent = await silentListener();
    try {
      await endpoint.listen();
      hosts.of['several.test'] = addresses;
      for (let token = 0; token < silent.dials; token += 1)
        endpoint.connect({ host: 'several.test', port: silent.address.port }, token, timeoutMs);
      // Those for which the kernel keeps a place stand; the others are never answered.
      await endpoint.until(() => endpoint.failures.length + endpoint.connections.length === silent.dials);
      expect(endpoint.failures.length).toBeGreaterThan(0);
      for (const { error } of endpoint.failures) expect(error.code).toBe(code);
    } finally {
      silent.stop();
      await endpoint.close();
    }
    expect(endpoint.violations).toEqual([]);
  });
});

test('each address has an equal share of the time that is left, and the last one all of it', () => {
  expect(attemptMs(1000, 100, 3)).toBe(300);
  expect(attemptMs(1000, 400, 2)).toBe(300);
  expect(attemptMs(1000, 700, 1)).toBe(null);
  // The name was looked up for too long: each is tried all the same.
  expect(attemptMs(1000, 1200, 2)).toBe(0);
});
