/**
 * `SYNOD ...`: what an operator asks a running replica for, and has it do. Answers are JSON in one bulk string; refusals are error
 * replies, whose first word says what became of the change: `ERR`, nothing was changed; `UNKNOWN`, perhaps it was.
 */

import { SynodError } from '../errors.js';
import type { ConfigurationMember, MemberSet } from '../index.js';
import type { ReplicaLike } from './replica-like.js';
import type { RespWriter } from './resp-writer.js';

/** From where changes are taken. */
export type AdministrationOption = 'loopback' | 'any' | 'none';

export const administrationKinds: readonly AdministrationOption[] = ['loopback', 'any', 'none'];

export const ADMINISTRATION_HELP: readonly string[] = [
  'SYNOD <subcommand> [<arg> ...]. Subcommands are:',
  'STATUS, HEALTH, MEMBERS, MEMBER ADD <id> <host:port> [FORCE], MEMBER REMOVE <id> [FORCE],',
  'MEMBER REPLACE <id> <new id> <host:port> [FORCE],',
  'BOOTSTRAP <id> <host:port> [<id> <host:port> ...] [TIMEOUT <milliseconds>],',
  'PROMOTE [FORCE], RELINQUISH [<id>], VERSION [RAISE [<version>]],',
  'CONSISTENCY [LINEARIZABLE | LEASE | AFTER <token> | MAXAGE <milliseconds>], TOKEN, HELP',
];

/** What a request comes to: a question, or a change. */
export type AdministrativeRequest =
  | { readonly kind: 'status' | 'health' | 'members' | 'version' }
  | { readonly kind: 'add'; readonly id: string; readonly address: string; readonly force: boolean }
  | { readonly kind: 'remove'; readonly id: string; readonly force: boolean }
  | {
      readonly kind: 'replace';
      readonly id: string;
      readonly by: string;
      readonly address: string;
      readonly force: boolean;
    }
  | {
      readonly kind: 'bootstrap';
      readonly members: readonly ConfigurationMember[];
      readonly timeoutMs?: number;
    }
  | { readonly kind: 'promote'; readonly force: boolean }
  | { readonly kind: 'relinquish'; readonly to: string | null }
  /** Null: the highest that all members speak. */
  | { readonly kind: 'raise'; readonly version: number | null };

/** The words behind `SYNOD`; null where they are no request. */
export function parseAdministration(words: readonly string[]): AdministrativeRequest | null {
  const [first = '', ...rest] = words;
  const kind = first.toLowerCase();
  switch (kind) {
    case 'status':
    case 'health':
    case 'members':
      return rest.length === 0 ? { kind } : null;
    case 'promote': {
      const [forced, ...tooMany] = rest;
      const force = forced?.toLowerCase() === 'force';
      return tooMany.length > 0 || (forced !== undefined && !force) ? null : { kind, force };
    }
    case 'relinquish':
      return rest.length > 1 ? null : { kind, to: rest[0] ?? null };
    case 'version':
      return parseVersion(rest);
    case 'member':
      return parseMember(rest);
    case 'bootstrap':
      return parseBootstrap(rest);
    default:
      return null;
  }
}

/** A member may be called `TIMEOUT`: what follows it is an address then, and no mere number. */
function parseBootstrap(words: readonly string[]): AdministrativeRequest | null {
  const isTimed = /^timeout$/i.test(words.at(-2) ?? '') && /^[1-9][0-9]{0,9}$/.test(words.at(-1)!);
  const places = isTimed ? words.slice(0, -2) : words;
  if (places.length === 0 || places.length % 2 !== 0) return null;
  const members = Array.from({ length: places.length / 2 }, (_, index) => ({
    id: places[2 * index]!,
    address: places[2 * index + 1]!,
  }));
  return { kind: 'bootstrap', members, ...(isTimed ? { timeoutMs: Number(words.at(-1)) } : {}) };
}

function parseVersion([action, text, ...tooMany]: readonly string[]): AdministrativeRequest | null {
  if (action === undefined) return { kind: 'version' };
  if (action.toLowerCase() !== 'raise' || tooMany.length > 0) return null;
  if (text === undefined) return { kind: 'raise', version: null };
  return /^[1-9][0-9]{0,8}$/.test(text) ? { kind: 'raise', version: Number(text) } : null;
}

/** An id is never refused for being a word of the command: `FORCE` counts only where all that is needed stands before it. */
function parseMember([action = '', ...rest]: readonly string[]): AdministrativeRequest | null {
  const kind = action.toLowerCase();
  const needed = kind === 'add' ? 2 : kind === 'remove' ? 1 : kind === 'replace' ? 3 : 0;
  const force = rest.length === needed + 1 && rest[needed]!.toLowerCase() === 'force';
  if (needed === 0 || rest.length !== needed + (force ? 1 : 0)) return null;
  const [id = '', second = '', third = ''] = rest;
  if (kind === 'add') return { kind, id, address: second, force };
  if (kind === 'remove') return { kind, id, force };
  return { kind: 'replace', id, by: second, address: third, force };
}

export function changesSomething({ kind }: AdministrativeRequest): boolean {
  return kind !== 'status' && kind !== 'health' && kind !== 'members' && kind !== 'version';
}

/** An address of IPv4 comes in another form where the listener takes both kinds. */
function plainAddress(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:/i, '');
}

/**
 * Whether a connection is one of this machine to itself: over loopback, or from the address that it leads to, as when the service listens on
 * the machine's own address.
 */
