/**
 * Ballots: (round, member number), totally ordered, as one safe integer, so that comparing is `<`.
 *
 * A ballot belongs to the one member whose number it carries (docs/protocol.md, rule 3). Member numbers are never
 * given out twice, so neither is a ballot, not even after a member lost its disk and was let in again.
 */

import { requires } from '../contracts.js';

/** A ballot; 0 is below every ballot that is ever used. */
export type Ballot = number;
/** 1 to 65,535; given out by the configuration, never twice. 0 stands for nobody. */
export type MemberNumber = number;

const MEMBERS = 0x1_0000;
export const MEMBER_NUMBER_MAX: number = MEMBERS - 1;
export const ROUND_MAX: number = Math.floor(Number.MAX_SAFE_INTEGER / MEMBERS) - 1;
/** A peer with ballots beyond this is not believed: a replica must always find one above all that it has seen. */
export const ROUND_OF_PEERS_MAX: number = Math.floor(ROUND_MAX / 2);

export const noBallot: Ballot = 0;

export function makeBallot(round: number, member: MemberNumber): Ballot {
  requires(
    Number.isInteger(round) && round >= 1 && round <= ROUND_MAX,
    'ballot-round-in-bounds',
    () => `${round}`,
  );
  requires(
    Number.isInteger(member) && member >= 1 && member <= MEMBER_NUMBER_MAX,
    'ballot-member-in-bounds',
    () => `${member}`,
  );
  return round * MEMBERS + member;
}

export function roundOf(ballot: Ballot): number {
  return Math.floor(ballot / MEMBERS);
}

/** The only member that may propose under `ballot`. */
export function ownerOf(ballot: Ballot): MemberNumber {
  return ballot % MEMBERS;
}

/** The lowest ballot of `member` that is above `ballot`. */
export function nextBallot(ballot: Ballot, member: MemberNumber): Ballot {
  return makeBallot(roundOf(ballot) + 1, member);
}

export function formatBallot(ballot: Ballot): string {
  return ballot === noBallot ? '-' : `${roundOf(ballot)}.${ownerOf(ballot)}`;
}
