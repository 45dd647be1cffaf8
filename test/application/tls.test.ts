/** Aim: a cluster works over TLS, keeps strangers out, and changes its authority under load without one failed command. */

import { createServer as createTlsServer, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import { encodeRefusal } from '../../src/engine/hello.js';
import { Replica, type TlsOptions } from '../../src/index.js';
import { FrameWriter } from '../../src/wire/codec.js';
import { FrameKind } from '../../src/wire/frame.js';
import { type Authority, makeAuthority, removeCertificates, tlsFor } from '../transport/certificates.js';
import { bytesOf, closeAll, freePorts, openCluster, Recorder, silentLogger, until } from './support.js';

const ids = ['a', 'b', 'c'];
const first = makeAuthority();
const second = makeAuthority();

afterEach(closeAll);
afterAll(removeCertificates);

const connected = async (replica: Replica<string>): Promise<number> =>
  (await replica.status()).peers.filter((peer) => peer.connected).length;

function openTls(tls: (id: string) => TlsOptions) {
  return openCluster(3, {}, (id) => ({ transport: { kind: 'auto', tls: tls(id) } }));
}

describe('a cluster over TLS', () => {
  it('executes commands', async () => {
    const members = await openTls((id) => tlsFor(id, first));
    expect(await members[1]!.replica.replicate(bytesOf('x'))).toBe('1:x');
    expect((await members[0]!.replica.status()).transport).toMatchObject({ kind: 'tcp' });
  });

  it('goes on without a member whose certificate is another one’s', async () => {
    // The certificate of c is good for its own eyes, but its name is not c for the others.
    const swapped = { ...first.issue('/CN=z', ['c']), ca: first.certificate };
    const others = (id: string): TlsOptions => ({
      ...tlsFor(id, first),
      fingerprints: { c: '0'.repeat(64) },
    });
    const members = await openTls((id) => (id === 'c' ? swapped : others(id)));
    await until('a and b linked', async () => (await connected(members[0]!.replica)) === 1);
    expect(await connected(members[2]!.replica)).toBe(0);
  });

  it('puts one authority in the place of another under load: no command fails', async () => {
    const members = await openTls((id) => tlsFor(id, first));
    let stopped = false;
    let done = 0;
    const load = members.map(async ({ replica }, index) => {
      for (let count = 0; !stopped; count += 1) {
        expect(await replica.replicate(bytesOf(`${index}/${count}`))).toMatch(/^\d+:/);
        done += 1;
      }
    });
    const progress = async (): Promise<void> => {
      const target = done + 100;
      await until('100 more commands', () => done >= target);
    };
    const change = async (issuer: Authority, trusted: readonly Authority[]): Promise<void> => {
      for (const [index, { replica }] of members.entries()) {
        replica.setTls(tlsFor(ids[index]!, issuer, trusted));
        await progress();
      }
    };
    await progress();
    await change(first, [first, second]);
    await change(second, [first, second]);
    await change(second, [second]);
    stopped = true;
    await Promise.all(load);
    // Whoever gave the last command has executed it; the others hear that it is chosen a moment later.
    await until('the same commands everywhere', () =>
      members.every(({ stateMachine }) => stateMachine.commands.length === done),
    );
  }, 60_000);

  it('is not stopped for good by a refusal of who has a certificate and is no replica', async () => {
    const [port, portOfA] = await freePorts(2);
    const { certificate: cert, key } = first.issue('/CN=reader');
    const credentials = { cert, key, ca: first.certificate };
    const refusal = encodeRefusal({ reason: 'because', isFinal: true });
    const writer = new FrameWriter(crc32c);
    const checksum = crc32c(refusal, 0, refusal.length, 0);
    const header = writer.bytes.subarray(0, writer.plain(FrameKind.refusal, 0, refusal.length, checksum));
    const bytes = Buffer.concat([header, refusal]);
    const ended: Promise<unknown>[] = [];
    const refuse = (socket: TLSSocket): void => {
      ended.push(new Promise((resolve) => socket.once('close', resolve)));
      socket
        .on('error', () => {})
        .resume()
        .write(bytes);
    };
    const impostor = createTlsServer({ ...credentials, requestCert: true }, refuse);
    await new Promise<void>((resolve) => impostor.listen(portOfA, '127.0.0.1', resolve));
    const members = [
      { id: 'a', address: `127.0.0.1:${portOfA}` },
      { id: 'b', address: `127.0.0.1:${port}` },
    ];
    const replica = await Replica.open(
      {
        ...{ cluster: 'here', replica: 'b', members, storage: { kind: 'memory' }, logger: silentLogger },
        ...{ transport: { kind: 'tcp', tls: tlsFor('b', first) }, engine: 'inline' },
      },
      new Recorder(),
    );
    const fenced: unknown[] = [];
    replica.on('fenced', (error: unknown) => void fenced.push(error));
    refuse(
      tlsConnect({ ...credentials, host: '127.0.0.1', port: port!, checkServerIdentity: () => undefined }),
    );
    // It dials a, where the other one answers, and is dialled.
    await until('both were heard', () => ended.length > 1);
    await Promise.all(ended);
    await replica.status();
    await replica.close();
    impostor.close();
    expect(fenced).toEqual([]);
  });

  it('refuses TLS that is wrong, or that was not there from the beginning, and changes nothing', async () => {
    const [{ replica: plain }] = (await openCluster(1)) as [Awaited<ReturnType<typeof openCluster>>[0]];
    expect(() => plain.setTls(tlsFor('a', first))).toThrow(
      expect.objectContaining({ code: 'ERR_SYNOD_OPTION' }),
    );
    const members = await openTls((id) => tlsFor(id, first));
    expect(() => members[0]!.replica.setTls(tlsFor('b', first))).toThrow(
      expect.objectContaining({ code: 'ERR_SYNOD_OPTION', path: 'transport.tls.certificate' }),
    );
    expect(await members[0]!.replica.replicate(bytesOf('x'))).toBe('1:x');
    await members[0]!.replica.close();
    expect(() => members[0]!.replica.setTls(tlsFor('a', first))).toThrow(
      expect.objectContaining({ code: 'ERR_SYNOD_CLOSED' }),
    );
  });
});
