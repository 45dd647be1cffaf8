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
  checkNothingBehind(disks.keys(), configurations);
  const chosen: (Value | null)[] = [];
  let configuration = genesis;
  const incarnations = new Map(genesis.members.map(({ number, incarnation }) => [number, incarnation]));
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
    if (next === undefined) continue;
    checkFollows(configuration, next, incarnations);
    configuration = next;
  }
  return chosen;
}

/** Configurations follow one another one by one, and a member number stands for one disk for ever. */
function checkFollows(before: Configuration, next: Configuration, incarnations: Map<number, string>): void {
  check(next.number === before.number + 1, 'configurations-one-by-one', () => `${next.number}`);
  for (const { number, incarnation } of next.members) {
    const known = incarnations.get(number) ?? incarnation;
    check(known === incarnation, 'member-number-stands-for-one-disk', () => `${number}`);
    incarnations.set(number, incarnation);
  }
}

/** Under one ballot, nothing is proposed behind a configuration (rule 7). */
function checkNothingBehind(
  proposals: Iterable<string>,
  configurations: ReadonlyMap<Value, Configuration>,
): void {
  const last: Map<string, number> = new Map();
  const ends: { readonly ballot: string; readonly slot: number }[] = [];
  for (const proposal of proposals) {
    const [ballot, where, value] = proposal.split(' ') as [string, string, Value];
    const slot = Number(where);
    last.set(ballot, Math.max(last.get(ballot) ?? 0, slot));
    if (configurations.has(value)) ends.push({ ballot, slot });
  }
  for (const { ballot, slot } of ends)
    check(
      last.get(ballot)! <= slot,
      'nothing-behind-a-configuration',
      () => `slot ${slot} of ballot ${ballot}`,
    );
}

/** Whoever asked was told that these are not chosen, and never will be. */
export function checkRefused(refused: readonly Value[], chosen: Chosen): void {
  for (const value of refused)
    check(!chosen.includes(value), 'refused-is-never-chosen', () => `${value} was refused, and is chosen`);
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
