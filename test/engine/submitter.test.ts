/** Aim: batches reach the log or the primary in time, whatever the application's thread is doing. */

import { beforeEach, describe, expect, it } from 'vitest';
import { GroupFlag } from '../../src/engine/group.js';
import { PEER, SELF, TwoSides } from './two-sides.js';

const command = (bytes: number, fill = 1): Uint8Array => new Uint8Array(bytes).fill(fill);
const peerCommand = Uint8Array.of(3, 0, 0, 0, 7, 8, 9);

describe('Submitter, on the primary', () => {
  let sides: TwoSides;
  beforeEach(() => {
    sides = new TwoSides();
    sides.becomePrimary();
    sides.turn();
    expect(sides.grants.isOpen).toBe(true);
  });

  const origins = (): number[] => sides.proposed.flat().map(({ origin }) => origin);

  it('proposes a batch where it lies, at the end of its burst', () => {
    sides.write(command(50));
    sides.turn();
    expect(sides.proposed).toEqual([]);
    sides.endBurst();
    expect(sides.submitter.hasWork).toBe(true);
    sides.turn();
    expect(origins()).toEqual([SELF]);
    expect(sides.rig.copied.bytes).toBe(0);
    expect(sides.submitter.hasWork).toBe(false);
  });

  it('wakes the engine at the end of a burst where it sleeps, and only there', () => {
    sides.write(command(50));
    sides.endBurst();
    expect(sides.engineWakes).toBe(0);
    sides.engineBridge.setEngineAsleep(true);
    sides.write(command(50));
    expect(sides.engineWakes).toBe(0);
    sides.endBurst();
    expect(sides.engineWakes).toBe(1);
    sides.write(command(50));
    sides.endBurst();
    expect(sides.engineWakes, 'it was woken').toBe(1);
  });

  it('takes the commands of a peer at once where the application is idle', () => {
    sides.addForwarded({}, peerCommand);
    sides.turn();
    expect(origins()).toEqual([PEER]);
    expect(sides.proposed[0]![0]!.commands).toEqual(peerCommand);
    expect(sides.grants.isOpen, 'and lends the tail again').toBe(true);
  });

  it('lets a peer wait for the end of a burst, without turning in circles', () => {
    sides.write(command(50));
    sides.addForwarded({}, peerCommand);
    sides.turn();
    expect(sides.proposed).toEqual([]);
    expect(sides.submitter.hasWork, 'the end of the burst wakes the engine').toBe(false);
    sides.now += 10;
    sides.turn();
    expect(sides.proposed).toEqual([]);
    sides.endBurst();
    expect(sides.submitter.hasWork).toBe(true);
    sides.turn();
    expect(origins()).toEqual([SELF, PEER]);
  });

  it('lets no peer wait for an application that has stopped in the middle of a burst', () => {
    sides.write(command(50));
    sides.addForwarded({}, peerCommand);
    sides.turn();
    sides.now += 60;
    sides.turn();
    expect(origins()).toEqual([PEER]);
    // More of them need not wait that long again.
    sides.addForwarded({ first: 2 }, peerCommand);
    sides.turn();
    expect(origins()).toEqual([PEER, PEER]);
    sides.write(command(50, 2));
    sides.endBurst();
    sides.turn();
    expect(origins()).toEqual([PEER, PEER, SELF]);
    sides.choose(9);
    sides.execute();
    expect(sides.executed).toEqual([command(50), command(50, 2)]);
  });

  it('asks for the room that the commands of a peer need, which may have other limits', () => {
    const { log } = sides.rig;
    expect(sides.grants.reclaim(true)).toBe(true);
    log.roll();
    expect(log.hasStandby).toBe(false);
    for (const first of [1, 2]) sides.addForwarded({ first }, command(30_000));
    // The next segment is not there yet.
    sides.submitter.propose(sides.now);
    expect(origins()).toEqual([PEER]);
    expect(sides.submitter.hasWork, 'the segment wakes the engine').toBe(false);
    log.prepareStandby();
    sides.rig.settle();
    sides.turn();
    expect(origins()).toEqual([PEER, PEER]);
  });

  it('keeps the memory of a burst that it took back until the application has moved it', () => {
    const segment = sides.rig.log.segment;
    sides.write(command(50, 5));
    sides.addForwarded({}, peerCommand);
    sides.now += 60;
    sides.turn();
    while (sides.rig.log.segment === segment) {
      sides.addForwarded({}, command(4000));
      sides.turn();
      sides.choose(9);
    }
    sides.releaseSegments();
    expect([...sides.rig.log.resident.keys()]).toContain(segment);
    sides.endBurst();
    sides.releaseSegments();
    expect([...sides.rig.log.resident.keys()]).not.toContain(segment);
    sides.turn();
    sides.choose(9);
    sides.execute();
    expect(sides.executed).toEqual([command(50, 5)]);
  });

  it('goes to the next segment in time: nothing is copied twice where the application waits for results', () => {
    let written = 0;
    for (let index = 0; index < 300; index += 1) {
      sides.write(command(3000));
      written += 3000;
      sides.endBurst();
      sides.turn();
      sides.choose(1);
      sides.execute();
    }
    expect(sides.rig.log.segment).toBeGreaterThan(5);
    expect(sides.executed.length).toBe(300);
    expect(sides.engineBridge.bytesCopied).toBe(written);
    expect(sides.rig.copied.bytes).toBe(0);
  });

  it('puts many batches of the outbox into one decree, up to its bound', () => {
    const secondary = new TwoSides();
    for (let index = 0; index < 40; index += 1) {
      secondary.write(command(500, index));
      secondary.endBurst();
      // Another burst cannot go on in a batch that was taken.
      secondary.grants.take();
    }
    secondary.becomePrimary();
    secondary.turn();
    expect(secondary.proposed.length).toBeGreaterThan(2);
    expect(secondary.proposed.length).toBeLessThan(10);
    for (const groups of secondary.proposed)
      expect(groups.reduce((sum, { bytes }) => sum + bytes + 32, 0)).toBeLessThanOrEqual(8192);
    secondary.choose(99);
    secondary.execute();
    expect(secondary.executed).toEqual(secondary.written);
  });

  it('puts no more commands into one decree than it may have, of the outbox and of peers', () => {
    const secondary = new TwoSides({ batchCommandsMax: 3, decreeCommandsMax: 4 });
    for (const burst of [1, 2, 3, 1, 1, 1, 1]) {
      for (let index = 0; index < burst; index += 1) secondary.write(command(10, index));
      secondary.endBurst();
      secondary.grants.take();
    }
    secondary.becomePrimary();
    for (const first of [1, 2, 3, 4, 5]) secondary.addForwarded({ first }, peerCommand);
    secondary.turn();
    expect(secondary.proposed.map((groups) => groups.map(({ count }) => count))).toEqual([
      [1, 2],
      [3, 1],
      [1, 1, 1],
      [1, 1, 1, 1],
      [1],
    ]);
  });

  it('takes a batch of a peer that has more commands than a decree of this one may have, alone', () => {
    const primary = new TwoSides({ decreeCommandsMax: 2 });
    primary.becomePrimary();
    const three = Buffer.concat([peerCommand, peerCommand, peerCommand]);
    primary.addForwarded({ first: 1 }, peerCommand);
    primary.addForwarded({ first: 2, count: 3 }, three);
    primary.addForwarded({ first: 5 }, peerCommand);
    primary.turn();
    expect(primary.proposed.map((groups) => groups.map(({ count }) => count))).toEqual([[1], [3], [1]]);
  });
});

