/**
 * Configurations: numbered member sets, and what a quorum of one is.
 *
 * A member is a replica *with its disk*: `number` stands for one disk incarnation of one replica id. A replica that
 * lost its disk is another member, with a number of its own, once a configuration decree lets it in (rule 8).
 */

import { ensures, requires } from '../contracts.js';
import type { MemberNumber } from './ballot.js';
import { MEMBER_NUMBER_MAX } from './ballot.js';

export interface Member {
  readonly number: MemberNumber;
  /** The replica's name, which outlives its disk. */
  readonly id: string;
  /** 32 hexadecimal digits drawn at random when the disk was first used; `UNKNOWN_DISK` where nobody has met it yet. */
  readonly incarnation: string;
  /** `host:port` where it was reached when it became a member. Opaque here, and no part of who it is. */
  readonly address?: string;
}

export interface Configuration {
  /** 1 for the genesis configuration, then one more each. */
  readonly number: number;
  readonly members: readonly Member[];
  /** The number that the next member that is let in gets. */
  readonly nextMember: MemberNumber;
  /** Of the protocol, which its members keep to (rule 11); absent: 1. */
  readonly version?: number;
  /** Whoever changed the members left this with them: base64. */
  readonly cookie?: string;
}

/** No disk has this incarnation: its member counts for the quorum's size, and has no vote until it is let in (rule 8). */
export const UNKNOWN_DISK: string = '0'.repeat(32);

export function versionOf({ version = 1 }: Configuration): number {
  return version;
}

/** What is wanted of a member: that it stays as it is, or becomes one. */
export interface WantedMember {
  readonly id: string;
  readonly address: string;
  /** Of the disk that is to take part, where `id` is no member yet. */
  readonly incarnation: string;
  /** The number that this very disk had before, and has kept; 0 where it had none. */
  readonly former: MemberNumber;
}

/** The smallest number of members any two groups of which have one in common. */
export function quorumSize(configuration: { readonly members: readonly unknown[] }): number {
  return Math.floor(configuration.members.length / 2) + 1;
}

export function memberByNumber(configuration: Configuration, number: MemberNumber): Member | undefined {
  return configuration.members.find((member) => member.number === number);
}

export function memberById(configuration: Configuration, id: string): Member | undefined {
  return configuration.members.find((member) => member.id === id);
}

/** The first configuration: members in the order of their ids, numbered from 1. `version`: what all of them speak. */
export function genesisConfiguration(
  members: readonly { id: string; incarnation: string; address?: string }[],
  version: number = 1,
): Configuration {
  requires(members.length >= 1, 'configuration-not-empty');
  requires(new Set(members.map((member) => member.id)).size === members.length, 'configuration-ids-distinct');
  const sorted = [...members].sort((a, b) => (a.id < b.id ? -1 : 1));
  return {
    number: 1,
    members: sorted.map((member, index) => ({
      number: index + 1,
      id: member.id,
      incarnation: member.incarnation,
      ...(member.address === undefined ? {} : { address: member.address }),
    })),
    nextMember: sorted.length + 1,
    ...(version === 1 ? {} : { version }),
  };
}

/**
 * The configuration after `current` in which replica `id` takes part with the disk `incarnation`. A disk that had a number before gets that one
 * again, whoever had its place meanwhile: its process may be in the middle of a session under it.
 */
export function readmit(
  current: Configuration,
  id: string,
  incarnation: string,
  former: MemberNumber = 0,
): Configuration {
  requires(memberById(current, id) !== undefined, 'readmit-known-id', () => id);
  requires(current.nextMember <= MEMBER_NUMBER_MAX, 'member-numbers-left');
  const keeps = keepsNumber(current, former) && memberByNumber(current, former) === undefined;
  const number = keeps ? former : current.nextMember;
  const members = current.members.map((member) =>
    member.id === id ? { ...member, number, incarnation } : member,
  );
  const next = {
    ...current,
    number: current.number + 1,
    members,
    nextMember: current.nextMember + (keeps ? 0 : 1),
  };
  ensures(givesNumbersOnce(current, next), 'member-numbers-given-once');
  ensures(keepsVersion(current, next), 'version-never-lowered');
  return next;
}

