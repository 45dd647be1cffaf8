/**
 * Counting, against versions that are obviously right: what a quorum is, which slots a primary takes for chosen, when a
 * candidate has its promises, and which configuration is in force behind which slot.
 */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Configuration } from '../../src/protocol/configuration.js';
import { memberById, quorumSize, readmit } from '../../src/protocol/configuration.js';
import type { Slot } from '../../src/protocol/decree.js';
import { b, configurationDecree, configurationOf, decree, incarnationOf, Scene } from './harness.js';

/** All ways to pick `count` of `from`. */
function picks(from: readonly number[], count: number): number[][] {
  if (count === 0) return [[]];
  return from.flatMap((first, index) =>
    picks(from.slice(index + 1), count - 1).map((rest) => [first, ...rest]),
  );
}

function anyTwoMeet(size: number, count: number): boolean {
  const groups = picks(
    Array.from({ length: size }, (_, index) => index),
    count,
  );
  return groups.every((one) => groups.every((other) => one.some((member) => other.includes(member))));
}

const sizes = [1, 2, 3, 4, 5, 6, 7];

describe('a quorum', () => {
  it.each(sizes)('of %d members meets every other, and fewer members do not', (size) => {
    const quorum = quorumSize(configurationOf(size));
    expect(anyTwoMeet(size, quorum)).toBe(true);
    if (quorum > 1) expect(anyTwoMeet(size, quorum - 1)).toBe(false);
  });
});

const PROPOSED = 12;

/** A primary of `size` members that has proposed slots 1 to `PROPOSED`. */
function primaryOf(size: number): Scene {
  const scene = new Scene({ size, options: { pipelineDecreesMax: 100, pipelineBytesMax: 1_000_000 } });
  if (size > 1) scene.toPrimary();
  else {
    // Nobody to ask: it prepares at once, and leads when its own promise is durable.
    scene.wait(scene.options.electionTimeoutMs);
    scene.durable();
  }
  expect(scene.role).toBe('primary');
  for (let slot = 1; slot <= PROPOSED; slot += 1) scene.propose(decree(`d${slot}`));
  return scene;
}

/** Slot after slot, as long as a quorum has it. */
function chosenSlowly(has: readonly ReadonlySet<Slot>[], quorum: number): Slot {
  let slot = 0;
  while (has.filter((slots) => slots.has(slot + 1)).length >= quorum) slot += 1;
  return slot;
}

