import { expect, test } from 'vitest';
import { SynodError } from '../../src/errors.js';
import { loadAddon } from '../../src/native/addon.js';
import { probeUring } from '../../src/native/uring-probe.js';
import { openTransport } from '../../src/transport/open-transport.js';
import { Endpoint, joined } from './endpoint.js';

const MEBIBYTE = 1024 * 1024;
const { obstacle } = probeUring('sockets');

function close(transport: { close(callback: () => void): void }): Promise<void> {
  return new Promise((resolve) => transport.close(resolve));
}

test('tcp by name is tcp, whatever else there is', async () => {
  const transport = openTransport({ kind: 'tcp' });
  expect(transport.kind).toBe('tcp');
  expect(transport.reason).toBe('tcp: asked for by name');
  await close(transport);
});

test('uring by name is uring, or an error that names the obstacle', async () => {
  if (obstacle === null) {
    const transport = openTransport({ kind: 'uring' });
    expect(transport.kind).toBe('uring');
    expect(transport.reason).toMatch(/^uring: io_uring of Linux /);
    await close(transport);
    return;
  }
  let error: unknown = null;
  try {
    openTransport({ kind: 'uring' });
  } catch (thrown) {
    error = thrown;
  }
  expect(SynodError.is(error)).toBe(true);
  expect(error).toMatchObject({
    code: 'ERR_SYNOD_TRANSPORT_UNAVAILABLE',
    message: `transport uring: ${obstacle}`,
  });
});

test('auto takes uring where it can, else tcp, and says why', async () => {
  const transport = openTransport({ kind: 'auto' });
  if (obstacle === null) expect(transport.kind).toBe('uring');
  else {
    expect(transport.kind).toBe('tcp');
    expect(transport.reason).toContain(obstacle);
  }
  if (loadAddon().addon === null) expect(transport.reason).toContain(loadAddon().reason);
  await close(transport);
});

test.each(['auto', 'tcp'] as const)('the bound on lent bytes is passed on: kind %s', async (kind) => {
  const far = new Endpoint(openTransport({ kind, receiveBytesMax: 100_000 }));
  const near = new Endpoint(openTransport({ kind }));
  await Promise.all([near.listen(), far.listen()]);
  const [there, here] = await joined(near, far);
  far.releasing = false;
  const all = 16 * MEBIBYTE;
  for (let sent = 0; sent < all; sent += MEBIBYTE) near.send(there, new Uint8Array(MEBIBYTE));
  near.flush();
  await far.until(() => far.bytesFrom(here) >= 100_000);
  // Round trips on another connection: what was going to arrive on the first one has arrived.
  const [otherThere, otherHere] = await joined(near, far);
  for (let round = 1; round <= 50; round += 1) {
    near.send(otherThere, new Uint8Array(100));
    near.flush();
    await far.until(() => far.bytesFrom(otherHere) === round * 100);
    far.releaseAll(otherHere);
    far.flush();
  }
  // Without the bound it is 4 MiB; with it, a buffer of the ring more at most.
  expect(far.bytesFrom(here)).toBeLessThan(4 * MEBIBYTE);
  far.releasing = true;
  far.releaseAll(here);
  await far.until(() => far.bytesFrom(here) === all);
  await Promise.all([near.close(), far.close()]);
});
