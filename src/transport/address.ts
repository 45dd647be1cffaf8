/** Addresses as people write them: `127.0.0.1:7101`, `[::1]:7101`, `host.example:7101`. */

import { isIPv4, isIPv6 } from 'node:net';
import type { Address } from './transport.js';

const PORT_MAX = 65_535;
/** RFC 1035: a name takes at most 253 characters, each label at most 63. */
const HOST_LENGTH_MAX = 253;
const LABEL_PATTERN = /^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/;

function isHostName(host: string): boolean {
  if (host.length === 0 || host.length > HOST_LENGTH_MAX) return false;
  const labels = (host.endsWith('.') ? host.slice(0, -1) : host).split('.');
  // `1.2.3` and `256.0.0.1` are mistyped addresses, never names: no top-level domain is a number.
  if (/^[0-9]+$/.test(labels[labels.length - 1] as string)) return false;
  return labels.every((label) => LABEL_PATTERN.test(label));
}

/** The address that `text` names, or null where it names none. Port 0 is an address: it means a free port. */
export function parseAddress(text: string): Address | null {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*)):([0-9]{1,5})$/.exec(text);
  if (match === null) return null;
  const port = Number(match[3]);
  if (port > PORT_MAX) return null;
  const bracketed = match[1];
  if (bracketed !== undefined) return isIPv6(bracketed) ? { host: bracketed, port } : null;
  const host = match[2] as string;
  return isIPv4(host) || isHostName(host) ? { host, port } : null;
}

/** The reverse of `parseAddress`: an IPv6 host stands in brackets. */
export function formatAddress(address: Address): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
