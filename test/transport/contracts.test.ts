/** The contracts of the transports bite. That of the ring's sends is in test/native/contracts.test.ts. */

import { describe, expect, it } from 'vitest';
import { createMemoryNetwork } from '../../src/transport/memory/memory-network.js';
import { createTcpTransport } from '../../src/transport/tcp/tcp-transport.js';
import type { Transport } from '../../src/transport/transport.js';
import { contractOf } from '../protocol/harness.js';
import { Endpoint } from './endpoint.js';

const nowhere = { host: '127.0.0.1', port: 1 };

describe.each<[name: string, release: string, make: () => Transport]>([
  ['memory', 'memory-release-once', () => createMemoryNetwork({ auto: true }).transport('a')],
  ['tcp', 'tcp-release-once', () => createTcpTransport()],
])('of %s', (_, release, make) => {
  it('transport-listen-first: a dial before', () => {
    expect(contractOf(() => make().connect(nowhere, 1, 1000))).toBe('transport-listen-first');
  });

  it('transport-listen-once: once more', async () => {
    const endpoint = new Endpoint(make());
    await endpoint.listen();
    expect(contractOf(() => endpoint.transport.listen(endpoint, nowhere, () => {}))).toBe(
      'transport-listen-once',
    );
    await endpoint.close();
  });

  it(`${release}: more bytes than were lent`, async () => {
    const transport = make();
    const endpoint = new Endpoint(transport);
    await endpoint.listen();
    endpoint.connect(endpoint.address, 1);
    await endpoint.until(() => endpoint.connections.length === 2);
    const [connection] = endpoint.connections;
    expect(contractOf(() => connection!.release(1))).toBe(release);
    expect(contractOf(() => connection!.release(0))).toBe(release);
    await endpoint.close();
  });
});

it('memory-network-unique-name: the same one twice', () => {
  const network = createMemoryNetwork({});
  network.transport('a');
  expect(contractOf(() => network.transport('a'))).toBe('memory-network-unique-name');
});

it('tls-from-the-beginning: certificates for a transport that was made without', () => {
  const material = {} as Parameters<NonNullable<ReturnType<typeof createTcpTransport>['setTls']>>[0];
  expect(contractOf(() => createTcpTransport().setTls!(material))).toBe('tls-from-the-beginning');
});
