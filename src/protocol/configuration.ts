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
  /** 32 hexadecimal digits drawn at random when the disk was first used. */
  readonly incarnation: string;
}

export interface Configuration {
  /** 1 for the genesis configuration, then one more each. */
  readonly number: number;
  readonly members: readonly Member[];
  /** The number that the next member that is let in gets. */
  readonly nextMember: MemberNumber;
}

/** The smallest number of members any two groups of which have one in common. */
export function quorumSize(configuration: Configuration): number {
  return Math.floor(configuration.members.length / 2) + 1;
}

export function memberByNumber(configuration: Configuration, number: MemberNumber): Member | undefined {
  return configuration.members.find((member) => member.number === number);
}

export function memberById(configuration: Configuration, id: string): Member | undefined {
  return configuration.members.find((member) => member.id === id);
}

/** The first configuration: members in the order of their ids, numbered from 1. */
export function genesisConfiguration(members: readonly { id: string; incarnation: string }[]): Configuration {
  requires(members.length >= 1, 'configuration-not-empty');
  requires(new Set(members.map((member) => member.id)).size === members.length, 'configuration-ids-distinct');
  const sorted = [...members].sort((a, b) => (a.id < b.id ? -1 : 1));
  return {
    number: 1,
    members: sorted.map((member, index) => ({
      number: index + 1,
      id: member.id,
      incarnation: member.incarnation,
    })),
    nextMember: sorted.length + 1,
  };
}

/** The configuration after `current` in which replica `id` takes part with the disk `incarnation`. */
export function readmit(current: Configuration, id: string, incarnation: string): Configuration {
  requires(memberById(current, id) !== undefined, 'readmit-known-id', () => id);
  requires(current.nextMember <= MEMBER_NUMBER_MAX, 'member-numbers-left');
  const next = {
    number: current.number + 1,
    members: current.members.map((member) =>
      member.id === id ? { number: current.nextMember, id, incarnation } : member,
    ),
    nextMember: current.nextMember + 1,
  };
  ensures(givesNumbersOnce(current, next), 'member-numbers-given-once');
  return next;
}

/** Every member of `next` is one of `current`, with the same disk, or has a number that was never given out. */
export function givesNumbersOnce(current: Configuration, next: Configuration): boolean {
  const numbers = new Set(next.members.map((member) => member.number));
  return (
    numbers.size === next.members.length &&
    next.members.every(({ number, id, incarnation }) => {
      if (number >= next.nextMember) return false;
      if (number >= current.nextMember) return true;
      const before = memberByNumber(current, number);
      return before?.id === id && before.incarnation === incarnation;
    })
  );
}