export function isOfThisMachine(remote: string | undefined, local: string | undefined): boolean {
  return isLoopback(remote) || (plainAddress(remote) !== '' && plainAddress(remote) === plainAddress(local));
}

export function isLoopback(address: string | undefined): boolean {
  const plain = plainAddress(address);
  return plain === '::1' || /^127\.\d+\.\d+\.\d+$/.test(plain);
}

/** Never rejects: what went wrong is the reply. */
export async function administer(
  replica: ReplicaLike,
  request: AdministrativeRequest,
): Promise<(reply: RespWriter) => void> {
  try {
    const json = toAscii(JSON.stringify(await carryOut(replica, request), plainNumbers));
    return (reply) => reply.bulk(json);
  } catch (error) {
    const line = refusalOf(error)
      .replace(/[\r\n]+/g, ' ')
      .replace(/[^\x20-\xff]/g, '?');
    return (reply) => reply.error(line);
  }
}

/** The error reply to a request that was refused. */
export function refusalOf(error: unknown): string {
  if (!SynodError.is(error)) return `UNKNOWN ${error instanceof Error ? error.message : String(error)}`;
  return `${error.outcome === 'unknown' ? 'UNKNOWN' : 'ERR'} ${error.message} (${error.code})`;
}

async function carryOut(replica: ReplicaLike, request: AdministrativeRequest): Promise<unknown> {
  switch (request.kind) {
    case 'status':
      return await replica.status();
    case 'health':
      return (await replica.health?.()) ?? [];
    case 'members':
      return membersOf(replica.configuration ?? null);
    case 'version':
      return await versionsOf(replica);
    case 'raise':
      await needed(
        replica.raiseProtocolVersion?.(request.version === null ? {} : { version: request.version }),
      );
      return await versionsOf(replica);
    case 'promote':
      await needed(replica.promote?.({ evenIfBehind: request.force }));
      return { primary: (await replica.status()).replica };
    case 'relinquish':
      return {
        primary: await needed(replica.relinquish?.(request.to === null ? {} : { to: request.to })),
      };
    case 'bootstrap': {
      const { members, timeoutMs } = request;
      const result = await needed(replica.bootstrap?.(members, timeoutMs === undefined ? {} : { timeoutMs }));
      return { ...membersOf(replica.configuration ?? null), changed: result === 'bootstrapped' };
    }
    case 'add':
    case 'remove':
    case 'replace':
      return await changeMembers(replica, request);
  }
}

/** Of each member: the highest that its build speaks; null where it is not linked. */
async function versionsOf(replica: ReplicaLike): Promise<object> {
  const { replica: own, version, peers } = await replica.status();
  if (version === undefined) throw refused('this replica takes no administrative commands');
  const others = peers.map(({ id, versionMax }) => [id, versionMax ?? null]);
  return { version: version.inForce, builds: Object.fromEntries([[own, version.max], ...others]) };
}

function needed<Value>(answer: Promise<Value> | undefined): Promise<Value> {
  if (answer === undefined) throw refused('this replica takes no administrative commands');
  return answer;
}

type MemberRequest = Extract<AdministrativeRequest, { kind: 'add' | 'remove' | 'replace' }>;

/** Only in the place of the set that was looked at: another change in between makes this one fail, and does not get lost. */
async function changeMembers(replica: ReplicaLike, request: MemberRequest): Promise<object> {
  const current = replica.configuration ?? null;
  if (current === null)
    throw new SynodError('ERR_SYNOD_INACTIVE', 'there is no member set yet', { outcome: 'not-applied' });
  const members = membersBehind(current, request);
  if (members === null) return { ...membersOf(current), changed: false };
  const number = await needed(
    replica.changeConfiguration?.(members, {
      force: request.force,
      ifNumber: current.number,
      ...(current.cookie === null ? {} : { cookie: current.cookie }),
    }),
  );
  return { number, members, changed: true };
}

/** Null where the set is as it is to be. */
function membersBehind(current: MemberSet, request: MemberRequest): readonly ConfigurationMember[] | null {
  const { members } = current;
  const { id } = request;
  const before = members.find((member) => member.id === id);
  const names = members.map((member) => member.id).join(', ');
  if (request.kind === 'add') {
    const { address } = request;
    if (before?.address === address) return null;
    if (before !== undefined)
      throw refused(`"${id}" is a member already, at ${before.address}: MEMBER REPLACE moves it`);
    return [...members, { id, address }];
  }
  if (before === undefined) throw refused(`"${id}" is not in the member set ${current.number} (${names})`);
  if (request.kind === 'remove') {
    if (members.length === 1) throw refused(`"${id}" is the only member`);
    return members.filter((member) => member !== before);
  }
  const { by, address } = request;
  if (by !== id && members.some((member) => member.id === by)) throw refused(`"${by}" is a member already`);
  return members.map((member) => (member === before ? { id: by, address } : member));
}

function membersOf(set: MemberSet | null): object {
  return { number: set?.number ?? 0, members: set?.members ?? [] };
}

function refused(message: string): SynodError {
  return new SynodError('ERR_SYNOD_ARGUMENT', message, { outcome: 'not-applied' });
}

/** 64 bits of a payload are more than a number of JSON holds: they go as text. */
function plainNumbers(_key: string, value: unknown): unknown {
  if (typeof value !== 'bigint') return value;
  return value <= Number.MAX_SAFE_INTEGER ? Number(value) : value.toString();
}

/** Replies are written a byte for each character. */
function toAscii(json: string): string {
  return json.replace(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
