/**
 * A member that granted a lease, and passes over the prepare of another one, gets a checkpoint of that other one, whose header has what it must not promise
 * yet; and is started again. Meanwhile the holder of the lease is asked for reads (docs/protocol.md, "Leases").
 */

import type { Node } from './node.js';
import { Plot } from './plot.js';

export class Borrowed extends Plot {
  readonly name = 'borrowed';

  begin(): number {
    const world = this.world;
    const { random, members } = world;
    const first = members.find((node) => node.isPrimary);
    if (first === undefined || members.length < 3) return 0;
    const [late, third] = random.shuffled(members.filter((node) => node !== first));
    world.endStalls();
    world.cutOff(late!);
    for (const afterMs of [10, 30, 50]) world.plan(afterMs, () => world.propose(first));
    const apartAt = random.between(60, 100);
    // The word that the third one gave to the first ends some time behind this.
    world.plan(apartAt, () => {
      for (const line of world.lines)
        if ((line.from === first && line.to === third) || (line.from === third && line.to === first))
          line.isStalled = true;
    });
    world.plan(apartAt + random.between(50, 250), () => world.promote(third!));
    this.#lend(first, late!, third!);
    world.plan(apartAt + 480, () => {
      world.rejoin(late!);
      world.endStalls();
    });
    return apartAt + 500;
  }

  #lend(first: Node, late: Node, third: Node): void {
    const world = this.world;
    const { random } = world;
    const stands = (): boolean => third.replica?.role === 'preparing' && first.isPrimary;
    // With three members the first gives up before long where it hears of nobody.
    world.plan(random.between(280, 400), () => this.#let(late, first));
    world.when(550, stands, () => {
      this.#let(late, first);
      // From here on it has granted, or will have in a moment.
      const follows = (): boolean => late.replica?.ballot === first.replica?.ballot;
      world.when(200, follows, () => world.plan(random.between(0, 8), () => this.#copy(third, late)));
      for (let afterMs = 20; afterMs < 300; afterMs += 15)
        world.plan(afterMs, () => {
          if (third.isPrimary) world.propose(third);
          first.read('lease-read');
        });
    });
  }

  /** Only `by` is linked to it, and has no decrees to give. */
  #let(late: Node, by: Node): void {
    by.makeCheckpoint(true);
    this.world.setCut(late, by, false);
  }

  #copy(third: Node, late: Node): void {
    const world = this.world;
    const { random } = world;
    this.#let(late, third);
    const { checkpoint } = third.disk;
    if (checkpoint === null) return;
    world.copy(checkpoint, late, random.between(0, 8));
    const hasIt = (): boolean => late.disk.checkpoint === checkpoint;
    world.when(60, hasIt, () => world.plan(random.between(0, 15), () => world.restart(late)));
  }
}
