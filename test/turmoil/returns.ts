/**
 * A member is taken out and put back several times, with its process or without, with its disk or another one, while its links stall: what is said under one
 * configuration comes under a later one (docs/protocol.md, rules 7 and 8).
 */

import type { Node } from './node.js';
import { Plot } from './plot.js';

const STEP_MS = 110;

export class Returns extends Plot {
  readonly name = 'returns';

  begin(): number {
    const world = this.world;
    const { random, members } = world;
    const first = members.find((node) => node.isPrimary);
    if (first === undefined || members.length < (world.mayWipe ? 4 : 3)) return 0;
    const subject = random.pick(random.chance(0.8) ? members.filter((node) => node !== first) : members);
    const rounds = 2 + random.below(4);
    const others = members.filter((node) => node !== subject);
    for (let round = 0; round < rounds; round += 1) {
      const isOut = round % 2 === 0;
      world.plan(round * STEP_MS + random.between(0, 30), () => this.#stallSome(subject));
      world.plan(round * STEP_MS + random.between(10, 60), () => {
        for (const primary of world.primaries) {
          world.change(primary, isOut ? others : [...others, subject], random.chance(0.8));
          world.propose(primary);
        }
      });
      world.plan(round * STEP_MS + random.between(30, 100), () => this.#trouble(subject));
      if (random.chance(0.3))
        world.plan(round * STEP_MS + random.between(60, 110), () => world.promote(random.pick(members)));
    }
    world.plan(rounds * STEP_MS, () => {
      world.rejoin(subject);
      world.endStalls();
    });
    return rounds * STEP_MS + 50;
  }

  /** Or frees them. */
  #stallSome(subject: Node): void {
    const { random, lines } = this.world;
    const isStalled = random.chance(0.6);
    for (const line of lines)
      if ((line.from === subject || line.to === subject) && random.chance(0.5)) line.isStalled = isStalled;
  }

  #trouble(subject: Node): void {
    const world = this.world;
    const { random } = world;
    const drawn = random.real();
    if (drawn < 0.25) world.restart(subject);
    else if (drawn < 0.35) world.cutOff(subject);
    else if (drawn < 0.5) world.rejoin(subject);
    else if (drawn < 0.55 && world.mayWipe && world.counts.wipes === 0) world.wipe(subject);
    else if (drawn < 0.7) world.promote(subject);
  }
}
