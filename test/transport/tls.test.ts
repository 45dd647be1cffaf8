/**
 * Aim: with TLS, the transport keeps every promise that it keeps without; nobody gets a connection whose certificate is not
 * signed by an authority, and nobody speaks for a replica whose certificate is not that replica's; and who does not come so far
 * costs a bounded number of connections, for a bounded time.
 */

import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect as tlsConnect } from 'node:tls';
import { inspect } from 'node:util';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import type { TlsOptions } from '../../src/index.js';
import { openTransport } from '../../src/transport/open-transport.js';
import { createTcpTransport } from '../../src/transport/tcp/tcp-transport.js';
import { certificateRefusal, describeCertificate, dnsNames, loadTls } from '../../src/transport/tls.js';
import { type Authority, fingerprintOf, makeAuthority, removeCertificates, tlsFor } from './certificates.js';
import { describeTransport } from './conformance.js';
import { Endpoint } from './endpoint.js';
import { silentListener } from './silent-listener.js';

const authority = makeAuthority();
const stranger = makeAuthority();
const tlsOfA = loadTls(tlsFor('a', authority), 'a');
const tlsOfB = loadTls(tlsFor('b', authority), 'b');

afterAll(removeCertificates);

describeTransport('tcp with TLS', () => ({
  near: createTcpTransport({ tls: tlsOfA }),
  far: createTcpTransport({ tls: tlsOfB }),
  silent: silentListener,
}));

