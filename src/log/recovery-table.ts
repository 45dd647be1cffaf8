/**
 * The decision table of recovery. It is asked once per recovery: at the place where the log stops, that is, where the
 * record that must come next is not there.
 *
 * A crash leaves unwritten, or half written, only what was never acknowledged: nobody was told of it, and it is
 * discarded. Damage can hit what was acknowledged: that must never be cut off nor served. The two look alike at the place
 * itself. What tells them apart is that the log says of itself what was durable, again and again (`durable` in every record
 * and segment header). If anything that was written later says that the missing record was durable, it was.
 */

import { invariant, unreachable } from '../contracts.js';
import type { MissingReason } from './segment-scan.js';

/** What stands where the next record was expected. */
export type Found =
  /** Nothing that this log's segment ever wrote. */
  | 'nothing'
  /** Bytes that are no whole record: half written, or damaged. */
  | 'unreadable'
  /** An intact record of this segment that no crash can put there, or that this code does not understand. */
  | 'impossible';

export interface EndFacts {
  readonly found: Found;
  /** Where something intact says that the missing record was durable. */
  readonly claimed: 'nowhere' | 'same-segment' | 'later-segment';
  /**
   * Intact records behind the place in the same segment, or records or half a header in a later segment that has no readable
   * header.
   */
  readonly leftovers: boolean;
  /**
   * Whether a later segment begins with a sequence behind the missing one, and whether all segment numbers between are
   * there. Segments are created in order and the numbers between are removed only once a later header has taken the log
   * on: with a number missing, a segment is lost.
   */
  readonly successor: 'none' | 'next-number' | 'after-gap';
}

export type Ruling = 'clean' | 'torn' | 'corrupt';

export type RuleName =
  | 'impossible-record'
  | 'was-durable'
  | 'segment-lost'
  | 'torn-before-next-segment'
  | 'torn-write'
  | 'torn-gap'
  | 'clean-end';

export interface Rule {
  readonly name: RuleName;
  /** Facts not mentioned may be anything. */
  readonly when: { readonly [Fact in keyof EndFacts]?: readonly EndFacts[Fact][] };
  readonly ruling: Ruling;
}

/** The first rule that fits decides. The last fits always. */
export const recoveryRules: readonly Rule[] = [
  // Checksum, nonce and position hold, so these very bytes were meant for this segment: no write was torn here.
  { name: 'impossible-record', when: { found: ['impossible'] }, ruling: 'corrupt' },
  { name: 'was-durable', when: { claimed: ['same-segment', 'later-segment'] }, ruling: 'corrupt' },
  { name: 'segment-lost', when: { successor: ['after-gap'] }, ruling: 'corrupt' },
  // The next segment was begun while the end of this one was still being written, and then the crash came.
  { name: 'torn-before-next-segment', when: { successor: ['next-number'] }, ruling: 'torn' },
  { name: 'torn-write', when: { found: ['unreadable'] }, ruling: 'torn' },
  // Writes complete in any order: a later one is there, the one before is not.
  { name: 'torn-gap', when: { leftovers: [true] }, ruling: 'torn' },
  { name: 'clean-end', when: {}, ruling: 'clean' },
];

/** The first rule that fits the facts. */
export function judgeEnd(facts: EndFacts): Rule {
  const rule = recoveryRules.find((each) => fits(each, facts));
  invariant(rule !== undefined, 'recovery-table-total');
  return rule;
}

function fits(rule: Rule, facts: EndFacts): boolean {
  const { found, claimed, leftovers, successor } = rule.when;
  return (
    (found === undefined || found.includes(facts.found)) &&
    (claimed === undefined || claimed.includes(facts.claimed)) &&
    (leftovers === undefined || leftovers.includes(facts.leftovers)) &&
    (successor === undefined || successor.includes(facts.successor))
  );
}

/** Facts that exclude each other: what makes a claim is itself a leftover or a successor. */
export function isContradiction(facts: EndFacts): boolean {
  if (facts.leftovers) return false;
  return (
    facts.claimed === 'same-segment' || (facts.claimed === 'later-segment' && facts.successor === 'none')
  );
}

export function foundBy(reason: MissingReason): Found {
  switch (reason) {
    case 'blank':
    case 'stale-record':
    case 'no-room':
      return 'nothing';
    case 'not-a-record':
    case 'bad-header-checksum':
    case 'bad-payload-checksum':
    case 'cut-off':
      return 'unreadable';
    case 'out-of-bounds':
    case 'wrong-sequence':
    case 'wrong-chain':
    case 'unsupported-record':
    case 'malformed-record':
      return 'impossible';
    default:
      return unreachable(reason);
  }
}
