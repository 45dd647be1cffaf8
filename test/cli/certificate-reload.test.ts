/** Aim: a SIGHUP that comes while the replica opens is not lost, and what the file says last is what counts. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest';
import { CertificateReload } from '../../src/cli/certificate-reload.js';
import type { TlsOptions } from '../../src/index.js';
import { silentLogger } from '../application/support.js';
import { makeAuthority, removeCertificates, tlsFor } from '../transport/certificates.js';

const authority = makeAuthority();
const folder = mkdtempSync(join(tmpdir(), 'synod-reload-'));
const file = join(folder, 'a.json');
let taken: TlsOptions[] = [];
let said: string[] = [];
let wake: () => void = () => {};
let reload: CertificateReload;
const replica = { setTls: (tls: TlsOptions) => void taken.push(tls) };
const note = (_: unknown, message = ''): void => {
  said.push(message);
  wake();
};

function write(tls: TlsOptions | null): void {
  writeFileSync(
    file,
    JSON.stringify({
      cluster: 'test',
      replica: 'a',
      members: [{ id: 'a', address: '127.0.0.1:7000' }],
      dataDir: folder,
      transport: { kind: 'tcp', ...(tls === null ? {} : { tls }) },
      kv: { listen: '127.0.0.1:7001' },
    }),
  );
}

const until = async (count: number): Promise<void> => {
  while (said.length < count)
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
};

beforeEach(() => {
  [taken, said] = [[], []];
  reload = new CertificateReload(file, { ...silentLogger, info: note, error: note });
});
afterEach(() => reload.release());
afterAll(() => {
  removeCertificates();
  rmSync(folder, { recursive: true });
});

it('a signal before the replica is open has them read once it is', async () => {
  const tls = tlsFor('a', authority);
  write(tls);
  process.emit('SIGHUP', 'SIGHUP');
  process.emit('SIGHUP', 'SIGHUP');
  expect(taken).toEqual([]);
  reload.attach(replica);
  await until(1);
  expect(taken).toEqual([tls]);
});

it('each signal reads them again; a file without any changes nothing', async () => {
  const [first, second] = [tlsFor('a', authority), tlsFor('a', authority)];
  reload.attach(replica);
  write(first);
  process.emit('SIGHUP', 'SIGHUP');
  await until(1);
  write(null);
  process.emit('SIGHUP', 'SIGHUP');
  await until(2);
  write(second);
  process.emit('SIGHUP', 'SIGHUP');
  await until(3);
  expect(taken).toEqual([first, second]);
  expect(said).toEqual([
    'certificates read again',
    'certificates not read again, the ones before stay',
    'certificates read again',
  ]);
});
