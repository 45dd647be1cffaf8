/** What goes wrong, and what is asked of the replicas: after each tick one thing is drawn from a table of weights. */

import type { Random } from '../properties/random.js';
import type { Node } from './node.js';
import { Plots } from './plots.js';
import type { World } from './world.js';

interface Event {
  /** How often it is drawn, beside the others. */
  readonly weight: number;
  /** `node` was drawn as well. */
  readonly happen: (node: Node) => void;
}

/** While a plot is under way little else is done: it would mostly end what is to be seen. */
const CHANCE_BESIDE_A_PLOT = 0.15;
/** Of time that a process stands still, in milliseconds. */
const STILL_MAX = 500;

export class Trouble {
  readonly #world: World;
  readonly #random: Random;
  readonly #plots: Plots;
  readonly #events: readonly Event[];
  readonly #weights: number;

  constructor(world: World) {
    this.#world = world;
    this.#random = world.random;
    this.#plots = new Plots(world);
    this.#events = [...this.#demands(), ...this.#faults(), ...this.#checkpoints()];
    this.#weights = this.#events.reduce((sum, { weight }) => sum + weight, 0);
  }

  happen(): void {
    const random = this.#random;
    if (this.#plots.isUnderWay) {
      if (!random.chance(CHANCE_BESIDE_A_PLOT)) return;
    } else if (this.#plots.mayBegin()) return;
    let drawn = random.below(this.#weights);
    const event = this.#events.find(({ weight }) => {
      drawn -= weight;
      return drawn < 0;
    });
    event!.happen(random.pick(this.#world.nodes));
  }

  #demands(): Event[] {
    const world = this.#world;
    const random = this.#random;
    return [
      { weight: 300, happen: () => this.#atPrimaries((node) => world.propose(node)) },
      { weight: 150, happen: (node) => node.read(random.chance(0.5) ? 'read' : 'lease-read') },
      { weight: 30, happen: (node) => node.isConfigured && world.promote(node) },
      { weight: 20, happen: (node) => world.relinquish(node) },
      { weight: 80, happen: () => this.#atPrimaries((node) => this.#change(node)) },
      { weight: 10, happen: (node) => this.#withhold(node) },
    ];
  }

  #faults(): Event[] {
    const world = this.#world;
    return [
      { weight: 50, happen: (node) => this.#cut(node) },
      { weight: 30, happen: () => this.#heal() },
      { weight: 50, happen: (node) => (node.replica === null ? world.restart(node) : node.crash()) },
      { weight: 15, happen: (node) => node.replica !== null && world.restart(node) },
      { weight: 5, happen: (node) => world.mayWipe && world.counts.wipes === 0 && world.wipe(node) },
      { weight: 60, happen: () => this.#stall() },
      { weight: 40, happen: () => this.#split() },
      { weight: 15, happen: () => world.endStalls() },
      { weight: 20, happen: (node) => this.#stickDisk(node) },
      { weight: 15, happen: (node) => this.#standStill(node) },
      { weight: 5, happen: (node) => node.step({ kind: 'able', able: this.#random.chance(0.7) }) },
      { weight: 5, happen: (node) => this.#rank(node) },
      { weight: 10, happen: (node) => this.#congest(node) },
      // Time for what is under way.
      { weight: 30, happen: () => {} },
    ];
  }

  #checkpoints(): Event[] {
    return [
      { weight: 100, happen: (node) => node.makeCheckpoint() },
      { weight: 10, happen: (node) => this.#copyLate(node) },
      { weight: 25, happen: () => this.#copyToPrimaries() },
    ];
  }

  /** There may be several: all that have not heard yet that they are over. */
  #atPrimaries(act: (primary: Node) => void): void {
    for (const primary of this.#world.primaries) act(primary);
  }

  #change(primary: Node): void {
    const world = this.#world;
    const random = this.#random;
    const { length } = world.nodes;
    // Where a disk may be lost, not so few that it was a quorum.
    const least = world.mayWipe ? 3 : 1;
    const size = Math.min(length, least + random.below(Math.min(5, length)));
    world.change(primary, random.shuffled(world.nodes).slice(0, size), random.chance(0.5));
  }

  #withhold(node: Node): void {
    const random = this.#random;
    const from = random.chance(0.5) ? [] : [...node.peers].filter(() => random.chance(0.3));
    node.step({ kind: 'withhold', from: new Set(from) });
  }

  #cut(node: Node): void {
    const line = this.#random.pick(this.#world.lines.filter(({ from }) => from === node));
    line.isCut = !line.isCut;
    line.back.isCut = line.isCut;
    this.#world.relink();
  }

  /** Or frees it. */
  #stickDisk(node: Node): void {
    node.isDiskStuck = !node.isDiskStuck;
  }

  #standStill(node: Node): void {
    const { epoch } = node;
    node.standStill();
    this.#world.plan(this.#random.between(0, STILL_MAX), () => {
      if (node.epoch === epoch) node.wake();
    });
  }

  #rank(node: Node): void {
    const random = this.#random;
    const isStalled = random.chance(0.1);
    const isLagging = random.chance(0.1);
    node.step({ kind: 'standing', standing: { isStalled, isLagging, priority: random.below(3) * 100 } });
  }

  /** Or frees it. */
  #congest(node: Node): void {
    for (const peer of node.peers)
      if (this.#random.chance(0.5))
        node.step({ kind: 'congestion', peer, congested: this.#random.chance(0.4) });
  }

  #heal(): void {
    const world = this.#world;
    for (const line of world.lines) line.isCut = false;
    world.endStalls();
    for (const node of world.nodes) {
      node.isDiskStuck = false;
      if (node.replica === null) world.restart(node);
    }
    world.relink();
  }

  #stall(): void {
    const line = this.#random.pick(this.#world.lines);
    line.isStalled = !line.isStalled;
  }

  #split(): void {
    const inside = new Set(this.#world.nodes.filter(() => this.#random.chance(0.5)));
    this.#world.stallBetween((node) => inside.has(node));
  }

  /** A copy that was asked for before comes when it is of no use any more, or in the way. */
  #copyLate(node: Node): void {
    const { checkpoint } = this.#random.pick(this.#world.nodes).disk;
    if (checkpoint !== null) this.#world.copy(checkpoint, node, this.#random.between(0, 600));
  }

  #copyToPrimaries(): void {
    const world = this.#world;
    this.#atPrimaries((primary) => {
      for (const { disk } of world.nodes) {
        const { checkpoint } = disk;
        if (checkpoint !== null && checkpoint.slot > primary.replica!.chosen)
          world.copy(checkpoint, primary, this.#random.between(0, 30));
      }
    });
  }
}
