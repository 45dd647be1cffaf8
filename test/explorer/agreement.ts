/**
 * What it takes all replicas to see: one value for each slot, chosen by durable acceptances of a quorum under one ballot, and
 * nobody holds anything else for chosen. Acceptances are never taken back, not even by a disk that is lost: chosen once,
 * chosen for ever.
 */

import type { Configuration } from '../../src/protocol/configuration.js';
import { quorumSize } from '../../src/protocol/configuration.js';
import type { Value } from '../properties/checker.js';
import { check } from '../properties/checker.js';

/** The value of each slot, from slot 1 on; null where none is chosen. */
export type Chosen = readonly (Value | null)[];

/** What the acceptances add up to. `votes` are of all disks: "incarnation ballot slot value". */
export function chosenBy(
  votes: readonly string[],
  genesis: Configuration,
  configurations: ReadonlyMap<Value, Configuration>,
): Chosen {
  const disks: Map<string, Set<string>> = new Map();
  let last = 0;
  for (const vote of votes) {
    const at = vote.indexOf(' ');
    const proposal = vote.slice(at + 1);
    const slot = Number(proposal.split(' ')[1]);
    if (slot > last) last = slot;
    disks.set(proposal, (disks.get(proposal) ?? new Set()).add(vote.slice(0, at)));
  }
  const chosen: (Value | null)[] = [];
  let configuration = genesis;
  for (let slot = 1; slot <= last; slot += 1) {
    let found: Value | null = null;
    for (const [proposal, accepted] of disks) {
      const [, where, value] = proposal.split(' ') as [string, string, Value];
      if (Number(where) !== slot) continue;
      const count = configuration.members.filter(({ incarnation }) => accepted.has(incarnation)).length;
      if (count < quorumSize(configuration)) continue;
      check(
        found === null || found === value,
        'one-value-per-slot',
        () => `slot ${slot}: both ${found} and ${value} are chosen`,
      );
      found = value;
    }
    chosen.push(found);
    // Slots behind it are decided by the members that it names.
    const next = found === null ? undefined : configurations.get(found);
    if (next !== undefined) configuration = next;
  }
  return chosen;
}

/** A replica holds `known` for chosen. */
export function checkKnown(known: readonly Value[], chosen: Chosen): void {
  for (const [index, value] of known.entries()) {
    check(
      chosen[index] === value,
      'chosen-implies-a-quorum',
      () => `slot ${index + 1}: ${value} is held for chosen, ${chosen[index] ?? 'nothing'} is`,
    );
  }
}

/** Two replicas hold these for chosen: all that a user could notice. */
export function checkSame(a: readonly Value[], b: readonly Value[]): void {
  for (let index = 0; index < a.length && index < b.length; index += 1) {
    check(
      a[index] === b[index],
      'one-value-per-slot',
      () => `slot ${index + 1}: ${a[index]} and ${b[index]}`,
    );
  }
}
