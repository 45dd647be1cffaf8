/** One plot: what some of the replicas are helped into, in the next few hundred milliseconds. */

import type { Counts, World } from './world.js';

export abstract class Plot {
  /** Under this it is counted. */
  abstract readonly name: keyof Counts;
  protected readonly world: World;

  constructor(world: World) {
    this.world = world;
  }

  /** Milliseconds until it is over; 0 where it cannot be begun as things are. */
  abstract begin(): number;
}
