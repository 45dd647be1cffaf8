/**
 * The end of a lease: its holder hears of nobody any more and is asked for reads all the time, while another one stands as soon as the others may promise it
 * something, and decides (docs/protocol.md, "Leases").
 */

import { Plot } from './plot.js';

/** A little more than a lease by the slowest clock. */
const LEASE_MS = 330;

export class Expiry extends Plot {
  readonly name = 'expiry';

  begin(): number {
    const world = this.world;
    const { random, members } = world;
    const first = members.find((node) => node.isPrimary);
    if (first === undefined || members.length < 3) return 0;
    const second = random.pick(members.filter((node) => node !== first));
    const others = members.filter((node) => node !== first && node !== second);
    world.endStalls();
    for (const line of world.lines) if (line.to === first) line.isStalled = true;
    // The last that others grant it is on its way by then.
    const mutedAt = random.between(0, 100);
    world.plan(mutedAt, () => {
      for (const line of world.lines) if (line.from === first) line.isStalled = true;
    });
    // And it may come when it is not worth much any more.
    world.plan(random.between(mutedAt, LEASE_MS), () => {
      for (const line of world.lines)
        if (line.to === first && others.includes(line.from) && random.chance(0.6)) line.isStalled = false;
    });
    if (random.chance(0.2)) world.relinquish(first);
    if (random.chance(0.3))
      for (const node of members)
        if (node !== first && random.chance(0.5))
          world.plan(random.between(0, LEASE_MS), () => world.restart(node));
    world.plan(random.between(0, LEASE_MS), () => world.promote(second));
    for (let afterMs = 0; afterMs < 2 * LEASE_MS; afterMs += 6)
      world.plan(afterMs, () => {
        first.read('lease-read');
        if (second.isPrimary && random.chance(0.2)) world.propose(second);
      });
    world.plan(1.6 * LEASE_MS, () => world.endStalls());
    return 1.7 * LEASE_MS;
  }
}