describe('who is let in', () => {
  const endpoints: Endpoint[] = [];
  const refused: string[] = [];

  afterEach(async () => {
    for (const endpoint of endpoints.splice(0)) await endpoint.close();
    refused.length = 0;
  });

  async function listening(tls = tlsOfA): Promise<Endpoint> {
    const endpoint = new Endpoint(
      createTcpTransport({ tls, onTlsRefused: (remote, reason) => void refused.push(`${remote} ${reason}`) }),
    );
    endpoints.push(endpoint);
    await endpoint.listen();
    return endpoint;
  }

  const untilRefused = (): Promise<void> =>
    vi.waitFor(() => expect(refused.length).toBe(1), { timeout: 10_000, interval: 5 });

  it('each end knows the names of the other', async () => {
    const [near, far] = [await listening(tlsOfA), await listening(tlsOfB)];
    near.connect(far.address);
    await near.until(() => near.connections.length === 1);
    await far.until(() => far.connections.length === 1);
    expect(near.connections[0]!.certificate).toEqual({
      names: ['b'],
      fingerprint: fingerprintOf(tlsOfB.certificate).replaceAll(':', '').toLowerCase(),
    });
    expect(far.connections[0]!.certificate?.names).toEqual(['a']);
  });

  it.each([
    ['no certificate', () => ({}), /^127\.0\.0\.1 no certificate$/],
    [
      'a certificate of another authority',
      () => stranger.issue('/CN=b'),
      /^127\.0\.0\.1 UNABLE_TO_VERIFY_LEAF_SIGNATURE$/,
    ],
  ])('not who comes with %s', async (_, issue, reason) => {
    const endpoint = await listening();
    const { certificate: cert, key } = issue() as { certificate?: string; key?: string };
    const socket = tlsConnect({
      ...endpoint.address,
      cert,
      key,
      ca: authority.certificate,
      checkServerIdentity: () => undefined,
    });
    await new Promise<void>((resolve) =>
      socket
        .once('close', () => resolve())
        .on('error', () => {})
        .resume(),
    );
    await untilRefused();
    expect(endpoint.connections).toEqual([]);
    expect(refused[0]).toMatch(reason);
  });

  it('not who does not speak TLS', async () => {
    const endpoint = await listening();
    const socket = createConnection(endpoint.address);
    socket.on('error', () => {});
    socket.write('this is no handshake of TLS at all\n');
    await new Promise((resolve) => socket.once('close', resolve));
    await untilRefused();
    expect(endpoint.connections).toEqual([]);
  });

  it('not where the listener is a stranger: the dial fails with the reason', async () => {
    const listener = await listening(loadTls(tlsFor('a', stranger), 'a'));
    const dialler = await listening(tlsOfB);
    dialler.connect(listener.address, 7);
    await dialler.until(() => dialler.failures.length === 1);
    expect(dialler.failures[0]!.error.code).toBe('ERR_SYNOD_CONNECT');
    expect(dialler.failures[0]!.error.message).toMatch(/certificate/);
  });

  it('nor where the environment tells Node to believe anybody', async () => {
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    try {
      const listener = await listening(loadTls(tlsFor('a', stranger, [stranger, authority]), 'a'));
      const dialler = await listening(tlsOfB);
      dialler.connect(listener.address, 7);
      await dialler.until(() => dialler.failures.length + dialler.connections.length === 1);
      expect(dialler.connections).toEqual([]);
      expect(dialler.failures[0]!.error.message).toMatch(/certificate/);
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it('by another authority as soon as it is told so, without a new listener', async () => {
    const endpoint = await listening();
    const dialler = await listening(loadTls(tlsFor('b', stranger, [stranger, authority]), 'b'));
    dialler.connect(endpoint.address, 1);
    await untilRefused();
    endpoint.transport.setTls!(loadTls(tlsFor('a', authority, [authority, stranger]), 'a'));
    dialler.connect(endpoint.address, 2);
    await endpoint.until(() => endpoint.connections.length === 1);
    expect(endpoint.connections[0]!.certificate?.names).toEqual(['b']);
  });
});

describe('a connection that does not shake hands', () => {
  const sockets: Socket[] = [];

  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
  });

  /** Connected, and silent but for the bytes. */
  async function silent({ address }: Endpoint, bytes: readonly number[] = []): Promise<Socket> {
    const socket = createConnection(address);
    sockets.push(socket);
    socket.on('error', () => {}).resume();
    await new Promise<void>((resolve) => socket.once('connect', resolve));
    socket.write(Buffer.from(bytes));
    return socket;
  }

  it('is closed after five seconds, whether it says nothing or a half', async () => {
    const refused: string[] = [];
    const transport = createTcpTransport({
      tls: tlsOfA,
      onTlsRefused: (_, reason) => void refused.push(reason),
    });
    const endpoint = new Endpoint(transport);
    await endpoint.listen();
    // A record of the handshake begins so.
    const both = [await silent(endpoint), await silent(endpoint, [0x16, 3, 1, 2, 0, 1, 0])];
    await vi.waitFor(() => expect(both.map(({ closed }) => closed)).toEqual([true, true]), {
      timeout: 15_000,
    });
    expect(refused).toEqual(['ERR_TLS_HANDSHAKE_TIMEOUT', 'ERR_TLS_HANDSHAKE_TIMEOUT']);
    await endpoint.close();
  }, 30_000);

  it('is one of 64 at most, and those who shake hands are let in once there is room', async () => {
    const [near, far] = [
      new Endpoint(createTcpTransport({ tls: tlsOfA })),
      new Endpoint(createTcpTransport({ tls: tlsOfB })),
    ];
    await Promise.all([near.listen(), far.listen()]);
    for (let count = 0; count < 100; count += 1) await silent(near);
    const open = (): number => sockets.filter(({ readyState }) => readyState === 'open').length;
    await vi.waitFor(() => expect(open()).toBe(64), { timeout: 4000 });
    for (const socket of sockets) socket.destroy();
    for (let dials = 1; near.connections.length === 0; dials += 1) {
      far.connect(near.address);
      await far.until(() => far.connections.length + far.failures.length === dials);
      // The listener hears of a connection later than who dialled.
      if (far.connections.length > 0) await near.until(() => near.connections.length === 1);
    }
    await Promise.all([near.close(), far.close()]);
  });

  it('does not hold up the close, nor is it told of then', async () => {
    const refused: string[] = [];
    const transport = createTcpTransport({
      tls: tlsOfA,
      onTlsRefused: (_, reason) => void refused.push(reason),
    });
    const endpoint = new Endpoint(transport);
    await endpoint.listen();
    await silent(endpoint);
    // It is behind the other: the listener has heard of both.
    tlsConnect({ ...endpoint.address, rejectUnauthorized: false }).on('error', () => {});
    await vi.waitFor(() => expect(refused).toEqual(['no certificate']), { timeout: 4000 });
    const begun = performance.now();
    await endpoint.close();
    expect(performance.now() - begun).toBeLessThan(3000);
    expect(refused.length).toBe(1);
  });
});

describe('which transport', () => {
  it('auto takes tcp and says why; uring says that it cannot', async () => {
    const transport = openTransport({ kind: 'auto', tls: tlsOfA });
    expect(transport.kind).toBe('tcp');
    expect(transport.reason).toContain('TLS');
    expect(() => openTransport({ kind: 'uring', tls: tlsOfA })).toThrow(
      expect.objectContaining({ code: 'ERR_SYNOD_TRANSPORT_UNAVAILABLE' }),
    );
  });
});

describe('for whom a certificate speaks', () => {
  const described = (from: Authority, subject: string, names: readonly string[] = []) =>
    describeCertificate(new X509Certificate(from.issue(subject, names).certificate));

  it('for its common name and its DNS names', () => {
    const certificate = described(authority, '/O=x/CN=a', ['b', 'c.example']);
    expect(certificate.names).toEqual(['a', 'b', 'c.example']);
    for (const id of ['a', 'b', 'c.example']) expect(certificateRefusal(tlsOfA, id, certificate)).toBeNull();
    for (const id of ['A', 'x', 'example', 'toString', '']) {
      expect(certificateRefusal(tlsOfA, id, certificate)).toContain(`not for replica "${id}"`);
    }
    expect(certificateRefusal(tlsOfA, 'a', undefined)).toContain('no certificate');
  });

  it('for a member with listed fingerprints only if it is listed, whatever its name', () => {
    const [first, second, other] = [
      authority.issue('/CN=p'),
      authority.issue('/CN=q'),
      authority.issue('/CN=a'),
    ];
    const fingerprints = { a: [fingerprintOf(first.certificate), fingerprintOf(second.certificate)] };
    const material = loadTls({ ...first, ca: authority.certificate, fingerprints }, 'a');
    const refusal = (id: string, { certificate }: { certificate: string }): string | null =>
      certificateRefusal(material, id, describeCertificate(new X509Certificate(certificate)));
    expect(refusal('a', first)).toBeNull();
    expect(refusal('a', second)).toBeNull();
    expect(refusal('a', other)).toContain('not among those of replica "a"');
    expect(refusal('q', second)).toBeNull();
  });

  it('not for a name that is hidden in a quoted value', () => {
    expect(dnsNames('DNS:a, DNS:b.c, IP Address:127.0.0.1')).toEqual(['a', 'b.c']);
    expect(dnsNames('URI:"http://x, DNS:evil, y", DNS:good')).toEqual(['good']);
    expect(dnsNames('DNS:"x\\", DNS:evil, y", DNS:good')).toEqual(['good']);
    expect(dnsNames('')).toEqual([]);
  });
});

describe('options of TLS', () => {
  const good = tlsFor('a', authority);

  it('may be files', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'synod-tls-'));
    const file = path.join(folder, 'key.pem');
    writeFileSync(file, good.key, { mode: 0o600 });
    expect(loadTls({ ...good, key: file }, 'a').key).toBe(good.key);
    rmSync(folder, { recursive: true });
  });

  it('never shows a key that was taken for a path', () => {
    const key = Buffer.from(good.key).toString('base64');
    for (const text of [key, good.key.split('\n').slice(1, -2).join(''), `${key}\0`]) {
      let error: unknown;
      try {
        loadTls({ ...good, key: text }, 'a');
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toMatchObject({ code: 'ERR_SYNOD_OPTION', path: 'transport.tls.key' });
      expect(inspect(error)).not.toContain(text.slice(20, 60));
    }
  });

  it('may have several authorities in one text, with words around them', () => {
    const ca = `the old one\n${authority.certificate}\nthe new one\n${stranger.certificate}`;
    expect(loadTls({ ...good, ca }, 'a').ca).toEqual([ca]);
  });

  const cutShort = stranger.certificate.slice(0, 200);
  const wrong: readonly (readonly [string, unknown, string])[] = [
    ['a missing file', { ...good, key: '/no/such.pem' }, 'transport.tls.key'],
    ['a file that is no PEM', { ...good, ca: '/etc/hostname' }, 'transport.tls.ca'],
    ['no authority', { ...good, ca: [] }, 'transport.tls.ca'],
    ['a key for an authority', { ...good, ca: good.key }, 'transport.tls.ca'],
    ['an authority that was cut short', { ...good, ca: cutShort }, 'transport.tls.ca'],
    ['one behind another', { ...good, ca: `${authority.certificate}${cutShort}` }, 'transport.tls.ca'],
    ['nothing', null, 'transport.tls'],
    ['no object', [good], 'transport.tls'],
    ['a misspelt key', { ...good, fingerprint: { b: 'x' } }, 'transport.tls'],
    ['a key that is not the certificate’s', { ...good, key: stranger.issue('/CN=a').key }, 'transport.tls'],
    ['the certificate of another replica', tlsFor('b', authority), 'transport.tls.certificate'],
    ['a fingerprint that is none', { ...good, fingerprints: { a: 'x' } }, 'transport.tls.fingerprints.a'],
    ['a fingerprint of nobody', { ...good, fingerprints: { 'a b': 'x' } }, 'transport.tls.fingerprints'],
    ['something else than text', { ...good, certificate: 7 }, 'transport.tls.certificate'],
  ];
  it.each(wrong)('refuses %s, and never shows the key', (_, options, at) => {
    const attempt = (): unknown => loadTls(options as TlsOptions, 'a');
    expect(attempt).toThrow(expect.objectContaining({ code: 'ERR_SYNOD_OPTION', path: at }));
    expect(attempt).not.toThrow(/PRIVATE KEY/);
  });
});
