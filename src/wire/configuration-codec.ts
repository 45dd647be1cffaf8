/** Configurations to bytes and back: in the log and on the wire the same. JSON, as they are few and read by people. */

import { MEMBERS_MAX } from '../limits.js';
import { MEMBER_NUMBER_MAX } from '../protocol/ballot.js';
import type { Configuration, Member } from '../protocol/configuration.js';

const ID = /^[A-Za-z0-9._-]{1,63}$/;
const INCARNATION = /^[0-9a-f]{32}$/;

export function encodeConfiguration(configuration: Configuration): Uint8Array {
  const { number, members, nextMember } = configuration;
  return new TextEncoder().encode(
    JSON.stringify({
      number,
      members: members.map(({ number, id, incarnation }) => ({ number, id, incarnation })),
      nextMember,
    }),
  );
}

/** Null where the bytes are no configuration. */
export function decodeConfiguration(bytes: Uint8Array): Configuration | null {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return null;
  }
  if (
    !isRecord(value) ||
    !isCount(value.number) ||
    !isCount(value.nextMember) ||
    !Array.isArray(value.members)
  )
    return null;
  // More than these would not fit into a segment header.
  if (value.members.length === 0 || value.members.length > MEMBERS_MAX) return null;
  const members: Member[] = [];
  for (const member of value.members as unknown[]) {
    if (!isRecord(member)) return null;
    const { number, id, incarnation } = member;
    if (!isCount(number) || number >= value.nextMember || number > MEMBER_NUMBER_MAX) return null;
    if (!isMemberId(id) || !isIncarnation(incarnation)) return null;
    members.push({ number, id, incarnation });
  }
  if (new Set(members.map((member) => member.number)).size !== members.length) return null;
  if (new Set(members.map((member) => member.id)).size !== members.length) return null;
  return { number: value.number, members, nextMember: value.nextMember };
}

export function isMemberId(value: unknown): value is string {
  return typeof value === 'string' && ID.test(value);
}

export function isIncarnation(value: unknown): value is string {
  return typeof value === 'string' && INCARNATION.test(value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}
