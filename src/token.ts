/** Tokens: what a read must see at least, as a short text that travels between processes. */

import { SynodError } from './errors.js';

/**
 * Stands for everything that a replica had executed at some moment: `s` and the slot, in decimal. Letters and digits only, at most 17, so
 * it fits into a header or a URL as it is. Tokens of one cluster mean nothing in another.
 */
export type Token = string;

const PATTERN = /^s(0|[1-9][0-9]{0,15})$/;

export function formatToken(slot: number): Token {
  return `s${slot}`;
}

/** The token's slot. Throws `ERR_SYNOD_TOKEN` for anything that `formatToken` does not make. */
export function parseToken(token: unknown): number {
  const digits = typeof token === 'string' ? PATTERN.exec(token)?.[1] : undefined;
  const slot = Number(digits);
  if (digits === undefined || slot > Number.MAX_SAFE_INTEGER) {
    const shown = typeof token === 'string' ? JSON.stringify(token.slice(0, 40)) : typeof token;
    throw new SynodError('ERR_SYNOD_TOKEN', `not a token: ${shown}`, { outcome: 'not-applied' });
  }
  return slot;
}
