/**
 * Aim: between `replicate` and the log no command is lost, doubled or put out of order, whatever the two threads do at the
 * same time and however often the primary changes. Method: both sides in one thread, with a step of the one between any
 * two accesses of the other (two-sides.ts); executed commands are compared with those that were written.
 */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BLOCK_COUNT, BlockState } from '../../src/engine/bridge.js';
import { GroupFlag } from '../../src/engine/group.js';
import { Random } from '../cluster/support/random.js';
import { type PlacedGroup, TwoSides, type TwoSidesOptions } from './two-sides.js';

const COMMAND_BYTES_MAX = 4000;

function commandOf(number: number, bytes: number): Uint8Array {
  const command = new Uint8Array(bytes).fill(number & 0xff);
  if (bytes >= 4) new DataView(command.buffer).setUint32(0, number);
  return command;
}

function expectPrefix(sides: TwoSides): void {
  const { executed, written } = sides;
  expect(executed.length).toBeLessThanOrEqual(written.length);
  for (let index = 0; index < executed.length; index += 1) {
    if (Buffer.compare(executed[index]!, written[index]!) !== 0)
      throw new Error(`command ${index + 1} of ${written.length} is another one than was written`);
  }
}

interface Scenario extends TwoSidesOptions {
  readonly seed: number;
  readonly steps: number;
  /** Of 100 accesses, after how many the other side takes a step. */
  readonly interleaved: number;
  readonly roleChanges: number;
}

function run({ seed, steps, interleaved, roleChanges, ...options }: Scenario): TwoSides {
  const random = new Random(seed);
  const sides = new TwoSides(options);
  /** Decrees of former ballots: any of them may turn out to be chosen after all. */
  let ghosts: PlacedGroup[][] = [];
  let forwardedFirst = 1;

  const applicationStep = (): void => {
    const choice = random.below(10);
    if (choice < 6) {
      const bytes = random.below(4) === 0 ? random.below(COMMAND_BYTES_MAX) : random.below(100);
      const number = sides.written.length + 1;
      // A decree of its own, now and then.
      sides.write(commandOf(number, bytes), number % 11 === 3 ? GroupFlag.exclusive : 0);
    } else if (choice < 9) sides.endBurst();
    else sides.execute();
  };
  const engineStep = (): void => {
    const choice = random.below(100);
    sides.now += random.below(5);
    if (choice < 60) sides.turn();
    else if (choice < 80) sides.choose(1 + random.below(4));
    else if (choice < 84) sides.appendMark();
    else if (choice < 88) sides.releaseSegments();
    else if (choice < 92 && sides.role === 'primary') {
      sides.addForwarded({ first: forwardedFirst }, commandOf(0, 30));
      forwardedFirst += 1;
    } else if (choice < 94 && ghosts.length > 0) sides.chosen.push(...random.pick(ghosts));
    else if (choice >= 100 - roleChanges) {
      if (sides.role === 'secondary') {
        ghosts.push(...sides.proposed);
        sides.proposed = [];
        sides.becomePrimary();
      } else ghosts.push(...sides.becomeSecondary());
      ghosts = ghosts.slice(-20);
    }
  };
  let nested = false;
  const between = (step: () => void) => (): void => {
    if (nested || random.below(100) >= interleaved) return;
    nested = true;
    step();
    nested = false;
  };
  for (let step = 0; step < steps; step += 1) {
    if (random.below(2) === 0) {
      sides.applicationBridge.between = between(engineStep);
      sides.engineBridge.between = () => {};
      applicationStep();
    } else {
      sides.engineBridge.between = between(applicationStep);
      sides.applicationBridge.between = () => {};
      engineStep();
    }
    if (sides.executed.length > 0 && step % 50 === 0) expectPrefix(sides);
  }
  // In the end there is a primary, and everything is executed.
  sides.engineBridge.between = () => {};
  sides.applicationBridge.between = () => {};
  sides.endBurst();
  if (sides.role === 'secondary') {
    sides.proposed = [];
    sides.becomePrimary();
  }
  for (let round = 0; round < 500 && sides.executed.length < sides.written.length; round += 1) {
    sides.now += 100;
    sides.turn();
    sides.choose(8);
    sides.execute();
    sides.releaseSegments();
  }
  expectPrefix(sides);
  expect(sides.executed.length).toBe(sides.written.length);
  sides.turn();
  expect(sides.grants.batches.length).toBe(0);
  return sides;
}

