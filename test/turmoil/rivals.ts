/**
 * What chance alone seldom puts together: a primary is shut in with a few others and goes on proposing; meanwhile another is elected,
 * decides, and makes checkpoints, one of which comes to the first while it still believes that it leads. Only then do their links deliver again.
 */

import type { Node } from './node.js';
import { Plot } from './plot.js';

const CHANCE_TO_BE_SHUT_IN = 0.3;
const SUCCESSIONS = 4;

export class Rivals extends Plot {
  readonly name = 'rivals';

  begin(): number {
    const world = this.world;
    const { random } = world;
    const [first] = world.primaries;
    if (first === undefined) return 0;
    const inside = new Set(
      world.running.filter((node) => node === first || random.chance(CHANCE_TO_BE_SHUT_IN)),
    );
    const outside = world.running.filter((node) => !inside.has(node));
    if (outside.length === 0) return 0;
    world.endStalls();
    world.stallBetween((node) => inside.has(node));
    const second = random.pick(outside);
    world.plan(random.between(0, 20), () => world.propose(first));
    world.plan(random.between(0, 20), () => world.promote(second));
    for (let turn = 1; turn <= SUCCESSIONS; turn += 1)
      world.plan(20 + 15 * turn, () => this.#goOn(first, second));
    world.plan(random.between(60, 120), () => {
      for (const node of outside) if (random.chance(0.6)) node.makeCheckpoint(true);
    });
    world.plan(random.between(120, 170), () => this.#copyInside(first, [...inside], outside));
    const lastMs = random.between(200, 400);
    world.plan(lastMs, () => {
      // What was decided outside may be known to nobody there any more but by the checkpoint inside.
      const die = random.chance(0.5);
      for (const node of outside) if (die && node.replica !== null && random.chance(0.5)) node.crash();
      world.endStalls();
    });
    return lastMs;
  }

  #goOn(first: Node, second: Node): void {
    const world = this.world;
    const { random } = world;
    if (second.isPrimary) {
      world.propose(second);
      if (random.chance(0.3)) {
        const others = world.running.filter(
          (node) => node !== second && (world.mayWipe || random.chance(0.6)),
        );
        world.change(second, [...others, second], true);
      }
    }
    if (random.chance(0.4)) world.propose(first);
  }

  #copyInside(first: Node, inside: readonly Node[], outside: readonly Node[]): void {
    const world = this.world;
    const { random } = world;
    for (const { disk } of outside) {
      if (disk.checkpoint === null) continue;
      for (const node of inside)
        if (node === first || random.chance(0.3)) world.copy(disk.checkpoint, node, random.between(0, 20));
    }
  }
}