describe('a command with flags', () => {
  const { exclusive, last } = GroupFlag;
  const counts = (sides: TwoSides): number[][] =>
    sides.proposed.map((groups) => groups.map(({ count }) => count));

  it('has a decree of its own on a primary, in the middle of a burst', () => {
    const sides = new TwoSides();
    sides.becomePrimary();
    sides.turn();
    sides.write(command(10, 1));
    sides.write(command(10, 2));
    sides.write(command(10, 3), exclusive);
    sides.write(command(10, 4), exclusive + last);
    sides.write(command(10, 5));
    sides.endBurst();
    sides.turn();
    expect(counts(sides)).toEqual([[2], [1], [1], [1]]);
    expect(sides.proposedFlags).toEqual([0, exclusive, exclusive + last, 0]);
    expect(sides.rig.copied.bytes, 'and lies where it was written').toBe(0);
    sides.choose(4);
    sides.execute();
    expect(sides.executed).toEqual(sides.written);
  });

  it('has one where it waited in the outbox beside others, and where a peer sent it', () => {
    const sides = new TwoSides();
    for (const [index, flags] of [0, 0, exclusive, 0, exclusive + last].entries()) {
      sides.write(command(10, index), flags);
      sides.endBurst();
      sides.grants.take();
    }
    sides.becomePrimary();
    for (const [index, flags] of [0, exclusive, 0, 0].entries())
      sides.addForwarded({ first: index + 1, flags }, peerCommand);
    sides.turn();
    expect(counts(sides)).toEqual([[1, 1], [1], [1], [1], [1], [1], [1, 1]]);
    expect(sides.proposedFlags).toEqual([0, exclusive, 0, exclusive + last, 0, exclusive, 0]);
  });

  it('is forwarded with them', () => {
    const sides = new TwoSides();
    sides.write(command(10, 1));
    sides.write(command(10, 2), exclusive + last);
    sides.endBurst();
    sides.turn();
    expect(sides.proposed.flat().map(({ count, flags }) => [count, flags])).toEqual([
      [1, 0],
      [1, exclusive + last],
    ]);
  });
});