const scenario = fc.record({
  seed: fc.integer({ min: 0, max: 0x7fff_ffff }),
  steps: fc.integer({ min: 1, max: 600 }),
  interleaved: fc.constantFrom(0, 3, 15),
  roleChanges: fc.constantFrom(0, 1, 6),
  blockBytes: fc.constantFrom(64, 4096),
  batchCommandsMax: fc.constantFrom(1, 7, 50),
});

describe('application and engine, step by step', () => {
  it('lose, double or reorder nothing', () => {
    fc.assert(
      fc.property(scenario, (one) => void run(one)),
      { numRuns: 500 },
    );
  }, 60_000);

  it('use the whole of it: batches in the log, batches in the outbox, revoked bursts, several segments', () => {
    const seen = { inPlace: 0, revoked: 0, segments: 0 };
    for (let seed = 0; seed < 40; seed += 1) {
      const sides = run({ seed, steps: 600, interleaved: 10, roleChanges: 4 });
      if (sides.engineBridge.bytesCopied > sides.written.reduce((sum, { length }) => sum + length, 0))
        seen.revoked += 1;
      if (sides.rig.copied.bytes < sides.rig.log.bytesLogged) seen.inPlace += 1;
      seen.segments = Math.max(seen.segments, sides.rig.log.segment);
    }
    expect(seen.inPlace).toBeGreaterThan(30);
    expect(seen.revoked).toBeGreaterThan(5);
    expect(seen.segments).toBeGreaterThan(3);
  });
});

describe('a burst that is revoked', () => {
  const primary = (): TwoSides => {
    const sides = new TwoSides();
    sides.becomePrimary();
    sides.turn();
    expect(sides.grants.isOpen).toBe(true);
    return sides;
  };

  it('moves to the outbox, with what was in it before', () => {
    const sides = primary();
    for (let number = 1; number <= 5; number += 1) sides.write(commandOf(number, 100));
    sides.becomeSecondary();
    for (let number = 6; number <= 9; number += 1) sides.write(commandOf(number, 100));
    sides.endBurst();
    sides.turn();
    sides.choose(10);
    sides.execute();
    expectPrefix(sides);
    expect(sides.executed.length).toBe(9);
    // Each byte once, and the revoked ones once more.
    expect(sides.engineBridge.bytesCopied).toBeGreaterThan(900);
  });

  it('finds a block for it also where the ring of batches is full', () => {
    const sides = primary();
    const write = (): boolean => sides.write(commandOf(sides.written.length + 1, 1));
    // Each burst is a batch of its own, as the engine takes it at once; nothing is executed.
    for (;;) {
      if (!write()) break;
      sides.endBurst();
      sides.grants.take();
    }
    expect(sides.written.length, 'the ring is full').toBeGreaterThan(BLOCK_COUNT - 4);
    expect(sides.written.length).toBeLessThan(BLOCK_COUNT);
    sides.endBurst();
    // Ready ones, taken ones, and one that is written to right now.
    for (const count of [1, 2, 3]) {
      for (let index = 0; index < count; index += 1)
        sides.engineBridge.setBlockState(sides.grants.batches.shift()!.index, BlockState.free);
      sides.grants.lend();
      while (write()) {
        sides.grants.revoke();
        sides.grants.lend();
        sides.endBurst();
      }
      sides.endBurst();
      sides.grants.take();
      expect(sides.grants.reclaim(false)).toBe(true);
    }
  });

  it('does not hang where every block of the ring is taken', () => {
    const sides = primary();
    for (let number = 1; sides.write(commandOf(number, 1)); number += 1) {
      sides.endBurst();
      if (number % 2 === 0) sides.grants.take();
    }
    sides.grants.revoke();
    sides.grants.lend();
    expect(sides.grants.reclaim(false)).toBe(true);
  });
});
