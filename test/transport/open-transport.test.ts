import { expect, test } from 'vitest';
import { SynodError } from '../../src/errors.js';
import { loadAddon } from '../../src/native/addon.js';
import { probeUring } from '../../src/native/uring-probe.js';
import { openTransport } from '../../src/transport/open-transport.js';

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

test('the bound on lent bytes is passed on', async () => {
  const transport = openTransport({ kind: 'auto', receiveBytesMax: 100_000 });
  await close(transport);
});
