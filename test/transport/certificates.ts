/** Authorities and certificates for tests, made by the openssl command when they are needed. */

import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TlsOptions } from '../../src/index.js';

export interface Authority {
  /** PEM. */
  readonly certificate: string;
  /** A certificate for `subject`, for instance `/CN=a`, and its key; `names` are DNS names. */
  issue(subject: string, names?: readonly string[]): { readonly certificate: string; readonly key: string };
}

const folders: string[] = [];
let serial = 0;

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

export function makeAuthority(): Authority {
  const folder = mkdtempSync(path.join(tmpdir(), 'synod-certificates-'));
  folders.push(folder);
  const file = (name: string): string => path.join(folder, name);
  const read = (name: string): string => readFileSync(file(name), 'utf8');
  const keyOptions = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  serial += 1;
  openssl(
    ...['req', '-x509', ...keyOptions, '-days', '2', '-subj', `/CN=authority ${serial}`],
    ...['-keyout', file('ca.key'), '-out', file('ca.pem')],
  );
  return {
    certificate: read('ca.pem'),
    issue(subject, names = []) {
      serial += 1;
      const name = `${serial}`;
      writeFileSync(
        file('extensions'),
        `basicConstraints=CA:FALSE\n${names.length === 0 ? '' : `subjectAltName=${names.map((each) => `DNS:${each}`).join(',')}\n`}`,
      );
      openssl(
        ...['req', ...keyOptions, '-subj', subject],
        ...['-keyout', file(`${name}.key`), '-out', file(`${name}.csr`)],
      );
      openssl(
        ...['x509', '-req', '-in', file(`${name}.csr`), '-CA', file('ca.pem'), '-CAkey', file('ca.key')],
        ...['-set_serial', name, '-days', '2', '-extfile', file('extensions'), '-out', file(`${name}.pem`)],
      );
      return { certificate: read(`${name}.pem`), key: read(`${name}.key`) };
    },
  };
}

/** Everything that a replica needs for TLS, with a certificate from `authority`, trusting `ca`. */
export function tlsFor(id: string, authority: Authority, ca: readonly Authority[] = [authority]): TlsOptions {
  return { ...authority.issue(`/CN=${id}`), ca: ca.map(({ certificate }) => certificate) };
}

export function fingerprintOf(certificate: string): string {
  return new X509Certificate(certificate).fingerprint256;
}

/** For `afterAll`. */
export function removeCertificates(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}
