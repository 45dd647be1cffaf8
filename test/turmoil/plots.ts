/**
 * Plots: what chance alone seldom puts together is helped along. A plot plans what happens to some of the replicas in the next few hundred milliseconds; most
 * of it may come to nothing, as frames, disks and elections go their own ways meanwhile. Each seed has a favourite.
 */

import { Answers } from './answers.js';
import { Borrowed } from './borrowed.js';
import { Expiry } from './expiry.js';
import { Newcomers } from './newcomers.js';
import type { Plot } from './plot.js';
import { Returns } from './returns.js';
import { Rivals } from './rivals.js';
import { Successions } from './successions.js';
import { Unrecorded } from './unrecorded.js';
import type { World } from './world.js';

const CHANCE_TO_BEGIN = 0.08;
const CHANCE_OF_THE_FAVOURITE = 0.75;

export class Plots {
  readonly #world: World;
  readonly #plots: readonly Plot[];
  readonly #favourite: Plot;
  #endsAt = 0;

  constructor(world: World) {
    this.#world = world;
    this.#plots = [
      new Rivals(world),
      new Newcomers(world),
      new Unrecorded(world),
      new Returns(world),
      new Successions(world),
      new Answers(world),
      // Without leases there are no words to be kept; with them most others wait for their end.
      ...(world.options.lease === null
        ? [new Rivals(world), new Answers(world)]
        : [
            ...Array.from({ length: 5 }, () => new Borrowed(world)),
            ...Array.from({ length: 4 }, () => new Expiry(world)),
          ]),
    ];
    this.#favourite = world.random.pick(this.#plots);
  }

  get isUnderWay(): boolean {
    return this.#world.now < this.#endsAt;
  }

  /** True where one began. */
  mayBegin(): boolean {
    const { random, now, counts } = this.#world;
    if (!random.chance(CHANCE_TO_BEGIN)) return false;
    const plot = random.chance(CHANCE_OF_THE_FAVOURITE) ? this.#favourite : random.pick(this.#plots);
    const lastMs = plot.begin();
    if (lastMs === 0) return false;
    counts[plot.name] += 1;
    this.#endsAt = now + lastMs;
    return true;
  }
}