describe('a primary', () => {
  it('takes for chosen what a quorum has, slot by slot, whoever they are and in whatever order they tell', () => {
    const acknowledgement = fc.record({ member: fc.nat(6), more: fc.integer({ min: 0, max: 4 }) });
    fc.assert(
      fc.property(
        fc.constantFrom(...sizes),
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 7, maxLength: 7 }),
        fc.array(acknowledgement, { maxLength: 25 }),
        (size, froms, acknowledgements) => {
          const scene = primaryOf(size);
          const quorum = quorumSize(configurationOf(size));
          const ballot = scene.replica.promised;
          const has = Array.from({ length: size }, () => new Set<Slot>());
          const through = froms.map((from) => from - 1);
          let written = 0;
          for (const { member, more } of acknowledgements) {
            const index = member % size;
            if (index === 0) {
              // The own disk: one record for each slot, behind the one of the promise.
              written = Math.min(PROPOSED, written + more);
              for (let slot = 1; slot <= written; slot += 1) has[0]!.add(slot);
              if (more > 0) scene.durable(1 + written);
            } else {
              const from = froms[index]!;
              through[index] = Math.min(PROPOSED, through[index]! + more);
              for (let slot = from; slot <= through[index]!; slot += 1) has[index]!.add(slot);
              scene.receive(index + 1, { kind: 'accepted', ballot, from, through: through[index]! });
            }
            expect(scene.replica.chosen).toBe(chosenSlowly(has, quorum));
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it('counts no vote of another ballot, and none of who is no member', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(3, 5, 7),
        fc.array(fc.tuple(fc.integer({ min: 2, max: 9 }), fc.integer({ min: -1, max: 1 }))),
        (size, votes) => {
          const scene = primaryOf(size);
          const ballot = scene.replica.promised;
          scene.durable();
          const voters = new Set([1]);
          for (const [member, round] of votes) {
            scene.receive(member, { kind: 'accepted', ballot: ballot + round * 65_536, from: 1, through: 1 });
            if (round === 0 && member <= size) voters.add(member);
            const isChosen = voters.size >= quorumSize(configurationOf(size));
            expect(scene.replica.chosen).toBe(isChosen ? 1 : 0);
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('a candidate', () => {
  it('leads with the whole promises of a quorum, itself included, and not before', () => {
    const reply = fc.record({
      member: fc.nat(5),
      /** Entries that it announces, and which of slots 1 to 3 it has sent before. */
      entries: fc.nat(3),
      sent: fc.uniqueArray(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }),
    });
    fc.assert(
      fc.property(fc.constantFrom(3, 5, 7), fc.array(reply, { maxLength: 12 }), (size, replies) => {
        const scene = new Scene({ size }).toPreparing();
        scene.durable();
        const ballot = scene.preparing;
        const promised = new Set([1]);
        const entriesOf = new Map<number, Set<Slot>>();
        for (const { member, entries, sent } of replies) {
          const from = 2 + (member % (size - 1));
          const seen = entriesOf.get(from) ?? new Set();
          entriesOf.set(from, seen);
          for (const slot of sent) {
            scene.receive(from, {
              kind: 'promise-entry',
              ballot,
              slot,
              acceptedBallot: 1,
              decree: decree(`d${slot}`),
            });
            seen.add(slot);
          }
          scene.receive(from, { kind: 'promised', ballot, entries, chosen: 0 });
          if (seen.size >= entries) promised.add(from);
          const leads = promised.size >= quorumSize(configurationOf(size));
          expect(scene.role).toBe(leads ? 'primary' : 'preparing');
          if (leads) break;
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('configurations', () => {
  const changes = fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { maxLength: 12 });

  it('follow one another with one disk changed, and no member number is given out twice', () => {
    fc.assert(
      fc.property(changes, (ids) => {
        let current = configurationOf(5);
        const numbers = new Set(current.members.map(({ number }) => number));
        ids.forEach((id, index) => {
          const next = readmit(current, id, incarnationOf(id, index + 2));
          expect(next.number).toBe(current.number + 1);
          expect(next.members.map((member) => member.id)).toEqual(current.members.map((member) => member.id));
          for (const member of next.members)
            if (member.id !== id) expect(member).toEqual(memberById(current, member.id));
          const { number, incarnation } = memberById(next, id)!;
          expect(incarnation).toBe(incarnationOf(id, index + 2));
          expect(numbers.has(number)).toBe(false);
          numbers.add(number);
          current = next;
        });
        expect(quorumSize(current)).toBe(quorumSize(configurationOf(5)));
      }),
    );
  });

  it('take effect behind their own slot: who learns the log is always under the last one in it', () => {
    const entries = fc.array(fc.option(fc.constantFrom('b', 'c', 'd', 'e')), { maxLength: 15 });
    fc.assert(
      fc.property(entries, fc.nat(15), (log, restartAt) => {
        // Decree by decree, as the log has them; configurations are changes of any member but this one.
        let newest = configurationOf(5);
        const inForce: Configuration[] = [newest];
        const decrees = log.map((id, index) => {
          if (id !== null) newest = readmit(newest, id, incarnationOf(id, index + 2));
          inForce.push(newest);
          return id === null ? decree(`d${index}`) : configurationDecree(newest);
        });
        let scene = new Scene({ size: 5 });
        decrees.forEach((one, index) => {
          const slot = index + 1;
          if (index === restartAt) {
            // A restart goes on from what the records say: the last configuration up to what is known chosen.
            scene = new Scene({ configuration: inForce[index]!, chosen: index });
          }
          const peer = inForce[index]!.members[1]!.number;
          scene.feed({ kind: 'peer-up', peer });
          scene.receive(peer, { kind: 'learn', slot, ballot: b(1, 2), decree: one });
          expect(scene.replica.chosen).toBe(slot);
          expect(scene.replica.configuration).toEqual(inForce[slot]);
          expect(scene.replica.self).toBe(1);
        });
      }),
      { numRuns: 200 },
    );
  });
});