describe('Submitter, on a secondary', () => {
  it('sends batches to the primary, a bounded amount of them at a time', () => {
    const sides = new TwoSides();
    for (let index = 0; index < 100; index += 1) {
      sides.write(command(1000, index));
      sides.endBurst();
      sides.grants.take();
    }
    sides.turn();
    const bytes = sides.proposed.flat().reduce((sum, group) => sum + group.bytes, 0);
    expect(bytes).toBeGreaterThan(10_000);
    expect(bytes).toBeLessThanOrEqual(16_384);
    expect(sides.engineBridge.takeDeliveryBlocked(), 'executing them wakes the engine').toBe(true);
    for (let round = 0; round < 20; round += 1) {
      sides.choose(5);
      sides.execute();
      sides.turn();
    }
    expect(sides.executed).toEqual(sides.written);
  });

  it('sends again, from the first that was not executed on, when the primary is another one', () => {
    const sides = new TwoSides();
    for (let index = 0; index < 10; index += 1) {
      sides.write(command(10, index));
      sides.endBurst();
      sides.turn();
    }
    expect(sides.proposed.length).toBe(10);
    sides.choose(4);
    sides.execute();
    const ghosts = sides.proposed.splice(0);
    sides.submitter.restart();
    sides.turn();
    expect(sides.proposed.map(([group]) => group!.first)).toEqual([5, 6, 7, 8, 9, 10]);
    // What the old primary had is chosen after all: each is executed once all the same.
    sides.chosen.push(...ghosts.flat());
    sides.choose(9);
    sides.execute();
    expect(sides.executed).toEqual(sides.written);
  });
});

it('commands that grow little by little do not each keep memory of their own', () => {
  const sides = new TwoSides({ chunkBytes: 1024 });
  for (let bytes = 1000; bytes < 7000; bytes += 50) {
    expect(sides.write(command(bytes))).toBe(true);
    sides.endBurst();
    sides.turn();
    sides.choose(1);
    sides.execute();
    sides.turn();
  }
  expect(sides.executed).toHaveLength(120);
  expect(sides.chunks).toBeLessThanOrEqual(8);
});
