/**
 * One primary after another, each elected by another part of the members, with decrees and changes of the members under way that reach some and not others:
 * what phase 1 is for (docs/protocol.md, rules 4 and 7).
 */

import type { Node } from './node.js';
import { Plot } from './plot.js';

export class Successions extends Plot {
  readonly name = 'successions';

  begin(): number {
    const world = this.world;
    const { random, members } = world;
    if (members.length < 3) return 0;
    const rounds = 3 + random.below(4);
    const withChanges = random.chance(0.6);
    const stepMs = random.between(25, 70);
    for (let round = 0; round < rounds; round += 1) {
      world.plan(round * stepMs, () => this.#divide());
      world.plan(round * stepMs + random.between(0, 10), () => this.#promoteSomebody());
      for (let turn = 1; turn <= 2; turn += 1)
        world.plan((round + turn / 3) * stepMs, () => this.#demand(withChanges));
    }
    const lastMs = rounds * stepMs;
    world.plan(lastMs, () => {
      world.endStalls();
      for (const node of world.nodes) if (node.replica === null) world.restart(node);
    });
    return lastMs;
  }

  /** Between a quorum, most often, and the rest. */
  #divide(): void {
    const world = this.world;
    const { random, members } = world;
    world.endStalls();
    const chance = random.pick([0.3, 0.5, 0.7]);
    const inside = new Set(world.nodes.filter(() => random.chance(chance)));
    if (random.chance(0.7)) world.stallBetween((node) => inside.has(node));
    else
      for (const line of world.lines) if (inside.has(line.from) && random.chance(0.6)) line.isStalled = true;
    if (members.length > 0 && random.chance(0.2)) world.restart(random.pick(members));
  }

  #promoteSomebody(): void {
    const { random, members } = this.world;
    const fit = members.filter((node) => !node.isPrimary);
    if (fit.length > 0) this.world.promote(random.pick(fit));
  }

  #demand(withChanges: boolean): void {
    const world = this.world;
    for (const primary of world.primaries) {
      if (world.random.chance(0.8)) world.propose(primary);
      if (withChanges && world.random.chance(0.4)) this.#change(primary);
    }
  }

  #change(primary: Node): void {
    const world = this.world;
    const { random, nodes } = world;
    const least = world.mayWipe ? 3 : 2;
    const size = Math.min(nodes.length, least + random.below(4));
    world.change(primary, random.shuffled(nodes).slice(0, size), true);
  }
}
