/**
 * Mutual TLS between replicas: what a user gives, what is made of it, and which certificate may speak for which replica.
 *
 * A connection is trusted in two steps. TLS itself finds out that the certificate is signed by one of the authorities; the
 * handshake of the replicas then says which replica this is, and the certificate must be that replica's: so a member whose
 * key was stolen cannot take the place of another.
 */

import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { SynodError } from '../errors.js';
import { ID_PATTERN } from '../limits.js';
import type { PeerCertificate } from './transport.js';

/** Each text is PEM, or the path of a PEM file. */
export interface TlsOptions {
  /** This replica's certificate, and behind it those that lead to the authority. */
  readonly certificate: string;
  /** The private key of it, not encrypted. */
  readonly key: string;
  /** The authorities that peers' certificates may be signed by: two, while one takes the place of the other. */
  readonly ca: string | readonly string[];
  /**
   * The certificates that may speak for a member, by their SHA-256 fingerprint in hexadecimal: two, while one takes the place
   * of the other. For a member that is not named here, any whose common name or DNS name is the member's id.
   */
  readonly fingerprints?: { readonly [id: string]: string | readonly string[] } | undefined;
}

/** Read and checked. Plain data: it is sent to the worker. */
export interface TlsMaterial {
  readonly certificate: string;
  readonly key: string;
  readonly ca: readonly string[];
  /** Lower case, without colons. */
  readonly fingerprints: { readonly [id: string]: readonly string[] };
}

const KEYS: readonly string[] = ['certificate', 'key', 'ca', 'fingerprints'] satisfies (keyof TlsOptions)[];
const FINGERPRINT = /^[0-9a-f]{64}$/;
/** The beginning of any kind of certificate that OpenSSL takes for one. */
const CERTIFICATE = /^-----BEGIN (X509 |TRUSTED )?CERTIFICATE-----/;

function optionError(path: string, message: string, cause?: unknown): SynodError {
  // Never the value: it may be a key.
  return new SynodError('ERR_SYNOD_OPTION', `wrong options: ${path}: ${message}`, { path, cause });
}

/** A misspelt `fingerprints` that is passed over would let in whom it was to keep out. */
function checkKeys(options: unknown, path: string): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw optionError(path, `expected an object with ${KEYS.join(', ')}`);
  for (const key of Object.keys(options)) {
    if (!KEYS.includes(key))
      throw optionError(path, `"${key.slice(0, 80)}" is no such key (one of ${KEYS.join(', ')})`);
  }
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as readonly unknown[]) : [value];
}

function readPem(value: unknown, path: string, isSecret = false): string {
  if (typeof value !== 'string' || value === '') throw optionError(path, 'expected PEM text or a path');
  if (value.includes('-----BEGIN')) return value;
  let text: string;
  try {
    text = readFileSync(value, 'utf8');
  } catch (cause) {
    // What the system says names the file. Where a key was meant, that may be the key itself, in base64 say.
    if (isSecret)
      throw optionError(path, `expected PEM text or a path: ${(cause as NodeJS.ErrnoException).code}`);
    throw optionError(path, `expected PEM text or a path: ${(cause as Error).message}`, cause);
  }
  if (!text.includes('-----BEGIN')) throw optionError(path, `${value} is not a PEM file`);
  return text;
}

/** What OpenSSL cannot read among the authorities it leaves out, and Node does not tell: nobody would be trusted, or one less. */
function readAuthorities(value: unknown, path: string): readonly string[] {
  return listOf(value).map((each) => {
    const text = readPem(each, path);
    const certificates = text.split(/(?=-----BEGIN )/).filter((part) => CERTIFICATE.test(part));
    if (certificates.length === 0) throw optionError(path, 'expected the certificate of an authority');
    try {
      for (const certificate of certificates) new X509Certificate(certificate);
    } catch (cause) {
      throw optionError(path, `a certificate cannot be read: ${(cause as Error).message}`, cause);
    }
    return text;
  });
}

function readFingerprints(value: unknown, path: string): TlsMaterial['fingerprints'] {
  if (value === undefined) return {};
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw optionError(path, 'expected an object of fingerprints by member id');
  }
  return Object.fromEntries(
    Object.entries(value).map(([id, given]) => {
      if (!ID_PATTERN.test(id)) throw optionError(path, `"${id.slice(0, 80)}" is not a member id`);
      const fingerprints = listOf(given).map((each) => {
        const fingerprint = typeof each === 'string' ? each.replaceAll(':', '').toLowerCase() : '';
        if (!FINGERPRINT.test(fingerprint))
          throw optionError(`${path}.${id}`, 'expected the 64 hexadecimal digits of a SHA-256 fingerprint');
        return fingerprint;
      });
      return [id, fingerprints];
    }),
  );
}

/**
 * Reads the files and checks that all fits together, and that the certificate is one of replica `id`. Throws
 * `ERR_SYNOD_OPTION` with the path of what is wrong.
 */
export function loadTls(options: TlsOptions, id: string, path = 'transport.tls'): TlsMaterial {
  checkKeys(options, path);
  const certificate = readPem(options.certificate, `${path}.certificate`);
  const key = readPem(options.key, `${path}.key`, true);
  const ca = readAuthorities(options.ca, `${path}.ca`);
  if (ca.length === 0) throw optionError(`${path}.ca`, 'expected at least one authority');
  const fingerprints = readFingerprints(options.fingerprints, `${path}.fingerprints`);
  const material = { certificate, key, ca, fingerprints };
  try {
    createSecureContext({ cert: certificate, key, ca: [...ca] });
  } catch (cause) {
    throw optionError(
      path,
      `certificate, key and authorities cannot be used: ${(cause as Error).message}`,
      cause,
    );
  }
  const refusal = certificateRefusal(material, id, describeCertificate(new X509Certificate(certificate)));
  if (refusal !== null) throw optionError(`${path}.certificate`, refusal);
  return material;
}

/** Why the certificate may not speak for replica `id`, or null. */
export function certificateRefusal(
  { fingerprints }: TlsMaterial,
  id: string,
  certificate: PeerCertificate | undefined,
): string | null {
  if (certificate === undefined) return `replica "${id}" has no certificate`;
  const { names, fingerprint } = certificate;
  if (Object.hasOwn(fingerprints, id)) {
    return fingerprints[id]!.includes(fingerprint)
      ? null
      : `the certificate ${fingerprint} is not among those of replica "${id}"`;
  }
  return names.includes(id)
    ? null
    : `the certificate is for ${names.map((name) => `"${name}"`).join(', ') || 'nobody'}, not for replica "${id}"`;
}

export function describeCertificate(certificate: X509Certificate): PeerCertificate {
  // Only the types have it as a single text: a subject may have several common names.
  const common: unknown = certificate.toLegacyObject().subject?.CN;
  const names = listOf(common ?? []).filter((name): name is string => typeof name === 'string');
  return {
    names: [...names, ...dnsNames(certificate.subjectAltName ?? '')],
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
  };
}

/**
 * The DNS names of `DNS:a, IP Address:::1, URI:"x, DNS:b"`. A value that has a comma in it is quoted, so splitting at commas would
 * find names that are none.
 */
export function dnsNames(text: string): readonly string[] {
  const entry = /([^:,]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/y;
  const names: string[] = [];
  for (let match = entry.exec(text); match !== null && match[0] !== ''; match = entry.exec(text)) {
    if (match[1] === 'DNS' && !match[2]!.startsWith('"')) names.push(match[2]!);
  }
  return names;
}