/** The configuration after `current` with just these members. Whoever is a member already keeps number and disk. */
export function reconfigure(
  current: Configuration,
  wanted: readonly WantedMember[],
  cookie: string,
): Configuration {
  requires(wanted.length >= 1, 'configuration-not-empty');
  requires(new Set(wanted.map(({ id }) => id)).size === wanted.length, 'configuration-ids-distinct');
  let { nextMember } = current;
  const members = wanted.map(({ id, address, incarnation, former }): Member => {
    const member = memberById(current, id);
    if (member !== undefined) return { ...member, address };
    if (keepsNumber(current, former)) return { number: former, id, incarnation, address };
    nextMember += 1;
    return { number: nextMember - 1, id, incarnation, address };
  });
  requires(nextMember <= MEMBER_NUMBER_MAX + 1, 'member-numbers-left');
  members.sort((a, b) => a.number - b.number);
  const next = {
    number: current.number + 1,
    members,
    nextMember,
    ...(current.version === undefined ? {} : { version: current.version }),
    ...(cookie === '' ? {} : { cookie }),
  };
  ensures(givesNumbersOnce(current, next), 'member-numbers-given-once');
  ensures(keepsVersion(current, next), 'version-never-lowered');
  return next;
}

/**
 * Whoever was a member under the number `former` has it again; 0: nobody. A number that was never given out is a slip of whoever claims it,
 * and must not end the primary that hears of it.
 */
export function keepsNumber({ nextMember }: Configuration, former: MemberNumber): boolean {
  return former !== 0 && former < nextMember;
}

/** The configuration after `current` with the same members, who go on by `version` of the protocol. */
export function raiseVersion(current: Configuration, version: number): Configuration {
  requires(version > versionOf(current), 'version-never-lowered');
  return { ...current, number: current.number + 1, version };
}

/** A version that once was in force, or a higher one: its members may have done what lower ones do not know of. */
export function keepsVersion(current: Configuration, next: Configuration): boolean {
  return versionOf(next) >= versionOf(current);
}

/** Enough members have a disk for a quorum: one that has not can only be let in by a primary. */
export function hasQuorumOfDisks(configuration: Configuration): boolean {
  const disks = configuration.members.filter(({ incarnation }) => incarnation !== UNKNOWN_DISK);
  return disks.length >= quorumSize(configuration);
}

export function sameConfiguration(a: Configuration, b: Configuration): boolean {
  return (
    a.number === b.number &&
    a.nextMember === b.nextMember &&
    versionOf(a) === versionOf(b) &&
    (a.cookie ?? '') === (b.cookie ?? '') &&
    a.members.length === b.members.length &&
    a.members.every((member, index) => {
      const other = b.members[index]!;
      return (
        member.number === other.number &&
        member.id === other.id &&
        member.incarnation === other.incarnation &&
        (member.address ?? '') === (other.address ?? '')
      );
    })
  );
}

/**
 * Every member of `next` is one of `current`, with the same disk, or has a number that was never given out; or it is a disk
 * that was a member before, and comes back under the number that it had.
 */
export function givesNumbersOnce(current: Configuration, next: Configuration): boolean {
  const numbers = new Set(next.members.map((member) => member.number));
  return (
    numbers.size === next.members.length &&
    next.members.every(({ number, id, incarnation }) => {
      if (number >= next.nextMember) return false;
      if (number >= current.nextMember) return true;
      const before = memberByNumber(current, number);
      if (before === undefined) return incarnation !== UNKNOWN_DISK;
      return before.id === id && before.incarnation === incarnation;
    })
  );
}
