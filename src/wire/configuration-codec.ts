/** Configurations to bytes and back: in the log and on the wire the same. JSON, as they are few and read by people. */

import { CONFIGURATION_BYTES_MAX, CONFIGURATION_COOKIE_BYTES_MAX, MEMBERS_MAX } from '../limits.js';
import { MEMBER_NUMBER_MAX } from '../protocol/ballot.js';
import type { Configuration, Member } from '../protocol/configuration.js';
import type { Join } from '../protocol/messages.js';

const ID = /^[A-Za-z0-9._-]{1,63}$/;
const INCARNATION = /^[0-9a-f]{32}$/;
/** A host of at most 253 characters, brackets, and a port. */
const ADDRESS = /^[\x21-\x7e]{0,261}$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Of versions of the protocol. */
const VERSION_MAX = 65_535;

const COOKIE_LENGTH_MAX = Math.ceil(CONFIGURATION_COOKIE_BYTES_MAX / 3) * 4;

export function encodeConfiguration(configuration: Configuration): Uint8Array {
  const { number, members, nextMember, version, cookie } = configuration;
  return new TextEncoder().encode(
    JSON.stringify({
      number,
      members: members.map(({ number, id, incarnation, address }) => ({ number, id, incarnation, address })),
      nextMember,
      version,
      cookie,
    }),
  );
}

/**
 * The configuration as a place of `bytesMax` bytes takes it. Where it is too long for that its cookie goes apart, in bytes; else `cookie` is
 * null.
 */
export function splitCookie(
  encoded: Uint8Array,
  bytesMax: number,
): { readonly configuration: Uint8Array; readonly cookie: Uint8Array | null } {
  const configuration = encoded.length <= bytesMax ? null : decodeConfiguration(encoded);
  if (configuration?.cookie === undefined) return { configuration: encoded, cookie: null };
  const { cookie, ...rest } = configuration;
  const text = atob(cookie);
  return {
    configuration: encodeConfiguration(rest),
    cookie: Uint8Array.from(text, (character) => character.charCodeAt(0)),
  };
}

/** The reverse of `splitCookie`. */
export function withCookie(configuration: Configuration, cookie: Uint8Array): Configuration {
  let text = '';
  for (const byte of cookie) text += String.fromCharCode(byte);
  return { ...configuration, cookie: btoa(text) };
}

/** A member that there is to be: nobody knows its disk yet. */
export interface ListedMember {
  readonly id: string;
  /** `host:port`. */
  readonly address: string;
}

/** A list of members, in the log and on the wire the same. */
export function encodeMemberList(list: readonly ListedMember[]): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(list.map(({ id, address }) => ({ id, address }))));
}

/** Null where the bytes are none. */
export function decodeMemberList(bytes: Uint8Array): readonly ListedMember[] | null {
  const value = parse(bytes);
  if (!Array.isArray(value) || value.length === 0 || value.length > MEMBERS_MAX) return null;
  const list: ListedMember[] = [];
  for (const member of value as unknown[]) {
    if (!isRecord(member)) return null;
    const { id, address } = member;
    if (!isMemberId(id) || typeof address !== 'string' || !ADDRESS.test(address)) return null;
    list.push({ id, address });
  }
  if (new Set(list.map(({ id }) => id)).size !== list.length) return null;
  return memberListBytes(list) > CONFIGURATION_BYTES_MAX ? null : list;
}

/** What a configuration of these members takes at most, without a cookie. */
export function memberListBytes(list: readonly ListedMember[]): number {
  return encodeConfiguration({
    number: Number.MAX_SAFE_INTEGER,
    members: list.map(({ id, address }) => ({
      number: MEMBER_NUMBER_MAX,
      id,
      incarnation: '0'.repeat(32),
      address,
    })),
    nextMember: MEMBER_NUMBER_MAX + 1,
    version: VERSION_MAX,
  }).length;
}

/** Null where the bytes are no configuration. */
export function decodeConfiguration(bytes: Uint8Array): Configuration | null {
  const value = parse(bytes);
  if (
    !isRecord(value) ||
    !isCount(value.number) ||
    !isCount(value.nextMember) ||
    !Array.isArray(value.members)
  )
    return null;
  if (value.members.length === 0 || value.members.length > MEMBERS_MAX) return null;
  const members: Member[] = [];
  for (const member of value.members as unknown[]) {
    if (!isRecord(member)) return null;
    const { number, id, incarnation, address } = member;
    if (!isCount(number) || number >= value.nextMember || number > MEMBER_NUMBER_MAX) return null;
    if (!isMemberId(id) || !isIncarnation(incarnation)) return null;
    if (address === undefined) members.push({ number, id, incarnation });
    else if (typeof address === 'string' && ADDRESS.test(address))
      members.push({ number, id, incarnation, address });
    else return null;
  }
  if (new Set(members.map((member) => member.number)).size !== members.length) return null;
  if (new Set(members.map((member) => member.id)).size !== members.length) return null;
  const { number, nextMember, version, cookie } = value;
  // The first is told by leaving it out, and in no other way.
  if (version !== undefined && !(isCount(version) && version > 1 && version <= VERSION_MAX)) return null;
  const configuration = { number, members, nextMember, ...(version === undefined ? {} : { version }) };
  // A longer one has no room in the header of a checkpoint, and a contract would stop whoever makes the next one.
  if (encodeConfiguration(configuration).length > CONFIGURATION_BYTES_MAX) return null;
  if (cookie === undefined) return configuration;
  if (typeof cookie !== 'string' || cookie.length > COOKIE_LENGTH_MAX || !BASE64.test(cookie)) return null;
  return { ...configuration, cookie };
}

export function encodeJoin({ id, incarnation, former }: Join): Uint8Array {
  return new TextEncoder().encode(`${id} ${incarnation}${former === 0 ? '' : ` ${former}`}`);
}

/** Null where the bytes are none: it becomes part of a configuration, which no replica could read if it were wrong. */
export function decodeJoin(bytes: Uint8Array): Pick<Join, 'id' | 'incarnation' | 'former'> | null {
  const [id, incarnation, number, ...rest] = new TextDecoder().decode(bytes).split(' ');
  if (!isMemberId(id) || !isIncarnation(incarnation) || rest.length > 0) return null;
  const former = number === undefined ? 0 : Number(number);
  if (number !== undefined && (!isCount(former) || former > MEMBER_NUMBER_MAX)) return null;
  return { id, incarnation, former };
}

export function isMemberId(value: unknown): value is string {
  return typeof value === 'string' && ID.test(value);
}

export function isIncarnation(value: unknown): value is string {
  return typeof value === 'string' && INCARNATION.test(value);
}

/** Undefined where the bytes are no JSON. */
function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}
